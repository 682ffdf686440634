// Every change of a prepare and an unprepare, cut off or refused: nothing may be left half done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/driver/world.h"

namespace drapci::driver {
namespace {

using hal::Access;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ------------------------------------------------------------------------

struct Case {
  const char* name;
  std::vector<std::string> devices;
  Access access;
  bool another_held;  // a claim on VF 1, or of a share, is there before and after
  std::optional<hal::NetworkRequest> network = {};
  std::map<std::string, int64_t> share = {};  // the card is given in shares
};

hal::NetworkRequest Network() {
  hal::NetworkRequest network;
  network.vf.mac = "02:00:00:00:00:07";
  network.vf.vlan = 100;
  network.vf.max_rate = 200;
  network.vf.spoof_check = false;
  network.interface = "net1";
  network.mtu = 1400;
  network.addresses = {"10.0.0.2/24"};
  return network;
}

hal::NetworkRequest Mtu() {
  hal::NetworkRequest network;
  network.mtu = 1400;
  return network;
}

Config ConfigOf(const Case& each) {
  Config config;
  config.hook = "/hook";
  if (!each.share.empty()) {
    AcceleratorRule rule;
    rule.address = hal::PciAddress::Parse("0000:02:00.0");
    rule.policy.shares = true;
    rule.policy.bandwidth = 1'000'000'000;
    config.accelerators.push_back(rule);
  }
  return config;
}

struct CaseWorld : World {
  CaseWorld() : World(ConfigOf(testing::WithParamInterface<Case>::GetParam())) {}

