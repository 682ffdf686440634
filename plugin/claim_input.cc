#include "plugin/claim_input.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/claim_json.h"
#include "plugin/device_config.h"
#include "plugin/quantity.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

constexpr size_t kMaxName = 253;       // as Kubernetes has it
constexpr size_t kMaxCapacities = 32;  // of one device

Result<std::map<std::string, int64_t>> Amounts(const std::map<std::string, std::string>& share) {
  std::map<std::string, int64_t> amounts;
  if (share.size() > kMaxCapacities) {
    return Fail(Code::kInvalid, fmt::format("{} capacities are asked for, a device has at most {}",
                                            share.size(), kMaxCapacities));
  }
  for (const auto& [capacity, text] : share) {
    const auto amount = ParseQuantity(text);
    if (capacity.empty() || !amount || *amount < 0) {
      return Fail(Code::kInvalid,
                  fmt::format("share {}={}: must be CAPACITY=QUANTITY, such as bandwidth=200M",
                              Printable(capacity, 100), Printable(text, 100)));
    }
    amounts[capacity] = *amount;
  }
  return amounts;
}

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
                                              std::string_view config_json,
                                              const std::map<std::string, std::string>& share) {
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
  DRAPCI_TRY(const auto amounts, Amounts(share));
  driver::ClaimRequest request;
  request.uid = UidForName(name);
  request.name = name;
  for (const std::string& device_name : devices) {
    driver::DeviceRequest device;
    device.device = device_name;
    if (!amounts.empty()) {
      device.share_id = ShareIdFor(name, device_name);
      device.share = amounts;
    }
    ConfigureRequest(config, device);
    request.devices.push_back(std::move(device));
  }
  DRAPCI_CHECK(CheckInterfaces(request.devices));
  return request;
}

std::string ShareIdFor(std::string_view name, std::string_view device) {
  // The name's length keeps ("a", "b/c") and ("a/b", "c") apart.
  const std::string text = fmt::format("{}/{}/{}", name.size(), name, device);
  std::string digits = StableHash(text) + StableHash("share/" + text);
  digits[12] = '8';  // version 8: of the maker's own choice
  digits[16] = '8';  // variant 10
  for (const size_t at : {20, 16, 12, 8}) digits.insert(at, "-");
  return digits;
}

}  // namespace drapci::plugin
