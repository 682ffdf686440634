// Network interfaces and the settings of VFs (net/core/{dev,net-sysfs,rtnetlink}.c).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {
namespace {

constexpr unsigned kMinMtu = 68, kMaxMtu = 9216;  // igb: MAX_STD_JUMBO_FRAME_SIZE
constexpr size_t kMaxName = 15;                   // IFNAMSIZ without its final zero

// The device that has the interface.
std::string DeviceOf(const Function& function, const Interface& net) {
  return net.below.empty() ? function.dir : fmt::format("{}/{}", function.dir, net.below);
}

std::string DirOf(const Function& function, const Interface& net) {
  return fmt::format("{}/net/{}", DeviceOf(function, net), net.name);
}

// net/core/net-sysfs.c netdev_uevent.
Uevent NetEvent(const std::string& dir, const Interface& net, std::string_view action) {
  return {.action = std::string(action),
          .devpath = dir.substr(4),
          .subsystem = "net",
          .properties = {{"INTERFACE", net.name}, {"IFINDEX", fmt::format("{}", net.index)}}};
}

// dev_valid_name().
bool IsValidName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
         name.find_first_of("/: \t\n\v\f\r") == std::string_view::npos;
}

std::string OperState(const LiveInterface& live) {
  if (!live.operstate.empty() && live.now.up && !live.now.carrier) return live.operstate;
  return live.now.up && live.now.carrier ? "up" : "down";
}

bool HasCarrier(const Function& pf) {
  return std::ranges::any_of(pf.live_interfaces, [](const LiveInterface& live) {
    return live.now.up && live.now.carrier;
  });
}

std::string ValueOf(const VfChange& change) {
  const VfNet& to = change.to;
  switch (change.part) {
    case VfChange::Part::kMac: return to.mac;
    case VfChange::Part::kVlan:
      return fmt::format("{} {} {:#06x}", to.vlan, to.qos, to.vlan_protocol);
    case VfChange::Part::kRate: return fmt::format("{} {}", to.min_rate, to.max_rate);
    case VfChange::Part::kSpoofCheck: return to.spoof_check ? "on" : "off";
    case VfChange::Part::kLinkState: return fmt::format("{}", to.link_state);
    case VfChange::Part::kTrust: return to.trust ? "on" : "off";
  }
  return "";
}

}  // namespace

LiveInterface* Kernel::Impl::FindInterface(int id) {
  auto found = interface_owners.find(id);
  Function* function = found == interface_owners.end() ? nullptr : Get(found->second);
  if (function == nullptr) return nullptr;
  for (LiveInterface& live : function->live_interfaces) {
    if (live.now.id == id) return &live;
  }
  return nullptr;
}

bool Kernel::Impl::NameTaken(uint64_t name_space, std::string_view name,
                             const LiveInterface* but) const {
  return std::ranges::any_of(functions, [&](const auto& entry) {
    return std::ranges::any_of(entry.second->live_interfaces, [&](const LiveInterface& live) {
      return &live != but && live.now.name_space == name_space && live.now.name == name;
    });
  });
}

// The device behind an interface that is to be at home, under a name that is free.
void Kernel::Impl::MakeDevice(LiveInterface& live) {
  live.now.id = next_interface++;
  live.now.name_space = kHomeNamespace;
  interface_owners[live.now.id] = live.now.function;
  if (options.net_devices != nullptr) {
    if (auto made = options.net_devices->Make(live.now)) {
      live.now = *std::move(made);
      live.real = true;
      if (live.no_carrier) options.net_devices->SetCarrier(live.now.id, false);
      return;
    }
  }
  live.real = false;
  if (live.now.index == 0) live.now.index = next_ifindex++;
  if (NameTaken(kHomeNamespace, live.now.name, &live))
    live.now.name = fmt::format("dev{}", live.now.index);
  live.now.carrier = live.now.up && !live.no_carrier;
}

