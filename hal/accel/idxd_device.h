// Intel's data streaming and in-memory analytics accelerators as their driver shows them: devices
// "dsa0" and "iax1" of the bus "dsa", each below its PCI function
// (Documentation/ABI/stable/sysfs-driver-dma-idxd, drivers/dma/idxd/sysfs.c).
//
// Everything here reads or writes attributes; no state is kept. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/os/host.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// What is set for a work queue while it is off. The default is what a reset leaves
// (drivers/dma/idxd/device.c idxd_wq_disable_cleanup).
struct IdxdQueueConfig {
  std::string mode = "shared";  // "dedicated", "shared"
  int threshold = 0, priority = 0;
  std::string type = "none";  // "none", "kernel", "user"
  std::string name, driver;   // `driver` is empty on kernels without driver_name (before 6.8)
  bool operator==(const IdxdQueueConfig&) const = default;
};

struct IdxdQueue {
  int group = -1, size = 0;
  bool enabled = false;
  int clients = 0;
  IdxdQueueConfig config;
};

enum class IdxdState { kDisabled, kEnabled, kHalted };

struct IdxdDevice {
  std::string name;  // "dsa0"
  std::string dir;   // its directory
  IdxdState state = IdxdState::kDisabled;
  bool configurable = true;
  bool sva = false;  // user queues work
  int max_groups = 0, max_size = 0;
  std::vector<IdxdQueue> queues;  // all that the device has, by number
  std::vector<int> engines;       // their groups, by number; -1: none

  std::string Kind() const { return name.starts_with("iax") ? "iax" : "dsa"; }
  std::string QueueName(int queue) const;  // "wq0.3"
  std::string QueueDir(int queue) const;
  std::string Node(int queue) const;  // "/dev/dsa/wq0.3"
};

// kGone when the function is not there or its driver is not bound to it.
Result<IdxdDevice> ReadIdxd(const Sysfs& sysfs, const PciAddress& address);

// What the driver and the hardware mean by a value of cmd_status (include/uapi/linux/idxd.h enum
// idxd_scmd_stat, drivers/dma/idxd/registers.h enum idxd_cmdsts_err); empty for 0.
std::string IdxdCommandStatus(uint32_t status);

// Writes `value` to an attribute of the device; the error says what a refusal means here.
Result<> WriteIdxd(Host& host, const std::string& path, std::string_view value);

// Brings the queue's attributes to `want`; the queue is off. Only what differs is written.
Result<> ConfigureIdxdQueue(Host& host, const IdxdDevice& device, int queue,
                            const IdxdQueueConfig& want);

// Binds the device, or one of its queues, to `driver` ("idxd", "user") of the bus, which enables it
// (kernels before 5.15 have one driver for all, "dsa"); takes it from its driver, which disables it
// and resets what was configured.
Result<> BindIdxd(Host& host, const IdxdDevice& device, const std::string& name,
                  const std::string& driver);
Result<> UnbindIdxd(Host& host, const IdxdDevice& device, const std::string& name);

// kBusy, with who it is where that can be told, when the queue's node is open.
Result<> CheckIdxdQueueUnused(const Sysfs& sysfs, const IdxdDevice& device, int queue);

}  // namespace drapci::hal
