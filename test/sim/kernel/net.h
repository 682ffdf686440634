// The network interfaces of the model and the settings of VFs, and who makes interfaces real.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "test/sim/kernel/spec.h"

namespace drapci::sim {

// The machine's own network namespace. Others are numbers that somebody else gives.
inline constexpr uint64_t kHomeNamespace = 0;

// An interface as it is now.
struct Interface {
  int id = 0;  // names it for its life, whatever its name and index become
  PciAddress function = {};
  uint64_t name_space = kHomeNamespace;
  int index = 0;  // in its namespace
  std::string name = {}, mac = {};
  unsigned mtu = 1500;
  bool up = false, carrier = false;
  // The device below the function that it belongs to ("mlx5_core.sf.2"); empty: the function.
  std::string below = {};
  bool operator==(const Interface&) const = default;
};

// What is set changes.
struct InterfaceChange {
  std::optional<uint64_t> name_space = {};
  std::optional<std::string> name = {}, mac = {};
  std::optional<unsigned> mtu = {};
  std::optional<bool> up = {};
};

// What a PF's driver keeps for one VF (struct ifla_vf_info, include/linux/if_link.h), as it begins.
struct VfNet {
  std::string mac = "00:00:00:00:00:00";  // all zero: the VF's own choice
  unsigned vlan = 0, qos = 0;
  uint16_t vlan_protocol = 0x8100;
  unsigned min_rate = 0, max_rate = 0;  // Mbit/s
  bool spoof_check = true, trust = false;
  unsigned link_state = 0;  // IFLA_VF_LINK_STATE_AUTO, ..._ENABLE, ..._DISABLE
  bool operator==(const VfNet&) const = default;
};

// One setting of a VF: `to` has the new value in the members that belong to `part`.
struct VfChange {
  enum class Part { kMac, kVlan, kRate, kSpoofCheck, kLinkState, kTrust };
  Part part = Part::kMac;
  VfNet to = {};
};

// "mac", "vlan", "rate", "spoofchk", "state", "trust", as `ip link set ... vf` calls them.
const char* NameOf(VfChange::Part part);

// What the driver says to a change: 0 or an errno. `carrier`: the PF's interface is up and has one.
int CheckVfChange(VfRules rules, const VfChange& change, bool carrier);
// `change` made to `vf`.
void ApplyVfChange(const VfChange& change, VfNet& vf);
// One line as of `ip link show`.
std::string ShowVf(unsigned number, const VfNet& vf);

// Makes interfaces of the model real. The model calls it with its lock held: it must not call the
// model.
class NetDevices {
 public:
  virtual ~NetDevices() = default;
  // Makes `wanted` in the machine's network namespace, under another name ("dev<N>") where its own
  // is taken. What came of it (name, index, carrier); nothing where it can make none.
  virtual std::optional<Interface> Make(const Interface& wanted) = 0;
  // Takes these away, wherever they are. They are gone when it returns.
  virtual void Remove(std::span<const int> ids) = 0;
  virtual void SetCarrier(int id, bool on) = 0;
};

}  // namespace drapci::sim
