// What a service account token says about itself.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

struct TokenFacts {
  std::string subject;  // "system:serviceaccount:drapci:drapci"
  std::optional<std::chrono::sys_seconds> expires;
  std::string node;  // the Node object that the token lives and dies with, or that of its pod
  std::string pod;   // the Pod object, when it is bound to one
};

// The payload of a JSON Web Token, unverified: the API server alone can tell whether it is genuine.
// kInvalid says what is wrong and never repeats any of the text. Pure; fuzzed. Never throws.
Result<TokenFacts> ReadTokenFacts(std::string_view token);

}  // namespace drapci::plugin::kube
