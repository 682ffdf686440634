// An in-memory model of the kernel's PCI side: sysfs with its links, modes, stores and errnos,
// drivers and binding, SR-IOV, VFIO and IOMMU groups, hot-plug, device nodes and uevents.
//
// Used by unit tests through FakeSysfs (fake_sysfs.h) and FakeHost (../fake_host.h), and by
// `drapci-sim run` through FUSE. Modelled after drivers/pci/{pci-sysfs,iov,pci-driver}.c,
// drivers/base/{bus,dd}.c, fs/kernfs/file.c, drivers/vfio.
//
// Threads: every method may be called from any thread. Like the kernel, a store holds the device's
// own lock while it works, so reading sriov_numvfs, binding and removal of that device wait for it,
// while everything else goes on. Listeners are called in the order of events, without locks of the
// model that reading needs, before the call that caused them returns: they may read, must not
// write, must not block.
//
// Time: the model never sleeps. Where the kernel would, it calls Options::wait. What appears late
// (LateVfs) is a deferred action: RunDeferred() runs it in tests; a front end runs it by its own
// timer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "hal/base/result.h"
#include "test/sim/kernel/faults.h"
#include "test/sim/kernel/net.h"
#include "test/sim/kernel/spec.h"
#include "test/sim/kernel/tree.h"

namespace drapci::sim {

// One message of the kernel's uevent group (lib/kobject_uevent.c).
struct Uevent {
  std::string action;     // add, remove, change, bind, unbind
  std::string devpath;    // below /sys: "/devices/pci0000:00/..."
  std::string subsystem;  // "pci", "net", "vfio", ...
  std::vector<std::pair<std::string, std::string>> properties;  // all others, in the kernel's order
  // The value of a property, or an empty text.
  std::string Property(std::string_view key) const;
};

// A node that devtmpfs would make.
struct DeviceNode {
  std::string path;  // "/dev/vfio/12"
  char type = 'c';
  unsigned major = 0, minor = 0, permissions = 0600;
  unsigned group = 0;  // as udev would set it
  bool operator==(const DeviceNode&) const = default;
};

// The memory of who calls ioctl: copy_from_user and copy_to_user. False means EFAULT.
class CallerMemory {
 public:
  virtual ~CallerMemory() = default;
  virtual bool Read(uint64_t address, std::span<std::byte> into) = 0;
  virtual bool Write(uint64_t address, std::span<const std::byte> from) = 0;
};

class DevlinkCard;  // ../devlink/card.h

// Another function's state, seen from outside (tests' assertions).
struct FunctionState {
  std::string driver, driver_override, sysfs_path;  // driver: empty when unbound
  std::optional<PciAddress> physfn;
  unsigned vfs = 0;
  std::optional<int> iommu_group;
};

class Kernel {
 public:
  struct Options {
    // Called, with no lock of the model's tables held, where the kernel would sleep.
    std::function<void(Milliseconds)> wait = [](Milliseconds) {};
    // Told that an action was deferred by that time; a front end then runs RunDeferred(id).
    std::function<void(uint64_t id, Milliseconds)> deferred = [](uint64_t, Milliseconds) {};
    bool vfio_cdev = false;  // CONFIG_VFIO_DEVICE_CDEV: /dev/vfio/devices/vfio<M>, /dev/iommu
    NetDevices* net_devices = nullptr;  // makes interfaces real; outlives the model
  };

  Kernel();
  explicit Kernel(Options options);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // --- The machine -----------------------------------------------------------------------------
  // A vfio driver also makes /dev/vfio/vfio. kConflict when the name is taken.
  Result<> AddDriver(const DriverSpec& driver);
  // Puts a function in: it appears, matches a driver and is bound, as at boot or on hot-plug; one
  // that was unplugged there is forgotten. kConflict when the address is taken, kInvalid when the
  // parent is missing.
  Result<> AddFunction(FunctionSpec function);
  // Takes a function out by surprise, with everything below it and its VFs. It keeps its spec for
  // Plug.
  Result<> Unplug(const PciAddress& address);
  // Puts an unplugged function (and what was unplugged with it) back in.
  Result<> Plug(const PciAddress& address);
  std::vector<PciAddress> Functions() const;
  // kNotFound when the function is not there.
  Result<FunctionState> State(const PciAddress& address) const;
  // Whether a store or a removal of this function is under way.
  bool IsLocked(const PciAddress& address) const;
  // The specs as given, present or not, sorted by address.
  std::vector<FunctionSpec> Specs() const;
  // The nodes that exist now, sorted by path.
  std::vector<DeviceNode> Nodes() const;
  // A plain file or link anywhere ("/proc/swaps", "/sys/class/..."), with the directories above it.
  // An existing file gets new content; no uevent, no fault, no mode check.
  void SetFile(std::string_view path, std::string content, unsigned mode = 0444);
  void SetLink(std::string_view path, std::string target);
  void SetDirectory(std::string_view path);
  // Makes a node without a device behind it.
  void SetNode(const DeviceNode& node);

