// A machine with one FPGA card of two slots, for tests of hal/fpga and of its family.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "test/sim/fake_host.h"

namespace drapci::test {

inline constexpr std::string_view kCard = "0000:3b:00.0";
inline constexpr std::string_view kInterface = "69528db6eb31577a8c3668f9faa081f6";
inline constexpr std::string_view kAfu = "d8424dc4a4a3c413f89e433683f9040b";  // at power on
inline constexpr std::string_view kOtherAfu = "56e203e9864f49a7b94b12284c31e02b";

class FpgaMachine : public testing::Test {
 protected:
  explicit FpgaMachine(int ports = 2, const std::string& assigned = "") {
    EXPECT_TRUE(machine_.kernel.AddDriver(sim::VfioPci()));
    sim::FunctionSpec card = sim::Plain(kCard, 0x8086, 0xbcce);
    card.driver = "dfl-pci";
    card.sriov = sim::SriovSpec{.total = 2, .vf_device = 0xbccf};
    card.model = {{"ports", std::to_string(ports)},
                  {"compat-id", std::string(kInterface)},
                  {"afu-id", std::string(kAfu)},
                  {"assigned", assigned}};
    EXPECT_TRUE(machine_.kernel.AddFunction(card));
    machine_.kernel.ResetWrites();
  }

  hal::MonotonicTime Deadline() const { return machine_.clock.Now() + std::chrono::seconds(30); }
  void Store(std::string_view path, std::string_view value) {
    ASSERT_EQ(machine_.kernel.Write(path, value), 0) << path;
  }

  sim::FakeHost machine_;
  const hal::PciAddress card_ = hal::PciAddress::Parse(kCard).value();
};

}  // namespace drapci::test
