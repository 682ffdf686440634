#include "plugin/claim_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "plugin/device_config.h"
#include "plugin/json.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

// The API server's own limits (staging/src/k8s.io/api/resource/v1/types.go).
constexpr size_t kMaxConfigs = 64, kMaxRequests = 64, kMaxCapacities = 64;
constexpr size_t kMaxNodeTerms = 64, kMaxNodeNames = 1024;  // ours
constexpr size_t kMaxName = 253, kMaxRequestName = 2 * 63 + 1, kMaxDeviceName = 63, kMaxAlias = 63,
                 kMaxPool = 512;

// One entry of the allocation's configuration that is ours.
struct ConfigEntry {
  ConfigSource source = ConfigSource::kClaim;
  std::vector<std::string> requests;
  DeviceConfig config;
  std::string where;

  // `request` is "req" or "req/sub".
  bool AppliesTo(std::string_view request) const {
    const std::string_view main = request.substr(0, request.find('/'));
    return requests.empty() || std::ranges::find(requests, request) != requests.end() ||
           std::ranges::find(requests, main) != requests.end();
  }
};

Result<std::vector<ConfigEntry>> DecodeConfigs(const JsonField& list,
                                               std::string_view driver_name) {
  // The API server lists classes first; an operator's file might not.
  std::vector<ConfigEntry> of_classes, of_claims;
  DRAPCI_TRY(const auto items, list.Items(kMaxConfigs));
  for (const JsonField& item : items) {
    DRAPCI_CHECK(item.IsObject());
    const JsonField opaque = item["opaque"];
    DRAPCI_CHECK(opaque.IsObject());
    DRAPCI_TRY(const std::string driver, opaque["driver"].Text());
    if (driver != driver_name) continue;
    const JsonField parameters = opaque["parameters"];
    ConfigEntry entry;
    entry.where = parameters.path();
    DRAPCI_TRY(const std::string source, item["source"].Text());
    if (source != "FromClass" && source != "FromClaim") {
      return Fail(item["source"].Wrong(
          fmt::format("is '{}'; allowed are FromClass, FromClaim", Printable(source, 100))));
    }
    if (source == "FromClass") entry.source = ConfigSource::kClass;
    DRAPCI_TRY(const auto requests, item["requests"].Items(kMaxRequests));
    for (const JsonField& request : requests) {
      DRAPCI_TRY(entry.requests.emplace_back(), request.Name(kMaxRequestName, true));
    }
    DRAPCI_TRY(entry.config, DecodeDeviceConfig(parameters));
    (entry.source == ConfigSource::kClass ? of_classes : of_claims).push_back(std::move(entry));
  }
  std::ranges::move(of_claims, std::back_inserter(of_classes));
  return of_classes;
}

// "[domain/]id" (staging/src/k8s.io/api/resource/v1/types.go, QualifiedName).
bool IsQualifiedName(std::string_view name) {
  constexpr size_t kMaxDomain = 63, kMaxId = 32;
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (const size_t slash = name.find('/'); slash != std::string_view::npos) {
    const std::string_view domain = name.substr(0, slash);
    name.remove_prefix(slash + 1);
    const auto is_domain = [&](char c) {
      return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.';
    };
    if (domain.empty() || domain.size() > kMaxDomain || !std::ranges::all_of(domain, is_domain) ||
        domain.starts_with('.') || domain.ends_with('.') || domain.contains("..")) {
      return false;
    }
  }
  return !name.empty() && name.size() <= kMaxId && !is_digit(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || is_digit(c); });
}

Result<std::map<std::string, int64_t>> DecodeShare(const JsonField& field,
                                                   std::string_view driver_name) {
  std::map<std::string, int64_t> share;
  DRAPCI_TRY(const auto capacities, field.Members(kMaxCapacities));
  const std::string own_domain = fmt::format("{}/", driver_name);
  for (const auto& [key, quantity] : capacities) {
    if (!IsQualifiedName(key)) {
      return Fail(quantity.Wrong("is no name of a capacity, such as bandwidth"));
    }
    DRAPCI_TRY(const int64_t amount, quantity.Quantity());
    if (amount < 0)
      return Fail(quantity.Wrong(fmt::format("is {}; nothing is less than 0", amount)));
    const std::string name = key.starts_with(own_domain) ? key.substr(own_domain.size()) : key;
    if (!share.emplace(name, amount).second) {
      return Fail(field.Wrong(fmt::format("has {} twice, with {} and without", name, own_domain)));
    }
  }
  return share;
}

