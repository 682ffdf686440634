// Who wants to be told that something has changed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace drapci::driver {

// Any thread. A listener is called on the teller's thread, must not block, and must not listen,
// stop listening or tell from within the call.
class Listeners {
 public:
  // Dropping it ends the listening, and waits for a call that is under way. May outlive Listeners.
  using Token = std::shared_ptr<void>;

  Token Listen(std::function<void()> changed) {
    const std::lock_guard lock(state_->mutex);
    const int id = state_->next++;
    state_->listeners.emplace(id, std::move(changed));
    return Token(nullptr, [state = state_, id](void*) {
      const std::lock_guard unlisten(state->mutex);
      state->listeners.erase(id);
    });
  }

  void Tell() const {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [id, changed] : state_->listeners) changed();
  }

 private:
  struct State {
    std::mutex mutex;
    int next = 0;
    std::map<int, std::function<void()>> listeners;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace drapci::driver
