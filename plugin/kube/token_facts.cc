#include "plugin/kube/token_facts.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "hal/base/parse.h"
#include "plugin/kube/base64.h"

namespace drapci::plugin::kube {
namespace {

using nlohmann::json;

constexpr size_t kMaxToken = 64 << 10;  // the API server takes no header as long as this

std::unexpected<Error> NoToken(std::string_view what) {
  return Fail(Code::kInvalid, "no service account token: " + std::string(what) +
                                  "; give what `kubectl create token` prints, and nothing else");
}

// The object in `text`, or discarded.
json ParseObject(std::string_view text) {
  // Neither the parser nor the destructor of nlohmann::json is recursive.
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return object.is_object() ? object : json(json::value_t::discarded);
}

const json* Member(const json* object, const char* key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found == object->end() ? nullptr : &*found;
}

std::string Text(const json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

// Seconds since 1970; RFC 7519 allows fractions.
Result<std::optional<std::chrono::sys_seconds>> Expiry(const json* value) {
  if (value == nullptr || value->is_null()) return std::nullopt;
  const double seconds = value->is_number() ? value->get<double>() : -1;
  constexpr double kYear9999 = 253402300799;
  if (!(seconds >= 0 && seconds <= kYear9999)) return NoToken("exp in its payload is no time");
  return std::chrono::sys_seconds(std::chrono::seconds(static_cast<int64_t>(seconds)));
}

}  // namespace

Result<TokenFacts> ReadTokenFacts(std::string_view token) {
  if (token.empty()) return NoToken("it is empty");
  if (token.size() > kMaxToken) return NoToken("it is far too long");
  const std::vector<std::string_view> parts = Split(token, '.');
  if (parts.size() != 3) return NoToken("a token has three parts with dots between them");
  for (const std::string_view part : parts) {
    if (part.empty() || !DecodeBase64Url(part)) {
      return NoToken("a part is not base64url, so something was lost or added");
    }
  }
  if (ParseObject(*DecodeBase64Url(parts[0])).is_discarded()) {
    return NoToken("its first part is no JSON object");
  }
  const json payload = ParseObject(*DecodeBase64Url(parts[1]));
  if (payload.is_discarded()) return NoToken("its second part is no JSON object");

  TokenFacts facts;
  facts.subject = Text(Member(&payload, "sub"));
  if (facts.subject.empty()) return NoToken("its payload names no subject (sub)");
  DRAPCI_TRY(facts.expires, Expiry(Member(&payload, "exp")));
  const json* bound = Member(&payload, "kubernetes.io");
  facts.node = Text(Member(Member(bound, "node"), "name"));
  facts.pod = Text(Member(Member(bound, "pod"), "name"));
  return facts;
}

}  // namespace drapci::plugin::kube
