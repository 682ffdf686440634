// What the tests of hal/pci and hal/accel have in common.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "test/sim/fake_host.h"

namespace drapci::test {

inline hal::PciAddress At(std::string_view text) { return hal::PciAddress::Parse(text).value(); }

inline constexpr std::string_view kNic = "0000:02:00.0";
inline constexpr int kRefusals[] = {EBUSY, EINVAL, EIO, ENODEV, ENOSPC, EACCES};

// A machine with an SR-IOV NIC (igb) at 0000:02:00.0, seven VFs, and vfio-pci loaded.
class NicMachine : public testing::Test {
 protected:
  NicMachine() {
    EXPECT_TRUE(machine_.kernel.AddDriver(sim::VfioPci()));
    EXPECT_TRUE(machine_.kernel.AddFunction(sim::SriovNic(kNic)));
    machine_.kernel.ResetWrites();
  }

  hal::MonotonicTime Deadline() const { return machine_.clock.Now() + std::chrono::seconds(30); }
  sim::FunctionState State(std::string_view address) const {
    return machine_.kernel.State(At(address)).value();
  }
  // Writes straight to the model, past the code under test.
  void Store(std::string_view path, std::string_view value) {
    ASSERT_EQ(machine_.kernel.Write(path, value), 0) << path;
  }
  void MakeVfs(int count) { Store(nic_path_ + "/sriov_numvfs", std::to_string(count)); }
  // "sriov_numvfs=7" for each write so far, last path component only.
  std::vector<std::string> Writes() const {
    std::vector<std::string> writes;
    for (const sim::WriteRecord& record : machine_.kernel.Writes()) {
      writes.push_back(record.path.substr(record.path.rfind('/') + 1) + "=" + record.value);
    }
    return writes;
  }

  sim::FakeHost machine_;
  hal::Host& host_ = machine_.host;
  const hal::PciAddress nic_ = At(kNic);
  const std::string nic_path_ = nic_.SysfsPath();
};

}  // namespace drapci::test
