// Sensors that a driver has registered with hwmon (Documentation/hwmon/sysfs-interface.rst): found
// below the function, since the numbers of hwmon devices change with each boot.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "hal/base/parse.h"
#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

constexpr size_t kMaxDevices = 8, kMaxSensors = 96;

// What is read of a channel, in this order; the unit of a file is 1/scale of the signal's.
struct Kind {
  const char *signal, *channel;
  std::vector<const char*> files;
  double scale;
};

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {"temperature", "temp", {"input"}, 1e3},
      {"power", "power", {"average", "input"}, 1e6},
      {"fan", "fan", {"input"}, 1},
  };
  return kinds;
}

// One file that is read each time.
struct Sensor {
  std::string signal, instance;
  std::string file;  // below the function's directory
  double scale = 1;
  std::optional<int64_t> limit;  // of a temperature, in the file's unit
};

// "temp12_input": "temp", 12, "input".
struct FileName {
  std::string_view kind;
  int channel = 0;
  std::string_view what;
};

std::optional<FileName> ParseFileName(std::string_view name) {
  const size_t digits = name.find_first_of("0123456789");
  const size_t underscore = name.find('_');
  if (digits == std::string_view::npos || underscore == std::string_view::npos ||
      digits > underscore) {
    return std::nullopt;
  }
  const auto channel = ParseInt<int>(name.substr(digits, underscore - digits));
  if (!channel) return std::nullopt;
  return FileName{name.substr(0, digits), *channel, name.substr(underscore + 1)};
}

// The directories of the function's hwmon devices: most drivers hang them below the function, some
// below their class device, which then has no directory "hwmon" in between
// (drivers/base/core.c get_device_parent).
std::vector<std::string> FindDevices(const FunctionFiles& files) {
  std::vector<std::string> found;
  for (const std::string& name : files.List("hwmon", "hwmon")) found.push_back("hwmon/" + name);
  for (const char* subsystem : {"nvme", "accel"}) {
    for (const std::string& device : files.List(subsystem, subsystem)) {
      const std::string parent = fmt::format("{}/{}", subsystem, device);
      for (const std::string& name : files.List(parent, "hwmon")) {
        found.push_back(fmt::format("{}/{}", parent, name));
      }
    }
  }
  if (found.size() > kMaxDevices) found.resize(kMaxDevices);
  return found;
}

// The sensors of one hwmon device: what they are called and their limits are read now, since some
// drivers ask the card for these.
class Device {
 public:
  Device(const FunctionFiles& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {
    for (const std::string& name : files.List(directory_, "")) {
      if (const auto parsed = ParseFileName(name)) {
        channels_[{std::string(parsed->kind), parsed->channel}].emplace_back(parsed->what);
      }
    }
  }

  void AddTo(std::vector<Sensor>& sensors) const {
    for (const auto& [channel, whats] : channels_) AddChannel(channel, whats, sensors);
  }

 private:
  using Channel = std::pair<std::string, int>;
  using Names = std::vector<std::string>;

  static bool Has(const Names& whats, std::string_view what) {
    return std::ranges::find(whats, what) != whats.end();
  }

  std::string File(const Channel& channel, std::string_view what) const {
    return fmt::format("{}/{}{}_{}", directory_, channel.first, channel.second, what);
  }

  void AddChannel(const Channel& channel, const Names& whats, std::vector<Sensor>& sensors) const {
    const std::string label = LabelOf(channel, whats);
    for (const Kind& kind : Kinds()) {
      if (channel.first != kind.channel) continue;
      const auto what =
          std::ranges::find_if(kind.files, [&](const char* file) { return Has(whats, file); });
      if (what == kind.files.end()) continue;
      sensors.push_back(
          {.signal = kind.signal,
           .instance = label,
           .file = File(channel, *what),
           .scale = kind.scale,
           .limit = channel.first == "temp" ? LimitOf(channel, whats) : std::nullopt});
    }
    for (const std::string& what : whats) {
      if (what != "alarm" && what != "fault" && !what.ends_with("_alarm")) continue;
      std::string name = fmt::format("{}{} {}", channel.first, channel.second, what);
      if (label != name.substr(0, name.find(' '))) {
        name = fmt::format("{} {} {}", channel.first, label, what);
      }
      if (name.ends_with("_alarm")) name.resize(name.size() - 6);
      sensors.push_back(
          {.signal = "sensor_alarm", .instance = OneLine(name), .file = File(channel, what)});
    }
  }

  std::string LabelOf(const Channel& channel, const Names& whats) const {
    if (Has(whats, "label")) {
      const auto label = files_.Text(File(channel, "label"));
      if (label && *label && !Trim(**label).empty()) return OneLine(label->value().substr(0, 40));
    }
    return fmt::format("{}{}", channel.first, channel.second);
  }

  std::optional<int64_t> LimitOf(const Channel& channel, const Names& whats) const {
    for (const char* limit : {"crit", "emergency", "max"}) {
      if (!Has(whats, limit)) continue;
      const auto value = files_.Number(File(channel, limit));
      // Disks without a limit say 0.
      if (value && *value && **value > 0) return *value;
    }
    return std::nullopt;
  }

  const FunctionFiles& files_;
  const std::string directory_;
  std::map<Channel, Names> channels_;
};

class HwmonReader : public TelemetryReader {
 public:
  explicit HwmonReader(FunctionFiles files) : files_(std::move(files)) {}

