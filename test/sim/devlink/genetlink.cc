#include "test/sim/devlink/genetlink.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "test/sim/devlink/card.h"
#include "test/sim/devlink/generic_message.h"

namespace drapci::sim {
namespace {

using hal::NetlinkMessage;
using Messages = std::vector<NetlinkMessage>;
using Answer = std::expected<Messages, Refusal>;

std::unexpected<Refusal> No(int error, std::string text = {}) {
  return std::unexpected(Refusal{.error = error, .text = std::move(text)});
}

// --- net/devlink

class Devlink {
 public:
  Devlink(Kernel& kernel, const GenericRequest& request) : kernel_(kernel), request_(request) {}

  Answer Handle() {
    if (request_.dump) return Dump();
    // devlink_get_from_attrs_lock: a missing handle is EINVAL, an unknown one ENODEV.
    const auto bus = request_.Text(DEVLINK_ATTR_BUS_NAME),
               name = request_.Text(DEVLINK_ATTR_DEV_NAME);
    if (!bus || !name) return No(EINVAL);
    const auto address = PciAddress::Parse(*name);
    if (*bus != "pci" || !address || !kernel_.HasDevlink(*address)) return No(ENODEV);
    address_ = *address;
    switch (request_.command) {
      case DEVLINK_CMD_GET:
      case DEVLINK_CMD_ESWITCH_GET:
      case DEVLINK_CMD_INFO_GET: return One();
      case DEVLINK_CMD_ESWITCH_SET: return SetMode();
      case DEVLINK_CMD_PORT_SET: return SetPort();
      case DEVLINK_CMD_PORT_NEW: return NewPort();
      case DEVLINK_CMD_PORT_DEL: return DeletePort();
      case DEVLINK_CMD_RATE_SET: return SetRate();
      case DEVLINK_CMD_RATE_NEW: return NewNode();
      case DEVLINK_CMD_RATE_DEL: return DeleteNode();
      default: return No(EOPNOTSUPP);
    }
  }

 private:
  GenericMessage Start(const PciAddress& address) const {
    GenericMessage message(kDevlinkFamily, request_.command, request_.dump);
    message.Text(DEVLINK_ATTR_BUS_NAME, "pci");
    message.Text(DEVLINK_ATTR_DEV_NAME, address.ToString());
    return message;
  }

  Answer One() {
    Messages messages;
    const int error = Look([&](DevlinkCard& card) {
      GenericMessage message = Start(address_);
      if (request_.command == DEVLINK_CMD_ESWITCH_GET) {
        // devlink_nl_eswitch_fill: only what the driver has operations for
        if (card.mode) message.Put(DEVLINK_ATTR_ESWITCH_MODE, *card.mode);
      } else if (request_.command == DEVLINK_CMD_INFO_GET) {
        message.Text(DEVLINK_ATTR_INFO_DRIVER_NAME, card.driver);
        message.Text(DEVLINK_ATTR_INFO_SERIAL_NUMBER, card.serial);
        message.Text(DEVLINK_ATTR_INFO_BOARD_SERIAL_NUMBER, card.board_serial);
        message.Nest(DEVLINK_ATTR_INFO_VERSION_RUNNING, [&] {
          message.Text(DEVLINK_ATTR_INFO_VERSION_NAME, "fw.version");
          message.Text(DEVLINK_ATTR_INFO_VERSION_VALUE, card.firmware);
        });
      }
      messages.push_back(message.Take());
      return 0;
    });
    if (error != 0) return No(error);
    return messages;
  }

  // Since Linux 6.6 a dump with a handle is about that instance alone; ENODEV when there is none.
  Answer Dump() {
    Messages messages;
    const auto name = request_.Text(DEVLINK_ATTR_DEV_NAME);
    std::vector<PciAddress> all = kernel_.DevlinkDevices();
    if (name) std::erase_if(all, [&](const PciAddress& each) { return each.ToString() != *name; });
    if (name && all.empty()) return No(ENODEV);
    const std::vector<Interface> interfaces = kernel_.Interfaces();
    for (const PciAddress& address : all) {
      address_ = address;
      const int error =
          Look([&](DevlinkCard& card) { return DumpCard(card, interfaces, messages); });
      if (error != 0) return No(error);
    }
    return messages;
  }

