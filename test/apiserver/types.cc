#include "test/apiserver/types.h"

#include "hal/base/parse.h"

namespace drapci::apiserver {
namespace {

std::string Decode(std::string_view text, bool query) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (const auto byte = ParseInt<uint8_t>(text.substr(i + 1, 2), 16)) {
        decoded += static_cast<char>(*byte);
        i += 2;
        continue;
      }
    }
    decoded += query && text[i] == '+' ? ' ' : text[i];
  }
  return decoded;
}

std::string Found(const std::map<std::string, std::string>& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? "" : found->second;
}

}  // namespace

Request Request::To(std::string method, std::string_view target, std::string body,
                    std::string content_type) {
  Request request{.method = std::move(method), .body = std::move(body)};
  const size_t mark = target.find('?');
  request.path = Decode(target.substr(0, mark), false);
  if (mark != target.npos) {
    for (std::string_view item : Split(target.substr(mark + 1), '&')) {
      const size_t equals = std::min(item.find('='), item.size());
      const std::string_view value = item.substr(std::min(equals + 1, item.size()));
      request.query[Decode(item.substr(0, equals), true)] = Decode(value, true);
    }
  }
  if (!request.body.empty()) request.headers["content-type"] = std::move(content_type);
  return request;
}

std::string Request::Query(const std::string& name) const { return Found(query, name); }

std::string Request::Header(const std::string& name) const { return Found(headers, name); }

}  // namespace drapci::apiserver
