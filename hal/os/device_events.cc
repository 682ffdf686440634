#include "hal/os/device_events.h"

#include <fmt/format.h>
#include <libudev.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "hal/base/unique_fd.h"

namespace drapci::hal {
namespace {

// What device nodes and bindings are announced by; the rest of the traffic stays in the kernel.
constexpr const char* kSubsystems[] = {"pci",         "net",        "vfio", "vfio-dev", "drm",
                                       "accel",       "infiniband", "nvme", "block",    "dsa",
                                       "fpga_region", "uio",        "misc"};

struct UnrefUdev {
  void operator()(udev* context) const { udev_unref(context); }
  void operator()(udev_monitor* monitor) const { udev_monitor_unref(monitor); }
  void operator()(udev_device* device) const { udev_device_unref(device); }
};

std::string TextOrEmpty(const char* text) { return text != nullptr ? text : ""; }

DeviceEvent EventOf(udev_device* device) {
  DeviceEvent event{.action = TextOrEmpty(udev_device_get_action(device)),
                    .subsystem = TextOrEmpty(udev_device_get_subsystem(device)),
                    .devpath = TextOrEmpty(udev_device_get_devpath(device))};
  for (const std::string_view name : kEventProperties) {
    const char* value = udev_device_get_property_value(device, std::string(name).c_str());
    if (value != nullptr) event.properties.emplace(name, value);
  }
  return event;
}

class UdevEvents : public DeviceEvents {
 public:
  UdevEvents(std::unique_ptr<udev, UnrefUdev> context,
             std::unique_ptr<udev_monitor, UnrefUdev> monitor, UniqueFd stop, std::string source)
      : context_(std::move(context)),
        monitor_(std::move(monitor)),
        stop_(std::move(stop)),
        source_(std::move(source)) {}

  ~UdevEvents() override {
    if (!thread_.joinable()) return;
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  void Start() {
    // The thread inherits the mask: signals belong to the main loop.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { Run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void Listen(std::function<void(const DeviceEvent&)> listener) override {
    const std::lock_guard lock(listener_mutex_);
    listener_ = std::move(listener);
  }

  bool WaitUntil(const std::function<bool()>& done, MonotonicTime deadline) override {
    std::unique_lock lock(mutex_);
    for (;;) {
      const uint64_t seen = events_;
      lock.unlock();
      if (done()) return true;
      lock.lock();
      if (!changed_.wait_until(lock, deadline, [&] { return events_ != seen; })) {
        lock.unlock();
        return done();
      }
    }
  }

  std::string Source() const override { return source_; }

 private:
  void Run() {
    pollfd waits[] = {{.fd = udev_monitor_get_fd(monitor_.get()), .events = POLLIN, .revents = 0},
                      {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    for (;;) {
      if (::poll(waits, 2, -1) < 0) continue;
      if (waits[1].revents != 0) return;
      Drain();
    }
  }

  // Reads until the socket is empty. Any failure but that means that events may have been lost.
  void Drain() {
    for (;;) {
      errno = 0;
      std::unique_ptr<udev_device, UnrefUdev> device(udev_monitor_receive_device(monitor_.get()));
      if (!device) {
        if (errno != 0 && errno != EAGAIN && errno != EINTR) AnnounceLoss();
        return;
      }
      Announce(EventOf(device.get()));
    }
  }

  void AnnounceLoss() {
    DeviceEvent event;
    event.lost = true;
    Announce(event);
  }

  void Announce(const DeviceEvent& event) {
    {
      const std::lock_guard lock(mutex_);
      ++events_;
    }
    changed_.notify_all();
    const std::lock_guard lock(listener_mutex_);
    if (listener_) listener_(event);
  }

  std::unique_ptr<udev, UnrefUdev> context_;
  std::unique_ptr<udev_monitor, UnrefUdev> monitor_;  // the thread's alone once it runs
  UniqueFd stop_;
  const std::string source_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t events_ = 0;  // guarded by mutex_
  std::mutex listener_mutex_;
  std::function<void(const DeviceEvent&)> listener_;  // guarded by listener_mutex_
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<DeviceEvents>> MakeUdevEvents() {
  std::unique_ptr<udev, UnrefUdev> context(udev_new());
  if (!context) return Fail(Error::FromErrno(errno, "open libudev"));
  const std::string source = ::access("/run/udev/control", F_OK) == 0 ? "udev" : "kernel";
  std::unique_ptr<udev_monitor, UnrefUdev> monitor(
      udev_monitor_new_from_netlink(context.get(), source.c_str()));
  if (!monitor) return Fail(Error::FromErrno(errno, "open the uevent monitor"));
  for (const char* subsystem : kSubsystems) {
    const int result =
        udev_monitor_filter_add_match_subsystem_devtype(monitor.get(), subsystem, nullptr);
    if (result < 0) return Fail(Error::FromErrno(-result, "filter the uevent monitor"));
  }
  // Wants CAP_NET_ADMIN for more than rmem_max; without it an overflow is told, not hidden.
  udev_monitor_set_receive_buffer_size(monitor.get(), 16 << 20);
  if (const int result = udev_monitor_enable_receiving(monitor.get()); result < 0) {
    return Fail(Error::FromErrno(-result, "start the uevent monitor"));
  }
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return Fail(Error::FromErrno(errno, "make an eventfd"));
  auto events =
      std::make_unique<UdevEvents>(std::move(context), std::move(monitor), std::move(stop), source);
  events->Start();
  return events;
}

}  // namespace drapci::hal
