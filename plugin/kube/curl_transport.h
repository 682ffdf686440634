// HTTP by libcurl's multi interface, driven by the loop.
//
// HTTP/2 where TLS offers it, so that calls and watches share one connection; connections are kept.
// A silent peer is noticed by TCP: keep-alive and TCP_USER_TIMEOUT. Redirects are not followed:
// they would carry the credentials elsewhere.
#pragma once

#include <memory>

#include "plugin/kube/sd_loop.h"
#include "plugin/kube/transport.h"

namespace drapci::plugin::kube {

struct CurlOptions {
  std::chrono::milliseconds connect_timeout{5'000};  // name, TCP and TLS together
  size_t most_body = size_t{64} << 20;               // after decompression; not for streams
};

// Makes transports; libcurl is loaded by the first. kUnsupported without libcurl, kInvalid when the
// endpoint's URL cannot be used. Transports are destroyed before the loop.
MakeTransport CurlTransports(SdLoop& loop, CurlOptions options);

}  // namespace drapci::plugin::kube
