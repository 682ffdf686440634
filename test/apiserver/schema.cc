#include "test/apiserver/schema.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "hal/base/parse.h"
#include "test/apiserver/quantity.h"
#include "test/apiserver/schema_text.h"
#include "test/apiserver/status.h"

namespace drapci::apiserver {
namespace {

struct Field {
  std::string_view type;
  int from = 0, to = 99;
};
using Fields = std::map<std::string_view, Field>;
using Schema = std::map<std::string_view, Fields>;

Field ParseField(std::string_view text) {
  const size_t at = text.find('@');
  Field field{.type = Trim(text.substr(0, at))};
  if (at == text.npos) return field;
  const auto versions = Split(text.substr(at + 1), '-');
  field.from = ParseInt<int>(versions.front()).value_or(99);
  if (versions.size() > 1) field.to = ParseInt<int>(versions.back()).value_or(0);
  return field;
}

Schema ParseSchema() {
  Schema schema;
  for (std::string_view line : Split(kSchemaText, '\n')) {
    const size_t colon = line.find(':');
    if (colon == line.npos) continue;
    Fields& fields = schema[line.substr(0, colon)];
    for (std::string_view item : Split(line.substr(colon + 1), ';')) {
      item = Trim(item);
      const size_t blank = item.find(' ');
      fields[item.substr(0, blank)] = ParseField(item.substr(blank + 1));
    }
  }
  return schema;
}

const Schema& TheSchema() {
  static const Schema schema = ParseSchema();
  return schema;
}

std::optional<int64_t> ParseTime(std::string_view text) {
  // 2026-11-21T13:00:00[.fraction](Z|+01:00)
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const auto number = [&](size_t at, size_t count) {
    return ParseInt<unsigned>(text.substr(at, count)).value_or(9999);
  };
  const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(number(0, 4))) /
                                        static_cast<int>(number(5, 2)) /
                                        static_cast<int>(number(8, 2))};
  if (!day.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60) {
    return std::nullopt;
  }
  size_t zone = 19;
  if (text[zone] == '.') zone = std::min(text.find_first_not_of("0123456789", 20), text.size());
  int64_t offset = 0;
  const std::string_view rest = text.substr(zone);
  if (rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':') {
    offset = int64_t{number(zone + 1, 2)} * 3600 + int64_t{number(zone + 4, 2)} * 60;
    if (rest[0] == '-') offset = -offset;
  } else if (rest != "Z") {
    return std::nullopt;
  }
  const auto days = std::chrono::sys_days(day).time_since_epoch().count();
  return int64_t{days} * 86400 + int64_t{number(11, 2)} * 3600 + int64_t{number(14, 2)} * 60 +
         number(17, 2) - offset;
}

class Decoder {
 public:
  explicit Decoder(int minor) : minor_(minor) {}

  bool Value(std::string_view type, const std::string& path, json& value);

  Decoded decoded;
  std::string error;

 private:
  bool Fail(const std::string& path, const json& value, std::string_view type) {
    error = fmt::format("json: cannot unmarshal {} into field {} of type {}", value.type_name(),
                        path, type);
    return false;
  }
  bool Scalar(std::string_view type, const std::string& path, json& value);
  bool Struct(const Fields& fields, const std::string& path, json& value);
  bool List(std::string_view type, const std::string& path, json& value);
  bool Map(std::string_view type, const std::string& path, json& value);

  int minor_;
};

bool Decoder::Value(std::string_view type, const std::string& path, json& value) {
  if (type == "any" || value.is_null()) return true;
  if (type.starts_with("[]")) return List(type.substr(2), path, value);
  if (type.starts_with("{}")) return Map(type.substr(2), path, value);
  const auto found = TheSchema().find(type);
  if (found != TheSchema().end()) return Struct(found->second, path, value);
  return Scalar(type, path, value);
}

bool Decoder::Scalar(std::string_view type, const std::string& path, json& value) {
  if (type == "bool") return value.is_boolean() || Fail(path, value, type);
  if (type == "int") {
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
    return fits || Fail(path, value, "int64");
  }
  if (type == "quantity") {
    const std::string text = value.is_string()   ? value.get<std::string>()
                             : value.is_number() ? value.dump()
                                                 : "";
    const auto quantity = Quantity::Parse(text);
    if (!quantity) {
      error = fmt::format("quantities must match the regular expression (field {}: \"{}\")", path,
                          text);
      return false;
    }
    value = quantity->Canonical();
    return true;
  }
  if (!value.is_string()) return Fail(path, value, type);
  if (type != "time") return true;
  const auto time = ParseTime(value.get_ref<const std::string&>());
  if (!time) {
    error = fmt::format("parsing time {} as RFC 3339 (field {})", Dump(value), path);
    return false;
  }
  value = FormatTime(*time);
  return true;
}

bool Decoder::Struct(const Fields& fields, const std::string& path, json& value) {
  if (!value.is_object()) return Fail(path, value, "object");
  json kept = json::object();
  for (auto& [name, member] : value.items()) {
    const std::string where = path.empty() ? name : path + "." + name;
    const auto field = fields.find(name);
    if (field == fields.end() || minor_ < field->second.from || minor_ > field->second.to) {
      decoded.unknown.push_back(where);
      continue;
    }
    if (member.is_null()) continue;
    if (!Value(field->second.type, where, member)) return false;
    kept[name] = std::move(member);
  }
  value = std::move(kept);
  return true;
}

bool Decoder::List(std::string_view type, const std::string& path, json& value) {
  if (!value.is_array()) return Fail(path, value, "list");
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i].is_null() && type != "any") return Fail(path, value[i], type);
    if (!Value(type, fmt::format("{}[{}]", path, i), value[i])) return false;
  }
  return true;
}

bool Decoder::Map(std::string_view type, const std::string& path, json& value) {
  if (!value.is_object()) return Fail(path, value, "map");
  for (auto& [name, member] : value.items()) {
    if (member.is_null() && type != "any") return Fail(path, member, type);
    if (!Value(type, fmt::format("{}[{}]", path, name), member)) return false;
  }
  return true;
}

}  // namespace

std::expected<Decoded, std::string> Decode(std::string_view type, int minor, json& object) {
  Decoder decoder(minor);
  if (!object.is_object()) return std::unexpected(std::string("the body is not an object"));
  if (TheSchema().contains(type) && !decoder.Value(type, "", object)) {
    return std::unexpected(decoder.error);
  }
  if (!object.contains("metadata")) object["metadata"] = json::object();
  if (!object["metadata"].is_object()) {
    return std::unexpected(std::string("metadata is not an object"));
  }
  return std::move(decoder.decoded);
}

void DropEmpty(json& object) {
  if (!object.is_structured()) return;
  for (auto member = object.begin(); member != object.end();) {
    // Raw extensions are stored as they came.
    if (object.is_object() && (member.key() == "parameters" || member.key() == "data" ||
                               member.key() == "managedFields")) {
      ++member;
      continue;
    }
    DropEmpty(*member);
    const bool empty = object.is_object() && member->is_structured() && member->empty();
    member = empty ? object.erase(member) : std::next(member);
  }
}

std::string FormatTime(int64_t unix_seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace drapci::apiserver
