// cluster: what a node of a cluster adds: reading a claim from the API server, and publishing the
// inventory.
//
//   bench_cluster DIRECTORY get      a prepare that reads its claim, beside the bare GET
//   bench_cluster DIRECTORY cached   the same with a watch of claims: there is nothing to read
//   bench_cluster DIRECTORY publish  from exec to the last slice, beside the same requests done
//   bare
#include <fmt/format.h>
#include <httplib.h>

#include <cstdlib>
#include <fstream>

#include "bench/stats.h"
#include "test/node/cluster/api_server.h"
#include "test/node/kubelet/kubelet_client.h"
#include "test/node/support/hardware.h"
#include "test/node/support/node.h"

namespace drapci::bench {
namespace {

using namespace drapci::test;  // NOLINT(google-build-using-namespace)
constexpr int kRounds = 400, kWarmUp = 20, kStarts = 10;

class Bench {
 public:
  Bench(const std::string& directory, bool watch)
      : scratch_(directory),
        api_(std::getenv("APISERVER") == nullptr ? "drapci-apiserver" : std::getenv("APISERVER"),
             scratch_.root),
        node_(Programs::FromEnvironment(), scratch_, {"--config", scratch_.root + "/config.yaml"}),
        watch_(watch) {}

  Result<> Begin();
  Result<> Prepares();
  Result<> Publish();

 private:
  bool Complete(size_t devices) const { return api_.Devices().size() >= devices; }

  Scratch scratch_;
  ApiServer api_;
  Node node_;
  const bool watch_;
};

Result<> Bench::Begin() {
  DRAPCI_CHECK(api_.Start());
  api_.AddNode("node-1");
  std::ofstream(scratch_.root + "/config.yaml") << fmt::format(
      "nodeName: node-1\nlogLevel: warning\nnetworkDevices: none\nkubernetes: {{kubeconfig: {}, "
      "watchClaims: {}, claimStatus: false}}\n",
      api_.WriteKubeconfig(), watch_);
  return {};
}

// One claim, prepared and released over and over.
Result<> Bench::Prepares() {
  DRAPCI_CHECK(node_.Start());
  if (!Soon([this] { return !api_.Devices().empty(); })) {
    return Fail(Code::kTimeout, "no slices");
  }
  const std::string device = api_.Devices().at(0).at("name").get<std::string>();
  DRAPCI_TRY(
      const Json allocated,
      api_.Allocate("bench",
                    Json::array({{{"name", "r"}, {"driver", "dra.pci"}, {"device", device}}})));
  const ClaimObject claim{.uid = allocated.at("metadata").at("uid").get<std::string>(),
                          .name = "bench"};
  KubeletClient<V1> kubelet(Dial(ServiceSocket(scratch_.kubelet_root)));
  httplib::Client http("127.0.0.1", api_.port());
  http.set_keep_alive(true);
  http.set_tcp_nodelay(true);
  const std::string path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/bench";
  Samples empty, get, prepare, unprepare;
  std::string error;
  api_.Reset();
  for (int round = -kWarmUp; round < kRounds && error.empty(); ++round) {
    Samples warm[4];
    const bool counts = round >= 0;
    V1::PrepareResponse nothing, prepared;
    V1::UnprepareResponse released;
    Measure(counts ? empty : warm[0], [&] { (void)kubelet.Prepare({}, nothing); });
    Measure(counts ? get : warm[1], [&] {
      const auto answer = http.Get(path);
      if (!answer || answer->status != 200) error = "the bare GET fails";
    });
    Measure(counts ? prepare : warm[2], [&] { (void)kubelet.Prepare({claim}, prepared); });
    error += prepared.claims().at(claim.uid).error();
    Measure(counts ? unprepare : warm[3], [&] { (void)kubelet.Unprepare({claim}, released); });
    error += released.claims().at(claim.uid).error();
  }
  if (!error.empty()) return Fail(Code::kIo, error);
  PrintHeadings();
  PrintRow("empty gRPC call", 1, 0, empty);
  PrintRow("bare GET of the claim", 1, 0, get);
  PrintRow(watch_ ? "prepare, claim known by a watch" : "prepare, with its GET", 1, 0, prepare);
  PrintRow("unprepare", 1, 0, unprepare);
  const int gets = api_.Calls("get resourceclaims") - (kRounds + kWarmUp);
  fmt::print(
      "  GETs by the daemon for {} prepares: {}; GET + 1 ms = {:.0f} us: prepare takes {:.2f} of "
      "it\n",
      kRounds + kWarmUp, gets, Percentile(get, 50) + 1000,
      Percentile(prepare, 50) / (Percentile(get, 50) + 1000));
  fmt::print("resident: {}\n", ResidentMemory(node_.pid()));
  return node_.Stop();
}

// From exec to all slices on the server, which is empty each time; then the same requests, bare.
Result<> Bench::Publish() {
  DRAPCI_CHECK(node_.Start());
  size_t devices = 0;
  Soon([&] {
    const size_t now = api_.Devices().size();
    return std::exchange(devices, now) == now && now > 0 && api_.Calls("create resourceslices") > 0;
  });
  DRAPCI_CHECK(node_.Stop());
  const std::vector<Json> slices = api_.Slices();
  devices = api_.Devices().size();
  const std::string base = "/apis/resource.k8s.io/v1/resourceslices";
  Samples published, bare;
  httplib::Client http("127.0.0.1", api_.port());
  http.set_keep_alive(true);
  http.set_tcp_nodelay(true);
  const auto wipe = [&] {
    for (const Json& slice : api_.Slices()) {
      (void)api_.Delete(base + "/" + slice.at("metadata").at("name").get<std::string>())
          .has_value();
    }
  };
  for (int i = 0; i < kStarts; ++i) {
    wipe();
    Measure(published, [&] {
      (void)node_.Start().has_value();
      Soon([&] { return Complete(devices); });
    });
    DRAPCI_CHECK(node_.Stop());
    wipe();
    Measure(bare, [&] {
      (void)http.Get(base);
      (void)http.Get("/api/v1/nodes/node-1");
      (void)http.Get("/version");
      for (const Json& slice : slices) {
        Json fresh = slice;
        fresh.at("metadata") = {{"generateName", "x-"}};
        (void)http.Post(base, fresh.dump(), "application/json");
      }
      Soon([&] { return Complete(devices); });
    });
  }
  PrintHeadings();
  PrintRow("exec to the last slice seen on the server", 1, 0, published);
  PrintRow("the same requests, bare", 1, 0, bare);
  fmt::print("  {} devices in {} slices; beyond the bare requests: {:.1f} ms\n", devices,
             slices.size(), (Percentile(published, 50) - Percentile(bare, 50)) / 1000);
  return {};
}

}  // namespace
}  // namespace drapci::bench

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[2] : "";
  if (kind != "get" && kind != "cached" && kind != "publish") {
    fmt::print(stderr, "usage: bench_cluster DIRECTORY get|cached|publish\n");
    return 2;
  }
  drapci::bench::Bench bench(argv[1], kind == "cached");
  auto done = bench.Begin();
  if (done) done = kind == "publish" ? bench.Publish() : bench.Prepares();
  if (!done) {
    fmt::print(stderr, "cluster: {}\n", done.error().what);
    return 1;
  }
  return 0;
}