  int DumpCard(DevlinkCard& card, const std::vector<Interface>& interfaces, Messages& messages) {
    switch (request_.command) {
      case DEVLINK_CMD_GET: messages.push_back(Start(address_).Take()); return 0;
      case DEVLINK_CMD_PORT_GET:
        for (const auto& [index, port] : card.ports) {
          messages.push_back(PortMessage(index, port, interfaces));
        }
        return 0;
      case DEVLINK_CMD_RATE_GET:
        for (const auto& [index, port] : card.ports) {
          if (!port.rate) continue;
          GenericMessage message = Start(address_);
          message.Put(DEVLINK_ATTR_RATE_TYPE, uint16_t{DEVLINK_RATE_TYPE_LEAF});
          message.Put(DEVLINK_ATTR_PORT_INDEX, index);
          PutRates(message, *port.rate);
          messages.push_back(message.Take());
        }
        for (const auto& [node, rates] : card.nodes) {
          GenericMessage message = Start(address_);
          message.Put(DEVLINK_ATTR_RATE_TYPE, uint16_t{DEVLINK_RATE_TYPE_NODE});
          message.Text(DEVLINK_ATTR_RATE_NODE_NAME, node);
          PutRates(message, rates);
          messages.push_back(message.Take());
        }
        return 0;
      case DEVLINK_CMD_HEALTH_REPORTER_GET:
        for (const DevlinkCardReporter& reporter : card.reporters) {
          GenericMessage message = Start(address_);
          message.Nest(DEVLINK_ATTR_HEALTH_REPORTER, [&] {
            message.Text(DEVLINK_ATTR_HEALTH_REPORTER_NAME, reporter.name);
            message.Put(DEVLINK_ATTR_HEALTH_REPORTER_STATE, static_cast<uint8_t>(reporter.error));
            message.Put(DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT, reporter.errors);
            message.Put(DEVLINK_ATTR_HEALTH_REPORTER_RECOVER_COUNT, reporter.recoveries);
            message.Put(DEVLINK_ATTR_HEALTH_REPORTER_AUTO_RECOVER, uint8_t{1});
          });
          messages.push_back(message.Take());
        }
        return 0;
      default: return EOPNOTSUPP;
    }
  }

  static void PutRates(GenericMessage& message, const DevlinkRates& rates) {
    message.Put(DEVLINK_ATTR_RATE_TX_SHARE, rates.tx_share);
    message.Put(DEVLINK_ATTR_RATE_TX_MAX, rates.tx_max);
    if (!rates.parent.empty()) message.Text(DEVLINK_ATTR_RATE_PARENT_NODE_NAME, rates.parent);
  }

  // devlink_nl_port_fill
  NetlinkMessage PortMessage(uint32_t index, const DevlinkCardPort& port,
                             const std::vector<Interface>& interfaces) const {
    GenericMessage message = Start(address_);
    message.Put(DEVLINK_ATTR_PORT_INDEX, index);
    const auto net = std::ranges::find(interfaces, port.interface, &Interface::id);
    message.Put(DEVLINK_ATTR_PORT_TYPE, uint16_t{net == interfaces.end() ? DEVLINK_PORT_TYPE_NOTSET
                                                                         : DEVLINK_PORT_TYPE_ETH});
    // In another network namespace it has neither index nor name here.
    if (net != interfaces.end() && net->name_space == kHomeNamespace) {
      message.Put(DEVLINK_ATTR_PORT_NETDEV_IFINDEX, static_cast<uint32_t>(net->index));
      message.Text(DEVLINK_ATTR_PORT_NETDEV_NAME, net->name);
    }
    if (!port.ibdev.empty()) message.Text(DEVLINK_ATTR_PORT_IBDEV_NAME, port.ibdev);
    message.Put(DEVLINK_ATTR_PORT_FLAVOUR, port.flavour);
    if (port.pf) {
      message.Put(DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, uint32_t{0});
      message.Put(DEVLINK_ATTR_PORT_PCI_PF_NUMBER, *port.pf);
      message.Put(DEVLINK_ATTR_PORT_EXTERNAL, uint8_t{0});
    }
    if (port.vf) message.Put(DEVLINK_ATTR_PORT_PCI_VF_NUMBER, *port.vf);
    if (port.sf) message.Put(DEVLINK_ATTR_PORT_PCI_SF_NUMBER, *port.sf);
    if (port.hw_addr || port.active) {
      message.Nest(DEVLINK_ATTR_PORT_FUNCTION, [&] {
        if (port.hw_addr) message.Put(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, MacBytes(*port.hw_addr));
        if (!port.active) return;
        message.Put(DEVLINK_PORT_FN_ATTR_STATE, static_cast<uint8_t>(*port.active));
        message.Put(DEVLINK_PORT_FN_ATTR_OPSTATE,
                    static_cast<uint8_t>(port.attached.value_or(false)));
      });
    }
    return message.Take();
  }

