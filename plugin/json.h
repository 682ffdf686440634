// Reading JSON that somebody else wrote: nothing throws, nothing is trusted, errors name the field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::plugin {

// A claim with its managedFields is a few KiB; etcd holds no object beyond 1.5 MiB.
inline constexpr size_t kMaxJsonBytes = 1 << 20;
inline constexpr int kMaxJsonDepth = 32;

// The document in `text`. kInvalid beyond kMaxJsonBytes or kMaxJsonDepth, on a key that appears
// twice in one object, and on every syntax error.
Result<nlohmann::json> ParseJson(std::string_view text);

// A value inside a document and the way to it ("status.allocation.devices.results[0].pool"). A
// member that is absent and one that is null are alike, as they are for Kubernetes. Refers to the
// document, which must live longer.
class JsonField {
 public:
  // The document itself, called `path` in errors.
  JsonField(const nlohmann::json& value, std::string path);

  bool present() const { return value_ != nullptr; }
  const std::string& path() const { return path_; }

  // The member `key`; not present when this is no object or has no such member.
  JsonField operator[](std::string_view key) const;

  // "PATH: WHAT" as a kInvalid error.
  Error Wrong(std::string_view what) const;

  // Each is kInvalid when the value is of another type; a value that isn't present is an empty one.
  Result<std::string> Text() const;
  Result<bool> Flag() const;
  Result<std::vector<JsonField>> Items(size_t limit) const;  // kInvalid beyond `limit`
  Result<std::map<std::string, JsonField>> Members(size_t limit) const;
  Result<> IsObject() const;

  // Those that have to be there. Kubernetes accepts a quantity as text or as a number.
  Result<int64_t> Integer(int64_t least, int64_t most) const;
  Result<int64_t> Quantity() const;

  // As Text, and: present, at most `limit` of the characters A-Z a-z 0-9 . - _ and, if allowed,
  // '/'.
  Result<std::string> Name(size_t limit, bool slash = false) const;

  // kInvalid naming the first member that is not among `known`.
  Result<> HasOnly(std::initializer_list<std::string_view> known) const;

 private:
  JsonField(const nlohmann::json* value, std::string path);
  Error WrongType(std::string_view wanted) const;

  const nlohmann::json* value_ = nullptr;
  std::string path_;
};

}  // namespace drapci::plugin
