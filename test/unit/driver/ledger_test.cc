#include "driver/ledger.h"

#include <gtest/gtest.h>

namespace drapci::driver {
namespace {

using Stocks = std::map<std::string, std::map<std::string, int64_t>>;

const Stocks kStock = {{"nic", {{"vfs", 3}}}, {"nvme", {{"functions", 1}}}};

Holding Vf(int index) {
  return {.accelerator = "nic",
          .device = "nic-vf" + std::to_string(index),
          .part = "vf" + std::to_string(index),
          .consumes = {{"vfs", 1}}};
}
Holding Whole() {
  return {.accelerator = "nic", .device = "nic", .part = "", .consumes = {{"vfs", 3}}};
}
Step MakeVfs(std::string before, std::string want) {
  return {.accelerator = "nic",
          .setting = "sriov.vfs",
          .target = "pf",
          .before = std::move(before),
          .want = std::move(want),
          .shared = true};
}

TEST(Ledger, GivesADeviceOnceAndNamesTheHolder) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Vf(0)}, {}, kStock));
  const auto second = ledger.Hold("b", {Vf(0)}, {}, kStock);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_NE(second.error().what.find("held by claim a"), std::string::npos);
  EXPECT_EQ(ledger.Holder("nic-vf0"), "a");
}

TEST(Ledger, ExcludesTheWholeCardWhileAPartIsHeldAndTheOtherWayRound) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Vf(1)}, {}, kStock));
  const auto whole = ledger.Hold("b", {Whole()}, {}, kStock);
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, Code::kConflict);
  EXPECT_EQ(whole.error().what,
            "nic cannot be had beside nic-vf1, which is held by claim a: unprepare that one first");
  ledger.Release("a");
  ASSERT_TRUE(ledger.Hold("b", {Whole()}, {}, kStock));
  EXPECT_EQ(ledger.Hold("a", {Vf(1)}, {}, kStock).error().code, Code::kConflict);
}

TEST(Ledger, ExcludesPartsOfAHeldWholeEvenWhenTheStockHasGrown) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Whole()}, {}, kStock));
  const Stocks more = {{"nic", {{"vfs", 4}}}};
  EXPECT_EQ(ledger.Hold("b", {Vf(3)}, {}, more).error().code, Code::kConflict);
}

TEST(Ledger, RefusesMoreThanACounterHasLeftAndNamesTheHolders) {
  Ledger ledger;
  const Stocks two = {{"nic", {{"vfs", 2}}}};
  ASSERT_TRUE(ledger.Hold("a", {Vf(0), Vf(1)}, {}, two));
  const auto third = ledger.Hold("b", {Vf(2)}, {}, two);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Code::kExhausted);
  EXPECT_EQ(third.error().what, "nic needs 1 of its 'vfs', 0 of 2 are left: held by claim a");
}

TEST(Ledger, TakesAllOfAClaimOrNothing) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Vf(2)}, {}, kStock));
  EXPECT_FALSE(ledger.Hold("b", {Vf(0), Vf(2)}, {}, kStock));
  EXPECT_EQ(ledger.Holder("nic-vf0"), "");
  EXPECT_EQ(ledger.CountersUsed("nic").at("vfs"), 1);
}

TEST(Ledger, RefusesTheSameDeviceTwiceInOneClaim) {
  Ledger ledger;
  EXPECT_EQ(ledger.Hold("a", {Vf(0), Vf(0)}, {}, kStock).error().code, Code::kInvalid);
}

TEST(Ledger, AddsUpWhatOneClaimTakesOfACounter) {
  Ledger ledger;
  EXPECT_TRUE(ledger.Check("a", {Vf(0), Vf(1), Vf(2)}, kStock));
  EXPECT_EQ(ledger.Check("a", {Vf(0), Whole()}, kStock).error().code, Code::kExhausted);
}

TEST(Ledger, KeepsTheTrueBeforeImageOfASharedSettingUntilItsLastHolderGoes) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Vf(0)}, {MakeVfs("vfs=0", "vfs=3")}, kStock));
  ASSERT_TRUE(ledger.Hold("b", {Vf(1)}, {MakeVfs("vfs=0", "vfs=3")}, kStock));
  const Step step = MakeVfs("vfs=0", "vfs=3");
  EXPECT_TRUE(ledger.SharedWithOthers(step, "a"));
  ledger.Release("a");
  EXPECT_FALSE(ledger.SharedWithOthers(step, "b"));
  ASSERT_TRUE(ledger.Recorded("nic", step.Key()));
  EXPECT_EQ(ledger.Recorded("nic", step.Key())->before, "vfs=0");
  EXPECT_TRUE(ledger.InUse("nic"));
  ledger.Release("b");
  EXPECT_FALSE(ledger.Recorded("nic", step.Key()));
  EXPECT_TRUE(ledger.Changed("nic").empty());
  EXPECT_FALSE(ledger.InUse("nic"));
}

