// Reading what a card tells of its own condition: error counters, its link, temperatures.
//
// A source is one file in this folder, its function in makers.h and one row in sources.cc. It keeps
// no judgement: what a value means for the card is the driver's health policy (driver/health).
// What comes by uevent: events.h. The signals by kind and unit: signals.h.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/os/host.h"
#include "hal/pci/function.h"

namespace drapci::hal {

// One measured value. README.md of this folder lists the signals, their units, and which of them
// are counters that only grow while the card stays.
struct Reading {
  std::string signal;    // "aer_fatal", "link_width", "temperature"
  std::string instance;  // which one of several: "edge", "root port", "vf3"; empty: the only one
  double value = 0;
  std::string text;  // what the source said beside the number, one line: "RxErr 3, BadTLP 1"
  bool operator==(const Reading&) const = default;
};

// One source of one card.
class TelemetryReader {
 public:
  virtual ~TelemetryReader() = default;
  // Blocks for as long as the kernel does; never called by two threads at once. Nothing: the source
  // has nothing to say now (the card sleeps and must not be woken, EAGAIN). An error: it ought to
  // answer and does not; kGone: the card is not there.
  virtual Result<std::vector<Reading>> Read() = 0;
};

struct TelemetrySource {
  const char* name;                  // "aer"
  std::chrono::milliseconds period;  // how often it is worth reading
  // Null when the card has no such source. Reads no more than it must to know that, and never wakes
  // the card. To be asked again after a driver was bound: what a card tells is mostly its driver's.
  // The reader keeps references into `host`, and none to `function`.
  std::unique_ptr<TelemetryReader> (*make)(Host& host, const PciFunction& function);
};

// All sources that drapci knows, in order of cost.
std::span<const TelemetrySource> TelemetrySources();

}  // namespace drapci::hal