void Kernel::Impl::MakeInterfaces(Function& function) {
  function.live_interfaces.clear();
  function.live_interfaces.reserve(function.spec.interfaces.size());
  for (const NetInterface& spec : function.spec.interfaces) {
    LiveInterface live;
    live.now = {.function = function.spec.address,
                .name = spec.name,
                .mac = spec.mac,
                .mtu = spec.mtu,
                .up = spec.operstate != "down"};
    live.no_carrier = live.now.up && spec.operstate != "up";
    if (live.no_carrier) live.operstate = spec.operstate;
    // A VF's driver asks the PF for the address when it starts (igbvf: igbvf_probe).
    Function* pf = function.physfn ? Get(*function.physfn) : nullptr;
    if (pf != nullptr && function.vf_index < pf->vf_net.size() &&
        pf->vf_net[function.vf_index].mac != VfNet().mac) {
      live.now.mac = pf->vf_net[function.vf_index].mac;
    }
    MakeDevice(live);
    function.live_interfaces.push_back(std::move(live));
    Show(function.live_interfaces.back(), "add");
  }
}

int Kernel::Impl::AddInterface(Function& function, const NetInterface& spec,
                               const std::string& port, const std::string& below) {
  LiveInterface live;
  live.now = {.function = function.spec.address,
              .name = spec.name,
              .mac = spec.mac,
              .mtu = spec.mtu,
              .up = spec.operstate != "down",
              .below = below};
  live.port = port;
  MakeDevice(live);
  function.live_interfaces.push_back(std::move(live));
  Show(function.live_interfaces.back(), "add");
  return function.live_interfaces.back().now.id;
}

void Kernel::Impl::RemoveInterface(Function& function, int id) {
  const auto found = std::ranges::find_if(
      function.live_interfaces, [&](const LiveInterface& live) { return live.now.id == id; });
  if (found == function.live_interfaces.end()) return;
  if (found->real) options.net_devices->Remove(std::span(&id, 1));
  if (found->now.name_space == kHomeNamespace) Hide(*found, "remove");
  interface_owners.erase(id);
  function.live_interfaces.erase(found);
}

void Kernel::Impl::RemoveDevices(const std::vector<PciAddress>& owners) {
  std::vector<int> ids;
  for (const PciAddress& address : owners) {
    Function* function = Get(address);
    if (function == nullptr) continue;
    for (LiveInterface& live : function->live_interfaces) {
      if (live.real) ids.push_back(live.now.id);
      live.real = false;
    }
  }
  if (!ids.empty()) options.net_devices->Remove(ids);
}

void Kernel::Impl::RemoveInterfaces(Function& function) {
  RemoveDevices({function.spec.address});
  for (const LiveInterface& live : function.live_interfaces) {
    if (live.now.name_space == kHomeNamespace) Hide(live, "remove");
    interface_owners.erase(live.now.id);
  }
  function.live_interfaces.clear();
  tree.Remove(function.dir + "/net");
}

void Kernel::Impl::Show(const LiveInterface& live, std::string_view action) {
  const Function& function = *Get(live.now.function);
  const std::string dir = DirOf(function, live.now);
  using Text = std::expected<std::string, int>;
  auto file = [&](const char* name, auto show) {
    // The node goes when the interface does, but a show of a renamed one can be under way.
    tree.MakeFile(fmt::format("{}/{}", dir, name), 0444, [this, id = live.now.id, show]() -> Text {
      LiveInterface* found = FindInterface(id);
      if (found == nullptr) return std::unexpected(ENODEV);
      Text text = show(*found);
      return text ? Text(*text + "\n") : text;
    });
  };
  auto text = [&](const char* name, const char* content) {
    tree.MakeText(fmt::format("{}/{}", dir, name), fmt::format("{}\n", content));
  };
  auto index = [](const LiveInterface& net) -> Text { return fmt::format("{}", net.now.index); };
  file("address", [](const LiveInterface& net) -> Text {
    return net.now.mac.empty() ? VfNet().mac : net.now.mac;
  });
  file("ifindex", index);
  file("iflink", index);
  file("operstate", [](const LiveInterface& net) -> Text { return OperState(net); });
  file("carrier", [](const LiveInterface& net) -> Text {
    if (!net.now.up) return std::unexpected(EINVAL);
    return net.now.carrier ? "1" : "0";
  });
  file("mtu", [](const LiveInterface& net) -> Text { return fmt::format("{}", net.now.mtu); });
  file("flags", [](const LiveInterface& net) -> Text { return net.now.up ? "0x1003" : "0x1002"; });
  text("type", "1");
  text("addr_len", "6");
  text("broadcast", "ff:ff:ff:ff:ff:ff");
  text("dev_id", "0x0");
  text("dev_port", "0");
  text("addr_assign_type", "0");
  text("name_assign_type", "4");  // NET_NAME_RENAMED: udevd has given it its name already
  tree.MakeFile(
      dir + "/uevent", 0644,
      [this, id = live.now.id]() -> Text {
        LiveInterface* found = FindInterface(id);
        if (found == nullptr) return std::unexpected(ENODEV);
        return fmt::format("INTERFACE={}\nIFINDEX={}\n", found->now.name, found->now.index);
      },
      [this, dir, id = live.now.id](std::string_view value, size_t) {
        LiveInterface* found = FindInterface(id);
        return found == nullptr ? ENODEV : StoreUevent(NetEvent(dir, found->now, ""), value);
      });
  if (!live.port.empty()) text("phys_port_name", live.port.c_str());
  tree.MakeLinkTo(dir + "/device", DeviceOf(function, live.now));
  tree.MakeLinkTo(dir + "/subsystem", "/sys/class/net");
  tree.MakeLinkTo("/sys/class/net/" + live.now.name, dir);
  if (!action.empty()) Emit(NetEvent(dir, live.now, action));
}

