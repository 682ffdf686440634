#include "hal/accel/devlink_sf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>

#include "hal/base/parse.h"
#include "hal/net/vf_settings.h"
#include "hal/pci/device_nodes.h"
#include "hal/pci/node_users.h"

namespace drapci::hal {
namespace {

using std::chrono::milliseconds;
using Stage = SfState::Stage;

constexpr std::string_view kStages[] = {"none", "inactive", "attaching", "active"};
constexpr std::string_view kMac = "mac=";
constexpr milliseconds kLook(200);

class SfSetting : public Setting {
 public:
  explicit SfSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const DevicePlace place, Find(target));
    DRAPCI_TRY(const Devlink devlink, Devlink::Open(host_.netlink));
    DRAPCI_TRY(const std::optional<DevlinkPort> port, Look(devlink, place));
    if (!port) return SfState().ToString();
    return SfState{.stage = StageOf(*port, place), .mac = port->hw_addr}.ToString();
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const DevicePlace place, Find(target));
    const auto want = SfState::Parse(value);
    if (!want) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, kSfSetting));
    }
    DRAPCI_TRY(const Devlink devlink, Devlink::Open(host_.netlink));
    if (want->stage == Stage::kNone) return Remove(devlink, place, deadline);
    return Make(devlink, place, *want, deadline);
  }

  bool Satisfies(std::string_view value, std::string_view want_text) const override {
    const auto now = SfState::Parse(value), want = SfState::Parse(want_text);
    return now && want && now->stage == want->stage && (!want->mac || want->mac == now->mac);
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = SfState::Parse(now_text), before = SfState::Parse(before_text),
               want = SfState::Parse(want_text);
    if (!now || !before || !want) return false;
    // Without an address it is the sub-function's own choice, which may be any by now.
    if (!now->mac || !want->mac || *now->mac == kNoMac) return true;
    return now->mac == want->mac || now->mac == before->mac;
  }

 private:
  Result<DevicePlace> Find(std::string_view target) const {
    const auto place = DevicePlace::Parse(target);
    if (!place || !place->sf) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no target of {}", target, kSfSetting));
    }
    DRAPCI_CHECK(DevicePlace(place->function).Path(host_.sysfs));
    return *place;
  }

  // Its port; nothing when there is none.
  static Result<std::optional<DevlinkPort>> Look(const Devlink& devlink, const DevicePlace& place) {
    Result<DevlinkPort> port = PortOfSf(devlink, place);
    if (port) return *std::move(port);
    if (port.error().code == Code::kGone) return std::nullopt;
    return Fail(std::move(port).error());
  }

  Stage StageOf(const DevlinkPort& port, const DevicePlace& place) const {
    if (!port.active.value_or(true)) return Stage::kInactive;
    const bool attached = port.attached.value_or(true) && place.Path(host_.sysfs).has_value();
    return attached ? Stage::kActive : Stage::kAttaching;
  }

  // Not all of it is told by uevents, so that it is also looked for between them.
  bool Wait(const std::function<bool()>& done, MonotonicTime deadline) const {
    for (;;) {
      const MonotonicTime now = host_.clock.Now();
      if (host_.events.WaitUntil(done, std::min(deadline, now + kLook))) return true;
      if (host_.clock.Now() >= deadline) return false;
    }
  }

  // Until `done` with its port, or with that there is none.
  Result<> WaitForPort(const Devlink& devlink, const DevicePlace& place, std::string_view what,
                       const std::function<bool(const std::optional<DevlinkPort>&)>& done,
                       MonotonicTime deadline) const {
    Result<std::optional<DevlinkPort>> port;
    const bool there = Wait(
        [&] {
          port = Look(devlink, place);
          return !port || done(*port);
        },
        deadline);
    if (!port) return Fail(std::move(port).error());
    if (there) return {};
    return Fail(Code::kTimeout, fmt::format("sub-function {} {} in time", place.ToString(), what));
  }

  Result<> Deactivate(const Devlink& devlink, const DevicePlace& place, const DevlinkPort& port,
                      MonotonicTime deadline) const {
    DRAPCI_CHECK(CheckSfUnused(host_.sysfs, place));
    if (port.active.value_or(true)) {
      DRAPCI_CHECK(devlink.SetActive(DevlinkDevice::Of(place.function), port.index, false));
    }
    return WaitForPort(
        devlink, place, "was not given up by its driver",
        [&](const std::optional<DevlinkPort>& now) {
          return !now || (!now->attached.value_or(false) && !place.Path(host_.sysfs));
        },
        deadline);
  }

  Result<> Remove(const Devlink& devlink, const DevicePlace& place, MonotonicTime deadline) const {
    DRAPCI_TRY(const std::optional<DevlinkPort> port, Look(devlink, place));
    if (!port) return {};
    DRAPCI_CHECK(Deactivate(devlink, place, *port, deadline));
    DRAPCI_CHECK(devlink.RemovePort(DevlinkDevice::Of(place.function), port->index));
    return WaitForPort(
        devlink, place, "did not go",
        [](const std::optional<DevlinkPort>& now) { return !now.has_value(); }, deadline);
  }

  Result<DevlinkPort> Add(const Devlink& devlink, const DevicePlace& place) const {
    auto added = devlink.AddSubFunction(DevlinkDevice::Of(place.function), place.function.function,
                                        kFirstSfNumber + static_cast<uint32_t>(*place.sf));
    if (!added && added.error().sys == ENOSPC) {
      added.error().what +=
          "; its firmware allows no more of them (mlxconfig PF_TOTAL_SF): lower subFunctions";
    }
    return added;
  }

  Result<> Make(const Devlink& devlink, const DevicePlace& place, const SfState& want,
                MonotonicTime deadline) const {
    const DevlinkDevice device = DevlinkDevice::Of(place.function);
    DRAPCI_TRY(std::optional<DevlinkPort> port, Look(devlink, place));
    if (!port) {
      DRAPCI_TRY(port, Add(devlink, place));
    }
    const bool active = want.stage != Stage::kInactive;
    const bool readdress = want.mac && want.mac != port->hw_addr;
    if (active && !readdress && StageOf(*port, place) == Stage::kActive) return {};
    // Its driver reads the address when it starts, and a stop that was cut short is ended first.
    const bool stopping = !port->active.value_or(true) && port->attached.value_or(false);
    if (stopping || ((readdress || !active) && port->active.value_or(true))) {
      DRAPCI_CHECK(Deactivate(devlink, place, *port, deadline));
      port->active = false;
    }
    if (readdress) DRAPCI_CHECK(devlink.SetHardwareAddress(device, port->index, *want.mac));
    if (!active) return {};
    if (!port->active.value_or(false)) {
      DRAPCI_CHECK(devlink.SetActive(device, port->index, true));
    }
    DRAPCI_CHECK(WaitForPort(
        devlink, place, "was not taken by its driver",
        [&](const std::optional<DevlinkPort>& now) {
          return !now || StageOf(*now, place) == Stage::kActive;
        },
        deadline));
    const auto has_interface = [&] {
      const auto names = NetworkInterfaces(host_.sysfs, place);
      return names && !names->empty();
    };
    if (Wait(has_interface, deadline)) return {};
    return Fail(Code::kTimeout, fmt::format("the network interface of sub-function {} did not "
                                            "appear in time",
                                            place.ToString()));
  }

  Host& host_;
};

}  // namespace

