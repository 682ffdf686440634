// Looking into decoded objects without a thought for what is missing. For .cc files only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "test/apiserver/types.h"

namespace drapci::apiserver {

inline const json& At(const json& object, std::string_view name) {
  static const json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

inline bool Has(const json& object, std::string_view name) { return !At(object, name).is_null(); }

inline const json& List(const json& object, std::string_view name) {
  static const json none = json::array();
  const json& list = At(object, name);
  return list.is_array() ? list : none;
}

inline const json& Map(const json& object, std::string_view name) {
  static const json none = json::object();
  const json& map = At(object, name);
  return map.is_object() ? map : none;
}

inline std::string Text(const json& object, std::string_view name) {
  const json& text = At(object, name);
  return text.is_string() ? text.get<std::string>() : "";
}

inline int64_t Number(const json& object, std::string_view name, int64_t otherwise = 0) {
  const json& number = At(object, name);
  return number.is_number_integer() ? number.get<int64_t>() : otherwise;
}

inline bool True(const json& object, std::string_view name) { return At(object, name) == true; }

}  // namespace drapci::apiserver
