#include "plugin/kube/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace drapci::plugin::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(BackoffTest, DoublesUpToItsMost) {
  Backoff backoff(milliseconds(500), seconds(30), 1);
  for (const int most : {500, 1000, 2000, 4000, 8000, 16'000, 30'000, 30'000, 30'000}) {
    const milliseconds delay = backoff.Next();
    EXPECT_LE(delay, milliseconds(most));
    EXPECT_GE(delay, milliseconds(most / 2));
  }
}

TEST(BackoffTest, NeverOverflows) {
  Backoff backoff(milliseconds(500), seconds(30), 1);
  for (int i = 0; i < 1000; ++i) {
    const milliseconds delay = backoff.Next();
    EXPECT_LE(delay, seconds(30));
    EXPECT_GT(delay, seconds(0));
  }
}

TEST(BackoffTest, StartsAgainAfterReset) {
  Backoff backoff(milliseconds(500), seconds(30), 1);
  for (int i = 0; i < 10; ++i) backoff.Next();
  backoff.Reset();
  EXPECT_LE(backoff.Next(), milliseconds(500));
}

TEST(BackoffTest, WaitsAsLongAsTheServerAsksFor) {
  Backoff backoff(milliseconds(500), seconds(30), 1);
  EXPECT_EQ(backoff.Next(seconds(90)), seconds(90));
  EXPECT_GE(backoff.Next(seconds(0)), milliseconds(500));
}

TEST(BackoffTest, SpreadsTheNodes) {
  std::set<milliseconds> delays;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    delays.insert(Backoff(milliseconds(500), seconds(30), seed).Next());
  }
  EXPECT_GT(delays.size(), 50);
}

}  // namespace
}  // namespace drapci::plugin::kube
