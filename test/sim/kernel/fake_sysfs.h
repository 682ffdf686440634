// hal::Sysfs over the simulated kernel: what KernelSysfs is over the real one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hal/os/sysfs.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// Errors carry the errno that the same system call would give, "write PATH VALUE: ..." as text.
class FakeSysfs : public hal::Sysfs {
 public:
  explicit FakeSysfs(Kernel& kernel) : kernel_(kernel) {}
  Result<std::string> Read(std::string_view path) const override;
  Result<> Write(std::string_view path, std::string_view value) override;
  Result<std::vector<std::string>> List(std::string_view path) const override;
  Result<std::string> ReadLink(std::string_view path) const override;
  Result<std::string> Resolve(std::string_view path) const override;
  bool Exists(std::string_view path) const override;

 private:
  Kernel& kernel_;
};

}  // namespace drapci::sim
