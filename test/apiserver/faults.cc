#include "test/apiserver/faults.h"

#include <fmt/format.h>

#include "test/apiserver/fields.h"
#include "test/apiserver/status.h"

namespace drapci::apiserver {
namespace {

std::string_view ReasonOf(int status) {
  switch (status) {
    case 400: return "BadRequest";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "NotFound";
    case 409: return "Conflict";
    case 410: return "Expired";
    case 422: return "Invalid";
    case 429: return "TooManyRequests";
    case 500: return "InternalError";
    case 503: return "ServiceUnavailable";
    case 504: return "Timeout";
    default: return "";
  }
}

Result<Drop> ParseDrop(const std::string& text) {
  if (text.empty()) return Drop::kNone;
  if (text == "before") return Drop::kBefore;
  if (text == "after-headers") return Drop::kAfterHeaders;
  if (text == "mid-stream") return Drop::kMidStream;
  return Fail(Code::kInvalid, fmt::format("dropConnection: '{}' is not before, after-headers or "
                                          "mid-stream",
                                          text));
}

Result<> KnowsAll(const json& object, std::initializer_list<std::string_view> names,
                  std::string_view where) {
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(names, name) == names.end()) {
      return Fail(Code::kInvalid, fmt::format("unknown field \"{}{}\"", where, name));
    }
  }
  return {};
}

}  // namespace

Result<Fault> Faults::Parse(const json& text) {
  if (!text.is_object()) return Fail(Code::kInvalid, "a fault is a JSON object");
  DRAPCI_CHECK(KnowsAll(text,
                        {"match", "skip", "count", "status", "reason", "message", "retryAfter",
                         "dropConnection", "delayMs", "truncate", "apply"},
                        ""));
  const json& match = Map(text, "match");
  DRAPCI_CHECK(KnowsAll(match, {"method", "pathPrefix", "verb"}, "match."));
  Fault fault{.method = Text(match, "method"),
              .path_prefix = Text(match, "pathPrefix"),
              .verb = Text(match, "verb")};
  fault.skip = static_cast<int>(Number(text, "skip"));
  fault.count = static_cast<int>(Number(text, "count", 1));
  fault.status = static_cast<int>(Number(text, "status"));
  fault.reason = Text(text, "reason");
  fault.message = Text(text, "message");
  if (Has(text, "retryAfter")) fault.retry_after = static_cast<int>(Number(text, "retryAfter"));
  DRAPCI_TRY(fault.drop, ParseDrop(Text(text, "dropConnection")));
  fault.delay_ms = static_cast<int>(Number(text, "delayMs"));
  if (Has(text, "truncate")) fault.truncate = static_cast<size_t>(Number(text, "truncate"));
  fault.apply = True(text, "apply");
  return fault;
}

std::optional<Fault> Faults::Take(const Request& request, const std::string& verb) {
  for (auto fault = list_.begin(); fault != list_.end(); ++fault) {
    if (!fault->method.empty() && fault->method != request.method) continue;
    if (!fault->verb.empty() && fault->verb != verb) continue;
    if (!request.path.starts_with(fault->path_prefix)) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    Fault taken = *fault;
    if (fault->count > 0 && --fault->count == 0) list_.erase(fault);
    return taken;
  }
  return std::nullopt;
}

Response AnswerOf(const Fault& fault) {
  const std::string_view reason = fault.reason.empty() ? ReasonOf(fault.status) : fault.reason;
  Response response =
      Refuse(fault.status, reason,
             fault.message.empty() ? "a fault that a test asked for" : fault.message);
  if (fault.retry_after) {
    response.headers.emplace_back("Retry-After", std::to_string(*fault.retry_after));
  }
  return response;
}

}  // namespace drapci::apiserver
