#include "plugin/claim_input.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/claim_json.h"
#include "plugin/device_config.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

constexpr size_t kMaxName = 253;  // as Kubernetes has it

}  // namespace

std::string UidForName(std::string_view name) {
  std::string uid = fmt::format("cli-{}", name);
  if (driver::IsValidUid(uid)) return uid;
  const std::string hash = StableHash(name);
  uid.resize(std::min(uid.size(), driver::kMaxUidLength - hash.size() - 1));
  for (char& c : uid) {
    if (!driver::IsValidUid(std::string_view(&c, 1))) c = '-';
  }
  return fmt::format("{}-{}", uid, hash);
}

Result<driver::ClaimRequest> ClaimFromJson(std::string_view json, std::string_view driver_name) {
  DRAPCI_TRY(auto request, DecodeClaim(json, driver_name));
  if (request.uid.empty()) {
    request.uid = UidForName(request.namespace_name.empty()
                                 ? request.name
                                 : fmt::format("{}/{}", request.namespace_name, request.name));
  }
  return request;
}

Result<driver::ClaimRequest> ClaimFromDevices(const std::string& name,
                                              const std::vector<std::string>& devices,
                                              std::string_view config_json) {
  if (name.empty() || name.size() > kMaxName || Printable(name, kMaxName) != name) {
    return Fail(Code::kInvalid,
                fmt::format("a claim's name must be 1 to {} printable characters", kMaxName));
  }
  if (devices.empty()) return Fail(Code::kInvalid, "a claim needs at least one device");
  if (devices.size() > driver::kMaxDevicesPerClaim) {
    return Fail(Code::kInvalid, fmt::format("{} devices are asked for, a claim holds at most {}",
                                            devices.size(), driver::kMaxDevicesPerClaim));
  }
  DeviceConfig config;
  if (!config_json.empty()) {
    DRAPCI_TRY(const DeviceConfig asked, DecodeDeviceConfig(config_json, "configuration"));
    DRAPCI_CHECK(ApplyDeviceConfig(asked, ConfigSource::kOperator, "configuration", config));
  }
  driver::ClaimRequest request;
  request.uid = UidForName(name);
  request.name = name;
  for (const std::string& device : devices) {
    request.devices.push_back({.request_names = {},
                               .pool = {},
                               .device = device,
                               .share_id = {},
                               .admin_access = false,
                               .access = config.access.value_or(hal::Access::kKernel)});
  }
  return request;
}

}  // namespace drapci::plugin
