// The parts of an API server's URL.
#pragma once

#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

struct ServerUrl {
  std::string scheme;     // "https" or "http"
  std::string host;       // an IPv6 address with its brackets
  std::string port;       // empty: the scheme's
  std::string base_path;  // "" or "/prefix", without a '/' at the end

  static Result<ServerUrl> Parse(std::string_view url);

  std::string Authority() const;  // "host:port" or "host"
  std::string PortOrDefault() const;
  bool IsLoopback() const;
};

}  // namespace drapci::plugin::kube
