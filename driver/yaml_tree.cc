#include "driver/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <set>
#include <sstream>

#include "driver/text.h"
#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxNodes = 20'000;

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view yaml, std::vector<ConfigError>& errors)
      : errors_(errors), lines_(Split(yaml, '\n')) {}

  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (Enter(mark, "", anchor)) Add({.line = Line(mark)});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (Enter(mark, "", 0)) {
      Report(Line(mark), "aliases (*name) are not supported: write the value out");
      Add({.line = Line(mark)});
    }
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (!Enter(mark, tag, anchor)) return;
    if (tag == "!" && !EndsOnItsLine(mark)) {
      Report(Line(mark), "a quoted text must end on the line on which it begins");
    }
    Add({.kind = YamlNode::Kind::kScalar, .line = Line(mark), .text = value, .quoted = tag == "!"});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A collection that is being read; `key` is set between the key and the value of an entry.
  struct Frame {
    YamlNode node;
    struct Key {
      std::string text;
      int line;
      bool usable;
    };
    std::optional<Key> key;
    std::set<std::string> seen;
  };

  static int Line(const YAML::Mark& mark) { return mark.line + 1; }

  // yaml-cpp 0.7 takes the end of the file for a missing quote, and so the rest of the file for a
  // part of the text.
  bool EndsOnItsLine(const YAML::Mark& mark) const {
    const auto number = static_cast<size_t>(mark.line), column = static_cast<size_t>(mark.column);
    if (number >= lines_.size() || column >= lines_[number].size()) return false;
    const std::string_view rest = lines_[number].substr(column);
    if (rest.front() == '|' || rest.front() == '>') return true;  // a block
    for (size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] == rest.front()) {
        const bool doubled = rest[i] == '\'' && i + 1 < rest.size() && rest[i + 1] == '\'';
        if (!doubled) return true;
        ++i;
      } else if (rest[i] == '\\' && rest.front() == '"') {
        ++i;
      }
    }
    return false;
  }

  void Report(int line, std::string text) {
    errors_.push_back({.line = line, .text = std::move(text)});
  }

  // Whether the node that begins here is kept.
  bool Enter(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (skipped_depth_ > 0) return false;
    if (++nodes_ > kMaxNodes) {
      if (nodes_ == kMaxNodes + 1) {
        Report(Line(mark), fmt::format("more than {} values in one file", kMaxNodes));
      }
      return false;
    }
    if (anchor != 0) Report(Line(mark), "anchors (&name) are not supported: write the value out");
    if (!tag.empty() && tag != "?" && tag != "!") {
      Report(Line(mark), fmt::format("the tag {} is not supported: leave it out", Quoted(tag)));
    }
    return true;
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    if (!Enter(mark, tag, anchor)) {
      ++skipped_depth_;
      return;
    }
    if (stack_.size() == kMaxDepth) {
      Report(Line(mark), fmt::format("nested deeper than {} levels", kMaxDepth));
      Add({.line = Line(mark)});
      ++skipped_depth_;
      return;
    }
    stack_.push_back({.node = {.kind = kind, .line = Line(mark)}, .key = {}, .seen = {}});
  }

  void Close() {
    if (skipped_depth_ > 0) {
      --skipped_depth_;
      return;
    }
    YamlNode done = std::move(stack_.back().node);
    stack_.pop_back();
    Add(std::move(done));
  }

  void Add(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::kList) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key) {
      frame.key = TakeKey(frame, std::move(node));
    } else {
      if (frame.key->usable) {
        node.key = std::move(frame.key->text);
        node.key_line = frame.key->line;
        frame.node.items.push_back(std::move(node));
      }
      frame.key.reset();
    }
  }

  Frame::Key TakeKey(Frame& frame, YamlNode node) {
    if (node.kind != YamlNode::Kind::kScalar) {
      Report(node.line, "a key must be a word");
      return {.text = {}, .line = node.line, .usable = false};
    }
    if (!frame.seen.insert(node.text).second) {
      Report(node.line, fmt::format("key {} appears twice: keep one", Quoted(node.text)));
      return {.text = {}, .line = node.line, .usable = false};
    }
    return {.text = std::move(node.text), .line = node.line, .usable = true};
  }

  std::vector<ConfigError>& errors_;
  std::vector<std::string_view> lines_;
  std::vector<Frame> stack_;
  YamlNode root_;
  size_t nodes_ = 0;
  size_t skipped_depth_ = 0;  // open collections inside one that is left out
};

// What yaml-cpp would not say, or would say badly.
std::optional<ConfigError> CheckText(std::string_view yaml) {
  if (yaml.size() > kMaxBytes) {
    return ConfigError{0, fmt::format("{} bytes; at most {} are allowed", yaml.size(), kMaxBytes)};
  }
  int number = 0;
  for (std::string_view line : Split(yaml, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!IsUtf8(line)) return ConfigError{number, "not UTF-8 text"};
    const auto control = std::ranges::find_if(line, [](char c) {
      return c != '\t' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f);
    });
    if (control != line.end()) {
      return ConfigError{number, fmt::format("control character 0x{:02x}: this is not a text file",
                                             static_cast<unsigned char>(*control))};
    }
    const size_t text = line.find_first_not_of(" \t");
    if (text != std::string_view::npos && line[text] != '#' &&
        line.substr(0, text).contains('\t')) {
      return ConfigError{number, "a tab in the indentation: YAML allows only blanks there"};
    }
  }
  return std::nullopt;
}

ConfigError SyntaxError(int line, std::string_view text) {
  std::string one_line = fmt::format("no valid YAML: {}", text);
  std::ranges::replace_if(one_line, [](char c) { return HasControl({&c, 1}); }, ' ');
  return {.line = line, .text = std::move(one_line)};
}

}  // namespace

YamlNode ReadYaml(std::string_view yaml, std::vector<ConfigError>& errors) {
  if (std::optional<ConfigError> error = CheckText(yaml)) {
    errors.push_back(std::move(*error));
    return {};
  }
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (yaml.starts_with(kByteOrderMark)) yaml.remove_prefix(kByteOrderMark.size());
  std::vector<ConfigError> found;
  try {
    TreeBuilder builder(yaml, found);
    std::istringstream stream{std::string(yaml)};
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) {
      YamlNode root = builder.Take();
      std::vector<ConfigError> ignored;
      TreeBuilder next(yaml, ignored);
      if (parser.HandleNextDocument(next)) {
        found.push_back(
            {.line = next.Take().line, .text = "a second document: only one is allowed"});
      }
      errors.insert(errors.end(), found.begin(), found.end());
      return root;
    }
  } catch (const YAML::Exception& error) {
    errors.push_back(SyntaxError(error.mark.is_null() ? 0 : error.mark.line + 1, error.msg));
  } catch (const std::exception& error) {
    errors.push_back(SyntaxError(0, error.what()));
  }
  return {};
}

}  // namespace drapci::driver
