#include "test/apiserver/resources.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"
#include "test/apiserver/fields.h"

namespace drapci::apiserver {
namespace {

constexpr Resource kResources[] = {
    {"resource.k8s.io", "v1", "resourceslices", "ResourceSlice", false, false},
    {"resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", true, true},
    {"resource.k8s.io", "v1", "deviceclasses", "DeviceClass", false, false},
    {"", "v1", "nodes", "Node", false, true},
    {"", "v1", "events", "Event", true, false},
    {"events.k8s.io", "v1", "events", "Event", true, false},
};

const Resource* FindResource(std::string_view group, std::string_view version,
                             std::string_view plural) {
  const auto* found = std::ranges::find_if(kResources, [&](const Resource& resource) {
    return resource.group == group && resource.version == version && resource.plural == plural;
  });
  return found == std::end(kResources) ? nullptr : found;
}

bool Supported(const Resource& resource, int minor, std::string_view field) {
  if (field == "metadata.name") return true;
  if (field == "metadata.namespace") return resource.namespaced;
  if (resource.plural != "resourceslices") return false;
  return field == "spec.driver" || field == "spec.nodeName" ||
         (field == "spec.pool.name" && minor >= 37);
}

std::string Lookup(const json& object, std::string_view path) {
  const json* at = &object;
  const auto parts = Split(path, '.');
  for (std::string_view part : parts) at = &At(*at, part);
  return at->is_string() ? at->get<std::string>() : "";
}

}  // namespace

std::string Resource::api_version() const {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

Named Resource::Name(std::string_view name) const {
  return {std::string(group), std::string(kind), std::string(plural), std::string(name)};
}

std::span<const Resource> Resources() { return kResources; }

const Resource& ResourceOf(std::string_view kind) {
  return *std::ranges::find_if(kResources, [&](const auto& r) { return r.kind == kind; });
}

std::optional<Target> ParsePath(std::string_view path) {
  auto parts = Split(path.starts_with('/') ? path.substr(1) : path, '/');
  std::string_view group;
  size_t at = 1;
  if (parts.size() >= 2 && parts[0] == "apis") {
    group = parts[at++];
  } else if (parts.empty() || parts[0] != "api") {
    return std::nullopt;
  }
  if (parts.size() < at + 2) return std::nullopt;
  const std::string_view version = parts[at++];
  Target target;
  if (parts.size() > at + 2 && parts[at] == "namespaces") {
    target.ns = parts[at + 1];
    at += 2;
  }
  target.resource = FindResource(group, version, parts[at++]);
  if (target.resource == nullptr || (!target.ns.empty() && !target.resource->namespaced)) {
    return std::nullopt;
  }
  if (parts.size() > at) target.name = parts[at++];
  if (parts.size() > at) target.subresource = parts[at++];
  const bool status = target.subresource == "status" && target.resource->has_status;
  if (parts.size() > at || (!target.subresource.empty() && !status)) return std::nullopt;
  if (target.resource->namespaced && target.ns.empty() && !target.name.empty()) {
    return std::nullopt;
  }
  return target;
}

std::string VerbOf(const Request& request, const Target& target) {
  const bool one = !target.name.empty();
  if (request.method == "GET") {
    const std::string watch = request.Query("watch");
    if (one) return "get";
    return watch == "1" || watch == "true" ? "watch" : "list";
  }
  if (request.method == "DELETE") return one ? "delete" : "deletecollection";
  if (request.method == "POST" && !one) return "create";
  if (request.method == "PUT" && one) return "update";
  if (request.method == "PATCH" && one) return "patch";
  return "";
}

std::expected<Selector, std::string> Selector::Parse(const Resource& resource, int minor,
                                                     std::string_view fields,
                                                     std::string_view labels) {
  Selector selector;
  for (const bool label : {false, true}) {
    for (std::string_view term : Split(label ? labels : fields, ',')) {
      const size_t equals = term.find('=');
      if (equals == term.npos || equals == 0) {
        return std::unexpected(fmt::format("invalid selector: '{}'; can't understand it", term));
      }
      const bool negative = term[equals - 1] == '!';
      const std::string_view name = term.substr(0, equals - (negative ? 1 : 0));
      std::string_view value = term.substr(equals + 1);
      if (!negative && value.starts_with('=')) value.remove_prefix(1);
      if (!label && !Supported(resource, minor, name)) {
        return std::unexpected(fmt::format("field label not supported: {}", name));
      }
      selector.terms_.push_back({label, !negative, std::string(name), std::string(value)});
    }
  }
  return selector;
}

bool Selector::Matches(const json& object) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    const std::string value = term.label ? Text(At(At(object, "metadata"), "labels"), term.name)
                                         : Lookup(object, term.name);
    return (value == term.value) == term.equal;
  });
}

std::optional<std::string> Selector::Bound(std::string_view field) const {
  for (const Term& term : terms_) {
    if (!term.label && term.equal && term.name == field) return term.value;
  }
  return std::nullopt;
}

}  // namespace drapci::apiserver
