// What writes have in common: bodies, patches, the rules of each kind, names and uids.
#include <fmt/format.h>

#include <array>

#include "hal/base/parse.h"
#include "test/apiserver/api_body.h"
#include "test/apiserver/drop.h"
#include "test/apiserver/fields.h"
#include "test/apiserver/schema.h"
#include "test/apiserver/status.h"
#include "test/apiserver/validation.h"

namespace drapci::apiserver {
namespace {

constexpr size_t kMostBody = 3 * 1024 * 1024;
constexpr size_t kMostObject = 1536 * 1024;

std::string Warning(const std::string& field) {
  return fmt::format(R"(299 - "unknown field \"{}\"")", field);
}

}  // namespace

Answer<Api::Body> Api::BodyOf(const Call& call) const {
  if (call.request.body.size() > kMostBody) {
    return std::unexpected(Refuse(413, "RequestEntityTooLarge", "the request is too large"));
  }
  const std::string type = call.request.Header("content-type");
  if (call.verb != "patch" && !type.empty() && !type.starts_with("application/json")) {
    return std::unexpected(Refuse(415, "UnsupportedMediaType",
                                  "the body of the request was in an unknown format - accepted "
                                  "media types include: application/json"));
  }
  json object = json::parse(call.request.body, nullptr, false);
  if (object.is_discarded()) {
    return std::unexpected(BadRequest(fmt::format(
        "{} in version \"{}\" cannot be handled as a {}: the body is no valid JSON",
        call.target.resource->kind, call.target.resource->version, call.target.resource->kind)));
  }
  return Decoded(call, std::move(object));
}

Answer<Api::Body> Api::Decoded(const Call& call, json object) const {
  const Resource& resource = *call.target.resource;
  for (const auto& [field, want] :
       {std::pair{"kind", std::string(resource.kind)}, {"apiVersion", resource.api_version()}}) {
    const std::string have = Text(object, field);
    if (!have.empty() && have != want) {
      return std::unexpected(BadRequest(fmt::format(
          "the {} in the data ({}) does not match the expected one ({})", field, have, want)));
    }
  }
  auto decoded = Decode(resource.kind, gates_.minor(), object);
  if (!decoded) {
    return std::unexpected(
        BadRequest(fmt::format("{} in version \"{}\" cannot be handled as a {}: {}", resource.kind,
                               resource.version, resource.kind, decoded.error())));
  }
  object["kind"] = resource.kind;
  object["apiVersion"] = resource.api_version();
  Body body{std::move(object), {}};
  const std::string strictness = call.request.Query("fieldValidation");
  if (strictness == "Strict" && !decoded->unknown.empty()) {
    return std::unexpected(BadRequest(
        fmt::format("strict decoding error: unknown field \"{}\"", decoded->unknown.front())));
  }
  if (strictness != "Ignore") {
    for (const auto& field : decoded->unknown) body.warnings.push_back(Warning(field));
  }
  return body;
}

Answer<Response> Api::Patch(const Call& call) {
  auto old = Find(call.target);
  if (!old) return std::unexpected(std::move(old).error());
  const std::string type = call.request.Header("content-type");
  if (type.starts_with("application/apply-patch+yaml")) return Apply(call, *old);
  const bool merge = type.starts_with("application/merge-patch+json");
  // Of the strategic kind only what it shares with the merge patch; no list of events is merged.
  const bool strategic = type.starts_with("application/strategic-merge-patch+json") &&
                         call.target.resource->group != "resource.k8s.io";
  if (!merge && !strategic) {
    return std::unexpected(Refuse(415, "UnsupportedMediaType",
                                  "the body of the request was in an unknown format - accepted "
                                  "media types include: application/merge-patch+json, "
                                  "application/apply-patch+yaml"));
  }
  json patch = json::parse(call.request.body, nullptr, false);
  if (!patch.is_object()) return std::unexpected(BadRequest("the patch is no JSON object"));
  json merged = **old;
  // Without a version of its own, a patch is for whatever there is.
  merged["metadata"].erase("resourceVersion");
  merged.merge_patch(patch);
  auto body = Decoded(call, std::move(merged));
  if (!body) return std::unexpected(std::move(body).error());
  return Update(call, *old, *std::move(body), false);
}

Answer<Response> Api::Apply(const Call& call, const Object& old) {
  const std::string manager = call.request.Query("fieldManager");
  if (manager.empty()) {
    Causes causes;
    causes.Required("fieldManager", "is required for apply patch");
    return std::unexpected(Invalid({"meta.k8s.io", "PatchOptions", "patchoptions", ""}, causes));
  }
  if (call.target.subresource != "status") {
    return std::unexpected(
        Refuse(415, "UnsupportedMediaType", "this server applies to status subresources only"));
  }
  const json config = json::parse(call.request.body, nullptr, false);
  if (Text(config, "apiVersion").empty() || Text(config, "kind").empty()) {
    return std::unexpected(
        BadRequest("invalid object type: the body must be a JSON object with "
                   "apiVersion and kind"));
  }
  auto body = Decoded(call, config);
  if (!body) return std::unexpected(std::move(body).error());
  const json metadata = At(body->object, "metadata");
  const std::string name = Text(metadata, "name");
  if (name != call.target.name) {
    return std::unexpected(
        BadRequest(fmt::format("metadata.name (\"{}\") does not match the name "
                               "on the URL (\"{}\")",
                               name, call.target.name)));
  }
  if (Has(metadata, "managedFields")) {
    return std::unexpected(BadRequest("metadata.managedFields must be nil"));
  }
  auto merged = ApplyStatus(*old, body->object, {manager, FormatTime(Now())},
                            call.request.Query("force") == "true");
  if (!merged) return std::unexpected(ApplyConflict(call.target.Name(), merged.error()));
  for (const auto field : {"uid", "resourceVersion"}) {
    (*merged)["metadata"][field] =
        Has(metadata, field) ? At(metadata, field) : At(At(*old, "metadata"), field);
  }
  body->object = *std::move(merged);
  return Update(call, old, *std::move(body), true);
}

Answer<> Api::CheckNew(const Call& call, const json& object) const {
  const Resource& resource = *call.target.resource;
  Causes causes;
  if (resource.kind == "ResourceSlice") {
    auto may = AuthorizeSlice(authorization_, call.user, call.target, object);
    if (!may) return may;
    CheckSlice(gates_, json(), object, causes);
  } else {
    CheckMetadata(object, resource.namespaced, causes);
    if (resource.kind == "Event") CheckEvent(resource.group, object, causes);
  }
  if (!causes.empty()) return std::unexpected(Invalid(call.target.Name(), causes));
  if (Dump(object).size() > kMostObject) {
    return std::unexpected(Refuse(500, "", "etcdserver: request is too large"));
  }
  return {};
}

Answer<> Api::CheckChange(const Call& call, const json& old, const json& object) const {
  const Resource& resource = *call.target.resource;
  Causes causes;
  if (resource.kind == "ResourceSlice") {
    auto may = AuthorizeSlice(authorization_, call.user, call.target, old);
    if (!may) return may;
    CheckSlice(gates_, old, object, causes);
  } else if (resource.kind == "ResourceClaim") {
    auto may =
        AuthorizeStatus(authorization_, gates_, call.user, call.verb, call.target, old, object);
    if (!may) return may;
    if (At(old, "spec") != At(object, "spec")) {
      causes.Invalid("spec", "<value omitted>", "field is immutable");
    }
    CheckClaimStatus(old, object, causes);
  }
  if (!causes.empty()) return std::unexpected(Invalid(call.target.Name(), causes));
  if (Dump(object).size() > kMostObject) {
    return std::unexpected(Refuse(500, "", "etcdserver: request is too large"));
  }
  return {};
}

void Api::FillTaintTimes(json& slice) const {
  if (apiserver::List(At(slice, "spec"), "devices").empty()) return;
  for (json& device : slice["spec"]["devices"]) {
    if (apiserver::List(device, "taints").empty()) continue;
    for (json& taint : device["taints"]) {
      if (!Has(taint, "timeAdded")) taint["timeAdded"] = FormatTime(Now());
    }
  }
}

void Api::Write(const Resource& resource, const Key& key, json object) {
  if (Text(object["metadata"], "uid").empty()) object["metadata"]["uid"] = NewUid();
  object["apiVersion"] = resource.api_version();
  object["kind"] = resource.kind;
  Publish(store_.Put(resource, key, std::move(object)));
}

std::string Api::NewUid() {
  const uint64_t high = random_(), low = random_();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                     high & 0xfff, 0x8000 | ((low >> 48) & 0x3fff), low & 0xffffffffffff);
}

std::string Api::NewSuffix() {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string suffix;
  for (int i = 0; i < 5; ++i) suffix += kLetters[random_() % kLetters.size()];
  return suffix;
}

Manager Api::ManagerOf(const Call& call) const {
  std::string name = call.request.Query("fieldManager");
  const std::string agent = call.request.Header("user-agent");
  if (name.empty()) name = agent.substr(0, agent.find('/'));
  return {name.empty() ? "unknown" : name, FormatTime(Now())};
}

}  // namespace drapci::apiserver
