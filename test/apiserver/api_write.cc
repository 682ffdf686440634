#include <fmt/format.h>

#include "hal/base/parse.h"
#include "test/apiserver/api_body.h"
#include "test/apiserver/drop.h"
#include "test/apiserver/fields.h"
#include "test/apiserver/schema.h"
#include "test/apiserver/status.h"
#include "test/apiserver/validation.h"

namespace drapci::apiserver {
namespace {

constexpr size_t kMostNameBase = 58;

// What the server keeps of the stored metadata, whatever the writer sends.
void KeepMetadata(const json& old, json& metadata) {
  for (const auto field : {"uid", "creationTimestamp", "generation", "deletionTimestamp",
                           "generateName", "namespace", "name", "managedFields"}) {
    metadata.erase(field);
    if (Has(old, field)) metadata[field] = At(old, field);
  }
}

// Equal but for what every write changes.
bool Unchanged(json old, json object) {
  for (json* one : {&old, &object}) {
    json& metadata = (*one)["metadata"];
    metadata.erase("resourceVersion");
    metadata.erase("managedFields");
  }
  return old == object;
}

// Entries for devices that the claim had and has no longer (contract section 5.7).
void DropDeallocatedDevices(const json& old, json& claim) {
  if (List(At(claim, "status"), "devices").empty()) return;
  const auto allocated = [](const json& of, const json& device) {
    const json& devices = At(At(At(of, "status"), "allocation"), "devices");
    for (const json& result : List(devices, "results")) {
      bool same = true;
      for (const auto field : {"driver", "pool", "device", "shareID"}) {
        same = same && Text(result, field) == Text(device, field);
      }
      if (same) return true;
    }
    return false;
  };
  json kept = json::array();
  for (const json& device : claim["status"]["devices"]) {
    if (allocated(claim, device) || !allocated(old, device)) kept.push_back(device);
  }
  claim["status"]["devices"] = std::move(kept);
}

Answer<> CheckPreconditions(const Target& target, const json& wanted, const json& object) {
  for (const auto& [field, name] :
       {std::pair{"uid", "UID"}, {"resourceVersion", "ResourceVersion"}}) {
    const std::string want = Text(wanted, field), have = Text(At(object, "metadata"), field);
    if (want.empty() || want == have) continue;
    return std::unexpected(Conflict(
        target.Name(), fmt::format("Precondition failed: {} in precondition: {}, {} in object "
                                   "meta: {}",
                                   name, want, name, have)));
  }
  return {};
}

}  // namespace

Answer<Response> Api::Create(const Call& call) {
  auto body = BodyOf(call);
  if (!body) return std::unexpected(std::move(body).error());
  const Resource& resource = *call.target.resource;
  json& object = body->object;
  json& metadata = object["metadata"];
  const std::string ns = Text(metadata, "namespace");
  if (resource.namespaced && !ns.empty() && ns != call.target.ns) {
    return std::unexpected(
        BadRequest("the namespace of the provided object does not match the "
                   "namespace sent on the request"));
  }
  if (resource.namespaced) metadata["namespace"] = call.target.ns;
  if (!Text(metadata, "resourceVersion").empty()) {
    return std::unexpected(
        BadRequest("resourceVersion should not be set on objects to be created"));
  }
  if (Text(metadata, "name").empty() && !Text(metadata, "generateName").empty()) {
    metadata["name"] = Text(metadata, "generateName").substr(0, kMostNameBase) + NewSuffix();
  }
  metadata["uid"] = NewUid();
  metadata["creationTimestamp"] = FormatTime(Now());
  for (const auto field : {"managedFields", "deletionTimestamp", "generation"})
    metadata.erase(field);
  if (resource.has_status && resource.kind != "Node") object.erase("status");
  if (resource.kind == "ResourceSlice") {
    metadata["generation"] = 1;
    FillTaintTimes(object);
    DropFromSlice(gates_, json(), object);
  }
  Target target = call.target;
  target.name = Text(metadata, "name");
  const Call named{call.request, target, call.verb, call.user};
  if (auto valid = CheckNew(named, object); !valid) return std::unexpected(valid.error());
  const Key key{target.ns, target.name};
  if (store_.Find(resource, key)) return std::unexpected(AlreadyExists(target.Name()));
  DropEmpty(object);
  RecordWrite(ManagerOf(call), object);
  if (call.request.Query("dryRun") == "All") return Ok(object, 201);
  const Event event = store_.Put(resource, key, std::move(object));
  Publish(event);
  Response response = Ok(*event.object, 201);
  for (const auto& warning : body->warnings) response.headers.emplace_back("Warning", warning);
  return response;
}

Answer<Response> Api::Put(const Call& call) {
  auto old = Find(call.target);
  if (!old) return std::unexpected(std::move(old).error());
  auto body = BodyOf(call);
  if (!body) return std::unexpected(std::move(body).error());
  const std::string name = Text(body->object["metadata"], "name");
  if (name != call.target.name) {
    return std::unexpected(BadRequest(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name,
                    call.target.name)));
  }
  return Update(call, *old, *std::move(body), false);
}

