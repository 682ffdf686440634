#include "hal/pci/host_use.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "hal/base/parse.h"
#include "hal/os/path.h"
#include "hal/pci/block_use.h"
#include "hal/pci/topology.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kNet = "/sys/class/net";
constexpr uint32_t kDisplay = 0x03, kBridge = 0x06;

using Reasons = std::map<PciAddress, std::string>;

// Mount points have their blanks as "\040".
std::string Unescape(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const auto code = text.size() >= 4 && text[0] == '\\' ? ParseInt<unsigned>(text.substr(1, 3), 8)
                                                          : std::nullopt;
    if (code && *code < 0x100) {
      plain += static_cast<char>(*code);
      text.remove_prefix(4);
    } else {
      plain += text[0];
      text.remove_prefix(1);
    }
  }
  return plain;
}

// The interface's hardware and that of everything it is built on (lower_* links of bonds, bridges,
// VLANs).
void AddInterface(const Sysfs& sysfs, const std::string& name, std::set<std::string>& seen,
                  std::set<PciAddress>& functions) {
  if (!seen.insert(name).second) return;
  const std::string dir = fmt::format("{}/{}", kNet, name);
  const Result<std::string> device = sysfs.Resolve(dir + "/device");
  if (device) {
    if (const auto function = FunctionOfPath(*device)) functions.insert(*function);
  }
  const Result<std::vector<std::string>> names = sysfs.List(dir);
  if (!names) return;
  constexpr std::string_view kLower = "lower_";
  bool has_lower = false;
  for (const std::string& entry : *names) {
    if (!entry.starts_with(kLower)) continue;
    has_lower = true;
    AddInterface(sysfs, entry.substr(kLower.size()), seen, functions);
  }
  // A port of Open vSwitch has no link to the interfaces that its bridge joins; they are all below
  // ovs-system.
  if (!device && !has_lower && name != "lo" && sysfs.Exists(fmt::format("{}/ovs-system", kNet))) {
    AddInterface(sysfs, "ovs-system", seen, functions);
  }
}

Result<> AddRoutes(Host& host, Reasons& reasons) {
  DRAPCI_TRY(const std::vector<int> indexes, DefaultRouteInterfaces(host.netlink));
  if (indexes.empty()) return {};
  DRAPCI_TRY(const std::vector<std::string> names, host.sysfs.List(kNet));
  for (const std::string& name : names) {
    const Result<std::string> text = host.sysfs.Read(fmt::format("{}/{}/ifindex", kNet, name));
    const auto index = text ? ParseInt<int>(Trim(*text)) : std::nullopt;
    if (!index || std::ranges::find(indexes, *index) == indexes.end()) continue;
    std::set<std::string> seen;
    std::set<PciAddress> functions;
    AddInterface(host.sysfs, name, seen, functions);
    for (const PciAddress& function : functions) {
      reasons.emplace(function, fmt::format("it carries the host's default route ({})", name));
    }
  }
  return {};
}

void AddBlockDevice(const Host& host, unsigned major, unsigned minor, const std::string& reason,
                    Reasons& reasons) {
  const Result<std::string> device =
      host.sysfs.Resolve(fmt::format("/sys/dev/block/{}:{}", major, minor));
  if (!device) return;
  for (const PciAddress& function : FunctionsOfBlockDevice(host.sysfs, *device)) {
    reasons.emplace(function, reason);
  }
}

// The block device that `source` names, if it is one.
void AddSource(const Host& host, const std::string& source, const std::string& reason,
               Reasons& reasons) {
  if (!source.starts_with("/dev/")) return;
  const Result<NodeInfo> node = host.dev.Stat(source);
  if (node && node->type == 'b') AddBlockDevice(host, node->major, node->minor, reason, reasons);
}

