// The kernel's idxd driver: Intel's DSA and IAA (drivers/dma/idxd, as of Linux 6.12).
//
// `model` of a board: type (dsa, iax), version, max-groups, max-work-queues, max-work-queues-size,
// max-engines, max-read-buffers, max-batch-size, max-transfer-size; pasid (1: SVA works),
// shared-queues (1), configurable (1; 0: queues and groups are set by the firmware), defaults (1:
// the kernel configures a queue for its own compression on IAA), driver-name (1: kernels since
// 6.8), drivers (one: the single driver "dsa" of kernels before 5.15).
//
// Not modelled: descriptors and portals, read buffers' arithmetic, op_config, the event log.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "test/sim/drivers/driver_model.h"

namespace drapci::sim {

class IdxdModel : public DriverModel {
 public:
  using DriverModel::DriverModel;

  void Bound() override;
  void Unbound() override;

  const std::string& name() const { return name_; }  // "dsa0"
  // Whether `device` ("dsa0", "wq0.1") is one of its own that drivers are bound to.
  bool Owns(std::string_view device) const;
  // drivers/base/bus.c bind_store and unbind_store of a driver of the bus "dsa".
  int Bind(const std::string& driver, std::string_view device);
  int Unbind(const std::string& driver, std::string_view device);

 private:
  // struct idxd_wq
  struct Queue {
    int group = -1;
    unsigned size = 0, threshold = 0, priority = 0;
    bool dedicated = false, enabled = false, block_on_fault = false;
    uint64_t max_transfer_size = 0, max_batch_size = 0;
    std::string type = "none", name, driver_name;
    std::string driver;  // of the bus
    int minor = -1;
  };

  using Store = std::function<int(std::string_view)>;
  using Show = std::function<std::expected<std::string, int>()>;

  // idxd.cc
  void MakeDrivers();
  void MakeDevice();
  void MakeGroup(unsigned group);
  void MakeEngine(unsigned engine);
  void File(const std::string& path, Show show, Store store = {});
  ChildDevice BusDevice(const std::string& path) const;
  std::string Dir(std::string_view device) const;  // "" is the device itself
  std::string QueueName(unsigned queue) const;
  bool is_iax() const { return type_ == "iax"; }

  // idxd_queue.cc: the attributes of work queues
  void MakeQueue(unsigned queue);
  int StoreGroup(Queue& queue, std::string_view value);
  int StoreMode(Queue& queue, std::string_view value);
  int StoreSize(Queue& queue, std::string_view value);
  int StoreThreshold(Queue& queue, std::string_view value);
  int StorePriority(Queue& queue, std::string_view value);
  int StoreType(Queue& queue, std::string_view value);
  int StoreText(Queue& queue, std::string Queue::* text, std::string_view value);
  int StoreLimit(Queue& queue, uint64_t Queue::* limit, uint64_t most, std::string_view value);

  // idxd_bus.cc: enabling and disabling
  int ProbeDevice();
  void RemoveDevice();
  int ProbeQueue(unsigned queue, const std::string& driver);
  void RemoveQueue(unsigned queue);
  int Configure();
  int EnableQueue(Queue& queue);
  void DisableCleanup(Queue& queue);
  void ClearState();
  void AddNode(unsigned queue);
  void Link(const std::string& device, const std::string& driver);
  void Unlink(const std::string& device, const std::string& driver);
  int Refuse(uint32_t status, int error) {
    cmd_status_ = status;
    return error;
  }

  std::string type_, name_;
  std::string driver_;  // of the bus, bound to the device
  bool configurable_ = true, pasid_ = true, shared_queues_ = true, enabled_ = false;
  unsigned max_size_ = 0, max_groups_ = 0;
  uint32_t cmd_status_ = 0;
  std::vector<Queue> queues_;
  std::vector<int> engines_;
};

// kstrtol(text, 10, ...).
std::optional<int64_t> KernelDecimal(std::string_view text);

std::unique_ptr<DriverModel> MakeIdxdModel(Kernel::Impl& kernel, const PciAddress& address);

}  // namespace drapci::sim
