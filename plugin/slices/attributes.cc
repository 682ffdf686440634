#include "plugin/slices/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "hal/base/parse.h"
#include "plugin/slices/convert.h"

namespace drapci::plugin::slices {
namespace {

constexpr std::string_view kStandard = "resource.kubernetes.io/";

// What people choose by least goes first when a device has too many attributes and capacities.
constexpr const char* kCutFirst[] = {
    "serialNumber", "firmwareVersion", "linkWidth", "linkSpeed", "iommuGroup", "vfs",   "model",
    "vendor",       "class",           "driver",    "pf",        "vf",         "family"};

// What families say of a part for as long as it is listed, and what it is published as.
constexpr struct {
  const char *from, *to;
} kOfFamilies[] = {{"accelerator", "accelerator"},
                   {"compute_partition", "computePartition"},
                   {"drm_driver", "drmDriver"},
                   {"drm_version", "drmVersion"},
                   {"enforced_by", "enforcedBy"},
                   {"eswitch_mode", "eswitchMode"},
                   {"gfx_target", "gfxTarget"},
                   {"gpu", "gpu"},
                   {"gpu_uuid", "gpuUUID"},
                   {"interface_id", "interfaceID"},
                   {"memory", "memory"},
                   {"memory_partition", "memoryPartition"},
                   {"memory_slices", "memorySlices"},
                   {"model", "productName"},
                   {"multiprocessors", "multiprocessors"},
                   {"node_group", "nodeGroup"},
                   {"partition", "partition"},
                   {"pf", "pf"},
                   {"queue", "queue"},
                   {"services", "services"},
                   {"sf", "sf"},
                   {"size", "entries"},
                   {"slot", "slot"},
                   {"unique_id", "uniqueID"},
                   {"uuid", "uuid"},
                   {"vf", "vf"},
                   {"xccs", "xccs"}};

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// PCI Code and ID Assignment Specification, base and sub class.
std::string_view Kind(uint32_t class_code) {
  if (class_code >> 8 == 0x0b40) return "accelerator";  // co-processor
  switch (class_code >> 16) {
    case 0x01: return "storage";
    case 0x02: return "network";
    case 0x03: return "display";
    case 0x12: return "accelerator";
    default: return "other";
  }
}

template <class T>
std::optional<T> Find(const std::map<std::string, hal::AttributeValue>& attributes,
                      const std::string& name) {
  const auto found = attributes.find(name);
  if (found == attributes.end()) return std::nullopt;
  const T* value = std::get_if<T>(&found->second);
  return value == nullptr ? std::nullopt : std::optional<T>(*value);
}

// How many bytes the UTF-8 character that `text` begins with has; 0 when it begins with none.
size_t CharacterSize(std::string_view text) {
  const auto byte = [text](size_t at) { return static_cast<unsigned char>(text[at]); };
  const size_t size = byte(0) < 0x80   ? 1
                      : byte(0) < 0xc2 ? 0
                      : byte(0) < 0xe0 ? 2
                      : byte(0) < 0xf0 ? 3
                      : byte(0) < 0xf5 ? 4
                                       : 0;
  if (size > text.size()) return 0;
  for (size_t at = 1; at < size; ++at) {
    if (byte(at) >> 6 != 2) return 0;
  }
  // Over-long forms, surrogates, and what is beyond Unicode.
  if (size == 3 && ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) >= 0xa0))) {
    return 0;
  }
  if (size == 4 && ((byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) >= 0x90))) {
    return 0;
  }
  return size;
}

class Builder {
 public:
  explicit Builder(std::map<std::string, Attribute>& out) : out_(out) {}

  void Text(std::string name, std::string_view value) {
    if (!value.empty()) out_.emplace(std::move(name), CutText(value, kMaxText));
  }
  void Number(std::string name, std::optional<int64_t> value) {
    if (value) out_.emplace(std::move(name), *value);
  }
  void VersionOrText(std::string name, std::string_view value) {
    if (value.size() <= kMaxText && IsSemanticVersion(value)) {
      out_.emplace(std::move(name), Version{std::string(value)});
    } else {
      Text(std::move(name), value);
    }
  }
  void Flag(std::string name, bool value) { out_.emplace(std::move(name), value); }

 private:
  std::map<std::string, Attribute>& out_;
};

// The address that the device has for as long as it is listed; empty when it comes and goes.
std::string LastingAddress(const driver::AcceleratorView& accelerator, const hal::Part& part) {
  std::string address;
  if (part.name.empty()) {
    address = accelerator.function.address.ToString();
  } else if (accelerator.policy.vfs != hal::AcceleratorPolicy::Vfs::kOnDemand) {
    address = Find<std::string>(part.attributes, "address").value_or("");
  }
  // The standard attribute has four digits of domain; those of VMD have five.
  return address.find(':') == 4 ? address : std::string();
}

