#include "driver/lanes.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>

namespace drapci::driver {
namespace {

TEST(Lanes, RunsTasksOfOneLaneInTheOrderOfSubmission) {
  std::string order;
  {
    Lanes lanes;
    for (char c = 'a'; c <= 'z'; ++c) {
      lanes.Submit({"one"}, [&order, c] { order += c; });
    }
  }
  EXPECT_EQ(order, "abcdefghijklmnopqrstuvwxyz");
}

TEST(Lanes, RunsAnotherLaneWhileOneIsBlocked) {
  Lanes lanes;
  std::promise<void> release;
  std::promise<void> other_ran;
  lanes.Submit({"blocked"}, [&] { release.get_future().wait(); });
  lanes.Submit({"free"}, [&] { other_ran.set_value(); });
  other_ran.get_future().wait();  // would hang if lanes waited for each other
  release.set_value();
}

TEST(Lanes, RunsEveryLaneAtOnceHoweverManyAreBlocked) {
  constexpr int kLanes = 40;
  Lanes lanes;
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> started = 0;
  std::promise<void> all_started;
  for (int i = 0; i < kLanes; ++i) {
    lanes.Submit({std::to_string(i)}, [&, released] {
      if (++started == kLanes) all_started.set_value();
      released.wait();
    });
  }
  all_started.get_future().wait();
  release.set_value();
}

TEST(Lanes, StartsATaskOfTwoLanesWhenItIsFirstInBoth) {
  std::string order;
  std::promise<void> release;
  {
    Lanes lanes;
    lanes.Submit({"a"}, [&] {
      release.get_future().wait();
      order += '1';
    });
    lanes.Submit({"b", "a", "b"}, [&] { order += '2'; });
    lanes.Submit({"b"}, [&] { order += '3'; });
    release.set_value();
  }
  EXPECT_EQ(order, "123");
}

TEST(Lanes, NeverRunsTwoTasksOfALaneTogetherUnderLoad) {
  constexpr int kLanes = 5;
  std::array<std::atomic<int>, kLanes> inside{};
  std::atomic<int> overlaps = 0, ran = 0;
  {
    Lanes lanes;
    for (int i = 0; i < 2000; ++i) {
      const int a = i % kLanes, b = (i * 7 + 3) % kLanes;
      lanes.Submit({std::to_string(a), std::to_string(b)}, [&, a, b] {
        if (++inside[a] != 1) ++overlaps;
        if (a != b && ++inside[b] != 1) ++overlaps;
        ++ran;
        --inside[a];
        if (a != b) --inside[b];
      });
    }
  }
  EXPECT_EQ(overlaps, 0);
  EXPECT_EQ(ran, 2000);
}

TEST(Lanes, LetsATaskSubmitAnother) {
  std::atomic<bool> ran = false;
  {
    Lanes lanes;
    lanes.Submit({"a"}, [&] { lanes.Submit({"a"}, [&] { ran = true; }); });
  }
  EXPECT_TRUE(ran);
}

TEST(Lanes, DrainsToNothingLeft) {
  Lanes lanes;
  std::atomic<int> ran = 0;
  for (int i = 0; i < 100; ++i) lanes.Submit({std::to_string(i % 3)}, [&] { ++ran; });
  lanes.Drain();
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace drapci::driver
