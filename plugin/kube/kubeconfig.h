// Where the API server is and how to be let in: a kubeconfig file, or the files of a pod.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

// What may stand in a file of its own or in the kubeconfig itself.
struct Secret {
  std::string file;  // read anew when it changes; empty: `data` counts
  std::string data;  // decoded
  bool empty() const { return file.empty() && data.empty(); }
};

struct Credentials {
  std::string server;  // "https://10.0.0.1:6443", without a trailing '/'
  std::string tls_server_name, proxy_url, name_space;
  bool insecure_skip_tls_verify = false;
  Secret certificate_authority, client_certificate, client_key, token;
  std::string username, password;
};

// The current context of a kubeconfig, or `context` when it is not empty. Relative files are
// relative to `directory`. kInvalid names what is missing or wrong; credential plugins (exec,
// auth-provider) and impersonation are kUnsupported. tokenFile wins over token, and certificate
// data over a certificate's file, as with kubectl; unknown fields are ignored. No error repeats a
// secret. Pure; fuzzed. Never throws.
Result<Credentials> ParseKubeconfig(std::string_view yaml, const std::string& directory,
                                    std::string_view context);

// The same from a file, named in every error. The files that it names are not looked at: they may
// come later, and change.
Result<Credentials> ReadKubeconfig(const std::string& file, std::string_view context);

// KUBERNETES_SERVICE_HOST and _PORT with the files below `directory`
// (/var/run/secrets/kubernetes.io/serviceaccount). kNotFound outside a pod.
Result<Credentials> InClusterCredentials(const std::string& host, const std::string& port,
                                         const std::string& directory);

}  // namespace drapci::plugin::kube
