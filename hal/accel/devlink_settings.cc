#include "hal/accel/devlink_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "hal/accel/devlink_sf.h"
#include "hal/accel/pci_settings.h"
#include "hal/base/parse.h"
#include "hal/net/link.h"
#include "hal/net/vf_settings.h"
#include "hal/pci/sriov.h"

namespace drapci::hal {
namespace {

std::unexpected<Error> BadTarget(std::string_view setting, std::string_view target) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no target of {}", target, setting));
}

std::unexpected<Error> BadValue(std::string_view setting, std::string_view value) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, setting));
}

class EswitchSetting : public Setting {
 public:
  explicit EswitchSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    DRAPCI_TRY(const Devlink devlink, Devlink::Open(host_.netlink));
    DRAPCI_TRY(const EswitchMode mode, devlink.Eswitch(DevlinkDevice::Of(pf)));
    return std::string(NameOf(mode));
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    const auto want = ParseEswitchMode(value);
    if (!want) return BadValue(kEswitchSetting, value);
    const DevlinkDevice device = DevlinkDevice::Of(pf);
    DRAPCI_TRY(const Devlink devlink, Devlink::Open(host_.netlink));
    DRAPCI_TRY(const EswitchMode now, devlink.Eswitch(device));
    if (now == *want) return {};
    DRAPCI_CHECK(CheckFree(devlink, pf, now, *want));
    return devlink.SetEswitch(device, *want);
  }

 private:
  Result<PciAddress> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || place->vf) return BadTarget(kEswitchSetting, target);
    return place->Find(host_.sysfs);
  }

  // Some drivers refuse, others take the ports away under their users.
  Result<> CheckFree(const Devlink& devlink, const PciAddress& pf, EswitchMode now,
                     EswitchMode want) const {
    DRAPCI_TRY(const int vfs, CountVfs(host_.sysfs, pf));
    DRAPCI_TRY(const std::vector<DevlinkPort> ports, devlink.Ports(DevlinkDevice::Of(pf)));
    const auto subs = std::ranges::count_if(
        ports, [](const DevlinkPort& port) { return port.flavour == PortFlavour::kPciSf; });
    if (vfs == 0 && subs == 0) return {};
    return Fail(Code::kBusy,
                fmt::format("{} has {} virtual functions and {} sub-functions: its switch can go "
                            "from {} to {} only without any",
                            pf.ToString(), vfs, subs, NameOf(now), NameOf(want)));
  }

  Host& host_;
};

class PortSetting : public Setting {
 public:
  explicit PortSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const Place place, Find(target));
    DRAPCI_TRY(const PortState state, Read(place));
    return state.ToString();
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    const auto want = PortState::Parse(value);
    if (!want) return BadValue(kPortSetting, value);
    DRAPCI_TRY(const Place place, Find(target));
    // The first step of taking a sub-function away, before anything of it is touched.
    if (place.sf && want->up == false) DRAPCI_CHECK(CheckSfUnused(host_.sysfs, *place.sf));
    DRAPCI_TRY(const PortState now, Read(place));
    // One after another: the kernel has no message for all, and stops in the middle of one.
    if (want->mac && want->mac != now.mac) {
      DRAPCI_CHECK(place.devlink.SetHardwareAddress(place.device, place.port.index, *want->mac));
    }
    DevlinkRateChange rates;
    if (want->tx_share && want->tx_share != now.tx_share) rates.tx_share = want->tx_share;
    if (want->tx_max && want->tx_max != now.tx_max) rates.tx_max = want->tx_max;
    // Where the driver tells no rates there are none to take away.
    const bool nothing_to_take =
        !now.tx_max && rates.tx_share.value_or(0) == 0 && rates.tx_max.value_or(0) == 0;
    if ((rates.tx_share || rates.tx_max) && !nothing_to_take) {
      DRAPCI_CHECK(place.devlink.SetLeafRate(place.device, place.port.index, rates));
    }
    if (!want->up || want->up == now.up) return {};
    if (place.port.interface == 0) {
      return Fail(Code::kUnsupported,
                  fmt::format("the switch's port for {} has no network interface here", target));
    }
    return SetLinkUp(host_.netlink, place.port.interface, *want->up);
  }

  bool Satisfies(std::string_view value, std::string_view want_text) const override {
    const auto now = PortState::Parse(value), want = PortState::Parse(want_text);
    return now && want && want->HoldsIn(*now);
  }

  std::string Before(std::string_view now_text, std::string_view want_text) const override {
    const auto now = PortState::Parse(now_text), want = PortState::Parse(want_text);
    return now && want ? want->Before(*now).ToString() : std::string(now_text);
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = PortState::Parse(now_text), before = PortState::Parse(before_text),
               want = PortState::Parse(want_text);
    return now && before && want && want->IsTraceIn(*now, *before);
  }

 private:
  struct Place {
    Devlink devlink;
    DevlinkDevice device;
    DevlinkPort port;
    std::optional<DevicePlace> sf = {};
  };

  Result<Place> Find(std::string_view target) const {
    if (const auto sf = DevicePlace::Parse(target); sf && sf->sf) return FindSf(*sf);
    const auto place = FunctionPlace::Parse(target);
    if (!place || !place->vf) return BadTarget(kPortSetting, target);
    DRAPCI_CHECK(place->Find(host_.sysfs));
    DRAPCI_TRY(const Devlink devlink, Devlink::Open(host_.netlink));
    DRAPCI_TRY(DevlinkPort port, PortOfVf(devlink, place->pf, *place->vf));
    return Place{devlink, DevlinkDevice::Of(place->pf), std::move(port)};
  }

  Result<Place> FindSf(const DevicePlace& place) const {
    DRAPCI_CHECK(DevicePlace(place.function).Path(host_.sysfs));
    DRAPCI_TRY(const Devlink devlink, Devlink::Open(host_.netlink));
    DRAPCI_TRY(DevlinkPort port, PortOfSf(devlink, place));
    return Place{devlink, DevlinkDevice::Of(place.function), std::move(port), place};
  }

  Result<PortState> Read(const Place& place) const {
    PortState state{.mac = place.port.hw_addr, .tx_share = {}, .tx_max = {}, .up = {}};
    // Without rate objects there is nothing about rates to tell.
    const auto rates = place.devlink.Rates(place.device);
    for (const DevlinkRate& rate : rates.value_or(std::vector<DevlinkRate>())) {
      if (rate.port != place.port.index) continue;
      state.tx_share = rate.tx_share;
      state.tx_max = rate.tx_max;
    }
    if (place.port.interface != 0) {
      DRAPCI_TRY(const Link link, FindLink(host_.netlink, place.port.interface));
      state.up = link.up;
    }
    return state;
  }

  Host& host_;
};

