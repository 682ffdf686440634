// The rules of DRM's core and of habanalabs, broken on purpose.
#include "test/sim/drivers/drm.h"

#include <gmock/gmock.h>

#include <cstring>

#include "test/unit/sim/board_machine.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

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

struct DrmModelRules : BoardMachine {
  DrmModelRules() : BoardMachine("accel") {}
  int Ask(const char* node, void* argument, unsigned long request = kDrmVersion) {
    return machine->kernel.Ioctl(node, request, reinterpret_cast<uint64_t>(argument), memory);
  }
  std::string Resets() {
    return machine->sysfs.Read("/sys/bus/pci/devices/0000:17:00.0/hard_reset_cnt").value_or("none");
  }
  Memory memory;
};

constexpr char kGpu[] = "/dev/dri/renderD128", kGaudi[] = "/dev/accel/accel1";

TEST_F(DrmModelRules, AVersionIsCutToTheRoomForItAndItsLengthIsTold) {
  char name[8] = "???????";
  DrmVersionRequest version{.name_len = 3, .name = reinterpret_cast<uint64_t>(&name[0])};
  EXPECT_EQ(Ask(kGpu, &version), 0);
  EXPECT_STREQ(&name[0], "sim????");
  EXPECT_EQ(version.name_len, 6u);
  EXPECT_EQ(version.major, 2);
  EXPECT_EQ(version.minor, 3);
  EXPECT_EQ(version.patch, 1);
}

TEST_F(DrmModelRules, WhatTheCallerCannotReadIsAFault) {
  EXPECT_EQ(Ask(kGpu, nullptr), -EFAULT);
  DrmVersionRequest version{.name_len = 9, .name = 1};
  EXPECT_EQ(Ask(kGpu, &version), -EFAULT);
}

TEST_F(DrmModelRules, WhatNobodyKnowsIsInvalid) {
  DrmVersionRequest version;
  EXPECT_EQ(Ask(kGpu, &version, 0xc04064ff), -EINVAL);
  EXPECT_EQ(Ask("/dev/accel/accel_controlD1", &version), -ENOTTY);
  EXPECT_EQ(Ask("/dev/fb0", &version), -ENOTTY);
}

TEST_F(DrmModelRules, AGaudiHasOneUserAndIsResetAfterIt) {
  EXPECT_EQ(machine->kernel.OpenNode(kGaudi, false), 0);
  EXPECT_EQ(machine->kernel.OpenNode(kGaudi, false), -EBUSY);
  EXPECT_EQ(machine->kernel.OpenNode("/dev/accel/accel_controlD1", false), 0);
  EXPECT_EQ(Resets(), "0");
  machine->kernel.CloseNode("/dev/accel/accel_controlD1");
  machine->kernel.CloseNode(kGaudi);
  EXPECT_EQ(Resets(), "1");
  EXPECT_EQ(machine->kernel.OpenNode(kGaudi, false), 0);
  EXPECT_EQ(machine->kernel.OpenNode("/dev/accel/accel2", false), 0);
  EXPECT_EQ(machine->kernel.OpenNode("/dev/accel/accel2", false), 0) << "others have many";
}

}  // namespace
}  // namespace drapci::sim
