#include "test/unit/slices/slice_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace drapci::plugin::slices {
namespace {

using nlohmann::json;

constexpr std::string_view kCollection = "/apis/resource.k8s.io/v1/resourceslices";

kube::ApiResult Failure(int status) {
  const Code code = status == 409   ? Code::kConflict
                    : status == 404 ? Code::kNotFound
                    : status == 410 ? Code::kGone
                                    : Code::kIo;
  return kube::FakeApi::Failure(status, code, fmt::format("HTTP {}", status));
}

}  // namespace

SliceServer::SliceServer(kube::FakeLoop& loop) : api(loop), loop_(loop) {
  api.answer = [this](const kube::ApiRequest& request) { return Answer(request); };
}

kube::ApiResult SliceServer::Answer(const kube::ApiRequest& request) {
  if (away) return kube::FakeApi::Failure(0, Code::kTimeout, "no answer");
  if (fault) {
    if (auto answer = fault(request)) return *std::move(answer);
  }
  if (request.path == "/version") {
    return json{{"major", "1"}, {"minor", minor}, {"gitVersion", "v1." + minor + ".0"}}.dump();
  }
  if (request.path.starts_with("/api/v1/nodes/")) {
    if (node_uid.empty()) return Failure(404);
    return json{{"metadata", {{"name", "node1"}, {"uid", node_uid}}}}.dump();
  }
  const std::string_view path = request.path;
  if (!path.starts_with(kCollection)) return Failure(404);
  const std::string name(path.size() > kCollection.size() ? path.substr(kCollection.size() + 1)
                                                          : std::string_view());
  if (request.method == "POST") {
    return Create(json::parse(request.body), request.query.contains("dryRun=All"));
  }
  if (request.method == "PUT") return Update(name, json::parse(request.body));
  if (request.method == "DELETE") return Remove(name, request.body);
  if (!name.empty()) {
    return objects_.contains(name) ? kube::ApiResult(objects_.at(name).dump()) : Failure(404);
  }
  json items = json::array();
  for (const auto& [key, object] : objects_) items.push_back(object);
  return json{{"kind", "ResourceSliceList"},
              {"metadata", {{"resourceVersion", std::to_string(version_)}}},
              {"items", items}}
      .dump();
}

kube::ApiResult SliceServer::Create(json object, bool dry_run) {
  Drop(object);
  json& metadata = object["metadata"];
  metadata["name"] =
      fmt::format("{}{:05x}", metadata["generateName"].get<std::string>(), ++serial_);
  metadata["uid"] = fmt::format("uid-{}", serial_);
  metadata["managedFields"] = json::array({{{"manager", "drapcid"}}});
  if (webhook) webhook(object);
  if (dry_run) return object.dump();
  ++writes_;
  const std::string name = metadata["name"];
  Store(std::move(object), "ADDED");
  return objects_.at(name).dump();
}

kube::ApiResult SliceServer::Update(const std::string& name, json object) {
  if (!objects_.contains(name)) return Failure(404);
  const json& old = objects_.at(name);
  if (object["metadata"]["uid"] != old["metadata"]["uid"] ||
      object["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]) {
    return Failure(409);
  }
  Drop(object);
  if (webhook) webhook(object);
  ++writes_;
  Store(std::move(object), "MODIFIED");
  return objects_.at(name).dump();
}

kube::ApiResult SliceServer::Remove(const std::string& name, const std::string& options) {
  if (!objects_.contains(name)) return Failure(404);
  const json wanted = json::parse(options)["preconditions"];
  const json& metadata = objects_.at(name)["metadata"];
  if (wanted["uid"] != metadata["uid"] ||
      wanted["resourceVersion"] != metadata["resourceVersion"]) {
    return Failure(409);
  }
  ++writes_;
  Delete(name);
  return std::string("{}");
}

void SliceServer::Store(json object, const char* event) {
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  if (object["spec"].contains("devices")) {
    for (json& device : object["spec"]["devices"]) {
      if (!device.contains("taints")) continue;
      for (json& taint : device["taints"]) {
        if (!taint.contains("timeAdded")) taint["timeAdded"] = "2026-11-21T10:00:00Z";
      }
    }
  }
  const std::string name = object["metadata"]["name"];
  objects_[name] = object;
  Tell(event, object);
}

void SliceServer::Drop(json& object) const {
  json& spec = object["spec"];
  if (!gates.partitionable) spec.erase("sharedCounters");
  if (!spec.contains("devices")) return;
  for (json& device : spec["devices"]) {
    if (!gates.partitionable) device.erase("consumesCounters");
    if (!gates.taints) device.erase("taints");
    if (!gates.consumable) {
      device.erase("allowMultipleAllocations");
      if (device.contains("capacity")) {
        for (json& capacity : device["capacity"]) capacity.erase("requestPolicy");
      }
    }
    if (!gates.binding) {
      for (const char* field : {"bindsToNode", "bindingConditions", "bindingFailureConditions"}) {
        device.erase(field);
      }
    }
  }
}

void SliceServer::Tell(const char* type, const json& object) {
  events_.push_back(json{{"type", type}, {"object", object}}.dump());
  if (!watches_lag) Flush();
}

void SliceServer::Flush() {
  while (!events_.empty()) {
    const std::string event = std::move(events_.front());
    events_.pop_front();
    loop_.Post([this, event] {
      const auto watches = api.watches;
      for (const auto& [id, watch] : watches) watch.event(event);
    });
  }
}

void SliceServer::Restart() {
  events_.clear();
  const auto watches = std::exchange(api.watches, {});
  for (const auto& [id, watch] : watches) {
    kube::ApiFailure gone;
    gone.status = 410;
    gone.reason = "Expired";
    gone.error = {.code = Code::kGone, .sys = 0, .what = "too old resource version"};
    watch.end(gone);
  }
}

void SliceServer::Delete(const std::string& name) {
  json object = objects_.at(name);
  objects_.erase(name);
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  Tell("DELETED", object);
}

void SliceServer::DeleteAll() {
  while (!objects_.empty()) Delete(objects_.begin()->first);
}

void SliceServer::Edit(const std::string& name, const std::function<void(json&)>& edit) {
  json object = objects_.at(name);
  edit(object);
  Store(std::move(object), "MODIFIED");
}

std::string SliceServer::Add(const json& given) {
  json object = given;
  const std::string name = object["metadata"]["name"];
  object["metadata"]["uid"] = fmt::format("uid-{}", ++serial_);
  Store(std::move(object), "ADDED");
  return name;
}

std::vector<StoredSlice> SliceServer::Stored() const {
  std::vector<StoredSlice> stored;
  for (const auto& [name, object] : objects_) {
    auto slice = DecodeSlice(object.dump());
    EXPECT_TRUE(slice.has_value());
    if (slice) stored.push_back(*std::move(slice));
  }
  return stored;
}

size_t SliceServer::devices() const {
  size_t count = 0;
  for (const StoredSlice& slice : Stored()) count += slice.content.devices.size();
  return count;
}

}  // namespace drapci::plugin::slices
