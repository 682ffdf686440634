#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <variant>

#include "plugin/claims/claim_view.h"
#include "plugin/claims/metadata.h"
#include "plugin/slices/attributes.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

using Json = nlohmann::ordered_json;

// Newest first: a reader takes the first that it knows.
constexpr std::string_view kVersions[] = {"metadata.resource.k8s.io/v1beta1",
                                          "metadata.resource.k8s.io/v1alpha1"};
constexpr size_t kMaxAttributes = 32;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

// resource.k8s.io/v1 DeviceAttribute.
Json AttributeJson(const slices::Attribute& attribute) {
  return std::visit(
      Overloaded{[](bool value) { return Json{{"bool", value}}; },
                 [](int64_t value) { return Json{{"int", value}}; },
                 [](const std::string& value) { return Json{{"string", value}}; },
                 [](const slices::Version& value) { return Json{{"version", value.text}}; }},
      attribute);
}

Json DeviceJson(std::string_view driver_name, const driver::PreparedDevice& device,
                const driver::Snapshot& snapshot) {
  Json json{
      {"driver", driver_name}, {"pool", device.request.pool}, {"name", device.request.device}};
  // A card that is gone has none; its file stays as long as its claim.
  const auto [accelerator, found] = snapshot.Find(device.request.device);
  if (accelerator != nullptr && found != nullptr) {
    for (const auto& [name, value] : slices::AttributesOf(*accelerator, *found, kMaxAttributes)) {
      json["attributes"][name] = AttributeJson(value);
    }
  }
  if (!device.interfaces.empty()) {
    const hal::ContainerInterface& interface = device.interfaces.front();
    Json& network = json["networkData"];
    network["interfaceName"] = interface.name;
    if (!interface.addresses.empty()) network["ips"] = interface.addresses;
    if (!interface.mac.empty()) network["hardwareAddress"] = interface.mac;
  }
  return json;
}

}  // namespace

Result<MetadataClaim> MetadataClaimOf(std::string_view json, std::string_view driver_name) {
  DRAPCI_TRY(ClaimView view, ViewClaim(json, driver_name));
  MetadataClaim claim;
  claim.pod_claim_name = std::move(view.pod_claim_name);
  for (AllocatedDevice& device : view.devices) {
    const size_t slash = device.request.find('/');
    if (slash == std::string::npos) continue;
    claim.full_requests.emplace(device.request.substr(0, slash), device.request);
  }
  return claim;
}

Result<std::string> MetadataText(std::string_view driver_name, const driver::ClaimRecord& record,
                                 std::string_view request, const MetadataClaim& claim,
                                 const driver::Snapshot& snapshot, int64_t generation) {
  Json devices = Json::array();
  for (const driver::PreparedDevice& device : record.answer.devices) {
    if (std::ranges::find(device.request.request_names, request) ==
        device.request.request_names.end()) {
      continue;
    }
    devices.push_back(DeviceJson(driver_name, device, snapshot));
  }
  if (devices.empty()) {
    return Fail(Code::kNotFound, fmt::format("claim {} has no prepared device for the request '{}'",
                                             record.request.uid, Printable(request, 100)));
  }
  const auto full = claim.full_requests.find(std::string(request));
  const std::string& pod_claim_name =
      claim.pod_claim_name.empty() ? record.request.alias : claim.pod_claim_name;
  std::string text;
  for (const std::string_view version : kVersions) {
    Json object{{"kind", "DeviceMetadata"},
                {"apiVersion", version},
                {"metadata",
                 {{"name", record.request.name},
                  {"namespace", record.request.namespace_name},
                  {"uid", record.request.uid},
                  {"generation", generation}}}};
    if (!pod_claim_name.empty()) object["podClaimName"] = pod_claim_name;
    object["requests"].push_back(
        Json{{"name", full == claim.full_requests.end() ? std::string(request) : full->second},
             {"devices", devices}});
    text += object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return text;
}

}  // namespace drapci::plugin::claims
