// The messages of devlink and of generic netlink, as bytes: requests out, answers in.
//
// Pure functions around libmnl (include/uapi/linux/devlink.h, genetlink.h). The parsers take any
// bytes, skip what they do not know and are fuzzed. Requests are complete from their nlmsghdr on;
// Netlink::Talk fills in sequence and port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "hal/net/devlink.h"
#include "hal/os/netlink.h"

namespace drapci::hal {

// CTRL_CMD_GETFAMILY, and the number in its answer.
NetlinkMessage FamilyRequest(std::string_view family);
std::optional<uint16_t> ParseFamily(std::span<const std::byte> message);

// Any DEVLINK_CMD_* about one instance; with `dump` one about all that it has. Kernels before 6.6
// answer a dump for all instances.
NetlinkMessage DevlinkRequest(uint16_t family, uint8_t command, const DevlinkDevice& device,
                              bool dump);
NetlinkMessage DevlinkListRequest(uint16_t family);
NetlinkMessage EswitchRequest(uint16_t family, const DevlinkDevice& device, EswitchMode mode);
// DEVLINK_CMD_PORT_SET of the function.
NetlinkMessage HardwareAddressRequest(uint16_t family, const DevlinkDevice& device, uint32_t port,
                                      std::string_view mac);  // IsMacAddress(mac)
NetlinkMessage ActiveRequest(uint16_t family, const DevlinkDevice& device, uint32_t port,
                             bool active);
NetlinkMessage AddSubFunctionRequest(uint16_t family, const DevlinkDevice& device, uint32_t pf,
                                     uint32_t sf);
NetlinkMessage RemovePortRequest(uint16_t family, const DevlinkDevice& device, uint32_t port);
// DEVLINK_CMD_RATE_SET of a leaf; _SET, _NEW or _DEL of a node.
NetlinkMessage LeafRateRequest(uint16_t family, const DevlinkDevice& device, uint32_t port,
                               const DevlinkRateChange& change);
NetlinkMessage NodeRateRequest(uint16_t family, uint8_t command, const DevlinkDevice& device,
                               std::string_view node, const DevlinkRateChange& change);

// What a message is about; nothing for one without.
std::optional<DevlinkDevice> ParseDevlinkDevice(std::span<const std::byte> message);
DevlinkInfo ParseDevlinkInfo(std::span<const std::byte> message);
// Nothing when the driver does not tell: it cannot set it either.
std::optional<EswitchMode> ParseEswitch(std::span<const std::byte> message);
std::optional<DevlinkPort> ParseDevlinkPort(std::span<const std::byte> message);
std::optional<DevlinkRate> ParseDevlinkRate(std::span<const std::byte> message);
std::optional<DevlinkHealthReporter> ParseHealthReporter(std::span<const std::byte> message);

}  // namespace drapci::hal
