#include "test/apiserver/authorize.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"
#include "test/apiserver/fields.h"
#include "test/apiserver/status.h"

namespace drapci::apiserver {
namespace {

constexpr std::string_view kNodeUser = "system:node:";

bool IsAdmin(const Authorization& rules, const User& user) {
  return !rules.enabled || rules.admins.contains(user.name);
}

bool IsKubelet(const User& user) { return user.name.starts_with(kNodeUser); }

// The node of a user: the extra of a bound token, or the end of "dra:DRIVER:NODE" and of
// "system:node:NODE".
std::string NodeOf(const User& user) {
  if (!user.node.empty()) return user.node;
  if (!IsKubelet(user) && !user.name.starts_with("dra:")) return "";
  return std::string(Split(user.name, ':').back());
}

std::string Full(const Target& target) {
  std::string text(target.resource->plural);
  if (!target.subresource.empty()) text += "/" + target.subresource;
  return text;
}

Response Denied(const User& user, std::string_view verb, std::string_view resource,
                const Target& target, std::string_view more = "") {
  return Forbidden(target.Name(),
                   fmt::format("User \"{}\" cannot {} resource \"{}\" in API group \"{}\"{}",
                               user.name, verb, resource, target.resource->group, more));
}

bool OneOf(std::string_view verb, std::initializer_list<std::string_view> verbs) {
  return std::ranges::find(verbs, verb) != verbs.end();
}

// Section 8.1.
bool DriverMay(std::string_view verb, std::string_view resource) {
  if (resource == "resourceslices") return verb != "deletecollection";
  if (resource == "resourceclaims") return OneOf(verb, {"get", "list", "watch"});
  if (resource == "resourceclaims/status") return OneOf(verb, {"update", "patch"});
  if (resource == "nodes") return verb == "get";
  return resource == "events" && OneOf(verb, {"create", "patch"});
}

bool KubeletMay(const User& user, std::string_view verb, const Target& target,
                const Selector& selector) {
  const std::string resource = Full(target);
  if (resource == "resourceslices") {
    if (!OneOf(verb, {"list", "watch", "deletecollection"})) return true;  // see AuthorizeSlice
    return selector.Bound("spec.nodeName") == NodeOf(user);
  }
  if (resource == "nodes" || resource == "nodes/status") return target.name == NodeOf(user);
  if (resource == "resourceclaims") return verb == "get";
  return resource == "events" && OneOf(verb, {"create", "patch", "update"});
}

std::map<std::string, json> DevicesByDriver(const json& claim) {
  std::map<std::string, json> drivers;
  for (const json& device : List(At(claim, "status"), "devices")) {
    drivers[Text(device, "driver")].push_back(device);
  }
  return drivers;
}

Answer<> MayWriteDriver(const Authorization& rules, const User& user, const std::string& verb,
                        const Target& target, const std::string& driver, const json& old) {
  const bool named = rules.drivers.empty() || rules.drivers.contains(driver);
  const bool associated =
      user.is_service_account() && !user.node.empty() && user.node == NodeOfAllocation(old);
  const bool denied = rules.denied.contains(fmt::format(
      "{}:{} resourceclaims/driver", associated ? "associated-node" : "arbitrary-node", verb));
  if (named && !denied && (associated || rules.arbitrary_node.contains(user.name))) return {};
  return std::unexpected(
      Denied(user, fmt::format("{}:{}", associated ? "associated-node" : "arbitrary-node", verb),
             "resourceclaims/driver", target, fmt::format(" (driver \"{}\")", driver)));
}

}  // namespace

std::string NodeOfAllocation(const json& claim) {
  const json& selector = At(At(At(claim, "status"), "allocation"), "nodeSelector");
  const json& terms = List(selector, "nodeSelectorTerms");
  if (terms.size() != 1 || Has(terms[0], "matchExpressions")) return "";
  const json& fields = List(terms[0], "matchFields");
  if (fields.size() != 1 || Text(fields[0], "key") != "metadata.name" ||
      Text(fields[0], "operator") != "In" || List(fields[0], "values").size() != 1) {
    return "";
  }
  return List(fields[0], "values")[0].get<std::string>();
}

Answer<> AuthorizeCall(const Authorization& rules, const User& user, const std::string& verb,
                       const Target& target, const Selector& selector) {
  if (IsAdmin(rules, user)) return {};
  const std::string resource = Full(target);
  const bool may =
      IsKubelet(user) ? KubeletMay(user, verb, target, selector) : DriverMay(verb, resource);
  if (user.name != User().name && may && !rules.denied.contains(verb + " " + resource)) return {};
  return std::unexpected(Denied(user, verb, resource, target));
}

Answer<> AuthorizeSlice(const Authorization& rules, const User& user, const Target& target,
                        const json& slice) {
  if (IsAdmin(rules, user)) return {};
  const std::string node = NodeOf(user), of = Text(At(slice, "spec"), "nodeName");
  if (!node.empty() && node == of) return {};
  return std::unexpected(Forbidden(
      target.Name(), fmt::format("ValidatingAdmissionPolicy 'resourceslices-of-own-node' denied "
                                 "request: user of node \"{}\" may not write a slice of \"{}\"",
                                 node, of)));
}

Answer<> AuthorizeClaim(const Authorization& rules, const User& user, const Target& target,
                        const json& claim) {
  if (IsAdmin(rules, user) || !IsKubelet(user)) return {};
  const bool allocated = Has(At(claim, "status"), "allocation");
  const std::string node = NodeOfAllocation(claim);
  if (allocated && (node.empty() || node == NodeOf(user))) return {};
  return std::unexpected(Denied(user, "get", "resourceclaims", target,
                                ": no relationship found between node and this object"));
}

Answer<> AuthorizeStatus(const Authorization& rules, const Gates& gates, const User& user,
                         const std::string& verb, const Target& target, const json& old,
                         const json& claim) {
  if (IsAdmin(rules, user) || !gates.On("DRAResourceClaimGranularStatusAuthorization")) return {};
  const json &before = At(old, "status"), &after = At(claim, "status");
  for (const auto field : {"allocation", "reservedFor"}) {
    if (At(before, field) == At(after, field)) continue;
    return std::unexpected(Denied(user, verb, "resourceclaims/binding", target));
  }
  if (!Has(before, "allocation")) return {};
  auto old_drivers = DevicesByDriver(old), drivers = DevicesByDriver(claim);
  for (const auto& [driver, devices] : drivers) old_drivers.try_emplace(driver);
  for (const auto& [driver, devices] : old_drivers) {
    if (devices == drivers[driver]) continue;
    auto allowed = MayWriteDriver(rules, user, verb, target, driver, old);
    if (!allowed) return allowed;
  }
  return {};
}

}  // namespace drapci::apiserver
