// FpgaConfig: the image of an FPGA slot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/device_config.h"

namespace drapci::plugin {
namespace {

using testing::HasSubstr;

const std::string kDigest(64, 'a');

std::string Text(std::string_view members) {
  return fmt::format(R"({{"apiVersion":"config.dra.pci/v1alpha1","kind":"FpgaConfig"{}{}}})",
                     members.empty() ? "" : ",", members);
}

std::string Refusal(std::string_view members) {
  const auto config = DecodeDeviceConfig(Text(members), "config");
  return config ? "accepted" : config.error().what;
}

std::string Laid(std::initializer_list<std::pair<ConfigSource, std::string>> layers,
                 DeviceConfig& config) {
  for (const auto& [source, members] : layers) {
    const auto from = DecodeDeviceConfig(Text(members), "config");
    EXPECT_TRUE(from) << from.error().what;
    if (auto done = ApplyDeviceConfig(*from, source, "config", config); !done) {
      return done.error().what;
    }
  }
  return "";
}

TEST(FpgaConfig, NamesAnImageAndItsDigest) {
  const auto config =
      DecodeDeviceConfig(Text(R"("image":"nlb.gbs","digest":"sha256:)" + kDigest + R"(")"), "c");
  ASSERT_TRUE(config && config->image);
  EXPECT_EQ(*config->image, (hal::ImageRequest{.name = "nlb.gbs", .digest = kDigest}));
  driver::DeviceRequest device;
  ConfigureRequest(*config, device);
  EXPECT_EQ(device.image, config->image);
  device.admin_access = true;
  ConfigureRequest(*config, device);
  EXPECT_FALSE(device.image);
}

TEST(FpgaConfig, IsStrict) {
  EXPECT_THAT(Refusal(""), HasSubstr("config.image: '' is no name of an image"));
  EXPECT_THAT(Refusal(R"("image":"../nlb")"), HasSubstr("is no name of an image"));
  EXPECT_THAT(Refusal(R"("image":3)"), HasSubstr("config.image"));
  EXPECT_THAT(Refusal(R"("image":"a","digest":"abc")"),
              HasSubstr("config.digest: must be sha256:"));
  EXPECT_THAT(Refusal(R"("image":"a","digest":"sha256:)" + std::string(64, 'A') + R"(")"),
              HasSubstr("config.digest"));
  EXPECT_THAT(Refusal(R"("image":"a","force":true)"), HasSubstr("force"));
}

TEST(FpgaConfig, AClassThatNamesAnImageHasDecided) {
  using enum ConfigSource;
  DeviceConfig free;
  EXPECT_EQ(Laid({{kClaim, R"("image":"a")"}}, free), "");
  EXPECT_EQ(free.image->name, "a");
  DeviceConfig decided;
  EXPECT_EQ(Laid({{kClass, R"("image":"a")"},
                  {kClaim, R"("image":"a","digest":"sha256:)" + kDigest + R"(")"}},
                 decided),
            "");
  EXPECT_EQ(decided.image->digest, kDigest);
  DeviceConfig refused;
  EXPECT_THAT(Laid({{kClass, R"("image":"a")"}, {kClaim, R"("image":"b")"}}, refused),
              HasSubstr("config.image: is not a, which the class names"));
  DeviceConfig other;
  EXPECT_THAT(Laid({{kClass, R"("image":"a","digest":"sha256:)" + kDigest + R"(")"},
                    {kClaim, R"("image":"a")"}},
                   other),
              "");
}

}  // namespace
}  // namespace drapci::plugin
