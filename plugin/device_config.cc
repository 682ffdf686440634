#include "plugin/device_config.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "plugin/text.h"

namespace drapci::plugin {
namespace {

Result<> DecodeAccess(const JsonField& parameters, DeviceConfig& config) {
  DRAPCI_CHECK(parameters.HasOnly({"apiVersion", "kind", "driver"}));
  const JsonField field = parameters["driver"];
  DRAPCI_TRY(const std::string driver, field.Text());
  if (driver.empty()) return Fail(field.Wrong("is missing; allowed are kernel, vfio"));
  if (driver != "kernel" && driver != "vfio") {
    return Fail(field.Wrong(
        fmt::format("'{}' is unknown; allowed are kernel, vfio", Printable(driver, 100))));
  }
  config.access = driver == "vfio" ? hal::Access::kVfio : hal::Access::kKernel;
  return {};
}

Result<> ApplyAccess(const DeviceConfig& from, const ConfigOverlay& overlay, DeviceConfig& to) {
  return overlay.LayReserved("driver", "vfio hands over the whole device", from.access, to.access,
                             hal::Access::kVfio);
}

Result<> DecodeNetwork(const JsonField& parameters, DeviceConfig& config) {
  DRAPCI_TRY(config.network, DecodeNetworkConfig(parameters));
  return {};
}

Result<> ApplyNetwork(const DeviceConfig& from, const ConfigOverlay& overlay, DeviceConfig& to) {
  if (!from.network) return {};
  if (!to.network) to.network.emplace();
  return Overlay(*from.network, overlay, *to.network);
}

// The kinds of configuration.
struct Kind {
  std::string_view name;
  Result<> (*decode)(const JsonField& parameters, DeviceConfig& config);
  Result<> (*apply)(const DeviceConfig& from, const ConfigOverlay& overlay, DeviceConfig& to);
};
constexpr std::array kKinds{Kind{"AccessConfig", DecodeAccess, ApplyAccess},
                            Kind{"NetworkConfig", DecodeNetwork, ApplyNetwork}};

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
  DeviceConfig config;
  std::string known;
  for (const Kind& one : kKinds) {
    if (kind == one.name) {
      DRAPCI_CHECK(one.decode(parameters, config));
      return config;
    }
    known += fmt::format("{}{}", known.empty() ? "" : ", ", one.name);
  }
  return Fail(kind_field.Wrong(
      fmt::format("'{}' is unknown; allowed are {}", Printable(kind, 100), known)));
}

Result<DeviceConfig> DecodeDeviceConfig(std::string_view json, std::string_view name) {
  const auto document = ParseJson(json);
  if (!document) return Fail(Error(document.error()).Within(name));
  return DecodeDeviceConfig(JsonField(*document, std::string(name)));
}

Result<> ApplyDeviceConfig(const DeviceConfig& from, ConfigSource source, std::string_view where,
                           DeviceConfig& config) {
  const ConfigOverlay overlay(source, where);
  for (const Kind& kind : kKinds) DRAPCI_CHECK(kind.apply(from, overlay, config));
  return {};
}

void ConfigureRequest(const DeviceConfig& config, driver::DeviceRequest& device) {
  device.access = config.access.value_or(hal::Access::kKernel);
  device.network.reset();
  if (config.network && !device.admin_access) device.network = ToNetworkRequest(*config.network);
}

Result<> CheckInterfaces(const std::vector<driver::DeviceRequest>& devices) {
  std::set<std::string> seen;
  const auto claim = [&seen](std::string_view what, const std::string& value) -> Result<> {
    if (value.empty() || seen.insert(fmt::format("{} {}", what, value)).second) return {};
    return Fail(Code::kInvalid,
                fmt::format("two devices ask for the {} {}; name one request in the "
                            "configuration's `requests`",
                            what, value));
  };
  for (const driver::DeviceRequest& device : devices) {
    if (!device.network) continue;
    DRAPCI_CHECK(claim("MAC", device.network->vf.mac.value_or("")));
    if (device.network->stay) continue;
    DRAPCI_CHECK(claim("interface name", device.network->interface));
    for (const std::string& address : device.network->addresses) {
      DRAPCI_CHECK(claim("address", address));
    }
  }
  return {};
}

}  // namespace drapci::plugin
