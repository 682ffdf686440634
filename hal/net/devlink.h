// Cards by devlink (include/uapi/linux/devlink.h, net/devlink): the mode of a card's switch, its
// ports and the functions behind them, the rates of these, sub-functions, health reporters.
//
// Any thread; every call is one message and its answer. The kernel's refusals keep their errno;
// where it gave a text of its own that is in the error too, and what the errno is known to mean.
// Devlink instances are in the machine's own network namespace: `netlink` must be in it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/os/netlink.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// "pci/0000:03:00.0", "auxiliary/mlx5_core.sf.4", "netdevsim/netdevsim1".
struct DevlinkDevice {
  std::string bus, name;
  static DevlinkDevice Of(const PciAddress& address) { return {"pci", address.ToString()}; }
  std::string ToString() const { return bus + "/" + name; }
  bool operator==(const DevlinkDevice&) const = default;
};

struct DevlinkInfo {
  std::string driver, serial_number, board_serial_number;
  std::map<std::string, std::string> fixed, running, stored;  // versions: "fw" -> "22.41.1000"
  bool operator==(const DevlinkInfo&) const = default;
};

enum class EswitchMode { kLegacy, kSwitchdev, kSwitchdevInactive };
// "legacy", "switchdev", "switchdev_inactive"
std::string_view NameOf(EswitchMode mode);
std::optional<EswitchMode> ParseEswitchMode(std::string_view text);

enum class PortFlavour { kPhysical, kCpu, kDsa, kPciPf, kPciVf, kVirtual, kUnused, kPciSf };
// "physical", "pcipf", "pcivf", "pcisf", as `devlink port` calls them.
std::string_view NameOf(PortFlavour flavour);

// What a port of the card's switch leads to.
struct DevlinkPort {
  uint32_t index = 0;
  std::optional<PortFlavour> flavour;  // empty: one that is not known here
  std::optional<uint32_t> controller, pf, vf, sf;
  bool external = false;               // the function is another host's
  int interface = 0;                   // of the port itself (its representor); 0: it has none
  std::string netdev, ibdev;           // the names of its network and its RDMA device
  std::optional<std::string> hw_addr;  // of the function, "02:11:22:33:44:55"
  std::optional<bool> active;          // the function's wanted state, of a sub-function
  std::optional<bool> attached;        // a driver has it
  bool operator==(const DevlinkPort&) const = default;
};

// The transmit rates of a port (leaf) or of a group of them (node), in bytes a second; 0: none.
struct DevlinkRate {
  std::optional<uint32_t> port;  // of a leaf
  std::string node;              // of a node, its name
  uint64_t tx_share = 0, tx_max = 0;
  std::string parent;  // the node that it belongs to; empty: none
  bool operator==(const DevlinkRate&) const = default;
};

// What is set changes; `parent` "" takes it out of its node.
struct DevlinkRateChange {
  std::optional<uint64_t> tx_share, tx_max;
  std::optional<std::string> parent;
};

struct DevlinkHealthReporter {
  std::string name;              // "fw_fatal", "tx"
  std::optional<uint32_t> port;  // empty: of the device
  bool error = false;            // its state; false: healthy
  uint64_t errors = 0, recoveries = 0;
  std::optional<bool> auto_recover;
  std::optional<uint64_t> grace_period;  // ms
  bool operator==(const DevlinkHealthReporter&) const = default;
};

class Devlink {
 public:
  // Looks the family up. kUnsupported where the kernel has no devlink. `netlink` must outlive it.
  static Result<Devlink> Open(Netlink& netlink);

  // All instances of the namespace.
  Result<std::vector<DevlinkDevice>> Devices() const;
  // Of all below: kGone when there is no such instance (its driver is not bound, or has none).
  Result<DevlinkInfo> Info(const DevlinkDevice& device) const;

  // kUnsupported when the card has no switch that could be set, or no right to it.
  Result<EswitchMode> Eswitch(const DevlinkDevice& device) const;
  Result<> SetEswitch(const DevlinkDevice& device, EswitchMode mode) const;

  Result<std::vector<DevlinkPort>> Ports(const DevlinkDevice& device) const;
  // Of the function behind a port: the address that its driver finds (before it is bound), and
  // whether a sub-function is to be active.
  Result<> SetHardwareAddress(const DevlinkDevice& device, uint32_t port,
                              std::string_view mac) const;
  Result<> SetActive(const DevlinkDevice& device, uint32_t port, bool active) const;

  // A new sub-function of PF number `pf`, inactive. EEXIST when there is one of that number.
  Result<DevlinkPort> AddSubFunction(const DevlinkDevice& device, uint32_t pf, uint32_t sf) const;
  Result<> RemovePort(const DevlinkDevice& device, uint32_t port) const;

  // Leafs and nodes.
  Result<std::vector<DevlinkRate>> Rates(const DevlinkDevice& device) const;
  Result<> SetLeafRate(const DevlinkDevice& device, uint32_t port,
                       const DevlinkRateChange& change) const;
  // Nodes of rates. A name must not be a number. EEXIST, EBUSY (it has children).
  Result<> AddRateNode(const DevlinkDevice& device, std::string_view node,
                       const DevlinkRateChange& change) const;
  Result<> SetNodeRate(const DevlinkDevice& device, std::string_view node,
                       const DevlinkRateChange& change) const;
  Result<> RemoveRateNode(const DevlinkDevice& device, std::string_view node) const;

  // Of the device and of its ports.
  Result<std::vector<DevlinkHealthReporter>> HealthReporters(const DevlinkDevice& device) const;

 private:
  Devlink(Netlink& netlink, uint16_t family) : netlink_(netlink), family_(family) {}

  Netlink& netlink_;
  uint16_t family_;
};

}  // namespace drapci::hal
