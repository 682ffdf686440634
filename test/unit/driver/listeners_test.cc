#include "driver/listeners.h"

#include <gtest/gtest.h>

namespace drapci::driver {
namespace {

TEST(ListenersTest, TellsEveryListenerUntilItsTokenIsDropped) {
  Listeners listeners;
  int first = 0, second = 0;
  Listeners::Token one = listeners.Listen([&first] { ++first; });
  Listeners::Token two = listeners.Listen([&second] { ++second; });
  listeners.Tell();
  one.reset();
  listeners.Tell();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

TEST(ListenersTest, LetsATokenOutliveIt) {
  Listeners::Token token;
  {
    Listeners listeners;
    token = listeners.Listen([] {});
  }
  token.reset();
}

}  // namespace
}  // namespace drapci::driver
