// What devlink answers.
#include "hal/net/devlink_message.h"

#include <linux/devlink.h>
#include <linux/genetlink.h>

#include <limits>

#include "hal/net/message.h"

namespace drapci::hal {
namespace {

constexpr size_t kEthernetLength = 6;
// enum devlink_health_reporter_state, include/net/devlink.h
constexpr uint8_t kHealthy = 0;

// The attributes of a generic netlink message, whatever its family's number is.
std::span<const std::byte> Attributes(std::span<const std::byte> message) {
  constexpr size_t kHeaders = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(genlmsghdr));
  const auto header = CopyAt<nlmsghdr>(message);
  if (!header || header->nlmsg_type < NLMSG_MIN_TYPE || message.size() < kHeaders) return {};
  return message.subspan(kHeaders);
}

template <class T>
void Take(std::span<const std::byte> payload, std::optional<T>& into) {
  if (const auto value = CopyAt<T>(payload)) into = *value;
}

template <class T>
void Take(std::span<const std::byte> payload, T& into) {
  into = CopyAt<T>(payload).value_or(into);
}

void Take(std::span<const std::byte> payload, std::string& into) {
  into.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
  into.resize(std::min(into.find('\0'), into.size()));
}

void Take(std::span<const std::byte> payload, std::map<std::string, std::string>& versions) {
  std::string name, value;
  ForEachAttribute(payload, [&](uint16_t type, std::span<const std::byte> text) {
    if (type == DEVLINK_ATTR_INFO_VERSION_NAME) Take(text, name);
    if (type == DEVLINK_ATTR_INFO_VERSION_VALUE) Take(text, value);
    return true;
  });
  if (!name.empty()) versions.insert_or_assign(std::move(name), std::move(value));
}

void TakeFunction(std::span<const std::byte> payload, DevlinkPort& port) {
  ForEachAttribute(payload, [&](uint16_t type, std::span<const std::byte> value) {
    const auto number = CopyAt<uint8_t>(value);
    // Ports of other than Ethernet have longer ones.
    if (type == DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR && value.size() == kEthernetLength) {
      port.hw_addr = HardwareAddress(value);
    } else if (type == DEVLINK_PORT_FN_ATTR_STATE && number) {
      port.active = *number == DEVLINK_PORT_FN_STATE_ACTIVE;
    } else if (type == DEVLINK_PORT_FN_ATTR_OPSTATE && number) {
      port.attached = *number == DEVLINK_PORT_FN_OPSTATE_ATTACHED;
    }
    return true;
  });
}

std::optional<uint32_t> Small(std::span<const std::byte> payload) {
  const auto value = CopyAt<uint16_t>(payload);
  return value ? std::optional<uint32_t>(*value) : std::nullopt;
}

void AddPortAttribute(uint16_t type, std::span<const std::byte> payload, DevlinkPort& port) {
  switch (type) {
    case DEVLINK_ATTR_PORT_FLAVOUR:
      if (const auto flavour = Small(payload); flavour && *flavour <= DEVLINK_PORT_FLAVOUR_PCI_SF) {
        port.flavour = static_cast<PortFlavour>(*flavour);
      }
      break;
    case DEVLINK_ATTR_PORT_CONTROLLER_NUMBER: Take(payload, port.controller); break;
    case DEVLINK_ATTR_PORT_PCI_PF_NUMBER: port.pf = Small(payload); break;
    case DEVLINK_ATTR_PORT_PCI_VF_NUMBER: port.vf = Small(payload); break;
    case DEVLINK_ATTR_PORT_PCI_SF_NUMBER: Take(payload, port.sf); break;
    case DEVLINK_ATTR_PORT_EXTERNAL:
      port.external = CopyAt<uint8_t>(payload).value_or(0) != 0;
      break;
    case DEVLINK_ATTR_PORT_NETDEV_IFINDEX:
      if (const auto index = CopyAt<uint32_t>(payload);
          index && *index <= uint32_t{std::numeric_limits<int>::max()}) {
        port.interface = static_cast<int>(*index);
      }
      break;
    case DEVLINK_ATTR_PORT_NETDEV_NAME: Take(payload, port.netdev); break;
    case DEVLINK_ATTR_PORT_IBDEV_NAME: Take(payload, port.ibdev); break;
    case DEVLINK_ATTR_PORT_FUNCTION: TakeFunction(payload, port); break;
    default: break;
  }
}

void AddReporterAttribute(uint16_t type, std::span<const std::byte> payload,
                          DevlinkHealthReporter& reporter) {
  switch (type) {
    case DEVLINK_ATTR_HEALTH_REPORTER_NAME: Take(payload, reporter.name); break;
    case DEVLINK_ATTR_HEALTH_REPORTER_STATE:
      reporter.error = CopyAt<uint8_t>(payload).value_or(0) != kHealthy;
      break;
    case DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT: Take(payload, reporter.errors); break;
    case DEVLINK_ATTR_HEALTH_REPORTER_RECOVER_COUNT: Take(payload, reporter.recoveries); break;
    case DEVLINK_ATTR_HEALTH_REPORTER_GRACEFUL_PERIOD: Take(payload, reporter.grace_period); break;
    case DEVLINK_ATTR_HEALTH_REPORTER_AUTO_RECOVER:
      if (const auto on = CopyAt<uint8_t>(payload)) reporter.auto_recover = *on != 0;
      break;
    default: break;
  }
}

}  // namespace

