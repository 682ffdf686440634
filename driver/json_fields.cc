#include "driver/json_fields.h"

#include <fmt/format.h>

#include <utility>

#include "driver/text.h"
#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

using nlohmann::json;
using Ordered = nlohmann::ordered_json;

std::optional<std::string> FromHex(std::string_view hex) {
  std::string bytes;
  if (hex.size() % 2 != 0) return std::nullopt;
  for (; !hex.empty(); hex.remove_prefix(2)) {
    const std::optional<uint8_t> byte = ParseInt<uint8_t>(hex.substr(0, 2), 16);
    if (!byte) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
  }
  return bytes;
}

}  // namespace

Ordered JsonText(std::string_view text) {
  if (IsUtf8(text)) return text;
  std::string hex;
  for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return Ordered{{"hex", std::move(hex)}};
}

Ordered JsonTexts(const std::vector<std::string>& texts) {
  Ordered list = Ordered::array();
  for (const std::string& text : texts) list.push_back(JsonText(text));
  return list;
}

Ordered JsonAmounts(const char* name, const std::map<std::string, int64_t>& amounts) {
  Ordered list = Ordered::array();
  for (const auto& [key, amount] : amounts) {
    list.push_back(Ordered{{name, JsonText(key)}, {"amount", amount}});
  }
  return list;
}

JsonFields::JsonFields(const json* object, std::string where, std::optional<Error>& error)
    : object_(object), where_(std::move(where)), error_(error) {
  if (object_ == nullptr || object_->is_object()) return;
  Fault("", "is no object");
  object_ = nullptr;
}

std::string JsonFields::Text(const char* key) { return ToText(key, Mandatory(key)); }

std::string JsonFields::OptionalText(const char* key) { return ToText(key, Find(key)); }

std::vector<std::string> JsonFields::Texts(const char* key, bool mandatory) {
  std::vector<std::string> texts;
  for (const json* item : Items(key, mandatory)) texts.push_back(ToText(key, item));
  return texts;
}

bool JsonFields::OptionalBool(const char* key) { return Flag(key).value_or(false); }

std::optional<bool> JsonFields::Flag(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  Fault(key, "is neither true nor false");
  return std::nullopt;
}

int64_t JsonFields::Amount(const char* key) {
  return Mandatory(key) == nullptr ? 0 : OptionalAmount(key).value_or(0);
}

std::optional<int64_t> JsonFields::OptionalAmount(const char* key, int64_t most) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned() && value->get<uint64_t>() <= static_cast<uint64_t>(most)) {
    return value->get<int64_t>();
  }
  Fault(key, most == INT64_MAX ? "is no amount" : fmt::format("is not 0 to {}", most));
  return std::nullopt;
}

std::map<std::string, int64_t> JsonFields::Amounts(const char* key, const char* name,
                                                   bool mandatory) {
  std::map<std::string, int64_t> amounts;
  size_t index = 0;
  for (const json* item : Items(key, mandatory)) {
    if (error_) break;
    JsonFields fields(item, ItemPath(key, index++), error_);
    std::string text = fields.Text(name);
    amounts[std::move(text)] = fields.Amount("amount");
  }
  return amounts;
}

std::vector<const json*> JsonFields::Items(const char* key, bool mandatory) {
  const json* value = mandatory ? Mandatory(key) : Find(key);
  if (value == nullptr) return {};
  if (!value->is_array() || value->size() > kMaxListLength) {
    Fault(key, fmt::format("is no list of at most {} values", kMaxListLength));
    return {};
  }
  std::vector<const json*> items;
  for (const json& item : *value) items.push_back(&item);
  return items;
}

JsonFields JsonFields::Object(const char* key) { return {Mandatory(key), Path(key), error_}; }

std::optional<JsonFields> JsonFields::OptionalObject(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  return JsonFields(value, Path(key), error_);
}

void JsonFields::Fault(std::string_view key, std::string_view what) {
  if (!error_) error_ = Error{Code::kInvalid, 0, fmt::format("{} {}", Path(key), what)};
}

std::string JsonFields::Path(std::string_view key) const {
  return key.empty() ? where_ : fmt::format("{}.{}", where_, key);
}

std::string JsonFields::ItemPath(std::string_view key, size_t index) const {
  return fmt::format("{}[{}]", Path(key), index);
}

const json* JsonFields::Find(const char* key) const {
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(key);
  return found == object_->end() ? nullptr : &*found;
}

const json* JsonFields::Mandatory(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) Fault(key, "is missing");
  return value;
}

std::string JsonFields::ToText(const char* key, const json* value) {
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  if (value->is_object() && value->size() == 1 && value->contains("hex") &&
      value->at("hex").is_string()) {
    if (std::optional<std::string> bytes = FromHex(value->at("hex").get<std::string>())) {
      return *std::move(bytes);
    }
  }
  Fault(key, "is no text");
  return {};
}

}  // namespace drapci::driver
