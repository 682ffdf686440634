#include "plugin/daemon/watchdog.h"

#include <utility>

namespace drapci::plugin {

void Watchdog::Watch(std::string name, Ask ask) {
  loops_.push_back({.name = std::move(name),
                    .ask = std::move(ask),
                    .answered = std::make_shared<std::atomic<bool>>(true),
                    .asked = {}});
}

std::vector<std::string> Watchdog::Look(hal::MonotonicTime now) {
  std::vector<std::string> stuck;
  for (Loop& loop : loops_) {
    if (loop.answered->exchange(false)) {
      loop.asked = now;
      loop.ask([answered = loop.answered] { *answered = true; });
    } else if (now - loop.asked > patience_) {
      stuck.push_back(loop.name);
    }
  }
  return stuck;
}

}  // namespace drapci::plugin