template <class T>
bool Holds(const std::optional<T>& want, const std::optional<T>& now) {
  return !want || want == now;
}

template <class T>
bool IsTrace(const std::optional<T>& want, const std::optional<T>& now,
             const std::optional<T>& before) {
  return !want || !now || now == want || now == before;
}

template <class T>
std::optional<T> Either(const std::optional<T>& want, const std::optional<T>& now, T otherwise) {
  if (!want) return std::nullopt;
  return now ? now : std::optional(std::move(otherwise));
}

}  // namespace

std::string PortState::ToString() const {
  std::string text;
  const auto add = [&](std::string_view key, const auto& value) {
    if (value) text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, *value);
  };
  add("mac", mac);
  add("tx_share", tx_share);
  add("tx_max", tx_max);
  add("representor", up ? std::optional(*up ? "up" : "down") : std::nullopt);
  return text;
}

std::optional<PortState> PortState::Parse(std::string_view text) {
  PortState state;
  for (const std::string_view word : Split(text, ' ')) {
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "mac" && IsMacAddress(value)) state.mac = value;
    if (key == "tx_share") state.tx_share = ParseInt<uint64_t>(value);
    if (key == "tx_max") state.tx_max = ParseInt<uint64_t>(value);
    if (key == "representor") state.up = value == "up";
  }
  if (state.ToString() != text) return std::nullopt;  // one spelling, one order, nothing else
  return state;
}

bool PortState::HoldsIn(const PortState& now) const {
  return Holds(mac, now.mac) && Holds(tx_share, now.tx_share) && Holds(tx_max, now.tx_max) &&
         Holds(up, now.up);
}

bool PortState::IsTraceIn(const PortState& now, const PortState& before) const {
  // Where the address was the function's choice, it may be any by now.
  return (before.mac == kNoMac || IsTrace(mac, now.mac, before.mac)) &&
         IsTrace(tx_share, now.tx_share, before.tx_share) &&
         IsTrace(tx_max, now.tx_max, before.tx_max) && IsTrace(up, now.up, before.up);
}

PortState PortState::Defaults() const { return Before({}); }

PortState PortState::Before(const PortState& now) const {
  return {.mac = Either(mac, now.mac, std::string(kNoMac)),
          .tx_share = Either(tx_share, now.tx_share, uint64_t{0}),
          .tx_max = Either(tx_max, now.tx_max, uint64_t{0}),
          .up = Either(up, now.up, false)};
}

Result<DevlinkPort> PortOfVf(const Devlink& devlink, const PciAddress& pf, int vf) {
  const DevlinkDevice device = DevlinkDevice::Of(pf);
  DRAPCI_TRY(std::vector<DevlinkPort> ports, devlink.Ports(device));
  const auto found = std::ranges::find_if(ports, [&](const DevlinkPort& port) {
    // A card with several functions behind one switch has the ports of all of them on one.
    return port.flavour == PortFlavour::kPciVf && !port.external &&
           port.vf == static_cast<uint32_t>(vf) && port.pf == pf.function;
  });
  if (found != ports.end()) return std::move(*found);
  return Fail({Code::kGone, ENODEV,
               fmt::format("the switch of {} has no port for VF {}: it is in legacy mode, or there "
                           "is no such VF",
                           pf.ToString(), vf)});
}

void AddDevlinkSettings(Host& host, SettingTable& table) {
  table.emplace(kEswitchSetting, std::make_unique<EswitchSetting>(host));
  table.emplace(kPortSetting, std::make_unique<PortSetting>(host));
  AddSfSetting(host, table);
}

}  // namespace drapci::hal
