// The insides of Kernel; only the .cc files of this folder include it.
//
// One mutex guards everything. Stores and shows run with it held and drop it where the kernel would
// sleep or wait for another device's lock (Sleep, LockDevice, Stall), so a device can be gone
// afterwards: they look it up again by its address.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <list>

#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// The major of VFIO groups and other nodes of the model. The kernel registers no character device
// above 511 (CHRDEV_MAJOR_MAX, include/linux/fs.h), so opening one gives ENXIO and never a device
// of the host.
inline constexpr unsigned kVfioMajor = 2042, kVfioDeviceMajor = 2043;

// An interface of a bound function, wherever it is now.
struct LiveInterface {
  Interface now;
  std::string operstate;  // what the board says instead of "up" or "down"
  bool no_carrier = false;
  bool real = false;      // made by Options::net_devices as well
  std::string port = {};  // phys_port_name, of a port of the card's switch
};

class DriverModel;

struct Function {
  FunctionSpec spec;
  std::string dir;  // "/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0"
  std::string driver, driver_override;
  std::optional<PciAddress> physfn;
  unsigned vf_index = 0;
  std::vector<PciAddress> vfs;  // of a PF, by index
  bool vf_autoprobe = true;
  std::optional<int> group;
  std::optional<int> vfio_index;
  std::vector<std::byte> config;
  std::vector<ChildDevice> live_children;  // made by the bound driver
  std::vector<LiveInterface> live_interfaces;
  std::vector<VfNet> vf_net;                                         // of a PF, by index
  std::array<std::vector<std::pair<std::string, uint64_t>>, 3> aer;  // cor, nonfatal, fatal
  std::array<uint64_t, 3> aer_totals{};
  bool enabled = false;
  std::shared_ptr<DriverModel> model;            // of the bound driver
  std::map<std::string, std::string> registers;  // what the hardware remembers (DriverModel)
};

struct Kernel::Impl {
  // Locks the model for one public operation and delivers its events after.
  class Operation {
   public:
    explicit Operation(Impl& impl) : impl_(impl) { impl_.mutex.lock(); }
    ~Operation() {
      impl_.mutex.unlock();
      impl_.Flush();
    }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    Impl& impl_;
  };

  Impl(Kernel& owner, Options options);

  // --- kernel.cc: locks, waiting, events. The mutex is held by the caller unless said otherwise.
  void Sleep(Milliseconds time);
  // Waits for the device's lock; false when the device is gone by then (and nothing is locked).
  bool LockDevice(const PciAddress& address);
  void UnlockDevice(const PciAddress& address);
  void Stall();  // serves this thread's write delay, if it has one
  void Emit(Uevent event);
  void Flush();  // delivers events; the mutex is NOT held
  void Defer(Milliseconds delay, std::function<void()> action);

  // --- functions.cc: functions coming and going
  Result<> Add(FunctionSpec spec, std::optional<PciAddress> physfn, unsigned vf_index);
  void Probe(const PciAddress& address);  // what device_attach does
  void Delete(const PciAddress& address);
  std::vector<PciAddress> Below(const Function& function) const;
  void MakeBus(int domain, int bus);
  void MakeSlot(Function& bridge);
  void RemoveSlots(const Function& bridge);
  int StoreSlotPower(const PciAddress& bridge, std::string_view value);
  int Rescan();
  Function* Get(const PciAddress& address);
  // Of the driver that has made the node ("/dev/dfl-fme.0"); null when it has none.
  std::shared_ptr<DriverModel> ModelOf(std::string_view node) const;
  std::string Uevents(const Function& function) const;  // the text of the uevent attribute
  Uevent EventOf(const Function& function, std::string action) const;

  // --- attributes.cc
  void MakeAttributes(Function& function);
  void MakePcieAttributes(Function& function);
  void MakeAerAttributes(Function& function);
  void MakeResetAttributes(Function& function);
  void MakeResources(Function& function);
  void MakeSriovAttributes(Function& function);
  Tree::Node& Writable(const std::string& path, unsigned mode, std::string initial,
                       std::function<int(std::string_view)> check);
  // `flag` in {0, 1}: a boolean attribute.
  void MakeFlag(const std::string& path, bool initial, unsigned mode = 0644);
  int StoreUevent(const Uevent& prototype, std::string_view value);

