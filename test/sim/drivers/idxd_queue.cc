// The attributes of work queues (drivers/dma/idxd/sysfs.c idxd_wq_attributes).
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>

#include "hal/base/parse.h"
#include "test/sim/drivers/idxd.h"

namespace drapci::sim {
namespace {

constexpr size_t kNameSize = 1024;       // idxd.h WQ_NAME_SIZE
constexpr size_t kDriverNameSize = 128;  // DRIVER_NAME_SIZE
constexpr int64_t kMostPriority = 15;    // IDXD_MAX_PRIORITY
constexpr const char* kTypes[] = {"none", "kernel", "user"};

}  // namespace

void IdxdModel::MakeQueue(unsigned number) {
  Queue& queue = queues_[number];  // never moves: the number of queues is fixed
  kernel().MakeChild(Dir(""), BusDevice(QueueName(number)));
  const std::string dir = Dir(QueueName(number)) + "/";
  const auto shown = [&](const char* name, auto show, Store store = {}) {
    File(dir + name, [show] { return fmt::format("{}\n", show()); }, std::move(store));
  };
  shown("clients", [] { return 0; });
  shown("state", [&queue] { return queue.enabled ? "enabled" : "disabled"; });
  shown(
      "group_id", [&queue] { return queue.group; },
      [this, &queue](std::string_view value) { return StoreGroup(queue, value); });
  shown(
      "mode", [&queue] { return queue.dedicated ? "dedicated" : "shared"; },
      [this, &queue](std::string_view value) { return StoreMode(queue, value); });
  shown(
      "size", [&queue] { return queue.size; },
      [this, &queue](std::string_view value) { return StoreSize(queue, value); });
  shown(
      "priority", [&queue] { return queue.priority; },
      [this, &queue](std::string_view value) { return StorePriority(queue, value); });
  shown(
      "threshold", [&queue] { return queue.threshold; },
      [this, &queue](std::string_view value) { return StoreThreshold(queue, value); });
  shown(
      "type", [&queue] { return queue.type; },
      [this, &queue](std::string_view value) { return StoreType(queue, value); });
  shown(
      "name", [&queue] { return queue.name; },
      [this, &queue](std::string_view value) { return StoreText(queue, &Queue::name, value); });
  shown(
      "block_on_fault", [&queue] { return queue.block_on_fault ? 1 : 0; },
      [this, &queue](std::string_view value) {
        if (!configurable_) return EPERM;
        if (queue.enabled) return ENXIO;
        const auto flag = KernelBool(value);
        if (!flag) return EINVAL;
        queue.block_on_fault = *flag;
        return 0;
      });
  shown(
      "max_transfer_size", [&queue] { return queue.max_transfer_size; },
      [this, &queue](std::string_view value) {
        return StoreLimit(queue, &Queue::max_transfer_size,
                          GivenNumber("max-transfer-size", 1ULL << 31), value);
      });
  if (!is_iax()) {
    shown(
        "max_batch_size", [&queue] { return queue.max_batch_size; },
        [this, &queue](std::string_view value) {
          return StoreLimit(queue, &Queue::max_batch_size, GivenNumber("max-batch-size", 1024),
                            value);
        });
  }
  // wq_driver_name_store, since 6.8
  if (GivenNumber("driver-name", 1) != 0) {
    shown(
        "driver_name", [&queue] { return queue.driver_name; },
        [this, &queue](std::string_view value) {
          return StoreText(queue, &Queue::driver_name, value);
        });
  }
  File(dir + "cdev_minor", [&queue]() -> std::expected<std::string, int> {
    if (queue.minor < 0) return std::unexpected(ENXIO);
    return fmt::format("{}\n", queue.minor);
  });
}

// wq_group_id_store
int IdxdModel::StoreGroup(Queue& queue, std::string_view value) {
  const auto group = KernelDecimal(value);
  if (!group) return EINVAL;
  if (!configurable_ || queue.enabled) return EPERM;
  if (*group < -1 || *group >= max_groups_) return EINVAL;
  queue.group = static_cast<int>(*group);
  return 0;
}

// wq_mode_store
int IdxdModel::StoreMode(Queue& queue, std::string_view value) {
  if (!configurable_ || queue.enabled) return EPERM;
  if (Line(value) != "dedicated" && Line(value) != "shared") return EINVAL;
  queue.dedicated = Line(value) == "dedicated";
  if (queue.dedicated) queue.threshold = 0;
  return 0;
}

// wq_size_store
int IdxdModel::StoreSize(Queue& queue, std::string_view value) {
  const auto size = KernelDecimal(value);
  if (!size || *size < 0) return EINVAL;
  if (!configurable_ || enabled_) return EPERM;
  int64_t total = *size - queue.size;
  for (const Queue& each : queues_) total += each.size;
  if (total > max_size_) return EINVAL;
  queue.size = static_cast<unsigned>(*size);
  return 0;
}

// wq_threshold_store
int IdxdModel::StoreThreshold(Queue& queue, std::string_view value) {
  const auto threshold = KernelNumber(value);
  if (!threshold || *threshold > queue.size || *threshold == 0) return EINVAL;
  if (!configurable_) return EPERM;
  if (queue.enabled) return ENXIO;
  if (queue.dedicated) return EINVAL;
  queue.threshold = static_cast<unsigned>(*threshold);
  return 0;
}

// wq_priority_store
int IdxdModel::StorePriority(Queue& queue, std::string_view value) {
  const auto priority = KernelDecimal(value);
  if (!priority || *priority < 0) return EINVAL;
  if (!configurable_ || queue.enabled) return EPERM;
  if (*priority > kMostPriority) return EINVAL;
  queue.priority = static_cast<unsigned>(*priority);
  return 0;
}

// wq_type_store: a change of the type clears the name
int IdxdModel::StoreType(Queue& queue, std::string_view value) {
  if (queue.enabled) return EPERM;
  if (std::ranges::find(kTypes, Line(value)) == std::end(kTypes)) return EINVAL;
  if (queue.type != Line(value)) queue.name.clear();
  queue.type = Line(value);
  return 0;
}

// wq_name_store, wq_driver_name_store
int IdxdModel::StoreText(Queue& queue, std::string Queue::* text, std::string_view value) {
  if (queue.enabled) return EPERM;
  const size_t most = text == &Queue::name ? kNameSize : kDriverNameSize;
  if (value.empty() || value.size() > most) return EINVAL;
  queue.*text = Trim(value);
  return 0;
}

// wq_max_transfer_size_store, wq_max_batch_size_store
int IdxdModel::StoreLimit(Queue& queue, uint64_t Queue::* limit, uint64_t most,
                          std::string_view value) {
  if (!configurable_ || queue.enabled) return EPERM;
  const auto number = KernelNumber(value);
  if (!number || *number == 0 || *number > std::numeric_limits<uint64_t>::max() / 2) return EINVAL;
  if (std::bit_ceil(*number) > most) return EINVAL;
  queue.*limit = std::bit_ceil(*number);
  return 0;
}

}  // namespace drapci::sim
