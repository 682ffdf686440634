#include "hal/base/log.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace drapci {
namespace {

class LogTest : public testing::Test {
 protected:
  void TearDown() override { SetLogLevel(LogLevel::kInfo); }
};

TEST_F(LogTest, LinesCarryTheirPriorityForTheJournal) {
  testing::internal::CaptureStderr();
  Log(LogLevel::kWarning, "{} is gone", "0000:02:00.0");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "<4>0000:02:00.0 is gone\n");
}

TEST_F(LogTest, LinesBelowTheLevelAreLeftOut) {
  SetLogLevel(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "not this");
  Log(LogLevel::kError, "but this");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "<3>but this\n");
}

TEST_F(LogTest, TextFromOutsideCannotForgeALine) {
  testing::internal::CaptureStderr();
  LogLine(LogLevel::kInfo, "claim a\n<0>forged\x1b[31m");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_FALSE(text.contains('\x1b'));
  EXPECT_TRUE(text.starts_with("<6>claim a"));
}

}  // namespace
}  // namespace drapci
