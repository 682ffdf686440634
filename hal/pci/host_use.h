// What the machine itself needs and drapci therefore never touches.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hal/os/host.h"
#include "hal/pci/function.h"

namespace drapci::hal {

// For each function that the host is using, the reason as a short sentence: it carries the default
// route (rtnetlink, also through bonds, bridges and VLANs above it), it has a mounted file system
// or swap on it
// (/proc/self/mountinfo, /proc/swaps, through dm, md and NVMe multipath), its disk is part of a dm
// or md device, it is the boot VGA (boot_vga), it is a bridge. A PF whose VF is in use is itself in
// use. An Error when routes or mounts cannot be read: then nothing is known to be free. Not seen: a
// raw disk that a process has opened itself, ZFS pools, tunnels that run over a function without
// default route.
Result<std::map<PciAddress, std::string>> FunctionsInHostUse(
    Host& host, const std::vector<PciFunction>& functions);

// One line of /proc/self/mountinfo (Documentation/filesystems/proc.rst), escapes undone.
struct MountLine {
  unsigned major = 0,
           minor = 0;  // major 0: no block device, or one that only `source` names (btrfs)
  std::string mount_point, source;
  bool operator==(const MountLine&) const = default;
};

// Lines that do not have the format are skipped. Pure; fuzzed.
std::vector<MountLine> ParseMountinfo(std::string_view text);

// The devices and files of /proc/swaps. Pure; fuzzed.
std::vector<std::string> ParseSwaps(std::string_view text);

}  // namespace drapci::hal
