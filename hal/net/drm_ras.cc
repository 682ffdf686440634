#include "hal/net/drm_ras.h"

#include <linux/genetlink.h>

#include <algorithm>

#include "hal/net/devlink_message.h"
#include "hal/net/message.h"
#include "hal/net/refusal.h"

namespace drapci::hal {
namespace {

// include/uapi/drm/drm_ras.h; the numbers of attributes begin anew in each set.
constexpr uint8_t kListNodes = 1, kGetErrorCounter = 2;
constexpr uint16_t kNodeId = 1, kNodeDevice = 2, kNodeName = 3, kNodeType = 4;
constexpr uint16_t kCounterNode = 1, kCounterName = 3, kCounterValue = 4;

genlmsghdr Command(uint8_t command) { return {.cmd = command, .version = 1, .reserved = 0}; }

std::span<const std::byte> Attributes(std::span<const std::byte> message) {
  constexpr size_t kHead = MNL_NLMSG_HDRLEN + GENL_HDRLEN;
  return message.subspan(std::min(kHead, message.size()));
}

// Up to the first NUL.
std::string Text(std::span<const std::byte> payload) {
  std::string text;
  for (const std::byte byte : payload) {
    if (byte == std::byte{0}) break;
    text += static_cast<char>(byte);
  }
  return text;
}

}  // namespace

std::optional<DrmRasNode> ParseDrmRasNode(std::span<const std::byte> message) {
  DrmRasNode node;
  bool has_id = false;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    const auto number = CopyAt<uint32_t>(payload);
    if (type == kNodeId && number) node.id = *number, has_id = true;
    if (type == kNodeDevice) node.device = Text(payload);
    if (type == kNodeName) node.name = Text(payload);
    if (type == kNodeType && number) node.type = *number;
    return true;
  });
  if (!has_id || node.device.empty()) return std::nullopt;
  return node;
}

std::optional<DrmRasCounter> ParseDrmRasCounter(std::span<const std::byte> message) {
  DrmRasCounter counter;
  bool has_value = false;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    const auto number = CopyAt<uint32_t>(payload);
    if (type == kCounterName) counter.name = Text(payload);
    if (type == kCounterValue && number) counter.value = *number, has_value = true;
    return true;
  });
  if (!has_value || counter.name.empty()) return std::nullopt;
  return counter;
}

Result<DrmRas> DrmRas::Open(Netlink& netlink) {
  const auto answer = netlink.Talk(NETLINK_GENERIC, FamilyRequest("drm-ras"));
  if (!answer && answer.error().sys != ENOENT) {
    return Fail(RefusalOf(answer.error(), "look for drm-ras in the kernel"));
  }
  if (answer) {
    for (const NetlinkMessage& message : *answer) {
      if (const auto family = ParseFamily(message)) return DrmRas(netlink, *family);
    }
  }
  return Fail(Code::kUnsupported, "the kernel has no drm-ras");
}

Result<std::vector<DrmRasNode>> DrmRas::Nodes() const {
  const auto answer =
      netlink_.Talk(NETLINK_GENERIC, Request(family_, NLM_F_DUMP, Command(kListNodes)).Take());
  if (!answer) return Fail(RefusalOf(answer.error(), "list the nodes of drm-ras"));
  std::vector<DrmRasNode> nodes;
  for (const NetlinkMessage& message : *answer) {
    if (auto node = ParseDrmRasNode(message)) nodes.push_back(*std::move(node));
  }
  return nodes;
}

Result<std::vector<DrmRasCounter>> DrmRas::Counters(uint32_t node) const {
  Request request(family_, NLM_F_DUMP, Command(kGetErrorCounter));
  const auto answer = netlink_.Talk(NETLINK_GENERIC, request.Put(kCounterNode, node).Take());
  if (!answer) return Fail(RefusalOf(answer.error(), "read the error counters of drm-ras"));
  std::vector<DrmRasCounter> counters;
  for (const NetlinkMessage& message : *answer) {
    if (auto counter = ParseDrmRasCounter(message)) counters.push_back(*std::move(counter));
  }
  return counters;
}

}  // namespace drapci::hal
