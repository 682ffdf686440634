#include "hal/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace drapci {
namespace {

TEST(Error, FromErrnoSaysWhatNameAndMeaning) {
  const Error error = Error::FromErrno(EBUSY, "write 3 to /sys/x");
  EXPECT_EQ(error.what, "write 3 to /sys/x: EBUSY (Device or resource busy)");
  EXPECT_EQ(error.code, Code::kBusy);
  EXPECT_EQ(error.sys, EBUSY);
}

TEST(Error, FromErrnoUsesItsArgumentAndNotTheGlobal) {
  errno = EPERM;
  EXPECT_EQ(Error::FromErrno(ENOSPC, "x").code, Code::kExhausted);
}

TEST(Error, FromErrnoNamesUnknownNumbers) {
  EXPECT_EQ(Error::FromErrno(4242, "x").what, "x: errno 4242 (unknown error)");
  EXPECT_EQ(Error::FromErrno(4242, "x").code, Code::kIo);
}

TEST(Error, WithinPutsTheContextInFrontAndKeepsTheRest) {
  const Error error = Error::FromErrno(EIO, "inner").Within("outer");
  EXPECT_TRUE(error.what.starts_with("outer: inner: EIO"));
  EXPECT_EQ(error.sys, EIO);
}

TEST(Code, ComesFromErrnoByWhatCanBeDoneAboutIt) {
  const std::pair<int, Code> expected[] = {{EINVAL, Code::kInvalid},
                                           {ENOENT, Code::kGone},
                                           {ENODEV, Code::kGone},
                                           {ENXIO, Code::kGone},
                                           {EBUSY, Code::kBusy},
                                           {EAGAIN, Code::kBusy},
                                           {ENOSPC, Code::kExhausted},
                                           {ERANGE, Code::kExhausted},
                                           {ENOMEM, Code::kExhausted},
                                           {EACCES, Code::kDenied},
                                           {EPERM, Code::kDenied},
                                           {EROFS, Code::kDenied},
                                           {EOPNOTSUPP, Code::kUnsupported},
                                           {ENOTTY, Code::kUnsupported},
                                           {ETIMEDOUT, Code::kTimeout},
                                           {EIO, Code::kIo},
                                           {EPROTO, Code::kIo}};
  for (const auto& [sys, code] : expected) EXPECT_EQ(CodeFromErrno(sys), code) << ErrnoName(sys);
}

Result<int> Half(int value) {
  if (value % 2 != 0) return Fail(Code::kInvalid, "odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  DRAPCI_TRY(const int half, Half(value));
  DRAPCI_CHECK(Half(half));
  return half / 2;
}

TEST(Result, TryAndCheckReturnTheFirstError) {
  EXPECT_EQ(Quarter(8), 2);
  EXPECT_EQ(Quarter(7).error().what, "odd");
  EXPECT_EQ(Quarter(6).error().code, Code::kInvalid);
}

Result<std::unique_ptr<int>> MoveOnly() { return std::make_unique<int>(7); }

Result<int> UseMoveOnly() {
  DRAPCI_TRY(const std::unique_ptr<int> value, MoveOnly());
  return *value;
}

TEST(Result, TryMovesTheValueOut) { EXPECT_EQ(UseMoveOnly(), 7); }

}  // namespace
}  // namespace drapci
