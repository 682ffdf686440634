// Generic netlink about the devlink instances of the model: requests taken apart, by the rules of
// net/devlink, and answers put together. Independent of hal/net, which is tested by it.
#pragma once

#include <expected>
#include <span>
#include <vector>

#include "hal/os/netlink.h"
#include "test/sim/kernel/rtnetlink.h"

namespace drapci::sim {

// The number that the family "devlink" has here.
inline constexpr uint16_t kDevlinkFamily = 0x17;

// The messages of the answer, or the kernel's no. A change is, for faults and the log, a write to
// "/net/<PCI address>/devlink/<what>" ("mode", "port3/hw_addr", "port3/rate", "sf4", "node/NAME").
std::expected<std::vector<hal::NetlinkMessage>, Refusal> AnswerGenetlink(
    Kernel& kernel, std::span<const std::byte> request);

// Whether a request about devlink asks for a change.
bool ChangesDevlink(std::span<const std::byte> request);

}  // namespace drapci::sim
