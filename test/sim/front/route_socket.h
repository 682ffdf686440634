// A NETLINK_ROUTE socket that stays open, in the network namespace of the thread that opens it.
#pragma once

#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "hal/os/netlink.h"

namespace drapci::sim {

// Builds one request, attribute by attribute.
class RouteRequest {
 public:
  RouteRequest(uint16_t type, uint16_t flags, int index, unsigned link_flags = 0,
               unsigned link_change = 0);
  // One about network namespaces (RTM_NEWNSID).
  static RouteRequest OfNamespaces(uint16_t type);
  void Put(uint16_t type, const void* data, size_t size);
  void PutU32(uint16_t type, uint32_t value) { Put(type, &value, sizeof value); }
  void PutText(uint16_t type, const std::string& text) { Put(type, text.c_str(), text.size() + 1); }
  // A second ifinfomsg inside a nest (VETH_INFO_PEER).
  void PutLinkHeader(int index, unsigned link_flags);
  size_t Begin(uint16_t type);
  void End(size_t nest);
  const hal::NetlinkMessage& message() const { return message_; }

 private:
  RouteRequest() = default;
  void Append(const void* data, size_t size);
  hal::NetlinkMessage message_;
};

class RouteSocket {
 public:
  static Result<RouteSocket> Open();
  // One request and the messages of its answer, as hal::Netlink. One thread at a time.
  Result<std::vector<hal::NetlinkMessage>> Talk(const RouteRequest& request);
  int fd() const { return fd_.get(); }

 private:
  explicit RouteSocket(UniqueFd fd, uint32_t port) : fd_(std::move(fd)), port_(port) {}
  UniqueFd fd_;
  uint32_t port_;
  uint32_t sequence_ = 0;
};

// What RTM_NEWLINK or RTM_DELLINK says, as far as the simulator asks.
struct LinkNews {
  uint16_t type = 0;
  int index = 0;
  unsigned flags = 0;
  std::string name, mac;
  unsigned mtu = 0;
  int peer = 0;                       // IFLA_LINK
  std::optional<int> peer_namespace;  // IFLA_LINK_NETNSID
};
std::optional<LinkNews> ReadLinkNews(std::span<const std::byte> message);

}  // namespace drapci::sim
