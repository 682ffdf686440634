#include "test/apiserver/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "hal/base/parse.h"
#include "test/apiserver/fields.h"

namespace drapci::apiserver {
namespace {

// A path is its elements ("f:NAME", "k:{KEYS}", "." for a list entry as such) joined by new lines.
using Path = std::string;
using Paths = std::set<Path>;

struct Leaf {
  Path path;
  json value;
};

std::vector<std::string_view> KeysOfList(std::string_view name) {
  if (name == "devices") return {"driver", "device", "pool", "shareID"};
  if (name == "conditions") return {"type"};
  return {};
}

void AddLeaves(const Path& path, std::string_view name, const json& value,
               std::vector<Leaf>& leaves) {
  const auto keys = KeysOfList(name);
  if (value.is_object() && !value.empty() && name != "data") {
    for (const auto& [member, inner] : value.items()) {
      AddLeaves(path + "\nf:" + member, member, inner, leaves);
    }
  } else if (value.is_array() && !keys.empty()) {
    for (const json& item : value) {
      json key = json::object();
      for (const auto field : keys) {
        if (Has(item, field)) key[std::string(field)] = At(item, field);
      }
      const Path entry = path + "\nk:" + Dump(key);
      leaves.push_back({entry + "\n.", json()});
      AddLeaves(entry, "", item, leaves);
    }
  } else {
    leaves.push_back({path, value});
  }
}

std::vector<Leaf> LeavesOf(const json& object) {
  std::vector<Leaf> leaves;
  // status.allocation.devices is no list by key: only the status of devices and reservedFor are
  // merged field by field.
  for (const auto& [member, inner] : Map(object, "status").items()) {
    const bool whole = member == "allocation" || member == "reservedFor";
    if (whole) {
      leaves.push_back({"f:status\nf:" + member, inner});
    } else {
      AddLeaves("f:status\nf:" + member, member, inner, leaves);
    }
  }
  return leaves;
}

json& EntryOf(json& list, const json& key) {
  if (!list.is_array()) list = json::array();
  for (json& item : list) {
    if (std::ranges::all_of(key.items(),
                            [&](const auto& k) { return At(item, k.key()) == k.value(); }) &&
        (key.contains("shareID") || !key.contains("driver") || !Has(item, "shareID"))) {
      return item;
    }
  }
  return list.emplace_back(key);
}

json Build(const std::vector<Leaf>& leaves) {
  json root = json::object();
  for (const Leaf& leaf : leaves) {
    json* at = &root;
    bool entry = false;
    for (std::string_view element : Split(leaf.path, '\n')) {
      entry = element == ".";
      if (entry) break;
      if (element.starts_with("k:")) {
        at = &EntryOf(*at, json::parse(element.substr(2)));
      } else {
        at = &(*at)[std::string(element.substr(2))];
      }
    }
    if (!entry) *at = leaf.value;
  }
  return root;
}

json ToFields(const Paths& paths) {
  json fields = json::object();
  for (const Path& path : paths) {
    json* at = &fields;
    for (std::string_view element : Split(path, '\n')) {
      at = &(*at)[std::string(element)];
      if (at->is_null()) *at = json::object();
    }
  }
  return fields;
}

void AddPaths(const json& fields, const Path& path, Paths& paths) {
  for (const auto& [element, inner] : fields.items()) {
    const Path longer = path.empty() ? element : path + "\n" + element;
    if (inner.empty()) {
      paths.insert(longer);
    } else {
      AddPaths(inner, longer, paths);
    }
  }
}

struct Owner {
  json entry;
  Paths paths;

