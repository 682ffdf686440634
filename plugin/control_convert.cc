#include "plugin/control_convert.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>

#include "hal/accel/match.h"
#include "plugin/quantity.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

// Names and attributes come from hardware and from pci.ids: a byte that is no UTF-8 would make
// protobuf refuse the whole answer.
constexpr size_t kMaxText = 1024;

void Convert(const std::map<std::string, hal::AttributeValue>& from,
             google::protobuf::RepeatedPtrField<v1::Attribute>& to) {
  for (const auto& [name, value] : from) {
    v1::Attribute& attribute = *to.Add();
    attribute.set_name(name);
    if (const bool* flag = std::get_if<bool>(&value)) attribute.set_bool_value(*flag);
    if (const int64_t* number = std::get_if<int64_t>(&value)) attribute.set_int_value(*number);
    if (const std::string* text = std::get_if<std::string>(&value)) {
      attribute.set_string_value(Printable(*text, kMaxText));
    }
  }
}

void Convert(const hal::ContainerInterface& from, v1::Interface& to) {
  to.set_name(Printable(from.name, kMaxText));
  to.set_host_name(Printable(from.host_name, kMaxText));
  to.set_mac(from.mac);
  for (const std::string& address : from.addresses) to.add_addresses(address);
}

void Convert(const hal::Extent& from, v1::Extent& to) {
  to.set_start(from.start);
  to.set_size(from.size);
}

void Convert(const hal::PciFunction& from, v1::Accelerator& to) {
  to.set_address(from.address.ToString());
  to.set_vendor_id(fmt::format("{:04x}", from.vendor));
  to.set_device_id(fmt::format("{:04x}", from.device));
  to.set_class_code(fmt::format("{:06x}", from.class_code));
  to.set_vendor_name(Printable(from.vendor_name, kMaxText));
  to.set_device_name(Printable(from.device_name, kMaxText));
  to.set_class_name(Printable(from.class_name, kMaxText));
  to.set_driver(from.driver);
  to.set_numa_node(from.numa_node);
  to.set_pcie_root(from.pcie_root);
  if (from.iommu_group) to.set_iommu_group(fmt::format("{}", *from.iommu_group));
  if (from.pcie) to.set_link(LinkText(*from.pcie));
}

}  // namespace

std::string LinkText(const hal::PcieCapability& pcie) {
  // Link speed codes of LnkSta (PCI Express Base Specification 7.5.3.8).
  constexpr std::array<std::string_view, 7> kSpeeds = {"",     "2.5",  "5.0", "8.0",
                                                       "16.0", "32.0", "64.0"};
  if (pcie.current_width == 0 || pcie.current_speed == 0 || pcie.current_speed >= kSpeeds.size()) {
    return "";
  }
  return fmt::format("{} GT/s x{}", kSpeeds.at(pcie.current_speed), pcie.current_width);
}

void Convert(const driver::AcceleratorView& from, v1::Accelerator& to) {
  to.set_name(from.name);
  to.set_family(from.family);
  to.set_seen_on(std::string(hal::SeenOn(from.family)));
  Convert(from.function, to);
  // A claim may have given it another driver since the scan.
  const auto driver = from.description.attributes.find("driver");
  if (driver != from.description.attributes.end()) {
    to.set_driver(std::get<std::string>(driver->second));
  }
  to.set_gone(from.gone);
  Convert(from.health, *to.mutable_health());
  to.set_foreign(Printable(from.description.foreign, kMaxText));
  to.set_unusable(Printable(from.description.unusable, kMaxText));
  for (const auto& [name, total] : from.description.counters) {
    v1::Counter& counter = *to.add_counters();
    counter.set_name(name);
    counter.set_total(total);
    const auto used = from.counters_used.find(name);
    counter.set_used(used == from.counters_used.end() ? 0 : used->second);
  }
  Convert(from.description.attributes, *to.mutable_attributes());
  if (from.description.scale) {
    to.mutable_scale()->set_unit(Printable(from.description.scale->unit, kMaxText));
    to.mutable_scale()->set_size(from.description.scale->size);
  }
  for (const hal::Part& part : from.description.parts) {
    if (!part.stands_for_share) continue;
    v1::SharePart& share = *to.add_share_parts();
    share.set_name(part.name);
    if (part.extent) Convert(*part.extent, *share.mutable_extent());
  }
}

void Convert(const driver::Device& from, v1::Device& to) {
  to.set_name(from.name);
  to.set_profile(from.part.profile);
  to.set_held_by(from.held_by);
  to.set_unusable(Printable(from.unusable, kMaxText));
  to.set_excluded(Printable(from.excluded, kMaxText));
  for (const auto& [name, amount] : from.part.consumes) (*to.mutable_consumes())[name] = amount;
  for (const auto& [name, capacity] : from.part.capacities) {
    (*to.mutable_capacities())[name] = FormatQuantity(capacity.value);
    if (!capacity.enforced) to.add_advisory(name);
  }
  for (const std::string& uid : from.shared_by) to.add_shared_by(uid);
  if (from.part.extent) Convert(*from.part.extent, *to.mutable_extent());
  Convert(from.part.attributes, *to.mutable_attributes());
}

