// Every rule of the model of dfl-pci, broken on purpose.
#include "test/sim/drivers/dfl.h"

#include <gmock/gmock.h>

#include <cstring>
#include <thread>

#include "test/unit/fpga/card.h"

namespace drapci::sim {
namespace {

using test::kAfu, test::kInterface, test::kOtherAfu;

struct PortPr {
  uint32_t argsz = sizeof(PortPr), flags = 0, port_id = 0, buffer_size = 0;
  uint64_t buffer_address = 0;
};

// This process's memory, of which an address below a page is none.
class Memory : public CallerMemory {
 public:
  bool Read(uint64_t address, std::span<std::byte> into) override {
    if (address < 4096) return false;
    std::memcpy(into.data(), reinterpret_cast<const void*>(address), into.size());
    return true;
  }
  bool Write(uint64_t address, std::span<const std::byte> from) override {
    if (address < 4096) return false;
    std::memcpy(reinterpret_cast<void*>(address), from.data(), from.size());
    return true;
  }
};

class DflModelRules : public test::FpgaMachine {
 protected:
  template <class T>
  int Call(const char* node, unsigned long request, T* argument) {
    return kernel_.Ioctl(node, request, reinterpret_cast<uint64_t>(argument), memory_);
  }
  int Port(unsigned long request, int id) { return Call("/dev/dfl-fme.0", request, &id); }
  int Release(int id) { return Port(0x4004b681, id); }
  int Assign(int id) { return Port(0x4004b682, id); }
  int Program(const std::string& bits, PortPr request = {}) {
    request.buffer_size = static_cast<uint32_t>(bits.size());
    request.buffer_address = reinterpret_cast<uint64_t>(bits.data());
    return Call("/dev/dfl-fme.0", 0xb680, &request);
  }
  std::string Read(const std::string& path) {
    const auto text = kernel_.Read("/sys/bus/pci/devices/0000:3b:00.0/fpga_region/region0/" + path);
    return text ? *text : ErrnoName(text.error());
  }
  void Rebind() {
    Store("/sys/bus/pci/drivers/dfl-pci/unbind", test::kCard);
    Store("/sys/bus/pci/drivers/dfl-pci/bind", test::kCard);
  }