Result<> AddMounts(Host& host, Reasons& reasons) {
  DRAPCI_TRY(std::string mounts, host.sysfs.Read("/proc/self/mountinfo"));
  // A service sees fewer mounts than there are.
  if (const auto of_init = host.sysfs.Read("/proc/1/mountinfo")) mounts.append("\n" + *of_init);
  for (const MountLine& line : ParseMountinfo(mounts)) {
    const std::string reason =
        fmt::format("it holds a mounted file system ({} on {})", line.source, line.mount_point);
    if (line.major != 0) {
      AddBlockDevice(host, line.major, line.minor, reason, reasons);
    } else {
      AddSource(host, line.source, reason, reasons);
    }
  }
  const Result<std::string> swaps = host.sysfs.Read("/proc/swaps");
  if (!swaps) {
    if (swaps.error().sys == ENOENT) return {};  // a kernel without swap
    return Fail(swaps.error());
  }
  for (const std::string& source : ParseSwaps(*swaps)) {
    AddSource(host, source, fmt::format("it holds swap ({})", source), reasons);
  }
  return {};
}

// A disk that is part of an assembled dm or md device is in use even when nothing is mounted yet.
void AddHolders(const Host& host, Reasons& reasons) {
  constexpr std::string_view kBlock = "/sys/class/block";
  const Result<std::vector<std::string>> names = host.sysfs.List(kBlock);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string dir = fmt::format("{}/{}", kBlock, name);
    const Result<std::vector<std::string>> holders = host.sysfs.List(dir + "/holders");
    if (!holders || holders->empty()) continue;
    const Result<std::string> device = host.sysfs.Resolve(dir);
    if (!device) continue;
    for (const PciAddress& function : FunctionsOfBlockDevice(host.sysfs, *device)) {
      reasons.emplace(function, fmt::format("its disk {} is part of {}", name, holders->front()));
    }
  }
}

void AddOwnReasons(const Sysfs& sysfs, const PciFunction& function, Reasons& reasons) {
  if (function.class_code >> 16 == kBridge) {
    reasons.emplace(function.address, "it is a bridge");
  } else if (function.class_code >> 16 == kDisplay) {
    const Result<std::string> boot = sysfs.Read(function.address.SysfsPath() + "/boot_vga");
    if (boot && Trim(*boot) == "1") reasons.emplace(function.address, "it is the boot VGA");
  }
}

}  // namespace

std::vector<MountLine> ParseMountinfo(std::string_view text) {
  std::vector<MountLine> lines;
  for (std::string_view line : Split(text, '\n')) {
    // 36 35 98:0 /root /mnt rw,noatime master:1 ... - ext3 /dev/root rw
    const std::vector<std::string_view> fields = Split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 3) continue;
    const std::vector<std::string_view> number = Split(fields[2], ':');
    if (number.size() != 2) continue;
    const auto major = ParseInt<unsigned>(number[0]), minor = ParseInt<unsigned>(number[1]);
    if (!major || !minor) continue;
    lines.push_back({.major = *major,
                     .minor = *minor,
                     .mount_point = Unescape(fields[4]),
                     .source = Unescape(dash[2])});
  }
  return lines;
}

std::vector<std::string> ParseSwaps(std::string_view text) {
  std::vector<std::string> swaps;
  for (std::string_view line : Split(text, '\n')) {
    if (line.starts_with('/')) swaps.push_back(Unescape(line.substr(0, line.find_first_of(" \t"))));
  }
  return swaps;
}

Result<std::map<PciAddress, std::string>> FunctionsInHostUse(
    Host& host, const std::vector<PciFunction>& functions) {
  Reasons reasons;
  for (const PciFunction& function : functions) AddOwnReasons(host.sysfs, function, reasons);
  DRAPCI_CHECK(AddRoutes(host, reasons));
  DRAPCI_CHECK(AddMounts(host, reasons));
  AddHolders(host, reasons);
  for (const PciFunction& function : functions) {
    const auto found = function.physfn ? reasons.find(function.address) : reasons.end();
    if (found == reasons.end()) continue;
    reasons.emplace(*function.physfn, fmt::format("its virtual function {} is in use: {}",
                                                  function.address.ToString(), found->second));
  }
  return reasons;
}

}  // namespace drapci::hal
