#include "plugin/json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "plugin/quantity.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

using nlohmann::json;

// A first pass over the text that builds nothing: nlohmann's parser itself knows no depth, keeps
// the last of two equal keys, and its callback parser takes quadratic time on long lists of
// objects.
class Guard : public nlohmann::json_sax<json> {
 public:
  bool too_deep = false;
  std::string repeated;
  std::string syntax_error;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(); }
  bool end_array() override { return Close(); }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) repeated = "'" + key + "'";
    return repeated.empty();
  }
  bool parse_error(size_t, const std::string&, const json::exception& error) override {
    syntax_error = error.what();
    return false;
  }

 private:
  bool Open() {
    keys_.emplace_back();
    too_deep = keys_.size() > static_cast<size_t>(kMaxJsonDepth);
    return !too_deep;
  }
  bool Close() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> keys_;  // of the objects (and lists) that are open
};

// "[json.exception.parse_error.101] parse error at line 1, ..." without the part for programmers.
std::string ParserText(std::string_view text) {
  if (const size_t end = text.find("] "); text.starts_with('[') && end != std::string_view::npos) {
    text.remove_prefix(end + 2);
  }
  return Printable(text, 300);
}

}  // namespace

Result<json> ParseJson(std::string_view text) {
  if (text.size() > kMaxJsonBytes) {
    return Fail(Code::kInvalid, fmt::format("is {} bytes long, more than the {} that are read",
                                            text.size(), kMaxJsonBytes));
  }
  Guard guard;
  const bool sound = json::sax_parse(text, &guard);
  if (guard.too_deep) {
    return Fail(Code::kInvalid, fmt::format("is nested more than {} deep", kMaxJsonDepth));
  }
  if (!guard.repeated.empty()) {
    return Fail(Code::kInvalid,
                "has the key " + Printable(guard.repeated, 100) + " twice in one object");
  }
  if (!sound) return Fail(Code::kInvalid, "is no JSON: " + ParserText(guard.syntax_error));
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return Fail(Code::kInvalid, "is no JSON");
  return document;
}

JsonField::JsonField(const json& value, std::string path) : JsonField(&value, std::move(path)) {}

JsonField::JsonField(const json* value, std::string path)
    : value_(value == nullptr || value->is_null() ? nullptr : value), path_(std::move(path)) {}

JsonField JsonField::operator[](std::string_view key) const {
  const json* member = nullptr;
  if (present() && value_->is_object()) {
    if (auto found = value_->find(std::string(key)); found != value_->end()) member = &*found;
  }
  return {member, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key)};
}

Error JsonField::Wrong(std::string_view what) const {
  return {.code = Code::kInvalid,
          .sys = 0,
          .what = path_.empty() ? std::string(what) : fmt::format("{}: {}", path_, what)};
}

Error JsonField::WrongType(std::string_view wanted) const {
  return Wrong(fmt::format("must be {}, is {} {}", wanted,
                           value_->is_array() || value_->is_object() ? "an" : "a",
                           value_->type_name()));
}

Result<std::string> JsonField::Text() const {
  if (!present()) return std::string();
  if (!value_->is_string()) return Fail(WrongType("a string"));
  return value_->get_ref<const std::string&>();
}

Result<bool> JsonField::Flag() const {
  if (!present()) return false;
  if (!value_->is_boolean()) return Fail(WrongType("true or false"));
  return value_->get<bool>();
}

Result<std::vector<JsonField>> JsonField::Items(size_t limit) const {
  std::vector<JsonField> items;
  if (!present()) return items;
  if (!value_->is_array()) return Fail(WrongType("an array"));
  if (value_->size() > limit) {
    return Fail(
        Wrong(fmt::format("has {} entries, at most {} are allowed", value_->size(), limit)));
  }
  items.reserve(value_->size());
  for (const json& item : *value_) {
    items.push_back(JsonField(&item, fmt::format("{}[{}]", path_, items.size())));
  }
  return items;
}

Result<std::map<std::string, JsonField>> JsonField::Members(size_t limit) const {
  std::map<std::string, JsonField> members;
  DRAPCI_CHECK(IsObject());
  if (!present()) return members;
  if (value_->size() > limit) {
    return Fail(
        Wrong(fmt::format("has {} members, at most {} are allowed", value_->size(), limit)));
  }
  for (const auto& [key, member] : value_->items()) {
    members.emplace(key, JsonField(&member, fmt::format("{}['{}']", path_, Printable(key, 100))));
  }
  return members;
}

Result<> JsonField::IsObject() const {
  if (present() && !value_->is_object()) return Fail(WrongType("an object"));
  return {};
}

Result<int64_t> JsonField::Integer(int64_t least, int64_t most) const {
  if (!present()) return Fail(Wrong("is missing"));
  const bool fits = value_->is_number_integer() &&
                    (!value_->is_number_unsigned() || value_->get<uint64_t>() <= INT64_MAX);
  const int64_t number = fits ? value_->get<int64_t>() : 0;
  if (!fits || number < least || number > most) {
    return Fail(Wrong(fmt::format("must be a whole number, {} to {}", least, most)));
  }
  return number;
}

Result<int64_t> JsonField::Quantity() const {
  if (!present() || (!value_->is_string() && !value_->is_number())) {
    return Fail(Wrong("must be a quantity: a string or a number"));
  }
  const std::string text = value_->is_string() ? value_->get<std::string>() : value_->dump();
  const auto quantity = ParseQuantity(text);
  if (!quantity) {
    return Fail(Wrong(fmt::format("'{}' is no quantity such as 200M, 10Gi or 1e9 below 2^63",
                                  Printable(text, 100))));
  }
  return *quantity;
}

Result<std::string> JsonField::Name(size_t limit, bool slash) const {
  DRAPCI_TRY(std::string name, Text());
  if (name.empty()) return Fail(Wrong("is missing"));
  if (name.size() > limit) {
    return Fail(
        Wrong(fmt::format("has {} characters, at most {} are allowed", name.size(), limit)));
  }
  const auto allowed = [slash](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || (slash && c == '/');
  };
  if (!std::ranges::all_of(name, allowed)) {
    return Fail(Wrong(
        fmt::format("'{}' has a character that no such name can have", Printable(name, 100))));
  }
  return name;
}

Result<> JsonField::HasOnly(std::initializer_list<std::string_view> known) const {
  DRAPCI_CHECK(IsObject());
  if (!present()) return {};
  for (const auto& [key, member] : value_->items()) {
    if (std::ranges::find(known, key) == known.end()) {
      return Fail((*this)[Printable(key, 100)].Wrong(
          fmt::format("unknown field; allowed are {}", fmt::join(known, ", "))));
    }
  }
  return {};
}

}  // namespace drapci::plugin
