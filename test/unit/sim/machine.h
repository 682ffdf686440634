// What the tests of the simulated kernel share.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "test/sim/fake_host.h"

namespace drapci::sim {

inline PciAddress At(std::string_view address) { return PciAddress::Parse(address).value(); }

// A root port with a hot-plug slot, an SR-IOV network card below it, and vfio-pci.
struct Machine : testing::Test {
  Machine() {
    FunctionSpec port = Plain("0000:00:02.0", 0x1b36, 0x000c);
    port.class_code = 0x060400;
    port.iommu_group = 2;
    port.buses = {2, 2};
    port.slot = SlotSpec{.name = "1"};
    port.root_bus = 0;
    FunctionSpec nic = SriovNic("0000:02:00.0");
    nic.iommu_group = 10;
    nic.parent = port.address;
    EXPECT_TRUE(kernel.AddDriver(VfioPci()));
    EXPECT_TRUE(kernel.AddFunction(port));
    EXPECT_TRUE(kernel.AddFunction(nic));
  }

  int Write(const std::string& path, std::string_view value) { return kernel.Write(path, value); }
  int SetVfs(std::string_view value) { return Write(kPf + "/sriov_numvfs", value); }
  std::string Read(const std::string& path) {
    return machine.sysfs.Read(path).value_or("<unreadable>");
  }
  int ReadError(const std::string& path) {
    auto text = kernel.Read(path);
    return text ? 0 : text.error();
  }
  std::string Driver(std::string_view address) {
    auto state = kernel.State(At(address));
    return state ? state->driver : "<absent>";
  }
  bool Exists(const std::string& path) { return machine.sysfs.Exists(path); }
  // Events since the last call.
  std::vector<std::string> NewEvents() {
    auto all = machine.events.Seen();
    std::vector<std::string> fresh(all.begin() + static_cast<long>(seen), all.end());
    seen = all.size();
    return fresh;
  }

  const std::string kPf = "/sys/bus/pci/devices/0000:02:00.0";
  const std::string kVf = "/sys/bus/pci/devices/0000:02:10.0";
  const std::string kDrivers = "/sys/bus/pci/drivers";
  FakeHost machine;
  Kernel& kernel = machine.kernel;
  size_t seen = 0;
};

}  // namespace drapci::sim
