#include "test/sim/drivers/mlx5.h"

#include <fmt/format.h>
#include <linux/devlink.h>

#include <algorithm>
#include <cerrno>

namespace drapci::sim {
namespace {

constexpr uint64_t kMegabit = 125'000;  // bytes a second (en/devlink.h, esw/qos.c)
constexpr uint16_t kPf = 0;
// esw/devlink_port.c mlx5_esw_vport_to_devlink_port_index: the uplink is vport 0xffff, VF n is n +
// 1
constexpr uint32_t kUplink = 0xffff, kFirstVf = 1;
constexpr uint32_t kFirstSf = 0x8000;  // sf/vhca.h: behind the VFs
constexpr const char* kNoMac = "00:00:00:00:00:00";

}  // namespace

void Mlx5Model::Bound() {
  driver = "mlx5_core";
  serial = Given("serial", "");
  board_serial = Given("board-serial", "");
  firmware = Given("firmware", "22.41.1000");
  if (GivenNumber("eswitch", 1) != 0) mode = DEVLINK_ESWITCH_MODE_LEGACY;
  // health.c mlx5_fw_reporters_create, en/reporter_{tx,rx}.c
  reporters = {{.name = "fw"},
               {.name = "fw_fatal", .errors = GivenNumber("fatal", 0)},
               {.name = "tx"},
               {.name = "rx"}};
  reporters[1].error = reporters[1].errors != 0;
  DevlinkCardPort uplink{.flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL};
  if (!function().live_interfaces.empty()) {
    uplink.interface = function().live_interfaces.front().now.id;
  }
  ports.emplace(kUplink, uplink);
  tree().MakeFile(DebugFile(), 0444, [this] { return Tell(); });
}

void Mlx5Model::Unbound() {
  tree().Remove(DebugFile());
  std::vector<uint32_t> all;
  for (const auto& [index, port] : ports) all.push_back(index);
  for (const uint32_t index : all) Detach(index);
  ports.clear();
  nodes.clear();
}

std::string Mlx5Model::Tell() const {
  std::string text = mode == DEVLINK_ESWITCH_MODE_SWITCHDEV ? "switchdev\n" : "legacy\n";
  for (const auto& [index, port] : ports) {
    text += fmt::format("port {}", index);
    if (port.hw_addr) text += " " + *port.hw_addr;
    if (port.active) text += *port.active ? " active" : " inactive";
    if (port.rate) {
      text += fmt::format(" {} {} {}", port.rate->tx_share, port.rate->tx_max, port.rate->parent);
    }
    text += "\n";
  }
  for (const auto& [name, rates] : nodes) {
    text += fmt::format("node {} {} {}\n", name, rates.tx_share, rates.tx_max);
  }
  return text;
}

// eswitch_offloads.c mlx5_devlink_eswitch_mode_set
int Mlx5Model::SetMode(uint16_t wish, std::string& text) {
  // ice_eswitch.c ice_eswitch_mode_set
  if (wish != *mode && GivenNumber("vfs-first", 0) != 0 && !function().vfs.empty()) {
    text = "ice: Changing eswitch mode is allowed only if there is no VFs created";
    return EOPNOTSUPP;
  }
  if (GivenNumber("busy", 0) != 0) {
    text = "mlx5_core: Can't change mode, E-Switch is busy";
    return EBUSY;
  }
  if (wish == *mode) return 0;
  mode = wish;
  if (wish == DEVLINK_ESWITCH_MODE_SWITCHDEV) {
    MakeVfPorts();
    return 0;
  }
  RemoveVfPorts();
  // sf/devlink.c mlx5_sf_esw_event: they go with the mode
  std::vector<uint32_t> all;
  for (const auto& [index, port] : ports) {
    if (port.sf) all.push_back(index);
  }
  for (const uint32_t index : all) {
    std::string ignored;
    std::ignore = RemovePort(index, ignored);
  }
  return 0;
}

int Mlx5Model::MakeRepresentor(const std::string& name) {
  const auto& interfaces = function().spec.interfaces;
  // udev: "enp3s0np0" is the uplink, "enp3s0npf0vf3" the representor of VF 3.
  std::string prefix = interfaces.empty() ? "eth" : interfaces.front().name;
  if (prefix.ends_with("np0")) prefix.resize(prefix.size() - 3);
  return kernel().AddInterface(
      function(),
      {.name = prefix + "n" + name,
       .mac = fmt::format("02:01:00:00:{:02x}:{:02x}", address().bus, ports.size() & 0xff),
       .operstate = "down"},
      name, "");
}

// eswitch_offloads.c esw_offloads_load_rep, esw/devlink_port.c: a port, a representor and a rate
// leaf for each VF
void Mlx5Model::MakeVfPorts() {
  for (size_t vf = 0; vf < function().vfs.size(); ++vf) {
    DevlinkCardPort port{.flavour = DEVLINK_PORT_FLAVOUR_PCI_VF, .pf = kPf};
    port.vf = static_cast<uint16_t>(vf);
    port.hw_addr = function().vf_net[vf].mac;
    port.rate = DevlinkRates();
    port.interface = MakeRepresentor(fmt::format("pf0vf{}", vf));
    ports.emplace(kFirstVf + static_cast<uint32_t>(vf), port);
  }
}

void Mlx5Model::RemoveVfPorts() {
  std::erase_if(ports, [&](const auto& entry) {
    if (!entry.second.vf) return false;
    kernel().RemoveInterface(function(), entry.second.interface);
    return true;
  });
}

void Mlx5Model::VfsMade() {
  if (mode == DEVLINK_ESWITCH_MODE_SWITCHDEV) MakeVfPorts();
}

void Mlx5Model::VfsGone() { RemoveVfPorts(); }

// eswitch.c mlx5_esw_set_vport_mac_locked; what the VF's driver finds when it starts
int Mlx5Model::SetHardwareAddress(uint32_t index, const std::string& mac, std::string&) {
  DevlinkCardPort& port = ports.at(index);
  port.hw_addr = mac;
  if (port.vf) function().vf_net[*port.vf].mac = mac;
  return 0;
}

// esw/qos.c esw_qos_devlink_rate_to_mbps, mlx5_esw_devlink_rate_leaf_tx_share_set
int Mlx5Model::SetRate(std::optional<uint32_t> index, const DevlinkRates& rates,
                       std::string& text) {
  const uint64_t speed = GivenNumber("speed", 25'000);
  for (const uint64_t rate : {rates.tx_share, rates.tx_max}) {
    if (rate % kMegabit != 0) {
      text = "mlx5_core: TX rate value not in link speed units of 1Mbps";
      return EINVAL;
    }
    if (rate / kMegabit > speed) {
      text = "mlx5_core: TX rate value exceed link maximum speed";
      return EINVAL;
    }
  }
  if (rates.tx_share != 0 && GivenNumber("min-rate", 1) == 0) {
    text = "TX share set isn't supported for the leafs";  // devlink_rate_set_ops_supported
    return EOPNOTSUPP;
  }
  if (index && ports.at(*index).vf) {
    VfNet& vf = function().vf_net[*ports.at(*index).vf];
    vf.min_rate = static_cast<unsigned>(rates.tx_share / kMegabit);
    vf.max_rate = static_cast<unsigned>(rates.tx_max / kMegabit);
  }
  return 0;
}

// sf/devlink.c mlx5_devlink_sf_port_new, mlx5_sf_add; sf/hw_table.c mlx5_sf_hw_table_sf_alloc
int Mlx5Model::AddSubFunction(uint16_t pf, uint32_t sf, uint32_t& index, std::string& text) {
  const auto limit = static_cast<uint32_t>(GivenNumber("sfs", 0));
  if (pf != kPf) return text = "mlx5_core: Invalid pfnum supplied", EOPNOTSUPP;
  if (limit == 0) return text = "mlx5_core: SF ports are not supported.", EOPNOTSUPP;
  if (mode != DEVLINK_ESWITCH_MODE_SWITCHDEV) {
    text =
        "mlx5_core: Port add is only supported in eswitch switchdev mode or SF ports are disabled.";
    return EOPNOTSUPP;
  }
  for (const auto& [number, port] : ports) {
    if (port.sf == sf) return text = "mlx5_core: SF already exist. Choose different sfnum", EEXIST;
  }
  index = kFirstSf;
  while (ports.contains(index)) ++index;
  if (index >= kFirstSf + limit) return ENOSPC;
  DevlinkCardPort port{.flavour = DEVLINK_PORT_FLAVOUR_PCI_SF, .pf = kPf};
  port.sf = sf;
  port.hw_addr = kNoMac;
  port.active = port.attached = false;
  port.rate = DevlinkRates();
  port.interface = MakeRepresentor(fmt::format("pf0sf{}", sf));
  ports.emplace(index, port);
  return 0;
}

// mlx5_sf_state_set
int Mlx5Model::SetActive(uint32_t index, bool active, std::string& text) {
  DevlinkCardPort& port = ports.at(index);
  if (*port.active == active) return 0;
  if (active && *port.attached) {
    text = "mlx5_core: SF is inactivated but it is still attached";
    return EBUSY;
  }
  port.active = active;
  if (!active) {
    Detach(index);
    return 0;
  }
  if (GivenNumber("sf-driver", 1) == 0) return 0;
  // sf/dev/dev.c: the device comes with an event of the firmware
  kernel().Defer(Milliseconds(100), [impl = &kernel(), pf = address(), index] {
    Function* owner = impl->Get(pf);
    if (owner == nullptr || !owner->model || owner->model->Devlink() == nullptr) return;
    auto& model = static_cast<Mlx5Model&>(*owner->model);
    const auto found = model.ports.find(index);
    if (found != model.ports.end() && found->second.active == true) model.Attach(index);
  });
  return 0;
}

std::string Mlx5Model::Device(uint32_t index) const {
  return fmt::format("mlx5_core.sf.{}", index - kFirstSf + 2);  // ids of the host's, from 2
}

// drivers/infiniband/hw/mlx5/main.c: the RDMA device's parent is the sub-function's device
std::vector<ChildDevice> Mlx5Model::Devices(uint32_t index) const {
  const uint32_t sf = *ports.at(index).sf;
  const std::string device = Device(index);
  std::vector<ChildDevice> devices{
      {.path = device,
       .subsystem = "auxiliary",
       .files = {{"sfnum", {.content = fmt::format("{}\n", sf), .mode = 0444}}}}};
  const auto rdma =
      std::ranges::find(function().spec.children, "infiniband", &ChildDevice::subsystem);
  if (rdma == function().spec.children.end()) return devices;
  const std::string verbs = fmt::format("uverbs{}", 100 + index - kFirstSf);
  devices.push_back(
      {.path = fmt::format("{}/{}s{}", device, rdma->path, sf), .subsystem = "infiniband"});
  devices.push_back({.path = fmt::format("{}/infiniband_verbs/{}", device, verbs),
                     .subsystem = "infiniband_verbs",
                     .devname = "infiniband/" + verbs,
                     .major = 2060,
                     .minor = 292 + index - kFirstSf,
                     .permissions = 0666});
  return devices;
}

void Mlx5Model::Attach(uint32_t index) {
  DevlinkCardPort& port = ports.at(index);
  if (*port.attached) return;
  port.attached = true;
  const std::string device = Device(index);
  for (const ChildDevice& child : Devices(index)) {
    kernel().MakeChild(function().dir, child);
    function().live_children.push_back(child);
  }
  kernel().AddInterface(
      function(),
      {.name = fmt::format("enp{}s{}f{}s{}", address().bus, address().device, address().function,
                           *port.sf),
       .mac = *port.hw_addr == kNoMac
                  ? fmt::format("02:02:00:00:{:02x}:{:02x}", address().bus, *port.sf & 0xff)
                  : *port.hw_addr,
       .operstate = "down"},
      "", device);
}

void Mlx5Model::Detach(uint32_t index) {
  const auto found = ports.find(index);
  if (found == ports.end() || !found->second.sf || !*found->second.attached) return;
  found->second.attached = false;
  const std::string device = Device(index);
  const auto& interfaces = function().live_interfaces;
  const auto net = std::ranges::find_if(
      interfaces, [&](const LiveInterface& live) { return live.now.below == device; });
  if (net != interfaces.end()) kernel().RemoveInterface(function(), net->now.id);
  auto& children = function().live_children;
  const std::vector<ChildDevice> gone = Devices(index);
  for (auto each = gone.rbegin(); each != gone.rend(); ++each) {
    const auto child = std::ranges::find(children, each->path, &ChildDevice::path);
    if (child == children.end()) continue;
    kernel().RemoveChild(function().dir, *child);
    children.erase(child);
  }
}

// sf/devlink.c mlx5_devlink_sf_port_del
int Mlx5Model::RemovePort(uint32_t index, std::string&) {
  Detach(index);
  kernel().RemoveInterface(function(), ports.at(index).interface);
  ports.erase(index);
  return 0;
}

std::unique_ptr<DriverModel> MakeMlx5Model(Kernel::Impl& kernel, const PciAddress& address) {
  return std::make_unique<Mlx5Model>(kernel, address);
}

}  // namespace drapci::sim
