// The texts of the settings in idxd_settings.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <utility>
#include <vector>

#include "hal/accel/idxd_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr std::pair<IdxdState, std::string_view> kStates[] = {{IdxdState::kDisabled, "disabled"},
                                                              {IdxdState::kEnabled, "enabled"},
                                                              {IdxdState::kHalted, "halted"}};
constexpr std::string_view kEngine = "engine";

// A name as one word: everything but letters, digits, '.', '_' and '-' as %XX.
std::string Escape(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    text += plain ? std::string(1, c) : fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

std::optional<std::string> Unescape(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text.front() != '%') {
      name += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto code = ParseInt<unsigned char>(text.substr(1, 2), 16);
    if (text.size() < 3 || !code) return std::nullopt;
    name += static_cast<char>(*code);
    text.remove_prefix(3);
  }
  return name;
}

// A number in its one spelling.
std::optional<int> Plain(std::string_view text, int least) {
  const auto number = ParseInt<int>(text);
  if (!number || *number < least || std::to_string(*number) != text) return std::nullopt;
  return number;
}

std::string FormatConfig(const IdxdQueueConfig& config, char between) {
  const std::vector<std::string> fields{"mode=" + Escape(config.mode),
                                        fmt::format("threshold={}", config.threshold),
                                        fmt::format("priority={}", config.priority),
                                        "type=" + Escape(config.type),
                                        "name=" + Escape(config.name),
                                        "driver=" + Escape(config.driver)};
  return fmt::format("{}", fmt::join(fields, std::string(1, between)));
}

std::optional<IdxdQueueConfig> ParseConfig(std::string_view text, char between) {
  constexpr std::array<std::string_view, 6> kKeys{
      "mode=", "threshold=", "priority=", "type=", "name=", "driver="};
  const std::vector<std::string_view> fields = Split(text, between);
  if (fields.size() != kKeys.size()) return std::nullopt;
  std::array<std::string_view, kKeys.size()> values;
  for (size_t i = 0; i < kKeys.size(); ++i) {
    if (!fields[i].starts_with(kKeys[i])) return std::nullopt;
    values[i] = fields[i].substr(kKeys[i].size());
  }
  const auto mode = Unescape(values[0]), type = Unescape(values[3]), name = Unescape(values[4]),
             driver = Unescape(values[5]);
  const auto threshold = Plain(values[1], 0), priority = Plain(values[2], 0);
  if (!mode || !threshold || !priority || !type || !name || !driver) return std::nullopt;
  return IdxdQueueConfig{.mode = *mode,
                         .threshold = *threshold,
                         .priority = *priority,
                         .type = *type,
                         .name = *name,
                         .driver = *driver};
}

// "0:128" or "0:128:mode=..."
std::optional<IdxdLayout::Queue> ParseQueue(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto group = Plain(text.substr(0, colon), -1);
  text.remove_prefix(colon + 1);
  const size_t more = text.find(':');
  const auto size = Plain(text.substr(0, more), 0);
  if (!group || !size) return std::nullopt;
  IdxdLayout::Queue queue{.group = *group, .size = *size};
  if (more == std::string_view::npos) return queue;
  queue.config = ParseConfig(text.substr(more + 1), ',');
  if (!queue.config) return std::nullopt;
  return queue;
}

}  // namespace

std::string IdxdPartName(int queue) { return fmt::format("wq{}", queue); }

std::optional<int> ParseIdxdPart(std::string_view name) {
  if (!name.starts_with("wq")) return std::nullopt;
  return Plain(name.substr(2), 0);
}

std::string FormatIdxdLayout(const IdxdLayout& layout) {
  std::string text;
  for (const auto& [state, word] : kStates) {
    if (state == layout.state) text = word;
  }
  for (const auto& [number, queue] : layout.queues) {
    text += fmt::format(" {}={}:{}", IdxdPartName(number), queue.group, queue.size);
    if (queue.config) text += ":" + FormatConfig(*queue.config, ',');
  }
  for (const auto& [number, group] : layout.engines) {
    text += fmt::format(" {}{}={}", kEngine, number, group);
  }
  return text;
}

std::optional<IdxdLayout> ParseIdxdLayout(std::string_view text) {
  const std::vector<std::string_view> words = Split(text, ' ');
  if (words.empty()) return std::nullopt;
  IdxdLayout layout;
  bool known = false;
  for (const auto& [state, word] : kStates) {
    if (word != words.front()) continue;
    layout.state = state;
    known = true;
  }
  if (!known) return std::nullopt;
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = words[i].substr(0, equals), value = words[i].substr(equals + 1);
    if (const auto queue = ParseIdxdPart(name)) {
      auto parsed = ParseQueue(value);
      if (!parsed || !layout.queues.emplace(*queue, *std::move(parsed)).second) return std::nullopt;
      continue;
    }
    if (!name.starts_with(kEngine)) return std::nullopt;
    const auto engine = Plain(name.substr(kEngine.size()), 0), group = Plain(value, -1);
    if (!engine || !group || !layout.engines.emplace(*engine, *group).second) return std::nullopt;
  }
  if (FormatIdxdLayout(layout) != text) return std::nullopt;  // one spelling for each
  return layout;
}

std::string FormatIdxdQueue(const IdxdQueueState& queue) {
  if (queue == IdxdQueueState()) return "off";
  return fmt::format("{} {}", queue.on ? "on" : "off", FormatConfig(queue.config, ' '));
}

std::optional<IdxdQueueState> ParseIdxdQueue(std::string_view text) {
  if (text == "off") return IdxdQueueState();
  const size_t blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  if (blank == std::string_view::npos || (word != "on" && word != "off")) return std::nullopt;
  auto config = ParseConfig(text.substr(blank + 1), ' ');
  if (!config) return std::nullopt;
  IdxdQueueState state{.on = word == "on", .config = *std::move(config)};
  if (FormatIdxdQueue(state) != text) return std::nullopt;
  return state;
}

}  // namespace drapci::hal
