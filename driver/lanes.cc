#include "driver/lanes.h"

#include <algorithm>

namespace drapci::driver {

Lanes::~Lanes() {
  Drain();
  std::map<std::thread::id, std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_ready_.notify_all();
  // A thread that leaves its loop now moves itself to finished_; both places are emptied here.
  for (;;) {
    std::vector<std::thread> finished;
    {
      std::unique_lock lock(mutex_);
      if (threads_.empty() && finished_.empty()) break;
      all_done_.wait(lock, [this] { return !finished_.empty(); });
      finished.swap(finished_);
    }
    for (std::thread& thread : finished) thread.join();
  }
}

void Lanes::Submit(std::vector<std::string> lanes, Task task) {
  std::sort(lanes.begin(), lanes.end());
  lanes.erase(std::unique(lanes.begin(), lanes.end()), lanes.end());
  std::vector<std::thread> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
    jobs_.push_back(std::make_unique<Job>(Job{std::move(lanes), std::move(task)}));
    Job* job = jobs_.back().get();
    for (const std::string& lane : job->lanes) {
      std::deque<Job*>& queue = lanes_[lane];
      if (!queue.empty()) ++job->blocked_in;
      queue.push_back(job);
    }
    if (job->blocked_in == 0) Start(job);
  }
  for (std::thread& thread : finished) thread.join();
}

void Lanes::Drain() {
  std::unique_lock lock(mutex_);
  all_done_.wait(lock, [this] { return jobs_.empty(); });
}

void Lanes::Start(Job* job) {
  ready_.push_back(job);
  if (idle_ >= ready_.size()) {
    work_ready_.notify_one();
    return;
  }
  std::thread thread([this] { Work(); });
  const std::thread::id id = thread.get_id();
  threads_.emplace(id, std::move(thread));
}

void Lanes::Finish(Job* job) {
  for (const std::string& lane : job->lanes) {
    const auto found = lanes_.find(lane);
    found->second.pop_front();
    if (found->second.empty()) {
      lanes_.erase(found);
    } else if (Job* next = found->second.front(); --next->blocked_in == 0) {
      Start(next);
    }
  }
  std::erase_if(jobs_, [job](const auto& owned) { return owned.get() == job; });
  if (jobs_.empty()) all_done_.notify_all();
}

void Lanes::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (ready_.empty()) {
      if (closing_ || idle_ >= kIdleThreadsKept) break;
      ++idle_;
      work_ready_.wait(lock, [this] { return closing_ || !ready_.empty(); });
      --idle_;
      continue;
    }
    Job* job = ready_.front();
    ready_.pop_front();
    lock.unlock();
    job->task();
    job->task = nullptr;  // what it captured goes before the lanes are free again
    lock.lock();
    Finish(job);
  }
  const auto self = threads_.find(std::this_thread::get_id());
  finished_.push_back(std::move(self->second));
  threads_.erase(self);
  all_done_.notify_all();
}

}  // namespace drapci::driver
