#include "plugin/kube/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "hal/base/parse.h"
#include "plugin/kube/one_line.h"

namespace drapci::plugin::kube {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kMostRetryAfter{3600};
constexpr size_t kMostCauses = 8;

Code CodeOf(int status) {
  switch (status) {
    case 400:
    case 422: return Code::kInvalid;
    case 401:
    case 403: return Code::kDenied;
    case 404: return Code::kNotFound;
    case 408: return Code::kTimeout;
    case 409: return Code::kConflict;
    case 410: return Code::kGone;
    case 429: return Code::kBusy;
    default: return Code::kIo;
  }
}

// The member `key` as text; empty when there is none.
std::string_view TextOf(const json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

const json& MemberOf(const json& object, const char* key) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

// The message, and the causes that it does not name by itself.
std::string MessageOf(const json& status) {
  std::string message = OneLine(TextOf(status, "message"));
  const json& causes = MemberOf(MemberOf(status, "details"), "causes");
  if (!causes.is_array()) return message;
  size_t told = 0;
  for (const json& cause : causes) {
    const std::string what = OneLine(TextOf(cause, "message"), 256);
    if (what.empty() || message.contains(what)) continue;
    if (++told > kMostCauses) return message + "; ...";
    const std::string field = OneLine(TextOf(cause, "field"), 256);
    message += fmt::format("{}{}{}{}", message.empty() ? "" : "; ", field,
                           field.empty() ? "" : ": ", what);
  }
  return message;
}

std::optional<std::chrono::seconds> Bounded(int64_t seconds) {
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kMostRetryAfter.count()));
}

// A date of HTTP: "Wed, 21 Oct 2026 07:28:00 GMT".
std::optional<std::chrono::sys_seconds> ParseDate(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::vector<std::string_view> parts = Split(text, ' ');
  if (parts.size() != 6 || parts[5] != "GMT") return std::nullopt;
  const std::vector<std::string_view> clock = Split(parts[4], ':');
  const auto month = std::ranges::find(kMonths, parts[2]);
  if (clock.size() != 3 || month == kMonths.end()) return std::nullopt;
  const auto day = ParseInt<unsigned>(parts[1]);
  const auto year = ParseInt<uint16_t>(parts[3]);
  const auto hours = ParseInt<uint8_t>(clock[0]), minutes = ParseInt<uint8_t>(clock[1]),
             seconds = ParseInt<uint8_t>(clock[2]);
  if (!day || !year || !hours || !minutes || !seconds) return std::nullopt;
  const auto number = static_cast<unsigned>(month - kMonths.begin() + 1);
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(number),
                                         std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hours) + std::chrono::minutes(*minutes) +
         std::chrono::seconds(*seconds);
}

ApiFailure Describe(std::string_view call, int status, const json& object) {
  ApiFailure failure;
  failure.status = status;
  failure.reason = OneLine(TextOf(object, "reason"), 128);
  const json& wait = MemberOf(MemberOf(object, "details"), "retryAfterSeconds");
  if (wait.is_number_integer() && wait.get<int64_t>() > 0) {
    failure.retry_after = Bounded(wait.get<int64_t>());
  }
  std::string what = fmt::format("{}: the API server answers {}", call, status);
  if (!failure.reason.empty()) what += " " + failure.reason;
  if (const std::string message = MessageOf(object); !message.empty()) what += ": " + message;
  failure.error = {.code = CodeOf(status), .sys = 0, .what = std::move(what)};
  return failure;
}

}  // namespace

std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view text, hal::WallTime now) {
  text = Trim(text);
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
    return Bounded(ParseInt<int64_t>(text).value_or(kMostRetryAfter.count()));
  }
  const auto date = ParseDate(text);
  if (!date) return std::nullopt;
  return Bounded(std::chrono::ceil<std::chrono::seconds>(*date - now).count());
}

ApiFailure FailureFromAnswer(std::string_view call, int status, std::string_view body,
                             std::string_view retry_after, hal::WallTime now) {
  const json object = json::parse(body, nullptr, /*allow_exceptions=*/false);
  ApiFailure failure = Describe(call, status, object);
  // Proxies and API servers that are starting answer in plain text.
  if (object.is_discarded()) {
    if (const std::string text = OneLine(body, 256); !text.empty()) {
      failure.error.what += ": " + text;
    }
  }
  if (const auto wish = ParseRetryAfter(retry_after, now)) failure.retry_after = wish;
  return failure;
}

ApiFailure FailureFromStatus(std::string_view call, const json& status) {
  const json& code = MemberOf(status, "code");
  const int64_t number = code.is_number_integer() ? code.get<int64_t>() : 0;
  return Describe(call, number >= 100 && number < 600 ? static_cast<int>(number) : 500, status);
}

}  // namespace drapci::plugin::kube
