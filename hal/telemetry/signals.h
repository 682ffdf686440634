// The signals that sources give: for who shows or exports them by kind and unit. README.md says
// what each means.
#pragma once

#include <span>
#include <string_view>

namespace drapci::hal {

enum class SignalKind {
  kGauge,    // measured now
  kCounter,  // only grows while the card stays; smaller than before: started anew from 0
  kState,    // 0: all is well
  kEvent,    // each reading is one occurrence
};

struct Signal {
  std::string_view name;
  SignalKind kind;
  std::string_view unit;  // "celsius", "watts", "errors"; empty: none
  std::string_view help;  // a few words
};

// All of them, by name.
std::span<const Signal> Signals();
// Null when there is none of that name.
const Signal* FindSignal(std::string_view name);

}  // namespace drapci::hal