  // devlink_nl_eswitch_set_doit
  Answer SetMode() {
    const auto mode = request_.Get<uint16_t>(DEVLINK_ATTR_ESWITCH_MODE);
    if (!mode) return Messages();
    return Change("mode", fmt::format("{}", *mode), [&](DevlinkCard& card, std::string& text) {
      if (!card.mode) return EOPNOTSUPP;
      if (*mode > DEVLINK_ESWITCH_MODE_SWITCHDEV) return EINVAL;
      // devlink_rate_nodes_check
      if (!card.nodes.empty()) return text = "Rate node(s) exists.", EBUSY;
      return card.SetMode(*mode, text);
    });
  }

  // devlink_nl_port_set_doit, devlink_port_function_set: first the address, then the state
  Answer SetPort() {
    const auto index = request_.Get<uint32_t>(DEVLINK_ATTR_PORT_INDEX);
    if (!index) return No(EINVAL);
    const auto function = request_.Nest(DEVLINK_ATTR_PORT_FUNCTION);
    if (const auto found = function.find(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR);
        found != function.end()) {
      const size_t size = mnl_attr_get_payload_len(found->second);
      const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(found->second));
      const std::string mac = fmt::format("{:02x}", fmt::join(bytes, bytes + size, ":"));
      auto done = ChangePort(
          *index, "hw_addr", mac, [&](DevlinkCard& card, DevlinkCardPort& port, std::string& text) {
            if (!port.hw_addr) return text = "Port doesn't support function attributes", EOPNOTSUPP;
            if (size != kEthernetLength) {
              return text = "Address must be 6 bytes for Ethernet device", EINVAL;
            }
            if ((bytes[0] & 1) != 0)
              return text = "Non-unicast hardware address unsupported", EINVAL;
            return card.SetHardwareAddress(*index, mac, text);
          });
      if (!done) return done;
    }
    if (const auto state = GenericRequest::From<uint8_t>(function, DEVLINK_PORT_FN_ATTR_STATE)) {
      return ChangePort(*index, "state", fmt::format("{}", *state),
                        [&](DevlinkCard& card, DevlinkCardPort& port, std::string& text) {
                          if (!port.active) {
                            return text = "Function does not support state setting", EOPNOTSUPP;
                          }
                          if (*state > 1) return EINVAL;
                          return card.SetActive(*index, *state == 1, text);
                        });
    }
    return Messages();
  }

  // devlink_nl_port_new_doit
  Answer NewPort() {
    const auto flavour = request_.Get<uint16_t>(DEVLINK_ATTR_PORT_FLAVOUR);
    const auto pf = request_.Get<uint16_t>(DEVLINK_ATTR_PORT_PCI_PF_NUMBER);
    if (!flavour || !pf) return No(EINVAL, "Port flavour or PCI PF are not specified");
    const auto sf = request_.Get<uint32_t>(DEVLINK_ATTR_PORT_PCI_SF_NUMBER);
    uint32_t index = 0;
    auto done = Change(fmt::format("sf{}", sf.value_or(0)), "new",
                       [&](DevlinkCard& card, std::string& text) {
                         // mlx5_sf_new_check_attr
                         if (*flavour != DEVLINK_PORT_FLAVOUR_PCI_SF) {
                           return text = "Driver supports only SF port addition", EOPNOTSUPP;
                         }
                         if (!sf) {
                           return text =
                                      "User must provide unique sfnum. Driver does not support "
                                      "auto assignment",
                                  EOPNOTSUPP;
                         }
                         return card.AddSubFunction(*pf, *sf, index, text);
                       });
    if (!done) return done;
    const std::vector<Interface> interfaces = kernel_.Interfaces();
    const int error = Look([&](DevlinkCard& card) {
      const auto port = card.ports.find(index);
      if (port == card.ports.end()) return ENODEV;
      done->push_back(PortMessage(index, port->second, interfaces));
      return 0;
    });
    if (error != 0) return No(error);
    return done;
  }

