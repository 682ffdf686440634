// A node under everything at once for a long time: prepares and unprepares at full rate, cards that
// come and go, sensors that make noise. What the daemon holds of the machine must not grow.
// DRAPCI_SOAK_SECONDS says how long; two minutes by default.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "test/node/kubelet/kubelet_fixture.h"

namespace drapci::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using std::chrono::steady_clock;

// The first cards are worked with, the others are pulled and plugged.
constexpr size_t kWorked = 4;
constexpr int kDefaultSeconds = 120;

struct Usage {
  double resident_mb = 0;
  size_t descriptors = 0, threads = 0, journal_kb = 0;
};

size_t Entries(const fs::path& directory) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(directory), {}));
}

seconds Duration() {
  const char* text = std::getenv("DRAPCI_SOAK_SECONDS");
  return seconds(text == nullptr ? kDefaultSeconds : std::atoi(text));
}

class Soak : public KubeletNode {
 protected:
  Usage Now() const {
    Usage usage;
    const fs::path process = fmt::format("/proc/{}", node_.pid());
    std::ifstream rollup(process / "smaps_rollup");
    for (std::string word; rollup >> word;) {
      double kilobytes = 0;
      if (word == "Rss:" && rollup >> kilobytes) usage.resident_mb = kilobytes / 1024;
    }
    usage.descriptors = Entries(process / "fd");
    usage.threads = Entries(process / "task");
    for (const auto& file : fs::recursive_directory_iterator(scratch_.state_dir)) {
      if (file.is_regular_file()) usage.journal_kb += file.file_size() / 1024;
    }
    return usage;
  }

  void Inject(std::vector<std::string> words) const {
    words.insert(words.begin(), {node_.programs().sim, "inject"});
    const auto done = RunCommand(words);
    EXPECT_TRUE(done && done->code == 0) << fmt::format("{}", fmt::join(words, " "));
  }

  // For four VFs of one card, every other one through vfio.
  std::vector<ClaimObject> ClaimsOn(size_t card) {
    const std::string device = DeviceNameOf(PhysicalFunctions().at(card));
    std::vector<ClaimObject> claims;
    for (int vf = 0; vf < 4; ++vf) {
      claims.push_back(
          Put({.uid = fmt::format("50a40000-0000-4000-8000-{:06}{:06}", card, vf),
               .name = fmt::format("soak-{}-{}", card, vf),
               .results = {{.request = "nic", .device = fmt::format("{}-vf{}", device, vf)}},
               .vfio = vf % 2 == 1}));
    }
    return claims;
  }

  // Prepares and unprepares VFs of one card until `stop`; a card that is pulled refuses, which is
  // right.
  void Work(size_t card, const std::vector<ClaimObject>& claims, const std::atomic<bool>& stop) {
    KubeletClient<V1> kubelet(Service());
    for (size_t n = 0; !stop; ++n) {
      const ClaimObject& claim = claims[n % claims.size()];
      V1::PrepareResponse prepared;
      V1::UnprepareResponse released;
      ASSERT_TRUE(kubelet.Prepare({claim}, prepared).ok());
      const std::string& error = prepared.claims().at(claim.uid).error();
      if (!error.empty()) {
        ++refused_;
        // Only a card that is pulled and plugged has a right to refuse.
        EXPECT_EQ(card, kWorked) << error;
      }
      ASSERT_TRUE(kubelet.Unprepare({claim}, released).ok());
      EXPECT_EQ(released.claims().at(claim.uid).error(), "");
      ++claims_done_;
    }
  }

  void PullAndPlug(const std::vector<std::string>& cards, const std::atomic<bool>& stop) {
    while (!stop) {
      for (const std::string& card : cards) Inject({"unplug", card});
      for (const std::string& card : cards) Inject({"plug", card});
      storms_ += static_cast<int>(cards.size());
    }
  }

  void MakeNoise(const std::vector<std::string>& cards, const std::atomic<bool>& stop) {
    while (!stop) {
      for (const std::string& card : cards) {
        Inject({"aer", card, "correctable", "BadTLP"});
        ++noises_;
      }
    }
  }

  static void Print(const char* when, const Usage& usage) {
    fmt::print("{}: {:.1f} MB resident, {} descriptors, {} threads, journal {} KB\n", when,
               usage.resident_mb, usage.descriptors, usage.threads, usage.journal_kb);
    std::fflush(stdout);
  }

  std::atomic<int> claims_done_ = 0, refused_ = 0, storms_ = 0, noises_ = 0;
};

TEST_F(Soak, LeavesWhatTheDaemonHoldsOfTheMachineFlat) {
  std::vector<std::string> worked = PhysicalFunctions();
  ASSERT_GT(worked.size(), kWorked + 1);
  const std::vector<std::string> pulled(worked.begin() + kWorked, worked.end());
  worked.resize(kWorked);
  std::atomic<bool> stop = false;
  Usage before;
  std::vector<std::vector<ClaimObject>> claims;  // the last of them on a card that is pulled
  for (size_t card = 0; card < kWorked + 1; ++card) claims.push_back(ClaimsOn(card));
  {
    std::vector<std::jthread> threads;
    for (size_t card = 0; card < claims.size(); ++card) {
      threads.emplace_back([this, card, &claims, &stop] { Work(card, claims[card], stop); });
    }
    threads.emplace_back([this, &pulled, &stop] { PullAndPlug(pulled, stop); });
    threads.emplace_back([this, &worked, &stop] { MakeNoise(worked, stop); });
    const auto end = steady_clock::now() + Duration();
    // Everything has happened often by then, so that pools and caches have their size.
    std::this_thread::sleep_until(steady_clock::now() + Duration() / 4);
    before = Now();
    Print("after a quarter", before);
    std::this_thread::sleep_until(end);
    Print("at the end", Now());
    stop = true;
  }
  const Usage after = Now();
  Print("at rest", after);
  fmt::print(
      "{} claims prepared and released ({} refused), {} cards pulled and plugged, {} errors"
      " counted by sensors\n",
      claims_done_.load(), refused_.load(), storms_.load(), noises_.load());
  EXPECT_GT(claims_done_, 0);
  EXPECT_GT(storms_, 0);
  EXPECT_LE(after.resident_mb, before.resident_mb * 1.1 + 2);
  EXPECT_LE(after.descriptors, before.descriptors + 4);
  EXPECT_LE(after.threads, before.threads + 4);
  EXPECT_LE(after.journal_kb, before.journal_kb * 2 + 4096);  // SQLite's log is cut at its own pace
}

}  // namespace
}  // namespace drapci::test
