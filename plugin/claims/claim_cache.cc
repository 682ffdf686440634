#include "plugin/claims/claim_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "hal/base/log.h"
#include "plugin/claims/claim_view.h"
#include "plugin/json.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {

using nlohmann::json;

ClaimCache::ClaimCache(std::string driver_name, std::string node_name)
    : driver_name_(std::move(driver_name)), node_name_(std::move(node_name)) {}

bool ClaimCache::Decode(std::string_view text, Read& read) const {
  Result<json> document = ParseJson(text);
  Result<ClaimView> view = document ? ViewClaim(JsonField(*document, ""), driver_name_)
                                    : Result<ClaimView>(Fail(document.error()));
  if (!view) {
    Log(LogLevel::kDebug, "a claim of the watch is ignored: {}", OneLine(view.error()));
    return false;
  }
  if (view->name.empty() || view->uid.empty()) return false;
  read.key = fmt::format("{}/{}", view->namespace_name, view->name);
  read.entry.uid = view->uid;
  read.ours = !view->devices.empty() && !node_name_.empty() &&
              std::ranges::find(view->nodes, node_name_) != view->nodes.end();
  if (!read.ours) return true;
  (*document)["metadata"].erase("managedFields");
  // The items of a list do not say what they are.
  (*document)["apiVersion"] = "resource.k8s.io/v1";
  (*document)["kind"] = "ResourceClaim";
  read.entry.json = document->dump(-1, ' ', false, json::error_handler_t::replace);
  return true;
}

void ClaimCache::Forget(const std::string& key, Changes& changes) {
  const auto found = claims_.find(key);
  if (found == claims_.end()) return;
  changes.released.push_back(std::move(found->second.uid));
  claims_.erase(found);
}

void ClaimCache::Keep(Read read, Changes& changes) {
  const auto found = claims_.find(read.key);
  if (found != claims_.end() && found->second.json == read.entry.json) return;
  if (found != claims_.end() && found->second.uid != read.entry.uid) Forget(read.key, changes);
  changes.allocated.push_back(read.entry.json);
  claims_.insert_or_assign(std::move(read.key), std::move(read.entry));
}

ClaimCache::Changes ClaimCache::Replace(const std::vector<std::string>& list) {
  Changes changes;
  std::set<std::string, std::less<>> seen;
  for (const std::string& text : list) {
    // Most claims of a cluster are others'; not worth a parse.
    if (!text.contains(driver_name_)) continue;
    Read read;
    if (!Decode(text, read) || !read.ours) continue;
    seen.insert(read.key);
    Keep(std::move(read), changes);
  }
  std::vector<std::string> gone;
  for (const auto& [key, entry] : claims_) {
    if (!seen.contains(key)) gone.push_back(key);
  }
  for (const std::string& key : gone) Forget(key, changes);
  return changes;
}

ClaimCache::Changes ClaimCache::Put(std::string_view text) {
  Changes changes;
  Read read;
  if (!Decode(text, read)) return changes;
  if (read.ours) {
    Keep(std::move(read), changes);
  } else {
    Forget(read.key, changes);
  }
  return changes;
}

ClaimCache::Changes ClaimCache::Drop(std::string_view text) {
  Changes changes;
  Read read;
  if (Decode(text, read)) Forget(read.key, changes);
  return changes;
}

const std::string* ClaimCache::Find(std::string_view namespace_name, std::string_view name,
                                    std::string_view uid) const {
  const auto found = claims_.find(fmt::format("{}/{}", namespace_name, name));
  if (found == claims_.end() || found->second.uid != uid) return nullptr;
  return &found->second.json;
}

}  // namespace drapci::plugin::claims
