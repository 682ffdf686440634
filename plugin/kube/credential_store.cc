#include "plugin/kube/credential_store.h"

#include <algorithm>
#include <utility>

#include "hal/base/log.h"
#include "hal/base/parse.h"

namespace drapci::plugin::kube {
namespace {

// Also covers file systems that do not tell when a file changes.
constexpr std::chrono::seconds kReadAnew{60};

// What goes into a header must not end it.
Result<std::string> CheckToken(std::string_view text, const Secret& secret) {
  text = Trim(text);
  const bool whole = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (whole && (!text.empty() || secret.empty())) return std::string(text);
  return Fail(Code::kInvalid, (secret.file.empty() ? "token" : secret.file) +
                                  ": is not one word of printable characters");
}

}  // namespace

Result<const Access*> CredentialStore::Get(hal::MonotonicTime now) {
  const bool anew = std::exchange(doubted_, false) || !credentials_ || now - asked_ >= kReadAnew;
  if (anew) DRAPCI_CHECK(AskSource(now));
  const Credentials& from = *credentials_;
  Access access;
  Endpoint& to = access.endpoint;
  to.server = from.server;
  to.tls_server_name = from.tls_server_name;
  to.proxy_url = from.proxy_url;
  to.insecure_skip_tls_verify = from.insecure_skip_tls_verify;
  to.username = from.username;
  to.password = from.password;
  DRAPCI_TRY(to.certificate_authority, TextOf(from.certificate_authority, authority_, anew));
  DRAPCI_TRY(to.client_certificate, TextOf(from.client_certificate, certificate_, anew));
  DRAPCI_TRY(to.client_key, TextOf(from.client_key, key_, anew));
  DRAPCI_TRY(const std::string token, TextOf(from.token, token_, anew));
  DRAPCI_TRY(access.token, CheckToken(token, from.token));
  access_ = std::move(access);
  return &*access_;
}

Result<> CredentialStore::AskSource(hal::MonotonicTime now) {
  auto credentials = source_();
  if (credentials) {
    credentials_ = *std::move(credentials);
    complaint_.clear();
  } else if (!credentials_) {
    return Fail(std::move(credentials).error());
  } else {
    Complain(credentials.error());
  }
  asked_ = now;
  return {};
}

Result<std::string> CredentialStore::TextOf(const Secret& secret, CachedFile& file, bool anew) {
  if (secret.file.empty()) return secret.data;
  if (auto read = file.Refresh(secret.file, anew); !read) {
    if (!file.loaded()) return Fail(std::move(read).error());
    Complain(read.error());  // it is being replaced, or will be missed soon enough
  }
  return file.text();
}

void CredentialStore::Complain(const Error& error) {
  if (error.what == complaint_) return;
  complaint_ = error.what;
  Log(LogLevel::kWarning, "credentials: {}; going on with what was read before", error.what);
}

}  // namespace drapci::plugin::kube
