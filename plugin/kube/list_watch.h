// The answers to lists and watches, taken apart. Pure; nothing throws; kInvalid says what is wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"
#include "plugin/kube/api.h"

namespace drapci::plugin::kube {

struct ListPage {
  std::vector<std::string> objects;  // JSON texts, without metadata.managedFields
  std::string resource_version;
  std::string next;  // the token of the next page; empty: this was the last
};
Result<ListPage> ParseListPage(std::string_view body);

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kError;
  std::string object;  // as in ListPage; empty for bookmarks and errors
  std::string resource_version;
  ApiFailure failure;  // of an error; `call` is its beginning
};
Result<WatchEvent> ParseWatchEvent(std::string_view line, std::string_view call);

}  // namespace drapci::plugin::kube
