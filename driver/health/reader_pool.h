// Threads for work that the kernel may hold up for ever.
//
// Two of them work; for each that is held up another one is started, up to a limit. None is ever
// joined: Close() waits for them as long as it is told to, and leaves the rest behind.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "hal/os/clock.h"

namespace drapci::driver {

// Any thread.
class ReaderPool {
 public:
  using Task = std::function<void()>;
  static constexpr size_t kWorking = 2;
  static constexpr size_t kMost = 32;
  // A task that takes longer is held up.
  static constexpr std::chrono::seconds kHeldUp{1};

  // A task must own all that it touches, the clock but for its start.
  explicit ReaderPool(const hal::Clock& clock) : state_(std::make_shared<State>(clock)) {}

  void Submit(Task task);
  // Starts threads in place of those that are held up. The time at which to look again, where there
  // is one.
  std::optional<hal::MonotonicTime> Tend();

  struct Count {
    size_t threads = 0, held_up = 0;
  };
  Count Counts() const;

  // Drops what has not begun. How many threads are still at it after `patience`.
  size_t Close(std::chrono::milliseconds patience);

 private:
  struct State {
    explicit State(const hal::Clock& its_clock) : clock(its_clock) {}
    size_t HeldUp() const;
    const hal::Clock& clock;
    std::mutex mutex;
    std::condition_variable work, ended;
    std::deque<Task> ready;
    std::map<uint64_t, hal::MonotonicTime> running;  // since when, by number
    uint64_t next = 0;
    size_t threads = 0, idle = 0;
    bool closing = false;
  };
  static void Grow(const std::shared_ptr<State>& state);
  static void Work(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;
};

}  // namespace drapci::driver
