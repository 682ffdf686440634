#include "plugin/claims/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "plugin/claims/claim_view.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

using Json = nlohmann::ordered_json;

// The API server's own limits (staging/src/k8s.io/api/resource/v1/types.go); a message is for
// people, who read no 32 KiB.
constexpr size_t kMaxConditions = 8, kMaxReason = 1024, kMaxMessage = 1024, kMaxData = 10 * 1024,
                 kMaxInterface = 256, kMaxMac = 128, kMaxAddresses = 16;

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string DataOf(const driver::PreparedDevice& device) {
  Json data = Json::object();
  if (!device.address.empty()) data["pciAddress"] = Printable(device.address, 64);
  if (!device.part.empty()) data["part"] = Printable(device.part, 64);
  for (const auto& [capacity, value] : device.request.share) {
    data["shares"][Printable(capacity, 64)] = value;
  }
  return data.empty() ? "" : Text(data);
}

Json ConditionsOf(const DeviceStatus& device, std::string_view time) {
  Json conditions = Json::array();
  std::set<std::string_view> types;
  for (const Condition& condition : device.conditions) {
    if (conditions.size() == kMaxConditions || !types.insert(condition.type).second) continue;
    conditions.push_back(Json{{"type", condition.type},
                              {"status", condition.status},
                              {"reason", condition.reason.substr(0, kMaxReason)},
                              {"message", Printable(condition.message, kMaxMessage)},
                              {"lastTransitionTime", condition.since != 0 ? Rfc3339(condition.since)
                                                                          : std::string(time)}});
  }
  return conditions;
}

Json NetworkDataOf(const DeviceStatus& device) {
  Json data = Json::object();
  if (!device.interface_name.empty()) {
    data["interfaceName"] = Printable(device.interface_name, kMaxInterface);
  }
  if (!device.mac.empty()) data["hardwareAddress"] = Printable(device.mac, kMaxMac);
  std::set<std::string_view> seen;
  for (const std::string& address : device.addresses) {
    if (seen.size() == kMaxAddresses || !seen.insert(address).second) continue;
    data["ips"].push_back(address);
  }
  return data;
}

Json EntryOf(std::string_view driver_name, const DeviceStatus& device, std::string_view time) {
  Json entry{{"driver", driver_name}, {"pool", device.pool}, {"device", device.device}};
  if (!device.share_id.empty()) entry["shareID"] = device.share_id;
  if (!device.conditions.empty()) entry["conditions"] = ConditionsOf(device, time);
  if (!device.data.empty() && device.data.size() <= kMaxData) {
    Json data = Json::parse(device.data, nullptr, /*allow_exceptions=*/false);
    if (data.is_object()) entry["data"] = std::move(data);
  }
  if (Json network = NetworkDataOf(device); !network.empty()) {
    entry["networkData"] = std::move(network);
  }
  return entry;
}

DeviceStatus NameOf(const driver::DeviceRequest& request) {
  DeviceStatus status;
  status.pool = request.pool;
  status.device = request.device;
  status.share_id = request.share_id;
  return status;
}

}  // namespace

std::vector<DeviceStatus> StatusOf(const driver::ClaimRecord& record) {
  std::vector<DeviceStatus> devices;
  const bool well = record.state == driver::ClaimState::kPrepared && record.trouble.empty();
  for (const driver::PreparedDevice& device : record.answer.devices) {
    DeviceStatus status = NameOf(device.request);
    if (well) {
      status.conditions = {{.type = "Ready",
                            .status = "True",
                            .reason = "Prepared",
                            .message = "",
                            .since = record.prepared_at}};
    } else {
      status.conditions = {
          {.type = "Ready",
           .status = "False",
           .reason = "Unusable",
           .message = record.trouble.empty() ? "it is not prepared (any more)" : record.trouble}};
    }
    status.data = DataOf(device);
    if (!device.interfaces.empty()) {
      const hal::ContainerInterface& interface = device.interfaces.front();
      status.interface_name = interface.name;
      status.mac = interface.mac;
      status.addresses = interface.addresses;
    }
    devices.push_back(std::move(status));
  }
  return devices;
}

std::vector<DeviceStatus> StatusOfFailure(const driver::ClaimRequest& claim, const Error& error) {
  std::vector<DeviceStatus> devices;
  for (const driver::DeviceRequest& request : claim.devices) {
    DeviceStatus status = NameOf(request);
    status.conditions = {
        {.type = "Ready", .status = "False", .reason = "PrepareFailed", .message = OneLine(error)}};
    devices.push_back(std::move(status));
  }
  return devices;
}

std::string ReasonOf(Code code) {
  std::string reason;
  bool upper = true;
  for (const char c : CodeName(code)) {
    const bool letter = c >= 'a' && c <= 'z';
    if (letter) reason += upper ? static_cast<char>(c - 'a' + 'A') : c;
    upper = !letter;
  }
  return reason;
}

std::string ApplyBody(std::string_view driver_name, const driver::ClaimRequest& claim,
                      const std::vector<DeviceStatus>& devices, std::string_view time) {
  Json entries = Json::array();
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
  for (const DeviceStatus& device : devices) {
    if (!seen.insert({device.pool, device.device, device.share_id}).second) continue;
    entries.push_back(EntryOf(driver_name, device, time));
  }
  // With the UID a claim of the same name that came later is not written to.
  return Text(Json{
      {"apiVersion", "resource.k8s.io/v1"},
      {"kind", "ResourceClaim"},
      {"metadata", {{"namespace", claim.namespace_name}, {"name", claim.name}, {"uid", claim.uid}}},
      {"status", {{"devices", std::move(entries)}}}});
}

}  // namespace drapci::plugin::claims