std::string SfState::ToString() const {
  const std::string_view name = kStages[static_cast<size_t>(stage)];
  return mac ? fmt::format("{} {}{}", name, kMac, *mac) : std::string(name);
}

std::optional<SfState> SfState::Parse(std::string_view text) {
  const size_t end = std::min(text.find(' '), text.size());
  const auto* const found = std::ranges::find(kStages, text.substr(0, end));
  if (found == std::end(kStages)) return std::nullopt;
  SfState state{.stage = static_cast<Stage>(found - std::begin(kStages)), .mac = {}};
  if (end == text.size()) return state;
  const std::string_view rest = text.substr(end + 1);
  if (state.stage == Stage::kNone || !rest.starts_with(kMac)) return std::nullopt;
  if (!IsMacAddress(rest.substr(kMac.size()))) return std::nullopt;
  state.mac = rest.substr(kMac.size());
  return state;
}

std::optional<uint32_t> SfNumberOf(const DevlinkPort& port, const PciAddress& pf) {
  // A card with several functions behind one switch has the ports of all of them on one.
  const bool of_pf =
      port.flavour == PortFlavour::kPciSf && !port.external && port.pf == pf.function;
  return of_pf ? port.sf : std::nullopt;
}

Result<DevlinkPort> PortOfSf(const Devlink& devlink, const DevicePlace& place) {
  DRAPCI_TRY(std::vector<DevlinkPort> ports, devlink.Ports(DevlinkDevice::Of(place.function)));
  const uint32_t number = kFirstSfNumber + static_cast<uint32_t>(place.sf.value_or(0));
  const auto found = std::ranges::find_if(
      ports, [&](const DevlinkPort& port) { return SfNumberOf(port, place.function) == number; });
  if (found != ports.end()) return std::move(*found);
  return Fail(
      {Code::kGone, ENODEV,
       fmt::format("the switch of {} has no sub-function {}", place.function.ToString(), number)});
}

Result<> CheckSfUnused(const Sysfs& sysfs, const DevicePlace& place) {
  const auto nodes = DeviceNodes(sysfs, place);
  if (!nodes) return {};  // it is gone, or was never active
  return CheckUnused(sysfs, *nodes, place.ToString());
}

void AddSfSetting(Host& host, SettingTable& table) {
  table.emplace(kSfSetting, std::make_unique<SfSetting>(host));
}

}  // namespace drapci::hal
