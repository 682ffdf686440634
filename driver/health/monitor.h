// Reads what the cards tell of their condition, each source in its time, and tells what the policy
// makes of it.
//
// Threads: one hands out what is due and judges; it never reads. A few others read, and more are
// started when some are held up in the kernel, so that a source that blocks stops no other. A
// source is never read twice at a time; what does not come back in time makes its card unknown.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "driver/health/policy.h"
#include "driver/listeners.h"
#include "hal/os/device_events.h"
#include "hal/os/host.h"
#include "hal/pci/function.h"
#include "hal/telemetry/reader.h"

namespace drapci::driver {

struct MonitoredCard {
  std::string name, family;
  std::string identity;  // hal::CardIdentity()
  hal::PciFunction function;
  bool gone = false;  // pulled, and listed until its claims are released
};

// Since the start.
struct MonitorStats {
  uint64_t looks = 0;       // answers of sources
  uint64_t failures = 0;    // looks that failed
  uint64_t changes = 0;     // verdicts that were told
  uint64_t suppressed = 0;  // findings that came or went within a change that told more
  uint64_t events = 0;      // of the kernel's that told of a card's condition
  size_t cards = 0, sources = 0, threads = 0;  // now
  size_t held_up = 0;                          // readings that do not come back, now
};

// Why a card is judged as it is.
struct HealthReport {
  struct Source {
    std::string name;
    std::chrono::milliseconds period{};
    std::optional<hal::WallTime> read;   // the newest answer
    std::string failure;                 // of the newest look
    bool held_up = false;                // a look does not come back
    std::vector<hal::Reading> readings;  // of the newest answer
  };
  std::string card;
  Health health;
  std::vector<Source> sources;
  std::vector<HealthNote> notes;  // oldest first; the newest few hundred
};

// What has happened to the node's cards of late.
struct HealthChange {
  uint64_t number = 0;  // from 1, without gaps
  std::string card;
  HealthNote note;
};

class HealthMonitor {
 public:
  struct Wiring {
    // The cards that are there now. From the monitor's thread; must not block for long.
    std::function<std::vector<MonitoredCard>()> cards;
    // A verdict, or a newer measurement of the same; nothing: the card is not there any more.
    std::function<void(const std::string& card, const Health* health)> publish;
  };
  // `host` must outlive what Stop() has left behind. `sources` must live for ever.
  HealthMonitor(hal::Host& host, HealthConfig config, std::span<const hal::TelemetrySource> sources,
                Wiring wiring);
  ~HealthMonitor();  // Stop

  void Start();
  // Ends everything but readings that do not come back before `patience` is over; returns how many
  // those are. They touch nothing but their own source any more.
  size_t Stop(std::chrono::milliseconds patience = std::chrono::seconds(2));

  // From here on any thread; none of these blocks.
  void CardsChanged();
  void OnEvent(const hal::DeviceEvent& event);
  // An operator says that the card is well. kNotFound: no such card.
  Result<> Absolve(const std::string& card);
  Result<HealthReport> Explain(const std::string& card) const;
  // Those after number `after`, oldest first, as far back as they are kept.
  std::vector<HealthChange> Changes(uint64_t after) const;
  // Told after each change that Changes() has, on the monitor's thread.
  Listeners::Token Listen(std::function<void()> changed);
  // The newest answers of all sources, by card.
  std::map<std::string, std::vector<hal::Reading>> Readings() const;
  MonitorStats stats() const;
  const HealthConfig& config() const { return config_; }
  // The clock has been set: looks again at what is due. For tests.
  void Poke();

 private:
  struct Core;
  const HealthConfig config_;
  const std::shared_ptr<Core> core_;
  std::thread scheduler_;
};

}  // namespace drapci::driver
