// A whole simulated machine for unit tests, in one line: FakeHost machine;
// machine.kernel.AddFunction(...); code_under_test(machine.host).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "hal/drm/drm.h"
#include "hal/os/host.h"
#include "hal/os/state_dir.h"
#include "hal/pci/scan.h"
#include "test/sim/kernel/fake_sysfs.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// Time stands still until somebody moves it; where the kernel would sleep, FakeHost moves it. Any
// thread.
class FakeClock : public hal::Clock {
 public:
  hal::MonotonicTime Now() const override;
  hal::WallTime Wall() const override;
  void Advance(std::chrono::nanoseconds by);

 private:
  mutable std::mutex mutex_;
  std::chrono::nanoseconds since_start_{std::chrono::hours(1)};
};

// The nodes that the kernel has made. Opening one gives a placeholder, which the model of the
// node's driver may refuse; ioctl is answered by `on_ioctl`, and by that model without it. A close
// is seen by the next call.
class FakeDevIo : public hal::DevIo {
 public:
  explicit FakeDevIo(Kernel& kernel) : kernel_(kernel) {}
  Result<hal::NodeInfo> Stat(std::string_view path) const override;
  Result<UniqueFd> Open(std::string_view path, int flags) override;
  Result<int> Ioctl(int fd, unsigned long request, void* argument) override;

  std::function<Result<int>(std::string_view path, unsigned long request, void* argument)> on_ioctl;

 private:
  struct Opened {
    std::string path;
    UniqueFd watch;  // hangs up when the placeholder is closed
  };
  void NoticeClosed();

  Kernel& kernel_;
  std::mutex mutex_;
  std::map<int, Opened> open_;
};

// Asks the nodes of the model by ioctl, as libdrm does.
class FakeDrm : public hal::Drm {
 public:
  explicit FakeDrm(FakeDevIo& dev) : dev_(dev) {}
  Result<hal::DrmVersion> Version(const UniqueFd& node) override;

 private:
  FakeDevIo& dev_;
};

class FakeNetworkNamespaces;

// Rtnetlink in one network namespace: the interfaces of the model that are in it (RTM_GETLINK,
// RTM_SETLINK with names, addresses, MTU, up and down, moves and VF settings; RTM_*ADDR), and the
// default routes that the test has set. Every other request is acknowledged. `on_talk`, where it
// has an answer, comes first.
class FakeNetlink : public hal::Netlink {
 public:
  // Without a model there are no interfaces.
  explicit FakeNetlink(Kernel* kernel = nullptr, FakeNetworkNamespaces* namespaces = nullptr,
                       uint64_t name_space = kHomeNamespace)
      : kernel_(kernel), namespaces_(namespaces), name_space_(name_space) {}
  Result<std::vector<hal::NetlinkMessage>> Talk(int protocol,
                                                std::span<const std::byte> request) override;
  void SetDefaultRouteInterfaces(std::vector<int> indexes);
  // The requests so far, but for those about routes.
  std::vector<hal::NetlinkMessage> Requests() const;

  std::function<std::optional<Result<std::vector<hal::NetlinkMessage>>>(
      int protocol, std::span<const std::byte> request)>
      on_talk;

 private:
  using Messages = std::vector<hal::NetlinkMessage>;
  Messages Routes(std::span<const std::byte> request) const;
  Result<Messages> GetLink(std::span<const std::byte> request, bool dump) const;
  Result<Messages> SetLink(std::span<const std::byte> request);
  Result<Messages> Address(std::span<const std::byte> request, uint16_t type);

  Kernel* kernel_;
  FakeNetworkNamespaces* namespaces_;
  const uint64_t name_space_;
  mutable std::mutex mutex_;
  std::vector<int> default_routes_;
  std::vector<hal::NetlinkMessage> requests_;
};

// The machine's own network namespace, and those that the test makes. A descriptor of one is a
// placeholder that only this class and FakeNetlink know. Any thread.
class FakeNetworkNamespaces : public hal::NetworkNamespaces {
 public:
  explicit FakeNetworkNamespaces(Kernel& kernel);
  Result<std::vector<UniqueFd>> List() override;
  Result<UniqueFd> Own() override;
  std::unique_ptr<hal::Netlink> Enter(const UniqueFd& name_space) override;

