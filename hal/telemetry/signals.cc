#include "hal/telemetry/signals.h"

#include <algorithm>
#include <array>

namespace drapci::hal {
namespace {

using enum SignalKind;

// Sorted by name.
constexpr auto kSignals = std::to_array<Signal>({
    {"aer_correctable", kCounter, "errors", "PCI Express errors that the link corrected"},
    {"aer_fatal", kCounter, "errors", "PCI Express errors that took the link down"},
    {"aer_nonfatal", kCounter, "errors", "PCI Express errors that lost a transaction"},
    {"aer_recovery", kState, "", "PCI Express error recovery: 1 under way, 2 failed"},
    {"config_space", kState, "", "configuration space cannot be read"},
    {"core_dump", kState, "", "the driver has recorded a hang"},
    {"device_failed", kState, "", "the driver says that the device does not work"},
    {"device_resets", kCounter, "resets", "resets of the device by its driver"},
    {"device_unready", kState, "", "the device is being reset or set up"},
    {"device_warning", kState, "", "the driver warns of the device"},
    {"devlink_errors", kCounter, "errors", "errors that a devlink reporter has seen"},
    {"devlink_recoveries", kCounter, "recoveries", "recoveries by a devlink reporter"},
    {"devlink_reporter", kState, "", "a devlink reporter is in error"},
    {"driver_bound", kEvent, "", "a driver has been bound"},
    {"drm_reset", kEvent, "", "the driver has reset the GPU"},
    {"drm_wedged", kState, "", "the GPU hangs and wants to be recovered"},
    {"fan", kGauge, "rpm", "speed of a fan"},
    {"gpu_lost", kState, "", "the GPU is lost to its driver"},
    {"link_speed", kGauge, "gigatransfers_per_second", "speed of the link"},
    {"link_speed_deficit", kGauge, "gigatransfers_per_second", "speed that the link lacks"},
    {"link_width", kGauge, "lanes", "lanes of the link"},
    {"link_width_deficit", kGauge, "lanes", "lanes that the link lacks"},
    {"net_rx_dropped", kCounter, "packets", "packets received and dropped"},
    {"net_rx_errors", kCounter, "packets", "packets received with errors"},
    {"net_tx_dropped", kCounter, "packets", "packets dropped before they were sent"},
    {"net_tx_errors", kCounter, "packets", "packets that could not be sent"},
    {"pcie_replays", kCounter, "replays", "PCI Express packets sent again"},
    {"power", kGauge, "watts", "power drawn"},
    {"power_failed", kState, "", "the device could not be woken or put to sleep"},
    {"power_state", kGauge, "", "D0 to D3hot, 4 for D3cold"},
    {"ras_bad_pages", kGauge, "pages", "pages of memory that are not used any more"},
    {"ras_corrected", kCounter, "errors", "errors that the device corrected"},
    {"ras_deferred", kCounter, "errors", "errors that wait to be met"},
    {"ras_fatal", kCounter, "errors", "errors that stopped the device"},
    {"ras_uncorrected", kCounter, "errors", "errors that the device could not correct"},
    {"row_remap_failed", kState, "", "no spare row of memory was left"},
    {"row_remap_pending", kState, "", "a row of memory is remapped at the next reset"},
    {"row_remaps", kCounter, "rows", "rows of memory remapped"},
    {"sensor_alarm", kState, "", "a sensor's own alarm or fault"},
    {"temperature", kGauge, "celsius", "temperature"},
    {"temperature_margin", kGauge, "celsius", "what is left to the critical temperature"},
    {"throttled", kState, "", "slowed down to protect itself"},
    {"xid_application", kCounter, "events", "Xid events that applications cause"},
    {"xid_critical", kCounter, "events", "Xid events that speak against the GPU"},
});
static_assert(std::ranges::is_sorted(kSignals, {}, &Signal::name));

}  // namespace

std::span<const Signal> Signals() { return kSignals; }

const Signal* FindSignal(std::string_view name) {
  const auto found = std::ranges::lower_bound(kSignals, name, {}, &Signal::name);
  return found != kSignals.end() && found->name == name ? &*found : nullptr;
}

}  // namespace drapci::hal
