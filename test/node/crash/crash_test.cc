// crash_test: kill -9 of drapcid after each change of hardware, journal and CDI directory, one by
// one.
//
//   crash_test [--case NAME] [--points N] [--pf ADDRESS] [--list]
//
// For prepare and unprepare of a VF by its kernel driver (vf-kernel: the first claim of its card),
// of a VF through vfio while another VF is held (vf-vfio), of the whole card through vfio
// (pf-vfio), of a VF with network settings (vf-network) and of a share with a rate while another
// share is held (share): counts the points, then, for each, starts afresh, kills the daemon there,
// starts it again and looks (see crash_case.h). --points N takes N of them, evenly spread. Runs on
// any machine with an SR-IOV card that nothing else uses: under drapci-sim, or in the machine of
// test/vm.
#include <fmt/format.h>

#include <optional>
#include <set>

#include "hal/base/parse.h"
#include "test/node/crash/crash_case.h"

namespace drapci::test {
namespace {

struct Options {
  std::string only_case, pf;
  int points = 0;  // 0: all
  bool list = false;
};

std::optional<Options> ParseOptions(int argc, char** argv) {
  Options out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--list") {
      out.list = true;
      continue;
    }
    if (++i == argc) return std::nullopt;
    if (name == "--case") {
      out.only_case = argv[i];
    } else if (name == "--pf") {
      out.pf = argv[i];
    } else if (name == "--points") {
      out.points = ParseInt<int>(argv[i]).value_or(0);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::vector<CrashCase> Cases(const std::string& card, const Scratch& scratch) {
  // The hook is not called here; that it can be is enough for a claim to ask for an address.
  const std::string network = scratch.Write("network.yaml", R"(apiVersion: config.dra.pci/v1alpha1
kind: NetworkConfig
interface: net1
addresses: [10.0.0.2/24]
mtu: 1400
mac: "02:00:00:00:00:07"
vlan: 100
maxRate: 100M
spoofCheck: false
)");
  return {
      {.name = "vf-kernel", .held = {}, .claim = {.name = "first", .device = card + "-vf1"}},
      {.name = "vf-vfio",
       .held = {{.name = "other", .device = card + "-vf0"}},
       .claim = {.name = "second", .device = card + "-vf2", .vfio = true}},
      {.name = "pf-vfio", .held = {}, .claim = {.name = "whole", .device = card, .vfio = true}},
      {.name = "vf-network",
       .held = {},
       .claim = {.name = "net", .device = card + "-vf1", .options = {"--config", network}},
       .config = "hook: /bin/true\n"},
      {.name = "share",
       .held = {{.name = "other", .device = card, .options = {"--share", "bandwidth=300M"}}},
       .claim = {.name = "share", .device = card, .options = {"--share", "bandwidth=200M"}},
       .config = "accelerators: [{match: {}, shares: true, bandwidth: 1G}]\n"},
  };
}

// 0 … `points`, or `wanted` of them.
std::set<int> Choose(int points, int wanted) {
  std::set<int> out;
  for (int n = 0; n <= points; ++n) {
    if (wanted <= 0 || wanted > points) out.insert(n);
  }
  if (!out.empty()) return out;
  for (int i = 0; i < wanted; ++i) out.insert(1 + i * (points - 1) / std::max(wanted - 1, 1));
  return out;
}

struct Totals {
  int counted = 0, tried = 0, failed = 0;
};

Result<> RunCase(Node& node, const CrashCase& crash_case, Operation operation,
                 const Options& options, Totals& totals) {
  const std::string_view verb = operation == Operation::kPrepare ? "prepare" : "unprepare";
  CrashTrial trial(node, crash_case, operation);
  DRAPCI_TRY(const PointCounts counts, trial.Count());
  fmt::print("crash points: {} {}: {} (hardware {}, journal {}, cdi {})\n", verb, crash_case.name,
             counts.points, counts.hardware, counts.journal, counts.cdi);
  if (options.list) fmt::print("{}", counts.list);
  if (counts.hardware == 0 || counts.journal == 0 || counts.cdi == 0) {
    return Fail(Code::kInternal,
                "a kind of point is missing: the observer does not see everything");
  }
  totals.counted += counts.points;
  for (int n : Choose(counts.points, options.points)) {
    auto reached = trial.Try(n);
    ++totals.tried;
    if (!reached) {
      ++totals.failed;
      fmt::print("FAILED: {} {}, killed after point {}: {}\n", verb, crash_case.name, n,
                 reached.error().what);
      // The next point must not suffer from what this one has left: give it a chance to be
      // released.
      if (!node.running()) DRAPCI_CHECK(node.Start());
      for (const ClaimSpec& claim : crash_case.held) (void)node.Cli({"unprepare", claim.name});
      (void)node.Cli({"unprepare", crash_case.claim.name});
      DRAPCI_CHECK(node.Stop());
    } else if (!*reached && n > 0) {
      fmt::print("  (point {} was not reached this time: fewer system calls)\n", n);
    }
    std::fflush(stdout);
  }
  return {};
}

int Main(const Options& options) {
  std::string pf = options.pf;
  if (pf.empty()) {
    auto found = FirstPhysicalFunction();
    if (!found) {
      fmt::print(stderr, "crash_test: {}\n", found.error().what);
      return 1;
    }
    pf = *found;
  }
  const Scratch scratch;
  Totals totals;
  for (const CrashCase& crash_case : Cases(DeviceNameOf(pf), scratch)) {
    if (!options.only_case.empty() && options.only_case != crash_case.name) continue;
    const std::string config = scratch.Write("config.yaml", crash_case.config);
    Node node(Programs::FromEnvironment(), scratch, {"--standalone", "--config", config});
    for (Operation operation : {Operation::kPrepare, Operation::kUnprepare}) {
      if (auto done = RunCase(node, crash_case, operation, options, totals); !done) {
        fmt::print("FAILED: {}: {}\n", crash_case.name, done.error().what);
        return 1;
      }
    }
  }
  fmt::print("crash points: {} counted, {} crashes tried, {} failed\n", totals.counted,
             totals.tried, totals.failed);
  return totals.tried > 0 && totals.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace drapci::test

int main(int argc, char** argv) {
  const auto options = drapci::test::ParseOptions(argc, argv);
  if (!options) {
    fmt::print(stderr, "usage: crash_test [--case NAME] [--points N] [--pf ADDRESS] [--list]\n");
    return 2;
  }
  return drapci::test::Main(*options);
}
