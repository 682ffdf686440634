// The requests of devlink.
#include <linux/devlink.h>
#include <linux/genetlink.h>

#include "hal/base/parse.h"
#include "hal/net/devlink_message.h"
#include "hal/net/message.h"

namespace drapci::hal {
namespace {

constexpr size_t kEthernetLength = 6;

// One that is about `device`, to which more can be put.
class DeviceRequest : public Request {
 public:
  DeviceRequest(uint16_t family, uint8_t command, uint16_t flags, const DevlinkDevice& device)
      : Request(family, flags, genlmsghdr{.cmd = command, .version = 1, .reserved = 0}) {
    PutText(DEVLINK_ATTR_BUS_NAME, device.bus);
    PutText(DEVLINK_ATTR_DEV_NAME, device.name);
  }
};

template <class PutFunction>
NetlinkMessage FunctionRequest(uint16_t family, const DevlinkDevice& device, uint32_t port,
                               PutFunction put) {
  DeviceRequest request(family, DEVLINK_CMD_PORT_SET, 0, device);
  request.Put(DEVLINK_ATTR_PORT_INDEX, port);
  nlattr* function = request.Open(DEVLINK_ATTR_PORT_FUNCTION);
  put(request);
  request.Close(function);
  return request.Take();
}

void PutRate(Request& request, const DevlinkRateChange& change) {
  if (change.tx_share) request.Put(DEVLINK_ATTR_RATE_TX_SHARE, *change.tx_share);
  if (change.tx_max) request.Put(DEVLINK_ATTR_RATE_TX_MAX, *change.tx_max);
  if (change.parent) request.PutText(DEVLINK_ATTR_RATE_PARENT_NODE_NAME, *change.parent);
}

}  // namespace

NetlinkMessage FamilyRequest(std::string_view family) {
  Request request(GENL_ID_CTRL, 0,
                  genlmsghdr{.cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0});
  request.PutText(CTRL_ATTR_FAMILY_NAME, family);
  return request.Take();
}

NetlinkMessage DevlinkRequest(uint16_t family, uint8_t command, const DevlinkDevice& device,
                              bool dump) {
  return DeviceRequest(family, command, dump ? NLM_F_DUMP : 0, device).Take();
}

NetlinkMessage DevlinkListRequest(uint16_t family) {
  return Request(family, NLM_F_DUMP,
                 genlmsghdr{.cmd = DEVLINK_CMD_GET, .version = 1, .reserved = 0})
      .Take();
}

NetlinkMessage EswitchRequest(uint16_t family, const DevlinkDevice& device, EswitchMode mode) {
  DeviceRequest request(family, DEVLINK_CMD_ESWITCH_SET, 0, device);
  request.Put(DEVLINK_ATTR_ESWITCH_MODE, static_cast<uint16_t>(mode));
  return request.Take();
}

NetlinkMessage HardwareAddressRequest(uint16_t family, const DevlinkDevice& device, uint32_t port,
                                      std::string_view mac) {
  std::array<std::byte, kEthernetLength> bytes = {};
  for (size_t i = 0; i < bytes.size() && mac.size() >= 3 * i + 2; ++i) {
    bytes[i] = std::byte{ParseInt<uint8_t>(mac.substr(3 * i, 2), 16).value_or(0)};
  }
  return FunctionRequest(family, device, port, [&](Request& request) {
    request.PutBytes(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, bytes);
  });
}

NetlinkMessage ActiveRequest(uint16_t family, const DevlinkDevice& device, uint32_t port,
                             bool active) {
  const auto state =
      static_cast<uint8_t>(active ? DEVLINK_PORT_FN_STATE_ACTIVE : DEVLINK_PORT_FN_STATE_INACTIVE);
  return FunctionRequest(family, device, port,
                         [&](Request& request) { request.Put(DEVLINK_PORT_FN_ATTR_STATE, state); });
}

NetlinkMessage AddSubFunctionRequest(uint16_t family, const DevlinkDevice& device, uint32_t pf,
                                     uint32_t sf) {
  DeviceRequest request(family, DEVLINK_CMD_PORT_NEW, 0, device);
  request.Put(DEVLINK_ATTR_PORT_FLAVOUR, uint16_t{DEVLINK_PORT_FLAVOUR_PCI_SF});
  request.Put(DEVLINK_ATTR_PORT_PCI_PF_NUMBER, static_cast<uint16_t>(pf));
  request.Put(DEVLINK_ATTR_PORT_PCI_SF_NUMBER, sf);
  return request.Take();
}

NetlinkMessage RemovePortRequest(uint16_t family, const DevlinkDevice& device, uint32_t port) {
  DeviceRequest request(family, DEVLINK_CMD_PORT_DEL, 0, device);
  request.Put(DEVLINK_ATTR_PORT_INDEX, port);
  return request.Take();
}

NetlinkMessage LeafRateRequest(uint16_t family, const DevlinkDevice& device, uint32_t port,
                               const DevlinkRateChange& change) {
  DeviceRequest request(family, DEVLINK_CMD_RATE_SET, 0, device);
  request.Put(DEVLINK_ATTR_PORT_INDEX, port);
  PutRate(request, change);
  return request.Take();
}

NetlinkMessage NodeRateRequest(uint16_t family, uint8_t command, const DevlinkDevice& device,
                               std::string_view node, const DevlinkRateChange& change) {
  DeviceRequest request(family, command, 0, device);
  request.PutText(DEVLINK_ATTR_RATE_NODE_NAME, node);
  PutRate(request, change);
  return request.Take();
}

}  // namespace drapci::hal