  Result<std::vector<Reading>> Read() override {
    std::vector<Reading> readings;
    if (files_.Sleeps()) return readings;
    if (sensors_.empty()) Find();
    std::optional<Error> failed;
    bool any = false;
    for (const Sensor& sensor : sensors_) {
      auto value = files_.Number(sensor.file);
      if (!value && value.error().code == Code::kGone) return Fail(std::move(value).error());
      // One sensor that fails says nothing of the others.
      if (!value) {
        failed = std::move(value).error();
      } else if (*value) {
        Add(sensor, **value, readings);
      }
      any |= value.has_value();
    }
    if (readings.empty()) sensors_.clear();  // the driver may have registered others
    if (failed && !any) return Fail(*std::move(failed));
    return readings;
  }

 private:
  void Find() {
    for (const std::string& directory : FindDevices(files_)) {
      Device(files_, directory).AddTo(sensors_);
    }
    if (sensors_.size() > kMaxSensors) sensors_.resize(kMaxSensors);
    // Two devices may call theirs by the same name.
    std::map<std::pair<std::string, std::string>, int> seen;
    for (Sensor& sensor : sensors_) {
      const int count = ++seen[{sensor.signal, sensor.instance}];
      if (count > 1) sensor.instance += fmt::format(" ({})", count);
    }
  }

  static void Add(const Sensor& sensor, int64_t raw, std::vector<Reading>& readings) {
    const double value = static_cast<double>(raw) / sensor.scale;
    readings.push_back({.signal = sensor.signal, .instance = sensor.instance, .value = value});
    if (!sensor.limit) return;
    const double limit = static_cast<double>(*sensor.limit) / sensor.scale;
    const double left = static_cast<double>(*sensor.limit) - static_cast<double>(raw);
    readings.push_back({.signal = "temperature_margin",
                        .instance = sensor.instance,
                        .value = left / sensor.scale,
                        .text = fmt::format("{:.0f} of {:.0f} C", value, limit)});
  }

  const FunctionFiles files_;
  std::vector<Sensor> sensors_;  // found by the first read
};

}  // namespace

std::unique_ptr<TelemetryReader> MakeHwmonReader(Host& host, const PciFunction& function) {
  FunctionFiles files(host.sysfs, function.address);
  if (FindDevices(files).empty()) return nullptr;
  return std::make_unique<HwmonReader>(std::move(files));
}

}  // namespace drapci::hal
