// Result<T> and Error: how every layer of drapci reports failure.
//
// Code is for decisions, `sys` (an errno, 0 when none) and `what` are for people. Context is added
// once per layer with Error::Within(). Nothing here throws.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace drapci {

enum class Code {
  kInvalid,      // the caller's input is wrong; repeating it cannot help
  kNotFound,     // no such thing
  kGone,         // it was there and has been removed (hot-unplug: ENODEV, ENOENT, ENXIO)
  kBusy,         // in use; may succeed later (EBUSY, EAGAIN)
  kConflict,     // contradicts what is held or what somebody else made
  kExhausted,    // no stock left: counters, memory, disk (ENOSPC, ENOMEM, ERANGE)
  kDenied,       // permission or policy (EACCES, EPERM, EROFS)
  kUnsupported,  // the hardware, kernel or driver cannot do it (EOPNOTSUPP, ENOTTY, ENOSYS)
  kTimeout,      // a deadline passed
  kIo,           // the device or disk failed (EIO and every errno without a better word)
  kInternal,     // a bug of ours
};

// "busy", "gone", ... as printed in replies and logs.
std::string_view CodeName(Code code);

// The code that stands for an errno value.
Code CodeFromErrno(int sys);

// "EBUSY"; "errno 999" when the C library has no name for it.
std::string ErrnoName(int sys);

struct Error {
  Code code = Code::kInternal;
  int sys = 0;
  std::string what;

  // An error from errno: `what` reads "CONTEXT: EBUSY (Device or resource busy)". Pass errno saved
  // at the call, not later.
  static Error FromErrno(int sys, std::string_view context);

  // The same error with "CONTEXT: " in front.
  Error Within(std::string_view context) &&;
};

template <class T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

inline std::unexpected<Error> Fail(Error error) { return std::unexpected(std::move(error)); }
inline std::unexpected<Error> Fail(Code code, std::string what) {
  return std::unexpected(Error{.code = code, .sys = 0, .what = std::move(what)});
}

}  // namespace drapci

// NOLINTBEGIN(bugprone-macro-parentheses): `decl` is a declaration.
#define DRAPCI_CONCAT_(a, b) a##b
#define DRAPCI_CONCAT(a, b) DRAPCI_CONCAT_(a, b)
#define DRAPCI_TRY_(tmp, decl, expr)                        \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)

// DRAPCI_TRY(int total, ReadInt(...)): the value, or return the error to the caller.
#define DRAPCI_TRY(decl, ...) \
  DRAPCI_TRY_(DRAPCI_CONCAT(drapci_try_, __COUNTER__), decl, (__VA_ARGS__))

// DRAPCI_CHECK(Write(...)): go on, or return the error to the caller.
#define DRAPCI_CHECK(...)                                      \
  do {                                                         \
    if (auto drapci_check = (__VA_ARGS__); !drapci_check)      \
      return std::unexpected(std::move(drapci_check).error()); \
  } while (false)
// NOLINTEND(bugprone-macro-parentheses)
