#include "hal/pci/device_place.h"

#include <fmt/format.h>

#include <cerrno>

#include "hal/base/parse.h"

namespace drapci::hal {

std::string SfName(int index) { return fmt::format("sf{}", index); }

std::optional<int> ParseSfName(std::string_view name) {
  if (!name.starts_with("sf")) return std::nullopt;
  const auto index = ParseInt<int>(name.substr(2));
  if (!index || *index < 0 || *index >= kMostSfs || SfName(*index) != name) return std::nullopt;
  return index;
}

std::optional<DevicePlace> DevicePlace::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view function = text.substr(0, slash);
  const auto address = PciAddress::Parse(function);
  if (!address || address->ToString() != function) return std::nullopt;
  if (slash == std::string_view::npos) return DevicePlace(*address);
  const auto index = ParseSfName(text.substr(slash + 1));
  return index ? std::optional(DevicePlace(*address, *index)) : std::nullopt;
}

std::string DevicePlace::ToString() const {
  return sf ? fmt::format("{}/{}", function.ToString(), SfName(*sf)) : function.ToString();
}

Result<std::string> DevicePlace::Path(const Sysfs& sysfs) const {
  DRAPCI_TRY(std::string dir, sysfs.Resolve(function.SysfsPath()));
  if (!sf) return dir;
  DRAPCI_TRY(const std::vector<std::string> children, sysfs.ListDirectories(dir));
  for (const std::string& child : children) {
    // "mlx5_core.sf.4", "ice.sf.0"
    if (!child.contains(".sf.")) continue;
    std::string path = fmt::format("{}/{}", dir, child);
    const auto text = sysfs.Read(path + "/sfnum");
    const auto number = text ? ParseInt<uint32_t>(Trim(*text)) : std::nullopt;
    if (number == kFirstSfNumber + static_cast<uint32_t>(*sf)) return path;
  }
  return Fail({Code::kGone, ENODEV, fmt::format("sub-function {} is not there", ToString())});
}

}  // namespace drapci::hal
