#include "hal/accel/nvidia_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/accel/mig_placement.h"
#include "hal/accel/nvidia_nodes.h"
#include "hal/pci/driver_binding.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kPending = " pending";

Result<PciAddress> ParseGpu(std::string_view target) {
  const auto address = PciAddress::Parse(target);
  if (address && address->ToString() == target) return *address;
  return Fail(Code::kInvalid, fmt::format("'{}' names no PCI function", target));
}

// A GPU that another driver or none has is as good as gone: it has no mode and no instances.
Error Away(Error error, const PciAddress& gpu) {
  if (error.code != Code::kNotFound) return error;
  return {
      .code = Code::kGone,
      .sys = ENODEV,
      .what = fmt::format("{} is not driven by {}: {}", gpu.ToString(), kNvidiaDriver, error.what)};
}

class NvidiaSetting : public Setting {
 public:
  explicit NvidiaSetting(Host& host) : host_(host) {}

 protected:
  Result<Nvml*> Library() const {
    if (host_.nvml != nullptr) return host_.nvml;
    return Fail(Code::kUnsupported, "there is no NVML here, which NVIDIA's GPUs are set by");
  }
  Result<MigMode> Mode(const PciAddress& gpu) const {
    DRAPCI_TRY(Nvml * nvml, Library());
    if (!host_.sysfs.Exists(gpu.SysfsPath())) {
      return Fail(
          {Code::kGone, ENODEV, fmt::format("PCI function {} is not there", gpu.ToString())});
    }
    auto mode = nvml->GetMigMode(gpu);
    if (!mode) return Fail(Away(std::move(mode).error(), gpu));
    return mode;
  }

  Host& host_;
};

// --- The mode --------------------------------------------------------------------------------

std::string ModeName(bool enabled) { return std::string(enabled ? kMigEnabled : kMigDisabled); }

class MigModeSetting : public NvidiaSetting {
 public:
  using NvidiaSetting::NvidiaSetting;

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const PciAddress gpu, ParseGpu(target));
    DRAPCI_TRY(const MigMode mode, Mode(gpu));
    return ModeName(mode.current) +
           std::string(mode.pending == mode.current ? std::string_view() : kPending);
  }

  bool Satisfies(std::string_view value, std::string_view want) const override {
    if (want.ends_with(kMayReset)) want.remove_suffix(kMayReset.size());
    return value == want;
  }

  // The way back may take what the way there may. A change that waited before was not ours.
  std::string Before(std::string_view now, std::string_view want) const override {
    if (now.ends_with(kPending)) now.remove_suffix(kPending.size());
    return std::string(now) + std::string(want.ends_with(kMayReset) ? kMayReset : "");
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const PciAddress gpu, ParseGpu(target));
    const bool may_reset = value.ends_with(kMayReset);
    const std::string_view word =
        value.substr(0, value.size() - (may_reset ? kMayReset.size() : 0));
    if (word != kMigEnabled && word != kMigDisabled) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, kMigModeSetting));
    }
    const bool enable = word == kMigEnabled;
    DRAPCI_TRY(const MigMode now, Mode(gpu));
    if (now.current == enable && now.pending == enable) return {};
    if (now.current != enable) {
      const std::string what = fmt::format("the MIG mode of {} cannot be {}", target, word);
      if (!enable) DRAPCI_CHECK(CheckNoInstances(gpu, what));
      if (auto unused = CheckNvidiaUnused(host_, gpu); !unused) {
        return Fail(std::move(unused).error().Within(what));
      }
    }
    auto switched = host_.nvml->SetMigMode(gpu, enable);
    if (!switched) return Fail(std::move(switched).error().Within(target));
    if (*switched == MigSwitch::kDone) return {};
    if (*switched == MigSwitch::kPendingReset && may_reset) return Reset(gpu, enable, deadline);
    return TakeBack(gpu, now.current, *switched);
  }

 private:
  Result<> CheckNoInstances(const PciAddress& gpu, const std::string& what) const {
    DRAPCI_TRY(const std::vector<GpuInstance> instances, host_.nvml->GpuInstances(gpu));
    if (instances.empty()) return {};
    return Fail(Code::kConflict,
                fmt::format("{}: somebody else has made {} GPU instances on it (nvidia-smi mig "
                            "-lgi)",
                            what, instances.size()));
  }

  Result<> TakeBack(const PciAddress& gpu, bool current, MigSwitch why) {
    const auto back = host_.nvml->SetMigMode(gpu, current);
    const std::string after =
        back ? std::string()
             : fmt::format("; and the change is still pending: {}", back.error().what);
    const std::string text = fmt::format("{} does not change its MIG mode", gpu.ToString());
    switch (why) {
      case MigSwitch::kPendingInUse:
        return Fail(Code::kBusy, fmt::format("{} while it is open somewhere: stop the daemons that "
                                             "watch it (dcgm, nvidia-persistenced){}",
                                             text, after));
      case MigSwitch::kPendingReset:
        return Fail(Code::kDenied, fmt::format("{} without a reset: set allowReset for it, or "
                                               "switch it by hand (nvidia-smi -mig, then -r){}",
                                               text, after));
      default:
        return Fail(Code::kIo,
                    fmt::format("{}: the driver failed, see the kernel's log{}", text, after));
    }
  }

  // As `nvidia-smi -r` without it: a driver that has let go of the GPU, and a reset of the
  // function.
  Result<> Reset(const PciAddress& gpu, bool enable, MonotonicTime deadline) {
    if (auto unused = CheckNvidiaReleased(host_, gpu); !unused) {
      static_cast<void>(host_.nvml->SetMigMode(gpu, !enable).has_value());
      return unused;
    }
    DRAPCI_TRY(DriverBinding binding, ReadBinding(host_.sysfs, gpu));
    const DriverBinding before = binding;
    binding.driver.clear();
    DRAPCI_CHECK(ApplyBinding(host_, gpu, binding, deadline));
    auto reset = host_.sysfs.Write(gpu.SysfsPath() + "/reset", "1");
    DRAPCI_CHECK(ApplyBinding(host_, gpu, before, deadline));
    return reset;
  }
};

