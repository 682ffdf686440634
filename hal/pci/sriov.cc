#include "hal/pci/sriov.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

std::string File(const PciAddress& pf, std::string_view name) {
  return fmt::format("{}/{}", pf.SysfsPath(), name);
}

Error Gone(const PciAddress& pf) {
  return {Code::kGone, ENODEV, fmt::format("PCI function {} is not there", pf.ToString())};
}

// ENOENT is also the answer of a driver without SR-IOV support: gone only when it is gone.
std::unexpected<Error> Explain(const Sysfs& sysfs, const PciAddress& pf, Error error) {
  if (!sysfs.Exists(pf.SysfsPath())) {
    return Fail({Code::kGone, error.sys,
                 fmt::format("{}; PCI function {} is gone", error.what, pf.ToString())});
  }
  if (error.sys == ENOENT) {
    return Fail({Code::kUnsupported, error.sys,
                 error.what + "; the driver of the PF does not support SR-IOV"});
  }
  if (error.code == Code::kGone) error.code = Code::kIo;
  return Fail(std::move(error));
}

Result<int> ReadCount(const Sysfs& sysfs, const PciAddress& pf, std::string_view name) {
  Result<std::string> text = sysfs.Read(File(pf, name));
  if (!text) {
    if (!sysfs.Exists(pf.SysfsPath())) return Fail(Gone(pf));
    if (text.error().sys != ENOENT) return Fail(std::move(text).error());
    return Fail(Code::kUnsupported,
                fmt::format("{} has no SR-IOV ({} is not there)", pf.ToString(), File(pf, name)));
  }
  const auto count = ParseInt<int>(Trim(*text));
  if (!count || *count < 0) {
    return Fail(Code::kIo, fmt::format("{} reads '{}'", File(pf, name), *text));
  }
  return *count;
}

// Kernels before 4.12 have no switch and always probe.
Result<bool> ReadAutoprobe(const Sysfs& sysfs, const PciAddress& pf) {
  Result<std::string> text = sysfs.Read(File(pf, "sriov_drivers_autoprobe"));
  if (text) return Trim(*text) != "0";
  if (text.error().sys == ENOENT && sysfs.Exists(pf.SysfsPath())) return true;
  return Explain(sysfs, pf, std::move(text).error());
}

Result<> WriteAutoprobe(Host& host, const PciAddress& pf, bool on) {
  Result<> written = host.sysfs.Write(File(pf, "sriov_drivers_autoprobe"), on ? "1" : "0");
  if (!written) return Explain(host.sysfs, pf, std::move(written).error());
  return {};
}

Result<> WriteCount(Host& host, const PciAddress& pf, int count) {
  Result<> written = host.sysfs.Write(File(pf, "sriov_numvfs"), std::to_string(count));
  if (!written) return Explain(host.sysfs, pf, std::move(written).error());
  return {};
}

// VF `index` is there, with the links that the kernel makes last.
bool Settled(const Sysfs& sysfs, const PciAddress& pf, int index) {
  const Result<PciAddress> vf = VfAddress(sysfs, pf, index);
  if (!vf) return false;
  const Result<std::string> back = LinkName(sysfs, vf->SysfsPath() + "/physfn");
  return back && *back == pf.ToString();
}

int CountSettled(const Sysfs& sysfs, const PciAddress& pf, int most) {
  int count = 0;
  while (count < most && Settled(sysfs, pf, count)) ++count;
  return count;
}

// A driver may enable fewer VFs than asked for and report success; the rest never comes.
Result<> RefuseFewer(Host& host, const PciAddress& pf, int got, int count) {
  Error error{Code::kExhausted, 0,
              fmt::format("{} enabled {} of the {} VFs asked for; see the kernel log",
                          pf.ToString(), got, count)};
  if (Result<> undone = WriteCount(host, pf, 0); !undone) error.what += "; " + undone.error().what;
  return Fail(std::move(error));
}

// Enables `count` VFs on a PF that has none, and waits for them: the count, the links, the links
// back.
Result<> Enable(Host& host, const PciAddress& pf, int count, MonotonicTime deadline) {
  DRAPCI_CHECK(WriteCount(host, pf, count));
  Result<int> got = 0;  // stays 0 while a driver is still at it
  const bool settled = host.events.WaitUntil(
      [&] {
        got = ReadCount(host.sysfs, pf, "sriov_numvfs");
        if (!got || (*got != 0 && *got != count)) return true;
        return *got == count && CountSettled(host.sysfs, pf, count) == count;
      },
      deadline);
  if (!got) return Fail(std::move(got).error());
  if (*got != 0 && *got != count) return RefuseFewer(host, pf, *got, count);
  if (settled) return {};
  return Fail(Code::kTimeout,
              fmt::format("only {} of the {} VFs of {} appeared in time",
                          CountSettled(host.sysfs, pf, count), count, pf.ToString()));
}

