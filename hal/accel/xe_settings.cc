#include "hal/accel/xe_settings.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "hal/accel/pci_settings.h"
#include "hal/base/parse.h"
#include "hal/pci/driver_binding.h"
#include "hal/pci/sriov.h"

namespace drapci::hal {
namespace {

// A driver may round a quota up to pages larger than those known here.
constexpr int64_t kRounding = int64_t{64} << 20;

std::unexpected<Error> BadTarget(std::string_view setting, std::string_view target) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no target of {}", target, setting));
}

std::unexpected<Error> BadValue(std::string_view setting, std::string_view value) {
  return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, setting));
}

// nullopt: this driver has no such file.
Result<std::optional<int64_t>> ReadNumber(const Sysfs& sysfs, const std::string& path) {
  if (!sysfs.Exists(path)) return std::optional<int64_t>();
  const auto text = sysfs.Read(path);
  if (!text && text.error().sys == EUCLEAN) return std::optional<int64_t>(XeVf::kMixed);
  if (!text) return std::unexpected(text.error());
  const auto number = ParseInt<int64_t>(Trim(*text));
  if (number && *number >= 0) return std::optional<int64_t>(*number);
  return Fail(Code::kIo, fmt::format("{}: '{}' is no number", path, Trim(*text)));
}

// What an errno of xe's SR-IOV attributes means.
std::string_view Meaning(int error) {
  switch (error) {
    case ENOMEM:
    case ENOSPC:
      return "; the GPU has less memory left: what the host's own processes use of it counts too";
    case E2BIG: return "; the GPU has less memory than that";
    case EIO: return "; the GPU's firmware (GuC) has refused it: see the kernel log";
    case EPERM:
    case EACCES:
    case EOPNOTSUPP: return "; this GPU or its firmware cannot change that";
    default: return "";
  }
}

Result<> WriteNumber(Sysfs& sysfs, const std::string& path, int64_t value) {
  auto written = sysfs.Write(path, std::to_string(value));
  if (written) return written;
  Error error = std::move(written).error();
  error.what += Meaning(error.sys);
  if (error.sys == E2BIG) error.code = Code::kExhausted;
  return Fail(std::move(error));
}

std::unexpected<Error> NoFile(const PciAddress& pf, std::string_view file) {
  return Fail(Code::kUnsupported,
              fmt::format("the driver of {} has no {} for its virtual functions: it needs xe of "
                          "Linux 7.0 or later",
                          pf.ToString(), file));
}

// The driver that the VF at `address` has; empty: none.
Result<std::string> DriverOf(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(const DriverBinding now, ReadBinding(sysfs, address));
  return now.driver;
}

class XePoolSetting : public Setting {
 public:
  explicit XePoolSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    DRAPCI_TRY(const auto quotas, Read(pf));
    return FormatXePool(quotas);
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    DRAPCI_TRY(const PciAddress pf, Find(target));
    const auto want = ParseXePool(value);
    if (!want) return BadValue(kXePoolSetting, value);
    DRAPCI_TRY(const auto now, Read(pf));
    // What becomes less makes room for what becomes more.
    for (const bool more : {false, true}) {
      for (const auto& [vf, quota] : now) {
        const int64_t wanted = QuotaOf(*want, vf);
        if (wanted == quota || (wanted > quota) != more) continue;
        auto written = WriteNumber(host_.sysfs, XeProfilePath(pf, vf, kXeVram), wanted);
        if (written) continue;
        Error error = std::move(written).error();
        // Somebody has taken the memory meanwhile: no reason to hold up who goes.
        if (more && error.code == Code::kExhausted) error.code = Code::kConflict;
        return Fail(std::move(error));
      }
    }
    return {};
  }

  // A VF that has got a user meanwhile is not of the pool.
  bool Satisfies(std::string_view value, std::string_view want_text) const override {
    const auto now = ParseXePool(value), want = ParseXePool(want_text);
    if (!now || !want) return false;
    for (const auto& [vf, quota] : *now) {
      if (QuotaOf(*want, vf) != quota) return false;
    }
    return true;
  }

  // Between() holds for everything: the driver itself gives quotas of its own choice, and the VFs
  // in question have no user.

 private:
  static int64_t QuotaOf(const std::map<int, int64_t>& quotas, int vf) {
    const auto found = quotas.find(vf);
    return found != quotas.end() ? found->second : 0;
  }

  Result<PciAddress> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || place->vf) return BadTarget(kXePoolSetting, target);
    return place->Find(host_.sysfs);
  }

  Result<std::map<int, int64_t>> Read(const PciAddress& pf) const {
    std::map<int, int64_t> quotas;
    DRAPCI_TRY(const std::vector<PciAddress> vfs, ListVfs(host_.sysfs, pf));
    for (size_t i = 0; i < vfs.size(); ++i) {
      DRAPCI_TRY(const std::string driver, DriverOf(host_.sysfs, vfs[i]));
      if (!driver.empty()) continue;
      const int vf = static_cast<int>(i);
      DRAPCI_TRY(const auto quota, ReadNumber(host_.sysfs, XeProfilePath(pf, vf, kXeVram)));
      if (!quota) return NoFile(pf, kXeVram);
      quotas.emplace(vf, *quota);
    }
    return quotas;
  }

  Host& host_;
};

