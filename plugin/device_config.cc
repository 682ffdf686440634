#include "plugin/device_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "plugin/text.h"

namespace drapci::plugin {
namespace {

Result<DeviceConfig> DecodeAccess(const JsonField& parameters) {
  DRAPCI_CHECK(parameters.HasOnly({"apiVersion", "kind", "driver"}));
  const JsonField field = parameters["driver"];
  DRAPCI_TRY(const std::string driver, field.Text());
  if (driver == "kernel") return DeviceConfig{.access = hal::Access::kKernel};
  if (driver == "vfio") return DeviceConfig{.access = hal::Access::kVfio};
  if (driver.empty()) return Fail(field.Wrong("is missing; allowed are kernel, vfio"));
  return Fail(field.Wrong(
      fmt::format("'{}' is unknown; allowed are kernel, vfio", Printable(driver, 100))));
}

}  // namespace

Result<DeviceConfig> DecodeDeviceConfig(const JsonField& parameters) {
  DRAPCI_CHECK(parameters.IsObject());
  if (!parameters.present()) return Fail(parameters.Wrong("is missing"));
  const JsonField version = parameters["apiVersion"];
  DRAPCI_TRY(const std::string api_version, version.Text());
  if (api_version != kConfigApiVersion) {
    return Fail(version.Wrong(
        fmt::format("is '{}', must be {}", Printable(api_version, 100), kConfigApiVersion)));
  }
  const JsonField kind_field = parameters["kind"];
  DRAPCI_TRY(const std::string kind, kind_field.Text());
  if (kind == "AccessConfig") return DecodeAccess(parameters);
  return Fail(kind_field.Wrong(
      fmt::format("'{}' is unknown; allowed is AccessConfig", Printable(kind, 100))));
}

Result<DeviceConfig> DecodeDeviceConfig(std::string_view json, std::string_view name) {
  const auto document = ParseJson(json);
  if (!document) return Fail(Error(document.error()).Within(name));
  return DecodeDeviceConfig(JsonField(*document, std::string(name)));
}

Result<> ApplyDeviceConfig(const DeviceConfig& from, ConfigSource source, std::string_view where,
                           DeviceConfig& config) {
  if (!from.access) return {};
  if (source == ConfigSource::kClaim && *from.access == hal::Access::kVfio &&
      config.access != hal::Access::kVfio) {
    return Fail(
        Code::kDenied,
        fmt::format("{}.driver: vfio hands over the whole device, so it has to be set in the "
                    "DeviceClass; a claim alone cannot ask for it",
                    where));
  }
  config.access = from.access;
  return {};
}

}  // namespace drapci::plugin