// What the kernel would refuse is refused before the VFs that exist are given up for it.
Result<> CheckWish(const Sysfs& sysfs, const PciAddress& pf, int vfs) {
  DRAPCI_TRY(const int total, ReadCount(sysfs, pf, "sriov_totalvfs"));
  if (vfs < 0 || vfs > total) {
    return Fail({Code::kExhausted, ERANGE,
                 fmt::format("{} VFs wanted of {}, which has at most {}: ERANGE ({})", vfs,
                             pf.ToString(), total, File(pf, "sriov_totalvfs"))});
  }
  DRAPCI_TRY(const std::string driver, LinkName(sysfs, File(pf, "driver")));
  if (driver.empty()) {
    if (!sysfs.Exists(pf.SysfsPath())) return Fail(Gone(pf));
    return Fail(
        {Code::kUnsupported, ENOENT,
         fmt::format("change the VFs of {}: no driver is bound to it; bind its kernel driver",
                     pf.ToString())});
  }
  return {};
}

Result<> ChangeCount(Host& host, const PciAddress& pf, const SriovState& now, int vfs,
                     MonotonicTime deadline) {
  DRAPCI_CHECK(CheckWish(host.sysfs, pf, vfs));
  if (now.vfs != 0) DRAPCI_CHECK(WriteCount(host, pf, 0));
  if (vfs == 0) return {};
  if (now.autoprobe) DRAPCI_CHECK(WriteAutoprobe(host, pf, false));
  return Enable(host, pf, vfs, deadline);
}

}  // namespace

Result<SriovState> ReadSriov(const Sysfs& sysfs, const PciAddress& pf) {
  SriovState state;
  DRAPCI_TRY(state.vfs, ReadCount(sysfs, pf, "sriov_numvfs"));
  DRAPCI_TRY(state.autoprobe, ReadAutoprobe(sysfs, pf));
  return state;
}

Result<> ApplySriov(Host& host, const PciAddress& pf, const SriovState& want,
                    MonotonicTime deadline) {
  DRAPCI_TRY(const SriovState now, ReadSriov(host.sysfs, pf));
  Result<> changed;
  if (now.vfs != want.vfs) changed = ChangeCount(host, pf, now, want.vfs, deadline);
  // Set last, and also after a failure: then back to what it was.
  const bool autoprobe = changed ? want.autoprobe : now.autoprobe;
  Result<> switched;
  const Result<bool> current = ReadAutoprobe(host.sysfs, pf);
  if (!current) {
    switched = Fail(current.error());
  } else if (*current != autoprobe) {
    switched = WriteAutoprobe(host, pf, autoprobe);
  }
  if (changed) return switched;
  if (!switched && switched.error().code != Code::kGone) {
    changed.error().what += "; " + switched.error().what;
  }
  return changed;
}

Result<PciAddress> VfAddress(const Sysfs& sysfs, const PciAddress& pf, int index) {
  const std::string link = File(pf, fmt::format("virtfn{}", index));
  DRAPCI_TRY(const std::string name, LinkName(sysfs, link));
  if (name.empty()) {
    return Fail(
        {Code::kGone, ENOENT, fmt::format("VF {} of {} does not exist", index, pf.ToString())});
  }
  const auto address = PciAddress::Parse(name);
  if (!address) return Fail(Code::kIo, fmt::format("{} points to '{}'", link, name));
  return *address;
}

Result<int> CountVfs(const Sysfs& sysfs, const PciAddress& pf) {
  Result<std::vector<std::string>> names = sysfs.List(pf.SysfsPath());
  if (!names) return Fail(std::move(names).error());
  return static_cast<int>(std::ranges::count_if(
      *names, [](const std::string& name) { return name.starts_with("virtfn"); }));
}

Result<std::vector<PciAddress>> ListVfs(const Sysfs& sysfs, const PciAddress& pf) {
  std::vector<PciAddress> vfs;
  for (;;) {
    Result<PciAddress> vf = VfAddress(sysfs, pf, static_cast<int>(vfs.size()));
    if (vf) {
      vfs.push_back(*vf);
      continue;
    }
    if (vf.error().code != Code::kGone) return Fail(std::move(vf).error());
    if (!sysfs.Exists(pf.SysfsPath())) return Fail(Gone(pf));
    return vfs;
  }
}

}  // namespace drapci::hal
