#include "hal/accel/qat.h"

#include <gmock/gmock.h>

#include "hal/accel/qat_settings.h"
#include "test/unit/accel/board_machine.h"
#include "test/unit/accel/look.h"

namespace drapci::hal {
namespace {

using test::Look;
using test::Texts;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kPf = "0000:6b:00.0";
const std::set<std::string> kOurs = {"sriov.vfs 0000:6b:00.0", "qat.services 0000:6b:00.0"};

AcceleratorPolicy Services(const std::string& services,
                           AcceleratorPolicy::Vfs vfs = AcceleratorPolicy::Vfs::kOnDemand) {
  AcceleratorPolicy policy;
  policy.services = services;
  policy.vfs = vfs;
  return policy;
}

PartRequest Of(std::string part, Access access = Access::kVfio) {
  PartRequest request;
  request.part = std::move(part);
  request.access = access;
  return request;
}

class QatFamily : public test::BoardMachine {
 protected:
  QatFamily() { Load("qat"); }

  const std::string dir_ = std::string("/sys/bus/pci/devices/") + kPf;
};

TEST_F(QatFamily, OffersAllVfsWithTheServicesThatItWasFoundWith) {
  const auto qat = Make(kPf);
  EXPECT_EQ(qat->family(), "qat");
  const Description now = Look(*qat).value();
  EXPECT_EQ(now.foreign + now.unusable, "");
  EXPECT_THAT(now.counters, ElementsAre(Pair("vfs", 16)));
  ASSERT_THAT(now.parts, SizeIs(17));
  EXPECT_EQ(now.attributes.at("up"), AttributeValue(true));
  EXPECT_EQ(now.parts[16].attributes.at("services"), AttributeValue("sym;asym"));
  EXPECT_EQ(Look(*Make(kPf, Services("dc")))->parts[1].attributes.at("services"),
            AttributeValue("dc"));
}

TEST_F(QatFamily, PlansItsServicesBeforeItsVfs) {
  const auto qat = Make(kPf, Services("dc"));
  const Description now = Look(*qat).value();
  EXPECT_THAT(Texts(qat->Plan(now, Of("vf3")).value()),
              ElementsAre("qat.services 0000:6b:00.0 = up dc shared",
                          "sriov.vfs 0000:6b:00.0 = vfs=16 autoprobe=1 shared",
                          "pci.driver 0000:6b:00.0/vf3 = vfio-pci override=vfio-pci"));
  EXPECT_THAT(Texts(qat->Plan(now, Of("")).value()),
              ElementsAre("pci.driver 0000:6b:00.0 = vfio-pci override=vfio-pci shared"));
  EXPECT_THAT(Texts(qat->Plan(now, Of("", Access::kKernel)).value()),
              ElementsAre("qat.services 0000:6b:00.0 = up dc shared",
                          "pci.driver 0000:6b:00.0 = kernel shared"));
  EXPECT_THAT(qat->Standing(now).value(), IsEmpty());
  EXPECT_THAT(Make(kPf)->Plan(now, Of("vf3")).value(), SizeIs(2));
  const auto fixed = Make(kPf, Services("dc", AcceleratorPolicy::Vfs::kFixed));
  EXPECT_THAT(Texts(fixed->Standing(Look(*fixed).value()).value()),
              ElementsAre("qat.services 0000:6b:00.0 = up dc shared",
                          "sriov.vfs 0000:6b:00.0 = vfs=16 autoprobe=1 shared"));
}

TEST_F(QatFamily, MakesAllVfsOrNone) {
  AcceleratorPolicy some;
  some.vf_count = 4;
  EXPECT_THAT(Look(*Make(kPf, some))->unusable, HasSubstr("makes all of its 16 or none"));
  some.vf_count = 16;
  const auto qat = Make(kPf, some);
  EXPECT_EQ(Look(*qat)->unusable, "");
  ASSERT_TRUE(Apply(qat->Plan(Look(*qat).value(), Of("vf0")).value()));
  EXPECT_EQ(machine_->kernel.State(test::At(kPf))->vfs, 16u);
  EXPECT_EQ(Look(*qat, kOurs)->foreign, "");
  EXPECT_THAT(Look(*qat)->foreign, HasSubstr("16 virtual functions"));
}

TEST_F(QatFamily, ChangesServicesByGoingDown) {
  EXPECT_EQ(Probe(kQatSetting, kPf), "up sym;asym");
  machine_->kernel.ResetWrites();
  ASSERT_TRUE(Set(kQatSetting, kPf, "up dc"));
  std::vector<std::string> writes;
  for (const auto& each : machine_->kernel.Writes()) {
    writes.push_back(each.path.substr(each.path.rfind('/') + 1) + "=" + each.value);
  }
  EXPECT_THAT(writes, ElementsAre("state=down", "cfg_services=dc", "state=up"));
  EXPECT_EQ(Probe(kQatSetting, kPf), "up dc");
  machine_->kernel.ResetWrites();
  ASSERT_TRUE(Set(kQatSetting, kPf, "up dc"));
  EXPECT_THAT(machine_->kernel.Writes(), IsEmpty());
  ASSERT_TRUE(Set(kQatSetting, kPf, "down sym;asym"));
  EXPECT_EQ(Probe(kQatSetting, kPf), "down sym;asym");
}

TEST_F(QatFamily, DoesNotChangeServicesUnderVfs) {
  ASSERT_EQ(Store(dir_ + "/sriov_numvfs", "16"), 0);
  const auto refused = Set(kQatSetting, kPf, "up dc");
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("16 virtual functions"));
  EXPECT_TRUE(Set(kQatSetting, kPf, "up asym;sym"));
  const auto existing = Make(kPf, Services("dc", AcceleratorPolicy::Vfs::kExisting));
  EXPECT_THAT(Look(*existing)->unusable, HasSubstr("it offers 'sym;asym'"));
  const auto same = Make(kPf, Services("asym;sym", AcceleratorPolicy::Vfs::kExisting));
  const Description now = Look(*same).value();
  EXPECT_EQ(now.unusable, "");
  EXPECT_THAT(same->Plan(now, Of("vf0")).value(), SizeIs(1));
}

TEST_F(QatFamily, SaysWhyTheDriverRefuses) {
  EXPECT_THAT(Set(kQatSetting, kPf, "up dcc;sym").error().what,
              HasSubstr("the driver does not know these services"));
  EXPECT_EQ(Probe(kQatSetting, kPf), "down sym;asym");
  ASSERT_TRUE(Set(kQatSetting, kPf, "up sym;asym"));
  Load("qat:in-use=1");
  const auto busy = Set(kQatSetting, kPf, "up dc");
  EXPECT_EQ(busy.error().code, Code::kBusy);
  EXPECT_THAT(busy.error().what, HasSubstr("/proc/crypto"));
  EXPECT_EQ(Probe(kQatSetting, kPf), "up sym;asym");
}

TEST_F(QatFamily, ThatIsDownIsNotGivenUnlessItsServicesAreSaid) {
  ASSERT_EQ(Store(dir_ + "/qat/state", "down"), 0);
  EXPECT_THAT(Look(*Make(kPf))->unusable, HasSubstr("it is down (qat/state)"));
  EXPECT_EQ(Look(*Make(kPf, Services("sym")))->unusable, "");
}

TEST_F(QatFamily, OfAnOlderKernelOffersVfsWithoutAChoiceOfServices) {
  Load("qat:sysfs=0");
  const auto plain = Make(kPf);
  const Description now = Look(*plain).value();
  EXPECT_EQ(now.unusable + now.parts[1].unusable, "");
  EXPECT_FALSE(now.parts[1].attributes.contains("services"));
  EXPECT_THAT(plain->Plan(now, Of("vf0")).value(), SizeIs(2));
  const auto wishing = Make(kPf, Services("dc"));
  const Description there = Look(*wishing).value();
  EXPECT_THAT(there.parts[1].unusable, HasSubstr("cannot choose services"));
  EXPECT_EQ(wishing->Plan(there, Of("vf0")).error().code, Code::kUnsupported);
  EXPECT_TRUE(wishing->Plan(there, Of("")));
  EXPECT_EQ(Find(kQatSetting).Probe(kPf).error().code, Code::kUnsupported);
}

TEST_F(QatFamily, IsGoneWhenPulled) {
  const auto qat = Make(kPf);
  ASSERT_TRUE(machine_->kernel.Unplug(test::At(kPf)));
  EXPECT_EQ(Look(*qat).error().code, Code::kGone);
  EXPECT_EQ(Find(kQatSetting).Probe(kPf).error().code, Code::kGone);
}

TEST_F(QatFamily, KnowsATraceOfItsOwnFromSomebodyElsesWork) {
  const Setting& services = Find(kQatSetting);
  EXPECT_TRUE(services.Between("down sym;asym", "up sym;asym", "up dc"));
  EXPECT_TRUE(services.Between("down dc", "up sym;asym", "up dc"));
  EXPECT_FALSE(services.Between("up asym", "up sym;asym", "up dc"));
  EXPECT_FALSE(services.Between("rubbish", "up sym;asym", "up dc"));
  EXPECT_TRUE(services.Satisfies("up asym;sym", "up sym;asym"));
  EXPECT_TRUE(services.Satisfies("up dc", "up"));
  EXPECT_FALSE(services.Satisfies("down dc", "up dc"));
}

TEST(QatValues, MeanWhatTheySay) {
  for (const char* text : {"up", "down", "up sym;asym", "down dc"}) {
    const auto state = ParseQat(text);
    ASSERT_TRUE(state) << text;
    EXPECT_EQ(FormatQat(*state), text);
  }
  for (const char* text : {"", "sideways", "up ", "up DC", "up sym asym", "up\n"}) {
    EXPECT_FALSE(ParseQat(text)) << text;
  }
}

TEST_F(QatFamily, HasTargetsByPlaceOnly) {
  EXPECT_EQ(Find(kQatSetting).Probe("0000:6b:00.0/vf1").error().code, Code::kInvalid);
  EXPECT_EQ(Set(kQatSetting, kPf, "rubbish").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace drapci::hal