void Kernel::Impl::Hide(const LiveInterface& live, std::string_view action) {
  const Function& function = *Get(live.now.function);
  const std::string dir = DirOf(function, live.now);
  tree.Remove("/sys/class/net/" + live.now.name);
  tree.Remove(dir);
  const std::string net = DeviceOf(function, live.now) + "/net";
  auto glue = tree.Find(net);
  if (glue && (*glue)->children.empty()) tree.Remove(net);
  if (!action.empty()) Emit(NetEvent(dir, live.now, action));
}

void Kernel::Impl::ChangeTo(LiveInterface& live, const Interface& now) {
  const Interface before = live.now;
  const bool was_home = before.name_space == kHomeNamespace;
  const bool is_home = now.name_space == kHomeNamespace;
  const bool renamed = was_home && is_home && before.name != now.name;
  if (was_home && (!is_home || renamed)) Hide(live, renamed ? "" : "remove");
  live.now = now;
  if (is_home && (!was_home || renamed)) Show(live, renamed ? "" : "add");
  if (!renamed) return;
  const Function& function = *Get(now.function);
  Uevent moved = NetEvent(DirOf(function, now), now, "move");
  moved.properties.insert(moved.properties.begin(),
                          {"DEVPATH_OLD", DirOf(function, before).substr(4)});
  Emit(std::move(moved));
}

void Kernel::Impl::BringHome(LiveInterface& live, const std::string& name) {
  // net/core/dev.c default_device_exit_net: the name that it has, or dev<index>; closed.
  const Interface before = live.now;
  Interface wanted = before;
  wanted.name = name;
  wanted.up = wanted.carrier = false;
  interface_owners.erase(before.id);
  if (before.name_space == kHomeNamespace) Hide(live, "remove");
  live.now = wanted;
  MakeDevice(live);
  Show(live, "add");
}

std::vector<Interface> Kernel::Interfaces() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<Interface> all;
  for (const auto& [address, function] : impl_->functions) {
    for (const LiveInterface& live : function->live_interfaces) all.push_back(live.now);
  }
  return all;
}

int Kernel::NetWrite(std::string_view path, std::string_view value,
                     const std::function<int()>& action) {
  const Faults::Verdict verdict = faults_.OnWrite(path, path);
  int error = verdict.error;
  if (error == 0) {
    if (verdict.delay > Milliseconds(0)) impl_->options.wait(verdict.delay);
    faults_.WaitReleased(path, path);
    error = action();
  }
  faults_.Log(path, value, error);
  return error;
}

