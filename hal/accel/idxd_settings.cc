#include "hal/accel/idxd_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "hal/accel/pci_settings.h"

namespace drapci::hal {
namespace {

// Readings are as a wish has them: an on queue's attributes are its own business.
IdxdLayout LayoutOf(const IdxdDevice& device) {
  IdxdLayout layout{.state = device.state, .queues = {}, .engines = {}};
  for (size_t i = 0; i < device.queues.size(); ++i) {
    const IdxdQueue& queue = device.queues[i];
    IdxdLayout::Queue& entry = layout.queues[static_cast<int>(i)];
    entry = {.group = queue.group, .size = queue.size};
    if (!queue.enabled && queue.config != IdxdQueueConfig()) entry.config = queue.config;
  }
  for (size_t i = 0; i < device.engines.size(); ++i) {
    layout.engines.emplace(static_cast<int>(i), device.engines[i]);
  }
  return layout;
}

// Whether one thing can be the trace of a change that was cut short: an unbound device is reset.
template <class T>
bool IsBetween(const T& now, const T& before, const T& want, const T& reset) {
  return now == before || now == want || now == reset;
}

class LayoutSetting : public Setting {
 public:
  explicit LayoutSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const IdxdDevice device, Read(target));
    return FormatIdxdLayout(LayoutOf(device));
  }

  bool Satisfies(std::string_view value, std::string_view wish) const override {
    const auto now = ParseIdxdLayout(value), want = ParseIdxdLayout(wish);
    return now && want && Meets(*now, *want);
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = ParseIdxdLayout(now_text), before = ParseIdxdLayout(before_text),
               want = ParseIdxdLayout(want_text);
    if (!now || !before || !want) return false;
    for (const auto& [number, queue] : now->queues) {
      const auto was = before->queues.find(number), wished = want->queues.find(number);
      if (was == before->queues.end()) return false;
      const IdxdLayout::Queue& to = wished != want->queues.end() ? wished->second : was->second;
      if (!IsBetween(queue.group, was->second.group, to.group, -1) ||
          !IsBetween(queue.size, was->second.size, to.size, 0)) {
        return false;
      }
    }
    for (const auto& [number, group] : now->engines) {
      const auto was = before->engines.find(number), wished = want->engines.find(number);
      if (was == before->engines.end()) return false;
      const int to = wished != want->engines.end() ? wished->second : was->second;
      if (!IsBetween(group, was->second, to, -1)) return false;
    }
    return true;
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    const auto want = ParseIdxdLayout(value);
    if (!want) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, kIdxdLayoutSetting));
    }
    DRAPCI_TRY(IdxdDevice device, Read(target));
    if (device.state == IdxdState::kHalted) {
      return Fail(Code::kIo,
                  fmt::format("{} has halted after an error: reset its function", device.name));
    }
    if (Meets(LayoutOf(device), *want)) return {};
    if (device.state == IdxdState::kEnabled) {
      DRAPCI_CHECK(CheckQueuesOff(device));
      DRAPCI_CHECK(UnbindIdxd(host_, device, device.name));
      DRAPCI_TRY(device, Read(target));
    }
    DRAPCI_CHECK(Configure(device, *want));
    if (want->state != IdxdState::kEnabled) return {};
    return BindIdxd(host_, device, device.name, "idxd");
  }

 private:
  // What a wish says of a queue's attributes: unless the device is to be enabled for us, a queue
  // without any is a reset one.
  static std::optional<IdxdQueueConfig> ConfigOf(const IdxdLayout& want, int queue) {
    const auto found = want.queues.find(queue);
    if (found != want.queues.end() && found->second.config) return found->second.config;
    if (want.state == IdxdState::kEnabled) return std::nullopt;
    return IdxdQueueConfig();
  }

  static bool Meets(const IdxdLayout& now, const IdxdLayout& want) {
    if (now.state != want.state) return false;
    for (const auto& [number, queue] : want.queues) {
      const auto found = now.queues.find(number);
      if (found == now.queues.end() || found->second.group != queue.group ||
          found->second.size != queue.size) {
        return false;
      }
      const auto config = ConfigOf(want, number);
      if (config && found->second.config.value_or(IdxdQueueConfig()) != *config) return false;
    }
    return std::ranges::all_of(want.engines, [&](const auto& engine) {
      const auto found = now.engines.find(engine.first);
      return found != now.engines.end() && found->second == engine.second;
    });
  }

  Result<IdxdDevice> Read(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || place->vf) {
      return Fail(Code::kInvalid, fmt::format("'{}' names no PCI function", target));
    }
    return ReadIdxd(host_.sysfs, place->pf);
  }

  Result<> CheckQueuesOff(const IdxdDevice& device) const {
    for (int queue = 0; queue < static_cast<int>(device.queues.size()); ++queue) {
      const IdxdQueue& each = device.queues[static_cast<size_t>(queue)];
      if (!each.enabled) continue;
      DRAPCI_CHECK(CheckIdxdQueueUnused(host_.sysfs, device, queue));
      return Fail(Code::kBusy,
                  fmt::format("{} is enabled as '{}': disable it first (accel-config disable-wq "
                              "{}/{})",
                              device.QueueName(queue), each.config.name, device.name,
                              device.QueueName(queue)));
    }
    return {};
  }

  // The device is disabled.
  Result<> Configure(const IdxdDevice& device, const IdxdLayout& want) {
    for (const auto& [engine, group] : want.engines) {
      if (static_cast<size_t>(engine) >= device.engines.size()) continue;
      if (device.engines[static_cast<size_t>(engine)] == group) continue;
      DRAPCI_CHECK(WriteIdxd(
          host_, fmt::format("{}/engine{}.{}/group_id", device.dir, device.name.substr(3), engine),
          std::to_string(group)));
    }
    // All entries belong to some queue: those that get fewer go first.
    DRAPCI_CHECK(WriteSizes(device, want, /*grow=*/false));
    for (const auto& [number, queue] : want.queues) {
      if (static_cast<size_t>(number) >= device.queues.size()) continue;
      if (device.queues[static_cast<size_t>(number)].group == queue.group) continue;
      DRAPCI_CHECK(
          WriteIdxd(host_, device.QueueDir(number) + "/group_id", std::to_string(queue.group)));
    }
    DRAPCI_CHECK(WriteSizes(device, want, /*grow=*/true));
    for (int number = 0; number < static_cast<int>(device.queues.size()); ++number) {
      const auto config = ConfigOf(want, number);
      if (config) DRAPCI_CHECK(ConfigureIdxdQueue(host_, device, number, *config));
    }
    return {};
  }

  Result<> WriteSizes(const IdxdDevice& device, const IdxdLayout& want, bool grow) {
    for (const auto& [number, queue] : want.queues) {
      if (static_cast<size_t>(number) >= device.queues.size()) continue;
      const int now = device.queues[static_cast<size_t>(number)].size;
      if (grow ? queue.size <= now : queue.size >= now) continue;
      DRAPCI_CHECK(WriteIdxd(host_, device.QueueDir(number) + "/size", std::to_string(queue.size)));
    }
    return {};
  }

  Host& host_;
};

