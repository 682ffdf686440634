// What the driver of a physical function has counted of its VFs' traffic (IFLA_VF_STATS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "hal/os/netlink.h"

namespace drapci::hal {

struct VfCounters {
  uint64_t rx_dropped = 0, tx_dropped = 0;
  bool operator==(const VfCounters&) const = default;
};

// By number of the VF, of the PF whose interface has `index`: one message and its answer. Drivers
// that count nothing say 0; of more VFs than fit a message the last are missing. Any thread. kGone
// when there is no such interface in the namespace of `netlink`.
Result<std::map<int, VfCounters>> ReadVfCounters(Netlink& netlink, int index);

// What an RTM_NEWLINK says of them. Pure; fuzzed.
std::map<int, VfCounters> ParseVfCounters(std::span<const std::byte> message);

}  // namespace drapci::hal
