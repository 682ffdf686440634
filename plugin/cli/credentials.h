// `drapci credentials`: a kubeconfig for drapcid from a service account token. Needs no daemon.
#pragma once

#include <chrono>
#include <string>

#include "plugin/cli/commands.h"
#include "plugin/cli/failure.h"

namespace drapci::cli {

struct CredentialOptions {
  std::string server;                 // URL of the API server
  std::string certificate_authority;  // file; the kubeconfig refers to it
  std::string token_file;             // the kubeconfig refers to it, so a renewed token counts
  std::string token;                  // "-": standard input, kept beside the kubeconfig
  std::string node;                   // the node that the token should be bound to; may be empty
  std::string kubeconfig = "/etc/drapci/kubeconfig";
};

// Looks at the token, then writes the kubeconfig (and KUBECONFIG.token when the token came by
// standard input, `input`), mode 0600, each as a whole or not at all. Tells what the token says
// about itself, never the token; what will not work well is the complaint. An expired token is
// refused.
Outcome<Printed> Credentials(const CredentialOptions& options, int input,
                             std::chrono::sys_seconds now);

}  // namespace drapci::cli
