#include "driver/health/reader_pool.h"

#include <algorithm>
#include <system_error>
#include <thread>

#include "hal/base/log.h"

namespace drapci::driver {

size_t ReaderPool::State::HeldUp() const {
  const hal::MonotonicTime now = clock.Now();
  return static_cast<size_t>(std::ranges::count_if(
      running, [now](const auto& task) { return now - task.second >= kHeldUp; }));
}

void ReaderPool::Grow(const std::shared_ptr<State>& state) {
  while (state->ready.size() > state->idle && state->threads < kMost &&
         state->threads - state->HeldUp() < kWorking) {
    try {
      std::thread([state] { Work(state); }).detach();
    } catch (const std::system_error& error) {  // no more threads: those there are must do
      Log(LogLevel::kWarning, "a thread that reads sensors cannot be started: {}", error.what());
      return;
    }
    ++state->threads;
    // It takes a task as soon as it runs.
    if (state->threads - state->HeldUp() >= state->ready.size()) return;
  }
}

void ReaderPool::Submit(Task task) {
  const std::lock_guard lock(state_->mutex);
  if (state_->closing) return;
  state_->ready.push_back(std::move(task));
  Grow(state_);
  state_->work.notify_one();
}

std::optional<hal::MonotonicTime> ReaderPool::Tend() {
  const std::lock_guard lock(state_->mutex);
  if (state_->ready.empty()) return std::nullopt;
  Grow(state_);
  const hal::MonotonicTime now = state_->clock.Now();
  std::optional<hal::MonotonicTime> next;
  for (const auto& [number, since] : state_->running) {
    const hal::MonotonicTime when = since + kHeldUp;
    if (when > now && (!next || when < *next)) next = when;
  }
  return next;
}

ReaderPool::Count ReaderPool::Counts() const {
  const std::lock_guard lock(state_->mutex);
  return {.threads = state_->threads, .held_up = state_->HeldUp()};
}

void ReaderPool::Work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (!state->closing) {
    if (state->ready.empty()) {
      // One that was held up has been replaced meanwhile.
      if (state->threads - state->HeldUp() > kWorking) break;
      ++state->idle;
      state->work.wait(lock, [&] { return state->closing || !state->ready.empty(); });
      --state->idle;
      continue;
    }
    Task task = std::move(state->ready.front());
    state->ready.pop_front();
    const uint64_t number = state->next++;
    state->running.emplace(number, state->clock.Now());
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    state->running.erase(number);
  }
  --state->threads;
  state->ended.notify_all();
}

size_t ReaderPool::Close(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->ready.clear();
  state_->work.notify_all();
  state_->ended.wait_for(lock, patience, [this] { return state_->threads == 0; });
  return state_->threads;
}

}  // namespace drapci::driver
