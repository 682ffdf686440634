// What an operator's tools write: kubeconfigs and service account tokens.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plugin/kube/kubeconfig.h"
#include "plugin/kube/token_facts.h"

namespace {

using drapci::plugin::kube::Secret;

bool OneLine(std::string_view text) { return !text.contains('\n') && !text.contains('\0'); }

// What is accepted can go into an HTTP request and into libcurl's options as it is.
void CheckKubeconfig(std::string_view yaml) {
  const auto read = drapci::plugin::kube::ParseKubeconfig(yaml, "/etc/drapci", "");
  if (!read) {
    if (read.error().what.empty() || !OneLine(read.error().what)) std::abort();
    return;
  }
  if (!read->server.starts_with("http") || read->server.ends_with('/')) std::abort();
  for (const std::string_view text :
       {std::string_view(read->server), std::string_view(read->proxy_url),
        std::string_view(read->tls_server_name), std::string_view(read->token.data),
        std::string_view(read->username), std::string_view(read->password)}) {
    if (!OneLine(text)) std::abort();
  }
  for (const Secret* secret :
       {&read->token, &read->certificate_authority, &read->client_certificate, &read->client_key}) {
    if (!secret->file.empty() && (secret->file[0] != '/' || !secret->data.empty())) std::abort();
  }
  if (read->client_certificate.empty() != read->client_key.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const void* bytes = data;
  const std::string_view text(static_cast<const char*>(bytes), size);
  CheckKubeconfig(text);
  const auto facts = drapci::plugin::kube::ReadTokenFacts(text);
  if (facts && facts->subject.empty()) std::abort();
  return 0;
}
