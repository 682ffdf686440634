// The settings of Intel GPUs with SR-IOV (drivers/gpu/drm/xe/xe_sriov_pf_sysfs.c; Documentation/
// ABI/testing/sysfs-driver-intel-xe-sriov).
//
//   xe.pool  target: PF; value: "none", or "vf0=1073741824 vf1=0": the memory quotas, in bytes, of
//            the VFs that have no driver; who is not named has 0
//   xe.vf    target: VF by placement ("0000:3a:00.0/vf3"); value, or a part of it:
//            "vram=10737418240 exec=20 preempt=40000": memory in bytes, time slice in ms, what a
//            VF may take to let go at its end in us; 0 is no limit. What is not named is left.
//
// When VFs are made the driver divides the memory among them by itself, as long as nobody has set a
// quota: then there is nothing left for a larger one. So xe.pool takes back what VFs without a user
// have got, once for all claims, and each claim's xe.vf takes its quota from there, before a driver
// comes to its VF and reads how much it has. When a VF goes its quota goes to the pool, whatever it
// was before; the last claim puts the pool back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/setting.h"
#include "hal/pci/address.h"

namespace drapci::hal {

inline constexpr std::string_view kXePoolSetting = "xe.pool";
inline constexpr std::string_view kXeVfSetting = "xe.vf";
inline constexpr std::string_view kXeEmptyPool = "none";

// A value of xe.vf.
struct XeVf {
  static constexpr int64_t kMixed = -1;  // not the same on all engines: found, never asked for

  std::optional<int64_t> vram, exec, preempt;

  // "vram=0 exec=mixed preempt=0"; each value has one spelling.
  std::string ToString() const;
  static std::optional<XeVf> Parse(std::string_view text);
  bool operator==(const XeVf&) const = default;
};

// A value of xe.pool.
std::string FormatXePool(const std::map<int, int64_t>& quotas);
std::optional<std::map<int, int64_t>> ParseXePool(std::string_view text);

// "/sys/bus/pci/devices/0000:3a:00.0/sriov_admin/vf4/profile/vram_quota" for VF 3: the driver
// counts from 1.
std::string XeProfilePath(const PciAddress& pf, int vf, std::string_view file);

inline constexpr std::string_view kXeVram = "vram_quota", kXeExec = "exec_quantum_ms",
                                  kXePreempt = "preempt_timeout_us";

// Adds both settings to `table`. `host` must outlive it.
void AddXeSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
