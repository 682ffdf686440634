#include "plugin/kube/list_watch.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "plugin/kube/answer.h"
#include "plugin/kube/one_line.h"

namespace drapci::plugin::kube {
namespace {

using nlohmann::json;

// The library takes containers apart without recursion, but writes them with it.
constexpr int kMostDepth = 100;

// kInvalid on every syntax error and beyond the depth.
Result<json> Parse(std::string_view text) {
  bool deep = false;
  const auto limit = [&deep](int depth, json::parse_event_t, json&) {
    deep = deep || depth > kMostDepth;
    return !deep;
  };
  json document = json::parse(text, limit, /*allow_exceptions=*/false);
  if (deep) return Fail(Code::kInvalid, fmt::format("nested deeper than {}", kMostDepth));
  if (document.is_discarded()) return Fail(Code::kInvalid, "is no JSON");
  if (!document.is_object()) return Fail(Code::kInvalid, "is no JSON object");
  return document;
}

std::string TakeText(json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return std::move(found->get_ref<std::string&>());
}

json* FindObject(json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

// The object as text; who changed which field is of no use here, and often most of it.
std::string Dump(json& object) {
  if (json* metadata = FindObject(object, "metadata")) metadata->erase("managedFields");
  // Strings of a parsed document are UTF-8, so this cannot fail; "replace" makes it certain.
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Result<ListPage> ParseListPage(std::string_view body) {
  DRAPCI_TRY(json document, Parse(body));
  json* metadata = FindObject(document, "metadata");
  if (metadata == nullptr) return Fail(Code::kInvalid, "the list has no metadata");
  ListPage page;
  page.resource_version = TakeText(*metadata, "resourceVersion");
  page.next = TakeText(*metadata, "continue");
  if (page.resource_version.empty()) {
    return Fail(Code::kInvalid, "the list has no metadata.resourceVersion");
  }
  const auto items = document.find("items");
  if (items == document.end() || items->is_null()) return page;
  if (!items->is_array()) return Fail(Code::kInvalid, "items: is no list");
  for (json& item : *items) {
    if (!item.is_object()) {
      return Fail(Code::kInvalid, fmt::format("items[{}]: is no object", page.objects.size()));
    }
    page.objects.push_back(Dump(item));
  }
  return page;
}

Result<WatchEvent> ParseWatchEvent(std::string_view line, std::string_view call) {
  DRAPCI_TRY(json document, Parse(line));
  WatchEvent event;
  const std::string type = TakeText(document, "type");
  if (type == "ADDED") {
    event.type = WatchEvent::Type::kAdded;
  } else if (type == "MODIFIED") {
    event.type = WatchEvent::Type::kModified;
  } else if (type == "DELETED") {
    event.type = WatchEvent::Type::kDeleted;
  } else if (type == "BOOKMARK") {
    event.type = WatchEvent::Type::kBookmark;
  } else if (type != "ERROR") {
    return Fail(Code::kInvalid, fmt::format("type: unknown '{}'", OneLine(type, 64)));
  }
  json* object = FindObject(document, "object");
  if (object == nullptr) return Fail(Code::kInvalid, "object: is missing or no object");
  if (event.type == WatchEvent::Type::kError) {
    event.failure = FailureFromStatus(call, *object);
    return event;
  }
  json* metadata = FindObject(*object, "metadata");
  const json* version = nullptr;
  if (metadata != nullptr) {
    const auto found = metadata->find("resourceVersion");
    if (found != metadata->end() && found->is_string()) version = &*found;
  }
  if (version == nullptr || version->get_ref<const std::string&>().empty()) {
    return Fail(Code::kInvalid, "object.metadata.resourceVersion: is missing");
  }
  event.resource_version = version->get<std::string>();
  if (event.type != WatchEvent::Type::kBookmark) event.object = Dump(*object);
  return event;
}

}  // namespace drapci::plugin::kube
