// The loop of the daemon: sd-event on a thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "hal/base/unique_fd.h"
#include "plugin/kube/loop.h"

struct sd_event;
struct sd_event_source;

namespace drapci::plugin::kube {

// The thread takes no signals. Tasks that have not run when the loop stops are destroyed, on the
// thread that stops it.
//
// What lives on the loop (clients, reflectors) is destroyed either on its thread or after Stop(),
// and always before the loop itself.
class SdLoop : public Loop {
 public:
  using IoTask = std::function<void(uint32_t events)>;

  static Result<std::unique_ptr<SdLoop>> Start();
  SdLoop(const SdLoop&) = delete;
  SdLoop& operator=(const SdLoop&) = delete;
  ~SdLoop() override;

  // Ends and joins the thread. Not on the loop's thread. A second call does nothing.
  void Stop();

  // Runs `task` on the loop and waits for it. False when the loop has stopped, then it did not run.
  bool Do(Task task);

  void Post(Task task) override;
  TimerId After(std::chrono::milliseconds delay, Task task) override;
  void Cancel(TimerId timer) override;
  hal::MonotonicTime Now() const override;
  hal::WallTime Wall() const override;

  // On the loop's thread. Calls `task` whenever one of `events` (EPOLLIN, EPOLLOUT) is there. For a
  // descriptor that is watched already only the events change.
  Result<> SetIo(int fd, uint32_t events, IoTask task);
  void ClearIo(int fd);

 private:
  struct EventUnref {
    void operator()(sd_event* event) const;
  };
  struct SourceUnref {
    void operator()(sd_event_source* source) const;
  };
  using Source = std::unique_ptr<sd_event_source, SourceUnref>;
  struct Timer {
    SdLoop* loop = nullptr;
    TimerId id = 0;
    Task task;
    Source source;
  };
  struct Io {
    IoTask task;
    Source source;
  };

  SdLoop() = default;
  Result<> Prepare();
  void StartThread();
  void Wake() const;
  static int OnWake(sd_event_source* source, int fd, uint32_t events, void* loop);
  static int OnTimer(sd_event_source* source, uint64_t time, void* timer);
  static int OnIo(sd_event_source* source, int fd, uint32_t events, void* io);

  UniqueFd wake_fd_;
  std::unique_ptr<sd_event, EventUnref> event_;
  Source wake_;
  std::thread thread_;

  // The loop's thread only.
  std::map<TimerId, std::unique_ptr<Timer>> timers_;
  std::map<int, std::unique_ptr<Io>> ios_;
  TimerId last_timer_ = 0;

  std::mutex mutex_;
  std::vector<Task> tasks_;  // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_
};

}  // namespace drapci::plugin::kube
