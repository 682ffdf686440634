#include "driver/json_fields.h"

#include <fmt/format.h>

#include <utility>

#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

using nlohmann::json;

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

JsonFields::JsonFields(const json* object, std::string where, std::optional<Error>& error)
    : object_(object), where_(std::move(where)), error_(error) {
  if (object_ == nullptr || object_->is_object()) return;
  Fault("", "is no object");
  object_ = nullptr;
}

std::string JsonFields::Text(const char* key) { return ToText(key, Mandatory(key)); }

std::string JsonFields::OptionalText(const char* key) { return ToText(key, Find(key)); }

std::vector<std::string> JsonFields::Texts(const char* key) {
  std::vector<std::string> texts;
  for (const json* item : Items(key, true)) texts.push_back(ToText(key, item));
  return texts;
}

bool JsonFields::OptionalBool(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) Fault(key, "is neither true nor false");
  return value->is_boolean() && value->get<bool>();
}

int64_t JsonFields::Amount(const char* key) {
  const json* value = Mandatory(key);
  if (value == nullptr) return 0;
  const bool fits = value->is_number_unsigned() && value->get<uint64_t>() <= INT64_MAX;
  if (!fits) Fault(key, "is no amount");
  return fits ? value->get<int64_t>() : 0;
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

void JsonFields::Fault(std::string_view key, std::string_view what) {
  if (!error_) error_ = Error{Code::kInvalid, 0, fmt::format("{} {}", Path(key), what)};
}

std::string JsonFields::Path(std::string_view key) const {
  return key.empty() ? where_ : fmt::format("{}.{}", where_, key);
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