  // devlink_nl_port_del_doit
  Answer DeletePort() {
    const auto index = request_.Get<uint32_t>(DEVLINK_ATTR_PORT_INDEX);
    if (!index) return No(EINVAL, "Port index is not specified");
    return ChangePort(*index, "del", "",
                      [&](DevlinkCard& card, DevlinkCardPort& port, std::string& text) {
                        if (!port.sf) return EOPNOTSUPP;
                        return card.RemovePort(*index, text);
                      });
  }

  // --- net/devlink/rate.c

  // devlink_nl_rate_set: share, maximum and parent one after another; what was set stays
  int SetRates(DevlinkCard& card, std::optional<uint32_t> port, const std::string& node,
               DevlinkRates& rates, std::string& text) const {
    const auto take = [&](uint64_t DevlinkRates::* member, uint16_t type) {
      const auto value = request_.Get<uint64_t>(type);
      if (!value) return 0;
      DevlinkRates wish = rates;
      wish.*member = *value;
      const int error = card.SetRate(port, wish, text);
      if (error == 0) rates = wish;
      return error;
    };
    if (int error = take(&DevlinkRates::tx_share, DEVLINK_ATTR_RATE_TX_SHARE)) return error;
    if (int error = take(&DevlinkRates::tx_max, DEVLINK_ATTR_RATE_TX_MAX)) return error;
    const auto parent = request_.Text(DEVLINK_ATTR_RATE_PARENT_NODE_NAME);
    if (!parent) return 0;
    if (!parent->empty()) {
      if (!card.nodes.contains(*parent)) return ENODEV;
      if (*parent == node) return text = "Parent to self is not allowed", EINVAL;
    }
    rates.parent = *parent;
    return 0;
  }

  Answer SetRate() {
    if (const auto node = request_.Text(DEVLINK_ATTR_RATE_NODE_NAME)) {
      return Change("node/" + *node, "set", [&](DevlinkCard& card, std::string& text) {
        const auto found = card.nodes.find(*node);
        if (found == card.nodes.end()) return ENODEV;
        return SetRates(card, std::nullopt, *node, found->second, text);
      });
    }
    const auto index = request_.Get<uint32_t>(DEVLINK_ATTR_PORT_INDEX);
    if (!index) return No(EINVAL);
    const std::string value =
        fmt::format("{} {}", request_.Get<uint64_t>(DEVLINK_ATTR_RATE_TX_SHARE).value_or(0),
                    request_.Get<uint64_t>(DEVLINK_ATTR_RATE_TX_MAX).value_or(0));
    return ChangePort(*index, "rate", value,
                      [&](DevlinkCard& card, DevlinkCardPort& port, std::string& text) {
                        if (!port.rate) return ENODEV;  // devlink_rate_leaf_get_from_info
                        return SetRates(card, *index, "", *port.rate, text);
                      });
  }

  // devlink_nl_rate_new_doit
  Answer NewNode() {
    const std::string node = request_.Text(DEVLINK_ATTR_RATE_NODE_NAME).value_or("");
    return Change("node/" + node, "new", [&](DevlinkCard& card, std::string& text) {
      if (card.mode != DEVLINK_ESWITCH_MODE_SWITCHDEV) {
        return text = "Rate nodes aren't supported", EOPNOTSUPP;
      }
      // devlink_rate_node_get_from_attrs: no name, or a number
      if (node.find_first_not_of("0123456789") == std::string::npos) return EINVAL;
      if (card.nodes.contains(node)) return EEXIST;
      DevlinkRates rates;
      const int error = SetRates(card, std::nullopt, node, rates, text);
      if (error == 0) card.nodes.emplace(node, rates);
      return error;
    });
  }