  // A container's namespace, until End: then its interfaces come home as hardware does.
  UniqueFd Make();
  void End(const UniqueFd& name_space);

  // For FakeNetlink: the model's number of a namespace; the addresses of interfaces by their id.
  std::optional<uint64_t> Find(int fd) const;
  std::map<int, std::vector<std::vector<std::byte>>> addresses;  // guarded by its one user

 private:
  struct NameSpace {
    UniqueFd fd;
    uint64_t number;
  };
  Kernel& kernel_;
  mutable std::mutex mutex_;
  std::vector<NameSpace> all_;  // the first one is the machine's own
  uint64_t next_ = kHomeNamespace;
};

// The kernel's events. WaitUntil never waits: it asks, runs what the kernel has deferred, asks
// again; when nothing is left that could change the answer, the deadline "passes" (the clock moves
// to it).
class FakeDeviceEvents : public hal::DeviceEvents {
 public:
  FakeDeviceEvents(Kernel& kernel, FakeClock& clock);
  void Listen(std::function<void(const hal::DeviceEvent&)> listener) override;
  bool WaitUntil(const std::function<bool()>& done, hal::MonotonicTime deadline) override;
  std::string Source() const override { return "kernel"; }
  // As if the socket had overflowed.
  void Lose();
  // All events so far as "action subsystem last-component", for assertions on order.
  std::vector<std::string> Seen() const;

 private:
  void Deliver(const hal::DeviceEvent& event);

  Kernel& kernel_;
  FakeClock& clock_;
  mutable std::mutex mutex_;
  std::function<void(const hal::DeviceEvent&)> listener_;
  std::vector<std::string> seen_;
};

// A directory in memory. Any thread.
class FakeStateDir : public hal::StateDir {
 public:
  explicit FakeStateDir(std::string path = "/var/lib/drapci") : path_(std::move(path)) {}
  Result<> Replace(std::string_view name, std::string_view content) override;
  Result<> Remove(std::string_view name) override;
  Result<std::string> Read(std::string_view name) const override;
  Result<std::vector<std::string>> List() const override;
  const std::string& path() const override { return path_; }

  // From now on, until `count` changes have failed (negative: always), Replace and Remove fail with
  // this errno (ENOSPC, EROFS, EIO) and change nothing. 0 ends it.
  void FailChanges(int error, int count = -1);
  // The next `count` reads of `name` fail.
  void FailReads(std::string name, int error, int count = 1);
  // Successful changes so far; each costs a durable write in the real one.
  int changes() const;

 private:
  int TakeFault();
  std::string path_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> files_;
  int error_ = 0, failures_left_ = 0, changes_ = 0;
  mutable std::map<std::string, std::pair<int, int>, std::less<>> read_faults_;
};

// Scans the model as libpci would scan /sys: ids and sysfs facts of every function present; names
// are made up from the ids ("Vendor 8086", "Device 10c9").
class FakePciScanner : public hal::PciScanner {
 public:
  explicit FakePciScanner(Kernel& kernel) : kernel_(kernel) {}
  Result<std::vector<hal::PciFunction>> Scan() override;

  // The next scans fail with this error; 0 ends it.
  void FailWith(int error) { error_ = error; }

 private:
  Kernel& kernel_;
  int error_ = 0;
};

struct FakeHost {
  explicit FakeHost(bool vfio_cdev = false);

  FakeClock clock;
  Kernel kernel;
  FakeSysfs sysfs;
  FakeDevIo dev;
  FakeDrm drm;
  FakeNetlink netlink;
  FakeNetworkNamespaces namespaces;
  FakeDeviceEvents events;
  FakePciScanner scanner;
  FakeStateDir state;
  hal::Host host;
};

// Ready-made functions for tests.
// An igb-like NIC (Intel 82576): SR-IOV, offset 128, stride 2, drivers igb and igbvf.
FunctionSpec SriovNic(std::string_view address, unsigned total_vfs = 7);
// An NVMe disk: driver nvme, node /dev/nvme<index>.
FunctionSpec Nvme(std::string_view address, int index = 0);
// An accelerator of class 0x1200 without a driver of its own.
FunctionSpec Plain(std::string_view address, uint16_t vendor = 0x10ee, uint16_t device = 0x5000);
DriverSpec VfioPci();

}  // namespace drapci::sim