  // --- The file system: values or errno, as system calls see them --------------------------------
  template <class T>
  using OrErrno = std::expected<T, int>;
  // What open(2) would say: EACCES by mode (root too), ENOENT, EISDIR. The id of the open file.
  OrErrno<uint64_t> Open(std::string_view path, bool read, bool write) const;
  // Content with its final newline. ENODEV when the open file's device has gone.
  OrErrno<std::string> ReadOpen(uint64_t id);
  int WriteOpen(uint64_t id, std::string_view path, std::string_view value, size_t offset = 0);
  // Open and read or write.
  OrErrno<std::string> Read(std::string_view path);
  int Write(std::string_view path, std::string_view value);
  OrErrno<std::vector<std::string>> List(std::string_view path) const;
  OrErrno<std::string> ReadLink(std::string_view path) const;
  OrErrno<std::string> Resolve(std::string_view path) const;  // every link followed
  OrErrno<FileStatus> Stat(std::string_view path, bool follow) const;
  int Chmod(std::string_view path, unsigned mode);
  int Chown(std::string_view path, unsigned uid, unsigned gid);
  // open and the last close of a device node: 0, or -errno of the driver's model. What has no model
  // can always be opened.
  int OpenNode(std::string_view node, bool alone);
  void CloseNode(std::string_view node);
  bool ServesNode(std::string_view node) const;  // whether they mean anything
  // ioctl on a device node of a driver's model: its answer, or -errno.
  int Ioctl(std::string_view node, unsigned long request, uint64_t argument, CallerMemory& memory);

  // --- devlink (../devlink) ---------------------------------------------------------------------
  // The functions whose driver has registered them with devlink.
  std::vector<PciAddress> DevlinkDevices() const;
  bool HasDevlink(const PciAddress& address) const;
  // What `action` answers, 0 or an errno; ENODEV when the function has no devlink.
  int WithDevlink(const PciAddress& address, const std::function<int(DevlinkCard&)>& action);

  // --- Network interfaces (net.h) ----------------------------------------------------------------
  // All of bound functions, in whatever namespace they are, sorted by function.
  std::vector<Interface> Interfaces() const;
  // What its administrator does to an interface of the model alone: 0 or an errno. One part after
  // another, up to the first that is refused; each is a write to "/net/<PCI address>/<part>"
  // (netns, address, mtu, name, up, down) for faults and the log.
  int ChangeInterface(int id, const InterfaceChange& change);
  // What rtnetlink sets for one VF, by the rules of the PF's driver: 0 or an errno. For faults and
  // the log a write to "/net/<PCI address of the PF>/vf<N>/<part>".
  int SetVf(const PciAddress& pf, unsigned vf, const VfChange& change);
  // The settings of the VFs that there are; nothing when the function has no driver that knows any.
  std::optional<std::vector<VfNet>> VfSettings(const PciAddress& pf) const;
  // Pulls the cable of a function's interfaces or puts it in.
  Result<> SetCarrier(const PciAddress& address, bool on);
  // The namespace ends: its interfaces come home with the names they have there, or "dev<index>".
  void EndNamespace(uint64_t name_space);
  // Does `action` (0 or an errno) as a write to `path`: with faults, delays and the log.
  int NetWrite(std::string_view path, std::string_view value, const std::function<int()>& action);
  // From Options::net_devices: an interface is like that now; it went with its namespace and is
  // made again at home, with the name it had there where that was heard (else empty). What the
  // model no longer has is passed over.
  void InterfaceIs(const Interface& now);
  void InterfaceLost(int id, const std::string& name);

  // --- Events ------------------------------------------------------------------------------------
  // Each listener gets every event from now on.
  void OnEvent(std::function<void(const Uevent&)> listener);
  // Emits an "add" for everything that is there, as `udevadm trigger --action=add` does.
  void Coldplug();
  // Emits `action` for the device at `syspath` with extra properties (AER recovery, tests).
  void Emit(std::string_view syspath, std::string action,
            std::vector<std::pair<std::string, std::string>> extra = {});

  // --- Faults and time ---------------------------------------------------------------------------
  // Globs are fnmatch(3) patterns without flags on the whole path, as named and as resolved:
  // "*/sriov_numvfs", "*/0000:02:00.0/driver_override". See faults.h.
  Faults& faults() { return faults_; }
  // VFs appear this long after the write to sriov_numvfs returned, as a deferred action.
  void LateVfs(const PciAddress& pf, Milliseconds delay);
  // The driver enables only `count` VFs although more were asked for; the write succeeds.
  void FewerVfs(const PciAddress& pf, unsigned count);
  // Ends all of these; what is deferred still happens.
  void ClearFaults();
  // Runs what is deferred, in order of due time, until nothing is; true when anything ran.
  bool RunDeferred();
  // Runs one deferred action; false when it is gone.
  bool RunDeferred(uint64_t id);
  bool HasDeferred() const;
  // Counts a correctable ("BadTLP"), "nonfatal" or "fatal" error at a function, as the AER driver
  // does.
  Result<> AddAerErrors(const PciAddress& address, std::string_view severity, std::string_view name,
                        unsigned count);

  // Every write that reached an attribute or was refused at its open, in order. Thread-safe copy.
  std::vector<WriteRecord> Writes() const { return faults_.Writes(); }
  void ResetWrites() { faults_.ResetWrites(); }

  struct Impl;  // kernel_impl.h

 private:
  std::unique_ptr<Impl> impl_;
  Faults faults_;
};

}  // namespace drapci::sim
