#include "test/sim/front/conditions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "hal/base/parse.h"
#include "test/sim/devlink/card.h"
#include "test/sim/nvml/state.h"

namespace drapci::sim {
namespace {

using Words = std::vector<std::string>;

// The function that a command is about.
class Card {
 public:
  Card(Kernel& kernel, const PciAddress& address, std::string directory)
      : kernel_(kernel), address_(address), directory_(std::move(directory)) {}

  Kernel& kernel() const { return kernel_; }
  const PciAddress& address() const { return address_; }
  std::string PathOf(std::string_view name) const {
    return name.empty() ? directory_ : fmt::format("{}/{}", directory_, name);
  }

  bool Has(std::string_view name) const {
    return kernel_.Stat(PathOf(name), /*follow=*/true).has_value();
  }
  std::string Read(std::string_view name) const { return kernel_.Read(PathOf(name)).value_or(""); }
  // The names in a directory that begin with `prefix`.
  Words List(std::string_view name, std::string_view prefix) const {
    Words names = kernel_.List(PathOf(name)).value_or(Words());
    std::erase_if(names, [&](const std::string& each) { return !each.starts_with(prefix); });
    return names;
  }
  // Changes what a file says that is there.
  Result<> Set(std::string_view name, std::string_view line) const {
    if (!Has(name)) return Missing(name);
    kernel_.SetFile(PathOf(name), fmt::format("{}\n", line));
    return {};
  }
  // Adds to the number of a file: counters only grow.
  Result<> Count(std::string_view name, uint64_t count) const {
    if (!Has(name)) return Missing(name);
    std::string text = Read(name);
    const auto now = ParseInt<uint64_t>(Trim(text)).value_or(0);
    return Set(name, fmt::format("{}", now + count));
  }
  std::unexpected<Error> Missing(std::string_view name) const {
    return Fail(Code::kNotFound, fmt::format("{} has no {}", address_.ToString(), name));
  }

