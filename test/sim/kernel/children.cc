// What drivers make: class devices, VFIO; and IOMMU groups.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {
namespace {

std::string LastComponent(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

// Platform devices, sub-functions and those of idxd are on a bus; everything else that is made here
// is of a class.
bool IsOnBus(std::string_view subsystem) {
  return subsystem == "platform" || subsystem == "dsa" || subsystem == "auxiliary";
}
std::string SubsystemDir(std::string_view subsystem) {
  return fmt::format("/sys/{}/{}", IsOnBus(subsystem) ? "bus" : "class", subsystem);
}
std::string SubsystemLink(std::string_view subsystem, std::string_view name) {
  return fmt::format("{}{}/{}", SubsystemDir(subsystem), IsOnBus(subsystem) ? "/devices" : "",
                     name);
}

std::string GroupDir(int group) { return fmt::format("/sys/kernel/iommu_groups/{}", group); }

Uevent ChildEvent(const std::string& dir, const ChildDevice& child, std::string action) {
  // drivers/base/core.c dev_uevent.
  Uevent event{.action = std::move(action),
               .devpath = dir.substr(4),
               .subsystem = child.subsystem,
               .properties = {}};
  if (child.devname.empty()) return event;
  event.properties = {{"MAJOR", fmt::format("{}", child.major)},
                      {"MINOR", fmt::format("{}", child.minor)},
                      {"DEVNAME", child.devname}};
  if (child.permissions != 0600) {
    event.properties.emplace_back("DEVMODE", fmt::format("{:#o}", child.permissions));
  }
  if (child.subsystem == "block") event.properties.emplace_back("DEVTYPE", "disk");
  if (child.subsystem == "drm") event.properties.emplace_back("DEVTYPE", "drm_minor");
  return event;
}

std::string UeventText(const Uevent& event) {
  std::string text;
  for (const auto& [key, value] : event.properties) text += fmt::format("{}={}\n", key, value);
  return text;
}

}  // namespace

void Kernel::Impl::MakeChild(const std::string& parent_dir, const ChildDevice& child) {
  const std::string dir = parent_dir + "/" + child.path;
  const std::string name = LastComponent(child.path);
  Uevent event = ChildEvent(dir, child, "");
  tree.MakeDirectory(dir);
  tree.MakeFile(
      dir + "/uevent", 0644, [text = UeventText(event)] { return text; },
      [this, event](std::string_view value, size_t) { return StoreUevent(event, value); });
  tree.MakeLinkTo(dir + "/subsystem", SubsystemDir(child.subsystem));
  tree.MakeLinkTo(SubsystemLink(child.subsystem, name), dir);
  if (child.subsystem == "block") tree.MakeLinkTo("/sys/block/" + name, dir);
  // `device` names the parent device: the nearest directory above that is one.
  std::string above = dir.substr(0, dir.rfind('/'));
  while (above.size() > 4 && !tree.Find(above + "/uevent")) above.resize(above.rfind('/'));
  if (above.starts_with("/sys/devices/pci") && !IsOnBus(child.subsystem))
    tree.MakeLinkTo(dir + "/device", above);
  for (const auto& [path, file] : child.files) {
    if ((file.mode & 0222) != 0) {
      Writable(fmt::format("{}/{}", dir, path), file.mode, file.content, {});
    } else {
      tree.MakeText(fmt::format("{}/{}", dir, path), file.content, file.mode);
    }
  }
  if (!child.devname.empty()) {
    tree.MakeText(dir + "/dev", fmt::format("{}:{}\n", child.major, child.minor));
    tree.MakeLinkTo(fmt::format("/sys/dev/{}/{}:{}", child.type == 'b' ? "block" : "char",
                                child.major, child.minor),
                    dir);
    nodes["/dev/" + child.devname] = {.path = "/dev/" + child.devname,
                                      .type = child.type,
                                      .major = child.major,
                                      .minor = child.minor,
                                      .permissions = child.permissions};
  }
  event.action = "add";
  Emit(std::move(event));
}

void Kernel::Impl::RemoveChild(const std::string& parent_dir, const ChildDevice& child) {
  const std::string dir = parent_dir + "/" + child.path;
  const std::string name = LastComponent(child.path);
  tree.Remove(SubsystemLink(child.subsystem, name));
  if (child.subsystem == "block") tree.Remove("/sys/block/" + name);
  if (!child.devname.empty()) {
    tree.Remove(fmt::format("/sys/dev/{}/{}:{}", child.type == 'b' ? "block" : "char", child.major,
                            child.minor));
    nodes.erase("/dev/" + child.devname);
  }
  tree.Remove(dir);
  Emit(ChildEvent(dir, child, "remove"));
}

void Kernel::Impl::MakeChildren(Function& function) {
  function.live_children = function.spec.children;
  for (const ChildDevice& child : function.live_children) MakeChild(function.dir, child);
  MakeInterfaces(function);
}

void Kernel::Impl::RemoveChildren(Function& function) {
  RemoveInterfaces(function);
  // Children of children go first.
  for (auto child = function.live_children.rbegin(); child != function.live_children.rend();
       ++child) {
    RemoveChild(function.dir, *child);
    std::string glue = child->path.substr(0, child->path.find('/'));
    auto left = tree.Find(function.dir + "/" + glue);
    if (left && (*left)->children.empty()) tree.Remove(function.dir + "/" + glue);
  }
  function.live_children.clear();
}

void Kernel::Impl::MakeVfio(Function& function) {
  const std::string group = fmt::format("{}", *function.group);
  if (group_users[group]++ == 0) {
    MakeChild("/sys/devices/virtual/vfio", {.path = group,
                                            .subsystem = "vfio",
                                            .devname = "vfio/" + group,
                                            .type = 'c',
                                            .major = kVfioMajor,
                                            .minor = static_cast<unsigned>(*function.group),
                                            .permissions = 0600,
                                            .files = {}});
  }
  function.vfio_index = next_vfio++;
  std::string name = fmt::format("vfio{}", *function.vfio_index);
  MakeChild(function.dir, {.path = "vfio-dev/" + name,
                           .subsystem = "vfio-dev",
                           .devname = options.vfio_cdev ? "vfio/devices/" + name : "",
                           .type = 'c',
                           .major = kVfioDeviceMajor,
                           .minor = static_cast<unsigned>(*function.vfio_index),
                           .permissions = 0600,
                           .files = {}});
}

void Kernel::Impl::RemoveVfio(Function& function) {
  std::string name = fmt::format("vfio{}", *function.vfio_index);
  ChildDevice device{.path = "vfio-dev/" + name,
                     .subsystem = "vfio-dev",
                     .devname = options.vfio_cdev ? "vfio/devices/" + name : "",
                     .type = 'c',
                     .major = kVfioDeviceMajor,
                     .minor = static_cast<unsigned>(*function.vfio_index),
                     .permissions = 0600,
                     .files = {}};
  RemoveChild(function.dir, device);
  tree.Remove(function.dir + "/vfio-dev");
  function.vfio_index.reset();
  const std::string group = fmt::format("{}", *function.group);
  if (--group_users[group] > 0) return;
  group_users.erase(group);
  RemoveChild("/sys/devices/virtual/vfio", {.path = group,
                                            .subsystem = "vfio",
                                            .devname = "vfio/" + group,
                                            .type = 'c',
                                            .major = kVfioMajor,
                                            .minor = static_cast<unsigned>(*function.group),
                                            .permissions = 0600,
                                            .files = {}});
}

void Kernel::Impl::JoinGroup(Function& function) {
  if (!function.spec.iommu_group) return;
  int group = *function.spec.iommu_group;
  function.group = group;
  const std::string dir = GroupDir(group);
  if (!group_types.contains(group)) {
    group_types[group] = "DMA-FQ";
    tree.MakeText(dir + "/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
    tree.MakeFile(
        dir + "/type", 0644, [this, group] { return group_types[group] + "\n"; },
        [this, group](std::string_view value, size_t) { return StoreGroupType(group, value); });
  }
  tree.MakeLinkTo(dir + "/devices/" + function.spec.address.ToString(), function.dir);
  tree.MakeLinkTo(function.dir + "/iommu_group", dir);
}

void Kernel::Impl::LeaveGroup(Function& function) {
  if (!function.group) return;
  const std::string dir = GroupDir(*function.group);
  tree.Remove(dir + "/devices/" + function.spec.address.ToString());
  auto devices = tree.Find(dir + "/devices");
  if (devices && (*devices)->children.empty()) {
    tree.Remove(dir);
    group_types.erase(*function.group);
  }
}

// drivers/iommu/iommu.c iommu_group_store_type.
int Kernel::Impl::StoreGroupType(int group, std::string_view value) {
  std::string_view type = Line(value);
  constexpr std::string_view kTypes[] = {"DMA", "DMA-FQ", "identity", "auto"};
  if (std::ranges::find(kTypes, type) == std::end(kTypes)) return EINVAL;
  for (const auto& [address, function] : functions) {
    if (function->group == group && !function->driver.empty()) return EBUSY;
  }
  group_types[group] = type == "auto" ? "DMA-FQ" : std::string(type);
  return 0;
}

void Kernel::Emit(std::string_view syspath, std::string action,
                  std::vector<std::pair<std::string, std::string>> extra) {
  Impl::Operation operation(*impl_);
  for (const auto& [address, function] : impl_->functions) {
    if (function->dir != syspath) continue;
    Uevent event = impl_->EventOf(*function, std::move(action));
    event.properties.insert(event.properties.end(), extra.begin(), extra.end());
    impl_->Emit(std::move(event));
    return;
  }
  // A device that a driver has made: what it is stands in its directory.
  const auto subsystem = impl_->tree.Find(std::string(syspath) + "/subsystem", /*follow=*/false);
  const auto uevent = impl_->tree.Find(std::string(syspath) + "/uevent");
  if (!subsystem || !uevent || !(*uevent)->show) return;
  Uevent event{.action = std::move(action),
               .devpath = std::string(syspath.substr(4)),
               .subsystem = LastComponent((*subsystem)->target),
               .properties = std::move(extra)};
  const std::string text = (*uevent)->show().value_or("");
  for (size_t from = 0, to; (to = text.find('\n', from)) != std::string::npos; from = to + 1) {
    const std::string line = text.substr(from, to - from);
    const size_t equal = line.find('=');
    if (equal != std::string::npos) {
      event.properties.emplace_back(line.substr(0, equal), line.substr(equal + 1));
    }
  }
  impl_->Emit(std::move(event));
}

void Kernel::Coldplug() {
  Impl::Operation operation(*impl_);
  // Every device has a uevent file, and writing an action to it is what `udevadm trigger` does.
  auto visit = [](auto& self, Tree::Node& node, std::vector<Tree::Store>& stores) -> void {
    auto file = node.children.find("uevent");
    if (file != node.children.end() && file->second->store && node.children.contains("subsystem")) {
      stores.push_back(file->second->store);
    }
    for (auto& [name, child] : node.children) {
      if (child->type == FileType::kDirectory) self(self, *child, stores);
    }
  };
  auto devices = impl_->tree.Find("/sys/devices");
  if (!devices) return;
  std::vector<Tree::Store> stores;
  visit(visit, **devices, stores);
  for (const Tree::Store& store : stores) std::ignore = store("add", 0);
}

}  // namespace drapci::sim
