// Who may hold what of a DSA at the same time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/families/family_world.h"

namespace drapci::test {
namespace {

using ::testing::HasSubstr;

constexpr char kDsa[] = "pci-0000-6a-01-0";
constexpr char kDedicated[] = "pci-0000-6a-01-0-wq0";
constexpr char kShared[] = "pci-0000-6a-01-0-wq5";

// What is said to the second claim; empty when it gets what it wants.
std::string Second(Wish first, Wish second) {
  const FamilyClaim claim{
      .name = "Second", .wishes = {std::move(second)}, .other = {std::move(first)}};
  const Family family{.name = "idxd", .board = "dsa", .card = "0000:6a:01.0", .claims = {claim}};
  FamilyWorld world({.family = &family, .claim = &claim});
  world.Begin();
  const auto prepared = world.PrepareIt();
  return prepared ? std::string() : prepared.error().what;
}

Wish Entries(int64_t entries) { return {.device = kShared, .share = {{"entries", entries}}}; }

TEST(HoldersOfQueues, ShareWhatIsSharedAndNothingElse) {
  EXPECT_EQ(Second({.device = kDedicated}, Entries(16)), "");
  EXPECT_EQ(Second(Entries(12), Entries(4)), "");
  EXPECT_THAT(Second({.device = kDedicated}, {.device = kDedicated}), HasSubstr("held by claim"));
  EXPECT_THAT(Second({.device = kDedicated}, {.device = kShared}), HasSubstr("in shares only"));
  EXPECT_THAT(Second({.device = kDedicated}, Entries(17)), HasSubstr("from 1 to 16"));
}

TEST(HoldersOfQueues, ExcludeTheWhole) {
  EXPECT_THAT(Second({.device = kDedicated}, {.device = kDsa}), HasSubstr("held by claim"));
  EXPECT_THAT(Second(Entries(1), {.device = kDsa}), HasSubstr("'entries', 127 of 128 are left"));
  EXPECT_THAT(Second({.device = kDsa}, Entries(1)), HasSubstr("'entries', 0 of 128 are left"));
  EXPECT_THAT(Second({.device = kDsa, .access = hal::Access::kVfio}, {.device = kDedicated}),
              HasSubstr("pci-0000-6a-01-0-wq0"));
}

}  // namespace
}  // namespace drapci::test