class XeVfSetting : public Setting {
 public:
  explicit XeVfSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const Vf vf, Find(target));
    DRAPCI_TRY(const XeVf now, Read(vf));
    return now.ToString();
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime) override {
    DRAPCI_TRY(const Vf vf, Find(target));
    const auto want = XeVf::Parse(value);
    if (!want || !IsWish(*want)) return BadValue(kXeVfSetting, value);
    DRAPCI_TRY(const XeVf now, Read(vf));
    if (want->vram && !IsQuota(now.vram, *want->vram)) {
      // A driver asks for its quota once, when it is bound.
      DRAPCI_TRY(const std::string driver, DriverOf(host_.sysfs, vf.address));
      if (!driver.empty()) {
        return Fail(Code::kBusy,
                    fmt::format("{} ({}) is bound to {}, which would not learn of other memory: "
                                "unbind it first",
                                target, vf.address.ToString(), driver));
      }
      DRAPCI_CHECK(Write(vf, kXeVram, now.vram, *want->vram));
    }
    if (want->exec && now.exec != want->exec) {
      DRAPCI_CHECK(Write(vf, kXeExec, now.exec, *want->exec));
    }
    if (want->preempt && now.preempt != want->preempt) {
      DRAPCI_CHECK(Write(vf, kXePreempt, now.preempt, *want->preempt));
    }
    return {};
  }

  bool Satisfies(std::string_view value, std::string_view want_text) const override {
    const auto now = XeVf::Parse(value), want = XeVf::Parse(want_text);
    return now && want && (!want->vram || IsQuota(now->vram, *want->vram)) &&
           (!want->exec || now->exec == want->exec) &&
           (!want->preempt || now->preempt == want->preempt);
  }

  std::string Before(std::string_view now_text, std::string_view want_text) const override {
    const auto now = XeVf::Parse(now_text), want = XeVf::Parse(want_text);
    if (!now || !want) return std::string(now_text);
    const auto known = [](const std::optional<int64_t>& value) {
      return value && *value != XeVf::kMixed ? *value : 0;
    };
    XeVf before;
    // Its memory goes to the pool: what it had there may be somebody's by then.
    if (want->vram) before.vram = 0;
    if (want->exec) before.exec = known(now->exec);
    if (want->preempt) before.preempt = known(now->preempt);
    return before.ToString();
  }

  // Time slices can be anything: the driver gives some by itself, and they are no stock.
  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = XeVf::Parse(now_text), before = XeVf::Parse(before_text),
               want = XeVf::Parse(want_text);
    if (!now || !before || !want) return false;
    if (!want->vram || now->vram == 0) return true;
    if (IsQuota(now->vram, *want->vram) || now->vram == before->vram) return true;
    // Memory comes first, so that as long as the time is not ours this is the driver's own
    // division.
    return want->exec && now->exec != want->exec && now->exec == before->exec &&
           now->preempt == before->preempt;
  }

 private:
  struct Vf {
    PciAddress pf, address;
    int number = 0;
  };

  // Whether `now` is what the driver makes of the wish for `want` bytes.
  static bool IsQuota(const std::optional<int64_t>& now, int64_t want) {
    if (!now || want == 0) return now == want;
    return *now >= want && *now - want < kRounding;
  }
  static bool IsWish(const XeVf& value) {
    return value.vram != XeVf::kMixed && value.exec != XeVf::kMixed &&
           value.preempt != XeVf::kMixed;
  }

  Result<Vf> Find(std::string_view target) const {
    const auto place = FunctionPlace::Parse(target);
    if (!place || !place->vf) return BadTarget(kXeVfSetting, target);
    DRAPCI_TRY(const PciAddress address, place->Find(host_.sysfs));
    return Vf{.pf = place->pf, .address = address, .number = *place->vf};
  }

  Result<XeVf> Read(const Vf& vf) const {
    const auto read = [&](std::string_view file) {
      return ReadNumber(host_.sysfs, XeProfilePath(vf.pf, vf.number, file));
    };
    XeVf now;
    DRAPCI_TRY(now.vram, read(kXeVram));
    DRAPCI_TRY(now.exec, read(kXeExec));
    DRAPCI_TRY(now.preempt, read(kXePreempt));
    return now;
  }

  Result<> Write(const Vf& vf, std::string_view file, const std::optional<int64_t>& now,
                 int64_t want) {
    if (!now) return NoFile(vf.pf, file);
    return WriteNumber(host_.sysfs, XeProfilePath(vf.pf, vf.number, file), want);
  }

  Host& host_;
};

}  // namespace

void AddXeSettings(Host& host, SettingTable& table) {
  table.emplace(kXePoolSetting, std::make_unique<XePoolSetting>(host));
  table.emplace(kXeVfSetting, std::make_unique<XeVfSetting>(host));
}

}  // namespace drapci::hal
