// Lanes: work on one accelerator (or for one claim) runs in order, work on different ones side by
// side.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace drapci::driver {

// A task names the lanes it needs. It starts when it is first in every one of them and leaves them
// all when it returns. Tasks join all their lanes in one moment, so no two can wait for each other.
//
// Any thread may submit, tasks too. A thread is started whenever a task could run and none is idle,
// so a card that blocks in the kernel never holds up another; a few idle threads are kept.
class Lanes {
 public:
  using Task = std::function<void()>;

  Lanes() = default;
  // Waits for everything submitted.
  ~Lanes();

  void Submit(std::vector<std::string> lanes, Task task);

  // Waits until nothing is queued or running. Not from a task.
  void Drain();

 private:
  struct Job {
    std::vector<std::string> lanes;
    Task task;
    size_t blocked_in = 0;  // lanes in which another job is before this one
  };

  void Start(Job* job);  // with mutex_ held
  void Finish(Job* job);
  void Work();

  static constexpr size_t kIdleThreadsKept = 4;

  std::mutex mutex_;
  std::condition_variable work_ready_, all_done_;
  std::map<std::string, std::deque<Job*>, std::less<>> lanes_;
  std::list<std::unique_ptr<Job>> jobs_;
  std::deque<Job*> ready_;
  std::map<std::thread::id, std::thread> threads_;
  std::vector<std::thread>
      finished_;  // left their loop; joined by the next Submit or the destructor
  size_t idle_ = 0;
  bool closing_ = false;
};

}  // namespace drapci::driver
