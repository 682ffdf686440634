#include "plugin/kube/sd_loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

#include <algorithm>
#include <future>
#include <utility>

#include "hal/base/log.h"

namespace drapci::plugin::kube {
namespace {

// sd-event takes 0 for "within 250 ms".
constexpr uint64_t kAccuracyUs = 1;

Result<> Check(int status, std::string_view what) {
  if (status < 0) return Fail(Error::FromErrno(-status, what));
  return {};
}

}  // namespace

void SdLoop::EventUnref::operator()(sd_event* event) const { sd_event_unref(event); }
void SdLoop::SourceUnref::operator()(sd_event_source* source) const {
  sd_event_source_disable_unref(source);
}

Result<std::unique_ptr<SdLoop>> SdLoop::Start() {
  std::unique_ptr<SdLoop> loop(new SdLoop);
  DRAPCI_CHECK(loop->Prepare());
  loop->StartThread();
  return loop;
}

Result<> SdLoop::Prepare() {
  wake_fd_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_fd_) return Fail(Error::FromErrno(errno, "eventfd"));
  sd_event* event = nullptr;
  DRAPCI_CHECK(Check(sd_event_new(&event), "sd_event_new"));
  event_.reset(event);
  sd_event_source* source = nullptr;
  DRAPCI_CHECK(Check(sd_event_add_io(event, &source, wake_fd_.get(), EPOLLIN, OnWake, this),
                     "sd_event_add_io"));
  wake_.reset(source);
  return {};
}

void SdLoop::StartThread() {
  // The new thread inherits the mask. Faults stay deliverable, for whoever reports them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([event = event_.get()] {
    pthread_setname_np(pthread_self(), "kube");
    if (const int status = sd_event_loop(event); status < 0) {
      Log(LogLevel::kError, "the Kubernetes client has stopped: {}",
          Error::FromErrno(-status, "sd_event_loop").what);
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

SdLoop::~SdLoop() {
  Stop();
  // Out of the maps first: what a task holds may cancel other timers when it goes.
  const auto timers = std::exchange(timers_, {});
  const auto ios = std::exchange(ios_, {});
}

void SdLoop::Stop() {
  std::vector<Task> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  Wake();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  dropped.swap(tasks_);  // destroyed after the lock is gone: they may post
}

bool SdLoop::Do(Task task) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    task();
    return true;
  }
  // The promise breaks when the task is dropped, which ends the wait, too.
  auto ran = std::make_shared<std::atomic<bool>>(false);
  auto done = std::make_shared<std::promise<void>>();
  const std::future<void> finished = done->get_future();
  Post([task = std::move(task), ran, done = std::move(done)] {
    task();
    *ran = true;
    done->set_value();
  });
  finished.wait();
  return *ran;
}

void SdLoop::Wake() const {
  // A full counter wakes as well.
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_.get(), &one, sizeof one);
}

void SdLoop::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;  // `task` is destroyed without the lock
    tasks_.push_back(std::move(task));
    if (tasks_.size() > 1) return;  // it is on its way
  }
  Wake();
}

int SdLoop::OnWake(sd_event_source*, int fd, uint32_t, void* untyped) {
  auto* loop = static_cast<SdLoop*>(untyped);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t read = ::read(fd, &count, sizeof count);
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(loop->mutex_);
    if (loop->stopping_) return sd_event_exit(loop->event_.get(), 0);
    tasks.swap(loop->tasks_);
  }
  for (Task& task : tasks) {
    task();
    task = nullptr;  // what it holds goes before the next one runs
  }
  return 0;
}

Loop::TimerId SdLoop::After(std::chrono::milliseconds delay, Task task) {
  auto timer = std::make_unique<Timer>();
  timer->loop = this;
  timer->id = ++last_timer_;
  timer->task = std::move(task);
  const auto at = std::chrono::duration_cast<std::chrono::microseconds>(
      (Now() + std::max(delay, std::chrono::milliseconds(0))).time_since_epoch());
  sd_event_source* source = nullptr;
  const int status =
      sd_event_add_time(event_.get(), &source, CLOCK_MONOTONIC,
                        static_cast<uint64_t>(at.count()) + 1, kAccuracyUs, OnTimer, timer.get());
  if (status < 0) {
    Log(LogLevel::kError, "{}", Error::FromErrno(-status, "sd_event_add_time").what);
    return 0;
  }
  timer->source.reset(source);
  timers_[timer->id] = std::move(timer);
  return last_timer_;
}

int SdLoop::OnTimer(sd_event_source*, uint64_t, void* untyped) {
  const auto* timer = static_cast<Timer*>(untyped);
  const auto node = timer->loop->timers_.extract(timer->id);
  if (!node.empty()) node.mapped()->task();
  return 0;
}

void SdLoop::Cancel(TimerId timer) {
  const auto node = timers_.extract(timer);  // destroyed when the map is whole again
}

Result<> SdLoop::SetIo(int fd, uint32_t events, IoTask task) {
  if (const auto found = ios_.find(fd); found != ios_.end()) {
    return Check(sd_event_source_set_io_events(found->second->source.get(), events),
                 "sd_event_source_set_io_events");
  }
  auto io = std::make_unique<Io>();
  io->task = std::move(task);
  sd_event_source* source = nullptr;
  DRAPCI_CHECK(
      Check(sd_event_add_io(event_.get(), &source, fd, events, OnIo, io.get()), "sd_event_add_io"));
  io->source.reset(source);
  ios_[fd] = std::move(io);
  return {};
}

void SdLoop::ClearIo(int fd) { const auto node = ios_.extract(fd); }

int SdLoop::OnIo(sd_event_source*, int, uint32_t events, void* io) {
  const IoTask task = static_cast<Io*>(io)->task;  // it may clear itself
  task(events);
  return 0;
}

hal::MonotonicTime SdLoop::Now() const { return std::chrono::steady_clock::now(); }
hal::WallTime SdLoop::Wall() const { return std::chrono::system_clock::now(); }

}  // namespace drapci::plugin::kube
