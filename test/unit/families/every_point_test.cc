// Every change of a prepare and an unprepare, cut off or refused: nothing may be left half done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "test/unit/families/family_world.h"

namespace drapci::test {
namespace {

using driver::ClaimState;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Refusal {
  std::string path;
  int error;
};

// Each path that is written to, refused with each errno; with many paths three errnos each, all of
// them over the paths. A path's first write takes the fault, so later ones are not tried.
std::vector<Refusal> Refusals(const std::vector<sim::WriteRecord>& writes,
                              const std::vector<int>& errors) {
  constexpr size_t kFew = 8;
  std::vector<std::string> paths;
  for (const sim::WriteRecord& write : writes) {
    if (std::ranges::find(paths, write.path) == paths.end()) paths.push_back(write.path);
  }
  std::vector<Refusal> refusals, chosen;
  for (size_t i = 0; i < paths.size(); ++i) {
    const size_t count = paths.size() <= kFew ? errors.size() : 3;
    for (size_t k = 0; k < count; ++k) {
      refusals.push_back({.path = paths[i], .error = errors[(i + k) % errors.size()]});
    }
  }
  for (size_t i = 0; i < refusals.size(); ++i) {
    if (i % kEvery == 0) chosen.push_back(refusals[i]);
  }
  return chosen;
}

class EveryPoint : public testing::TestWithParam<FamilyCase> {
 protected:
  // The claim is all there or not at all, whatever happened.
  static void ExpectWhole(FamilyWorld& world, const std::string& undone, const std::string& done) {
    EXPECT_THAT(world.Verify(), IsEmpty());
    const auto record = world.manager->FindClaim("a");
    if (record) {
      EXPECT_EQ(record->state, ClaimState::kPrepared);
      EXPECT_EQ(world.State(), done);
    } else {
      EXPECT_EQ(world.State(), undone);
    }
  }
};

TEST_P(EveryPoint, APowerCutLeavesTheClaimPreparedOrUndone) {
  std::string undone, done;
  int of_prepare = 0, of_unprepare = 0;
  {
    FamilyWorld world(GetParam());
    world.Begin();
    undone = world.State();
    int start = world.fuse.spent();
    ASSERT_TRUE(world.PrepareIt());
    of_prepare = world.fuse.spent() - start;
    done = world.State();
    start = world.fuse.spent();
    ASSERT_TRUE(world.Unprepare("a"));
    of_unprepare = world.fuse.spent() - start;
    EXPECT_EQ(world.State(), undone);
  }
  ASSERT_GT(of_prepare, 2);
  ASSERT_GT(of_unprepare, 2);
  for (int point = 0; point <= of_prepare; point += kEvery) {
    SCOPED_TRACE("prepare cut after change " + std::to_string(point));
    FamilyWorld world(GetParam());
    world.Begin();
    world.fuse.BlowAfter(point);
    static_cast<void>(world.PrepareIt().has_value());
    world.Boot();
    ExpectWhole(world, undone, done);
    ASSERT_TRUE(world.PrepareIt());
    EXPECT_EQ(world.State(), done);
    ASSERT_TRUE(world.Unprepare("a"));
    EXPECT_EQ(world.State(), undone);
  }
  for (int point = 0; point <= of_unprepare; point += kEvery) {
    SCOPED_TRACE("unprepare cut after change " + std::to_string(point));
    FamilyWorld world(GetParam());
    world.Begin();
    ASSERT_TRUE(world.PrepareIt());
    world.fuse.BlowAfter(point);
    static_cast<void>(world.Unprepare("a").has_value());
    world.Boot();
    ExpectWhole(world, undone, done);
    ASSERT_TRUE(world.Unprepare("a"));
    EXPECT_EQ(world.State(), undone);
  }
  Count(*GetParam().family, "crashes", of_prepare / kEvery + of_unprepare / kEvery + 2);
}

TEST_P(EveryPoint, ARefusedWriteUndoesThePrepareAndNamesPathAndErrno) {
  std::vector<sim::WriteRecord> writes;
  std::string undone;
  {
    FamilyWorld world(GetParam());
    world.Begin();
    undone = world.State();
    world.machine.kernel.ResetWrites();
    ASSERT_TRUE(world.PrepareIt());
    writes = world.machine.kernel.Writes();
  }
  for (const auto& [path, error] :
       Refusals(writes, {EBUSY, EINVAL, EIO, ENODEV, ENOSPC, EACCES, EOPNOTSUPP, EPERM})) {
    SCOPED_TRACE(ErrnoName(error) + " at the write to " + path);
    FamilyWorld world(GetParam());
    world.Begin();
    world.machine.kernel.faults().FailWrite(path, error, 1);
    const auto refused = world.PrepareIt();
    if (refused) continue;  // the code had another way and took it
    EXPECT_THAT(refused.error().what, HasSubstr(ErrnoName(error)));
    // What rtnetlink changes has no path.
    if (!path.starts_with("/net/")) {
      EXPECT_THAT(refused.error().what, HasSubstr(path));
    }
    EXPECT_EQ(world.State(), undone);
    EXPECT_FALSE(world.manager->FindClaim("a"));
    EXPECT_THAT(world.Verify(), IsEmpty());
    EXPECT_TRUE(world.PrepareIt());
    Count(*GetParam().family, "refused writes");
  }
}

TEST_P(EveryPoint, ARefusedWriteOfAnUnprepareIsReportedAndDoneByTheNextOne) {
  std::vector<sim::WriteRecord> writes;
  std::string undone;
  {
    FamilyWorld world(GetParam());
    world.Begin();
    undone = world.State();
    ASSERT_TRUE(world.PrepareIt());
    world.machine.kernel.ResetWrites();
    ASSERT_TRUE(world.Unprepare("a"));
    writes = world.machine.kernel.Writes();
  }
  for (const auto& [path, error] : Refusals(writes, {EBUSY, EINVAL, EIO, EOPNOTSUPP, EPERM})) {
    SCOPED_TRACE(ErrnoName(error) + " at the write to " + path);
    FamilyWorld world(GetParam());
    world.Begin();
    ASSERT_TRUE(world.PrepareIt());
    world.machine.kernel.faults().FailWrite(path, error, 1);
    const auto refused = world.Unprepare("a");
    if (!refused) {
      EXPECT_THAT(refused.error().what, HasSubstr(ErrnoName(error)));
      EXPECT_TRUE(world.manager->FindClaim("a")) << "what is not undone stays known";
      ASSERT_TRUE(world.Unprepare("a"));
    }
    EXPECT_EQ(world.State(), undone);
    EXPECT_FALSE(world.manager->FindClaim("a"));
    EXPECT_THAT(world.Verify(), IsEmpty());
    Count(*GetParam().family, "refused writes");
  }
}

TEST_P(EveryPoint, AFullJournalAndAReadOnlyCdiDirectoryLeaveNothingBehind) {
  FamilyWorld world(GetParam());
  world.Begin();
  const std::string undone = world.State();
  world.journal.FailWith(ENOSPC);
  const auto full = world.PrepareIt();
  ASSERT_FALSE(full);
  EXPECT_THAT(full.error().what, HasSubstr("ENOSPC"));
  EXPECT_EQ(world.State(), undone);
  world.journal.FailWith(0);
  world.machine.state.FailChanges(EROFS, 1);
  const auto read_only = world.PrepareIt();
  ASSERT_FALSE(read_only);
  EXPECT_THAT(read_only.error().what, HasSubstr("EROFS"));
  EXPECT_EQ(world.State(), undone);
  EXPECT_FALSE(world.manager->FindClaim("a"));
  EXPECT_TRUE(world.PrepareIt());
}

INSTANTIATE_TEST_SUITE_P(Families, EveryPoint, testing::ValuesIn(AllCases()),
                         [](const auto& instance) { return NameOf(instance.param); });

}  // namespace
}  // namespace drapci::test
