#include "plugin/cli/output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>

#include "plugin/cli/describe.h"
#include "plugin/cli/health.h"
#include "plugin/cli/json.h"
#include "plugin/cli/text.h"
#include "plugin/cli/yaml.h"

namespace drapci::cli {
namespace {

using Json = nlohmann::ordered_json;

bool IsData(Format format) { return format == Format::kJson || format == Format::kYaml; }

std::string Data(const Json& value, Format format) {
  const bool json = format == Format::kJson;
  const std::string text = value.dump(json ? 2 : -1, ' ', false, Json::error_handler_t::replace);
  return json ? text + "\n" : JsonToYaml(text);
}

// "pci-0000-02-00-0 bandwidth=200M": the device, and what a share takes of it.
std::string DeviceText(const v1::PreparedDevice& device) {
  std::string text = device.device();
  const std::map<std::string, std::string> share(device.share().begin(), device.share().end());
  for (const auto& [capacity, amount] : share) text += fmt::format(" {}={}", capacity, amount);
  return text;
}

std::string DeviceList(const v1::Claim& claim) {
  std::vector<std::string> names;
  for (const auto& device : claim.devices()) names.push_back(DeviceText(device));
  return fmt::format("{}", fmt::join(names, ","));
}

std::string CdiList(const google::protobuf::RepeatedPtrField<v1::PreparedDevice>& devices) {
  std::vector<std::string_view> ids;
  for (const auto& device : devices)
    ids.insert(ids.end(), device.cdi_device_ids().begin(), device.cdi_device_ids().end());
  return fmt::format("{}", fmt::join(ids, ","));
}

Table PreparedTable(const google::protobuf::RepeatedPtrField<v1::PreparedDevice>& devices) {
  Table table({"REQUEST", "DEVICE", "CDI-DEVICE"});
  for (const auto& device : devices) {
    table.Add({fmt::format("{}", fmt::join(device.request_names(), ",")), DeviceText(device),
               fmt::format("{}", fmt::join(device.cdi_device_ids(), ","))});
  }
  return table;
}

}  // namespace

std::optional<Format> ParseFormat(std::string_view text) {
  if (text == "table") return Format::kTable;
  if (text == "wide") return Format::kWide;
  if (text == "json") return Format::kJson;
  if (text == "yaml") return Format::kYaml;
  return std::nullopt;
}

std::string RenderDevices(const v1::ListDevicesResponse& answer, Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  const bool wide = format == Format::kWide;
  std::vector<std::string> headings{"NAME",  "PROFILE", "ADDRESS", "DRIVER",
                                    "STATE", "HELD-BY", "REASON"};
  if (wide)
    headings.insert(headings.end(), {"HEALTH", "FAMILY", "ID", "NUMA", "IOMMU", "LINK", "MODEL"});
  Table table(std::move(headings));
  for (const auto& accelerator : answer.accelerators()) {
    auto add = [&](const v1::Device* device) {
      const DeviceSummary summary = Summarize(accelerator, device);
      std::vector<std::string> row{summary.name,  summary.profile, summary.address, summary.driver,
                                   summary.state, summary.held_by, summary.reason};
      if (wide) {
        row.insert(row.end(),
                   {accelerator.health().state(), accelerator.family(),
                    fmt::format("{}:{}", accelerator.vendor_id(), accelerator.device_id()),
                    accelerator.numa_node() < 0 ? "" : fmt::format("{}", accelerator.numa_node()),
                    accelerator.iommu_group(), accelerator.link(), Model(accelerator)});
      }
      table.Add(std::move(row));
    };
    for (const auto& device : accelerator.devices()) add(&device);
    if (accelerator.devices().empty()) add(nullptr);
  }
  return table.empty() ? "No devices found.\n" : table.Render();
}

std::string RenderDevice(const v1::ListDevicesResponse& answer, std::string_view name,
                         Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  std::string out;
  for (const auto& accelerator : answer.accelerators()) {
    if (!out.empty()) out += '\n';
    out += Describe(accelerator, name);
  }
  return out;
}

std::string RenderClaims(const v1::ListClaimsResponse& answer, Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  const bool wide = format == Format::kWide;
  std::vector<std::string> headings{"NAMESPACE", "NAME", "UID", "STATE", "DEVICES", "TROUBLE"};
  if (wide) headings.insert(headings.end(), {"STEPS", "CDI-DEVICES"});
  Table table(std::move(headings));
  for (const auto& claim : answer.claims()) {
    std::vector<std::string> row{
        claim.namespace_(), claim.name(),
        claim.uid(),        claim.standing() ? claim.state() + " (standing)" : claim.state(),
        DeviceList(claim),  claim.trouble()};
    if (wide)
      row.insert(row.end(), {fmt::format("{}", claim.plan_size()), CdiList(claim.devices())});
    table.Add(std::move(row));
  }
  return table.empty() ? "No claims are held.\n" : table.Render();
}

std::string RenderPlan(const v1::PlanResponse& answer, Format format) {
  if (IsData(format)) {
    Json value = ToJson(answer);
    if (Json spec = Json::parse(answer.cdi_spec(), nullptr, false); spec.is_object())
      value["cdiSpec"] = spec;
    return Data(value, format);
  }
  std::string out = answer.steps().empty()
                        ? "Steps: none; the hardware is already as the claim needs it\n"
                        : "Steps:\n";
  int number = 0;
  for (const auto& step : answer.steps()) {
    out +=
        Printable(fmt::format("{:3}. {} {}: {} -> {}{}{}", ++number, step.setting(), step.target(),
                              step.before(), step.want(), step.shared() ? "   (shared)" : "",
                              step.advisory() ? "   (advisory)" : "")) +
        "\n";
  }
  out += "\nDevices:\n" + PreparedTable(answer.devices()).Render("  ");
  std::string spec = answer.cdi_spec();
  if (Json parsed = Json::parse(spec, nullptr, false); parsed.is_object()) {
    spec = parsed.dump(2, ' ', false, Json::error_handler_t::replace);
  }
  if (spec.empty()) spec = "known when the steps have made the device";
  return out + "\nCDI specification:\n" + spec + "\n";
}

std::string RenderPrepared(const v1::PrepareResponse& answer, Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  return Printable(fmt::format("claim {} prepared", answer.uid())) + "\n" +
         PreparedTable(answer.devices()).Render();
}

std::string RenderUnprepared(const v1::UnprepareResponse& answer, std::string_view asked,
                             Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  return Printable(answer.uid().empty() ? fmt::format("nothing is held by {}", asked)
                                        : fmt::format("claim {} released", answer.uid())) +
         "\n";
}

std::string RenderVerify(const v1::VerifyResponse& answer, Format format) {
  if (IsData(format)) return Data(ToJson(answer), format);
  std::string out;
  for (const auto& difference : answer.differences()) {
    out += Printable(difference.claim_uid().empty()
                         ? fmt::format("{}: {}", difference.subject(), difference.text())
                         : fmt::format("claim {}: {}: {}", difference.claim_uid(),
                                       difference.subject(), difference.text())) +
           "\n";
  }
  if (out.empty()) {
    out = fmt::format("{} claim{} checked: journal, hardware and CDI agree\n",
                      answer.claims_checked(), answer.claims_checked() == 1 ? "" : "s");
  }
  return out;
}

std::string RenderVersion(std::string_view own, const std::optional<v1::GetVersionResponse>& daemon,
                          Format format) {
  if (IsData(format)) {
    Json value{{"client", own}, {"daemon", daemon ? ToJson(*daemon) : Json()}};
    return Data(value, format);
  }
  std::string out = fmt::format("drapci {}\n", own);
  if (daemon) {
    out +=
        Printable(fmt::format("drapcid {} (driver {}, node {}, events from {})", daemon->version(),
                              daemon->driver_name(), daemon->node_name(), daemon->event_source())) +
        "\n";
  }
  return out;
}

}  // namespace drapci::cli