// --- Instances -------------------------------------------------------------------------------

class GpuInstanceSetting : public NvidiaSetting {
 public:
  using NvidiaSetting::NvidiaSetting;

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const Place place, Find(target));
    if (!place.instance) return std::string(kNoGpuInstance);
    DRAPCI_TRY(const std::vector<Inner> inner, ReadInner(place));
    GpuInstanceValue value{
        .profile_id = place.slot.profile_id, .place = place.slot.place, .compute = {}};
    for (const Inner& each : inner) value.compute.push_back(each.slices);
    std::ranges::sort(value.compute);
    return FormatGpuInstance(value);
  }

  // A GPU instance is there before and after its compute instance.
  bool Between(std::string_view now_text, std::string_view before,
               std::string_view want) const override {
    if (now_text == before || now_text == want || now_text == kNoGpuInstance) return true;
    const auto now = ParseGpuInstance(now_text);
    return now && *now && (**now).compute.empty();
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    const auto want = ParseGpuInstance(value);
    if (!want) {
      return Fail(Code::kInvalid,
                  fmt::format("'{}' is no value of {}", value, kGpuInstanceSetting));
    }
    DRAPCI_TRY(const std::string now, Probe(target));
    if (now == value) return {};
    DRAPCI_TRY(Place place, Find(target));
    if (!*want) return Destroy(place, target);
    if ((**want).profile_id != place.slot.profile_id || (**want).place != place.slot.place) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, target));
    }
    if (!place.instance) {
      auto made = host_.nvml->CreateGpuInstance(place.gpu, place.slot.profile_id, place.slot.place);
      if (!made) return Fail(std::move(made).error().Within(target));
      place.instance = *made;
    }
    return MakeInner(place, **want, target);
  }

 private:
  struct Place {
    PciAddress gpu;
    MigSlot slot;
    std::optional<GpuInstance> instance;  // that lies there
  };
  struct Inner {
    uint32_t id = 0, slices = 0;
  };

  Result<Place> Find(std::string_view target) const {
    const size_t slash = target.find('/');
    DRAPCI_TRY(const PciAddress gpu, ParseGpu(target.substr(0, slash)));
    const std::string_view part =
        slash == std::string_view::npos ? std::string_view() : target.substr(slash + 1);
    DRAPCI_TRY(const MigMode mode, Mode(gpu));
    Place place{.gpu = gpu, .slot = {}, .instance = {}};
    auto profiles = host_.nvml->GpuInstanceProfiles(gpu);
    // Old drivers tell them in MIG mode only; without it there is no instance anyway.
    if (!profiles && profiles.error().code == Code::kUnsupported && !mode.current) return place;
    if (!profiles) return Fail(Away(std::move(profiles).error(), gpu));
    const MigLayout layout = LayOutMig(*profiles);
    const MigSlot* slot = FindSlot(layout, part);
    if (slot == nullptr) {
      return Fail(Code::kInvalid, fmt::format("'{}' names no place for a GPU instance of {}",
                                              target, gpu.ToString()));
    }
    place.slot = *slot;
    if (!mode.current) return place;
    auto instances = host_.nvml->GpuInstances(gpu);
    if (!instances) return Fail(Away(std::move(instances).error(), gpu));
    for (const GpuInstance& each : *instances) {
      if (each.profile_id == slot->profile_id && each.placement == slot->place)
        place.instance = each;
    }
    return place;
  }

  Result<std::vector<Inner>> ReadInner(const Place& place) const {
    const uint32_t id = place.instance->id;
    DRAPCI_TRY(const auto profiles, host_.nvml->ComputeInstanceProfiles(place.gpu, id));
    DRAPCI_TRY(const auto instances, host_.nvml->ComputeInstances(place.gpu, id));
    std::vector<Inner> inner;
    for (const ComputeInstance& each : instances) {
      const auto profile =
          std::ranges::find(profiles, each.profile_id, &ComputeInstanceProfile::id);
      inner.push_back(
          {.id = each.id, .slices = profile == profiles.end() ? 0 : profile->compute_slices});
    }
    return inner;
  }

  Result<> MakeInner(const Place& place, const GpuInstanceValue& want, std::string_view target) {
    DRAPCI_TRY(const std::vector<Inner> inner, ReadInner(place));
    if (!inner.empty()) return {};  // the caller looks at them
    const uint32_t id = place.instance->id;
    DRAPCI_TRY(const auto profiles, host_.nvml->ComputeInstanceProfiles(place.gpu, id));
    for (const uint32_t slices : want.compute) {
      const auto profile = std::ranges::find_if(profiles, [&](const auto& each) {
        return each.compute_slices == slices && each.max_instances > 0;
      });
      if (profile == profiles.end()) {
        return Fail(Code::kUnsupported,
                    fmt::format("{} offers no compute instance of {} slices", target, slices));
      }
      auto made = host_.nvml->CreateComputeInstance(place.gpu, id, profile->id, std::nullopt);
      if (!made) return Fail(std::move(made).error().Within(target));
    }
    return {};
  }

  Result<> Destroy(const Place& place, std::string_view target) {
    if (!place.instance) return {};
    const uint32_t id = place.instance->id;
    const auto refuse = [&](Error error) -> Result<> {
      if (error.code != Code::kBusy) return Fail(std::move(error).Within(target));
      const std::string users = NameNvidiaProcesses(host_, place.gpu, id);
      return Fail(Code::kBusy, fmt::format("{} is used by {}: stop it first: {}", target,
                                           users.empty() ? "somebody" : users, error.what));
    };
    DRAPCI_TRY(const std::vector<Inner> inner, ReadInner(place));
    for (const Inner& each : inner) {
      auto gone = host_.nvml->DestroyComputeInstance(place.gpu, id, each.id);
      if (!gone && gone.error().code != Code::kNotFound) return refuse(std::move(gone).error());
    }
    auto gone = host_.nvml->DestroyGpuInstance(place.gpu, id);
    if (!gone && gone.error().code != Code::kNotFound) return refuse(std::move(gone).error());
    return {};
  }
};

}  // namespace

void AddNvidiaSettings(Host& host, SettingTable& table) {
  table.emplace(kMigModeSetting, std::make_unique<MigModeSetting>(host));
  table.emplace(kGpuInstanceSetting, std::make_unique<GpuInstanceSetting>(host));
}

}  // namespace drapci::hal
