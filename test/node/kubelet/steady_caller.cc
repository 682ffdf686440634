// steady_caller KUBELET-ROOT CLAIM-DIRECTORY CALLERS: kubelets that never stop calling. Each
// prepares and unprepares a claim of its own, over and over, on one connection, until standard
// input ends. Prints how many calls there were, how many failed and how long the longest took;
// exits with 1 when one failed.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/node/kubelet/kubelet_client.h"

namespace drapci::test {
namespace {

class Callers {
 public:
  explicit Callers(std::string kubelet_root) : kubelet_root_(std::move(kubelet_root)) {}

  void Run(const ClaimObject& claim) {
    KubeletClient<V1> kubelet(Dial(ServiceSocket(kubelet_root_)));
    while (!stop_) {
      V1::PrepareResponse prepared;
      Count([&] {
        const grpc::Status status = kubelet.Prepare({claim}, prepared);
        if (!status.ok()) return status.error_message();
        const auto answer = prepared.claims().find(claim.uid);
        return answer == prepared.claims().end() ? "no answer" : answer->second.error();
      });
      V1::UnprepareResponse released;
      Count([&] {
        const grpc::Status status = kubelet.Unprepare({claim}, released);
        if (!status.ok()) return status.error_message();
        const auto answer = released.claims().find(claim.uid);
        return answer == released.claims().end() ? "no answer" : answer->second.error();
      });
    }
  }
  void Stop() { stop_ = true; }

  int Report() {
    fmt::print("{} calls, {} failed, the longest took {} ms\n", calls_, failed_, longest_.count());
    return failed_ == 0 && calls_ > 0 ? 0 : 1;
  }

 private:
  template <class Call>
  void Count(Call call) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string error = call();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    const std::lock_guard lock(mutex_);
    ++calls_;
    longest_ = std::max(longest_, took);
    if (error.empty()) return;
    ++failed_;
    fmt::print("call {} failed: {}\n", calls_, error);
  }

  const std::string kubelet_root_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  int calls_ = 0, failed_ = 0;
  std::chrono::milliseconds longest_{0};
};

}  // namespace
}  // namespace drapci::test

int main(int argc, char** argv) {
  using namespace drapci::test;  // NOLINT(google-build-using-namespace)
  if (argc != 4) {
    fmt::print(stderr, "usage: steady_caller KUBELET-ROOT CLAIM-DIRECTORY CALLERS\n");
    return 2;
  }
  Callers callers(argv[1]);
  std::vector<std::jthread> threads;
  for (int i = 0; i < std::atoi(argv[3]); ++i) {
    const ClaimObject claim{
        .uid = fmt::format("5e3a1f0c-7c55-4b0e-9a3e-0d5b8c1f4b{:02d}", i),
        .name = fmt::format("steady-{}", i),
        .results = {{.request = "nic", .device = fmt::format("pci-0000-02-00-0-vf{}", i)}}};
    PutClaim(argv[2], claim);
    threads.emplace_back([&callers, claim] { callers.Run(claim); });
  }
  fmt::print("calling\n");
  std::fflush(stdout);
  char ignored = 0;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  callers.Stop();
  threads.clear();
  return callers.Report();
}
