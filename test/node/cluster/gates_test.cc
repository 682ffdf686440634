// What is published to servers of several versions and with feature gates off (contract sections
// 5.4, 5.12 and 10.3 case 5): never more than the server can keep, told once, without a write loop.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* name;
  std::string kubernetes, gates;  // of the server
  bool vfs;                       // are published, with the counter that the whole shares with them
  bool whole;
  std::string dropped;  // what the operator is told; empty: nothing
  std::string config = {}, section = {};
};

void PrintTo(const Case& server, std::ostream* out) { *out << server.name; }

std::vector<std::string> ServerOptions(const Case& server) {
  std::vector<std::string> options{"--kubernetes", server.kubernetes};
  if (!server.gates.empty()) options.insert(options.end(), {"--feature-gates", server.gates});
  return options;
}

class Gates : public ClusterNode, public testing::WithParamInterface<Case> {
 protected:
  Gates() : ClusterNode(GetParam().config, GetParam().section, ServerOptions(GetParam())) {}
  // A shared card keeps its VFs; nothing here holds them.
  void TearDown() override {
    if (GetParam().config.contains("shares")) held_at_end_ = true;
    ClusterNode::TearDown();
    if (held_at_end_) RemoveVfs();
  }
};

TEST_P(Gates, PublishWhatTheServerKeepsTellWhatItDoesNotAndWriteNoMore) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  EXPECT_EQ(api_.Device(card() + "-vf7").has_value(), GetParam().vfs);
  EXPECT_EQ(api_.Device(card()).has_value(), GetParam().whole);
  for (const Json& slice : api_.Slices()) {
    EXPECT_TRUE(GetParam().vfs || !slice.at("spec").contains("sharedCounters"));
  }
  const Json dropped = ShownSlices().at("dropped");
  if (GetParam().dropped.empty()) {
    EXPECT_EQ(dropped, Json::array());
  } else {
    EXPECT_THAT(dropped.dump(), HasSubstr(GetParam().dropped));
    EXPECT_THAT(DaemonLog(), HasSubstr(GetParam().dropped));
  }

  const auto before = api_.Slices();
  const size_t dry_runs = GetParam().dropped.empty() ? 0 : 1;  // asks what the server keeps
  api_.Reset();
  RestartDaemon();
  ASSERT_TRUE(Settled());
  EXPECT_FALSE(Soon([&] { return api_.SliceWrites() > dry_runs; }, std::chrono::milliseconds(500)))
      << api_.Get("/counters")->dump();
  EXPECT_EQ(api_.Slices(), before);

  // Nothing is given twice: eight VFs, or the whole.
  size_t given = 0;
  while (given < 20 && api_.Allocate(fmt::format("c{}", given),
                                     Json::array({{{"name", "r"}, {"driver", "dra.pci"}}}))) {
    ++given;
  }
  EXPECT_EQ(given, GetParam().vfs ? 8U : GetParam().whole ? 1U : 0U);
}

constexpr const char* kBinding = "accelerators:\n- match: {}\n  bindingConditions: true\n";
constexpr const char* kShares = "accelerators:\n- match: {}\n  shares: true\n  bandwidth: 1G\n";

INSTANTIATE_TEST_SUITE_P(
    Of, Gates,
    testing::Values(
        Case{"Kubernetes134", "1.34", "", false, true, "before 1.35"},
        Case{"Kubernetes134WithTheGate", "1.34", "DRAPartitionableDevices=true", false, true,
             "before 1.35"},
        Case{"Kubernetes135", "1.35", "", false, true, "DRAPartitionableDevices is off"},
        Case{"Kubernetes135WithTheGate", "1.35", "DRAPartitionableDevices=true", true, true, ""},
        Case{"Kubernetes136", "1.36", "", true, true, ""},
        Case{"Kubernetes137", "1.37", "", true, true, ""},
        Case{"NoPartitionableDevices", "1.36", "DRAPartitionableDevices=false", false, true,
             "DRAPartitionableDevices is off"},
        Case{"NoConsumableCapacity", "1.36", "DRAConsumableCapacity=false", false, false,
             "DRAConsumableCapacity is off", kShares},
        Case{"NoBindingConditions", "1.36", "DRADeviceBindingConditions=false", true, true,
             "DRADeviceBindingConditions is off", kBinding, "watchClaims: true"}),
    [](const auto& instance) { return instance.param.name; });

class NoTaints : public ClusterNode {
 protected:
  NoTaints() : ClusterNode("", "", {"--feature-gates", "DRADeviceTaints=false"}) {}
};

TEST_F(NoTaints, AreToldOnceWithoutAWriteLoop) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  Inject({"unplug", address()});
  EXPECT_TRUE(Soon([this] { return DaemonLog().contains("DRADeviceTaints is off"); }));
  ASSERT_TRUE(Settled());
  api_.Reset();
  EXPECT_FALSE(Soon([this] { return api_.SliceWrites() > 0; }, std::chrono::milliseconds(700)));
  Inject({"plug", address()});
  ASSERT_TRUE(Soon([this] { return api_.Device(card()).has_value(); }));
  EXPECT_EQ(Unprepare(claim), "");
}

}  // namespace
}  // namespace drapci::test
