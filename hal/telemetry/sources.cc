#include "hal/telemetry/reader.h"

namespace drapci::hal {

std::span<const TelemetrySource> TelemetrySources() { return {}; }

}  // namespace drapci::hal
