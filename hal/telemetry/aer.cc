#include "hal/telemetry/aer.h"

#include <fmt/format.h>

#include <array>

#include "hal/base/parse.h"
#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

struct Severity {
  const char *signal, *file, *root_port_file;
};

constexpr std::array<Severity, 3> kSeverities = {{
    {"aer_correctable", "aer_dev_correctable", "aer_rootport_total_err_cor"},
    {"aer_nonfatal", "aer_dev_nonfatal", "aer_rootport_total_err_nonfatal"},
    {"aer_fatal", "aer_dev_fatal", "aer_rootport_total_err_fatal"},
}};

class AerReader : public TelemetryReader {
 public:
  AerReader(FunctionFiles own, std::optional<FunctionFiles> root_port, std::string root_port_name)
      : own_(std::move(own)),
        root_port_(std::move(root_port)),
        root_port_name_(std::move(root_port_name)) {}

  Result<std::vector<Reading>> Read() override {
    std::vector<Reading> readings;
    for (const Severity& severity : kSeverities) {
      DRAPCI_TRY(const std::optional<std::string> text, own_.Text(severity.file));
      if (!text) continue;
      auto counts = ParseAerCounts(*text);
      if (!counts) return Fail(std::move(counts).error().Within(own_.PathOf(severity.file)));
      readings.push_back({.signal = severity.signal,
                          .value = static_cast<double>(counts->total),
                          .text = counts->named});
    }
    if (!root_port_ || own_.IsGone()) return readings;
    for (const Severity& severity : kSeverities) {
      DRAPCI_TRY(const std::optional<int64_t> total, root_port_->Number(severity.root_port_file));
      if (!total) continue;
      readings.push_back({.signal = severity.signal,
                          .instance = "root port",
                          .value = static_cast<double>(*total),
                          .text = root_port_name_});
    }
    return readings;
  }

 private:
  const FunctionFiles own_;
  const std::optional<FunctionFiles> root_port_;
  const std::string root_port_name_;
};

}  // namespace

Result<AerCounts> ParseAerCounts(std::string_view text) {
  AerCounts counts;
  bool has_total = false;
  for (const std::string_view line : Split(text, '\n')) {
    if (Trim(line).empty()) continue;
    const size_t blank = line.rfind(' ');
    const auto count =
        blank == std::string_view::npos ? std::nullopt : ParseInt<uint64_t>(line.substr(blank + 1));
    if (!count) {
      return Fail(Code::kIo, fmt::format("'{}' is no counter", OneLine(line.substr(0, 60))));
    }
    const std::string_view name = line.substr(0, blank);
    if (name.starts_with("TOTAL_ERR_")) {
      counts.total = *count;
      has_total = true;
    } else if (*count != 0) {
      counts.named += fmt::format("{}{} {}", counts.named.empty() ? "" : ", ", name, *count);
    }
  }
  if (!has_total) return Fail(Code::kIo, "the total is missing");
  counts.named = OneLine(counts.named);
  return counts;
}

// The root port sees what every card below it reports; its own VFs' reports are told with the PF.
std::unique_ptr<TelemetryReader> MakeAerReader(Host& host, const PciFunction& function) {
  FunctionFiles own(host.sysfs, function.address);
  std::optional<FunctionFiles> root_port;
  std::string root_port_name;
  const std::vector<PciAddress> way = WayTo(host.sysfs, function.address);
  if (!function.physfn && way.size() > 1) {
    FunctionFiles port(host.sysfs, way.front());
    if (port.Has(kSeverities[0].root_port_file)) {
      root_port.emplace(std::move(port));
      root_port_name = way.front().ToString();
    }
  }
  if (!root_port && !own.Has(kSeverities[0].file)) return nullptr;
  return std::make_unique<AerReader>(std::move(own), std::move(root_port), root_port_name);
}

}  // namespace drapci::hal
