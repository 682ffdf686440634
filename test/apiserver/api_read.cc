#include <fmt/format.h>

#include "hal/base/parse.h"
#include "test/apiserver/api.h"
#include "test/apiserver/fields.h"
#include "test/apiserver/status.h"

namespace drapci::apiserver {
namespace {

// A continue token is "VERSION/NAMESPACE/NAME", of the last object that was given out.
struct Continue {
  uint64_t version;
  Key after;
};

std::optional<Continue> ParseContinue(const std::string& token) {
  const auto parts = Split(token, '/');
  if (parts.size() != 3) return std::nullopt;
  const auto version = ParseInt<uint64_t>(parts[0]);
  if (!version) return std::nullopt;
  return Continue{*version, {std::string(parts[1]), std::string(parts[2])}};
}

}  // namespace

Api::Api(const Options& options, Gates gates)
    : gates_(std::move(gates)),
      authorization_(options.authorization),
      now_(options.now),
      random_(options.seed),
      seed_(options.seed),
      store_(options.history),
      watches_(options.bookmark_seconds) {}

int64_t Api::Now() const { return now_ ? now_() : 1'700'000'000; }

Response Api::Serve(const Call& call) {
  auto response = Dispatch(call);
  return response ? *std::move(response) : std::move(response).error();
}

Answer<Response> Api::Dispatch(const Call& call) {
  auto selector = SelectorOf(call);
  if (!selector) return std::unexpected(std::move(selector).error());
  if (auto may = AuthorizeCall(authorization_, call.user, call.verb, call.target, *selector);
      !may) {
    return std::unexpected(std::move(may).error());
  }
  if (call.verb == "get") return Get(call);
  if (call.verb == "list") return List(call, *selector);
  if (call.verb == "watch") return OpenWatch(call, *selector);
  if (call.verb == "create") return Create(call);
  if (call.verb == "update") return Put(call);
  if (call.verb == "patch") return Patch(call);
  if (call.verb == "delete") return Delete(call);
  return DeleteCollection(call, *selector);
}

Answer<Selector> Api::SelectorOf(const Call& call) const {
  auto selector =
      Selector::Parse(*call.target.resource, gates_.minor(), call.request.Query("fieldSelector"),
                      call.request.Query("labelSelector"));
  if (!selector) return std::unexpected(BadRequest(selector.error()));
  return *std::move(selector);
}

Answer<Object> Api::Find(const Target& target) const {
  if (auto found = store_.Find(*target.resource, {target.ns, target.name})) return found;
  return std::unexpected(NotFound(target.Name()));
}

Answer<Response> Api::Get(const Call& call) {
  auto found = Find(call.target);
  if (!found) return std::unexpected(std::move(found).error());
  if (call.target.resource->kind == "ResourceClaim") {
    auto may = AuthorizeClaim(authorization_, call.user, call.target, **found);
    if (!may) return std::unexpected(std::move(may).error());
  }
  return Ok(**found);
}

Answer<Response> Api::List(const Call& call, const Selector& selector) {
  const Resource& resource = *call.target.resource;
  const auto limit = ParseInt<size_t>(call.request.Query("limit")).value_or(0);
  uint64_t version = store_.version();
  Key after;
  if (const std::string token = call.request.Query("continue"); !token.empty()) {
    const auto parsed = ParseContinue(token);
    if (!parsed) return std::unexpected(BadRequest("continue key is not valid"));
    version = parsed->version;
    after = parsed->after;
  }
  const auto objects = store_.AllAt(resource, version);
  if (!objects) {
    return std::unexpected(
        Expired("The provided continue parameter is too old to display a "
                "consistent list result."));
  }
  json items = json::array();
  Key last;
  bool more = false;
  for (const auto& [key, object] : *objects) {
    if (key <= after && after != Key()) continue;
    if (!call.target.ns.empty() && key.first != call.target.ns) continue;
    if (!selector.Matches(*object)) continue;
    more = limit != 0 && items.size() == limit;
    if (more) break;
    items.push_back(*object);
    last = key;
  }
  json metadata = {{"resourceVersion", std::to_string(version)}};
  if (more) metadata["continue"] = fmt::format("{}/{}/{}", version, last.first, last.second);
  return Ok({{"kind", fmt::format("{}List", resource.kind)},
             {"apiVersion", resource.api_version()},
             {"metadata", std::move(metadata)},
             {"items", std::move(items)}});
}

Answer<Response> Api::OpenWatch(const Call& call, const Selector& selector) {
  Response response;
  const std::string from = call.request.Query("resourceVersion");
  const auto version = ParseInt<uint64_t>(from);
  if (!from.empty() && !version) {
    return std::unexpected(BadRequest(fmt::format("invalid resource version \"{}\"", from)));
  }
  const Resource& resource = *call.target.resource;
  const bool from_now = !version || *version == 0;  // begins with what there is
  if (!from_now && *version < store_.oldest()) {
    response.watch = std::make_shared<Watch>();
    response.watch->Push(ErrorLine(
        Expired(fmt::format("too old resource version: {} ({})", *version, store_.oldest()))));
    response.watch->End();
    return response;
  }
  std::vector<Event> events;
  if (from_now) {
    for (const auto& [key, object] : store_.All(resource)) {
      events.push_back({.resource = &resource, .type = "ADDED", .key = key, .object = object});
    }
  } else {
    events = store_.Since(resource, *version);
  }
  const auto seconds = ParseInt<int64_t>(call.request.Query("timeoutSeconds")).value_or(0);
  const std::string bookmarks = call.request.Query("allowWatchBookmarks");
  response.watch = watches_.Open({.resource = &resource,
                                  .ns = call.target.ns,
                                  .selector = selector,
                                  .bookmarks = bookmarks == "true" || bookmarks == "1",
                                  .end_at = seconds > 0 ? Now() + seconds : 0},
                                 events, Now());
  return response;
}

bool Api::Restore(const json& dump) {
  if (!store_.Restore(dump)) return false;
  watches_.CloseAll();
  // Uids and names that were given out before must not come again.
  random_.seed(seed_ + store_.version());
  return true;
}

}  // namespace drapci::apiserver