  bool Is(const Manager& manager, std::string_view operation) const {
    return Text(entry, "manager") == manager.name && Text(entry, "operation") == operation;
  }
};

// The owners of status fields; other entries stay in `rest`.
std::vector<Owner> OwnersOf(const json& object, json& rest) {
  std::vector<Owner> owners;
  rest = json::array();
  for (const json& entry : List(At(object, "metadata"), "managedFields")) {
    if (Text(entry, "subresource") != "status") {
      rest.push_back(entry);
      continue;
    }
    owners.push_back({entry, {}});
    AddPaths(Map(entry, "fieldsV1"), "", owners.back().paths);
  }
  return owners;
}

Owner& OwnerFor(std::vector<Owner>& owners, const Manager& manager, std::string_view operation,
                const json& object) {
  for (Owner& owner : owners) {
    if (owner.Is(manager, operation)) return owner;
  }
  owners.push_back({{{"manager", manager.name},
                     {"operation", operation},
                     {"apiVersion", Text(object, "apiVersion")},
                     {"fieldsType", "FieldsV1"},
                     {"subresource", "status"}},
                    {}});
  return owners.back();
}

void StoreOwners(const std::vector<Owner>& owners, json rest, json& object) {
  for (const Owner& owner : owners) {
    if (owner.paths.empty()) continue;
    json entry = owner.entry;
    entry["fieldsV1"] = ToFields(owner.paths);
    rest.push_back(std::move(entry));
  }
  object["metadata"]["managedFields"] = std::move(rest);
}

bool OwnedByAnother(const std::vector<Owner>& owners, const Owner& self, const Path& path) {
  return std::ranges::any_of(
      owners, [&](const Owner& owner) { return &owner != &self && owner.paths.contains(path); });
}

// What `self` owned, does not want any more and shares with nobody. A list entry takes its
// contents along.
void RemoveAbandoned(const std::vector<Owner>& owners, const Owner& self, const Paths& wanted,
                     std::vector<Leaf>& leaves) {
  for (const Path& path : self.paths) {
    if (wanted.contains(path) || OwnedByAnother(owners, self, path)) continue;
    const bool entry = path.ends_with("\n.");
    const std::string_view inside = std::string_view(path).substr(0, path.size() - 1);
    std::erase_if(leaves, [&](const Leaf& leaf) {
      return leaf.path == path || (entry && leaf.path.starts_with(inside));
    });
  }
}

std::string Readable(const Path& path) {
  std::string text;
  for (std::string_view element : Split(path, '\n')) {
    if (element.starts_with("k:")) {
      text += fmt::format("[{}]", element.substr(2));
    } else {
      text += fmt::format(".{}", element.substr(2));
    }
  }
  return text;
}

}  // namespace

std::expected<json, std::vector<Causes::Cause>> ApplyStatus(const json& live, const json& config,
                                                            const Manager& manager, bool force) {
  json rest;
  std::vector<Owner> owners = OwnersOf(live, rest);
  owners.reserve(owners.size() + 1);
  Owner& self = OwnerFor(owners, manager, "Apply", live);
  std::vector<Leaf> merged = LeavesOf(live);
  Paths wanted;
  std::vector<Causes::Cause> conflicts;
  for (Leaf& leaf : LeavesOf(config)) {
    wanted.insert(leaf.path);
    const auto found = std::ranges::find(merged, leaf.path, &Leaf::path);
    if (found == merged.end()) {
      merged.push_back(std::move(leaf));
      continue;
    }
    if (found->value == leaf.value) continue;
    for (Owner& owner : owners) {
      if (&owner == &self || !owner.paths.contains(leaf.path)) continue;
      if (force) {
        owner.paths.erase(leaf.path);
      } else {
        conflicts.push_back({"FieldManagerConflict",
                             fmt::format("conflict with \"{}\"", Text(owner.entry, "manager")),
                             Readable(leaf.path)});
      }
    }
    found->value = std::move(leaf.value);
  }
  if (!conflicts.empty()) return std::unexpected(std::move(conflicts));
  RemoveAbandoned(owners, self, wanted, merged);
  json object = live;
  object.erase("status");
  object.update(Build(merged));
  if (self.paths != wanted || At(object, "status") != At(live, "status")) {
    self.entry["time"] = manager.time;
  }
  self.paths = std::move(wanted);
  StoreOwners(owners, std::move(rest), object);
  return object;
}

void RecordStatusUpdate(const json& old, const Manager& manager, json& object) {
  json rest;
  std::vector<Owner> owners = OwnersOf(old, rest);
  owners.reserve(owners.size() + 1);
  Owner& self = OwnerFor(owners, manager, "Update", object);
  std::map<Path, json> before;
  for (Leaf& leaf : LeavesOf(old)) before.emplace(std::move(leaf.path), std::move(leaf.value));
  Paths present;
  for (const Leaf& leaf : LeavesOf(object)) {
    present.insert(leaf.path);
    const auto found = before.find(leaf.path);
    if (found != before.end() && found->second == leaf.value) continue;
    for (Owner& owner : owners) owner.paths.erase(leaf.path);
    self.paths.insert(leaf.path);
    self.entry["time"] = manager.time;
  }
  for (Owner& owner : owners) {
    std::erase_if(owner.paths, [&](const Path& path) { return !present.contains(path); });
  }
  StoreOwners(owners, std::move(rest), object);
}

void RecordWrite(const Manager& manager, json& object) {
  json fields = json::object();
  for (const auto& [name, value] : Map(object, "spec").items()) {
    fields["f:spec"]["f:" + name] = json::object();
  }
  json kept = json::array();
  for (const json& entry : List(object["metadata"], "managedFields")) {
    if (Text(entry, "subresource") == "status") kept.push_back(entry);
  }
  kept.push_back({{"manager", manager.name},
                  {"operation", "Update"},
                  {"apiVersion", Text(object, "apiVersion")},
                  {"time", manager.time},
                  {"fieldsType", "FieldsV1"},
                  {"fieldsV1", std::move(fields)}});
  object["metadata"]["managedFields"] = std::move(kept);
}

}  // namespace drapci::apiserver
