// Plain values to JSON, and the fields of a JSON object back into plain values, with errors that
// name the field.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::driver {

// Text is a string, or {"hex": "..."} for bytes that are no Unicode text: JSON holds no other, and
// the odd other byte string (a file name, what a register held) must survive too, since undoing a
// step writes it back.
nlohmann::ordered_json JsonText(std::string_view text);
nlohmann::ordered_json JsonTexts(const std::vector<std::string>& texts);
// [{"NAME": ..., "amount": ...}]: a list, since names are any bytes.
nlohmann::ordered_json JsonAmounts(const char* name, const std::map<std::string, int64_t>& amounts);

// One object. The first thing that is wrong is kept in `error` (kInvalid), and what is wrong reads
// as empty: a caller reads all fields and looks at `error` once. Fields nobody asks for are
// skipped.
class JsonFields {
 public:
  static constexpr size_t kMaxListLength = 4096;

  // `where` names the object in messages. A null `object` stands for one that has been found
  // missing already. Both `object` and `error` must outlive this.
  JsonFields(const nlohmann::json* object, std::string where, std::optional<Error>& error);

  std::string Text(const char* key);
  std::string OptionalText(const char* key);
  std::vector<std::string> Texts(const char* key, bool mandatory = true);
  bool OptionalBool(const char* key);  // false when it is not there
  std::optional<bool> Flag(const char* key);
  int64_t Amount(const char* key);  // not negative
  std::optional<int64_t> OptionalAmount(const char* key, int64_t most = INT64_MAX);
  std::map<std::string, int64_t> Amounts(const char* key, const char* name, bool mandatory);
  // The values of a list; none when it is not there and not mandatory.
  std::vector<const nlohmann::json*> Items(const char* key, bool mandatory);
  JsonFields Object(const char* key);
  std::optional<JsonFields> OptionalObject(const char* key);

  // Every item of the list `key`, by `decode`.
  template <class T>
  std::vector<T> List(const char* key, bool mandatory, T (*decode)(JsonFields)) {
    std::vector<T> list;
    for (const nlohmann::json* item : Items(key, mandatory)) {
      if (error_) break;
      list.push_back(decode(JsonFields(item, ItemPath(key, list.size()), error_)));
    }
    return list;
  }

  void Fault(std::string_view key, std::string_view what);
  // "record.plan[1].want"
  std::string Path(std::string_view key) const;

 private:
  std::string ItemPath(std::string_view key, size_t index) const;
  const nlohmann::json* Find(const char* key) const;
  const nlohmann::json* Mandatory(const char* key);
  std::string ToText(const char* key, const nlohmann::json* value);

  const nlohmann::json* object_;
  std::string where_;
  std::optional<Error>& error_;
};

}  // namespace drapci::driver
