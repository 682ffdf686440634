// The sources of this folder, one function each (TelemetrySource::make): null when the card has no
// such source. sources.cc has their names and periods, README.md what they read.
#pragma once

#include <memory>

#include "hal/telemetry/reader.h"

namespace drapci::hal {

using TelemetryMaker = std::unique_ptr<TelemetryReader>(Host& host, const PciFunction& function);

TelemetryMaker MakePowerReader;
TelemetryMaker MakeAerReader;
TelemetryMaker MakeDriverReader;
TelemetryMaker MakePresenceReader;
TelemetryMaker MakeLinkReader;
TelemetryMaker MakeHwmonReader;
TelemetryMaker MakeDevlinkReader;
TelemetryMaker MakeNvmlReader;
TelemetryMaker MakeNetReader;
TelemetryMaker MakeRasReader;
TelemetryMaker MakeDrmRasReader;

}  // namespace drapci::hal
