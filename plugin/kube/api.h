// Calls to a Kubernetes API server: the seam that everything above speaks through.
//
// Everything here runs on the loop's thread (loop.h): calls are made there and callbacks arrive
// there.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

struct ApiRequest {
  std::string method = "GET";  // GET, POST, PUT, PATCH, DELETE
  std::string path;            // "/apis/resource.k8s.io/v1/resourceslices", already encoded
  std::string query;           // "limit=500&fieldSelector=...", already encoded; without '?'
  std::string body;
  std::string content_type = "application/json";
  std::chrono::milliseconds timeout{10'000};
};

// Why a call has no good answer.
struct ApiFailure {
  int status = 0;      // HTTP status; 0: no answer at all (no connection, time-out, no credentials)
  std::string reason;  // of the Status object: "Conflict", "AlreadyExists", "Expired"
  Error error;         // one line: method, path, what and why
  std::optional<std::chrono::seconds> retry_after;  // the server's own wish (429, 503)

  // Whether the same call may succeed later: no answer, 401, 403, 408, 429, 5xx.
  bool Retryable() const;
};

using ApiResult = std::expected<std::string, ApiFailure>;  // the body of a 2xx answer

class Api {
 public:
  using CallId = uint64_t;  // 0 is none

  virtual ~Api() = default;

  // One attempt, except that a 401 re-reads the credentials once and that a kept-alive connection
  // which turns out to be closed is replaced. `done` is called exactly once, never from within
  // Call(). Error codes: kNotFound 404, kConflict 409, kGone 410, kDenied 401 and 403, kInvalid 400
  // and 422, kTimeout, kBusy 429, else kIo.
  virtual CallId Call(ApiRequest request, std::function<void(ApiResult)> done) = 0;

  // A watch: `event` for each line of the answer (a watch event as JSON), `end` once, when the
  // server ends it (status 200) or it fails. Has no overall time-out; a connection on which nothing
  // has come for longer than `silence` is taken for dead.
  virtual CallId Watch(ApiRequest request, std::chrono::milliseconds silence,
                       std::function<void(std::string_view)> event,
                       std::function<void(ApiFailure)> end) = 0;

  // No callback of that call comes any more.
  virtual void Cancel(CallId call) = 0;
};

// Percent-encodes everything but unreserved characters (RFC 3986).
std::string EncodeQuery(std::string_view text);

}  // namespace drapci::plugin::kube
