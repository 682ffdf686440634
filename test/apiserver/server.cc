#include "test/apiserver/server.h"

#include <fmt/format.h>

#include "test/apiserver/fields.h"
#include "test/apiserver/scheduler.h"
#include "test/apiserver/status.h"

namespace drapci::apiserver {
namespace {

// Paths outside the API that a fault can hit all the same.
bool IsOpen(std::string_view path) {
  return path == "/version" || path == "/healthz" || path == "/livez" || path == "/readyz";
}

std::string ResourceName(const Target& target) {
  std::string name(target.resource->plural);
  if (!target.subresource.empty()) name += "/" + target.subresource;
  return name;
}

Response Plain(std::string_view text) {
  Response response;
  response.headers.emplace_back("Content-Type", "text/plain");
  response.body = text;
  return response;
}

std::string TargetText(const Request& request) {
  std::string text = request.path;
  for (const auto& [name, value] : request.query) {
    text += (text.size() == request.path.size() ? "?" : "&") + name + "=" + value;
  }
  return text;
}

}  // namespace

Server::Server(Options options, Gates gates)
    : options_(std::move(options)), api_(options_, std::move(gates)) {}

Result<std::unique_ptr<Server>> Server::Create(Options options) {
  DRAPCI_TRY(Gates gates, Gates::Of(options.minor, options.gates));
  return std::unique_ptr<Server>(new Server(std::move(options), std::move(gates)));
}

Response Server::Handle(const Request& request) {
  const std::lock_guard lock(mutex_);
  if (auto answer = Control(request)) return *std::move(answer);
  const auto target = ParsePath(request.path);
  const std::string verb = target ? VerbOf(request, *target) : "";
  const auto fault = faults_.Take(request, verb);
  const bool refused = fault && (fault->status != 0 || fault->drop == Drop::kBefore);
  Response response;
  if (!refused || fault->apply) response = Serve(request);
  if (fault) {
    if (fault->status != 0) response = AnswerOf(*fault);
    response.drop = fault->drop;
    response.delay_ms = fault->delay_ms;
    response.truncate = fault->truncate;
  }
  const auto user = Authenticate(request);
  counters_.Add({.verb = verb.empty() ? request.method : verb,
                 .resource = target ? ResourceName(*target) : request.path,
                 .target = TargetText(request),
                 .user = user ? user->name : "",
                 .status = response.status,
                 .bytes_in = request.body.size(),
                 .bytes_out = response.body.size()});
  return response;
}

Response Server::Serve(const Request& request) {
  if (request.path == "/version") return Version();
  if (IsOpen(request.path)) return Plain("ok");
  const auto user = Authenticate(request);
  if (!user) return Refuse(401, "Unauthorized", "Unauthorized");
  const auto target = ParsePath(request.path);
  if (!target) {
    return Refuse(404, "NotFound", "the server could not find the requested resource");
  }
  const std::string verb = VerbOf(request, *target);
  if (verb.empty()) {
    return Refuse(405, "MethodNotAllowed",
                  "the server does not allow this method on the requested resource");
  }
  return api_.Serve({request, *target, verb, *user});
}

Response Server::Version() const {
  return Ok({{"major", "1"},
             {"minor", std::to_string(options_.minor)},
             {"gitVersion", fmt::format("v1.{}.0-drapci-test", options_.minor)},
             {"platform", "linux/amd64"}});
}

std::optional<User> Server::Authenticate(const Request& request) const {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string header = request.Header("authorization");
  if (header.starts_with(kBearer)) {
    const auto found = options_.tokens.find(header.substr(kBearer.size()));
    if (found != options_.tokens.end()) return found->second;
    if (!options_.tokens.empty()) return std::nullopt;
  }
  if (!request.certificate_user.empty()) return User{.name = request.certificate_user};
  // Where nobody has credentials, everybody is let in.
  if (options_.tokens.empty()) return User{};
  return std::nullopt;
}

std::optional<Response> Server::Control(const Request& request) {
  const std::string& path = request.path;
  const std::string& method = request.method;
  const json done = {{"done", true}};
  if (path == "/faults" && method == "POST") return PostFault(request);
  if (path == "/faults" && method == "DELETE") {
    faults_.Clear();
    return Ok(done);
  }
  if (path == "/counters" && method == "GET") {
    json counters = counters_.ToJson();
    counters["openWatches"] = api_.watch_count();
    return Ok(counters);
  }
  if (path == "/counters/reset" || (path == "/counters" && method == "DELETE")) {
    counters_.Reset();
    return Ok(done);
  }
  if (path == "/calls" && method == "GET") return Ok(counters_.LastCalls());
  if (path == "/watches/close" && method == "POST") {
    api_.CloseWatches();
    return Ok(done);
  }
  if (path == "/compact" && method == "POST") {
    api_.store().Compact();
    return Ok(done);
  }
  if (path == "/dump" && method == "GET") return Ok(api_.store().Dump());
  if (path == "/restore" && method == "POST") {
    const json dump = json::parse(request.body, nullptr, false);
    return api_.Restore(dump) ? Ok(done) : BadRequest("the body is no dump of this server");
  }
  if (path == "/authorization" && method == "PUT") return PutAuthorization(request);
  if (path == "/allocate" && method == "POST") return Allocate(api_, request.body);
  if (path == "/deallocate" && method == "POST") return Deallocate(api_, request.body);
  return std::nullopt;
}

Response Server::PostFault(const Request& request) {
  auto fault = Faults::Parse(json::parse(request.body, nullptr, false));
  if (!fault) return BadRequest(fault.error().what);
  faults_.Add(*std::move(fault));
  return Ok({{"faults", faults_.size()}});
}

Response Server::PutAuthorization(const Request& request) {
  const json rules = json::parse(request.body, nullptr, false);
  if (!rules.is_object()) return BadRequest("the body is no JSON object");
  Authorization& now = api_.authorization();
  now.enabled = True(rules, "enabled");
  for (const auto& [field, set] : {std::pair{"admins", &now.admins},
                                   {"drivers", &now.drivers},
                                   {"arbitraryNode", &now.arbitrary_node},
                                   {"denied", &now.denied}}) {
    if (!Has(rules, field)) continue;
    set->clear();
    for (const json& item : List(rules, field)) {
      if (item.is_string()) set->insert(item.get<std::string>());
    }
  }
  return Ok({{"done", true}});
}

void Server::Tick() {
  const std::lock_guard lock(mutex_);
  api_.Tick();
}

void Server::CloseWatches() {
  const std::lock_guard lock(mutex_);
  api_.CloseWatches();
}

void Server::AddFault(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.Add(std::move(fault));
}

void Server::CountStreamed(const std::string& path, size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (const auto target = ParsePath(path)) counters_.AddStreamed(ResourceName(*target), bytes);
}

uint64_t Server::Calls(const std::string& verb, const std::string& resource) {
  const std::lock_guard lock(mutex_);
  return counters_.Calls(verb, resource);
}

uint64_t Server::Writes() {
  const std::lock_guard lock(mutex_);
  return counters_.Writes();
}

std::string Server::Dump() {
  const std::lock_guard lock(mutex_);
  return apiserver::Dump(api_.store().Dump());
}

Result<> Server::Restore(std::string_view dump) {
  const std::lock_guard lock(mutex_);
  if (api_.Restore(json::parse(dump, nullptr, false))) return {};
  return Fail(Code::kInvalid, "this is no dump of the test API server");
}

}  // namespace drapci::apiserver
