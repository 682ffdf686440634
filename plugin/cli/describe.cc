#include "plugin/cli/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <vector>

#include "plugin/cli/health.h"
#include "plugin/cli/text.h"

namespace drapci::cli {
namespace {

using Attributes = google::protobuf::RepeatedPtrField<v1::Attribute>;

std::string ValueText(const v1::Attribute& attribute) {
  switch (attribute.value_case()) {
    case v1::Attribute::kBoolValue: return attribute.bool_value() ? "true" : "false";
    case v1::Attribute::kIntValue: return fmt::format("{}", attribute.int_value());
    case v1::Attribute::kStringValue: return attribute.string_value();
    case v1::Attribute::VALUE_NOT_SET: break;
  }
  return "";
}

std::string Find(const Attributes& attributes, std::string_view name) {
  auto found = std::ranges::find_if(
      attributes, [&](const auto& attribute) { return attribute.name() == name; });
  return found == attributes.end() ? "" : ValueText(*found);
}

// "Label:        value" lines, the values in one column.
class Sheet {
 public:
  void Add(std::string_view label, std::string_view value) {
    if (!value.empty())
      out_ += fmt::format("{:<14} {}\n", fmt::format("{}:", label), Printable(value));
  }
  void AddList(std::string_view label, const std::map<std::string, std::string>& items) {
    if (items.empty()) return;
    out_ += fmt::format("{}:\n", label);
    size_t width = 0;
    for (const auto& [name, value] : items) width = std::max(width, DisplayWidth(name));
    for (const auto& [name, value] : items) {
      out_ += fmt::format("  {:<{}}  {}\n", Printable(name), width, Printable(value));
    }
  }
  void AddTable(std::string_view label, const Table& table) {
    if (!table.empty()) out_ += fmt::format("{}:\n{}", label, table.Render("  "));
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

std::map<std::string, std::string> Texts(const Attributes& attributes) {
  std::map<std::string, std::string> out;
  for (const auto& attribute : attributes) out[attribute.name()] = ValueText(attribute);
  return out;
}

std::map<std::string, std::string> Counters(const v1::Accelerator& accelerator) {
  std::map<std::string, std::string> out;
  for (const auto& counter : accelerator.counters()) {
    out[counter.name()] = fmt::format("{} of {} used", counter.used(), counter.total());
  }
  return out;
}

void AddHardware(const v1::Accelerator& accelerator, std::string_view iommu_group, Sheet& sheet) {
  sheet.Add("Hardware", fmt::format("{} [{}:{}]", Model(accelerator), accelerator.vendor_id(),
                                    accelerator.device_id()));
  sheet.Add("Class",
            accelerator.class_name().empty()
                ? accelerator.class_code()
                : fmt::format("{} [{}]", accelerator.class_name(), accelerator.class_code()));
  sheet.Add("NUMA node",
            accelerator.numa_node() < 0 ? "unknown" : fmt::format("{}", accelerator.numa_node()));
  sheet.Add("PCIe root", accelerator.pcie_root());
  sheet.Add("IOMMU group", iommu_group);
  sheet.Add("Link", accelerator.link());
}

void AddState(const v1::Accelerator& accelerator, const DeviceSummary& summary, Sheet& sheet) {
  sheet.Add("Driver", summary.driver.empty() ? "none" : summary.driver);
  sheet.Add("State", summary.state);
  sheet.Add("Held by", summary.held_by);
  sheet.Add("Reason", summary.reason);
  if (accelerator.has_health()) sheet.Add("Health", HealthText(accelerator.health()));
}

// "memory slices 2-3 of 8"; empty for a part that has no place of its own.
std::string PlaceText(const v1::Accelerator& accelerator, const v1::Device& device) {
  if (!accelerator.has_scale() || !device.has_extent()) return "";
  const int64_t first = device.extent().start();
  const int64_t last = first + device.extent().size() - 1;
  const std::string range =
      last > first ? fmt::format("{}-{}", first, last) : fmt::format("{}", first);
  return fmt::format("{} {} of {}", accelerator.scale().unit(), range, accelerator.scale().size());
}

// What shares of a device are made of.
void AddCapacities(const v1::Device* device, Sheet& sheet) {
  if (device == nullptr) return;
  std::map<std::string, std::string> capacities(device->capacities().begin(),
                                                device->capacities().end());
  for (const std::string& name : device->advisory()) {
    if (const auto found = capacities.find(name); found != capacities.end()) {
      found->second += " (advisory: nothing enforces it)";
    }
  }
  sheet.AddList("Capacities", capacities);
}

Table Parts(const v1::Accelerator& accelerator) {
  Table table({"NAME", "PROFILE", "ADDRESS", "DRIVER", "STATE", "HELD-BY", "REASON"});
  for (const auto& device : accelerator.devices()) {
    const DeviceSummary summary = Summarize(accelerator, &device);
    table.Add({summary.name, summary.profile, summary.address, summary.driver, summary.state,
               summary.held_by, summary.reason});
  }
  return table;
}

}  // namespace

DeviceSummary Summarize(const v1::Accelerator& accelerator, const v1::Device* device) {
  DeviceSummary out;
  const bool whole = device == nullptr || device->name() == accelerator.name();
  out.name = device == nullptr ? accelerator.name() : device->name();
  out.address = accelerator.address();
  out.driver = accelerator.driver();
  std::string reason = accelerator.unusable();
  if (device != nullptr) {
    out.profile = device->profile();
    out.held_by = device->held_by();
    reason = device->unusable();
    if (!whole) {
      // A part that exists says where it is and what drives it; one still to be made has neither.
      out.address = Find(device->attributes(), "address");
      out.driver = Find(device->attributes(), "driver");
    }
  }
  if (accelerator.gone()) {
    out.state = "gone";
    out.reason = reason.empty() ? "the card has been removed" : reason;
  } else if (!out.held_by.empty()) {
    out.state = "held";
  } else if (!accelerator.foreign().empty()) {
    out.state = "foreign";
    out.reason = accelerator.foreign();
  } else if (!reason.empty()) {
    out.state = "unusable";
    out.reason = reason;
  } else if (device != nullptr && !device->excluded().empty()) {
    out.state = "excluded";
    out.reason = device->excluded();
  } else if (device != nullptr && !device->shared_by().empty()) {
    out.state = "shared";
    out.held_by = fmt::format("{}", fmt::join(device->shared_by(), ","));
  } else {
    out.state = "free";
  }
  return out;
}

std::string Model(const v1::Accelerator& accelerator) {
  const std::string& vendor = accelerator.vendor_name();
  const std::string& device = accelerator.device_name();
  return fmt::format("{} {}", vendor.empty() ? "Vendor " + accelerator.vendor_id() : vendor,
                     device.empty() ? "Device " + accelerator.device_id() : device);
}

std::string Describe(const v1::Accelerator& accelerator, std::string_view name) {
  Sheet sheet;
  auto part = std::ranges::find_if(accelerator.devices(), [&](const auto& device) {
    return device.name() == name && device.name() != accelerator.name();
  });
  if (part != accelerator.devices().end()) {
    const DeviceSummary summary = Summarize(accelerator, &*part);
    sheet.Add("Name", summary.name);
    sheet.Add("Part of", accelerator.name());
    sheet.Add("Profile", summary.profile);
    sheet.Add("Address", summary.address.empty() ? "made when it is claimed" : summary.address);
    sheet.Add("Place", PlaceText(accelerator, *part));
    AddHardware(accelerator, Find(part->attributes(), "iommu_group"), sheet);
    AddState(accelerator, summary, sheet);
    std::map<std::string, std::string> consumes;
    for (const auto& [counter, amount] : part->consumes())
      consumes[counter] = fmt::format("{}", amount);
    sheet.AddList("Consumes", consumes);
    AddCapacities(&*part, sheet);
    sheet.AddList("Attributes", Texts(part->attributes()));
    return sheet.Take();
  }
  auto whole = std::ranges::find_if(accelerator.devices(), [&](const auto& device) {
    return device.name() == accelerator.name();
  });
  const v1::Device* self = whole == accelerator.devices().end() ? nullptr : &*whole;
  sheet.Add("Name", accelerator.name());
  sheet.Add("Family", accelerator.family());
  if (!accelerator.seen_on().empty()) sheet.Add("Seen on", accelerator.seen_on());
  sheet.Add("Address", accelerator.address());
  AddHardware(accelerator,
              accelerator.iommu_group().empty() ? "none (no vfio)" : accelerator.iommu_group(),
              sheet);
  AddState(accelerator, Summarize(accelerator, self), sheet);
  if (accelerator.has_scale()) {
    sheet.Add("Places",
              fmt::format("{} {}", accelerator.scale().size(), accelerator.scale().unit()));
  }
  AddCapacities(self, sheet);
  sheet.AddList("Counters", Counters(accelerator));
  sheet.AddList("Attributes", Texts(accelerator.attributes()));
  sheet.AddTable("Devices", Parts(accelerator));
  return sheet.Take();
}

}  // namespace drapci::cli
