// A server in the process of the test, and what tests send to it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "test/apiserver/server.h"
#include "test/apiserver/watch.h"

namespace drapci::apiserver {

inline const std::string kSlices = "/apis/resource.k8s.io/v1/resourceslices";
inline const std::string kClaims = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims";

struct Harness {
  explicit Harness(int minor = 36, std::map<std::string, bool> gates = {}) {
    options.minor = minor;
    options.gates = std::move(gates);
    Start();
  }
  void Start() {
    options.now = [this] { return now; };
    server = *Server::Create(options);
  }

  struct Answer {
    int status;
    json body;
    Response raw;

    std::string reason() const { return body.value("reason", ""); }
    std::string name() const { return body["metadata"]["name"]; }
    std::string version() const { return body["metadata"]["resourceVersion"]; }
    // "FIELD: REASON" of the first cause.
    std::string cause() const {
      if (!body.contains("details") || !body["details"].contains("causes")) return "";
      const json& first = body["details"]["causes"][0];
      return first["field"].get<std::string>() + ": " + first["reason"].get<std::string>();
    }
  };

  Answer Send(Request request) {
    if (!token.empty()) request.headers["authorization"] = "Bearer " + token;
    Response response = server->Handle(request);
    json body = json::parse(response.body, nullptr, false);
    return {response.status, std::move(body), std::move(response)};
  }
  Answer Get(const std::string& target) { return Send(Request::To("GET", target)); }
  Answer Post(const std::string& target, const json& body) {
    return Send(Request::To("POST", target, body.dump()));
  }
  Answer Put(const std::string& target, const json& body) {
    return Send(Request::To("PUT", target, body.dump()));
  }
  Answer Delete(const std::string& target, const std::string& body = "") {
    return Send(Request::To("DELETE", target, body));
  }
  Answer ApplyStatus(const std::string& claim, const std::string& manager, json devices,
                     bool force = true) {
    const json body = {{"apiVersion", "resource.k8s.io/v1"},
                       {"kind", "ResourceClaim"},
                       {"metadata", {{"name", claim}}},
                       {"status", {{"devices", std::move(devices)}}}};
    return Send(Request::To(
        "PATCH",
        kClaims + "/" + claim + "/status?fieldManager=" + manager + (force ? "&force=true" : ""),
        body.dump(), "application/apply-patch+yaml"));
  }
  // The lines of a watch that are there now.
  static std::vector<json> Take(const Answer& watch) {
    std::vector<json> events;
    const std::string lines = watch.raw.watch->Take();
    for (size_t at = 0; at < lines.size();) {
      const size_t end = lines.find('\n', at);
      events.push_back(json::parse(lines.substr(at, end - at)));
      at = end + 1;
    }
    return events;
  }

  Options options;
  int64_t now = 1'800'000'000;
  std::string token;
  std::unique_ptr<Server> server;
};

inline json Device(const std::string& name) { return {{"name", name}}; }

// A slice of one pool with one device.
inline json Slice(json devices = json::array({Device("d0")})) {
  return {{"metadata", {{"generateName", "00000-x-"}}},
          {"spec",
           {{"driver", "gpu.example.com"},
            {"nodeName", "node1"},
            {"pool", {{"name", "node1"}, {"generation", 1}, {"resourceSliceCount", 1}}},
            {"devices", std::move(devices)}}}};
}

}  // namespace drapci::apiserver