  Result<PreparedClaim> PrepareIt() {
    const Case& each = testing::WithParamInterface<Case>::GetParam();
    ClaimRequest claim{.uid = "a", .namespace_name = "ns", .name = "a", .alias = {}, .devices = {}};
    for (const std::string& name : each.devices) {
      DeviceRequest device{.request_names = {"r"}, .pool = "pool", .device = name};
      device.access = each.access;
      device.network = each.network;
      device.share = each.share;
      if (!each.share.empty()) device.share_id = "s";
      claim.devices.push_back(std::move(device));
    }
    return Prepare(std::move(claim));
  }
};

class EveryPoint : public testing::TestWithParam<Case> {
 protected:
  static void Begin(CaseWorld& world) {
    world.Boot();
    if (!GetParam().another_held) return;
    if (GetParam().share.empty()) {
      ASSERT_TRUE(world.Prepare("other", {kVf1}, Access::kVfio));
    } else {
      ASSERT_TRUE(world.PrepareShare("other", kNic, {{"bandwidth", 300'000'000}}));
    }
  }
  // The claim is all there or not at all, whatever happened.
  static void ExpectWhole(World& world, const std::string& undone, const std::string& done) {
    EXPECT_THAT(world.Verify(), IsEmpty());
    const auto record = world.manager->FindClaim("a");
    if (record) {
      EXPECT_EQ(record->state, ClaimState::kPrepared);
      EXPECT_EQ(world.Hardware(), done);
    } else {
      EXPECT_EQ(world.Hardware(), undone);
    }
  }
};

TEST_P(EveryPoint, APowerCutLeavesTheClaimPreparedOrUndone) {
  std::string undone, done;
  int of_prepare = 0, of_unprepare = 0;
  {
    CaseWorld world;
    Begin(world);
    undone = world.Hardware();
    int start = world.fuse.spent();
    ASSERT_TRUE(world.PrepareIt());
    of_prepare = world.fuse.spent() - start;
    done = world.Hardware();
    start = world.fuse.spent();
    ASSERT_TRUE(world.Unprepare("a"));
    of_unprepare = world.fuse.spent() - start;
    EXPECT_EQ(world.Hardware(), undone);
  }
  ASSERT_GT(of_prepare, 2);
  ASSERT_GT(of_unprepare, 2);
  for (int point = 0; point <= of_prepare; ++point) {
    SCOPED_TRACE("prepare cut after change " + std::to_string(point));
    CaseWorld world;
    Begin(world);
    world.fuse.BlowAfter(point);
    static_cast<void>(world.PrepareIt().has_value());
    world.Boot();
    ExpectWhole(world, undone, done);
    ASSERT_TRUE(world.PrepareIt());
    EXPECT_EQ(world.Hardware(), done);
    ASSERT_TRUE(world.Unprepare("a"));
    EXPECT_EQ(world.Hardware(), undone);
  }
  for (int point = 0; point <= of_unprepare; ++point) {
    SCOPED_TRACE("unprepare cut after change " + std::to_string(point));
    CaseWorld world;
    Begin(world);
    ASSERT_TRUE(world.PrepareIt());
    world.fuse.BlowAfter(point);
    static_cast<void>(world.Unprepare("a").has_value());
    world.Boot();
    ExpectWhole(world, undone, done);
    ASSERT_TRUE(world.Unprepare("a"));
    EXPECT_EQ(world.Hardware(), undone);
  }
  RecordProperty("points", of_prepare + of_unprepare);
}

TEST_P(EveryPoint, ARefusedWriteUndoesThePrepareAndNamesPathAndErrno) {
  std::vector<sim::WriteRecord> writes;
  std::string undone;
  {
    CaseWorld world;
    Begin(world);
    undone = world.Hardware();
    world.machine.kernel.ResetWrites();
    ASSERT_TRUE(world.PrepareIt());
    writes = world.machine.kernel.Writes();
  }
  for (const int error : {EBUSY, EINVAL, EIO, ENODEV, ENOSPC, EACCES, EOPNOTSUPP, EPERM}) {
    for (const auto& [path, value, _] : writes) {
      SCOPED_TRACE(ErrnoName(error) + " at the write of '" + value + "' to " + path);
      CaseWorld world;
      Begin(world);
      // An earlier write to the same path takes the fault first; such points repeat one another.
      world.machine.kernel.faults().FailWrite(path, error, 1);
      const auto refused = world.PrepareIt();
      if (refused) continue;  // the code had another way and took it
      EXPECT_THAT(refused.error().what, HasSubstr(ErrnoName(error)));
      // What rtnetlink changes has no path.
      if (!path.starts_with("/net/")) {
        EXPECT_THAT(refused.error().what, HasSubstr(path));
      }
      EXPECT_EQ(world.Hardware(), undone);
      EXPECT_FALSE(world.manager->FindClaim("a"));
      EXPECT_THAT(world.Verify(), IsEmpty());
      EXPECT_TRUE(world.PrepareIt());
    }
  }
}

TEST_P(EveryPoint, ARefusedWriteOfAnUnprepareIsReportedAndDoneByTheNextOne) {
  std::vector<sim::WriteRecord> writes;
  std::string undone;
  {
    CaseWorld world;
    Begin(world);
    undone = world.Hardware();
    ASSERT_TRUE(world.PrepareIt());
    world.machine.kernel.ResetWrites();
    ASSERT_TRUE(world.Unprepare("a"));
    writes = world.machine.kernel.Writes();
  }
  for (const int error : {EBUSY, EINVAL, EIO, EOPNOTSUPP, EPERM}) {
    for (const auto& [path, value, _] : writes) {
      SCOPED_TRACE(ErrnoName(error) + " at the write of '" + value + "' to " + path);
      CaseWorld world;
      Begin(world);
      ASSERT_TRUE(world.PrepareIt());
      world.machine.kernel.faults().FailWrite(path, error, 1);
      const auto refused = world.Unprepare("a");
      if (!refused) {
        EXPECT_THAT(refused.error().what, HasSubstr(ErrnoName(error)));
        EXPECT_TRUE(world.manager->FindClaim("a")) << "what is not undone stays known";
        ASSERT_TRUE(world.Unprepare("a"));
      }
      EXPECT_EQ(world.Hardware(), undone);
      EXPECT_FALSE(world.manager->FindClaim("a"));
      EXPECT_THAT(world.Verify(), IsEmpty());
    }
  }
}

TEST_P(EveryPoint, AFullJournalAndAReadOnlyCdiDirectoryLeaveNothingBehind) {
  CaseWorld world;
  Begin(world);
  const std::string undone = world.Hardware();
  world.journal.FailWith(ENOSPC);
  const auto full = world.PrepareIt();
  ASSERT_FALSE(full);
  EXPECT_THAT(full.error().what, HasSubstr("ENOSPC"));
  EXPECT_EQ(world.Hardware(), undone);
  world.journal.FailWith(0);
  world.machine.state.FailChanges(EROFS, 1);
  const auto read_only = world.PrepareIt();
  ASSERT_FALSE(read_only);
  EXPECT_THAT(read_only.error().what, HasSubstr("EROFS"));
  EXPECT_EQ(world.Hardware(), undone);
  EXPECT_FALSE(world.manager->FindClaim("a"));
  EXPECT_TRUE(world.PrepareIt());
}

INSTANTIATE_TEST_SUITE_P(
    Plans, EveryPoint,
    testing::Values(Case{"FirstVfByKernel", {kVf0}, Access::kKernel, false},
                    Case{"SecondVfByVfio", {kVf0}, Access::kVfio, true},
                    Case{"SecondVfByKernel", {kVf0}, Access::kKernel, true},
                    Case{"WholeCardByVfio", {kNic}, Access::kVfio, false},
                    Case{"VfAndDisk", {kVf0, kNvme}, Access::kVfio, false},
                    Case{"VfWithNetworkSettings", {kVf0}, Access::kKernel, false, Network()},
                    Case{"SecondVfWithNetworkSettings", {kVf0}, Access::kKernel, true, Network()},
                    Case{"WholeCardWithAnMtu", {kNic}, Access::kKernel, false, Mtu()},
                    Case{"FirstShareWithARate",
                         {kNic},
                         Access::kKernel,
                         false,
                         {},
                         {{"bandwidth", 200'000'000}}},
                    Case{"SecondShareWithARate",
                         {kNic},
                         Access::kKernel,
                         true,
                         {},
                         {{"bandwidth", 200'000'000}}}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace drapci::driver
