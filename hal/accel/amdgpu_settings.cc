#include "hal/accel/amdgpu_settings.h"

#include <fmt/format.h>

#include "hal/accel/amdgpu_kfd.h"
#include "hal/accel/amdgpu_modes.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

// What the driver prints when a change has failed half-way (amdgpu_gfx_compute_mode_desc).
constexpr std::string_view kUnknownMode = "UNKNOWN";

class ComputePartition : public Setting {
 public:
  explicit ComputePartition(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const PciAddress address, Find(target));
    return Mode(address);
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    DRAPCI_TRY(const PciAddress address, Find(target));
    if (!ParseAmdMode(value)) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, kAmdModeSetting));
    }
    DRAPCI_TRY(const std::string now, Mode(address));
    if (now == value) return {};
    if (auto unused = CheckAmdGpuUnused(host_.sysfs, address); !unused) {
      return Fail(std::move(unused).error().Within(
          fmt::format("{} cannot go from mode {} to {}", target, now, value)));
    }
    if (auto written = host_.sysfs.Write(File(address), value); !written) {
      const std::string why = Why(address, value, written.error().sys);
      return Fail(std::move(written).error().Within(why));
    }
    DRAPCI_TRY(const std::string after, Mode(address));
    if (after == value) return {};
    return Fail(Code::kIo, fmt::format("{} was set to mode {} and is in {}: see the kernel's log",
                                       target, value, after));
  }

  bool Between(std::string_view now, std::string_view before,
               std::string_view want) const override {
    return now == before || now == want || now == kUnknownMode;
  }

 private:
  static std::string File(const PciAddress& address) {
    return address.SysfsPath() + "/current_compute_partition";
  }

  Result<PciAddress> Find(std::string_view target) const {
    const auto address = PciAddress::Parse(target);
    if (!address || address->ToString() != target) {
      return Fail(Code::kInvalid, fmt::format("'{}' names no PCI function", target));
    }
    if (host_.sysfs.Exists(address->SysfsPath())) return *address;
    return Fail({Code::kGone, ENODEV, fmt::format("PCI function {} is not there", target)});
  }

  Result<std::string> Mode(const PciAddress& address) const {
    auto mode = host_.sysfs.Read(File(address));
    if (mode) return std::string(Trim(*mode));
    if (mode.error().code == Code::kGone) {
      return Fail(std::move(mode).error().Within(fmt::format(
          "{} has no compute partitions without its driver amdgpu", address.ToString())));
    }
    if (mode.error().sys != EPERM) return mode;
    return Fail(std::move(mode).error().Within(
        fmt::format("{} is being reset: try again later", address.ToString())));
  }

  // What an errno of the write means (amdgpu_gfx_set_compute_partition and below).
  std::string Why(const PciAddress& address, std::string_view value, int error) const {
    const std::string card = fmt::format("{} cannot go to mode {}", address.ToString(), value);
    switch (error) {
      case EBUSY: return card + ": a process computes on it, or has done so a moment ago";
      case EPERM: return card + " while it is being reset: try again later";
      case EINVAL: {
        const auto memory = host_.sysfs.Read(address.SysfsPath() + "/current_memory_partition");
        return fmt::format("{}: it has no such mode with its memory in {}", card,
                           memory ? Trim(*memory) : "this mode");
      }
      case EIO:
        return card +
               ": KFD does not start in it; see the kernel's log, and load amdgpu again if this "
               "stays";
      default: return card;
    }
  }

  Host& host_;
};

}  // namespace

void AddAmdSettings(Host& host, SettingTable& table) {
  table.emplace(kAmdModeSetting, std::make_unique<ComputePartition>(host));
}

}  // namespace drapci::hal
