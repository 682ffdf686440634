#include <array>

#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

using std::chrono::seconds;

// The cheap ones first; those that only read what the kernel remembers before those that ask the
// card.
constexpr auto kSources = std::to_array<TelemetrySource>({
    {"power", seconds(5), MakePowerReader},
    {"aer", seconds(5), MakeAerReader},
    {"driver", seconds(5), MakeDriverReader},
    {"presence", seconds(5), MakePresenceReader},
    {"link", seconds(10), MakeLinkReader},
    {"hwmon", seconds(10), MakeHwmonReader},
    {"devlink", seconds(15), MakeDevlinkReader},
    {"net", seconds(30), MakeNetReader},
    {"nvml", seconds(5), MakeNvmlReader},
    {"ras", seconds(30), MakeRasReader},
    {"drm-ras", seconds(30), MakeDrmRasReader},
});

}  // namespace

std::span<const TelemetrySource> TelemetrySources() { return kSources; }

}  // namespace drapci::hal
