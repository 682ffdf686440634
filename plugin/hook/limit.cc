#include "plugin/hook/limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "hal/base/parse.h"

namespace drapci::plugin {
namespace {

constexpr std::string_view kController = "dmem";
constexpr std::string_view kUnlimited = "max";

bool HasWord(std::string_view text, std::string_view word) {
  const auto words = Split(Trim(text), ' ');
  return std::ranges::find(words, word) != words.end();
}

// The line "0::/kubepods.slice/..." of /proc/PID/cgroup.
Result<std::string> GroupOf(const hal::Sysfs& files, int pid) {
  DRAPCI_TRY(const std::string text, files.Read(fmt::format("/proc/{}/cgroup", pid)));
  for (std::string_view line : Split(text, '\n')) {
    if (!line.starts_with("0::/")) continue;
    line.remove_prefix(3);
    // Of a group outside the part of the hierarchy that this process sees.
    if (line.contains("/../") || line.ends_with("/..")) break;
    if (line != "/") return std::string(line);
  }
  return Fail(
      Code::kUnsupported,
      "the container has no control group (version 2) of its own to hold it to its share of "
      "the memory: the runtime must make one");
}

std::string Meaning(int error) {
  switch (error) {
    case EBUSY:
      return "processes are in that very group: the kernel passes controllers on only from groups "
             "without any";
    case EACCES:
    case EPERM:
    case EROFS: return "drapci-hook must run as root, with a control group file system to write to";
    case ENOENT: return "the group above does not pass it on";
    case EINVAL: return "the controller does not know that region, or not that value";
    case ENOMEM: return "the kernel has no memory left";
    default: return "see the kernel's log";
  }
}

Error Refused(std::string_view what, const Error& error) {
  return {.code = error.code,
          .sys = error.sys,
          .what = fmt::format("{}: {}: {}", what, error.what, Meaning(error.sys))};
}

// Has every group above `group` pass the controller on, from the root downwards.
Result<> Enable(hal::Sysfs& files, std::string_view root, std::string_view group) {
  std::string above(root);
  for (const std::string_view name : Split(group, '/')) {
    if (name.empty()) continue;
    const auto offered = files.Read(above + "/cgroup.controllers");
    if (!offered || !HasWord(*offered, kController)) {
      return Fail(Code::kUnsupported,
                  fmt::format("{} has no controller of device memory to hold a container to its "
                              "share: it needs Linux 6.14 with CONFIG_CGROUP_DMEM",
                              above));
    }
    const std::string control = above + "/cgroup.subtree_control";
    DRAPCI_TRY(const std::string passed_on, files.Read(control));
    if (!HasWord(passed_on, kController)) {
      if (const auto done = files.Write(control, fmt::format("+{}", kController)); !done) {
        return Fail(Refused("enabling the controller of device memory", done.error()));
      }
    }
    above += fmt::format("/{}", name);
  }
  return {};
}

// What `text`, lines of "REGION VALUE", says of a region; nothing when it does not know it.
std::optional<std::string> ValueOf(std::string_view text, std::string_view region) {
  for (const std::string_view line : Split(text, '\n')) {
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos || line.substr(0, blank) != region) continue;
    return std::string(Trim(line.substr(blank)));
  }
  return std::nullopt;
}

Result<> Limit(hal::Sysfs& files, const std::string& path, const MemoryLimit& limit) {
  DRAPCI_TRY(const std::string before, files.Read(path));
  const auto had = ValueOf(before, limit.region);
  if (!had) {
    return Fail(Code::kGone, fmt::format("{} does not know {}: its driver has let go of the card",
                                         path, limit.region));
  }
  int64_t bytes = limit.bytes;
  if (*had != kUnlimited) {
    const auto other = ParseInt<int64_t>(*had);
    if (!other || *other < 0 || *other > INT64_MAX - bytes) {
      return Fail(Code::kIo, fmt::format("{}: '{}' of {} is no limit", path, *had, limit.region));
    }
    bytes += *other;
  }
  // One region a write: that is what every kernel takes.
  if (const auto done = files.Write(path, fmt::format("{} {}", limit.region, bytes)); !done) {
    return Fail(Refused("limiting the memory of the card", done.error()));
  }
  DRAPCI_TRY(const std::string after, files.Read(path));
  const std::string now = ValueOf(after, limit.region).value_or("nothing");
  if (now == fmt::to_string(bytes)) return {};
  return Fail(Code::kIo, fmt::format("{}: {} bytes of {} were written and {} is what it has", path,
                                     bytes, limit.region, now));
}

}  // namespace

std::optional<MemoryLimit> MemoryLimit::Parse(std::string_view text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  const auto bytes = ParseInt<int64_t>(text.substr(equals + 1));
  const std::string_view region = text.substr(0, equals);
  const auto plain = [](char c) { return c > ' ' && c < 0x7f; };
  if (!bytes || *bytes <= 0 || !std::ranges::all_of(region, plain)) return std::nullopt;
  return MemoryLimit{.region = std::string(region), .bytes = *bytes};
}

// "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw"
Result<std::string> UnifiedHierarchy(const hal::Sysfs& files) {
  DRAPCI_TRY(const std::string mounts, files.Read("/proc/self/mountinfo"));
  for (const std::string_view line : Split(mounts, '\n')) {
    const size_t kind = line.find(" - ");
    if (kind == std::string_view::npos || !line.substr(kind).starts_with(" - cgroup2 ")) continue;
    const auto fields = Split(line, ' ');
    if (fields.size() > 4 && fields[3] == "/") return std::string(fields[4]);
  }
  return Fail(Code::kUnsupported,
              "no control groups of version 2 are mounted: a container cannot be held to its share "
              "of a card's memory");
}

Result<> LimitMemory(hal::Sysfs& files, std::string_view root, int pid,
                     std::span<const MemoryLimit> limits) {
  DRAPCI_TRY(const std::string group, GroupOf(files, pid));
  const std::string path = fmt::format("{}{}/dmem.max", root, group);
  if (!files.Exists(path)) DRAPCI_CHECK(Enable(files, root, group));
  for (const MemoryLimit& limit : limits) DRAPCI_CHECK(Limit(files, path, limit));
  return {};
}

}  // namespace drapci::plugin
