// Reading the fields of a JSON object into plain values, with errors that name the field.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::driver {

// One object. The first thing that is wrong is kept in `error` (kInvalid), and what is wrong reads
// as empty: a caller reads all fields and looks at `error` once. Fields nobody asks for are
// skipped.
class JsonFields {
 public:
  static constexpr size_t kMaxListLength = 4096;

  // `where` names the object in messages. A null `object` stands for one that has been found
  // missing already. Both `object` and `error` must outlive this.
  JsonFields(const nlohmann::json* object, std::string where, std::optional<Error>& error);

  // Text is a string, or {"hex": "..."} for bytes that are no Unicode text.
  std::string Text(const char* key);
  std::string OptionalText(const char* key);
  std::vector<std::string> Texts(const char* key);
  bool OptionalBool(const char* key);  // false when it is not there
  int64_t Amount(const char* key);     // not negative
  // The values of a list; none when it is not there and not mandatory.
  std::vector<const nlohmann::json*> Items(const char* key, bool mandatory);
  JsonFields Object(const char* key);

  void Fault(std::string_view key, std::string_view what);
  // "record.plan[1].want"
  std::string Path(std::string_view key) const;
  std::optional<Error>& error() { return error_; }

 private:
  const nlohmann::json* Find(const char* key) const;
  const nlohmann::json* Mandatory(const char* key);
  std::string ToText(const char* key, const nlohmann::json* value);

  const nlohmann::json* object_;
  std::string where_;
  std::optional<Error>& error_;
};

}  // namespace drapci::driver
