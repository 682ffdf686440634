// The table of sources, on every board and on the machine that runs the test.
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>

#include "hal/os/state_dir.h"
#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

std::string Readme() {
  std::stringstream text;
  text << std::ifstream(DRAPCI_TELEMETRY_README).rdbuf();
  return text.str();
}

TEST(Signals, AreAllInTheReadme) {
  const std::string readme = Readme();
  ASSERT_FALSE(readme.empty());
  for (const Signal& signal : Signals()) {
    EXPECT_TRUE(readme.contains(fmt::format("`{}`", signal.name))) << signal.name;
  }
  EXPECT_EQ(FindSignal("nothing_like_this"), nullptr);
}

TEST(Sources, AreAllInTheReadmeWithTheirPeriods) {
  const std::string readme = Readme();
  std::set<std::string> names;
  for (const TelemetrySource& source : TelemetrySources()) {
    EXPECT_TRUE(names.insert(source.name).second) << source.name;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(source.period).count();
    EXPECT_TRUE(readme.contains(fmt::format("| `{}` | {} s |", source.name, seconds)))
        << source.name;
  }
}

class BoardSourcesTest : public TelemetryTest, public testing::WithParamInterface<const char*> {};

// Of every function of the board: nothing fails, every signal is known, no two readings of a source
// are of the same signal and instance.
TEST_P(BoardSourcesTest, TellOfEveryFunctionWithoutAFailure) {
  LoadBoard(GetParam());
  size_t readings = 0;
  const std::vector<PciFunction> functions = machine_.scanner.Scan().value();
  for (const PciFunction& function : functions) {
    for (const TelemetrySource& source : TelemetrySources()) {
      reader_ = source.make(machine_.host, function);
      if (!reader_) continue;
      const auto told = reader_->Read();
      ASSERT_TRUE(told) << source.name << ": " << told.error().what;
      std::set<std::pair<std::string, std::string>> seen;
      for (const Reading& reading : *told) {
        EXPECT_NE(FindSignal(reading.signal), nullptr) << reading.signal;
        EXPECT_TRUE(seen.emplace(reading.signal, reading.instance).second) << TextOf(reading);
      }
      readings += told->size();
    }
  }
  EXPECT_GT(readings, 0U);
}

INSTANTIATE_TEST_SUITE_P(Boards, BoardSourcesTest,
                         testing::Values("dfl-fpga", "dgx-h100", "dsa", "mi300x", "mixed-small",
                                         "nvme", "qat", "smartnic", "sriov-nic", "xe"),
                         [](const auto& board) {
                           std::string name = board.param;
                           std::erase(name, '-');
                           return name;
                         });

// Takes the answers of /sys and does not judge them; counts what they cost.
TEST(ThisMachine, TellsSomethingOrNothingOfEachOfItsFunctionsWithoutACrash) {
  sim::FakeHost unused;
  KernelSysfs sysfs;
  KernelNetlink netlink("");
  Host host{.sysfs = sysfs,
            .dev = unused.dev,
            .netlink = netlink,
            .namespaces = unused.namespaces,
            .events = unused.events,
            .clock = unused.clock};
  const auto addresses = sysfs.List("/sys/bus/pci/devices");
  if (!addresses) GTEST_SKIP() << "no PCI here";
  std::map<std::string, std::pair<int, std::chrono::nanoseconds>> cost;
  for (const std::string& name : *addresses) {
    const auto address = PciAddress::Parse(name);
    if (!address) continue;
    PciFunction function{.address = *address};
    if (!ReadSysfsFacts(sysfs, function)) continue;
    for (const TelemetrySource& source : TelemetrySources()) {
      const auto reader = source.make(host, function);
      if (!reader) continue;
      const auto begin = std::chrono::steady_clock::now();
      const auto told = reader->Read();
      auto& [count, time] = cost[source.name];
      ++count;
      time += std::chrono::steady_clock::now() - begin;
      if (!told) fmt::print("{} {}: {}\n", name, source.name, told.error().what);
    }
  }
  for (const auto& [name, sum] : cost) {
    fmt::print("{}: {} read, {:.1f} us each\n", name, sum.first,
               static_cast<double>(sum.second.count()) / 1e3 / sum.first);
  }
}

}  // namespace
}  // namespace drapci::hal
