// What is held against a card unless the configuration says otherwise.
//
// No new work (no-schedule) for what endangers the next workload, no-execute only for what leaves
// a workload nothing to work on; the rest are notes. Link speed, drops of network ports and Xids
// that applications cause are normal, and have no rule.
#include "driver/health/rule.h"

namespace drapci::driver {
namespace {

using Kind = HealthRule::Kind;
using Until = HealthRule::Until;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Severity kNote = Severity::kNote;
constexpr Severity kNoSchedule = Severity::kNoSchedule;
constexpr Severity kNoExecute = Severity::kNoExecute;

// A state that is not 0.
HealthRule State(const char* name, const char* source, const char* signal, Severity severity,
                 const char* reason, const char* meaning) {
  return {.name = name,
          .source = source,
          .signal = signal,
          .kind = Kind::kAbove,
          .severity = severity,
          .reason = reason,
          .meaning = meaning,
          .quiet = seconds(30)};
}

// A counter that grows by `limit` within `window`.
HealthRule Growth(const char* name, const char* source, const char* signal, double limit,
                  seconds window, seconds quiet, Severity severity, const char* reason,
                  const char* meaning) {
  return {.name = name,
          .source = source,
          .signal = signal,
          .kind = Kind::kIncrease,
          .limit = limit,
          .window = window,
          .severity = severity,
          .reason = reason,
          .meaning = meaning,
          .quiet = quiet};
}

HealthRule With(HealthRule rule, void (*change)(HealthRule&)) {
  change(rule);
  return rule;
}

void AddPci(std::vector<HealthRule>& rules) {
  rules.push_back(State("config-space", "presence", "config_space", kNoExecute, "FellOffBus",
                        "Its configuration space does not answer"));
  rules.push_back(State("power-failed", "power", "power_failed", kNoSchedule, "PowerFailed",
                        "It could not be woken or put to sleep"));
  rules.push_back(With(Growth("aer-fatal", "aer", "aer_fatal", 1, minutes(1), minutes(10),
                              kNoSchedule, "PcieFatalError", "PCI Express reports fatal errors"),
                       [](HealthRule& rule) { rule.except = {"root port"}; }));
  rules.push_back(
      With(Growth("aer-nonfatal", "aer", "aer_nonfatal", 10, minutes(1), minutes(10), kNoSchedule,
                  "PcieErrors", "PCI Express reports many uncorrected errors"),
           [](HealthRule& rule) { rule.except = {"root port"}; }));
  rules.push_back(With(Growth("aer-nonfatal-few", "aer", "aer_nonfatal", 1, minutes(1), minutes(10),
                              kNote, "PcieErrors", "PCI Express reports uncorrected errors"),
                       [](HealthRule& rule) { rule.except = {"root port"}; }));
  rules.push_back(
      With(Growth("aer-correctable", "aer", "aer_correctable", 100, minutes(1), minutes(5), kNote,
                  "PcieCorrectedErrors", "PCI Express corrects many errors"),
           [](HealthRule& rule) { rule.except = {"root port"}; }));
  // It counts for every card below.
  rules.push_back(With(
      Growth("aer-root-port", "aer", "aer_fatal", 1, minutes(1), minutes(10), kNote,
             "PcieRootPortError", "The root port above it reports fatal errors of a card below"),
      [](HealthRule& rule) { rule.instances = {"root port"}; }));
  rules.push_back(With(State("aer-recovery", "event", "aer_recovery", kNoExecute,
                             "PcieRecoveryFailed", "It was not recovered from a PCI Express error"),
                       [](HealthRule& rule) { rule.limit = 1; }));
  rules.push_back(With(State("link-width", "link", "link_width_deficit", kNote, "LinkDegraded",
                             "Its PCI Express link lacks lanes"),
                       [](HealthRule& rule) { rule.hold = seconds(30); }));
}

void AddSensors(std::vector<HealthRule>& rules) {
  for (const char* source : {"hwmon", "nvml"}) {
    const bool nvml = source == std::string_view("nvml");
    rules.push_back({.name = nvml ? "nvml-overheated" : "overheated",
                     .source = source,
                     .signal = "temperature_margin",
                     .kind = Kind::kBelow,
                     .limit = 1,
                     .hold = seconds(10),
                     .severity = kNoSchedule,
                     .reason = "Overheated",
                     .meaning = "It is as hot as it may ever be (degrees left)",
                     .quiet = seconds(60),
                     .margin = 5});
    rules.push_back({.name = nvml ? "nvml-hot" : "hot",
                     .source = source,
                     .signal = "temperature_margin",
                     .kind = Kind::kBelow,
                     .limit = 5,
                     .hold = seconds(60),
                     .severity = kNote,
                     .reason = "Hot",
                     .meaning = "It is nearly as hot as it may be (degrees left)",
                     .quiet = seconds(60),
                     .margin = 5});
  }
  rules.push_back(State("sensor-alarm", "hwmon", "sensor_alarm", kNote, "SensorAlarm",
                        "Its driver sounds an alarm of a sensor"));
}

// What drivers say of their devices.
void AddDrivers(std::vector<HealthRule>& rules) {
  rules.push_back(State("device-failed", "driver", "device_failed", kNoExecute, "DeviceFailed",
                        "Its driver says that it does not work"));
  rules.push_back(With(State("device-unready", "driver", "device_unready", kNoSchedule,
                             "DeviceNotReady", "Its driver has not brought it up"),
                       [](HealthRule& rule) { rule.hold = seconds(60); }));
  rules.push_back(State("device-warning", "driver", "device_warning", kNote, "DeviceWarning",
                        "Its driver warns of it"));
  rules.push_back(Growth("device-resets", "driver", "device_resets", 1, minutes(10), minutes(10),
                         kNote, "DeviceReset", "Its driver has reset it"));
  rules.push_back(State("core-dump", "driver", "core_dump", kNote, "CoreDump",
                        "Its driver has left the core dump of a hang"));
  rules.push_back(State("devlink-reporter", "devlink", "devlink_reporter", kNoSchedule,
                        "ReporterError", "A health reporter of its driver is in error"));
  rules.push_back(Growth("devlink-errors", "devlink", "devlink_errors", 3, minutes(10), minutes(10),
                         kNote, "ReporterErrors", "A health reporter of its driver counts errors"));
  rules.push_back(Growth("net-errors", "net", "net_rx_errors", 100, minutes(1), minutes(5), kNote,
                         "NetworkErrors", "Its network port receives damaged packets"));
  rules.push_back(State("drm-wedged", "event", "drm_wedged", kNoExecute, "Wedged",
                        "Its driver has given it up; what would bring it back"));
  rules.push_back({.name = "drm-resets",
                   .source = "event",
                   .signal = "drm_reset",
                   .kind = Kind::kOccurs,
                   .limit = 3,
                   .window = minutes(10),
                   .severity = kNoSchedule,
                   .reason = "ResetsOften",
                   .meaning = "Its driver resets it again and again",
                   .quiet = minutes(10)});
  rules.push_back({.name = "drm-reset",
                   .source = "event",
                   .signal = "drm_reset",
                   .kind = Kind::kOccurs,
                   .limit = 1,
                   .window = minutes(1),
                   .severity = kNote,
                   .reason = "DeviceReset",
                   .meaning = "Its driver has reset it",
                   .quiet = minutes(10)});
}

// Memory and logic that is checked: amdgpu and xe by themselves, NVIDIA's by NVML, QAT's driver.
void AddRas(std::vector<HealthRule>& rules) {
  struct Source {
    const char *name, *prefix;
  };
  for (const auto& [source, prefix] :
       {Source{"ras", "ras"}, {"drm-ras", "drm-ras"}, {"nvml", "ecc"}, {"driver", "driver-ras"}}) {
    const std::string name = prefix;
    rules.push_back(Growth((name + "-uncorrected").c_str(), source, "ras_uncorrected", 1,
                           minutes(1), hours(1), kNoSchedule, "UncorrectedErrors",
                           "It has lost data to errors that could not be corrected"));
    rules.push_back(Growth((name + "-corrected").c_str(), source, "ras_corrected", 100, minutes(10),
                           minutes(30), kNote, "CorrectedErrors", "It corrects many errors"));
  }
  rules.push_back(Growth("ras-deferred", "ras", "ras_deferred", 1, minutes(10), minutes(30), kNote,
                         "DeferredErrors", "It holds damaged data that nobody has used yet"));
  rules.push_back(Growth("ras-fatal", "driver", "ras_fatal", 1, minutes(1), hours(1), kNoExecute,
                         "FatalErrors", "It has stopped at a fatal error"));
  rules.push_back(With(State("bad-pages", "ras", "ras_bad_pages", kNoSchedule, "BadPages",
                             "It cannot set pages aside that are bad"),
                       [](HealthRule& rule) { rule.instances = {"unreservable"}; }));
  rules.push_back(With(State("bad-pages-pending", "ras", "ras_bad_pages", kNote, "BadPagesPending",
                             "Bad pages are set aside with its next reset"),
                       [](HealthRule& rule) { rule.instances = {"pending"}; }));
  rules.push_back(Growth("pcie-replays", "ras", "pcie_replays", 1000, minutes(1), minutes(5), kNote,
                         "LinkReplays", "Its PCI Express link repeats itself"));
}

void AddNvidia(std::vector<HealthRule>& rules) {
  rules.push_back(State("gpu-lost", "nvml", "gpu_lost", kNoExecute, "GpuLost",
                        "NVIDIA's driver has lost it, or wants it reset"));
  rules.push_back(Growth("xid", "nvml", "xid_critical", 1, minutes(1), minutes(30), kNoSchedule,
                         "XidCritical", "NVIDIA's driver reports critical Xid errors"));
  rules.push_back(State("row-remap-failed", "nvml", "row_remap_failed", kNoSchedule,
                        "RowRemapFailed", "It has no spare row left for a bad one: replace it"));
  rules.push_back(State("row-remap-pending", "nvml", "row_remap_pending", kNote, "RowRemapPending",
                        "A bad row is replaced with its next reset"));
  rules.push_back(
      With(State("throttled", "nvml", "throttled", kNote, "Throttled", "It has been slowed down"),
           [](HealthRule& rule) { rule.hold = seconds(60); }));
}

}  // namespace

const std::vector<HealthRule>& DefaultHealthRules() {
  static const std::vector<HealthRule> kRules = [] {
    std::vector<HealthRule> rules;
    AddPci(rules);
    AddSensors(rules);
    AddDrivers(rules);
    AddRas(rules);
    AddNvidia(rules);
    return rules;
  }();
  return kRules;
}

}  // namespace drapci::driver
