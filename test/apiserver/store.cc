#include "test/apiserver/store.h"

#include <algorithm>
#include <ranges>

#include "test/apiserver/fields.h"

namespace drapci::apiserver {

Object Store::Find(const Resource& resource, const Key& key) const {
  const Objects& all = All(resource);
  const auto found = all.find(key);
  return found == all.end() ? nullptr : found->second;
}

const Objects& Store::All(const Resource& resource) const {
  static const Objects none;
  const auto found = objects_.find(&resource);
  return found == objects_.end() ? none : found->second;
}

std::optional<Objects> Store::AllAt(const Resource& resource, uint64_t version) const {
  if (version < oldest_ || version > version_) return std::nullopt;
  Objects objects = All(resource);
  for (const Event& event : std::views::reverse(events_)) {
    if (event.version <= version) break;
    if (event.resource != &resource) continue;
    if (event.previous) {
      objects[event.key] = event.previous;
    } else {
      objects.erase(event.key);
    }
  }
  return objects;
}

std::vector<Event> Store::Since(const Resource& resource, uint64_t version) const {
  std::vector<Event> events;
  for (const Event& event : events_) {
    if (event.version > version && event.resource == &resource) events.push_back(event);
  }
  return events;
}

Event Store::Put(const Resource& resource, const Key& key, json object) {
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  Object& stored = objects_[&resource][key];
  Event event{.version = version_,
              .resource = &resource,
              .type = stored ? "MODIFIED" : "ADDED",
              .key = key,
              .object = std::make_shared<const json>(std::move(object)),
              .previous = stored};
  stored = event.object;
  return Record(std::move(event));
}

Event Store::Remove(const Resource& resource, const Key& key) {
  const Object last = Find(resource, key);
  json object = last ? *last : json::object();
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  objects_[&resource].erase(key);
  return Record({.version = version_,
                 .resource = &resource,
                 .type = "DELETED",
                 .key = key,
                 .object = std::make_shared<const json>(std::move(object)),
                 .previous = last});
}

Event Store::Record(Event event) {
  events_.push_back(event);
  while (events_.size() > history_) {
    oldest_ = events_.front().version;
    events_.pop_front();
  }
  return event;
}

void Store::Compact() {
  events_.clear();
  oldest_ = version_;
}

json Store::Dump() const {
  json dump = {{"resourceVersion", version_}, {"objects", json::array()}};
  for (const auto& [resource, objects] : objects_) {
    for (const auto& [key, object] : objects) dump["objects"].push_back(*object);
  }
  return dump;
}

bool Store::Restore(const json& dump) {
  std::map<const Resource*, Objects> restored;
  for (const json& object : List(dump, "objects")) {
    const auto resources = Resources();
    const auto resource = std::ranges::find_if(resources, [&](const Resource& r) {
      return r.kind == Text(object, "kind") && r.api_version() == Text(object, "apiVersion");
    });
    const json& metadata = At(object, "metadata");
    if (resource == resources.end() || Text(metadata, "name").empty()) return false;
    restored[&*resource][{Text(metadata, "namespace"), Text(metadata, "name")}] =
        std::make_shared<const json>(object);
  }
  objects_ = std::move(restored);
  // In a new server the version is that of the dump; in one that lives on, what was seen before
  // is not the state of now.
  version_ = std::max(version_ + 1, static_cast<uint64_t>(Number(dump, "resourceVersion")));
  Compact();
  return true;
}

}  // namespace drapci::apiserver
