#include "hal/pci/config_space.h"

#include <gtest/gtest.h>

#include <array>

namespace drapci::hal {
namespace {

class Config {
 public:
  explicit Config(size_t size = 4096) : size_(size) {
    Set(0x00, {0x86, 0x80, 0xc9, 0x10});  // 8086:10c9
    Set(0x06, {0x10, 0x00});              // status: capability list
  }
  Config& Set(size_t at, std::initializer_list<int> values) {
    for (int value : values) bytes_.at(at++) = static_cast<std::byte>(value);
    return *this;
  }
  ConfigSpace Space() const { return Space(size_); }
  ConfigSpace Space(size_t size) const { return ConfigSpace(std::span(bytes_).first(size)); }

 private:
  std::array<std::byte, 4096> bytes_ = {};
  size_t size_;
};

// As an 82576 has it: power management at 0x40, PCI Express at 0xa0, then AER, serial number,
// SR-IOV.
Config Nic() {
  Config config;
  config.Set(0x34, {0x40}).Set(0x40, {0x01, 0xa0});
  config.Set(0xa0, {0x10, 0x00, 0x02, 0x00, 0xc2, 0x8c, 0x00, 0x10});  // endpoint, v2, FLR
  config.Set(0xac, {0x43, 0xf4, 0x03, 0x00});                          // 8 GT/s, x4
  config.Set(0xb2, {0x21, 0x10});                                      // 2.5 GT/s, x2
  config.Set(0x100, {0x01, 0x00, 0x01, 0x14});
  config.Set(0x140, {0x03, 0x00, 0x01, 0x16, 0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55});
  config.Set(0x160, {0x10, 0x00, 0x01, 0x00});
  config.Set(0x16c, {0x08, 0x00, 0x07, 0x00, 0x03, 0x00, 0x00, 0x00, 0x80, 0x01, 0x02, 0x00});
  config.Set(0x17a, {0xca, 0x10});
  return config;
}

TEST(ConfigSpace, DecodesThePciExpressCapability) {
  const PcieCapability expected{.version = 2,
                                .port_type = 0,
                                .max_speed = 3,
                                .max_width = 4,
                                .current_speed = 1,
                                .current_width = 2,
                                .function_level_reset = true};
  EXPECT_EQ(Nic().Space().Pcie(), expected);
}

TEST(ConfigSpace, DecodesTheSriovCapability) {
  const SriovCapability expected{.initial_vfs = 8,
                                 .total_vfs = 7,
                                 .num_vfs = 3,
                                 .first_vf_offset = 0x180,
                                 .vf_stride = 2,
                                 .vf_device = 0x10ca};
  EXPECT_EQ(Nic().Space().Sriov(), expected);
}

TEST(ConfigSpace, FindsAerAndTheSerialNumber) {
  EXPECT_TRUE(Nic().Space().HasAer());
  EXPECT_EQ(Nic().Space().SerialNumber(), 0x5566778811223344u);
  EXPECT_FALSE(Config().Space().HasAer());
  EXPECT_EQ(Config().Space().SerialNumber(), std::nullopt);
}

TEST(ConfigSpace, FindsCapabilitiesByTheirPlace) {
  EXPECT_EQ(Nic().Space().Find(0x01), 0x40);
  EXPECT_EQ(Nic().Space().Find(0x10), 0xa0);
  EXPECT_EQ(Nic().Space().Find(0x11), std::nullopt);
  EXPECT_EQ(Nic().Space().FindExtended(0x10), 0x160);
  EXPECT_EQ(Nic().Space().FindExtended(0x0d), std::nullopt);
}

TEST(ConfigSpace, ADeviceThatFellOffTheBusHasNothing) {
  std::array<std::byte, 4096> ones;
  ones.fill(std::byte{0xff});
  const ConfigSpace space(ones);
  EXPECT_FALSE(space.present());
  EXPECT_EQ(space.Pcie(), std::nullopt);
  EXPECT_EQ(space.Sriov(), std::nullopt);
  EXPECT_FALSE(space.HasAer());
}

TEST(ConfigSpace, WhatCannotBeReadIsAbsent) {
  const Config nic = Nic();
  for (size_t size : {0u, 1u, 64u, 161u, 0x160u, 0x17bu}) {
    EXPECT_EQ(nic.Space(size).Sriov(), std::nullopt) << size;
  }
  for (size_t size : {0u, 1u, 64u, 161u}) EXPECT_EQ(nic.Space(size).Pcie(), std::nullopt) << size;
  EXPECT_EQ(nic.Space(164).Pcie()->max_width, 0);
  EXPECT_FALSE(ConfigSpace({}).present());
}

TEST(ConfigSpace, ConventionalSpaceHasNoExtendedCapabilities) {
  const Config config = Config(256).Set(0x34, {0x40}).Set(0x40, {0x10, 0x00, 0x02, 0x00});
  EXPECT_TRUE(config.Space().Pcie().has_value());
  EXPECT_EQ(config.Space().FindExtended(0x10), std::nullopt);
}

TEST(ConfigSpace, IgnoresTheListWhenTheStatusSaysThereIsNone) {
  Config config = Nic();
  config.Set(0x06, {0x00});
  EXPECT_EQ(config.Space().Find(0x10), std::nullopt);
}

TEST(ConfigSpace, ACardbusBridgeHasItsListElsewhere) {
  Config config;
  config.Set(0x0e, {0x82}).Set(0x14, {0x80}).Set(0x80, {0x01, 0x00}).Set(0x34, {0x40});
  EXPECT_EQ(config.Space().Find(0x01), 0x80);
}

TEST(ConfigSpace, LoopsOfCapabilitiesEnd) {
  Config config;
  config.Set(0x34, {0x40}).Set(0x40, {0x05, 0x50}).Set(0x50, {0x11, 0x40});
  EXPECT_EQ(config.Space().Find(0x11), 0x50);
  EXPECT_EQ(config.Space().Find(0x10), std::nullopt);
  config.Set(0x50, {0x11, 0x50});  // itself
  EXPECT_EQ(config.Space().Find(0x10), std::nullopt);

  config.Set(0x100, {0x01, 0x00, 0x01, 0x20}).Set(0x200, {0x03, 0x00, 0x01, 0x10});
  EXPECT_EQ(config.Space().FindExtended(0x03), 0x200);
  EXPECT_EQ(config.Space().FindExtended(0x10), std::nullopt);
}

TEST(ConfigSpace, PointersIntoTheHeaderEndTheList) {
  for (int bad : {0x00, 0x04, 0x3c}) {
    Config config;
    config.Set(0x34, {0x40}).Set(0x40, {0x05, bad}).Set(0x3c, {0x10, 0x00});
    EXPECT_EQ(config.Space().Find(0x10), std::nullopt) << bad;
  }
  Config config;
  config.Set(0x100, {0x01, 0x00, 0x01, 0x04});  // next: 0x040
  config.Set(0x40, {0x10, 0x00, 0x01, 0x00});
  EXPECT_EQ(config.Space().FindExtended(0x10), std::nullopt);
}

TEST(ConfigSpace, TheLowBitsOfAPointerAreReserved) {
  Config config;
  config.Set(0x34, {0x43}).Set(0x40, {0x01, 0x00});
  EXPECT_EQ(config.Space().Find(0x01), 0x40);
}

TEST(ConfigSpace, ACapabilityAtTheVeryEndIsNotReadBeyond) {
  Config config;
  config.Set(0x34, {0xfc}).Set(0xfc, {0x10, 0x00, 0x02, 0x00});
  config.Set(0x100, {0x01, 0x00, 0xc1, 0xff}).Set(0xffc, {0x10, 0x00, 0x01, 0x00});
  const ConfigSpace space = config.Space();
  EXPECT_EQ(space.FindExtended(0x10), 0xffc);
  EXPECT_EQ(space.Sriov(), std::nullopt);
  Config serial;
  serial.Set(0x100, {0x01, 0x00, 0xc1, 0xff}).Set(0xffc, {0x03, 0x00, 0x01, 0x00});
  EXPECT_EQ(serial.Space().SerialNumber(), std::nullopt);
}

}  // namespace
}  // namespace drapci::hal
