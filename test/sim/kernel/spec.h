// What a simulated machine is made of, as data: boards fill these in, unit tests write them by
// hand.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hal/pci/address.h"

namespace drapci::sim {

// Every member has an initializer, so that g++ accepts designated initializers that leave it out.
// NOLINTBEGIN(readability-redundant-member-init)

using hal::PciAddress;
using Milliseconds = std::chrono::milliseconds;

// A text attribute that the model keeps but attaches no meaning to.
struct ExtraFile {
  std::string content = {};  // with its final newline, if it has one
  unsigned mode = 0444;
};

// A device that a function's kernel driver makes: a class device, with a node in /dev when
// `devname` is set. It exists while the function is bound to that driver (never while bound to a
// vfio driver).
struct ChildDevice {
  std::string path = {};       // below the function's directory: "nvme/nvme0", "drm/renderD128"
  std::string subsystem = {};  // "nvme", "drm", "block", ...
  std::string devname = {};    // below /dev: "nvme0", "dri/renderD128"; empty: no node
  char type = 'c';             // 'c' or 'b'
  unsigned major = 0, minor = 0;
  unsigned permissions = 0600;
  std::map<std::string, ExtraFile> files = {};  // path below the device's own directory -> content
};

// A network interface that a function's kernel driver makes.
struct NetInterface {
  std::string name = {};  // "eth0"
  std::string mac = {};   // "52:54:00:12:34:56"
  // As it is found at boot: "up"; "down", as a driver leaves it; anything else: up, no carrier.
  std::string operstate = "up";
  unsigned mtu = 1500;
};

// What the driver of a physical function lets rtnetlink set for its VFs (ndo_set_vf_*).
enum class VfRules {
  kIgb,  // 1 Gbit/s; rates need a carrier; no minimum rate, no link state, no service VLAN
  kIce,  // 25 Gbit/s; all of these
};

// The SR-IOV capability of a physical function, and what its VFs are.
// "{vf}" in a name, node or path of a VF's child stands for the VF's number, and a VF child's minor
// is `minor` + number.
struct SriovSpec {
  unsigned total = 0;
  unsigned initial = 0;             // VFs that are there from the start
  unsigned offset = 1, stride = 1;  // VF n has routing id PF + offset + stride * n
  uint16_t vf_device = 0;
  std::string vf_driver = {};             // matches the VFs; empty: none does
  std::optional<uint32_t> vf_class = {};  // empty: the PF's
  std::vector<ChildDevice> vf_children = {};
  std::vector<NetInterface> vf_interfaces = {};
  VfRules vf_rules = VfRules::kIgb;
  bool vf_msix_count = false;  // the PF driver has sriov_set_msix_vec_count
  unsigned vf_total_msix = 0;
  bool vf_iommu_groups = true;       // each VF gets a group of its own
  Milliseconds enable_delay{100};    // drivers/pci/iov.c sriov_enable: msleep(100)
  Milliseconds disable_delay{1000};  // sriov_disable: ssleep(1)
};

struct SlotSpec {
  std::string name = {};  // directory below /sys/bus/pci/slots
};

// One PCI function that is physically there.
struct FunctionSpec {
  PciAddress address = {};
  uint16_t vendor = 0, device = 0, subsystem_vendor = 0, subsystem_device = 0;
  uint32_t class_code = 0;
  uint8_t revision = 0;
  int numa_node = -1;
  std::optional<int> iommu_group = {};
  std::optional<PciAddress> parent = {};  // the bridge above; empty: directly on the root bus
  int root_bus = 0;                       // pciDDDD:BB, for functions without a parent
  // The driver that takes the function at boot. A driver of this name that is not there yet is
  // added, with this function's id (and sriov_configure when the function has SR-IOV). Empty:
  // whatever matches.
  std::string driver = {};
  std::optional<SriovSpec> sriov = {};
  std::vector<ChildDevice> children = {};
  std::vector<NetInterface> interfaces = {};
  bool boot_vga = false;                // else VGA functions read 0, others have no such file
  std::optional<uint64_t> serial = {};  // Device Serial Number capability
  bool pcie = true;                     // false: conventional PCI, no link files
  std::string link_speed = "8.0 GT/s PCIe", max_link_speed = "8.0 GT/s PCIe";
  unsigned link_width = 8, max_link_width = 8;
  bool aer = true;
  std::string reset_method = "flr bus";  // empty: neither reset nor reset_method
  unsigned irq = 0;
  // Start, size and kernel flags (include/linux/ioport.h) of BAR 0-5; missing ones are unused.
  struct Bar {
    uint64_t start = 0, size = 0, flags = 0x40200;
  };
  std::vector<Bar> bars = {};
  std::optional<std::pair<uint8_t, uint8_t>> buses = {};  // bridges: secondary and subordinate bus
  std::optional<SlotSpec> slot = {};                      // bridges: the hot-plug slot below
  std::map<std::string, ExtraFile> files = {};    // path below the function's directory -> content
  std::map<std::string, std::string> model = {};  // what the driver's model needs to know of it
  std::vector<std::byte> config = {};             // as recorded; empty: made from the above
  std::vector<std::string> resource_lines = {};   // as recorded; empty: made from `bars`
};

struct DriverSpec {
  struct Id {
    uint16_t vendor = 0, device = 0;
    bool operator==(const Id&) const = default;
  };
  std::string name = {};
  std::vector<Id> ids = {};
  bool sriov_configure = false;  // can make VFs
  bool override_only = false;    // binds by driver_override or new_id only
  bool vfio = false;             // makes VFIO groups instead of the function's own children
  int probe_error = 0;           // errno that every probe fails with; 0: probes succeed
};

// NOLINTEND(readability-redundant-member-init)

}  // namespace drapci::sim
