#include "test/sim/drivers/qat.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "hal/base/parse.h"

namespace drapci::sim {
namespace {

// qat_common/adf_cfg_services.c adf_cfg_services
constexpr std::string_view kServices[] = {"sym;asym", "asym;sym", "dc",      "dcc",    "sym",
                                          "asym",     "dc;asym",  "asym;dc", "dc;sym", "sym;dc"};

}  // namespace

// qat_common/adf_sysfs.c qat_group
void QatModel::Bound() {
  // The driver starts the device; services are chosen anew (adf_gen4_config.c).
  up_ = true;
  services_ = Given("services", "sym;asym");
  if (GivenNumber("sysfs", 1) == 0) return;
  const std::string dir = function().dir + "/qat";
  const auto writable = [&](const char* name, auto show, int (QatModel::*store)(std::string_view)) {
    tree().MakeFile(
        dir + "/" + name, 0644, [show] { return fmt::format("{}\n", show()); },
        [this, store](std::string_view value, size_t) { return (this->*store)(value); });
  };
  writable("state", [this] { return up_ ? "up" : "down"; }, &QatModel::StoreState);
  writable("cfg_services", [this] { return services_; }, &QatModel::StoreServices);
  tree().MakeText(dir + "/num_rps", fmt::format("{}\n", GivenNumber("ring-pairs", 64)));
  kernel().MakeFlag(dir + "/pm_idle_enabled", true);
  // qat_common/adf_sysfs_ras_counters.c qat_ras_group: counted since the driver was bound
  const std::string counters = function().dir + "/qat_ras";
  for (const char* name : {"correctable", "nonfatal", "fatal"}) {
    tree().MakeText(fmt::format("{}/errors_{}", counters, name), "0\n");
  }
  tree().MakeFile(counters + "/reset_error_counters", 0200, {},
                  [this, counters](std::string_view value, size_t) {
                    if (Line(value) != "1") return EINVAL;
                    for (const char* name : {"correctable", "nonfatal", "fatal"}) {
                      tree().MakeText(fmt::format("{}/errors_{}", counters, name), "0\n");
                    }
                    return 0;
                  });
}

void QatModel::Unbound() {
  tree().Remove(function().dir + "/qat");
  tree().Remove(function().dir + "/qat_ras");
}

// state_store: in use comes first, whatever is written
int QatModel::StoreState(std::string_view value) {
  if (in_use()) return EBUSY;
  if (Line(value) != "up" && Line(value) != "down") return EINVAL;
  up_ = Line(value) == "up";
  return 0;
}

// cfg_services_store
int QatModel::StoreServices(std::string_view value) {
  if (std::ranges::find(kServices, Line(value)) == std::end(kServices)) return EINVAL;
  if (up_) return EINVAL;
  services_ = Line(value);
  return 0;
}

// adf_sriov.c adf_do_enable_sriov: all VFs, whatever was asked for; the device is started anew
int QatModel::ConfigureVfs(unsigned& count) {
  if (!function().group) return EINVAL;  // "IOMMU should be enabled for SR-IOV to work correctly"
  if (up_ && in_use()) return EBUSY;
  count = function().spec.sriov->total;
  up_ = true;
  return 0;
}

// adf_do_disable_sriov
int QatModel::ReleaseVfs() {
  if (in_use()) return EBUSY;
  up_ = true;
  return 0;
}

std::unique_ptr<DriverModel> MakeQatModel(Kernel::Impl& kernel, const PciAddress& address) {
  return std::make_unique<QatModel>(kernel, address);
}

}  // namespace drapci::sim