  // devlink_nl_rate_del_doit
  Answer DeleteNode() {
    const std::string node = request_.Text(DEVLINK_ATTR_RATE_NODE_NAME).value_or("");
    return Change("node/" + node, "del", [&](DevlinkCard& card, std::string& text) {
      if (!card.nodes.contains(node)) return ENODEV;
      const bool parent =
          std::ranges::any_of(card.nodes, [&](const auto& e) { return e.second.parent == node; }) ||
          std::ranges::any_of(card.ports, [&](const auto& e) {
            return e.second.rate && e.second.rate->parent == node;
          });
      if (parent) return text = "Node has children. Cannot delete node.", EBUSY;
      card.nodes.erase(node);
      return 0;
    });
  }

  int Look(const std::function<int(DevlinkCard&)>& look) {
    return kernel_.WithDevlink(address_, look);
  }

  Answer Change(const std::string& what, std::string_view value,
                const std::function<int(DevlinkCard&, std::string&)>& change) {
    std::string text;
    const int error =
        kernel_.NetWrite(fmt::format("/net/{}/devlink/{}", address_.ToString(), what), value, [&] {
          return kernel_.WithDevlink(address_,
                                     [&](DevlinkCard& card) { return change(card, text); });
        });
    if (error != 0) return No(error, text);
    return Messages();
  }

  Answer ChangePort(
      uint32_t index, const std::string& what, std::string_view value,
      const std::function<int(DevlinkCard&, DevlinkCardPort&, std::string&)>& change) {
    return Change(fmt::format("port{}/{}", index, what), value,
                  [&](DevlinkCard& card, std::string& text) {
                    const auto port = card.ports.find(index);
                    if (port == card.ports.end()) return ENODEV;
                    return change(card, port->second, text);
                  });
  }

  Kernel& kernel_;
  const GenericRequest& request_;
  PciAddress address_;
};

// net/netlink/genetlink.c ctrl_getfamily
Answer GetFamily(Kernel& kernel, const GenericRequest& request) {
  const auto name = request.Text(CTRL_ATTR_FAMILY_NAME);
  if (request.command != CTRL_CMD_GETFAMILY || !name) return No(EINVAL);
  if (*name != DEVLINK_GENL_NAME || kernel.DevlinkDevices().empty()) return No(ENOENT);
  GenericMessage message(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, false);
  message.Text(CTRL_ATTR_FAMILY_NAME, *name);
  message.Put(CTRL_ATTR_FAMILY_ID, kDevlinkFamily);
  return Messages{message.Take()};
}

}  // namespace

bool ChangesDevlink(std::span<const std::byte> request) {
  if (request.size() < kGenericHeaders) return false;
  nlmsghdr header;
  std::memcpy(&header, request.data(), sizeof header);
  if (header.nlmsg_type != kDevlinkFamily) return false;
  switch (std::to_integer<uint8_t>(request[MNL_NLMSG_HDRLEN])) {
    case DEVLINK_CMD_ESWITCH_SET:
    case DEVLINK_CMD_PORT_SET:
    case DEVLINK_CMD_PORT_NEW:
    case DEVLINK_CMD_PORT_DEL:
    case DEVLINK_CMD_RATE_SET:
    case DEVLINK_CMD_RATE_NEW:
    case DEVLINK_CMD_RATE_DEL: return true;
    default: return false;
  }
}

Answer AnswerGenetlink(Kernel& kernel, std::span<const std::byte> bytes) {
  if (bytes.size() < kGenericHeaders) return No(EINVAL);
  nlmsghdr header;
  genlmsghdr generic;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::memcpy(&generic, bytes.data() + MNL_NLMSG_HDRLEN, sizeof generic);
  const GenericRequest request{
      .command = generic.cmd,
      .dump = (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP,
      .attributes = AttributesIn(bytes.data() + kGenericHeaders, bytes.size() - kGenericHeaders)};
  if (header.nlmsg_type == GENL_ID_CTRL) return GetFamily(kernel, request);
  if (header.nlmsg_type != kDevlinkFamily) return No(ENOENT);
  return Devlink(kernel, request).Handle();
}

}  // namespace drapci::sim
