#include "hal/net/vf_settings.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

using LinkState = VfSettings::LinkState;

constexpr int64_t kMostRate = std::numeric_limits<uint32_t>::max();
constexpr int kMostVlan = 4095, kMostPriority = 7;
// Two spellings each, the one for false first.
constexpr std::array<std::string_view, 2> kSwitch = {"off", "on"},
                                          kProtocol = {"802.1Q", "802.1ad"};
constexpr std::array<std::string_view, 3> kLinkStates = {"auto", "enable", "disable"};

void Add(std::string& text, std::string_view key, std::string_view value) {
  if (!text.empty()) text += ' ';
  text += fmt::format("{}={}", key, value);
}

template <class T>
void AddNumber(std::string& text, std::string_view key, const std::optional<T>& value) {
  if (value) Add(text, key, std::to_string(*value));
}

// Takes "KEY=VALUE" pairs off the front, in the order that the caller asks for them.
class Pairs {
 public:
  explicit Pairs(std::string_view text) : left_(text) {}

  // The value of `key`, if that is the next one.
  std::optional<std::string_view> Take(std::string_view key) {
    if (!left_.starts_with(key) || !left_.substr(key.size()).starts_with('=')) return std::nullopt;
    left_.remove_prefix(key.size() + 1);
    const size_t end = left_.find(' ');
    const std::string_view value = left_.substr(0, end);
    left_.remove_prefix(value.size());
    // A blank stands between two pairs only.
    if (left_.size() > 1) left_.remove_prefix(1);
    return value;
  }

  template <class T>
  void TakeNumber(std::string_view key, T most, std::optional<T>& number) {
    const auto text = Take(key);
    if (!text) return;
    number = ParseInt<T>(*text);
    if (!number || *number < 0 || *number > most || std::to_string(*number) != *text) bad_ = true;
  }

  template <class T, size_t kCount>
  void TakeWord(std::string_view key, const std::array<std::string_view, kCount>& words,
                std::optional<T>& value) {
    const auto text = Take(key);
    if (!text) return;
    for (size_t i = 0; i < kCount; ++i) {
      if (words[i] == *text) value = static_cast<T>(i);
    }
    if (!value) bad_ = true;
  }

  // Everything was taken, and was good.
  bool Done() const { return !bad_ && left_.empty(); }

 private:
  std::string_view left_;
  bool bad_ = false;
};

template <class T>
bool Holds(const std::optional<T>& want, const std::optional<T>& now) {
  return !want || want == now;
}

template <class T>
bool IsTrace(const std::optional<T>& want, const std::optional<T>& now,
             const std::optional<T>& before) {
  return !want || !now || !before || now == want || now == before;
}

// The default, if the setting is set at all.
template <class T>
std::optional<T> Default(const std::optional<T>& value, T normal) {
  return value ? std::optional<T>(std::move(normal)) : std::nullopt;
}

// Takes over what is told of a value that matters.
template <class T>
void Tell(std::optional<T>& value, const std::optional<T>& told) {
  if (value && told) value = told;
}

}  // namespace

bool IsMacAddress(std::string_view text) {
  if (text.size() != 17) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (i % 3 == 2 ? c != ':' : !hex) return false;
  }
  return true;
}

std::string VfSettings::ToString() const {
  std::string text;
  if (mac) Add(text, "mac", *mac);
  AddNumber(text, "vlan", vlan);
  AddNumber(text, "qos", qos);
  if (service_vlan) Add(text, "proto", kProtocol[*service_vlan ? 1 : 0]);
  AddNumber(text, "min_rate", min_rate);
  AddNumber(text, "max_rate", max_rate);
  if (spoof_check) Add(text, "spoofchk", kSwitch[*spoof_check ? 1 : 0]);
  if (trust) Add(text, "trust", kSwitch[*trust ? 1 : 0]);
  if (link_state) Add(text, "link", kLinkStates[static_cast<size_t>(*link_state)]);
  return text;
}

std::optional<VfSettings> VfSettings::Parse(std::string_view text) {
  VfSettings settings;
  Pairs pairs(text);
  if (const auto value = pairs.Take("mac")) {
    if (!IsMacAddress(*value)) return std::nullopt;
    settings.mac = *value;
  }
  pairs.TakeNumber("vlan", kMostVlan, settings.vlan);
  pairs.TakeNumber("qos", kMostPriority, settings.qos);
  pairs.TakeWord("proto", kProtocol, settings.service_vlan);
  pairs.TakeNumber("min_rate", kMostRate, settings.min_rate);
  pairs.TakeNumber("max_rate", kMostRate, settings.max_rate);
  pairs.TakeWord("spoofchk", kSwitch, settings.spoof_check);
  pairs.TakeWord("trust", kSwitch, settings.trust);
  pairs.TakeWord("link", kLinkStates, settings.link_state);
  if (!pairs.Done()) return std::nullopt;
  return settings;
}

VfSettings VfSettings::Before(const VfSettings& now) const {
  VfSettings before = Defaults();
  Tell(before.mac, now.mac);
  Tell(before.vlan, now.vlan);
  Tell(before.qos, now.qos);
  Tell(before.service_vlan, now.service_vlan);
  Tell(before.min_rate, now.min_rate);
  Tell(before.max_rate, now.max_rate);
  Tell(before.spoof_check, now.spoof_check);
  Tell(before.trust, now.trust);
  Tell(before.link_state, now.link_state);
  return before;
}

bool VfSettings::HoldsIn(const VfSettings& now) const {
  return Holds(mac, now.mac) && Holds(vlan, now.vlan) && Holds(qos, now.qos) &&
         Holds(service_vlan, now.service_vlan) && Holds(min_rate, now.min_rate) &&
         Holds(max_rate, now.max_rate) && Holds(spoof_check, now.spoof_check) &&
         Holds(trust, now.trust) && Holds(link_state, now.link_state);
}

bool VfSettings::IsTraceIn(const VfSettings& now, const VfSettings& before) const {
  return (before.mac == kNoMac || IsTrace(mac, now.mac, before.mac)) &&
         IsTrace(vlan, now.vlan, before.vlan) && IsTrace(qos, now.qos, before.qos) &&
         IsTrace(service_vlan, now.service_vlan, before.service_vlan) &&
         IsTrace(min_rate, now.min_rate, before.min_rate) &&
         IsTrace(max_rate, now.max_rate, before.max_rate) &&
         IsTrace(spoof_check, now.spoof_check, before.spoof_check) &&
         IsTrace(trust, now.trust, before.trust) &&
         IsTrace(link_state, now.link_state, before.link_state);
}

VfSettings VfSettings::Defaults() const {
  return {.mac = Default(mac, std::string(kNoMac)),
          .vlan = Default(vlan, 0),
          .qos = Default(qos, 0),
          .service_vlan = Default(service_vlan, false),
          .min_rate = Default(min_rate, int64_t{0}),
          .max_rate = Default(max_rate, int64_t{0}),
          .spoof_check = Default(spoof_check, true),
          .trust = Default(trust, false),
          .link_state = Default(link_state, LinkState::kAuto)};
}

}  // namespace drapci::hal
