#include "plugin/daemon/heart.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include <utility>

#include "hal/base/log.h"

namespace drapci::plugin {
namespace {

// Beats in the time that systemd waits for one.
constexpr int kBeats = 4;

}  // namespace

Result<std::unique_ptr<Heart>> Heart::Start(sd_event* event, std::function<std::string()> status) {
  uint64_t limit = 0;
  const bool wanted = sd_watchdog_enabled(0, &limit) > 0;
  std::unique_ptr<Heart> heart(new Heart(std::chrono::microseconds(limit), std::move(status)));
  if (!wanted) return heart;
  const int added = sd_event_add_time_relative(event, &heart->source_, CLOCK_MONOTONIC, 0, 0,
                                               OnBeat, heart.get());
  if (added < 0) return Fail(Error::FromErrno(-added, "making the timer of the watchdog"));
  return heart;
}

Heart::~Heart() { sd_event_source_disable_unref(source_); }

int Heart::OnBeat(sd_event_source* source, uint64_t, void* untyped) {
  auto* heart = static_cast<Heart*>(untyped);
  heart->Beat();
  const auto period = static_cast<uint64_t>(heart->limit_.count()) / kBeats;
  if (const int set = sd_event_source_set_time_relative(source, period); set < 0) return set;
  return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void Heart::Beat() {
  std::vector<std::string> stuck = watchdog_.Look(std::chrono::steady_clock::now());
  if (stuck.empty()) sd_notify(0, "WATCHDOG=1");
  if (stuck == stuck_) return;
  stuck_ = std::move(stuck);
  if (stuck_.empty()) {
    Log(LogLevel::kNotice, "all loops answer again");
    sd_notify(0, ("STATUS=" + status_()).c_str());
    return;
  }
  const std::string text = fmt::format("stuck: {}; systemd restarts the daemon unless that ends",
                                       fmt::join(stuck_, ", "));
  Log(LogLevel::kError, "{}", text);
  sd_notify(0, ("STATUS=" + text).c_str());
}

}  // namespace drapci::plugin