Result<driver::DeviceRequest> DecodeResult(const JsonField& result,
                                           const std::vector<ConfigEntry>& configs,
                                           std::string_view driver_name) {
  driver::DeviceRequest device;
  DRAPCI_TRY(const std::string request, result["request"].Name(kMaxRequestName, true));
  device.request_names = {request.substr(0, request.find('/'))};
  if (request.contains('/')) device.subrequests = {request};
  DRAPCI_TRY(device.pool, result["pool"].Name(kMaxPool, true));
  DRAPCI_TRY(device.device, result["device"].Name(kMaxDeviceName));
  DRAPCI_TRY(device.admin_access, result["adminAccess"].Flag());
  if (const JsonField share = result["shareID"]; share.present()) {
    DRAPCI_TRY(device.share_id, share.Name(driver::kMaxUidLength));
    if (!driver::IsValidUid(device.share_id)) {
      return Fail(share.Wrong("must be letters, digits and '-'"));
    }
  }
  DRAPCI_TRY(auto share, DecodeShare(result["consumedCapacity"], driver_name));
  if (!device.share_id.empty() && !device.admin_access) device.share = std::move(share);

  DeviceConfig config;
  for (const ConfigEntry& entry : configs) {
    if (!entry.AppliesTo(request)) continue;
    DRAPCI_CHECK(ApplyDeviceConfig(entry.config, entry.source, entry.where, config));
  }
  ConfigureRequest(config, device);
  return device;
}

// Adds `device`, or its request name to the same device found earlier.
Result<> Add(driver::DeviceRequest device, const JsonField& result,
             std::vector<driver::DeviceRequest>& devices) {
  const auto same = std::ranges::find_if(devices, [&device](const driver::DeviceRequest& other) {
    return other.pool == device.pool && other.device == device.device &&
           other.share_id == device.share_id && other.admin_access == device.admin_access;
  });
  if (same == devices.end()) {
    devices.push_back(std::move(device));
    return {};
  }
  if (same->access != device.access) {
    return Fail(result.Wrong(fmt::format(
        "device {} is allocated twice, with the kernel driver and with vfio", device.device)));
  }
  if (same->share != device.share || same->network != device.network ||
      same->image != device.image) {
    return Fail(
        result.Wrong(fmt::format("device {} is allocated twice, with different {}", device.device,
                                 same->share != device.share       ? "shares"
                                 : same->network != device.network ? "configuration of its "
                                                                     "network"
                                                                   : "images")));
  }
  if (std::ranges::find(same->request_names, device.request_names[0]) ==
      same->request_names.end()) {
    same->request_names.push_back(device.request_names[0]);
    same->subrequests.insert(same->subrequests.end(), device.subrequests.begin(),
                             device.subrequests.end());
  }
  return {};
}

// The names of nodes in one requirement of the form {key: metadata.name, operator: In}; empty for
// any other.
Result<std::vector<std::string>> NodeNames(const JsonField& requirement) {
  std::vector<std::string> names;
  DRAPCI_CHECK(requirement.IsObject());
  DRAPCI_TRY(const std::string key, requirement["key"].Text());
  DRAPCI_TRY(const std::string op, requirement["operator"].Text());
  if (key != "metadata.name" || op != "In") return names;
  DRAPCI_TRY(const auto values, requirement["values"].Items(kMaxNodeNames));
  for (const JsonField& value : values) {
    DRAPCI_TRY(names.emplace_back(), value.Text());
  }
  return names;
}

// The node that one term asks for by name, when that is not `node_name`.
Result<std::optional<std::string>> OtherNode(const JsonField& term, std::string_view node_name) {
  DRAPCI_CHECK(term.IsObject());
  DRAPCI_TRY(const auto requirements, term["matchFields"].Items(kMaxNodeTerms));
  for (const JsonField& requirement : requirements) {
    DRAPCI_TRY(const auto names, NodeNames(requirement));
    if (!names.empty() && std::ranges::find(names, node_name) == names.end()) return names.front();
  }
  return std::nullopt;
}

// kConflict when each of the selector's terms, of which one has to fit, names other nodes. Labels
// are not known here.
Result<> CheckNode(const JsonField& selector, std::string_view node_name) {
  DRAPCI_CHECK(selector.IsObject());
  DRAPCI_TRY(const auto terms, selector["nodeSelectorTerms"].Items(kMaxNodeTerms));
  std::optional<std::string> other;
  for (const JsonField& term : terms) {
    DRAPCI_TRY(other, OtherNode(term, node_name));
    if (!other) return {};
  }
  if (!other || node_name.empty()) return {};
  Error error = selector.Wrong(fmt::format("the claim is allocated for node {}; this is node {}",
                                           Printable(*other, 100), node_name));
  error.code = Code::kConflict;
  return Fail(std::move(error));
}

