#include "plugin/health/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugin/slices/convert.h"
#include "plugin/text.h"

namespace drapci::plugin::health {
namespace {

using driver::HealthState;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kMaxMessage = 1024;  // the kubelet cuts at that byte (pkg/kubelet/cm/dra)
constexpr seconds kLeastTimeout{1};

struct Verdict {
  DeviceHealth health;  // without a name
  std::optional<hal::WallTime> lapses;
};

// A clock that was put back must not make old values current for long.
bool IsCurrent(const driver::Health& health, hal::WallTime now) {
  return health.measured != hal::WallTime() && now <= health.measured + health.valid_for &&
         health.measured <= now + health.valid_for;
}

std::string MessageOf(const driver::Health& health) {
  if (health.state == HealthState::kHealthy && health.findings.empty()) return {};
  if (health.reason.empty()) return "NotMeasured: nothing was measured yet";
  const driver::Finding* note = health.findings.empty() ? nullptr : &health.findings.front();
  const bool noted = health.state == HealthState::kHealthy && note != nullptr;
  return Printable(fmt::format("{}: {}", noted ? note->reason : health.reason,
                               noted ? note->message : health.message),
                   kMaxMessage);
}

Verdict VerdictOn(const driver::AcceleratorView& card, const driver::Health& health,
                  hal::WallTime now) {
  Verdict verdict;
  DeviceHealth& told = verdict.health;
  told.timeout = std::max(health.valid_for, kLeastTimeout);
  if (card.gone) {
    // That it is not there needs no measurement.
    told.state = HealthState::kUnhealthy;
    told.message = "Gone: the card was pulled, or has fallen off the bus, while a claim holds it";
    told.measured = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
    return verdict;
  }
  told.measured = std::max<int64_t>(
      0, std::chrono::duration_cast<seconds>(health.measured.time_since_epoch()).count());
  if (health.state != HealthState::kUnknown && !IsCurrent(health, now)) {
    told.message = Printable(
        fmt::format("NotMeasured: nothing was measured for more than {} s; before that: {}{}{}",
                    health.valid_for.count(), health.reason, health.message.empty() ? "" : ", ",
                    health.message),
        kMaxMessage);
    return verdict;
  }
  told.state = health.state;
  told.message = MessageOf(health);
  if (told.state != HealthState::kUnknown) verdict.lapses = health.measured + health.valid_for;
  return verdict;
}

}  // namespace

bool HealthReport::Says(const HealthReport& other) const {
  return std::ranges::equal(devices, other.devices,
                            [](const auto& one, const auto& two) { return one.Says(two); });
}

milliseconds HealthReport::Period() const {
  seconds least{30};
  for (const DeviceHealth& device : devices) least = std::min(least, device.timeout);
  return milliseconds(least) / 2;
}

HealthReport MakeHealthReport(const driver::Snapshot& snapshot,
                              const std::map<std::string, driver::Health>& newest,
                              const std::string& node_name, hal::WallTime now) {
  HealthReport report;
  for (const driver::AcceleratorView& card : snapshot.accelerators) {
    const auto found = newest.find(card.name);
    const Verdict verdict =
        VerdictOn(card, found != newest.end() ? found->second : card.health, now);
    if (verdict.lapses) {
      report.lapses = std::min(report.lapses.value_or(*verdict.lapses), *verdict.lapses);
    }
    const std::string pool = slices::PoolName(node_name, card);
    for (const driver::Device& device : card.devices) {
      // What stands for a share is known outside by the device that is shared.
      if (device.part.stands_for_share) continue;
      DeviceHealth& told = report.devices.emplace_back(verdict.health);
      told.pool = pool;
      told.device = device.name;
    }
  }
  return report;
}

}  // namespace drapci::plugin::health
