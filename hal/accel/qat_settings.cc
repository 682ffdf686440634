#include "hal/accel/qat_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "hal/accel/pci_settings.h"
#include "hal/base/parse.h"
#include "hal/pci/sriov.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kUp = "up", kDown = "down";

std::string File(const PciAddress& pf, std::string_view name) {
  return fmt::format("{}/qat/{}", pf.SysfsPath(), name);
}

// Letters, digits and ';': what the driver prints.
bool IsServices(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ';';
  });
}

class ServicesSetting : public Setting {
 public:
  explicit ServicesSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    DRAPCI_TRY(const QatState now, ReadQat(host_.sysfs, pf));
    return FormatQat(now);
  }

  bool Satisfies(std::string_view value, std::string_view wish) const override {
    const auto now = ParseQat(value), want = ParseQat(wish);
    return now && want && Meets(*now, *want);
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = ParseQat(now_text), before = ParseQat(before_text), want = ParseQat(want_text);
    // The state goes through "down"; making VFs and taking them away leaves it "up".
    return now && before && want &&
           (SameServices(now->services, before->services) ||
            SameServices(now->services, want->services));
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    const auto want = ParseQat(value);
    if (!want)
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, kQatSetting));
    DRAPCI_TRY(QatState now, ReadQat(host_.sysfs, pf));
    if (Meets(now, *want)) return {};
    // The driver would let it go down under them.
    DRAPCI_TRY(const int vfs, CountVfs(host_.sysfs, pf));
    if (vfs != 0) {
      return Fail(Code::kBusy,
                  fmt::format("{} has {} virtual functions: its services ({}) can be changed to {} "
                              "only without any",
                              pf.ToString(), vfs, now.services, want->services));
    }
    if (!want->services.empty() && !SameServices(now.services, want->services)) {
      if (now.up) DRAPCI_CHECK(Write(pf, "state", kDown));
      now.up = false;
      DRAPCI_CHECK(Write(pf, "cfg_services", want->services));
    }
    if (now.up == want->up) return {};
    return Write(pf, "state", want->up ? kUp : kDown);
  }

 private:
  static bool Meets(const QatState& now, const QatState& want) {
    return now.up == want.up &&
           (want.services.empty() || SameServices(now.services, want.services));
  }

  Result<> Write(const PciAddress& pf, std::string_view name, std::string_view value) {
    Result<> written = host_.sysfs.Write(File(pf, name), value);
    if (written) return written;
    Error error = std::move(written).error();
    if (error.code == Code::kGone && host_.sysfs.Exists(pf.SysfsPath())) error.code = Code::kIo;
    if (error.sys == EBUSY) {
      error.what +=
          "; the kernel's own crypto or compression uses it, or it is being reset: see "
          "/proc/crypto, unload what uses the drivers named qat";
    } else if (error.sys == EINVAL && name == "cfg_services") {
      error.what += "; the driver does not know these services, or not together";
    }
    return Fail(std::move(error));
  }

  Result<PciAddress> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || place->vf) {
      return Fail(Code::kInvalid, fmt::format("'{}' names no PCI function", target));
    }
    return place->Find(host_.sysfs);
  }

  Host& host_;
};

}  // namespace

std::string FormatQat(const QatState& state) {
  const std::string_view word = state.up ? kUp : kDown;
  return state.services.empty() ? std::string(word) : fmt::format("{} {}", word, state.services);
}

std::optional<QatState> ParseQat(std::string_view text) {
  const size_t blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  if (word != kUp && word != kDown) return std::nullopt;
  QatState state{.up = word == kUp, .services = {}};
  if (blank == std::string_view::npos) return state;
  state.services = text.substr(blank + 1);
  if (!IsServices(state.services)) return std::nullopt;
  return state;
}

bool SameServices(std::string_view one, std::string_view other) {
  std::vector<std::string_view> ones = Split(one, ';'), others = Split(other, ';');
  std::ranges::sort(ones);
  std::ranges::sort(others);
  return ones == others;
}

Result<QatState> ReadQat(const Sysfs& sysfs, const PciAddress& pf) {
  QatState state;
  const Result<std::string> word = sysfs.Read(File(pf, "state"));
  if (!word) {
    if (!sysfs.Exists(pf.SysfsPath())) return Fail(word.error());
    return Fail(Code::kUnsupported,
                fmt::format("the driver of {} cannot choose services ({} is not there): it is not "
                            "bound, too old, or for older hardware",
                            pf.ToString(), File(pf, "state")));
  }
  state.up = Trim(*word) == kUp;
  // Without services that were ever configured there is nothing to read.
  const Result<std::string> services = sysfs.Read(File(pf, "cfg_services"));
  if (services && IsServices(Trim(*services))) state.services = Trim(*services);
  return state;
}

void AddQatSettings(Host& host, SettingTable& table) {
  table.emplace(kQatSetting, std::make_unique<ServicesSetting>(host));
}

}  // namespace drapci::hal
