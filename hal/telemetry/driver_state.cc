// What the drivers themselves say of their devices, each in its own words.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "hal/base/parse.h"
#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

using Readings = std::vector<Reading>;

void Add(Readings& readings, const char* signal, bool holds, std::string_view text) {
  readings.push_back({.signal = signal, .value = holds ? 1.0 : 0.0, .text = OneLine(text)});
}

// A counter file; nothing where there is none.
Result<> AddCounter(const FunctionFiles& files, std::string_view file, const char* signal,
                    const char* instance, Readings& readings) {
  DRAPCI_TRY(const std::optional<int64_t> count, files.Number(file));
  if (count) {
    readings.push_back(
        {.signal = signal, .instance = instance, .value = static_cast<double>(*count)});
  }
  return {};
}

// The first entry of a directory that begins with `prefix`, with the directory; empty: none.
std::string FirstOf(const FunctionFiles& files, std::string_view directory,
                    std::string_view prefix) {
  const std::vector<std::string> names = files.List(directory, prefix);
  return names.empty() ? "" : fmt::format("{}/{}", directory, names.front());
}

// Documentation/ABI/stable/sysfs-driver-dma-idxd: dsaN or iaxN below the function. The register of
// errors is the driver's copy, and stays until the device is reset.
Result<> ReadIdxd(const FunctionFiles& files, Readings& readings) {
  std::vector<std::string> devices = files.List("", "dsa");
  if (devices.empty()) devices = files.List("", "iax");
  if (devices.empty()) return {};
  DRAPCI_TRY(const std::optional<std::string> state, files.Text(devices.front() + "/state"));
  DRAPCI_TRY(const std::optional<std::string> errors, files.Text(devices.front() + "/errors"));
  if (state) Add(readings, "device_failed", *state == "halted", *state);
  if (errors) {
    Add(readings, "device_warning", errors->find_first_not_of("0,") != std::string::npos, *errors);
  }
  return {};
}

// Documentation/ABI/testing/sysfs-driver-qat, sysfs-driver-qat_ras
Result<> ReadQat(const FunctionFiles& files, Readings& readings) {
  DRAPCI_TRY(const std::optional<std::string> state, files.Text("qat/state"));
  if (state) Add(readings, "device_unready", *state == "down", *state);
  DRAPCI_CHECK(AddCounter(files, "qat_ras/errors_correctable", "ras_corrected", "qat", readings));
  DRAPCI_CHECK(AddCounter(files, "qat_ras/errors_nonfatal", "ras_uncorrected", "qat", readings));
  return AddCounter(files, "qat_ras/errors_fatal", "ras_fatal", "qat", readings);
}

// drivers/gpu/drm/xe/xe_survivability_mode.c: the file exists in that mode only.
Result<> ReadXe(const FunctionFiles& files, Readings& readings) {
  DRAPCI_TRY(const std::optional<std::string> mode, files.Text("survivability_mode"));
  DRAPCI_TRY(const std::optional<std::string> health, files.Text("gpu_health"));
  const bool critical = health && *health == "critical";
  Add(readings, "device_failed", mode || critical,
      mode       ? "survivability mode " + *mode
      : critical ? "health critical"
                 : "");
  if (health) Add(readings, "device_warning", *health == "warning", *health);
  return {};
}

// Documentation/ABI/testing/sysfs-driver-habanalabs. Releases differ in the case of the first
// letter.
Result<> ReadHabanalabs(const FunctionFiles& files, Readings& readings) {
  const std::string device = FirstOf(files, "accel", "accel");
  if (device.empty()) return {};
  DRAPCI_TRY(const std::optional<std::string> status, files.Text(device + "/device/status"));
  if (status) {
    std::string word = OneLine(*status);
    if (!word.empty() && word[0] >= 'A' && word[0] <= 'Z') word[0] += 'a' - 'A';
    Add(readings, "device_failed", word == "disabled" || word == "needs reset", word);
    Add(readings, "device_unready", word.starts_with("in "), word);
  }
  return AddCounter(files, device + "/device/hard_reset_cnt", "device_resets", "", readings);
}

// drivers/nvme/host/sysfs.c nvme_sysfs_show_state
Result<> ReadNvme(const FunctionFiles& files, Readings& readings) {
  const std::string device = FirstOf(files, "nvme", "nvme");
  if (device.empty()) return {};
  DRAPCI_TRY(const std::optional<std::string> state, files.Text(device + "/state"));
  if (!state) return {};
  Add(readings, "device_failed", *state == "dead", *state);
  Add(readings, "device_unready", *state == "resetting" || *state == "connecting", *state);
  return {};
}

struct Row {
  std::string_view driver;
  Result<> (*read)(const FunctionFiles& files, Readings& readings);
};

constexpr std::array kDrivers = std::to_array<Row>({
    {"420xx", ReadQat},
    {"4xxx", ReadQat},
    {"6xxx", ReadQat},
    {"habanalabs", ReadHabanalabs},
    {"idxd", ReadIdxd},
    {"nvme", ReadNvme},
    {"xe", ReadXe},
});

class DriverReader : public TelemetryReader {
 public:
  DriverReader(FunctionFiles files, const Row* row) : files_(std::move(files)), row_(row) {}

  Result<Readings> Read() override {
    Readings readings;
    if (row_ != nullptr) DRAPCI_CHECK(row_->read(files_, readings));
    // drivers/base/devcoredump.c dev_coredumpm: the link is there as long as the dump is.
    const bool dump = files_.Has("devcoredump");
    if (!dump && files_.IsGone()) {
      return Fail(Error::FromErrno(ENODEV, "read " + files_.PathOf("")));
    }
    Add(readings, "core_dump", dump, dump ? "a hang was recorded" : "");
    return readings;
  }

 private:
  const FunctionFiles files_;
  const Row* const row_;
};

}  // namespace

std::unique_ptr<TelemetryReader> MakeDriverReader(Host& host, const PciFunction& function) {
  const auto row = std::ranges::find(kDrivers, function.driver, &Row::driver);
  return std::make_unique<DriverReader>(FunctionFiles(host.sysfs, function.address),
                                        row != kDrivers.end() ? &*row : nullptr);
}

}  // namespace drapci::hal
