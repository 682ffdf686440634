#include "hal/accel/drm_card.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "hal/accel/function.h"
#include "hal/base/parse.h"
#include "hal/drm/drm.h"
#include "hal/os/path.h"
#include "hal/pci/device_nodes.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kRender = "/dev/dri/renderD", kCard = "/dev/dri/card",
                           kAccel = "/dev/accel/accel";

bool IsNumbered(std::string_view node, std::string_view prefix) {
  return node.starts_with(prefix) && ParseInt<int>(node.substr(prefix.size()));
}

// Of a display, and nothing that computing needs.
bool IsOfDisplay(const std::string& node) {
  constexpr std::string_view kNames[] = {"/dev/fb", "/dev/i2c-", "/dev/drm_dp_aux", "/dev/cec"};
  return std::ranges::any_of(kNames, [&](std::string_view name) { return node.starts_with(name); });
}

class DrmCardAccelerator : public FunctionAccelerator {
 public:
  DrmCardAccelerator(Host& host, PciFunction function, AcceleratorPolicy policy,
                     std::string in_host_use)
      : FunctionAccelerator(host, std::move(function), policy, std::move(in_host_use), "drm") {}

  Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const override {
    DRAPCI_TRY(Description description, FunctionAccelerator::Describe(ours, detail));
    DRAPCI_TRY(const std::vector<std::string> nodes, DeviceNodes(host().sysfs, function().address));
    DRAPCI_TRY(const std::string connector, LitConnector(nodes));
    if (description.unusable.empty() && !connector.empty()) {
      description.unusable =
          fmt::format("the host shows a picture on {}: end that, or unplug the monitor", connector);
    }
    if (detail == Detail::kBrief) return description;
    auto& of_part = description.parts.front().attributes;
    AddNodes(std::get<std::string>(description.attributes.at("driver")), nodes, of_part);
    description.attributes.insert(of_part.begin(), of_part.end());
    return description;
  }

  Result<ContainerEdits> Edits(const PartRequest& request, MonotonicTime deadline) const override {
    DRAPCI_TRY(ContainerEdits edits, FunctionAccelerator::Edits(request, deadline));
    std::erase_if(edits.device_nodes, IsOfDisplay);
    return edits;
  }

 private:
  // The connector that somebody, mostly the kernel's console, drives a monitor by
  // (drivers/gpu/drm/drm_sysfs.c enabled_show); empty: none.
  Result<std::string> LitConnector(const std::vector<std::string>& nodes) const {
    for (const std::string& node : nodes) {
      if (!IsNumbered(node, kCard)) continue;
      const std::string name(BaseName(node)), dir = "/sys/class/drm/" + name;
      const auto children = host().sysfs.List(dir);
      if (!children) continue;  // removed meanwhile
      for (const std::string& child : *children) {
        const auto enabled = child.starts_with(name + "-")
                                 ? host().sysfs.Read(fmt::format("{}/{}/enabled", dir, child))
                                 : std::string();
        if (enabled && Trim(*enabled) == "enabled") return child;
      }
    }
    return std::string();
  }

  void AddNodes(const std::string& driver, const std::vector<std::string>& nodes,
                std::map<std::string, AttributeValue>& attributes) const {
    std::string to_use;
    for (const std::string& node : nodes) {
      if (IsNumbered(node, kCard)) attributes.emplace("card_node", node);
      if (!IsNumbered(node, kRender) && !IsNumbered(node, kAccel)) continue;
      attributes.emplace(IsNumbered(node, kRender) ? "render_node" : "accel_node", node);
      to_use = node;
    }
    const auto product = host().sysfs.Read(function().address.SysfsPath() + "/device_type");
    if (product) attributes.emplace("model", std::string(Trim(*product)));  // habanalabs
    if (to_use.empty()) return;
    if (const auto node = host().dev.Stat(to_use)) {
      // Who is not root in a container opens it as a member of the group, if at all.
      attributes.emplace("node_mode", fmt::format("{:04o}", node->permissions));
      if (node->group != 0) attributes.emplace("node_group", int64_t{node->group});
    }
    if (const auto version = Ask(driver, to_use)) {
      attributes.emplace("drm_driver", version->driver);
      attributes.emplace("drm_version", version->version);
    }
  }

  // Each driver is asked once. A node of a card (/dev/dri/card0) is never opened: who opens it
  // first is master of the display. Nor is what has one user at a time, after whom the driver
  // resets it (habanalabs_drv.c hl_device_open), or what would have to be woken.
  std::optional<DrmVersion> Ask(const std::string& driver, const std::string& node) const {
    const std::lock_guard lock(mutex_);
    if (const auto known = told_.find(driver); known != told_.end()) return known->second;
    const auto power = host().sysfs.Read(function().address.SysfsPath() + "/power/runtime_status");
    const bool asleep = power && Trim(*power) == "suspended";
    if (host().drm == nullptr || driver == "habanalabs" || asleep) return std::nullopt;
    const Result<UniqueFd> opened = host().dev.Open(node, O_RDWR);
    if (!opened) return std::nullopt;
    const Result<DrmVersion> version = host().drm->Version(*opened);
    if (!version) return std::nullopt;
    return told_.emplace(driver, *version).first->second;
  }

  mutable std::mutex mutex_;
  mutable std::map<std::string, DrmVersion> told_;  // by driver
};

}  // namespace

bool IsDrmCard(const PciFunction& function) { return IsEndpoint(function) && function.has_drm; }

std::unique_ptr<Accelerator> MakeDrmCardAccelerator(Host& host, PciFunction function,
                                                    AcceleratorPolicy policy,
                                                    std::string in_host_use) {
  return std::make_unique<DrmCardAccelerator>(host, std::move(function), policy,
                                              std::move(in_host_use));
}

}  // namespace drapci::hal
