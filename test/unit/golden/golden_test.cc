// What is published of each board, as it is kept in test/golden for people to read.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "plugin/cli/slices.h"
#include "plugin/slices/convert.h"
#include "plugin/slices/limits.h"
#include "plugin/slices/publisher.h"
#include "test/sim/board/board.h"
#include "test/sim/nvml/simulated_gpus.h"
#include "test/unit/apiserver/harness.h"
#include "test/unit/driver/world.h"

namespace drapci {
namespace {

using plugin::slices::CounterConsumption;
using plugin::slices::Pool;
using plugin::slices::SliceContent;
using plugin::slices::SliceDevice;

const plugin::slices::Owner kOwner{
    .driver_name = "dra.pci", .node_name = "node1", .node_uid = "node-uid"};

struct Golden {
  std::string name;
  std::string board;                   // of test/sim/boards, with parameters
  std::string shared = {};             // the card that is offered in shares
  std::vector<std::string> only = {};  // cards, where the others are the same again
  int sub_functions = 0;               // of cards with a switch, which is put into switchdev mode
};

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

const Golden kGoldens[] = {
    {.name = "sriov-nic", .board = "sriov-nic:vfs=3"},
    {.name = "sriov-nic-shared", .board = "sriov-nic", .shared = "0000:02:00.0"},
    {.name = "nvme", .board = "nvme"},
    {.name = "mixed-small", .board = "mixed-small:vfs=2"},
    {.name = "xe", .board = "xe:vfs=3", .only = {"0000:3a:00.0"}},
    {.name = "xe-shared", .board = "xe", .shared = "0000:3a:00.0", .only = {"0000:3a:00.0"}},
    {.name = "dgx-h100", .board = "dgx-h100", .only = {"0000:1b:00.0"}},
    {.name = "mi300x", .board = "mi300x", .only = {"0000:0a:00.0"}},
    {.name = "mi300x-shared",
     .board = "mi300x",
     .shared = "0000:0a:00.0",
     .only = {"0000:0a:00.0"}},
    {.name = "dsa", .board = "dsa", .only = {"0000:6a:01.0", "0000:6a:02.0"}},
    {.name = "qat", .board = "qat", .only = {"0000:6b:00.0"}},
    {.name = "smartnic", .board = "smartnic:vfs=2"},
    {.name = "smartnic-sf", .board = "smartnic:vfs=1", .sub_functions = 2},
    {.name = "dfl-fpga", .board = "dfl-fpga"},
    {.name = "accel", .board = "accel"},
};

class EveryGolden : public testing::TestWithParam<Golden> {
 protected:
  EveryGolden()
      : world_(Config(), [](sim::Kernel& kernel) {
          const auto board = sim::LoadBoard(GetParam().board, DRAPCI_SIM_BOARD_DIR);
          ASSERT_TRUE(board) << board.error().what;
          const auto installed = sim::Install(kernel, {*board});
          ASSERT_TRUE(installed) << installed.error().what;
        }) {
    const std::vector<sim::FunctionSpec> specs = world_.machine.kernel.Specs();
    if (std::ranges::any_of(specs, [](const auto& spec) { return spec.model.contains("nvml"); })) {
      gpus_.emplace(world_.machine.kernel, [] { return Result<>(); });
      world_.host.nvml = &*gpus_;
    }
    world_.Boot();
    pools_ = Pools();
  }

  std::vector<Pool> Pools() {
    driver::Snapshot snapshot = *world_.manager->CurrentSnapshot();
    std::erase_if(snapshot.accelerators, [](const driver::AcceleratorView& card) {
      const auto& only = GetParam().only;
      return !only.empty() &&
             std::ranges::find(only, card.function.address.ToString()) == only.end();
    });
    return plugin::slices::MakePools(snapshot, kOwner.driver_name, kOwner.node_name, {});
  }

  static driver::Config Config() {
    driver::Config config;
    config.hook = "/hook";
    if (GetParam().sub_functions != 0) {
      driver::AcceleratorRule& rule = config.accelerators.emplace_back();
      rule.policy.eswitch_mode = "switchdev";
      rule.policy.sub_functions = GetParam().sub_functions;
    }
    if (GetParam().shared.empty()) return config;
    driver::AcceleratorRule& rule = config.accelerators.emplace_back();
    rule.address = hal::PciAddress::Parse(GetParam().shared);
    rule.policy.shares = true;
    return config;
  }

  ~EveryGolden() override { world_.manager.reset(); }