// What the pod calls a claim that was made from a template. It names a directory in containers.
Result<std::string> DecodeAlias(const JsonField& annotations) {
  DRAPCI_CHECK(annotations.IsObject());
  const JsonField field = annotations["resource.kubernetes.io/pod-claim-name"];
  DRAPCI_TRY(std::string alias, field.Text());
  const bool label = alias.size() <= kMaxAlias && std::ranges::all_of(alias, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                     });
  if (!label) return Fail(field.Wrong("is no name of a claim in a pod: a-z, 0-9 and '-'"));
  return alias;
}

Result<> DecodeIdentity(const JsonField& claim, driver::ClaimRequest& request) {
  DRAPCI_CHECK(claim.IsObject());
  DRAPCI_TRY(const std::string version, claim["apiVersion"].Text());
  DRAPCI_TRY(const std::string kind, claim["kind"].Text());
  if (version != "resource.k8s.io/v1" || kind != "ResourceClaim") {
    return Fail(claim.Wrong(fmt::format("is a {} {}; must be a resource.k8s.io/v1 ResourceClaim",
                                        version.empty() ? "nameless" : Printable(version, 100),
                                        kind.empty() ? "document" : Printable(kind, 100))));
  }
  const JsonField metadata = claim["metadata"];
  DRAPCI_CHECK(metadata.IsObject());
  DRAPCI_TRY(request.name, metadata["name"].Name(kMaxName));
  if (const JsonField field = metadata["namespace"]; field.present()) {
    DRAPCI_TRY(request.namespace_name, field.Name(kMaxName));
  }
  DRAPCI_TRY(request.alias, DecodeAlias(metadata["annotations"]));
  const JsonField uid = metadata["uid"];
  DRAPCI_TRY(request.uid, uid.Text());
  if (!request.uid.empty() && !driver::IsValidUid(request.uid)) {
    return Fail(
        uid.Wrong(fmt::format("must be 1 to {} letters, digits and '-'", driver::kMaxUidLength)));
  }
  return {};
}

Result<driver::ClaimRequest> DecodeDocument(const JsonField& claim, std::string_view driver_name,
                                            std::string_view node_name) {
  driver::ClaimRequest request;
  DRAPCI_CHECK(DecodeIdentity(claim, request));
  DRAPCI_CHECK(claim["status"].IsObject());
  const JsonField allocation = claim["status"]["allocation"];
  DRAPCI_CHECK(allocation.IsObject());
  if (!allocation.present()) {
    return Fail(allocation.Wrong("is missing: no devices have been allocated to the claim yet"));
  }
  DRAPCI_CHECK(CheckNode(allocation["nodeSelector"], node_name));
  const JsonField devices = allocation["devices"];
  DRAPCI_CHECK(devices.IsObject());
  DRAPCI_TRY(const auto configs, DecodeConfigs(devices["config"], driver_name));
  const JsonField list = devices["results"];
  DRAPCI_TRY(const auto results, list.Items(driver::kMaxDevicesPerClaim));
  for (const JsonField& result : results) {
    DRAPCI_CHECK(result.IsObject());
    DRAPCI_TRY(const std::string driver, result["driver"].Text());
    if (driver != driver_name) continue;
    DRAPCI_TRY(auto device, DecodeResult(result, configs, driver_name));
    DRAPCI_CHECK(Add(std::move(device), result, request.devices));
  }
  if (request.devices.empty()) {
    return Fail(list.Wrong(fmt::format("has no device of the driver {}", driver_name)));
  }
  if (auto apart = CheckInterfaces(request.devices); !apart) {
    return Fail(devices["config"].Wrong(apart.error().what));
  }
  return request;
}

}  // namespace

Result<driver::ClaimRequest> DecodeClaim(std::string_view json, std::string_view driver_name,
                                         std::string_view node_name) {
  const auto document = ParseJson(json);
  if (!document) return Fail(Error(document.error()).Within("claim"));
  auto request = DecodeDocument(JsonField(*document, ""), driver_name, node_name);
  if (!request) return Fail(std::move(request).error().Within("claim"));
  return request;
}

}  // namespace drapci::plugin
