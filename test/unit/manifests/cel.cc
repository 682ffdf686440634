#include "test/unit/manifests/cel.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace drapci::plugin {
namespace {

using nlohmann::json;
using Value = Result<json>;

bool IsWordCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Parses and evaluates at once; both sides of && and || are parsed in any case.
class Parser {
 public:
  Parser(std::string_view text, const json& device) : rest_(text), device_(device) {}

  Result<bool> Whole() {
    const Value value = Either();
    Skip();
    if (!syntax_.empty() || !rest_.empty()) {
      return Fail(Code::kInvalid, fmt::format("{} at '{}'", syntax_, rest_));
    }
    if (!value) return std::unexpected(value.error());
    if (!value->is_boolean()) return Fail(Code::kInvalid, "no boolean: " + value->dump());
    return value->get<bool>();
  }

 private:
  Value Either() {
    Value left = Both();
    while (Take("||")) {
      const Value right = Both();
      if (left && *left == json(false)) left = right;
    }
    return left;
  }

  Value Both() {
    Value left = Relation();
    while (Take("&&")) {
      const Value right = Relation();
      if (left && *left == json(true)) left = right;
    }
    return left;
  }

  Value Relation() {
    Value left = Unary();
    for (const char* sign : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!Take(sign)) continue;
      const Value right = Unary();
      if (!left || !right) return left ? right : left;
      if (left->type() != right->type() &&
          !(left->is_number_integer() && right->is_number_integer())) {
        return Fail(Code::kInvalid,
                    fmt::format("no such overload: {} {} {}", left->dump(), sign, right->dump()));
      }
      return Compare(*left, sign, *right);
    }
    if (!TakeWord("in")) return left;
    const Value list = Unary();
    if (!left || !list) return left ? list : left;
    return json(std::ranges::find(*list, *left) != list->end());
  }

  static json Compare(const json& left, std::string_view sign, const json& right) {
    if (sign == "==") return left == right;
    if (sign == "!=") return left != right;
    if (sign == "<") return left < right;
    if (sign == "<=") return left <= right;
    return sign == ">" ? left > right : left >= right;
  }

  Value Unary() {
    if (rest_.starts_with("!=")) return Syntax("no operand");
    if (!Take("!")) return Primary();
    const Value value = Unary();
    if (!value || !value->is_boolean()) return value;
    return json(!value->get<bool>());
  }

  Value Primary() {
    if (Take("(")) {
      Value value = Either();
      if (!Take(")")) return Syntax("no )");
      return value;
    }
    if (Take("[")) return List();
    if (Take("\"")) return Text();
    if (TakeWord("true")) return json(true);
    if (TakeWord("false")) return json(false);
    if (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_[0]))) return Number();
    if (TakeWord("has")) {
      if (!Take("(")) return Syntax("no (");
      const Value value = Path();
      if (!Take(")")) return Syntax("no )");
      return json(value.has_value());
    }
    return Path();
  }

  Value List() {
    json list = json::array();
    do {
      const Value value = Primary();
      if (!value) return value;
      list.push_back(*value);
    } while (Take(","));
    if (!Take("]")) return Syntax("no ]");
    return list;
  }

  Value Text() {
    const size_t end = rest_.find('"');
    if (end == std::string_view::npos) return Syntax("no end of a string");
    const json text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  Value Number() {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(rest_.begin(), rest_.end(), number);
    if (error != std::errc()) return Syntax("no number");
    rest_.remove_prefix(size_t(end - rest_.begin()));
    return json(number);
  }

  Value Path() {
    if (!TakeWord("device")) return Syntax("neither a value nor device");
    Value value = device_;
    for (;;) {
      std::string key;
      const bool domain = Take("[");
      if (domain) {
        const Value text = Take("\"") ? Text() : Syntax("no domain");
        if (!text || !Take("]")) return Syntax("no ]");
        key = text->get<std::string>();
      } else if (Take(".")) {
        key = Word();
        if (key.empty()) return Syntax("no name");
      } else {
        return value;
      }
      if (!value) continue;  // an error already: the rest is parsed only
      const auto found = value->find(key);
      if (found != value->end()) {
        value = json(*found);
      } else if (domain) {
        value = json::object();  // the scheduler knows every domain
      } else {
        value = Fail(Code::kNotFound, "no such key: " + key);
      }
    }
  }

  Value Syntax(std::string what) {
    if (syntax_.empty()) syntax_ = std::move(what);
    return Fail(Code::kInvalid, syntax_);
  }

  void Skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }
  bool Take(std::string_view sign) {
    Skip();
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(sign.size());
    if (sign != "\"") Skip();
    return true;
  }
  bool TakeWord(std::string_view word) {
    Skip();
    if (!rest_.starts_with(word)) return false;
    if (rest_.size() > word.size() && IsWordCharacter(rest_[word.size()])) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::string Word() {
    const auto end = std::ranges::find_if_not(rest_, IsWordCharacter);
    std::string word(rest_.begin(), end);
    rest_.remove_prefix(word.size());
    return word;
  }

  std::string_view rest_;
  const json& device_;
  std::string syntax_;
};

}  // namespace

json CelDevice(const json& published) {
  const json given = published.value("attributes", json::object());
  json attributes = json::object();
  for (const auto& [name, value] : given.items()) {
    const size_t slash = name.find('/');
    const bool ours = slash == std::string::npos;
    attributes[ours ? "dra.pci" : name.substr(0, slash)][ours ? name : name.substr(slash + 1)] =
        value.begin().value();
  }
  return {{"driver", "dra.pci"}, {"attributes", attributes}};
}

Result<bool> Selects(std::string_view expression, const json& device) {
  return Parser(expression, device).Whole();
}

}  // namespace drapci::plugin
