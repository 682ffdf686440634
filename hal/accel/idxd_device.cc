#include "hal/accel/idxd_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "hal/base/parse.h"
#include "hal/pci/node_users.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kDrivers = "/sys/bus/dsa/drivers";
constexpr int kMostQueues = 256, kMostEngines = 256;  // the registers have 8 bits for each

// "dsa0", "iax12"
bool IsDeviceName(std::string_view name) {
  if (!name.starts_with("dsa") && !name.starts_with("iax")) return false;
  return ParseInt<unsigned>(name.substr(3)).has_value();
}

// The text of an attribute; empty when the kernel does not have it.
Result<std::string> Text(const Sysfs& sysfs, const std::string& path) {
  Result<std::string> text = sysfs.Read(path);
  if (text) return std::string(Trim(*text));
  if (text.error().sys == ENOENT) return std::string();
  return text;
}

Result<int> Number(const Sysfs& sysfs, const std::string& path, std::optional<int> missing = {}) {
  DRAPCI_TRY(const std::string text, Text(sysfs, path));
  if (text.empty() && missing) return *missing;
  const auto number = ParseInt<int>(text);
  if (number) return *number;
  return Fail(Code::kIo, fmt::format("{} reads '{}', which is no number", path, text));
}

Result<int> Count(const Sysfs& sysfs, const std::string& path, int most) {
  DRAPCI_TRY(const int count, Number(sysfs, path));
  if (count >= 0 && count <= most) return count;
  return Fail(Code::kIo, fmt::format("{} reads {}, which cannot be", path, count));
}

Result<IdxdState> ReadState(const Sysfs& sysfs, const std::string& path) {
  DRAPCI_TRY(const std::string text, Text(sysfs, path));
  if (text == "disabled") return IdxdState::kDisabled;
  if (text == "enabled") return IdxdState::kEnabled;
  if (text == "halted") return IdxdState::kHalted;
  return Fail(Code::kIo, fmt::format("{} reads '{}'", path, text));
}

Result<IdxdQueue> ReadQueue(const Sysfs& sysfs, const std::string& dir) {
  IdxdQueue queue;
  DRAPCI_TRY(const std::string state, Text(sysfs, dir + "/state"));
  queue.enabled = state == "enabled";
  DRAPCI_TRY(queue.group, Number(sysfs, dir + "/group_id"));
  DRAPCI_TRY(queue.size, Number(sysfs, dir + "/size"));
  DRAPCI_TRY(queue.clients, Number(sysfs, dir + "/clients", 0));
  IdxdQueueConfig& config = queue.config;
  DRAPCI_TRY(config.mode, Text(sysfs, dir + "/mode"));
  DRAPCI_TRY(config.threshold, Number(sysfs, dir + "/threshold", 0));
  DRAPCI_TRY(config.priority, Number(sysfs, dir + "/priority"));
  DRAPCI_TRY(config.type, Text(sysfs, dir + "/type"));
  DRAPCI_TRY(config.name, Text(sysfs, dir + "/name"));
  DRAPCI_TRY(config.driver, Text(sysfs, dir + "/driver_name"));
  return queue;
}

struct Meaning {
  uint32_t status;
  const char* text;
};

// What the driver refuses (bit 31), then what the hardware does.
constexpr Meaning kMeanings[] = {
    {0x80000010, "the device is enabled already, or was enabled past the driver"},
    {0x80000020, "the device is not enabled"},
    {0x80000021, "the work queue is enabled already"},
    {0x80020000, "the device cannot be registered for DMA"},
    {0x80030000, "the work queue is in no group"},
    {0x80040000, "the work queue has no name"},
    {0x80050000, "a shared work queue needs SVA: boot with intel_iommu=on,sm_on"},
    {0x80060000, "the shared work queue has no threshold"},
    {0x80070000, "the portal of the work queue cannot be mapped"},
    {0x80080000, "there is no memory for the work queue's descriptors"},
    {0x80090000, "the work queue's use cannot be counted"},
    {0x800a0000, "the work queue cannot be registered as a DMA channel"},
    {0x800b0000, "the work queue's device node cannot be made"},
    {0x800c0000, "the device has no shared work queues: ask for dedicated ones (workQueues)"},
    {0x800d0000, "no work queue is configured"},
    {0x800e0000, "the work queue has no entries"},
    {0x800f0000, "a dedicated work queue of the kernel needs privileged PASIDs"},
    {0x80100000, "there is no interrupt for the work queue"},
    {0x80110000, "user work queues need SVA: boot with intel_iommu=on,sm_on"},
    {0x80120000, "the event log cannot be set up"},
    {0x80200000, "the work queue names no driver, or another one"},
    {0x03, "the hardware does not answer; it may have halted"},
    {0x10, "the hardware says that the device is enabled"},
    {0x11, "the hardware refuses the configuration"},
    {0x12, "bus mastering is off"},
    {0x13, "the hardware refuses the PASID"},
    {0x14, "the work queues have more entries than the hardware"},
    {0x15, "a group has work queues and no engine"},
    {0x16, "an engine or a work queue is in two groups"},
    {0x20, "the hardware says that the device is not enabled"},
    {0x21, "the hardware says that the work queue is enabled"},
    {0x22, "the hardware refuses the work queue's size"},
    {0x23, "the hardware refuses the work queue's priority"},
    {0x24, "the hardware refuses the work queue's mode"},
    {0x25, "the hardware refuses blocking on faults"},
    {0x26, "the hardware refuses the work queue's PASID"},
    {0x27, "the hardware refuses the batch size"},
    {0x28, "the hardware refuses the transfer size"},
};

