// The kernel's QAT drivers: qat_4xxx and its relatives (drivers/crypto/intel/qat, as of Linux
// 6.12).
//
// `model` of a board: services (as found: "sym;asym"), ring-pairs (64), sysfs (1; 0: kernels before
// 6.0, or older hardware, without the directory qat/), in-use (0; 1: the kernel's crypto uses it).
//
// Not modelled: rate limiting, telemetry, rings and their services, the RAS counters.
#pragma once

#include <memory>
#include <string>

#include "test/sim/drivers/driver_model.h"

namespace drapci::sim {

class QatModel : public DriverModel {
 public:
  using DriverModel::DriverModel;

  void Bound() override;
  void Unbound() override;
  int ConfigureVfs(unsigned& count) override;
  int ReleaseVfs() override;

 private:
  int StoreState(std::string_view value);
  int StoreServices(std::string_view value);
  bool in_use() const { return GivenNumber("in-use", 0) != 0; }

  bool up_ = true;
  std::string services_;
};

std::unique_ptr<DriverModel> MakeQatModel(Kernel::Impl& kernel, const PciAddress& address);

}  // namespace drapci::sim
