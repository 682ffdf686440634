#include "hal/accel/pci_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/accel/match.h"
#include "hal/base/parse.h"
#include "hal/pci/vfio.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kNone = "none";
constexpr std::string_view kOverride = " override=";
constexpr std::string_view kVfs = "vfs=";
constexpr std::string_view kAutoprobe = " autoprobe=";
constexpr int kMostVfs = 65535;

// What can be the name of a directory below /sys/bus/pci/drivers; some drivers have blanks in
// theirs.
bool IsDriverName(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name != "." && name != ".." &&
         !name.starts_with(' ') && !name.ends_with(' ') && !name.contains(kOverride) &&
         std::ranges::none_of(name,
                              [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/'; });
}

// A number in the one spelling that std::to_string gives it.
std::optional<int> PlainNumber(std::string_view text) {
  const auto number = ParseInt<int>(text);
  if (!number || *number < 0 || std::to_string(*number) != text) return std::nullopt;
  return number;
}

std::unexpected<Error> BadTarget(std::string_view target) {
  return Fail(Code::kInvalid, fmt::format("'{}' names no PCI function", target));
}

std::unexpected<Error> BadValue(std::string_view setting, std::string_view value) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, setting));
}

class DriverSetting : public Setting {
 public:
  explicit DriverSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const PciAddress address, Find(target));
    DRAPCI_TRY(const DriverBinding now, ReadBinding(host_.sysfs, address));
    return FormatBinding(now);
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const PciAddress address, Find(target));
    DRAPCI_TRY(const DriverBinding now, ReadBinding(host_.sysfs, address));
    if (value == kKernelDriver) {
      if (IsVfioDriver(now.driver)) DRAPCI_CHECK(CheckUnusedBy(host_, address, now.driver));
      return BindKernelDriver(host_, address, deadline);
    }
    const auto want = ParseBinding(value);
    if (!want) return BadValue(kDriverSetting, value);
    if (IsVfioDriver(want->driver)) {
      // Before anything is touched: a group in use must not cost the function its driver.
      DRAPCI_CHECK(CheckVfioGroup(host_.sysfs, address));
    }
    if (!now.driver.empty() && now.driver != want->driver) {
      DRAPCI_CHECK(CheckUnusedBy(host_, address, now.driver));
    }
    return ApplyBinding(host_, address, *want, deadline);
  }

  bool Satisfies(std::string_view value, std::string_view want) const override {
    if (want != kKernelDriver) return value == want;
    const auto now = ParseBinding(value);
    return now && !now->driver.empty() && !IsVfioDriver(now->driver);
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = ParseBinding(now_text), before = ParseBinding(before_text);
    const bool kernel = want_text == kKernelDriver;
    const auto want = kernel ? DriverBinding() : ParseBinding(want_text);
    if (!now || !before || !want) return false;
    // A kernel driver may take a function by itself, when udev loads its module late. A driver that
    // hands it to user space is somebody's decision.
    const bool driver =
        !IsVfioDriver(now->driver) || now->driver == before->driver || now->driver == want->driver;
    // A driver's name may stand in the override for the moment of binding (ApplyBinding).
    const std::string& override_now = now->driver_override;
    const bool override_ok = override_now.empty() || override_now == before->driver_override ||
                             override_now == want->driver_override ||
                             override_now == before->driver || override_now == want->driver;
    return driver && override_ok;
  }

 private:
  Result<PciAddress> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place) return BadTarget(target);
    return place->Find(host_.sysfs);
  }

  Host& host_;
};

class SriovSetting : public Setting {
 public:
  explicit SriovSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    DRAPCI_TRY(const SriovState now, ReadSriov(host_.sysfs, pf));
    return FormatSriov(now);
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    const auto want = ParseSriov(value);
    if (!want) return BadValue(kSriovSetting, value);
    return ApplySriov(host_, pf, *want, deadline);
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = ParseSriov(now_text), before = ParseSriov(before_text),
               want = ParseSriov(want_text);
    if (!now || !before || !want) return false;
    // The count goes through 0; the switch is off meanwhile.
    return now->vfs == 0 || now->vfs == before->vfs || now->vfs == want->vfs;
  }

 private:
  Result<PciAddress> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || place->vf) return BadTarget(target);
    return place->Find(host_.sysfs);
  }

  Host& host_;
};

}  // namespace

std::string FormatBinding(const DriverBinding& binding) {
  std::string text = binding.driver.empty() ? std::string(kNone) : binding.driver;
  if (!binding.driver_override.empty())
    text += fmt::format("{}{}", kOverride, binding.driver_override);
  return text;
}

std::optional<DriverBinding> ParseBinding(std::string_view value) {
  if (value == kKernelDriver) return std::nullopt;
  DriverBinding binding;
  const size_t at = value.find(kOverride);
  const std::string_view driver = value.substr(0, at);
  if (!IsDriverName(driver)) return std::nullopt;
  if (driver != kNone) binding.driver = driver;
  if (at == std::string_view::npos) return binding;
  const std::string_view wanted = value.substr(at + kOverride.size());
  if (!IsDriverName(wanted)) return std::nullopt;
  binding.driver_override = wanted;
  return binding;
}

std::string FormatSriov(const SriovState& state) {
  return fmt::format("{}{}{}{}", kVfs, state.vfs, kAutoprobe, state.autoprobe ? 1 : 0);
}

std::optional<SriovState> ParseSriov(std::string_view value) {
  const size_t at = value.find(kAutoprobe);
  if (!value.starts_with(kVfs) || at == std::string_view::npos || at < kVfs.size()) {
    return std::nullopt;
  }
  const auto vfs = PlainNumber(value.substr(kVfs.size(), at - kVfs.size()));
  const std::string_view autoprobe = value.substr(at + kAutoprobe.size());
  if (!vfs || *vfs > kMostVfs || (autoprobe != "0" && autoprobe != "1")) return std::nullopt;
  return SriovState{.vfs = *vfs, .autoprobe = autoprobe == "1"};
}

std::string VfName(int index) { return fmt::format("vf{}", index); }

std::optional<int> ParseVfName(std::string_view name) {
  if (!name.starts_with("vf")) return std::nullopt;
  const auto index = PlainNumber(name.substr(2));
  return index && *index <= kMostVfs ? index : std::nullopt;
}

std::optional<FunctionPlace> FunctionPlace::Parse(std::string_view text) {
  FunctionPlace place;
  const size_t slash = text.find('/');
  const std::string_view function = text.substr(0, slash);
  const auto pf = PciAddress::Parse(function);
  if (!pf || pf->ToString() != function) return std::nullopt;
  place.pf = *pf;
  if (slash == std::string_view::npos) return place;
  place.vf = ParseVfName(text.substr(slash + 1));
  if (!place.vf) return std::nullopt;
  return place;
}

std::string FunctionPlace::ToString() const {
  return vf ? fmt::format("{}/{}", pf.ToString(), VfName(*vf)) : pf.ToString();
}

Result<PciAddress> FunctionPlace::Find(const Sysfs& sysfs) const {
  if (!sysfs.Exists(pf.SysfsPath())) {
    return Fail({Code::kGone, ENODEV, fmt::format("PCI function {} is not there", pf.ToString())});
  }
  if (!vf) return pf;
  return VfAddress(sysfs, pf, *vf);
}

void AddPciSettings(Host& host, SettingTable& table) {
  table.emplace(kDriverSetting, std::make_unique<DriverSetting>(host));
  table.emplace(kSriovSetting, std::make_unique<SriovSetting>(host));
}

}  // namespace drapci::hal
