#include "hal/net/rdma.h"

#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

#include <algorithm>
#include <cerrno>

#include "hal/net/message.h"
#include "hal/net/refusal.h"

namespace drapci::hal {
namespace {

constexpr uint16_t kSystemGet = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_SYS_GET);

}  // namespace

NetlinkMessage RdmaSystemRequest() {
  nlmsghdr header = {};
  header.nlmsg_len = sizeof header;
  header.nlmsg_type = kSystemGet;
  header.nlmsg_flags = NLM_F_REQUEST;
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return {bytes.begin(), bytes.end()};
}

std::optional<RdmaNamespaces> ParseRdmaSystem(std::span<const std::byte> message) {
  const auto header = CopyAt<nlmsghdr>(message);
  if (!header || header->nlmsg_type != kSystemGet) return std::nullopt;
  std::optional<RdmaNamespaces> mode;
  ForEachAttribute(message.subspan(MNL_NLMSG_HDRLEN),
                   [&](uint16_t type, std::span<const std::byte> payload) {
                     const auto number = CopyAt<uint8_t>(payload);
                     if (type != RDMA_NLDEV_SYS_ATTR_NETNS_MODE || !number) return true;
                     mode = *number == 0 ? RdmaNamespaces::kExclusive : RdmaNamespaces::kShared;
                     return false;
                   });
  return mode;
}

Result<RdmaNamespaces> ReadRdmaNamespaces(Netlink& netlink) {
  const auto answer = netlink.Talk(NETLINK_RDMA, RdmaSystemRequest());
  if (!answer) return Fail(RefusalOf(answer.error(), "ask the RDMA subsystem for its mode"));
  for (const NetlinkMessage& message : *answer) {
    if (const auto mode = ParseRdmaSystem(message)) return *mode;
  }
  return Fail(Code::kUnsupported, "the RDMA subsystem does not tell its mode");
}

Result<std::vector<std::string>> RdmaDevices(const Sysfs& sysfs, const std::string& path) {
  DRAPCI_TRY(const std::string dir, sysfs.Resolve(path));
  Result<std::vector<std::string>> names = sysfs.List(dir + "/infiniband");
  if (!names && names.error().sys == ENOENT) return std::vector<std::string>();
  if (names) std::ranges::sort(*names);
  return names;
}

}  // namespace drapci::hal