Answer<Response> Api::Update(const Call& call, const Object& old, Body body, bool applied) {
  const Resource& resource = *call.target.resource;
  json object = std::move(body.object);
  const json meta = object["metadata"];
  if (auto same = CheckPreconditions(call.target, {{"uid", Text(meta, "uid")}}, *old); !same) {
    return std::unexpected(std::move(same).error());
  }
  const std::string version = Text(meta, "resourceVersion");
  if (!version.empty() && version != Text(At(*old, "metadata"), "resourceVersion")) {
    return std::unexpected(Conflict(call.target.Name(),
                                    "the object has been modified; please apply your changes to "
                                    "the latest version and try again"));
  }
  const bool status = call.target.subresource == "status";
  if (status) {  // only the status is the writer's
    const json managed = At(meta, "managedFields");
    json base = *old;
    base.erase("status");
    if (Has(object, "status")) base["status"] = object["status"];
    if (applied) base["metadata"]["managedFields"] = managed;
    object = std::move(base);
  } else {
    KeepMetadata(At(*old, "metadata"), object["metadata"]);
    object["metadata"]["resourceVersion"] = Text(At(*old, "metadata"), "resourceVersion");
    if (resource.has_status) {
      object.erase("status");
      if (Has(*old, "status")) object["status"] = At(*old, "status");
    }
  }
  if (resource.kind == "ResourceSlice") {
    FillTaintTimes(object);
    DropFromSlice(gates_, *old, object);
  }
  if (resource.kind == "ResourceClaim" && status) {
    DropFromClaim(gates_, *old, object);
    DropDeallocatedDevices(*old, object);
  }
  if (auto valid = CheckChange(call, *old, object); !valid) return std::unexpected(valid.error());
  DropEmpty(object);
  Response response;
  if (Unchanged(*old, object) && (!applied || At(object, "metadata") == At(*old, "metadata"))) {
    response = Ok(*old);
  } else {
    if (status && !applied) RecordStatusUpdate(*old, ManagerOf(call), object);
    if (!status) RecordWrite(ManagerOf(call), object);
    if (resource.kind == "ResourceSlice" && At(*old, "spec") != At(object, "spec")) {
      object["metadata"]["generation"] = Number(At(*old, "metadata"), "generation") + 1;
    }
    const Key key{call.target.ns, call.target.name};
    const bool last = Has(object["metadata"], "deletionTimestamp") &&
                      apiserver::List(object["metadata"], "finalizers").empty();
    const Event event =
        last ? store_.Remove(resource, key) : store_.Put(resource, key, std::move(object));
    Publish(event);
    response = Ok(*event.object);
  }
  for (const auto& warning : body.warnings) response.headers.emplace_back("Warning", warning);
  return response;
}

Answer<Object> Api::RemoveObject(const Call& call, const Object& old) {
  const Resource& resource = *call.target.resource;
  const json& metadata = At(*old, "metadata");
  Target target = call.target;
  target.name = Text(metadata, "name");
  target.ns = Text(metadata, "namespace");
  if (resource.kind == "ResourceSlice") {
    auto may = AuthorizeSlice(authorization_, call.user, target, *old);
    if (!may) return std::unexpected(std::move(may).error());
  }
  const Key key{target.ns, target.name};
  if (apiserver::List(metadata, "finalizers").empty()) {
    const Event event = store_.Remove(resource, key);
    Publish(event);
    return event.object;
  }
  if (Has(metadata, "deletionTimestamp")) return old;
  json object = *old;
  object["metadata"]["deletionTimestamp"] = FormatTime(Now());
  object["metadata"]["deletionGracePeriodSeconds"] = 0;
  const Event event = store_.Put(resource, key, std::move(object));
  Publish(event);
  return event.object;
}

Answer<Response> Api::Delete(const Call& call) {
  auto old = Find(call.target);
  if (!old) return std::unexpected(std::move(old).error());
  if (!call.request.body.empty()) {
    const json options = json::parse(call.request.body, nullptr, false);
    if (!options.is_object()) return std::unexpected(BadRequest("invalid DeleteOptions"));
    auto same = CheckPreconditions(call.target, At(options, "preconditions"), **old);
    if (!same) return std::unexpected(std::move(same).error());
  }
  auto removed = RemoveObject(call, *old);
  if (!removed) return std::unexpected(std::move(removed).error());
  return Ok(**removed);
}

Answer<Response> Api::DeleteCollection(const Call& call, const Selector& selector) {
  const Resource& resource = *call.target.resource;
  json items = json::array();
  const Objects all = store_.All(resource);
  for (const auto& [key, object] : all) {
    if (!call.target.ns.empty() && key.first != call.target.ns) continue;
    if (!selector.Matches(*object)) continue;
    auto removed = RemoveObject(call, object);
    if (!removed) return std::unexpected(std::move(removed).error());
    items.push_back(**removed);
  }
  return Ok({{"kind", fmt::format("{}List", resource.kind)},
             {"apiVersion", resource.api_version()},
             {"metadata", {{"resourceVersion", std::to_string(store_.version())}}},
             {"items", std::move(items)}});
}

}  // namespace drapci::apiserver