 private:
  Kernel& kernel_;
  const PciAddress address_;
  const std::string directory_;
};

std::unexpected<Error> Nonsense(std::string_view word, std::string_view what) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no {}", word, what));
}

Result<uint64_t> Number(const std::string& word) {
  const auto number = ParseInt<uint64_t>(word);
  if (!number) return Nonsense(word, "number");
  return *number;
}

Result<> Sensor(const Card& card, const Words& values) {
  Words parents = {"hwmon"};
  for (const char* subsystem : {"nvme", "accel"}) {
    for (const std::string& name : card.List(subsystem, subsystem)) {
      parents.push_back(fmt::format("{}/{}", subsystem, name));
    }
  }
  for (const std::string& parent : parents) {
    for (const std::string& device : card.List(parent, "hwmon")) {
      const std::string file = fmt::format("{}/{}/{}", parent, device, values[0]);
      if (card.Has(file)) return card.Set(file, values[1]);
    }
  }
  return card.Missing("sensor " + values[0]);
}

// drivers/pci/pci.c pci_speed_string
Result<> SetLink(const Card& card, const Words& values) {
  DRAPCI_TRY(const uint64_t width, Number(values[1]));
  if (!card.Has("current_link_width")) return card.Missing("link");
  const bool whole = values[0].contains("GT/s") || values[0] == "Unknown";
  DRAPCI_CHECK(card.Set("current_link_speed", whole ? values[0] : values[0] + " GT/s PCIe"));
  return card.Set("current_link_width", fmt::format("{}", width));
}

Result<> LoseConfig(const Card& card, const Words&) {
  constexpr size_t kConfig = 4096;
  card.kernel().SetFile(card.PathOf("config"), std::string(kConfig, '\xff'), 0644);
  return {};
}

Result<bool> Switch(const std::string& word) {
  if (word != "on" && word != "off") return Nonsense(word, "switch: on or off");
  return word == "on";
}

Result<> Sleep(const Card& card, const Words& values) {
  DRAPCI_TRY(const bool on, Switch(values[0]));
  DRAPCI_CHECK(card.Set("power/runtime_status", on ? "suspended" : "active"));
  return card.Set("power_state", on ? "D3cold" : "D0");
}

// drivers/base/devcoredump.c: the device is deleted after five minutes, or by a write to `data`.
Result<> CoreDump(const Card& card, const Words& values) {
  DRAPCI_TRY(const bool on, Switch(values[0]));
  const std::string dump = "/sys/devices/virtual/devcoredump/devcd1";
  if (!on) {
    if (!card.Has("devcoredump")) return card.Missing("core dump");
    // The model takes no links away; one that leads nowhere is not there either.
    card.kernel().SetLink(card.PathOf("devcoredump"), "/sys/devices/virtual/devcoredump/deleted");
    return {};
  }
  card.kernel().SetFile(dump + "/data", "**** simulated core dump ****\n", 0600);
  card.kernel().SetLink(card.PathOf("devcoredump"), dump);
  return {};
}

// drivers/gpu/drm/drm_drv.c drm_dev_wedged_event: of the primary node.
Result<> Wedge(const Card& card, const Words& values) {
  const Words cards = card.List("drm", "card");
  if (cards.empty()) return card.Missing("DRM device");
  const std::string path = fmt::format("{}/{}", card.PathOf("drm"), cards.front());
  card.kernel().Emit(path, "change", {{"WEDGED", values[0]}});
  return {};
}

// drivers/pci/pci-driver.c pci_uevent_ers
Result<> Recovery(const Card& card, const Words& values) {
  constexpr std::array kStates = {"BEGIN_RECOVERY", "SUCCESSFUL_RECOVERY", "FAILED_RECOVERY"};
  if (std::ranges::find(kStates, values[0]) == kStates.end()) {
    return Nonsense(values[0], "state of a recovery");
  }
  const bool online = values[0] == "SUCCESSFUL_RECOVERY";
  card.kernel().Emit(card.PathOf(""), "change",
                     {{"ERROR_EVENT", values[0]}, {"DEVICE_ONLINE", online ? "1" : "0"}});
  return {};
}

// drivers/dma/idxd/irq.c idxd_misc_thread: what the register of errors says stays as well.
Result<> Halt(const Card& card, const Words&) {
  for (const char* prefix : {"dsa", "iax"}) {
    for (const std::string& device : card.List("", prefix)) {
      DRAPCI_CHECK(card.Set(device + "/errors",
                            "00000000,00000000,00000000,00000000,00000000,00000000,00000000,"
                            "80000001"));
      return card.Set(device + "/state", "halted");
    }
  }
  return card.Missing("device of idxd");
}

// drivers/gpu/drm/amd/amdgpu/amdgpu_ras.c amdgpu_ras_sysfs_read: "ue: 0\nce: 0\n"
Result<> Ras(const Card& card, const Words& values) {
  DRAPCI_TRY(const uint64_t count, Number(values[2]));
  if (values[0] == "qat") return card.Count("qat_ras/errors_" + values[1], count);
  const std::string file = fmt::format("ras/{}_err_count", values[0]);
  if (!card.Has(file)) return card.Missing(file);
  std::string text;
  bool found = false;
  const std::string before = card.Read(file);
  for (const std::string_view line : Split(Trim(before), '\n')) {
    const size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    uint64_t now = ParseInt<uint64_t>(line.substr(colon + 2)).value_or(0);
    const bool hit = line.substr(0, colon) == values[1];
    found |= hit;
    if (hit) now += count;
    text += fmt::format("{}: {}\n", line.substr(0, colon), now);
  }
  if (!found) return Nonsense(values[1], "kind of error: ue, ce");
  card.kernel().SetFile(card.PathOf(file), text);
  return {};
}

// net/devlink/health.c devlink_health_report and devlink_health_reporter_recovery_done
Result<> Reporter(const Card& card, const Words& values) {
  if (values[1] != "error" && values[1] != "healthy") {
    return Nonsense(values[1], "state of a reporter: error, healthy");
  }
  const int error = card.kernel().WithDevlink(card.address(), [&](DevlinkCard& devlink) {
    const auto found = std::ranges::find(devlink.reporters, values[0], &DevlinkCardReporter::name);
    if (found == devlink.reporters.end()) return ENOENT;
    found->error = values[1] == "error";
    ++(found->error ? found->errors : found->recoveries);
    return 0;
  });
  if (error != 0) return card.Missing("devlink reporter " + values[0]);
  return {};
}

Result<> NetDrops(const Card& card, const Words& values) {
  DRAPCI_TRY(const uint64_t count, Number(values[1]));
  for (const std::string& name : card.List("net", "")) {
    const std::string file = fmt::format("net/{}/statistics/{}", name, values[0]);
    if (!card.Has(file)) card.kernel().SetFile(card.PathOf(file), "0\n");
    return card.Count(file, count);
  }
  return card.Missing("network interface");
}

// The state of the stand-in for NVIDIA's library, which this process has put there.
Result<> ChangeGpu(const Card& card, const std::function<bool(nvml::Gpu&)>& change) {
  const char* path = std::getenv(nvml::kStateVariable);
  if (path == nullptr) return card.Missing("stand-in for NVIDIA's library");
  bool found = false, taken = false;
  DRAPCI_CHECK(nvml::StateFile(path).Change([&](nvml::State& state) {
    nvml::Gpu* gpu = nvml::FindGpu(state, card.address().ToString());
    found = gpu != nullptr;
    taken = found && change(*gpu);
  }));
  if (!found) return card.Missing("GPU of NVIDIA");
  if (!taken) return Fail(Code::kInvalid, "the stand-in's README has the keys that can be set");
  return {};
}

Result<> Xid(const Card& card, const Words& values) {
  DRAPCI_TRY(const uint64_t number, Number(values[0]));
  return ChangeGpu(card, [&](nvml::Gpu& gpu) {
    nvml::RaiseXid(gpu, number);
    return true;
  });
}

Result<> SetGpu(const Card& card, const Words& values) {
  DRAPCI_TRY(const uint64_t number, Number(values[1]));
  const auto value = static_cast<int64_t>(number);
  const std::array<std::pair<std::string_view, int64_t nvml::Gpu::*>, 7> numbers = {{
      {"ecc_corrected", &nvml::Gpu::ecc_corrected},
      {"ecc_uncorrected", &nvml::Gpu::ecc_uncorrected},
      {"power_milliwatt", &nvml::Gpu::power_milliwatt},
      {"remapped_corrected", &nvml::Gpu::remapped_corrected},
      {"remapped_uncorrected", &nvml::Gpu::remapped_uncorrected},
      {"slowdown_celsius", &nvml::Gpu::slowdown_celsius},
      {"temperature", &nvml::Gpu::temperature},
  }};
  const std::array<std::pair<std::string_view, bool nvml::Gpu::*>, 3> flags = {{
      {"lost", &nvml::Gpu::lost},
      {"remap_failed", &nvml::Gpu::remap_failed},
      {"remap_pending", &nvml::Gpu::remap_pending},
  }};
  return ChangeGpu(card, [&](nvml::Gpu& gpu) {
    for (const auto& [name, member] : numbers) {
      if (name == values[0]) return gpu.*member = value, true;
    }
    for (const auto& [name, member] : flags) {
      if (name == values[0]) return gpu.*member = value != 0, true;
    }
    if (values[0] == "throttle_reasons") return gpu.throttle_reasons = number, true;
    return false;
  });
}

struct Row {
  std::string_view command;
  size_t values;  // behind the address
  Result<> (*inject)(const Card& card, const Words& values);
};

constexpr auto kCommands = std::to_array<Row>({
    {"config-gone", 0, LoseConfig},
    {"core-dump", 1, CoreDump},
    {"gpu", 2, SetGpu},
    {"halt", 0, Halt},
    {"link", 2, SetLink},
    {"net-drops", 2, NetDrops},
    {"ras", 3, Ras},
    {"recovery", 1, Recovery},
    {"reporter", 2, Reporter},
    {"sensor", 2, Sensor},
    {"sleep", 1, Sleep},
    {"wedge", 1, Wedge},
    {"xid", 1, Xid},
});

}  // namespace

std::optional<Result<>> InjectCondition(Kernel& kernel, const std::vector<std::string>& words) {
  if (words.empty()) return std::nullopt;
  const auto row = std::ranges::find(kCommands, words[0], &Row::command);
  if (row == kCommands.end()) return std::nullopt;
  if (words.size() != row->values + 2) {
    return Fail(Code::kInvalid,
                fmt::format("{} takes an address and {} more", row->command, row->values));
  }
  const auto address = PciAddress::Parse(words[1]);
  if (!address) return Nonsense(words[1], "PCI address");
  const auto state = kernel.State(*address);
  if (!state) return Fail(state.error());
  return row->inject(Card(kernel, *address, state->sysfs_path),
                     Words(words.begin() + 2, words.end()));
}

}  // namespace drapci::sim
