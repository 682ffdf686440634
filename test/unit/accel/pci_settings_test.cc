#include "hal/accel/pci_settings.h"

#include <gmock/gmock.h>

#include "hal/accel/match.h"
#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using testing::IsEmpty;

constexpr std::string_view kVfioValue = "vfio-pci override=vfio-pci";

TEST(BindingText, RoundTrips) {
  const std::pair<DriverBinding, const char*> texts[] = {
      {{}, "none"},
      {{"igb", ""}, "igb"},
      {{"vfio-pci", "vfio-pci"}, "vfio-pci override=vfio-pci"},
      {{"", "vfio-pci"}, "none override=vfio-pci"},
      {{"odd driver", "x"}, "odd driver override=x"}};
  for (const auto& [binding, text] : texts) {
    EXPECT_EQ(FormatBinding(binding), text);
    EXPECT_EQ(ParseBinding(text), binding) << text;
  }
}

TEST(BindingText, NamesThatCouldLeaveTheirDirectoryAreRefused) {
  for (const char* bad :
       {"", "kernel", ".", "..", "a/b", "../igb", "igb\n", " igb", "igb ",
        "igb override=", "igb override=a/b", " override=x", "igb override=a override=b"}) {
    EXPECT_EQ(ParseBinding(bad), std::nullopt) << bad;
  }
}

TEST(SriovText, RoundTripsInOneSpelling) {
  EXPECT_EQ(FormatSriov({.vfs = 7, .autoprobe = true}), "vfs=7 autoprobe=1");
  EXPECT_EQ(ParseSriov("vfs=7 autoprobe=1"), (SriovState{.vfs = 7, .autoprobe = true}));
  EXPECT_EQ(ParseSriov("vfs=0 autoprobe=0"), (SriovState{.vfs = 0, .autoprobe = false}));
  for (const char* bad : {"", "7", "vfs=7", "vfs= autoprobe=1", "vfs=07 autoprobe=1",
                          "vfs=-1 autoprobe=1", "vfs=65536 autoprobe=1", "vfs=7 autoprobe=2",
                          "vfs=7 autoprobe=1 ", " vfs=7 autoprobe=1", " autoprobe=1"}) {
    EXPECT_EQ(ParseSriov(bad), std::nullopt) << bad;
  }
}

TEST(FunctionPlaces, HaveOneSpelling) {
  const FunctionPlace vf{.pf = At("0000:02:00.0"), .vf = 3};
  EXPECT_EQ(vf.ToString(), "0000:02:00.0/vf3");
  EXPECT_EQ(FunctionPlace::Parse("0000:02:00.0/vf3")->vf, 3);
  EXPECT_EQ(FunctionPlace::Parse("0000:02:00.0")->vf, std::nullopt);
  for (const char* bad : {"", "02:00.0", "0000:02:00.0/", "0000:02:00.0/3", "0000:02:00.0/vf",
                          "0000:02:00.0/vf03", "0000:02:00.0/vf-1", "0000:02:00.0/vf65536",
                          "0000:02:00.0/vf3/", "ABCD:02:00.0", "0000:02:00.0/vf+3"}) {
    EXPECT_FALSE(FunctionPlace::Parse(bad)) << bad;
  }
}

class Settings : public test::NicMachine {
 protected:
  Setting& Driver() { return *table_.find(kDriverSetting)->second; }
  Setting& Vfs() { return *table_.find(kSriovSetting)->second; }
  const SettingTable table_ = MakeSettings(host_);
};

TEST_F(Settings, AVfIsSetByItsPlace) {
  ASSERT_TRUE(Vfs().Apply("0000:02:00.0", "vfs=3 autoprobe=1", Deadline()));
  EXPECT_EQ(Vfs().Probe("0000:02:00.0"), "vfs=3 autoprobe=1");
  EXPECT_EQ(Driver().Probe("0000:02:00.0/vf1"), "none");
  ASSERT_TRUE(Driver().Apply("0000:02:00.0/vf1", kVfioValue, Deadline()));
  EXPECT_EQ(State("0000:02:10.2").driver, "vfio-pci");
  EXPECT_EQ(Driver().Probe("0000:02:00.0/vf1"), kVfioValue);
  ASSERT_TRUE(Driver().Apply("0000:02:00.0/vf1", "kernel", Deadline()));
  EXPECT_EQ(Driver().Probe("0000:02:00.0/vf1"), "igbvf");
}

