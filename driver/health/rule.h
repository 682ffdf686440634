// What a measured value means for a card: the rules, those that come with drapci among them.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "driver/health/health.h"

namespace drapci::driver {

struct HealthRule {
  std::string name;    // "aer-fatal"; how the configuration and findings speak of it
  std::string family;  // "amdgpu"; empty: any
  // What it looks at: hal/telemetry/README.md lists the sources and their signals.
  std::string source;                       // "aer"; "event": what the kernel says by itself
  std::string signal;                       // "aer_fatal"
  std::vector<std::string> instances = {};  // empty: each by itself
  std::vector<std::string> except = {};     // instances that it leaves out

  enum class Kind {
    kAbove,     // the value is above the limit
    kBelow,     // the value is below the limit
    kEquals,    // the value is the limit
    kIncrease,  // the counter has grown by at least the limit within `window`
    kText,      // the text that came with the value contains `text`
    kOccurs,    // an event: it has been told at least `limit` times within `window`
  };
  Kind kind = Kind::kAbove;
  double limit = 0;
  // kAbove, kBelow: the limit is what this signal of the same source and instance says.
  std::string limit_signal = {};
  std::string text = {};
  std::chrono::seconds window{60};
  std::chrono::seconds hold{0};  // how long it must be so

  Severity severity = Severity::kNote;
  std::string reason;   // "PcieFatalError"
  std::string meaning;  // begins the sentence: "PCIe reports fatal errors"

  // What brings it back: so long without it, and for kAbove and kBelow by `margin` beyond the
  // limit. Each time that it comes back soon, the time is doubled, up to an hour.
  std::chrono::seconds quiet{60};
  double margin = 0;
  enum class Until {
    kQuiet,     // by itself
    kRebind,    // another driver start; or a card that was pulled and put in
    kReplug,    // a card that was pulled and put in
    kOperator,  // a person who says so, alone
  };
  Until until = Until::kQuiet;

  bool Matches(std::string_view family_name, std::string_view instance) const;
  bool operator==(const HealthRule&) const = default;
};

// `health:` of the configuration.
struct HealthConfig {
  bool enabled = true;
  std::map<std::string, std::chrono::seconds> periods = {};  // by source, instead of its own
  std::vector<HealthRule> rules;                             // all that hold here
  HealthConfig();                                            // the default rules
};

// The rules that hold unless the configuration says otherwise (default_rules.cc).
const std::vector<HealthRule>& DefaultHealthRules();

// "above", "increase", ...; "quiet", "rebind", ...
const char* NameOf(HealthRule::Kind kind);
const char* NameOf(HealthRule::Until until);

// "aer aer_fatal increases by 1 within 60 s", for people.
std::string TextOf(const HealthRule& rule);

// The source that device events are filed under.
inline constexpr std::string_view kEventSource = "event";

}  // namespace drapci::driver