void Convert(const driver::Step& from, v1::Step& to) {
  to.set_accelerator(from.accelerator);
  to.set_setting(from.setting);
  to.set_target(from.target);
  to.set_before(Printable(from.before, kMaxText));
  to.set_want(Printable(from.want, kMaxText));
  to.set_shared(from.shared);
  to.set_advisory(from.advisory);
}

void Convert(const driver::PreparedDevice& from, v1::PreparedDevice& to) {
  for (const std::string& name : from.request.request_names) to.add_request_names(name);
  to.set_pool(from.request.pool);
  to.set_device(from.request.device);
  to.set_share_id(from.request.share_id);
  for (const std::string& id : from.cdi_ids) to.add_cdi_device_ids(id);
  for (const auto& [name, amount] : from.request.share) {
    (*to.mutable_share())[Printable(name, kMaxText)] = FormatQuantity(amount);
  }
  to.set_address(from.address);
  for (const hal::ContainerInterface& interface : from.interfaces) {
    Convert(interface, *to.add_interfaces());
  }
}

void Convert(const driver::Holding& from, v1::Holding& to) {
  to.set_accelerator(from.accelerator);
  to.set_device(from.device);
  to.set_part(from.part);
  to.set_share_id(from.share_id);
  for (const auto& [name, amount] : from.consumes) (*to.mutable_consumes())[name] = amount;
}

void Convert(const driver::ClaimRecord& from, v1::Claim& to) {
  to.set_uid(from.request.uid);
  to.set_namespace_(from.request.namespace_name);
  to.set_name(from.request.name);
  to.set_state(std::string(driver::ClaimStateName(from.state)));
  if (from.state == driver::ClaimState::kPrepared) {
    for (const driver::PreparedDevice& device : from.answer.devices)
      Convert(device, *to.add_devices());
  } else {
    // Not prepared, or no longer: what it asks for, without CDI names.
    for (const driver::DeviceRequest& device : from.request.devices) {
      Convert(driver::PreparedDevice{.request = device}, *to.add_devices());
    }
  }
  for (const driver::Step& step : from.plan) Convert(step, *to.add_plan());
  to.set_trouble(Printable(from.trouble, kMaxText));
  to.set_standing(from.standing);
  for (const driver::Holding& holding : from.holdings) Convert(holding, *to.add_holdings());
}

void Convert(const driver::Difference& from, v1::Difference& to) {
  to.set_claim_uid(from.claim_uid);
  to.set_subject(Printable(from.subject, kMaxText));
  to.set_text(Printable(from.text, kMaxText));
}

std::string TimeText(hal::WallTime time) {
  if (time == hal::WallTime()) return "";
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(milliseconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (milliseconds - seconds).count());
}

void Convert(const driver::Health& from, v1::CardHealth& to) {
  to.set_state(driver::NameOf(from.state));
  to.set_reason(Printable(from.reason, kMaxText));
  to.set_message(Printable(from.message, kMaxText));
  to.set_since(TimeText(from.since));
  to.set_measured(TimeText(from.measured));
  to.set_valid_seconds(from.valid_for.count());
  for (const driver::Finding& finding : from.findings) {
    v1::Finding& shown = *to.add_findings();
    shown.set_rule(finding.rule);
    shown.set_reason(finding.reason);
    shown.set_message(Printable(finding.message, kMaxText));
    shown.set_severity(driver::NameOf(finding.severity));
    shown.set_since(TimeText(finding.since));
  }
}

void Convert(const driver::HealthChange& from, v1::Event& to) {
  to.set_number(from.number);
  to.set_time(TimeText(from.note.when.wall));
  to.set_card(from.card);
  to.set_kind(driver::NameOf(from.note.kind));
  to.set_rule(from.note.rule);
  to.set_text(Printable(from.note.text, kMaxText));
}

void Convert(const driver::HealthReport& from, v1::ExplainHealthResponse& to) {
  to.set_name(from.card);
  Convert(from.health, *to.mutable_health());
  for (const driver::HealthReport::Source& source : from.sources) {
    v1::TelemetrySource& shown = *to.add_sources();
    shown.set_name(source.name);
    shown.set_period_milliseconds(source.period.count());
    if (source.read) shown.set_read(TimeText(*source.read));
    shown.set_failure(Printable(source.failure, kMaxText));
    shown.set_held_up(source.held_up);
    for (const hal::Reading& reading : source.readings) {
      v1::Reading& value = *shown.add_readings();
      value.set_signal(reading.signal);
      value.set_instance(Printable(reading.instance, kMaxText));
      value.set_value(reading.value);
      value.set_text(Printable(reading.text, kMaxText));
    }
  }
  for (const driver::HealthNote& note : from.notes) {
    Convert(driver::HealthChange{.card = from.card, .note = note}, *to.add_history());
  }
}

}  // namespace drapci::plugin
