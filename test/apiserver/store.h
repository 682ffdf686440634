// Objects with one counter of versions over all of them, and a window of events to look back.
// Not locked: its owner does that.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "test/apiserver/resources.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

using Key = std::pair<std::string, std::string>;  // namespace, name
using Objects = std::map<Key, Object>;

struct Event {
  uint64_t version = 0;
  const Resource* resource = nullptr;
  std::string_view type;  // ADDED, MODIFIED, DELETED
  Key key;
  Object object, previous;  // `object` of DELETED is the last state, with the version of its end
};

class Store {
 public:
  explicit Store(size_t history) : history_(history) {}

  uint64_t version() const { return version_; }
  // A watch or a list that goes on from a version before this one has missed events.
  uint64_t oldest() const { return oldest_; }

  Object Find(const Resource& resource, const Key& key) const;
  const Objects& All(const Resource& resource) const;
  // What there was at `version`; nothing when that is too long ago.
  std::optional<Objects> AllAt(const Resource& resource, uint64_t version) const;
  std::vector<Event> Since(const Resource& resource, uint64_t version) const;

  // Gives the object its resourceVersion.
  Event Put(const Resource& resource, const Key& key, json object);
  Event Remove(const Resource& resource, const Key& key);

  // Forgets the events.
  void Compact();

  // Everything but the events, and back: after a restart, every older version is gone.
  json Dump() const;
  bool Restore(const json& dump);

 private:
  Event Record(Event event);

  size_t history_;
  uint64_t version_ = 1;
  uint64_t oldest_ = 1;
  std::map<const Resource*, Objects> objects_;
  std::deque<Event> events_;
};

}  // namespace drapci::apiserver
