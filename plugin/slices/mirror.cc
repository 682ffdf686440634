#include "plugin/slices/mirror.h"

#include <utility>

namespace drapci::plugin::slices {
namespace {

std::string Key(const StoredSlice& slice) { return slice.uid + " " + slice.resource_version; }

}  // namespace

Mirror::News Mirror::Listed(std::vector<StoredSlice> slices) {
  News news = News::kNone;
  std::map<std::string, Entry> fresh;
  std::set<std::string> still_told;
  for (StoredSlice& slice : slices) {
    const std::string name = slice.name;
    const auto old = entries_.find(name);
    if (deleted_by_us_.contains(slice.uid)) {
      still_told.insert(slice.uid);
      if (old == entries_.end()) continue;  // the list is older than the deletion
    }
    if (under_way_ > 0) told_.insert(Key(slice));
    if (old != entries_.end() && old->second.slice.uid == slice.uid) {
      if (old->second.past.contains(slice.resource_version)) {
        fresh.insert(entries_.extract(old));  // the list is older than our last write
        continue;
      }
      if (Key(old->second.slice) != Key(slice) && news == News::kNone) news = News::kChanged;
      entries_.erase(old);
    } else if (news == News::kNone) {
      news = News::kChanged;
    }
    Entry& entry = fresh[name];
    entry.slice = std::move(slice);
  }
  // What remains is not in the list: lost, unless the list may be older than it.
  for (auto& [name, entry] : entries_) {
    if (!entry.seen) {
      fresh.emplace(name, std::move(entry));
    } else if (!deleted_by_us_.contains(entry.slice.uid)) {
      news = News::kDeleted;
    }
  }
  entries_ = std::move(fresh);
  deleted_by_us_ = std::move(still_told);
  return news;
}

Mirror::News Mirror::Told(kube::Reflector::Change change, StoredSlice slice) {
  const auto found = entries_.find(slice.name);
  const bool known = found != entries_.end() && found->second.slice.uid == slice.uid;
  if (change == kube::Reflector::Change::kDeleted) {
    if (under_way_ > 0) gone_.insert(slice.uid);
    const bool ours = deleted_by_us_.erase(slice.uid) > 0;
    if (!known) return News::kNone;
    entries_.erase(found);
    return ours ? News::kNone : News::kDeleted;
  }
  if (!known && deleted_by_us_.contains(slice.uid)) return News::kNone;
  if (under_way_ > 0) told_.insert(Key(slice));
  if (known && found->second.past.contains(slice.resource_version)) return News::kNone;
  if (known && found->second.slice.resource_version == slice.resource_version) {
    found->second.seen = true;
    found->second.past.clear();
    return News::kNone;
  }
  Entry& entry = entries_[slice.name];
  entry = Entry();
  entry.slice = std::move(slice);
  return News::kChanged;
}

void Mirror::Written(StoredSlice answer, hal::MonotonicTime now) {
  if (!told_.contains(Key(answer)) && !gone_.contains(answer.uid)) {
    Entry& entry = entries_[answer.name];
    if (entry.slice.uid != answer.uid) entry = Entry();
    if (entry.slice.resource_version != answer.resource_version) {
      if (!entry.slice.resource_version.empty()) entry.past.insert(entry.slice.resource_version);
      entry.seen = false;
      entry.written = now;
    }
    entry.slice = std::move(answer);
  }
  Finish();
}

void Mirror::BeginDelete(const StoredSlice& slice) {
  deleted_by_us_.insert(slice.uid);
  Begin();
}

void Mirror::Deleted(const StoredSlice& slice) {
  const auto found = entries_.find(slice.name);
  if (found != entries_.end() && found->second.slice.uid == slice.uid) entries_.erase(found);
  Finish();
}

void Mirror::DeleteFailed(const StoredSlice& slice) {
  deleted_by_us_.erase(slice.uid);
  Finish();
}

void Mirror::Finish() {
  if (--under_way_ > 0) return;
  told_.clear();
  gone_.clear();
}

std::optional<std::string> Mirror::Unseen(hal::MonotonicTime now,
                                          hal::MonotonicTime::duration age) const {
  for (const auto& [name, entry] : entries_) {
    if (!entry.seen && now - entry.written >= age) return name;
  }
  return std::nullopt;
}

Mirror::News Mirror::Asked(const std::string& name, std::optional<StoredSlice> answer) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.seen) return News::kNone;  // the watch was quicker
  if (!answer) {
    entries_.erase(found);
    return News::kDeleted;
  }
  const bool same = Key(found->second.slice) == Key(*answer);
  found->second.slice = *std::move(answer);
  found->second.seen = true;
  return same ? News::kNone : News::kChanged;
}

std::vector<StoredSlice> Mirror::All() const {
  std::vector<StoredSlice> all;
  all.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) all.push_back(entry.slice);
  return all;
}

}  // namespace drapci::plugin::slices