TEST_F(Settings, TargetsThatDoNotExistAreGone) {
  for (const char* target : {"0000:02:00.0/vf0", "0000:7f:00.0", "0000:7f:00.0/vf0"}) {
    EXPECT_EQ(Driver().Probe(target).error().code, Code::kGone) << target;
    EXPECT_EQ(Driver().Apply(target, "none", Deadline()).error().code, Code::kGone) << target;
  }
  EXPECT_EQ(Vfs().Probe("0000:7f:00.0").error().code, Code::kGone);
}

TEST_F(Settings, TargetsAndValuesThatMakeNoSenseAreInvalid) {
  for (const char* target : {"", "igb", "0000:02:00.0/vf", "../../etc"}) {
    EXPECT_EQ(Driver().Probe(target).error().code, Code::kInvalid) << target;
    EXPECT_EQ(Vfs().Apply(target, "vfs=0 autoprobe=1", Deadline()).error().code, Code::kInvalid);
  }
  EXPECT_EQ(Vfs().Probe("0000:02:00.0/vf0").error().code, Code::kInvalid);
  EXPECT_EQ(Driver().Apply("0000:02:00.0", "a/b", Deadline()).error().code, Code::kInvalid);
  EXPECT_EQ(Vfs().Apply("0000:02:00.0", "7", Deadline()).error().code, Code::kInvalid);
  EXPECT_THAT(Writes(), IsEmpty());
}

TEST_F(Settings, ASharedIommuGroupCostsTheFunctionNothing) {
  sim::FunctionSpec peer = sim::Plain("0000:02:00.1");
  peer.iommu_group = State(test::kNic).iommu_group;
  peer.driver = "xdma";
  ASSERT_TRUE(machine_.kernel.AddFunction(peer));
  machine_.kernel.ResetWrites();
  EXPECT_EQ(Driver().Apply("0000:02:00.0", kVfioValue, Deadline()).error().code, Code::kConflict);
  EXPECT_THAT(Writes(), IsEmpty());
  EXPECT_EQ(State(test::kNic).driver, "igb");
}

TEST_F(Settings, TheWishForTheKernelsDriverIsMetByAnyDriverButVfio) {
  EXPECT_TRUE(Driver().Satisfies("igb", "kernel"));
  EXPECT_FALSE(Driver().Satisfies("none", "kernel"));
  EXPECT_FALSE(Driver().Satisfies(kVfioValue, "kernel"));
  EXPECT_FALSE(Driver().Satisfies("vfio-pci", kVfioValue));
  EXPECT_TRUE(Driver().Satisfies("none", "none"));
}

TEST_F(Settings, ABindingCutShortIsToldFromSomebodyElses) {
  for (const char* now : {"igb", "igb override=vfio-pci", "none override=vfio-pci", "none",
                          "none override=igb", "vfio-pci override=vfio-pci", "vfio-pci",
                          "nvme"}) {  // udev has loaded the module of another kernel driver
    EXPECT_TRUE(Driver().Between(now, "igb", kVfioValue)) << now;
  }
  for (const char* now : {"igb override=pci-stub", "pci-stub override=pci-stub"}) {
    EXPECT_FALSE(Driver().Between(now, "igb", kVfioValue)) << now;
  }
  EXPECT_TRUE(Driver().Between("igbvf", "none", "kernel"));
  EXPECT_FALSE(Driver().Between(kVfioValue, "none", "kernel"));
}

TEST_F(Settings, AVfCountCutShortIsToldFromSomebodyElses) {
  const char* before = "vfs=2 autoprobe=1";
  const char* want = "vfs=7 autoprobe=1";
  for (const char* now : {"vfs=0 autoprobe=0", "vfs=2 autoprobe=0", "vfs=7 autoprobe=0"}) {
    EXPECT_TRUE(Vfs().Between(now, before, want)) << now;
  }
  EXPECT_FALSE(Vfs().Between("vfs=3 autoprobe=1", before, want));
}

}  // namespace
}  // namespace drapci::hal
