// SR-IOV (drivers/pci/iov.c).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "test/sim/drivers/driver_model.h"
#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {
namespace {

// "{vf}" stands for the number of the VF.
std::string Numbered(std::string text, unsigned index) {
  constexpr std::string_view kMark = "{vf}";
  for (size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark)) {
    text.replace(at, kMark.size(), std::to_string(index));
  }
  return text;
}

// pci_iov_virtfn_bus and pci_iov_virtfn_devfn.
PciAddress VfAddress(const PciAddress& pf, const SriovSpec& sriov, unsigned index) {
  unsigned rid =
      static_cast<unsigned>(pf.bus) << 8 | static_cast<unsigned>(pf.device) << 3 | pf.function;
  rid += sriov.offset + sriov.stride * index;
  return {.domain = pf.domain,
          .bus = static_cast<uint8_t>(rid >> 8),
          .device = static_cast<uint8_t>(rid >> 3 & 0x1f),
          .function = static_cast<uint8_t>(rid & 7)};
}

}  // namespace

FunctionSpec Kernel::Impl::VfSpec(const Function& pf, unsigned index) const {
  const SriovSpec& sriov = *pf.spec.sriov;
  FunctionSpec vf = pf.spec;
  vf.address = VfAddress(pf.spec.address, sriov, index);
  vf.device = sriov.vf_device;
  vf.class_code = sriov.vf_class.value_or(pf.spec.class_code);
  vf.driver = sriov.vf_driver;
  vf.sriov.reset();
  vf.children = sriov.vf_children;
  for (ChildDevice& child : vf.children) {
    child.path = Numbered(child.path, index);
    child.devname = Numbered(child.devname, index);
    child.minor += index;
  }
  vf.interfaces = sriov.vf_interfaces;
  for (NetInterface& net : vf.interfaces) {
    net.name = Numbered(net.name, index);
    if (net.mac.empty())
      net.mac = fmt::format("02:00:{:02x}:{:02x}:{:02x}:{:02x}", vf.address.bus, vf.address.device,
                            vf.address.function, index & 0xff);
  }
  vf.serial.reset();
  vf.reset_method = "flr bus";
  vf.irq = 0;
  vf.bars.clear();
  vf.boot_vga = false;
  vf.files.clear();
  vf.model.clear();
  vf.config.clear();
  vf.resource_lines.clear();
  vf.iommu_group.reset();
  if (pf.group && sriov.vf_iommu_groups) {
    int group = 0;  // the lowest free one, as the kernel's ida gives
    while (group_types.contains(group)) ++group;
    vf.iommu_group = group;
  } else {
    vf.iommu_group = pf.group;
  }
  return vf;
}

void Kernel::Impl::MakeSriovAttributes(Function& function) {
  const SriovSpec& sriov = *function.spec.sriov;
  const std::string& dir = function.dir;
  const PciAddress address = function.spec.address;
  auto text = [&](const char* name, const std::string& content) {
    tree.MakeText(dir + "/" + name, content + "\n");
  };
  text("sriov_totalvfs", fmt::format("{}", sriov.total));
  text("sriov_offset", fmt::format("{}", sriov.offset));
  text("sriov_stride", fmt::format("{}", sriov.stride));
  text("sriov_vf_device", fmt::format("{:x}", sriov.vf_device));
  text("sriov_vf_total_msix", fmt::format("{}", sriov.vf_total_msix));
  tree.MakeFile(
      dir + "/sriov_drivers_autoprobe", 0644,
      [this, address] { return std::string(Get(address)->vf_autoprobe ? "1\n" : "0\n"); },
      [this, address](std::string_view value, size_t) {
        auto flag = KernelBool(value);
        if (!flag) return EINVAL;
        Get(address)->vf_autoprobe = *flag;
        return 0;
      });
  tree.MakeFile(
      dir + "/sriov_numvfs", 0644,
      [this, address]() -> std::expected<std::string, int> {
        // "Serialize vs sriov_numvfs_store() so readers see valid num_VFs".
        if (!LockDevice(address)) return std::unexpected(ENODEV);
        std::string count = fmt::format("{}\n", Get(address)->vfs.size());
        UnlockDevice(address);
        return count;
      },
      [this, address](std::string_view value, size_t) { return StoreNumVfs(address, value); });
}

int Kernel::Impl::StoreNumVfs(const PciAddress& address, std::string_view value) {
  auto number = KernelNumber(value);
  if (!number || *number > 0xffff) return EINVAL;
  auto wanted = static_cast<unsigned>(*number);
  if (wanted > Get(address)->spec.sriov->total) return ERANGE;
  if (!LockDevice(address)) return ENODEV;
  Function& pf = *Get(address);
  auto result = [&] {
    if (wanted == pf.vfs.size()) return 0;
    if (pf.driver.empty() || !drivers.at(pf.driver).sriov_configure) return ENOENT;
    if (wanted == 0) {
      if (pf.model) {
        if (const int error = pf.model->ReleaseVfs(); error != 0) return error;
      }
      DisableVfs(address);
      return 0;
    }
    if (!pf.vfs.empty()) return EBUSY;
    if (auto fewer = fewer_vfs.find(address); fewer != fewer_vfs.end()) {
      wanted = std::min(wanted, fewer->second);
    }
    if (auto late = late_vfs.find(address); late != late_vfs.end()) {
      Defer(late->second, [this, address, wanted] {
        if (!LockDevice(address)) return;
        if (Get(address)->vfs.empty()) EnableVfs(address, wanted);
        UnlockDevice(address);
      });
      return 0;
    }
    if (pf.model) {
      if (const int error = pf.model->ConfigureVfs(wanted); error != 0) return error;
    }
    EnableVfs(address, wanted);
    return 0;
  }();
  UnlockDevice(address);
  return result;
}

void Kernel::Impl::EnableVfs(const PciAddress& address, unsigned count) {
  Sleep(Get(address)->spec.sriov->enable_delay);
  MakeVfs(address, count);
}

void Kernel::Impl::MakeVfs(const PciAddress& address, unsigned count) {
  Function& pf = *Get(address);
  pf.vf_net.assign(count, {});  // a VF's driver may ask for its settings from its first moment
  for (unsigned index = 0; index < count; ++index) {
    FunctionSpec spec = VfSpec(pf, index);
    PciAddress vf = spec.address;
    // The address of a VF belongs to its PF; when the board has put something else there, the
    // driver ends up with fewer VFs.
    if (!Add(std::move(spec), address, index)) break;
    pf.vfs.push_back(vf);
  }
  pf.vf_net.resize(pf.vfs.size());
  if (pf.model) pf.model->VfsMade();
  Emit(EventOf(pf, "change"));
}

void Kernel::Impl::DisableVfs(const PciAddress& address) {
  Function& pf = *Get(address);
  if (pf.vfs.empty()) return;
  RemoveDevices(pf.vfs);
  for (const PciAddress& vf : pf.vfs) Delete(vf);
  Sleep(pf.spec.sriov->disable_delay);
  pf.vfs.clear();
  pf.vf_net.clear();
  if (pf.model) pf.model->VfsGone();
}

}  // namespace drapci::sim
