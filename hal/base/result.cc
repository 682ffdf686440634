#include "hal/base/result.h"

#include <fmt/format.h>

#include <cstring>

namespace drapci {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not found";
    case Code::kGone: return "gone";
    case Code::kBusy: return "busy";
    case Code::kConflict: return "conflict";
    case Code::kExhausted: return "exhausted";
    case Code::kDenied: return "denied";
    case Code::kUnsupported: return "unsupported";
    case Code::kTimeout: return "timeout";
    case Code::kIo: return "io";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

Code CodeFromErrno(int sys) {
  switch (sys) {
    case EINVAL: return Code::kInvalid;
    case ENOENT:
    case ENODEV:
    case ENXIO: return Code::kGone;
    case EBUSY:
    case EAGAIN: return Code::kBusy;
    case ENOSPC:
    case ENOMEM:
    case ERANGE:
    case EDQUOT: return Code::kExhausted;
    case EACCES:
    case EPERM:
    case EROFS: return Code::kDenied;
    case EOPNOTSUPP:
    case ENOTTY:
    case ENOSYS: return Code::kUnsupported;
    case ETIMEDOUT: return Code::kTimeout;
    default: return Code::kIo;
  }
}

std::string ErrnoName(int sys) {
  const char* name = strerrorname_np(sys);
  return name != nullptr ? std::string(name) : fmt::format("errno {}", sys);
}

Error Error::FromErrno(int sys, std::string_view context) {
  const char* meaning = strerrordesc_np(sys);
  return {.code = CodeFromErrno(sys),
          .sys = sys,
          .what = fmt::format("{}: {} ({})", context, ErrnoName(sys),
                              meaning != nullptr ? meaning : "unknown error")};
}

Error Error::Within(std::string_view context) && {
  what = fmt::format("{}: {}", context, what);
  return std::move(*this);
}

}  // namespace drapci
