#include "plugin/slices/gates.h"

#include <nlohmann/json.hpp>

#include "hal/base/parse.h"
#include "plugin/json.h"

namespace drapci::plugin::slices {
namespace {

// Up to 1.34 counters had to be in the slice of the devices that use them, and no taint could be a
// mere note.
constexpr int kFirstMinorWithCounters = 35;

// "34+" of some vendors is 34.
std::optional<int> LeadingNumber(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789");
  return ParseInt<int>(text.substr(0, end));
}

}  // namespace

bool Gates::SetVersion(std::string_view text) {
  const auto document = ParseJson(text);
  if (!document) return false;
  const JsonField root(*document, "");
  const auto major = root["major"].Text(), minor = root["minor"].Text();
  const auto full = root["gitVersion"].Text();
  if (!major || !minor || !full) return false;
  const std::string version = *major + "." + *minor + " " + *full;
  if (version == version_) return false;
  version_ = version;
  const auto major_number = LeadingNumber(*major), minor_number = LeadingNumber(*minor);
  const bool too_old = major_number == 1 && minor_number && *minor_number < kFirstMinorWithCounters;
  if (too_old) on_.partitionable = false;
  if (too_old_ && !too_old) on_.partitionable = true;
  too_old_ = too_old;
  on_.note_taints = !too_old;
  return true;
}

bool Gates::Learn(const Features& used, const Features& kept) {
  const Features before = on_;
  const auto learn = [](bool is_used, bool is_kept, bool& on, bool& proven) {
    if (!is_used) return;
    on = is_kept;
    proven = is_kept;
  };
  learn(used.partitionable && !too_old_, kept.partitionable, on_.partitionable,
        proven_.partitionable);
  learn(used.consumable, kept.consumable, on_.consumable, proven_.consumable);
  learn(used.taints, kept.taints, on_.taints, proven_.taints);
  learn(used.binding, kept.binding, on_.binding, proven_.binding);
  return on_ != before;
}

void Gates::Seen(const Features& used) {
  proven_.partitionable |= used.partitionable;
  proven_.consumable |= used.consumable;
  proven_.taints |= used.taints;
  proven_.binding |= used.binding;
}

bool Gates::Unproven(const Features& used) const {
  return (used.partitionable && !proven_.partitionable) ||
         (used.consumable && !proven_.consumable) || (used.binding && !proven_.binding);
}

SliceContent Gates::Probe(const Features& features, const std::string& driver_name) {
  SliceDevice device;
  device.name = "probe";
  if (features.partitionable) {
    device.consumes.push_back({.counter_set = "probe", .counters = {{"probe", 1}}});
  }
  if (features.consumable) {
    device.allow_multiple_allocations = true;
    device.capacity.emplace("probe", Capacity{.value = 1, .policy = {}});
  }
  if (features.taints) {
    device.taints.push_back(
        {.key = driver_name + "/probe", .value = {}, .effect = "NoSchedule", .time_added = {}});
  }
  if (features.binding) {
    device.binds_to_node = true;
    device.binding_conditions = {driver_name + "/Prepared"};
    device.binding_failure_conditions = {driver_name + "/PrepareFailed"};
  }
  return {.devices = {std::move(device)}, .counter_sets = {}};
}

std::vector<std::string> Gates::Dropped() const {
  std::vector<std::string> dropped;
  if (!on_.partitionable && too_old_) {
    dropped.emplace_back(
        "DRAPartitionableDevices is not used with Kubernetes before 1.35: of a card with parts "
        "only "
        "the whole is published, or only the parts that are always there");
  } else if (!on_.partitionable) {
    dropped.emplace_back(
        "DRAPartitionableDevices is off: of a card with parts only the whole is published, or only "
        "the parts that are always there");
  }
  if (!on_.consumable) {
    dropped.emplace_back("DRAConsumableCapacity is off: shared devices are not published");
  }
  if (!on_.taints) {
    dropped.emplace_back(
        "DRADeviceTaints is off: a broken or unhealthy device is published without a taint");
  }
  if (!on_.binding) {
    dropped.emplace_back(
        "DRADeviceBindingConditions is off: devices are published without binding conditions");
  }
  return dropped;
}

}  // namespace drapci::plugin::slices