std::optional<uint16_t> ParseFamily(std::span<const std::byte> message) {
  std::optional<uint16_t> family;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    if (type == CTRL_ATTR_FAMILY_ID) Take(payload, family);
    return !family;
  });
  return family && *family >= NLMSG_MIN_TYPE ? family : std::nullopt;
}

std::optional<DevlinkDevice> ParseDevlinkDevice(std::span<const std::byte> message) {
  DevlinkDevice device;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    if (type == DEVLINK_ATTR_BUS_NAME) Take(payload, device.bus);
    if (type == DEVLINK_ATTR_DEV_NAME) Take(payload, device.name);
    return true;
  });
  if (device.bus.empty() || device.name.empty()) return std::nullopt;
  return device;
}

DevlinkInfo ParseDevlinkInfo(std::span<const std::byte> message) {
  DevlinkInfo info;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    switch (type) {
      case DEVLINK_ATTR_INFO_DRIVER_NAME: Take(payload, info.driver); break;
      case DEVLINK_ATTR_INFO_SERIAL_NUMBER: Take(payload, info.serial_number); break;
      case DEVLINK_ATTR_INFO_BOARD_SERIAL_NUMBER: Take(payload, info.board_serial_number); break;
      case DEVLINK_ATTR_INFO_VERSION_FIXED: Take(payload, info.fixed); break;
      case DEVLINK_ATTR_INFO_VERSION_RUNNING: Take(payload, info.running); break;
      case DEVLINK_ATTR_INFO_VERSION_STORED: Take(payload, info.stored); break;
      default: break;
    }
    return true;
  });
  return info;
}

std::optional<EswitchMode> ParseEswitch(std::span<const std::byte> message) {
  std::optional<EswitchMode> mode;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    if (type != DEVLINK_ATTR_ESWITCH_MODE) return true;
    const auto number = Small(payload);
    if (number && *number <= static_cast<uint32_t>(EswitchMode::kSwitchdevInactive)) {
      mode = static_cast<EswitchMode>(*number);
    }
    return false;
  });
  return mode;
}

std::optional<DevlinkPort> ParseDevlinkPort(std::span<const std::byte> message) {
  DevlinkPort port;
  std::optional<uint32_t> index;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    if (type == DEVLINK_ATTR_PORT_INDEX) {
      Take(payload, index);
    } else {
      AddPortAttribute(type, payload, port);
    }
    return true;
  });
  if (!index) return std::nullopt;
  port.index = *index;
  return port;
}

std::optional<DevlinkRate> ParseDevlinkRate(std::span<const std::byte> message) {
  DevlinkRate rate;
  std::optional<uint32_t> type_number;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    switch (type) {
      case DEVLINK_ATTR_RATE_TYPE: type_number = Small(payload); break;
      case DEVLINK_ATTR_PORT_INDEX: Take(payload, rate.port); break;
      case DEVLINK_ATTR_RATE_NODE_NAME: Take(payload, rate.node); break;
      case DEVLINK_ATTR_RATE_TX_SHARE: Take(payload, rate.tx_share); break;
      case DEVLINK_ATTR_RATE_TX_MAX: Take(payload, rate.tx_max); break;
      case DEVLINK_ATTR_RATE_PARENT_NODE_NAME: Take(payload, rate.parent); break;
      default: break;
    }
    return true;
  });
  if (type_number == DEVLINK_RATE_TYPE_LEAF && rate.port && rate.node.empty()) return rate;
  if (type_number == DEVLINK_RATE_TYPE_NODE && !rate.port && !rate.node.empty()) return rate;
  return std::nullopt;
}

std::optional<DevlinkHealthReporter> ParseHealthReporter(std::span<const std::byte> message) {
  DevlinkHealthReporter reporter;
  ForEachAttribute(Attributes(message), [&](uint16_t type, std::span<const std::byte> payload) {
    if (type == DEVLINK_ATTR_PORT_INDEX) {
      Take(payload, reporter.port);
    } else if (type == DEVLINK_ATTR_HEALTH_REPORTER) {
      ForEachAttribute(payload, [&](uint16_t inner, std::span<const std::byte> value) {
        AddReporterAttribute(inner, value, reporter);
        return true;
      });
    }
    return true;
  });
  if (reporter.name.empty()) return std::nullopt;
  return reporter;
}

}  // namespace drapci::hal
