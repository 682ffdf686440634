// Requests and answers of the test API server, as values: the core knows no sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drapci::apiserver {

using nlohmann::json;
using Object = std::shared_ptr<const json>;  // stored objects are never changed in place

class Watch;

struct Request {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string certificate_user;  // common name of a verified client certificate

  // A request from "/path?a=b%3Dc"; for tests that call the core directly.
  static Request To(std::string method, std::string_view target, std::string body = "",
                    std::string content_type = "application/json");

  std::string Query(const std::string& name) const;
  std::string Header(const std::string& name) const;  // lower case
};

// Where the front cuts the connection.
enum class Drop { kNone, kBefore, kAfterHeaders, kMidStream };

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::shared_ptr<Watch> watch;  // when set, the body is this stream

  // What a fault asks of whoever delivers the answer.
  Drop drop = Drop::kNone;
  int delay_ms = 0;
  std::optional<size_t> truncate;  // bytes of the body that are delivered before the cut
};

// A value, or the answer that refuses.
template <class T = void>
using Answer = std::expected<T, Response>;

struct User {
  std::string name = "system:anonymous";
  std::string node;  // the node-name extra of a bound token

  bool is_service_account() const { return name.starts_with("system:serviceaccount:"); }
};

// Which users may do what; see authorize.h.
struct Authorization {
  bool enabled = false;
  std::set<std::string> admins = {"admin", "system:admin"};
  std::set<std::string> drivers;         // resourceNames of resourceclaims/driver; empty: every one
  std::set<std::string> arbitrary_node;  // users with the arbitrary-node verbs
  std::set<std::string> denied;          // "VERB RESOURCE[/SUBRESOURCE]", for everybody but admins
};

struct Options {
  int minor = 36;                     // Kubernetes 1.MINOR
  std::map<std::string, bool> gates;  // what differs from the defaults of that version
  std::map<std::string, User> tokens;
  Authorization authorization;
  size_t history = 1000;  // events that a watch can go back
  int64_t bookmark_seconds = 60;
  uint64_t seed = 1;             // of uids and generated names
  std::function<int64_t()> now;  // Unix seconds; without it the time stands still
};

}  // namespace drapci::apiserver