class QueueSetting : public Setting {
 public:
  explicit QueueSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const Place place, Find(target));
    const IdxdQueue& queue = place.Queue();
    return FormatIdxdQueue({.on = queue.enabled, .config = queue.config});
  }

  bool Satisfies(std::string_view value, std::string_view wish) const override {
    auto now = ParseIdxdQueue(value), want = ParseIdxdQueue(wish);
    if (!now || !want) return false;
    // Kernels before 6.8 have no driver_name, the others no queue that is on without it.
    if (now->on && now->config.driver.empty()) now->config.driver = want->config.driver;
    return *now == *want;
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    if (Satisfies(now_text, before_text) || Satisfies(now_text, want_text)) return true;
    const auto now = ParseIdxdQueue(now_text), before = ParseIdxdQueue(before_text),
               want = ParseIdxdQueue(want_text);
    if (!now || !before || !want || now->on) return false;
    const IdxdQueueConfig reset, &is = now->config, &was = before->config, &to = want->config;
    return IsBetween(is.mode, was.mode, to.mode, reset.mode) &&
           IsBetween(is.threshold, was.threshold, to.threshold, reset.threshold) &&
           IsBetween(is.priority, was.priority, to.priority, reset.priority) &&
           IsBetween(is.type, was.type, to.type, reset.type) &&
           IsBetween(is.name, was.name, to.name, reset.name) &&
           IsBetween(is.driver, was.driver, to.driver, reset.driver);
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    const auto want = ParseIdxdQueue(value);
    if (!want) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, kIdxdQueueSetting));
    }
    DRAPCI_TRY(Place place, Find(target));
    if (Satisfies(FormatIdxdQueue({.on = place.Queue().enabled, .config = place.Queue().config}),
                  value)) {
      return {};
    }
    const std::string name = place.device.QueueName(place.queue);
    if (place.Queue().enabled) {
      // The driver would pull it from under them.
      DRAPCI_CHECK(CheckIdxdQueueUnused(host_.sysfs, place.device, place.queue));
      DRAPCI_CHECK(UnbindIdxd(host_, place.device, name));
      DRAPCI_TRY(place, Find(target));
    }
    DRAPCI_CHECK(ConfigureIdxdQueue(host_, place.device, place.queue, want->config));
    if (!want->on) return {};
    return BindIdxd(host_, place.device, name, want->config.driver);
  }

 private:
  struct Place {
    IdxdDevice device;
    int queue = 0;
    const IdxdQueue& Queue() const { return device.queues[static_cast<size_t>(queue)]; }
  };

  Result<Place> Find(std::string_view target) const {
    const size_t slash = target.find('/');
    const auto function = FunctionPlace::Parse(target.substr(0, slash));
    const auto queue =
        slash == std::string_view::npos ? std::nullopt : ParseIdxdPart(target.substr(slash + 1));
    if (!function || !queue) {
      return Fail(Code::kInvalid, fmt::format("'{}' names no work queue", target));
    }
    Place place{.device = {}, .queue = *queue};
    DRAPCI_TRY(place.device, ReadIdxd(host_.sysfs, function->pf));
    if (static_cast<size_t>(*queue) < place.device.queues.size()) return place;
    return Fail(
        {Code::kGone, ENOENT, fmt::format("{} has no work queue {}", place.device.name, *queue)});
  }

  Host& host_;
};

}  // namespace

void AddIdxdSettings(Host& host, SettingTable& table) {
  table.emplace(kIdxdLayoutSetting, std::make_unique<LayoutSetting>(host));
  table.emplace(kIdxdQueueSetting, std::make_unique<QueueSetting>(host));
}

}  // namespace drapci::hal
