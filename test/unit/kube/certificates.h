// Certificates for tests, made on the spot. PEM texts.
#pragma once

#include <string>

namespace drapci::plugin::kube {

struct Identity {
  std::string certificate, key;
};

// A new authority with a certificate of its own.
Identity MakeAuthority(const std::string& name);

// A certificate of `authority` for a server or a client; `alternatives` as OpenSSL writes them:
// "DNS:localhost,IP:127.0.0.1", or empty.
Identity Issue(const Identity& authority, const std::string& name, const std::string& alternatives);

}  // namespace drapci::plugin::kube
