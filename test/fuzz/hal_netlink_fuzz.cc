// Netlink answers, and the routes and next hops in them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "hal/os/netlink.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void RequireIndexes(const std::vector<int>& indexes) {
  Require(std::ranges::is_sorted(indexes));
  Require(indexes.empty() || indexes.front() > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using drapci::hal::NetlinkMessage;
  // Sequence and port are those of the first message, so that most inputs get past the check of
  // both.
  uint32_t ids[2] = {};
  if (size >= 16) std::memcpy(ids, data + 8, sizeof ids);
  drapci::hal::NetlinkReply reply(ids[0], ids[1]);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  if (const auto added = reply.Add(bytes); !added) Require(!added.error().what.empty());
  std::vector<NetlinkMessage> messages = reply.TakeMessages();
  for (const NetlinkMessage& message : messages) Require(message.size() >= 16);
  // The parsers themselves take anything, also what the reply would have refused.
  messages.emplace_back(bytes.begin(), bytes.end());
  RequireIndexes(drapci::hal::ParseDefaultRoutes(messages));
  RequireIndexes(drapci::hal::ParseNextHops(messages));
  static_cast<void>(drapci::hal::UseNextHopObjects(messages));
  return 0;
}