TEST(Ledger, DoesNotShareTheSettingsOfSinglePart) {
  Ledger ledger;
  Step own = MakeVfs("none", "kernel");
  own.shared = false;
  ASSERT_TRUE(ledger.Hold("a", {Vf(0)}, {own}, kStock));
  EXPECT_TRUE(ledger.Changed("nic").empty());
  EXPECT_FALSE(ledger.SharedWithOthers(own, "b"));
}

TEST(Ledger, RestoresWhatTheJournalSaysEvenWithoutStock) {
  Ledger ledger;
  ledger.Restore("a", {Whole()}, {});
  ledger.Restore("a", {Whole()}, {});  // again: not counted twice
  EXPECT_EQ(ledger.CountersUsed("nic").at("vfs"), 3);
  ledger.Release("a");
  EXPECT_EQ(ledger.CountersUsed("nic").at("vfs"), 0);
}

TEST(Ledger, ReleasesAnUnknownClaimWithoutEffect) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Vf(0)}, {}, kStock));
  ledger.Release("nobody");
  EXPECT_EQ(ledger.Holder("nic-vf0"), "a");
}

Holding Share(std::string id, int vf, int64_t bandwidth) {
  return {.accelerator = "nic",
          .device = "nic",
          .part = "vf" + std::to_string(vf),
          .share_id = std::move(id),
          .consumes = {{"vfs", 1}, {"bandwidth", bandwidth}}};
}
const Stocks kShared = {{"nic", {{"vfs", 3}, {"bandwidth", 1000}}}};

TEST(Ledger, GivesOneDeviceToManyInShares) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Share("1", 0, 400)}, {}, kShared));
  ASSERT_TRUE(ledger.Hold("b", {Share("2", 1, 600)}, {}, kShared));
  EXPECT_EQ(ledger.Sharers("nic", "nic"), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(ledger.CountersUsed("nic"),
            (std::map<std::string, int64_t>{{"bandwidth", 1000}, {"vfs", 2}}));
  EXPECT_EQ(ledger.Holder("nic-vf1"), "b");
  EXPECT_EQ(ledger.Holder("nic"), "");
  ledger.Release("a");
  EXPECT_EQ(ledger.Sharers("nic", "nic"), (std::set<std::string>{"b"}));
}

TEST(Ledger, RefusesSharesBeyondTheTotal) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Share("1", 0, 800)}, {}, kShared));
  const auto refused = ledger.Hold("b", {Share("2", 1, 300)}, {}, kShared);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what,
            "nic needs 300 of its 'bandwidth', 200 of 1000 are left: held by claim a");
}

TEST(Ledger, GivesAShareAndThePartThatStandsForItOnce) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Share("1", 0, 1)}, {}, kShared));
  EXPECT_EQ(ledger.Hold("b", {Share("1", 1, 1)}, {}, kShared).error().code, Code::kConflict);
  EXPECT_EQ(ledger.Hold("b", {Share("2", 0, 1)}, {}, kShared).error().code, Code::kConflict);
}

TEST(Ledger, ExcludesTheWholeWhileAShareIsHeld) {
  Ledger ledger;
  ASSERT_TRUE(ledger.Hold("a", {Share("1", 0, 1)}, {}, kShared));
  EXPECT_EQ(ledger.Hold("b", {Whole()}, {}, kStock).error().code, Code::kConflict);
  ledger.Release("a");
  ASSERT_TRUE(ledger.Hold("b", {Whole()}, {}, kStock));
  EXPECT_EQ(ledger.Hold("a", {Share("1", 0, 1)}, {}, kShared).error().code, Code::kConflict);
}

TEST(Ledger, SharesWithoutAPartOfTheirOwnStandBesideEachOther) {
  Ledger ledger;
  Holding first = Share("1", 0, 400), second = Share("2", 0, 400);
  first.part = second.part = "";
  ASSERT_TRUE(ledger.Hold("a", {first}, {}, kShared));
  ASSERT_TRUE(ledger.Hold("b", {second}, {}, kShared));
  second.share_id = "1";
  EXPECT_EQ(ledger.Hold("c", {second}, {}, kShared).error().code, Code::kConflict);
}

}  // namespace
}  // namespace drapci::driver
