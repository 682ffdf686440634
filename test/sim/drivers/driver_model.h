// What one kernel driver adds to the functions that it drives: attributes with their rules,
// devices, ioctls. A model is written from the driver's own source, with the place of each rule
// cited.
//
// A driver with a model is one pair of files in this folder and one row in driver_model.cc. What a
// card is (memory, engines, slots) comes from the board: FunctionSpec::model; a function without
// has no model, and VFs have none.
//
// Every method runs with the kernel model's mutex held (see kernel_impl.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {

class DriverModel {
 public:
  DriverModel(Kernel::Impl& kernel, const PciAddress& address)
      : kernel_(kernel), address_(address) {}
  virtual ~DriverModel() = default;

  // The driver has probed the function: its attributes appear. The devices of the board are there;
  // what is made with kernel().MakeChild and added to function().live_children goes with them.
  virtual void Bound() = 0;
  // It lets go: everything that Bound() has made goes away. The VFs have gone already.
  virtual void Unbound() = 0;

  // What sriov_configure makes of a number of VFs (not 0): another number, or an errno.
  virtual int ConfigureVfs(unsigned& count) {
    static_cast<void>(count);
    return 0;
  }
  // And of taking them away, before they go: 0 or an errno, which keeps them.
  virtual int ReleaseVfs() { return 0; }
  virtual void VfsMade() {}
  virtual void VfsGone() {}
  // The card as devlink has it; null: the driver has not registered it.
  virtual DevlinkCard* Devlink() { return nullptr; }

  // What `driver` says when it probes one of the function's VFs: 0 or an errno.
  virtual int ProbeVf(unsigned index, std::string_view driver) {
    static_cast<void>(index), static_cast<void>(driver);
    return 0;
  }

  // Whether open and ioctl on the function's nodes mean anything: drapci-sim serves them then.
  virtual bool ServesNodes() const { return false; }
  // open on one of the function's nodes, by one who shares it with nobody (O_EXCL) or not: 0 or
  // -errno. Closed: one of those who had it open no longer has.
  virtual int Open(std::string_view node, bool alone) {
    static_cast<void>(node), static_cast<void>(alone);
    return 0;
  }
  virtual void Closed(std::string_view node) { static_cast<void>(node); }

  // ioctl on one of the function's nodes ("/dev/dfl-fme.0"): the answer, or -errno.
  virtual int Ioctl(std::string_view node, unsigned long request, uint64_t argument,
                    CallerMemory& memory) {
    static_cast<void>(node), static_cast<void>(request);
    static_cast<void>(argument), static_cast<void>(memory);
    return -25;  // ENOTTY
  }

 protected:
  Function& function() const { return *kernel_.Get(address_); }
  const PciAddress& address() const { return address_; }
  Kernel::Impl& kernel() const { return kernel_; }
  Tree& tree() const { return kernel_.tree; }
  // A value that the board gives under `model`, or `otherwise`.
  std::string Given(const std::string& key, std::string otherwise) const;
  uint64_t GivenNumber(const std::string& key, uint64_t otherwise) const;
  // What the hardware itself remembers, also while no driver is bound.
  std::map<std::string, std::string>& registers() const { return function().registers; }

 private:
  Kernel::Impl& kernel_;
  const PciAddress address_;
};

// The model of `driver`; null when it has none.
std::unique_ptr<DriverModel> MakeDriverModel(std::string_view driver, Kernel::Impl& kernel,
                                             const PciAddress& address);

}  // namespace drapci::sim
