// The credentials as they are now: files are read anew when they change.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "hal/os/clock.h"
#include "plugin/kube/cached_file.h"
#include "plugin/kube/kubeconfig.h"
#include "plugin/kube/transport.h"

namespace drapci::plugin::kube {

// What one call needs.
struct Access {
  Endpoint endpoint;
  std::string token;  // empty: none
};

// One thread.
class CredentialStore {
 public:
  // Reads the kubeconfig, or finds the pod's own files.
  using Source = std::function<Result<Credentials>()>;

  explicit CredentialStore(Source source) : source_(std::move(source)) {}

  // Asks the source when there are no credentials yet, every minute and after Doubt(); looks at the
  // files each time. What cannot be read now stays what it was; an error only when it never could.
  // The pointer is valid until the next call.
  Result<const Access*> Get(hal::MonotonicTime now);

  // The server does not know us (401): the next Get() reads everything.
  void Doubt() { doubted_ = true; }

 private:
  Result<> AskSource(hal::MonotonicTime now);
  Result<std::string> TextOf(const Secret& secret, CachedFile& file, bool anew);
  void Complain(const Error& error);

  Source source_;
  std::optional<Credentials> credentials_;
  hal::MonotonicTime asked_{};
  bool doubted_ = false;
  CachedFile authority_, certificate_, key_, token_;
  std::optional<Access> access_;
  std::string complaint_;  // logged last
};

}  // namespace drapci::plugin::kube
