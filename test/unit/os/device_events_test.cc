#include "hal/os/device_events.h"

#include <gtest/gtest.h>

namespace drapci::hal {
namespace {

// The monitor of the machine that runs the test; no event is needed for any of this.
TEST(UdevEvents, AConditionThatHoldsIsNotWaitedFor) {
  const auto events = MakeUdevEvents();
  ASSERT_TRUE(events) << events.error().what;
  int asked = 0;
  EXPECT_TRUE((*events)->WaitUntil([&] { return ++asked == 1; }, MonotonicTime::max()));
  EXPECT_EQ(asked, 1);
}

TEST(UdevEvents, AfterTheDeadlineTheConditionIsAskedOnceMore) {
  const auto events = MakeUdevEvents();
  ASSERT_TRUE(events) << events.error().what;
  const MonotonicTime past{};
  EXPECT_FALSE((*events)->WaitUntil([] { return false; }, past));
  int asked = 0;
  EXPECT_TRUE((*events)->WaitUntil([&] { return ++asked == 2; }, past));
}

TEST(UdevEvents, SaysWhichSourceItHas) {
  const auto events = MakeUdevEvents();
  ASSERT_TRUE(events) << events.error().what;
  const std::string source = (*events)->Source();
  EXPECT_TRUE(source == "udev" || source == "kernel") << source;
}

TEST(UdevEvents, StopsWithItsListenerSet) {
  auto events = MakeUdevEvents();
  ASSERT_TRUE(events) << events.error().what;
  (*events)->Listen([](const DeviceEvent&) {});
  (*events)->Listen({});
  events->reset();  // would hang if the thread did not end
}

}  // namespace
}  // namespace drapci::hal