void AddCard(const driver::AcceleratorView& accelerator, Builder& add) {
  const hal::PciFunction& function = accelerator.function;
  add.Text("family", accelerator.family);
  add.Text("driver", accelerator.home_driver);
  // Of a card that was gone at start only the address is known.
  if (function.vendor != 0) {
    add.Text("vendorID", fmt::format("{:04x}", function.vendor));
    add.Text("vendor", function.vendor_name);
    add.Text("model", function.device_name);
    add.Text("class", fmt::format("{:06x}", function.class_code));
    // DSA and IAA call themselves base system peripherals.
    add.Text("kind", accelerator.family == "idxd" ? "accelerator" : Kind(function.class_code));
  }
  if (function.serial_number) {
    add.Text("serialNumber", fmt::format("{:016x}", *function.serial_number));
  }
  const auto& facts = accelerator.description.attributes;
  add.Number("linkSpeed", Find<int64_t>(facts, "link_speed"));
  add.Number("linkWidth", Find<int64_t>(facts, "link_width"));
  add.VersionOrText("firmwareVersion", Find<std::string>(facts, "firmware_version").value_or(""));
  add.Text(std::string(kStandard) + "pcieRoot", function.pcie_root);
  if (function.numa_node >= 0) add.Number(std::string(kStandard) + "numaNode", function.numa_node);
}

void AddWhole(const driver::AcceleratorView& accelerator, Builder& add) {
  const hal::PciFunction& function = accelerator.function;
  if (function.vendor != 0) add.Text("deviceID", fmt::format("{:04x}", function.device));
  if (function.iommu_group) add.Number("iommuGroup", *function.iommu_group);
  add.Number("vfs", Find<int64_t>(accelerator.description.attributes, "vfs_total"));
}

void AddPart(const hal::Part& part, Builder& add) {
  const auto id = ParseHex<uint16_t>(Find<std::string>(part.attributes, "device").value_or(""));
  if (id) add.Text("deviceID", fmt::format("{:04x}", *id));
}

void AddWhatFamiliesSay(const hal::Part& part, Builder& add) {
  for (const auto& [from, to] : kOfFamilies) {
    add.Text(to, Find<std::string>(part.attributes, from).value_or(""));
    add.Number(to, Find<int64_t>(part.attributes, from));
  }
}

}  // namespace

std::map<std::string, Attribute> AttributesOf(const driver::AcceleratorView& accelerator,
                                              const driver::Device& device, size_t limit) {
  const hal::Part& part = device.part;
  std::map<std::string, Attribute> attributes;
  Builder add(attributes);
  const std::string type = part.capacities.empty() ? part.profile : "share";
  add.Text("type", type);
  if (part.profile != type || (type != "function" && type != "vf" && type != "share")) {
    add.Text("profile", part.profile);
  }
  AddCard(accelerator, add);
  if (part.name.empty()) {
    AddWhole(accelerator, add);
  } else {
    AddPart(part, add);
  }
  AddWhatFamiliesSay(part, add);
  add.Text(std::string(kStandard) + "pciBusID", LastingAddress(accelerator, part));
  if (!part.capacities.empty()) {
    add.Flag("enforced", std::ranges::all_of(part.capacities, [](const auto& capacity) {
               return capacity.second.enforced;
             }));
  }
  for (const char* name : kCutFirst) {
    if (attributes.size() <= limit) break;
    attributes.erase(name);
  }
  return attributes;
}

std::string CutText(std::string_view text, size_t limit) {
  std::string cut;
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    const bool broken = size == 0 || (size == 1 && (text[0] < 0x20 || text[0] == 0x7f));
    const std::string_view character = broken ? "?" : text.substr(0, size);
    if (cut.size() + character.size() > limit) break;
    cut += character;
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return cut;
}

bool IsSemanticVersion(std::string_view text) {
  // Identifiers between dots; those of a pre-release that are numbers have no leading zeros.
  const auto identifiers = [](std::string_view list, bool strict_numbers) {
    for (const std::string_view each : Split(list, '.')) {
      const bool known =
          std::ranges::all_of(each, [](char c) { return IsDigit(c) || IsLetter(c) || c == '-'; });
      if (each.empty() || !known) return false;
      if (strict_numbers && each.size() > 1 && each[0] == '0' && std::ranges::all_of(each, IsDigit))
        return false;
    }
    return !list.empty();
  };
  if (const size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!identifiers(text.substr(plus + 1), false)) return false;
    text = text.substr(0, plus);
  }
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!identifiers(text.substr(dash + 1), true)) return false;
    text = text.substr(0, dash);
  }
  const auto numbers = Split(text, '.');
  return numbers.size() == 3 && std::ranges::all_of(numbers, [](std::string_view number) {
           return !number.empty() && std::ranges::all_of(number, IsDigit) &&
                  (number.size() == 1 || number[0] != '0');
         });
}

bool IsDnsLabel(std::string_view text) {
  const auto inner = [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || c == '-'; };
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, inner) &&
         text.front() != '-' && text.back() != '-';
}

}  // namespace drapci::plugin::slices
