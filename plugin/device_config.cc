#include "plugin/device_config.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "hal/fpga/image_store.h"
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

Result<> DecodeFpga(const JsonField& parameters, DeviceConfig& config) {
  constexpr std::string_view kAlgorithm = "sha256:";
  DRAPCI_CHECK(parameters.HasOnly({"apiVersion", "kind", "image", "digest"}));
  hal::ImageRequest image;
  const JsonField name = parameters["image"];
  DRAPCI_TRY(image.name, name.Text());
  if (!hal::IsImageName(image.name)) {
    return Fail(
        name.Wrong(fmt::format("'{}' is no name of an image: 1 to 64 of a-z, 0-9, '.', '_' "
                               "and '-', no '.' in front",
                               Printable(image.name, 100))));
  }
  if (const JsonField digest = parameters["digest"]; digest.present()) {
    DRAPCI_TRY(const std::string text, digest.Text());
    if (text.starts_with(kAlgorithm)) image.digest = text.substr(kAlgorithm.size());
    if (!hal::IsImageDigest(image.digest)) {
      return Fail(digest.Wrong("must be sha256: and 64 hexadecimal digits in lower case"));
    }
  }
  config.image = std::move(image);
  return {};
}

// A class that names an image has decided; a claim may add which file it means by that.
Result<> ApplyFpga(const DeviceConfig& from, const ConfigOverlay& overlay, DeviceConfig& to) {
  if (!from.image) return {};
  if (overlay.by_claim() && to.image) {
    if (from.image->name != to.image->name) {
      return overlay.Deny("image", fmt::format("is not {}, which the class names", to.image->name));
    }
    if (from.image->digest.empty()) return {};
    if (!to.image->digest.empty() && from.image->digest != to.image->digest) {
      return overlay.Deny("digest", "is not the one that the class names");
    }
  }
  to.image = from.image;
  return {};
}

// The kinds of configuration.
struct Kind {
  std::string_view name;
  Result<> (*decode)(const JsonField& parameters, DeviceConfig& config);
  Result<> (*apply)(const DeviceConfig& from, const ConfigOverlay& overlay, DeviceConfig& to);
};
constexpr std::array kKinds{Kind{"AccessConfig", DecodeAccess, ApplyAccess},
                            Kind{"NetworkConfig", DecodeNetwork, ApplyNetwork},
                            Kind{"FpgaConfig", DecodeFpga, ApplyFpga}};

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
  device.image.reset();
  if (!device.admin_access) device.image = config.image;
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
