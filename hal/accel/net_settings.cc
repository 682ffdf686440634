#include "hal/accel/net_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "hal/accel/net_interface.h"
#include "hal/accel/pci_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

using std::chrono::milliseconds, std::chrono::seconds;

constexpr std::string_view kUp = "up", kDown = "down";
constexpr std::string_view kName = "name=", kMtu = "mtu=";
constexpr seconds kCarrierWait(5);
constexpr milliseconds kCarrierLook(200);

std::unexpected<Error> BadTarget(std::string_view setting, std::string_view target) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no target of {}", target, setting));
}

std::unexpected<Error> BadValue(std::string_view setting, std::string_view value) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, setting));
}

// The interface of a PF, which its VFs are set through.
Result<HomeInterface> InterfaceOfPf(const Sysfs& sysfs, const PciAddress& pf) {
  DRAPCI_TRY(std::optional<HomeInterface> found, FindAtHome(sysfs, pf));
  if (found) return *std::move(found);
  DRAPCI_TRY(const DriverBinding now, ReadBinding(sysfs, pf));
  return Fail(
      Code::kUnsupported,
      fmt::format("{} has no network interface here ({}), and its VFs are set through it",
                  pf.ToString(), now.driver.empty() ? "no driver" : "driver " + now.driver));
}

// Without a peer there will never be one, and not every setting needs it: who needs it says so.
void WaitForCarrier(const Host& host, int index, MonotonicTime deadline) {
  const MonotonicTime end = std::min(deadline, host.clock.Now() + kCarrierWait);
  const auto done = [&] {
    const auto link = FindLink(host.netlink, index);
    return !link || link->carrier || !link->up;
  };
  // No uevent tells of a carrier, so that it is also looked for between them.
  while (!host.events.WaitUntil(done, std::min(end, host.clock.Now() + kCarrierLook)) &&
         host.clock.Now() < end) {
  }
}

class VfSetting : public Setting {
 public:
  explicit VfSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const Vf vf, Find(target));
    DRAPCI_TRY(const VfSettings now, ReadVf(host_.netlink, vf.pf.index, vf.number));
    return now.ToString();
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const Vf vf, Find(target));
    const auto want = VfSettings::Parse(value);
    if (!want) return BadValue(kVfSetting, value);
    // Drivers reset the card when they make VFs, which takes the carrier away for a while (igb).
    if (want->min_rate || want->max_rate) WaitForCarrier(host_, vf.pf.index, deadline);
    auto done = ApplyVf(host_.netlink, vf.pf.index, vf.number, *want);
    if (!done && done.error().sys == EINVAL) AddSpeed(vf.pf.name, *want, done.error());
    return done;
  }

  bool Satisfies(std::string_view value, std::string_view want_text) const override {
    const auto now = VfSettings::Parse(value), want = VfSettings::Parse(want_text);
    return now && want && want->HoldsIn(*now);
  }

  std::string Before(std::string_view now_text, std::string_view want_text) const override {
    const auto now = VfSettings::Parse(now_text), want = VfSettings::Parse(want_text);
    return now && want ? want->Before(*now).ToString() : std::string(now_text);
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = VfSettings::Parse(now_text), before = VfSettings::Parse(before_text),
               want = VfSettings::Parse(want_text);
    return now && before && want && want->IsTraceIn(*now, *before);
  }

 private:
  struct Vf {
    HomeInterface pf;
    int number = 0;
  };

  Result<Vf> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || !place->vf) return BadTarget(kVfSetting, target);
    DRAPCI_CHECK(place->Find(host_.sysfs));
    DRAPCI_TRY(HomeInterface pf, InterfaceOfPf(host_.sysfs, place->pf));
    return Vf{.pf = std::move(pf), .number = *place->vf};
  }

  // The usual reason of a refused rate, in numbers.
  void AddSpeed(std::string_view pf, const VfSettings& want, Error& error) const {
    const Result<std::string> text = host_.sysfs.Read(fmt::format("/sys/class/net/{}/speed", pf));
    const auto speed = text ? ParseInt<int64_t>(Trim(*text)) : std::nullopt;
    const int64_t rate = std::max(want.min_rate.value_or(0), want.max_rate.value_or(0));
    if (speed && *speed > 0 && rate > *speed) {
      error.what += fmt::format("; the link of {} runs at {} Mbit/s", pf, *speed);
    }
  }

  Host& host_;
};

class UpSetting : public Setting {
 public:
  explicit UpSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const HomeInterface pf, Find(target));
    DRAPCI_TRY(const Link link, FindLink(host_.netlink, pf.index));
    return std::string(link.up ? kUp : kDown);
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const HomeInterface pf, Find(target));
    if (value != kUp && value != kDown) return BadValue(kUpSetting, value);
    DRAPCI_CHECK(SetLinkUp(host_.netlink, pf.index, value == kUp));
    if (value == kUp) WaitForCarrier(host_, pf.index, deadline);
    return {};
  }

 private:
  Result<HomeInterface> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || place->vf) return BadTarget(kUpSetting, target);
    DRAPCI_TRY(const PciAddress pf, place->Find(host_.sysfs));
    return InterfaceOfPf(host_.sysfs, pf);
  }

  Host& host_;
};

