// The bus "dsa": enabling devices and work queues by binding them to a driver, and disabling them
// (drivers/dma/idxd/{bus,compat,device,cdev}.c).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "test/sim/drivers/idxd.h"

namespace drapci::sim {
namespace {

constexpr unsigned kDefaultDepth = 16;                  // idxd.h WQ_DEFAULT_QUEUE_DEPTH
constexpr uint64_t kDefaultTransfer = 2ULL << 20;       // WQ_DEFAULT_MAX_XFER
constexpr uint64_t kDefaultBatch = 32;                  // WQ_DEFAULT_MAX_BATCH
constexpr unsigned kDsaMajor = 2062, kIaxMajor = 2063;  // see kVfioMajor

// include/uapi/linux/idxd.h enum idxd_scmd_stat
enum Status : uint32_t {
  kDevEnabled = 0x80000010,
  kDevNotEnabled = 0x80000020,
  kWqEnabled = 0x80000021,
  kNoGroup = 0x80030000,
  kNoName = 0x80040000,
  kNoSvm = 0x80050000,
  kNoThreshold = 0x80060000,
  kNoSharedQueues = 0x800c0000,
  kNoneConfigured = 0x800d0000,
  kNoIommu = 0x80110000,
  kNoDriverName = 0x80200000,
  // What the hardware says (registers.h enum idxd_cmdsts_err).
  kGroupConfig = 0x15,
  kPriority = 0x23,
};

}  // namespace

int IdxdModel::Bind(const std::string& driver, std::string_view device) {
  const bool is_device = device == name_;
  unsigned queue = 0;
  while (!is_device && QueueName(queue) != device) ++queue;
  std::string real = driver;
  if (driver == "dsa") {
    // compat.c bind_store: the driver by what is bound, and by the type of a queue
    if (is_device) {
      real = "idxd";
    } else if (queues_[queue].type == "none") {
      return ENODEV;
    } else {
      real = queues_[queue].type == "user" ? "user" : "dmaengine";
    }
  }
  // bus.c idxd_config_bus_match
  if (is_device != (real == "idxd")) return ENODEV;
  std::string& bound = is_device ? driver_ : queues_[queue].driver;
  if (!bound.empty()) return driver == "dsa" ? ENODEV : EBUSY;
  if (const int error = is_device ? ProbeDevice() : ProbeQueue(queue, real); error != 0) {
    return error;
  }
  // Before 5.15 there is no other driver than "dsa".
  bound = Given("drivers", "") == "one" ? driver : real;
  Link(std::string(device), bound);
  return 0;
}

int IdxdModel::Unbind(const std::string& driver, std::string_view device) {
  if (device == name_) {
    // compat.c unbind_store takes whatever driver the device has
    if (driver_.empty() || (driver != driver_ && driver != "dsa")) return ENODEV;
    RemoveDevice();
    return 0;
  }
  unsigned queue = 0;
  while (QueueName(queue) != device) ++queue;
  const std::string& bound = queues_[queue].driver;
  if (bound.empty() || (driver != bound && driver != "dsa")) return ENODEV;
  RemoveQueue(queue);
  return 0;
}

void IdxdModel::Link(const std::string& device, const std::string& driver) {
  const std::string of_driver = "/sys/bus/dsa/drivers/" + driver;
  tree().MakeLinkTo(Dir(device) + "/driver", of_driver);
  tree().MakeLinkTo(fmt::format("{}/{}", of_driver, device), Dir(device));
  kernel().Emit({.action = "bind",
                 .devpath = Dir(device).substr(4),
                 .subsystem = "dsa",
                 .properties = {{"DRIVER", driver}}});
}

void IdxdModel::Unlink(const std::string& device, const std::string& driver) {
  tree().Remove(Dir(device) + "/driver");
  tree().Remove(fmt::format("/sys/bus/dsa/drivers/{}/{}", driver, device));
  kernel().Emit(
      {.action = "unbind", .devpath = Dir(device).substr(4), .subsystem = "dsa", .properties = {}});
}

// device.c idxd_device_drv_probe
int IdxdModel::ProbeDevice() {
  if (enabled_) return Refuse(kDevEnabled, ENXIO);
  if (configurable_ && Configure() != 0) return ENXIO;
  // What the hardware checks when it is told to enable the device.
  for (const Queue& queue : queues_) {
    if (queue.group >= 0 && std::ranges::find(engines_, queue.group) == engines_.end()) {
      return Refuse(kGroupConfig, ENXIO);
    }
  }
  enabled_ = true;
  return Refuse(0, 0);
}

// device.c idxd_device_drv_remove: queues go first, and a configurable device is reset
void IdxdModel::RemoveDevice() {
  for (unsigned queue = 0; queue < queues_.size(); ++queue) {
    if (queues_[queue].enabled) RemoveQueue(queue);
  }
  if (driver_.empty()) return;
  enabled_ = false;
  if (configurable_) ClearState();
  Unlink(name_, driver_);
  driver_.clear();
}

// cdev.c idxd_user_drv_probe, dma.c idxd_dmaengine_drv_probe
int IdxdModel::ProbeQueue(unsigned number, const std::string& driver) {
  Queue& queue = queues_[number];
  if (!enabled_) return ENXIO;
  const bool user = driver == "user";
  if (user && !pasid_) return Refuse(kNoIommu, EOPNOTSUPP);
  // idxd.h idxd_wq_driver_name_match: the beginning is enough
  if (GivenNumber("driver-name", 1) != 0 && !queue.driver_name.starts_with(driver)) {
    return Refuse(kNoDriverName, ENODEV);
  }
  queue.type = user ? "user" : "kernel";
  if (const int error = EnableQueue(queue); error != 0) {
    queue.type = "none";
    return error;
  }
  if (user) AddNode(number);
  return Refuse(0, 0);
}

void IdxdModel::RemoveQueue(unsigned number) {
  Queue& queue = queues_[number];
  const std::string dir = Dir(QueueName(number));
  if (queue.minor >= 0) {
    const auto node =
        std::ranges::find(function().live_children, fmt::format("{}/{}", type_, QueueName(number)),
                          &ChildDevice::devname);
    if (node != function().live_children.end()) {
      kernel().RemoveChild(function().dir, *node);
      function().live_children.erase(node);
    }
    queue.minor = -1;
  }
  DisableCleanup(queue);
  Unlink(QueueName(number), queue.driver);
  queue.driver.clear();
}

// device.c idxd_drv_enable_wq
int IdxdModel::EnableQueue(Queue& queue) {
  if (!enabled_) return Refuse(kDevNotEnabled, ENXIO);
  if (queue.enabled) return Refuse(kWqEnabled, EBUSY);
  if (queue.group < 0) return Refuse(kNoGroup, ENXIO);
  if (queue.name.empty()) return Refuse(kNoName, ENXIO);
  if (!queue.dedicated) {
    if (!pasid_ || !shared_queues_) return Refuse(kNoSvm, ENXIO);
    if (queue.threshold == 0) return Refuse(kNoThreshold, ENXIO);
  }
  if (configurable_) {
    if (const int error = Configure(); error != 0) return error;
  }
  // The hardware takes no priority of 0.
  if (queue.priority == 0) return Refuse(kPriority, ENXIO);
  queue.enabled = true;
  return 0;
}

// device.c idxd_device_config: of all queues and engines, whatever is enabled
int IdxdModel::Configure() {
  int configured = 0;
  for (Queue& queue : queues_) {
    if (queue.group < 0) continue;
    if (!queue.dedicated && (!pasid_ || !shared_queues_)) return Refuse(kNoSharedQueues, EINVAL);
    ++configured;
  }
  if (configured == 0) return Refuse(kNoneConfigured, EINVAL);
  if (std::ranges::all_of(engines_, [](int group) { return group < 0; })) return EINVAL;
  for (Queue& queue : queues_) {
    // idxd_wq_config_write
    if (queue.group >= 0 && queue.size == 0 && queue.type != "none") queue.size = kDefaultDepth;
  }
  return 0;
}

// device.c idxd_wq_disable_cleanup; driver_name stays
void IdxdModel::DisableCleanup(Queue& queue) {
  queue.enabled = queue.dedicated = queue.block_on_fault = false;
  queue.threshold = queue.priority = 0;
  queue.type = "none";
  queue.name.clear();
  queue.max_transfer_size = kDefaultTransfer;
  queue.max_batch_size = kDefaultBatch;
}

// device.c idxd_device_clear_state
void IdxdModel::ClearState() {
  for (Queue& queue : queues_) {
    DisableCleanup(queue);
    queue.size = 0;
    queue.group = -1;
  }
  std::ranges::fill(engines_, -1);
}

// cdev.c idxd_wq_add_cdev: minors are counted for each kind of device
void IdxdModel::AddNode(unsigned number) {
  Queue& queue = queues_[number];
  const auto taken = [&](int minor) {
    return std::ranges::any_of(kernel().nodes, [&](const auto& each) {
      return each.second.major == (is_iax() ? kIaxMajor : kDsaMajor) &&
             each.second.minor == static_cast<unsigned>(minor);
    });
  };
  queue.minor = 0;
  while (taken(queue.minor)) ++queue.minor;
  // In sysfs a '/' in a name is a '!'.
  ChildDevice node =
      BusDevice(fmt::format("{}/{}/{}!{}", name_, QueueName(number), type_, QueueName(number)));
  node.devname = fmt::format("{}/{}", type_, QueueName(number));
  node.major = is_iax() ? kIaxMajor : kDsaMajor;
  node.minor = static_cast<unsigned>(queue.minor);
  kernel().MakeChild(function().dir, node);
  function().live_children.push_back(std::move(node));
}

}  // namespace drapci::sim
