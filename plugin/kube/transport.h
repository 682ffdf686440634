// One HTTP request to one server: the seam below the API client.
//
// Everything here runs on the loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

// A server and how to speak to it. Certificates and keys are PEM texts, not files, so what is
// compared is what is used.
struct Endpoint {
  std::string server;           // "https://10.0.0.1:6443", without a trailing '/'
  std::string tls_server_name;  // in the server's certificate, when not the host of `server`
  std::string proxy_url;        // empty: as the environment says (HTTPS_PROXY, NO_PROXY)
  bool insecure_skip_tls_verify = false;
  std::string certificate_authority;  // empty: the system's
  std::string client_certificate, client_key;
  std::string username, password;

  bool operator==(const Endpoint&) const = default;
};

struct HttpRequest {
  std::string method = "GET";
  std::string target;                // path and query, appended to Endpoint::server
  std::vector<std::string> headers;  // "Accept: application/json"
  std::string body;
};

struct HttpResponse {
  int status = 0;
  std::string body;         // of a stream: of every answer but 2xx
  std::string retry_after;  // the header as it came
  bool http2 = false;
};

// An error here is: no whole answer. One line that names the server and the cause.
using HttpResult = std::expected<HttpResponse, Error>;

class Transport {
 public:
  using Id = uint64_t;

  virtual ~Transport() = default;  // no callback comes any more

  // Callbacks never come from within Send(), Stream() or Cancel(); in them the transport may be
  // called and destroyed. Only connecting has a time-out here.
  virtual Id Send(HttpRequest request, std::function<void(HttpResult)> done) = 0;

  // As Send(); of a 2xx answer `data` gets the body as it comes. It is called once the head of the
  // answer is there, possibly with an empty text.
  virtual Id Stream(HttpRequest request, std::function<void(std::string_view)> data,
                    std::function<void(HttpResult)> end) = 0;

  // No callback of that request comes any more.
  virtual void Cancel(Id request) = 0;
};

using MakeTransport = std::function<Result<std::unique_ptr<Transport>>(const Endpoint&)>;

}  // namespace drapci::plugin::kube