  driver::World world_;
  std::optional<sim::SimulatedGpus> gpus_;  // on boards with GPUs of NVIDIA
  std::vector<Pool> pools_;
};

TEST_P(EveryGolden, IsWhatIsPublished) {
  v1::GetSlicesResponse answer;
  for (const std::string& slice : plugin::slices::Preview(kOwner, pools_)) {
    answer.add_slices(slice);
  }
  const std::string text = cli::RenderSlices(answer, cli::Format::kYaml);
  const std::string path = fmt::format("{}/{}.yaml", DRAPCI_GOLDEN_DIR, GetParam().name);
  const char* wish = std::getenv("DRAPCI_GOLDEN");
  if (wish != nullptr && std::string_view(wish) == "write") {
    ASSERT_TRUE(std::ofstream(path) << text) << path;
    return;
  }
  std::ostringstream kept;
  kept << std::ifstream(path).rdbuf();
  EXPECT_EQ(kept.str(), text) << "see test/golden/README.md";
}

using EveryBoard = EveryGolden;

TEST_P(EveryBoard, IsTakenByTheApiServer) {
  apiserver::Harness server(36, {{"DRADeviceTaints", true},
                                 {"DRAPartitionableDevices", true},
                                 {"DRAConsumableCapacity", true}});
  for (const Pool& pool : pools_) {
    const Result<> check = plugin::slices::CheckPool(pool);
    EXPECT_TRUE(check) << check.error().what;
  }
  for (const std::string& slice : plugin::slices::Preview(kOwner, pools_)) {
    const auto answer = server.Post(apiserver::kSlices, nlohmann::json::parse(slice));
    EXPECT_EQ(answer.status, 201) << answer.raw.body;
  }
}

TEST_P(EveryBoard, StaysAsItIsWhileAPartIsClaimed) {
  const std::vector<std::string> before = plugin::slices::Preview(kOwner, pools_);
  for (const Pool& pool : pools_) {
    const SliceDevice& first = pool.slices.back().devices.front();
    driver::DeviceRequest wish{.request_names = {"r"}, .pool = pool.name, .device = first.name};
    for (const auto& [name, capacity] : first.capacity) {
      wish.share_id = "share";
      wish.share[name] = capacity.policy->default_value;
    }
    if (first.name.contains("-00-0-vf")) wish.access = hal::Access::kVfio;
    if (pool.name == kOwner.node_name) continue;
    const auto prepared = world_.Prepare({.uid = first.name,
                                          .namespace_name = "ns",
                                          .name = "claim",
                                          .alias = {},
                                          .devices = {std::move(wish)}});
    ASSERT_TRUE(prepared) << prepared.error().what;
  }
  EXPECT_EQ(plugin::slices::Preview(kOwner, Pools()), before);
}

TEST_P(EveryBoard, StaysAsItIsWhileTheWholeIsClaimedForVfio) {
  const std::vector<std::string> before = plugin::slices::Preview(kOwner, pools_);
  for (const Pool& pool : pools_) {
    for (const SliceDevice& device : pool.slices.back().devices) {
      if (!pool.name.ends_with("/" + device.name) || !device.capacity.empty()) continue;
      driver::DeviceRequest wish{.request_names = {"r"}, .pool = pool.name, .device = device.name};
      wish.access = hal::Access::kVfio;
      const auto prepared = world_.Prepare({.uid = device.name,
                                            .namespace_name = "ns",
                                            .name = "claim",
                                            .alias = {},
                                            .devices = {std::move(wish)}});
      ASSERT_TRUE(prepared) << prepared.error().what;
    }
  }
  EXPECT_EQ(plugin::slices::Preview(kOwner, Pools()), before);
}

// Whether the scheduler can allocate both.
bool GoTogether(const std::vector<plugin::slices::CounterSet>& sets, const SliceDevice& one,
                const SliceDevice& other) {
  for (const auto& set : sets) {
    std::map<std::string, int64_t> taken;
    for (const SliceDevice* device : {&one, &other}) {
      for (const CounterConsumption& from : device->consumes) {
        if (from.counter_set != set.name) continue;
        for (const auto& [name, amount] : from.counters) taken[name] += amount;
      }
    }
    for (const auto& [name, amount] : taken) {
      if (amount > set.counters.at(name)) return false;
    }
  }
  return true;
}

TEST_P(EveryBoard, GivesNeitherAWholeWithItsPartsNorMoreThanThereIs) {
  for (const Pool& pool : pools_) {
    std::vector<plugin::slices::CounterSet> sets;
    std::vector<SliceDevice> devices;
    for (const SliceContent& slice : pool.slices) {
      sets.insert(sets.end(), slice.counter_sets.begin(), slice.counter_sets.end());
      devices.insert(devices.end(), slice.devices.begin(), slice.devices.end());
    }
    if (sets.empty()) continue;  // nothing is divided
    const auto whole = std::ranges::find_if(
        devices, [&](const auto& device) { return pool.name.ends_with("/" + device.name); });
    for (const SliceDevice& device : devices) {
      EXPECT_FALSE(device.consumes.empty()) << device.name;
      const SliceDevice nothing;
      EXPECT_TRUE(GoTogether(sets, device, nothing)) << device.name << " can never be had";
      if (whole == devices.end() || device.name == whole->name) continue;
      EXPECT_FALSE(GoTogether(sets, device, *whole)) << device.name;
    }
  }
}

std::string NameOf(const testing::TestParamInfo<Golden>& golden) {
  std::string name = golden.param.name;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Boards, EveryGolden, testing::ValuesIn(kGoldens), NameOf);
INSTANTIATE_TEST_SUITE_P(Boards, EveryBoard, testing::ValuesIn(kGoldens), NameOf);
// Nothing in it is new to read.
INSTANTIATE_TEST_SUITE_P(Mixed, EveryBoard,
                         testing::Values(Golden{.name = "mixed", .board = "mixed"}), NameOf);

}  // namespace
}  // namespace drapci