  const std::string good_ = DflBitstream(kInterface, kOtherAfu);
  const std::string fme_ = "dfl-fme.0/";
  const std::string manager_ = "dfl-fme.0/dfl-fme-mgr.0/fpga_manager/fpga0/";
  Kernel& kernel_ = machine_.kernel;
  Memory memory_;
};

TEST_F(DflModelRules, TheTreeIsTheKernels) {
  EXPECT_EQ(Read(fme_ + "ports_num"), "2\n");
  EXPECT_EQ(Read(fme_ + "dfl-fme-region.1/fpga_region/region2/compat_id"),
            std::string(kInterface) + "\n");
  EXPECT_EQ(Read(fme_ + "dfl-fme-bridge.1.auto/fpga_bridge/br1/state"), "enabled\n");
  EXPECT_EQ(Read("dfl-port.1/id"), "1\n");
  EXPECT_EQ(Read("dfl-port.1/dev"), "2061:1\n");
  EXPECT_EQ(kernel_.Resolve("/sys/bus/platform/devices/dfl-port.1").value_or(""),
            kernel_.Resolve("/sys/class/fpga_region/region0/dfl-port.1").value_or("?"));
  EXPECT_EQ(Read("dfl-port.1/uevent"), "MAJOR=2061\nMINOR=1\nDEVNAME=dfl-port.1\n");
}

TEST_F(DflModelRules, WhatNoFeatureKnowsIsInvalid) {
  int number = 0;
  EXPECT_EQ(Call("/dev/dfl-fme.0", 0xb600, &number), 0);
  EXPECT_EQ(Call("/dev/dfl-fme.0", 0xb640, &number), -EINVAL);
  EXPECT_EQ(Call("/dev/dfl-port.0", 0xb680, &number), -EINVAL);
  EXPECT_EQ(Call("/dev/dfl-port.0", 0xb640, &number), -EINVAL);  // an argument
  EXPECT_EQ(Call<int>("/dev/dfl-port.0", 0xb640, nullptr), 0);
  EXPECT_EQ(Call("/dev/dfl-port.7", 0xb640, &number), -ENOTTY);
}

TEST_F(DflModelRules, APortTellsItsRegions) {
  struct {
    uint32_t argsz = 16, flags = 9, regions = 0, umsgs = 9;
  } info;
  EXPECT_EQ(Call("/dev/dfl-port.0", 0xb641, &info), 0);
  EXPECT_EQ(info.regions, 1u);
  info.argsz = 8;
  EXPECT_EQ(Call("/dev/dfl-port.0", 0xb641, &info), -EINVAL);
  EXPECT_EQ(Call<int>("/dev/dfl-port.0", 0xb641, nullptr), -EFAULT);
}

TEST_F(DflModelRules, ARequestToProgramIsCheckedFirst) {
  EXPECT_EQ(Program(good_, {.argsz = 16}), -EINVAL);
  EXPECT_EQ(Program(good_, {.flags = 1}), -EINVAL);
  EXPECT_EQ(Program(good_, {.port_id = 2}), -EINVAL);
  EXPECT_EQ(Program(""), -ENOMEM);
  PortPr request{.buffer_size = 8, .buffer_address = 1};
  EXPECT_EQ(Call("/dev/dfl-fme.0", 0xb680, &request), -EFAULT);
  EXPECT_EQ(Call<PortPr>("/dev/dfl-fme.0", 0xb680, nullptr), -EFAULT);
  EXPECT_EQ(Read("dfl-port.0/afu_id"), std::string(kAfu) + "\n");
}

TEST_F(DflModelRules, ProgrammingTakesTimeAndChangesTheAfu) {
  const auto before = machine_.clock.Now();
  ASSERT_EQ(Program(good_, {.port_id = 1}), 0);
  EXPECT_GE(machine_.clock.Now() - before, std::chrono::seconds(1));
  EXPECT_EQ(Read("dfl-port.1/afu_id"), std::string(kOtherAfu) + "\n");
  EXPECT_EQ(Read("dfl-port.0/afu_id"), std::string(kAfu) + "\n");
  EXPECT_EQ(Read(manager_ + "state"), "operating\n");
  Rebind();
  EXPECT_EQ(Read("dfl-port.1/afu_id"), std::string(kOtherAfu) + "\n");
}

TEST_F(DflModelRules, WhoProgramsSecondWaitsForTheFirst) {
  const auto before = machine_.clock.Now();
  int other = -1;
  std::thread second([&] { other = Program(good_, {.port_id = 0}); });
  EXPECT_EQ(Program(good_, {.port_id = 1}), 0);
  second.join();
  EXPECT_EQ(other, 0);
  EXPECT_GE(machine_.clock.Now() - before, std::chrono::seconds(3));
  EXPECT_EQ(Read("dfl-port.0/afu_id"), std::string(kOtherAfu) + "\n");
  EXPECT_EQ(Read("dfl-port.1/afu_id"), std::string(kOtherAfu) + "\n");
}

TEST_F(DflModelRules, TheWrongInterfaceIsAnErrorOfTheManager) {
  EXPECT_EQ(Program(DflBitstream(kOtherAfu, kOtherAfu)), -EIO);
  EXPECT_EQ(Read(manager_ + "status"), "reconfig incompatible image\n");
  EXPECT_EQ(Read(manager_ + "state"), "write complete error\n");
  EXPECT_EQ(Program("noise"), -EIO);
  EXPECT_EQ(Read(manager_ + "status"), "reconfig CRC error\n");
  machine_.kernel.faults().FailWrite("/dev/dfl-fme.0", ETIMEDOUT);
  EXPECT_EQ(Program(good_), -ETIMEDOUT);
  EXPECT_EQ(Read(manager_ + "state"), "write complete error\n");
}

TEST_F(DflModelRules, AfterAFailureThePortStaysInResetUntilTheDriverLetsGo) {
  ASSERT_EQ(Program("noise"), -EIO);
  EXPECT_EQ(Read("dfl-port.0/afu_id"), "EBUSY");
  // The driver cannot tell.
  EXPECT_EQ(Read(fme_ + "dfl-fme-bridge.0.auto/fpga_bridge/br0/state"), "enabled\n");
  ASSERT_EQ(Call<int>("/dev/dfl-port.0", 0xb640, nullptr), 0);
  EXPECT_EQ(Read("dfl-port.0/afu_id"), "EBUSY");
  ASSERT_EQ(Program(good_), 0);
  EXPECT_EQ(Read("dfl-port.0/afu_id"), "EBUSY");
  Rebind();
  EXPECT_EQ(Read("dfl-port.0/afu_id"), std::string(kOtherAfu) + "\n");
}

TEST_F(DflModelRules, OnlyReleasedPortsGoToVirtualFunctions) {
  const std::string numvfs = card_.SysfsPath() + "/sriov_numvfs";
  EXPECT_EQ(kernel_.Write(numvfs, "1"), EINVAL);
  EXPECT_EQ(Release(4), -EINVAL);
  EXPECT_EQ(Assign(4), -EINVAL);
  EXPECT_EQ(Assign(1), -EBUSY);
  ASSERT_EQ(kernel_.OpenNode("/dev/dfl-port.1", false), 0);
  EXPECT_EQ(Release(1), -EBUSY);
  kernel_.CloseNode("/dev/dfl-port.1");
  ASSERT_EQ(Release(1), 0);
  EXPECT_EQ(Release(1), -EBUSY);
  EXPECT_EQ(Read("dfl-port.1/id"), "ENOENT");
  EXPECT_EQ(kernel_.Write(numvfs, "2"), EINVAL);
  EXPECT_EQ(kernel_.Write(numvfs, "1"), 0);
  EXPECT_EQ(kernel_.Write(numvfs, "0"), 0);
  ASSERT_EQ(Assign(1), 0);
  EXPECT_EQ(Read("dfl-port.1/id"), "1\n");
}

TEST_F(DflModelRules, WhoOpensAloneIsAlone) {
  const char* port = "/dev/dfl-port.0";
  ASSERT_EQ(kernel_.OpenNode(port, true), 0);
  EXPECT_EQ(kernel_.OpenNode(port, false), -EBUSY);
  kernel_.CloseNode(port);
  ASSERT_EQ(kernel_.OpenNode(port, false), 0);
  ASSERT_EQ(kernel_.OpenNode(port, false), 0);
  EXPECT_EQ(kernel_.OpenNode(port, true), -EBUSY);
}

TEST_F(DflModelRules, EverythingGoesWithTheDriverAndTheNumbersAreTheLowestFree) {
  sim::FunctionSpec second = sim::Plain("0000:86:00.0", 0x8086, 0xbcce);
  second.model = {{"ports", "1"}};
  ASSERT_TRUE(kernel_.AddFunction(second));
  EXPECT_TRUE(machine_.sysfs.Exists("/sys/bus/platform/devices/dfl-port.2"));
  Store("/sys/bus/pci/drivers/dfl-pci/unbind", test::kCard);
  EXPECT_FALSE(machine_.sysfs.Exists("/sys/bus/platform/devices/dfl-port.0"));
  EXPECT_FALSE(machine_.sysfs.Exists("/sys/bus/pci/devices/0000:3b:00.0/fpga_region"));
  EXPECT_EQ(kernel_.Nodes().size(), 3u);  // vfio, and the other card's two
}

}  // namespace
}  // namespace drapci::sim
