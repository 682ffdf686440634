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
  bool another_held;  // a claim on VF 1 is there before and after
};

class EveryPoint : public testing::TestWithParam<Case> {
 protected:
  static void Begin(World& world) {
    world.Boot();
    if (GetParam().another_held) {
      ASSERT_TRUE(world.Prepare("other", {kVf1}, Access::kVfio));
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
    World world;
    Begin(world);
    undone = world.Hardware();
    int start = world.fuse.spent();
    ASSERT_TRUE(world.Prepare("a", GetParam().devices, GetParam().access));
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
    World world;
    Begin(world);
    world.fuse.BlowAfter(point);
    static_cast<void>(world.Prepare("a", GetParam().devices, GetParam().access).has_value());
    world.Boot();
    ExpectWhole(world, undone, done);
    ASSERT_TRUE(world.Prepare("a", GetParam().devices, GetParam().access));
    EXPECT_EQ(world.Hardware(), done);
    ASSERT_TRUE(world.Unprepare("a"));
    EXPECT_EQ(world.Hardware(), undone);
  }
  for (int point = 0; point <= of_unprepare; ++point) {
    SCOPED_TRACE("unprepare cut after change " + std::to_string(point));
    World world;
    Begin(world);
    ASSERT_TRUE(world.Prepare("a", GetParam().devices, GetParam().access));
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
    World world;
    Begin(world);
    undone = world.Hardware();
    world.machine.kernel.ResetWrites();
    ASSERT_TRUE(world.Prepare("a", GetParam().devices, GetParam().access));
    writes = world.machine.kernel.Writes();
  }
  for (const int error : {EBUSY, EINVAL, EIO, ENODEV, ENOSPC, EACCES}) {
    for (const auto& [path, value, _] : writes) {
      SCOPED_TRACE(ErrnoName(error) + " at the write of '" + value + "' to " + path);
      World world;
      Begin(world);
      // An earlier write to the same path takes the fault first; such points repeat one another.
      world.machine.kernel.faults().FailWrite(path, error, 1);
      const auto refused = world.Prepare("a", GetParam().devices, GetParam().access);
      if (refused) continue;  // the code had another way and took it
      EXPECT_THAT(refused.error().what, HasSubstr(ErrnoName(error)));
      EXPECT_THAT(refused.error().what, HasSubstr(path));
      EXPECT_EQ(world.Hardware(), undone);
      EXPECT_FALSE(world.manager->FindClaim("a"));
      EXPECT_THAT(world.Verify(), IsEmpty());
      EXPECT_TRUE(world.Prepare("a", GetParam().devices, GetParam().access));
    }
  }
}

TEST_P(EveryPoint, AFullJournalAndAReadOnlyCdiDirectoryLeaveNothingBehind) {
  World world;
  Begin(world);
  const std::string undone = world.Hardware();
  world.journal.FailWith(ENOSPC);
  const auto full = world.Prepare("a", GetParam().devices, GetParam().access);
  ASSERT_FALSE(full);
  EXPECT_THAT(full.error().what, HasSubstr("ENOSPC"));
  EXPECT_EQ(world.Hardware(), undone);
  world.journal.FailWith(0);
  world.machine.state.FailChanges(EROFS, 1);
  const auto read_only = world.Prepare("a", GetParam().devices, GetParam().access);
  ASSERT_FALSE(read_only);
  EXPECT_THAT(read_only.error().what, HasSubstr("EROFS"));
  EXPECT_EQ(world.Hardware(), undone);
  EXPECT_FALSE(world.manager->FindClaim("a"));
  EXPECT_TRUE(world.Prepare("a", GetParam().devices, GetParam().access));
}

INSTANTIATE_TEST_SUITE_P(Plans, EveryPoint,
                         testing::Values(Case{"FirstVfByKernel", {kVf0}, Access::kKernel, false},
                                         Case{"SecondVfByVfio", {kVf0}, Access::kVfio, true},
                                         Case{"SecondVfByKernel", {kVf0}, Access::kKernel, true},
                                         Case{"WholeCardByVfio", {kNic}, Access::kVfio, false},
                                         Case{"VfAndDisk", {kVf0, kNvme}, Access::kVfio, false}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace drapci::driver