class InterfaceSetting : public Setting {
 public:
  explicit InterfaceSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const DevicePlace place, Find(target));
    DRAPCI_TRY(const std::optional<HomeInterface> home, FindAtHome(host_.sysfs, place));
    if (home) return InterfaceState{.name = home->name, .mtu = home->mtu}.ToString();
    DRAPCI_TRY(const bool may, MayHaveInterface(host_.sysfs, place));
    if (!may) return std::string(kNoInterface);
    DRAPCI_TRY(const std::optional<AwayInterface> away, FindAway(host_, place));
    return std::string(away ? kAwayInterface : kNoInterface);
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const DevicePlace place, Find(target));
    if (value == kNoInterface || value == kAwayInterface) return {};
    const auto state =
        value == kAnyInterface ? std::optional(InterfaceState()) : InterfaceState::Parse(value);
    if (!state) return BadValue(kInterfaceSetting, value);
    return state->name.empty() ? Meet(place, *state, deadline) : Restore(place, *state, deadline);
  }

  bool Satisfies(std::string_view value, std::string_view want_text) const override {
    if (want_text == kAnyInterface || want_text == kNoInterface || want_text == kAwayInterface) {
      return true;
    }
    const auto want = InterfaceState::Parse(want_text);
    if (!want) return false;
    if (value == kAwayInterface) return want->name.empty();
    const auto now = InterfaceState::Parse(value);
    return now && (want->name.empty() || want->name == now->name) &&
           (!want->mtu || want->mtu == now->mtu);
  }

 private:
  Result<DevicePlace> Find(std::string_view target) const {
    if (const auto place = DevicePlace::Parse(target); place && place->sf) {
      DRAPCI_CHECK(place->Path(host_.sysfs));
      return *place;
    }
    const auto place = FunctionPlace::Parse(target);
    if (!place) return BadTarget(kInterfaceSetting, target);
    DRAPCI_TRY(const PciAddress address, place->Find(host_.sysfs));
    return DevicePlace(address);
  }

  Result<> SetMtu(const HomeInterface& now, const InterfaceState& want) const {
    if (!want.mtu || want.mtu == now.mtu) return {};
    auto done = SetLinkMtu(host_.netlink, now.index, *want.mtu);
    if (!done) return Fail(std::move(done).error().Within(now.name));
    return {};
  }

  // A wish, for the interface of a driver that may just have been bound.
  Result<> Meet(const DevicePlace& place, const InterfaceState& want, MonotonicTime deadline) {
    DRAPCI_TRY(const std::optional<HomeInterface> home, FindAtHome(host_.sysfs, place));
    if (home) return SetMtu(*home, want);
    DRAPCI_TRY(const bool may, MayHaveInterface(host_.sysfs, place));
    if (!may) {
      return Fail(Code::kConflict,
                  fmt::format("no driver makes a network interface for {}", place.ToString()));
    }
    {
      DRAPCI_TRY(const std::optional<AwayInterface> away, FindAway(host_, place));
      if (away) return {};  // whoever took it has got it as it was wished for
    }
    DRAPCI_TRY(const HomeInterface made, WaitAtHome(host_, place, deadline));
    return SetMtu(made, want);
  }

  Result<> Restore(const DevicePlace& place, const InterfaceState& want, MonotonicTime deadline) {
    DRAPCI_TRY(const HomeInterface home, BringHome(host_, place, want.name, deadline));
    DRAPCI_CHECK(SetMtu(home, want));
    auto renamed = Rename(host_, home, want.name);
    if (!renamed) {
      return Fail(std::move(renamed).error().Within(
          fmt::format("network interface of {}", place.ToString())));
    }
    return {};
  }

  Host& host_;
};

}  // namespace

std::string InterfaceState::ToString() const {
  std::string text;
  if (!name.empty()) text = fmt::format("{}{}", kName, name);
  if (mtu) text += fmt::format("{}{}{}", text.empty() ? "" : " ", kMtu, *mtu);
  return text;
}

std::optional<InterfaceState> InterfaceState::Parse(std::string_view text) {
  InterfaceState state;
  if (text.starts_with(kName)) {
    text.remove_prefix(kName.size());
    const size_t end = std::min(text.find(' '), text.size());
    if (!IsInterfaceName(text.substr(0, end))) return std::nullopt;
    state.name = text.substr(0, end);
    text.remove_prefix(end);
    if (text.empty()) return state;
    text.remove_prefix(1);
  }
  if (!text.starts_with(kMtu)) return std::nullopt;
  text.remove_prefix(kMtu.size());
  state.mtu = ParseInt<int64_t>(text);
  if (!state.mtu || *state.mtu <= 0 || *state.mtu > std::numeric_limits<int>::max() ||
      std::to_string(*state.mtu) != text) {
    return std::nullopt;
  }
  return state;
}

void AddNetSettings(Host& host, SettingTable& table) {
  table.emplace(kVfSetting, std::make_unique<VfSetting>(host));
  table.emplace(kUpSetting, std::make_unique<UpSetting>(host));
  table.emplace(kInterfaceSetting, std::make_unique<InterfaceSetting>(host));
}

}  // namespace drapci::hal