// ENODEV and ENXIO mean refusals of the driver as long as the device is there.
Error Settle(const Sysfs& sysfs, const std::string& dir, Error error) {
  if (error.code != Code::kGone) return error;
  if (sysfs.Exists(dir)) error.code = Code::kIo;
  return error;
}

// The driver that serves `wanted` on this kernel.
std::string DriverDir(const Sysfs& sysfs, const std::string& wanted) {
  std::string dir = fmt::format("{}/{}", kDrivers, wanted);
  if (!sysfs.Exists(dir)) dir = fmt::format("{}/dsa", kDrivers);
  return dir;
}

}  // namespace

std::string IdxdDevice::QueueName(int queue) const {
  return fmt::format("wq{}.{}", name.substr(3), queue);
}

std::string IdxdDevice::QueueDir(int queue) const {
  return fmt::format("{}/{}", dir, QueueName(queue));
}

std::string IdxdDevice::Node(int queue) const {
  return fmt::format("/dev/{}/{}", Kind(), QueueName(queue));
}

Result<IdxdDevice> ReadIdxd(const Sysfs& sysfs, const PciAddress& address) {
  const Result<std::vector<std::string>> names = sysfs.List(address.SysfsPath());
  if (!names) {
    return Fail(
        {Code::kGone, ENODEV, fmt::format("PCI function {} is not there", address.ToString())});
  }
  const auto name = std::ranges::find_if(*names, IsDeviceName);
  if (name == names->end()) {
    return Fail({Code::kGone, ENODEV,
                 fmt::format("{} has no device of the driver idxd: bind that driver to it",
                             address.ToString())});
  }
  IdxdDevice device;
  device.name = *name;
  device.dir = fmt::format("{}/{}", address.SysfsPath(), device.name);
  DRAPCI_TRY(device.state, ReadState(sysfs, device.dir + "/state"));
  DRAPCI_TRY(const int configurable, Number(sysfs, device.dir + "/configurable"));
  device.configurable = configurable != 0;
  // Kernels before 5.14 do not tell; the driver then refuses what does not work.
  DRAPCI_TRY(const int sva, Number(sysfs, device.dir + "/pasid_enabled", 1));
  device.sva = sva != 0;
  DRAPCI_TRY(device.max_groups, Count(sysfs, device.dir + "/max_groups", 256));
  DRAPCI_TRY(device.max_size, Count(sysfs, device.dir + "/max_work_queues_size", 65535));
  DRAPCI_TRY(const int queues, Count(sysfs, device.dir + "/max_work_queues", kMostQueues));
  for (int queue = 0; queue < queues; ++queue) {
    DRAPCI_TRY(device.queues.emplace_back(), ReadQueue(sysfs, device.QueueDir(queue)));
  }
  DRAPCI_TRY(const int engines, Count(sysfs, device.dir + "/max_engines", kMostEngines));
  for (int engine = 0; engine < engines; ++engine) {
    DRAPCI_TRY(device.engines.emplace_back(),
               Number(sysfs, fmt::format("{}/engine{}.{}/group_id", device.dir,
                                         device.name.substr(3), engine)));
  }
  return device;
}

std::string IdxdCommandStatus(uint32_t status) {
  if (status == 0) return {};
  const auto* const found = std::ranges::find(kMeanings, status, &Meaning::status);
  return found != std::end(kMeanings) ? found->text : "it gives no known reason";
}

