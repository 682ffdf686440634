#include "test/sim/drivers/driver_model.h"

#include <algorithm>
#include <iterator>

#include "hal/base/parse.h"
#include "test/sim/drivers/amdgpu.h"
#include "test/sim/drivers/dfl.h"
#include "test/sim/drivers/drm.h"
#include "test/sim/drivers/idxd.h"
#include "test/sim/drivers/mlx5.h"
#include "test/sim/drivers/qat.h"
#include "test/sim/drivers/xe.h"

namespace drapci::sim {
namespace {

struct Row {
  std::string_view driver;
  std::unique_ptr<DriverModel> (*make)(Kernel::Impl& kernel, const PciAddress& address);
};

constexpr Row kModels[] = {
    {"amdgpu", MakeAmdgpuModel},  {"dfl-pci", MakeDflModel},   {"idxd", MakeIdxdModel},
    {"mlx5_core", MakeMlx5Model}, {"4xxx", MakeQatModel},      {"xe", MakeXeModel},
    {"habanalabs", MakeDrmModel}, {"intel_vpu", MakeDrmModel}, {"qaic", MakeDrmModel},
    {"simgpu", MakeDrmModel},
};

}  // namespace

std::string DriverModel::Given(const std::string& key, std::string otherwise) const {
  const auto& given = function().spec.model;
  const auto found = given.find(key);
  return found != given.end() ? found->second : std::move(otherwise);
}

uint64_t DriverModel::GivenNumber(const std::string& key, uint64_t otherwise) const {
  return ParseInt<uint64_t>(Given(key, "")).value_or(otherwise);
}

std::unique_ptr<DriverModel> MakeDriverModel(std::string_view driver, Kernel::Impl& kernel,
                                             const PciAddress& address) {
  const auto row = std::ranges::find(kModels, driver, &Row::driver);
  return row != std::end(kModels) ? row->make(kernel, address) : nullptr;
}

}  // namespace drapci::sim
