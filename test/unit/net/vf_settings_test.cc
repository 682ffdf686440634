#include "hal/net/vf_settings.h"

#include <gtest/gtest.h>

namespace drapci::hal {
namespace {

using LinkState = VfSettings::LinkState;

constexpr char kAll[] =
    "mac=02:11:22:33:44:55 vlan=100 qos=3 proto=802.1ad min_rate=10 max_rate=200 spoofchk=on "
    "trust=off link=enable";

TEST(VfSettingsText, RoundTripsWithEverythingSet) {
  const VfSettings all{.mac = "02:11:22:33:44:55",
                       .vlan = 100,
                       .qos = 3,
                       .service_vlan = true,
                       .min_rate = 10,
                       .max_rate = 200,
                       .spoof_check = true,
                       .trust = false,
                       .link_state = LinkState::kEnable};
  EXPECT_EQ(all.ToString(), kAll);
  EXPECT_EQ(VfSettings::Parse(kAll), all);
}

TEST(VfSettingsText, RoundTripsWithSomeSet) {
  for (const char* text : {"", "mac=00:00:00:00:00:00", "vlan=0", "vlan=4095 qos=7", "qos=0",
                           "proto=802.1Q", "max_rate=4294967295", "mac=02:11:22:33:44:55 link=auto",
                           "spoofchk=off trust=on", "link=disable", "min_rate=0 max_rate=0"}) {
    const auto settings = VfSettings::Parse(text);
    ASSERT_TRUE(settings) << text;
    EXPECT_EQ(settings->ToString(), text);
  }
  EXPECT_TRUE(VfSettings::Parse("")->empty());
}

TEST(VfSettingsText, HasOneSpelling) {
  for (const char* bad : {" ",
                          "vlan=1 ",
                          " vlan=1",
                          "vlan=1  qos=2",
                          "qos=2 vlan=1",
                          "vlan=1 vlan=1",
                          "vlan",
                          "vlan=",
                          "vlan=01",
                          "vlan=+1",
                          "vlan=-1",
                          "vlan=4096",
                          "qos=8",
                          "max_rate=4294967296",
                          "max_rate=1.5",
                          "max_rate=200Mbit",
                          "mac=02:11:22:33:44:5",
                          "mac=02:11:22:33:44:5G",
                          "mac=02:11:22:33:44:AA",
                          "spoofchk=1",
                          "trust=yes",
                          "link=up",
                          "proto=802.1q",
                          "VLAN=1",
                          "rate=1",
                          "vlan=1\n",
                          "vlan=1,qos=2"}) {
    EXPECT_EQ(VfSettings::Parse(bad), std::nullopt) << "'" << bad << "'";
  }
  EXPECT_EQ(VfSettings::Parse(std::string_view("vlan=1\0", 7)), std::nullopt);
}

TEST(VfSettingsTest, AWishHoldsWhereWhatItNamesIsTheSame) {
  const VfSettings now = *VfSettings::Parse(kAll);
  EXPECT_TRUE(VfSettings().HoldsIn(now));
  EXPECT_TRUE(VfSettings().HoldsIn({}));
  EXPECT_TRUE(now.HoldsIn(now));
  EXPECT_TRUE((VfSettings{.max_rate = 200, .trust = false}).HoldsIn(now));
  EXPECT_FALSE((VfSettings{.max_rate = 200, .trust = true}).HoldsIn(now));
  EXPECT_FALSE((VfSettings{.mac = "02:11:22:33:44:56"}).HoldsIn(now));
  EXPECT_FALSE((VfSettings{.link_state = LinkState::kAuto}).HoldsIn(now));
}

TEST(VfSettingsTest, AWishDoesNotHoldWhereTheDriverTellsNothingOfIt) {
  EXPECT_FALSE((VfSettings{.trust = false}).HoldsIn({.vlan = 3}));
  EXPECT_FALSE((VfSettings{.max_rate = 0}).HoldsIn({}));
}

TEST(VfSettingsTest, EachValueOfAWishThatWasHalfSetMayBeTheOldOrTheNewOne) {
  const VfSettings before{.vlan = 0, .max_rate = 0, .trust = false};
  const VfSettings want{.vlan = 7, .max_rate = 200};
  EXPECT_TRUE(want.IsTraceIn({.vlan = 7, .max_rate = 0, .trust = false}, before));
  EXPECT_TRUE(want.IsTraceIn({.vlan = 0, .max_rate = 200}, before));
  EXPECT_TRUE(want.IsTraceIn({.vlan = 7, .max_rate = 200, .trust = true}, before));
  EXPECT_FALSE(want.IsTraceIn({.vlan = 8, .max_rate = 0}, before));
  EXPECT_FALSE(want.IsTraceIn({.vlan = 7, .max_rate = 100}, before));
  // What the driver does not tell cannot be seen to be somebody else's.
  EXPECT_TRUE(want.IsTraceIn({}, before));
  EXPECT_TRUE(want.IsTraceIn({.vlan = 8}, {}));
}

TEST(VfSettingsTest, AnAddressThatTheVfsDriverHasChosenIsNobodyElses) {
  const VfSettings want{.mac = "02:11:22:33:44:55"};
  const VfSettings chosen{.mac = "6a:00:00:00:00:01"};
  EXPECT_TRUE(want.IsTraceIn(chosen, {.mac = std::string(kNoMac)}));
  EXPECT_FALSE(want.IsTraceIn(chosen, {.mac = "02:00:00:00:00:07"}));
}

TEST(VfSettingsTest, TheDefaultsAreThoseOfANewVfForWhatTheWishNames) {
  EXPECT_EQ(VfSettings::Parse(kAll)->Defaults().ToString(),
            "mac=00:00:00:00:00:00 vlan=0 qos=0 proto=802.1Q min_rate=0 max_rate=0 spoofchk=on "
            "trust=off link=auto");
  EXPECT_EQ((VfSettings{.max_rate = 200}).Defaults().ToString(), "max_rate=0");
  EXPECT_TRUE(VfSettings().Defaults().empty());
}

}  // namespace
}  // namespace drapci::hal
