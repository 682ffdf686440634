#include "test/node/cluster/api_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "hal/base/parse.h"

namespace drapci::test {
namespace {

constexpr const char* kResource = "/apis/resource.k8s.io/v1";

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Result<Json> Answer(const httplib::Result& result, const std::string& what) {
  if (!result) return Fail(Code::kIo, what + ": no answer");
  if (result->status / 100 != 2) {
    return Fail(Code::kIo, fmt::format("{}: {} {}", what, result->status, result->body));
  }
  return Json::parse(result->body, nullptr, false);
}

// Everything is allowed to "admin"; where the server knows no tokens, every one will do.
httplib::Client Connect(int port, const std::string& token = "admin-token") {
  httplib::Client client("127.0.0.1", port);
  client.set_bearer_token_auth(token);
  return client;
}

}  // namespace

ApiServer::ApiServer(std::string program, std::string directory, std::vector<std::string> options)
    : program_(std::move(program)),
      directory_(std::move(directory)),
      options_(std::move(options)) {}

Result<> ApiServer::Start() {
  const std::string log = directory_ + "/apiserver.log";
  std::filesystem::remove(log);
  std::vector<std::string> command{program_, "--listen", fmt::format("127.0.0.1:{}", port_),
                                   "--state", directory_ + "/apiserver.json"};
  command.insert(command.end(), options_.begin(), options_.end());
  DRAPCI_TRY(Process process, Process::Start(command, log));
  // It prints its port as the first line, once it listens.
  std::optional<int> port;
  const bool listens = Soon([&] {
    const std::string text = ReadAll(log);
    const size_t end = text.find('\n');
    if (end == std::string::npos) return false;
    port = ParseInt<int>(text.substr(0, end));
    return true;
  });
  if (!listens || !port) return Fail(Code::kIo, "the API server does not start: " + ReadAll(log));
  port_ = *port;
  process_ = std::move(process);
  return {};
}

void ApiServer::Stop() {
  if (!process_) return;
  process_->Signal(SIGTERM);
  static_cast<void>(process_->Wait(std::chrono::seconds(20)).has_value());
  process_.reset();
}

std::string ApiServer::url() const { return fmt::format("http://127.0.0.1:{}", port_); }

std::string ApiServer::WriteKubeconfig(const std::string& token) const {
  const std::string path = directory_ + "/kubeconfig";
  std::ofstream(path) << fmt::format(
      "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
      "clusters: [{{name: here, cluster: {{server: \"{}\"}}}}]\n"
      "users: [{{name: node, user: {{token: {}}}}}]\n"
      "contexts: [{{name: here, context: {{cluster: here, user: node}}}}]\n",
      url(), token);
  return path;
}

Result<Json> ApiServer::Get(const std::string& path) const {
  httplib::Client client = Connect(port_);
  return Answer(client.Get(path), "GET " + path);
}
Result<Json> ApiServer::Post(const std::string& path, const Json& body,
                             const std::string& token) const {
  httplib::Client client = Connect(port_, token);
  return Answer(client.Post(path, body.dump(), "application/json"), "POST " + path);
}
Result<Json> ApiServer::Put(const std::string& path, const Json& body,
                            const std::string& token) const {
  httplib::Client client = Connect(port_, token);
  return Answer(client.Put(path, body.dump(), "application/json"), "PUT " + path);
}
Result<> ApiServer::Delete(const std::string& path) const {
  httplib::Client client = Connect(port_);
  DRAPCI_CHECK(Answer(client.Delete(path), "DELETE " + path));
  return {};
}

std::vector<Json> ApiServer::Slices() const {
  const auto list = Get(fmt::format("{}/resourceslices", kResource));
  std::vector<Json> slices;
  if (list) slices = list->at("items").get<std::vector<Json>>();
  std::ranges::sort(slices, {}, [](const Json& slice) {
    return slice.at("metadata").at("name").get<std::string>();
  });
  return slices;
}

std::vector<Json> ApiServer::Devices() const {
  std::vector<Json> devices;
  for (const Json& slice : Slices()) {
    const auto& spec = slice.at("spec");
    if (!spec.contains("devices")) continue;
    for (const Json& device : spec.at("devices")) devices.push_back(device);
  }
  return devices;
}

std::optional<Json> ApiServer::Device(const std::string& name) const {
  for (Json& device : Devices()) {
    if (device.at("name") == name) return device;
  }
  return std::nullopt;
}

size_t ApiServer::SliceWrites() const {
  return static_cast<size_t>(Calls("create resourceslices") + Calls("update resourceslices") +
                             Calls("delete resourceslices"));
}

Result<Json> ApiServer::Claim(const std::string& name) const {
  return Get(fmt::format("{}/namespaces/default/resourceclaims/{}", kResource, name));
}

void ApiServer::AddNode(const std::string& name) {
  static_cast<void>(Post("/api/v1/nodes",
                         {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", name}}}})
                        .has_value());
}

Result<Json> ApiServer::Allocate(const std::string& name, const Json& requests, const Json& config,
                                 const std::string& node) {
  return Post("/allocate", {{"namespace", "default"},
                            {"name", name},
                            {"node", node},
                            {"requests", requests},
                            {"config", config}});
}

Result<> ApiServer::DeleteClaim(const std::string& name) const {
  return Delete(fmt::format("{}/namespaces/default/resourceclaims/{}", kResource, name));
}

int ApiServer::Writes() const {
  const auto counters = Get("/counters");
  return counters ? counters->at("writes").get<int>() : -1;
}

int ApiServer::Calls(const std::string& verb_and_resource) const {
  const auto counters = Get("/counters");
  if (!counters) return -1;
  const Json& by = counters->at("by");
  return by.contains(verb_and_resource) ? by.at(verb_and_resource).at("calls").get<int>() : 0;
}

void ApiServer::Reset() { static_cast<void>(Post("/counters/reset", Json::object()).has_value()); }
void ApiServer::Fault(const Json& fault) { static_cast<void>(Post("/faults", fault).has_value()); }
void ApiServer::NoFaults() { static_cast<void>(Delete("/faults").has_value()); }

}  // namespace drapci::test
