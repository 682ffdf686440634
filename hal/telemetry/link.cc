// The PCI Express link against what it could be (Documentation/ABI/testing/sysfs-bus-pci
// current_link_width and the rest).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

constexpr int64_t kMaxWidth = 32;   // 63 is what all ones would be
constexpr double kMaxSpeed = 1000;  // GT/s

// "32.0 GT/s PCIe"; nothing for "Unknown".
std::optional<double> ParseSpeed(std::string_view text) {
  double speed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
  const bool unit = std::string_view(end, text.data() + text.size()).starts_with(" GT/s");
  if (error != std::errc() || !unit || !std::isfinite(speed) || speed <= 0 || speed > kMaxSpeed) {
    return std::nullopt;
  }
  return speed;
}

struct Ability {
  std::optional<int64_t> width;
  std::optional<double> speed;
};

template <class T>
std::optional<T> Lesser(std::optional<T> one, std::optional<T> other) {
  if (!one || !other) return one ? one : other;
  return std::min(*one, *other);
}

// One link: the function at its lower end, and the bridge at its upper.
class Link {
 public:
  Link(FunctionFiles lower, std::optional<FunctionFiles> upper, std::string name)
      : lower_(std::move(lower)), upper_(std::move(upper)), name_(std::move(name)) {}

  // Adds how it is, where `full`, and what it lacks.
  Result<> Read(bool full, std::vector<Reading>& readings) {
    DRAPCI_CHECK(LookAtAbility());
    if (!can_.width) return {};
    DRAPCI_TRY(const std::optional<int64_t> width, lower_.Number("current_link_width"));
    DRAPCI_TRY(const std::optional<std::string> speed_text, lower_.Text("current_link_speed"));
    // What a function says that does not answer any more; the source `presence` says so.
    if (!width || *width < 0 || *width > kMaxWidth) return {};
    const auto speed = ParseSpeed(speed_text.value_or(""));
    if (full) Add(readings, "link_width", static_cast<double>(*width), "");
    if (full && speed) Add(readings, "link_speed", *speed, "");
    Add(readings, "link_width_deficit",
        static_cast<double>(std::max<int64_t>(0, *can_.width - *width)),
        *width == 0 ? "the link is down" : fmt::format("x{} of x{}", *width, *can_.width));
    // Below full power the speed is what the card needs to sleep.
    const auto state = lower_.Text("power_state");
    const bool awake = !state || !*state || **state == "D0";
    if (can_.speed && speed && awake) {
      Add(readings, "link_speed_deficit", std::max(0.0, *can_.speed - *speed),
          fmt::format("{} of {} GT/s", *speed, *can_.speed));
    }
    return {};
  }

 private:
  // Reading this goes to the card, and never changes: once is enough.
  Result<> LookAtAbility() {
    if (looked_) return {};
    DRAPCI_TRY(const Ability own, AbilityOf(lower_));
    Ability above;
    if (upper_) {
      DRAPCI_TRY(above, AbilityOf(*upper_));
    }
    can_ = {.width = Lesser(own.width, above.width), .speed = Lesser(own.speed, above.speed)};
    looked_ = true;
    return {};
  }

  static Result<Ability> AbilityOf(const FunctionFiles& files) {
    Ability can;
    DRAPCI_TRY(const std::optional<int64_t> width, files.Number("max_link_width"));
    DRAPCI_TRY(const std::optional<std::string> speed, files.Text("max_link_speed"));
    if (width && *width > 0 && *width <= kMaxWidth) can.width = width;
    can.speed = ParseSpeed(speed.value_or(""));
    return can;
  }

  void Add(std::vector<Reading>& readings, const char* signal, double value,
           std::string text) const {
    readings.push_back(
        {.signal = signal, .instance = name_, .value = value, .text = std::move(text)});
  }

  const FunctionFiles lower_;
  const std::optional<FunctionFiles> upper_;
  const std::string name_;
  Ability can_;
  bool looked_ = false;
};

class LinkReader : public TelemetryReader {
 public:
  LinkReader(FunctionFiles own, std::vector<Link> links)
      : own_(std::move(own)), links_(std::move(links)) {}

  // The bridges on the way are awake when the card is.
  Result<std::vector<Reading>> Read() override {
    std::vector<Reading> readings;
    if (own_.Sleeps()) return readings;
    for (size_t i = 0; i < links_.size(); ++i) DRAPCI_CHECK(links_[i].Read(i == 0, readings));
    return readings;
  }

 private:
  const FunctionFiles own_;
  std::vector<Link> links_;
};

}  // namespace

// The way is root port, upstream port of a switch, its downstream port, ..., the function: links
// join two of them. Cards with a switch of their own tell nothing by their own link, which never
// leaves the board.
std::unique_ptr<TelemetryReader> MakeLinkReader(Host& host, const PciFunction& function) {
  FunctionFiles own(host.sysfs, function.address);
  // A VF has no link of its own, and a function of the root complex has none at all.
  if (function.physfn || (function.pcie && function.pcie->max_width == 0)) return nullptr;
  if (!own.Has("current_link_width")) return nullptr;
  std::vector<PciAddress> way = WayTo(host.sysfs, function.address);
  std::vector<Link> links;
  while (!way.empty()) {
    const PciAddress lower = way.back();
    way.pop_back();
    std::optional<FunctionFiles> upper;
    if (!way.empty()) {
      upper.emplace(host.sysfs, way.back());
      way.pop_back();
    } else if (!links.empty()) {
      break;  // a root port is no lower end
    }
    links.emplace_back(FunctionFiles(host.sysfs, lower), std::move(upper),
                       links.empty() ? "" : lower.ToString());
  }
  return std::make_unique<LinkReader>(std::move(own), std::move(links));
}

}  // namespace drapci::hal