Result<> WriteIdxd(Host& host, const std::string& path, std::string_view value) {
  Result<> written = host.sysfs.Write(path, value);
  if (written) return written;
  Error error = Settle(host.sysfs, path, std::move(written).error());
  if (error.sys == EPERM) {
    error.what +=
        "; the device cannot be configured (configurable is 0), or it or its queue is enabled";
  } else if (error.sys == EINVAL) {
    error.what += "; the device does not have as much";
  }
  return Fail(std::move(error));
}

Result<> ConfigureIdxdQueue(Host& host, const IdxdDevice& device, int queue,
                            const IdxdQueueConfig& want) {
  const std::string dir = device.QueueDir(queue);
  const IdxdQueueConfig& now = device.queues[static_cast<size_t>(queue)].config;
  // A threshold cannot be written as 0; going through "dedicated" clears it.
  const bool clear = now.threshold != 0 && want.threshold == 0 && want.mode == "shared";
  if (clear) DRAPCI_CHECK(WriteIdxd(host, dir + "/mode", "dedicated"));
  if (clear || now.mode != want.mode) DRAPCI_CHECK(WriteIdxd(host, dir + "/mode", want.mode));
  if (want.threshold != 0 && now.threshold != want.threshold) {
    DRAPCI_CHECK(WriteIdxd(host, dir + "/threshold", std::to_string(want.threshold)));
  }
  if (now.priority != want.priority) {
    DRAPCI_CHECK(WriteIdxd(host, dir + "/priority", std::to_string(want.priority)));
  }
  // A change of the type clears the name. Without a text there is a blank one: nothing is no write.
  const auto text = [](const std::string& value) { return value.empty() ? "\n" : value; };
  const bool retype = now.type != want.type;
  if (retype) DRAPCI_CHECK(WriteIdxd(host, dir + "/type", want.type));
  if ((retype ? std::string() : now.name) != want.name) {
    DRAPCI_CHECK(WriteIdxd(host, dir + "/name", text(want.name)));
  }
  if (now.driver != want.driver && host.sysfs.Exists(dir + "/driver_name")) {
    DRAPCI_CHECK(WriteIdxd(host, dir + "/driver_name", text(want.driver)));
  }
  return {};
}

Result<> BindIdxd(Host& host, const IdxdDevice& device, const std::string& name,
                  const std::string& driver) {
  if (driver.empty() || driver.contains('/')) {
    return Fail(Code::kInvalid, fmt::format("'{}' is no driver of the bus dsa", driver));
  }
  const Result<> bound = host.sysfs.Write(DriverDir(host.sysfs, driver) + "/bind", name);
  if (bound) return {};
  Error error = Settle(host.sysfs, device.dir, bound.error());
  const auto text = host.sysfs.Read(device.dir + "/cmd_status");
  const auto status = text ? ParseHex<uint32_t>(Trim(*text)) : std::nullopt;
  if (status && *status != 0) {
    error.what +=
        fmt::format("; {} says {:#x}: {}", device.name, *status, IdxdCommandStatus(*status));
    constexpr std::array kNeverWork{0x80050000U, 0x800c0000U, 0x800f0000U, 0x80110000U};
    if (std::ranges::find(kNeverWork, *status) != kNeverWork.end()) error.code = Code::kUnsupported;
  } else if (error.sys == ENOENT) {
    error.code = Code::kUnsupported;
    error.what += fmt::format("; the module idxd has no driver '{}'", driver);
  }
  return Fail(std::move(error));
}

Result<> UnbindIdxd(Host& host, const IdxdDevice& device, const std::string& name) {
  const std::string dir = name == device.name ? device.dir : fmt::format("{}/{}", device.dir, name);
  DRAPCI_TRY(const std::string driver, LinkName(host.sysfs, dir + "/driver"));
  if (driver.empty()) return {};
  Result<> unbound = host.sysfs.Write(fmt::format("{}/{}/unbind", kDrivers, driver), name);
  if (!unbound) return Fail(Settle(host.sysfs, device.dir, std::move(unbound).error()));
  return {};
}

Result<> CheckIdxdQueueUnused(const Sysfs& sysfs, const IdxdDevice& device, int queue) {
  const int clients = device.queues[static_cast<size_t>(queue)].clients;
  if (clients == 0) return {};
  const std::string node = device.Node(queue);
  DRAPCI_CHECK(CheckUnused(sysfs, std::span(&node, 1), node));
  return Fail(Code::kBusy,
              fmt::format("{} is open {} times, by processes that are not to be seen: stop them "
                          "first",
                          node, clients));
}

}  // namespace drapci::hal