int Kernel::ChangeInterface(int id, const InterfaceChange& change) {
  PciAddress owner;
  {
    std::lock_guard lock(impl_->mutex);
    LiveInterface* live = impl_->FindInterface(id);
    if (live == nullptr) return ENODEV;
    owner = live->now.function;
  }
  // Each part is a store of its own, in the order of net/core/rtnetlink.c do_setlink.
  auto part = [&](const char* name, const std::string& value, auto alter) {
    return NetWrite(fmt::format("/net/{}/{}", owner.ToString(), name), value, [&] {
      Impl::Operation operation(*impl_);
      LiveInterface* live = impl_->FindInterface(id);
      if (live == nullptr) return ENODEV;
      Interface now = live->now;
      if (int error = alter(now)) return error;
      now.carrier = now.up && !live->no_carrier;
      impl_->ChangeTo(*live, now);
      return 0;
    });
  };
  int error = 0;
  if (change.name_space) {
    const std::string name = change.name.value_or("");
    error = part("netns", name, [&](Interface& now) {
      if (*change.name_space == now.name_space) return 0;
      if (!name.empty()) now.name = name;
      if (!IsValidName(now.name)) return EINVAL;
      if (impl_->NameTaken(*change.name_space, now.name)) return EEXIST;
      now.name_space = *change.name_space;
      now.up = false;  // netif_change_net_namespace: closed first
      return 0;
    });
  }
  if (error == 0 && change.mac) {
    error = part("address", *change.mac, [&](Interface& now) { return now.mac = *change.mac, 0; });
  }
  if (error == 0 && change.mtu) {
    error = part("mtu", fmt::format("{}", *change.mtu), [&](Interface& now) {
      if (*change.mtu < kMinMtu || *change.mtu > kMaxMtu) return EINVAL;
      now.mtu = *change.mtu;
      return 0;
    });
  }
  if (error == 0 && change.name && !change.name_space) {
    error = part("name", *change.name, [&](Interface& now) {
      if (now.name == *change.name) return 0;
      if (!IsValidName(*change.name)) return EINVAL;
      if (now.up) return EBUSY;  // kernels before 6.2
      if (impl_->NameTaken(now.name_space, *change.name)) return EEXIST;
      now.name = *change.name;
      return 0;
    });
  }
  if (error == 0 && change.up) {
    error = part(*change.up ? "up" : "down", "", [&](Interface& now) {
      now.up = *change.up;
      return 0;
    });
  }
  return error;
}

int Kernel::SetVf(const PciAddress& address, unsigned vf, const VfChange& change) {
  const std::string path =
      fmt::format("/net/{}/vf{}/{}", address.ToString(), vf, NameOf(change.part));
  return NetWrite(path, ValueOf(change), [&] {
    std::lock_guard lock(impl_->mutex);
    Function* pf = impl_->Get(address);
    if (pf == nullptr) return ENODEV;
    if (!pf->spec.sriov || pf->live_interfaces.empty()) return EOPNOTSUPP;
    int error = CheckVfChange(pf->spec.sriov->vf_rules, change, HasCarrier(*pf));
    // No operation of the driver at all comes before what the operation looks at.
    if (error != EOPNOTSUPP && vf >= pf->vf_net.size()) return EINVAL;
    if (error == 0) ApplyVfChange(change, pf->vf_net[vf]);
    return error;
  });
}

std::optional<std::vector<VfNet>> Kernel::VfSettings(const PciAddress& address) const {
  std::lock_guard lock(impl_->mutex);
  Function* pf = impl_->Get(address);
  if (pf == nullptr || !pf->spec.sriov || pf->live_interfaces.empty()) return std::nullopt;
  return pf->vf_net;
}

Result<> Kernel::SetCarrier(const PciAddress& address, bool on) {
  Impl::Operation operation(*impl_);
  Function* function = impl_->Get(address);
  if (function == nullptr || function->live_interfaces.empty()) {
    return Fail(Code::kNotFound, address.ToString() + " has no network interface");
  }
  for (LiveInterface& live : function->live_interfaces) {
    live.no_carrier = !on;
    live.operstate.clear();
    if (live.real) {
      impl_->options.net_devices->SetCarrier(live.now.id, on);
    } else {
      live.now.carrier = live.now.up && on;
    }
  }
  return {};
}

void Kernel::EndNamespace(uint64_t name_space) {
  Impl::Operation operation(*impl_);
  for (const auto& [address, function] : impl_->functions) {
    for (LiveInterface& live : function->live_interfaces) {
      if (live.now.name_space == name_space) impl_->BringHome(live, live.now.name);
    }
  }
}

void Kernel::InterfaceIs(const Interface& now) {
  Impl::Operation operation(*impl_);
  LiveInterface* live = impl_->FindInterface(now.id);
  if (live == nullptr || !live->real) return;
  Interface known = now;
  known.function = live->now.function;
  known.below = live->now.below;
  if (known != live->now) impl_->ChangeTo(*live, known);
}

void Kernel::InterfaceLost(int id, const std::string& name) {
  Impl::Operation operation(*impl_);
  LiveInterface* live = impl_->FindInterface(id);
  if (live == nullptr || !live->real) return;
  impl_->BringHome(*live, name.empty() ? live->now.name : name);
}

}  // namespace drapci::sim
