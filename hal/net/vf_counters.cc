#include "hal/net/vf_counters.h"

#include <fmt/format.h>

#include "hal/net/message.h"
#include "hal/net/refusal.h"

namespace drapci::hal {
namespace {

constexpr uint32_t kMaxVfs = 65535;

// IFLA_VF_INFO: each attribute but the nested ones begins with the number of the VF.
void AddVf(std::span<const std::byte> info, std::map<int, VfCounters>& found) {
  std::optional<uint32_t> number;
  std::optional<VfCounters> counters;
  ForEachAttribute(info, [&](uint16_t type, std::span<const std::byte> payload) {
    if (type == IFLA_VF_MAC) number = CopyAt<uint32_t>(payload);
    if (type != IFLA_VF_STATS) return true;
    counters.emplace();
    ForEachAttribute(payload, [&](uint16_t kind, std::span<const std::byte> value) {
      const auto count = CopyAt<uint64_t>(value);
      if (count && kind == IFLA_VF_STATS_RX_DROPPED) counters->rx_dropped = *count;
      if (count && kind == IFLA_VF_STATS_TX_DROPPED) counters->tx_dropped = *count;
      return true;
    });
    return true;
  });
  if (number && *number < kMaxVfs && counters) found[static_cast<int>(*number)] = *counters;
}

}  // namespace

std::map<int, VfCounters> ParseVfCounters(std::span<const std::byte> message) {
  std::map<int, VfCounters> found;
  ifinfomsg fixed = {};
  const auto body = Body(message, RTM_NEWLINK, fixed);
  if (!body) return found;
  ForEachAttribute(*body, [&](uint16_t type, std::span<const std::byte> payload) {
    if (type != IFLA_VFINFO_LIST) return true;
    ForEachAttribute(payload, [&](uint16_t inner, std::span<const std::byte> info) {
      if (inner == IFLA_VF_INFO) AddVf(info, found);
      return true;
    });
    return true;
  });
  return found;
}

Result<std::map<int, VfCounters>> ReadVfCounters(Netlink& netlink, int index) {
  const auto request = Request(RTM_GETLINK, 0, Interface(index))
                           .Put(IFLA_EXT_MASK, uint32_t{RTEXT_FILTER_VF})
                           .Take();
  const auto answer = netlink.Talk(NETLINK_ROUTE, request);
  if (!answer) {
    return Fail(RefusalOf(answer.error(), fmt::format("counters of VFs of interface {}", index)));
  }
  std::map<int, VfCounters> found;
  for (const NetlinkMessage& message : *answer) found.merge(ParseVfCounters(message));
  return found;
}

}  // namespace drapci::hal