  // --- binding.cc
  void MakeDriver(const DriverSpec& spec);
  bool Matches(const DriverSpec& driver, const Function& function) const;
  // What really_probe gives: 0 or an errno. The device lock is held.
  int Attach(const PciAddress& address, const std::string& driver);
  void Detach(const PciAddress& address);
  int StoreBind(const std::string& driver, std::string_view value);
  int StoreUnbind(const std::string& driver, std::string_view value);
  int StoreProbe(std::string_view value);
  int StoreNewId(const std::string& driver, std::string_view value, bool add);

  // --- sriov.cc
  int StoreNumVfs(const PciAddress& pf, std::string_view value);
  void EnableVfs(const PciAddress& pf, unsigned count);
  void MakeVfs(const PciAddress& pf, unsigned count);  // without the wait
  void DisableVfs(const PciAddress& pf);
  FunctionSpec VfSpec(const Function& pf, unsigned index) const;

  // --- children.cc: class devices, network interfaces, VFIO, IOMMU groups
  void MakeChildren(Function& function);
  void RemoveChildren(Function& function);
  void MakeChild(const std::string& parent_dir, const ChildDevice& child);
  void RemoveChild(const std::string& parent_dir, const ChildDevice& child);
  void MakeVfio(Function& function);
  void RemoveVfio(Function& function);
  void JoinGroup(Function& function);
  void LeaveGroup(Function& function);
  int StoreGroupType(int group, std::string_view value);

  // --- interfaces.cc
  void MakeInterfaces(Function& function);
  void RemoveInterfaces(Function& function);
  // One more than the board says, as `port` of the card's switch where that is not empty; its id.
  int AddInterface(Function& function, const NetInterface& spec, const std::string& port,
                   const std::string& below);
  void RemoveInterface(Function& function, int id);
  // Takes the real devices behind these functions' interfaces away, all at once.
  void RemoveDevices(const std::vector<PciAddress>& owners);
  void MakeDevice(LiveInterface& live);
  void Show(const LiveInterface& live, std::string_view action);
  void Hide(const LiveInterface& live, std::string_view action);
  void ChangeTo(LiveInterface& live, const Interface& now);
  LiveInterface* FindInterface(int id);
  bool NameTaken(uint64_t name_space, std::string_view name,
                 const LiveInterface* but = nullptr) const;
  void BringHome(LiveInterface& live, const std::string& name);

  Kernel& owner;
  Options options;
  mutable std::mutex mutex;
  Tree tree;
  std::map<std::string, DriverSpec> drivers;
  std::map<PciAddress, std::unique_ptr<Function>> functions;
  std::map<PciAddress, FunctionSpec> specs;  // physical functions, present or not
  std::set<PciAddress> out;                  // pulled: a rescan doesn't find them
  std::map<int, std::string> group_types;
  std::map<std::string, int> group_users;  // bound to a vfio driver, by group
  std::map<std::string, DeviceNode> nodes;
  std::map<PciAddress, Milliseconds> late_vfs;
  std::map<PciAddress, unsigned> fewer_vfs;
  bool autoprobe = true;  // /sys/bus/pci/drivers_autoprobe
  int next_ifindex = 2;
  int next_interface = 1;
  std::map<int, PciAddress> interface_owners;  // by id
  int next_vfio = 0;

  std::set<PciAddress> locked;
  std::condition_variable_any unlocked;
  struct PendingStall {
    std::string path, resolved;
    Milliseconds delay{0};
  };
  std::map<std::thread::id, PendingStall> stalls;

  struct Deferred {
    uint64_t id;
    Milliseconds due;
    std::function<void()> action;
  };
  std::list<Deferred> deferred;
  uint64_t next_deferred = 1;

  std::deque<Uevent> events;
  std::list<std::function<void(const Uevent&)>> listeners;
  std::mutex dispatch;
  std::atomic<std::thread::id> dispatcher;
};

// kstrtoull(text, 0, ...): one final newline and one leading plus are allowed, blanks are not.
std::optional<uint64_t> KernelNumber(std::string_view text);
// kstrtobool.
std::optional<bool> KernelBool(std::string_view text);
// sysfs_streq's idea of a value: without one final newline.
std::string_view Line(std::string_view text);

}  // namespace drapci::sim
