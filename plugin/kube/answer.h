// What an answer that is no success says: the HTTP status, a Status object, Retry-After. Pure;
// nothing throws.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "hal/os/clock.h"
#include "plugin/kube/api.h"

namespace drapci::plugin::kube {

// `call` ("GET /api/v1/nodes/a") starts the message. `retry_after` is the header, if any.
ApiFailure FailureFromAnswer(std::string_view call, int status, std::string_view body,
                             std::string_view retry_after, hal::WallTime now);

// The same of a Status object that came inside of a watch.
ApiFailure FailureFromStatus(std::string_view call, const nlohmann::json& status);

// "120", or "Wed, 21 Oct 2026 07:28:00 GMT" less `now`. Not below 0, and an hour at most: whoever
// asks for more is not meant literally.
std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view text, hal::WallTime now);

}  // namespace drapci::plugin::kube
