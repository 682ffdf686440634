#include "hal/accel/dfl_fpga.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "hal/accel/dfl_fpga_settings.h"
#include "hal/accel/match.h"
#include "hal/fpga/dfl.h"
#include "hal/fpga/image_store.h"
#include "test/sim/drivers/dfl.h"
#include "test/unit/accel/look.h"
#include "test/unit/fpga/card.h"
#include "test/unit/os/temporary_directory.h"

namespace drapci::hal {
namespace {

using test::kAfu, test::kInterface, test::kOtherAfu, test::Look;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

constexpr std::string_view kThirdAfu = "331db30c-9885-41ea-9081-f88b8f655caa";
constexpr std::string_view kForeign = "9346116d52125ba64f2b5a6a24da6d4e";
constexpr char kSlot0[] = "0000:3b:00.0/slot0";

class DflFamily : public test::FpgaMachine {
 protected:
  explicit DflFamily(int ports = 2, const std::string& assigned = "")
      : FpgaMachine(ports, assigned) {
    ::umask(022);
    images_.Put("base.gbs", sim::DflImage(kInterface, kAfu));
    images_.Put("sort.gbs", sim::DflImage(kInterface, kOtherAfu));
    images_.Put("foreign.gbs", sim::DflImage(kForeign, ParseUuid(kThirdAfu).value()));
    machine_.host.images = &store_;
    settings_ = MakeSettings(machine_.host);
  }

  std::unique_ptr<Accelerator> Make(AcceleratorPolicy policy = {}) {
    std::vector<PciFunction> functions = machine_.scanner.Scan().value();
    for (PciFunction& function : functions) {
      if (function.address == card_) {
        EXPECT_EQ(MatchFamily(function)->name, "dfl");
        return MakeDflFpgaAccelerator(machine_.host, std::move(function), policy, "");
      }
    }
    return nullptr;
  }
  static PartRequest Asking(const std::string& image, std::string digest = "") {
    return {.part = "slot0", .image = ImageRequest{.name = image, .digest = std::move(digest)}};
  }
  // What refuses a claim for this image.
  std::string Refusal(const PartRequest& request) {
    const auto card = Make();
    const auto plan = card->Plan(Look(*card).value(), request);
    return plan ? "planned" : plan.error().what;
  }
  std::string ValueOf(const std::string& image) {
    const Image found = store_.Find(image).value();
    return SlotImage{.afu = found.header.afu_uuid,
                     .image = ImageRequest{.name = image, .digest = found.digest}}
        .ToString();
  }
  Setting& setting() { return *settings_.find(kSlotImageSetting)->second; }
  Result<> Apply(const std::string& image) {
    return setting().Apply(kSlot0, ValueOf(image), Deadline());
  }
  std::string Probe() {
    const auto now = setting().Probe(kSlot0);
    return now ? *now : now.error().what;
  }
  std::vector<std::string> Writes() const {
    std::vector<std::string> writes;
    for (const sim::WriteRecord& record : machine_.kernel.Writes()) writes.push_back(record.value);
    return writes;
  }

  test::TemporaryDirectory images_;
  ImageStore store_{images_.path(), ::getuid()};
  SettingTable settings_;
};

class DflFamilyOfOneSlot : public DflFamily {
 protected:
  DflFamilyOfOneSlot() : DflFamily(1) {}
};

TEST_F(DflFamily, TheCardAndItsSlotsExcludeEachOther) {
  const Description now = Look(*Make()).value();
  EXPECT_THAT(now.counters, ElementsAre(Pair("slots", 2)));
  ASSERT_EQ(now.parts.size(), 3u);
  EXPECT_THAT(now.parts[0].consumes, ElementsAre(Pair("slots", 2)));
  EXPECT_EQ(now.parts[1].name, "slot0");
  EXPECT_EQ(now.parts[1].profile, "slot");
  EXPECT_THAT(now.parts[2].consumes, ElementsAre(Pair("slots", 1)));
  EXPECT_EQ(now.parts[2].extent, (Extent{.start = 1, .size = 1}));
  EXPECT_EQ(now.scale->size, 2);
  EXPECT_EQ(now.foreign + now.unusable, "");
}

TEST_F(DflFamily, TellsWhatIsInItsSlots) {
  const Description now = Look(*Make()).value();
  EXPECT_EQ(now.attributes.at("fpga_manager"), AttributeValue("DFL FME FPGA Manager"));
  EXPECT_EQ(now.parts[1].attributes.at("afu_id"),
            AttributeValue("d8424dc4-a4a3-c413-f89e-433683f9040b"));
  EXPECT_EQ(now.parts[1].attributes.at("image"), AttributeValue("base.gbs"));
  EXPECT_EQ(now.parts[1].attributes.at("interface_id"),
            AttributeValue("69528db6-eb31-577a-8c36-68f9faa081f6"));
}

TEST_F(DflFamily, ASlotIsGivenAsItIsOrWithAnImage) {
  const auto card = Make();
  const Description now = card->Describe({}, Accelerator::Detail::kBrief).value();
  const auto plain = card->Plan(now, {.part = "slot1"}).value();
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_EQ(plain[0].setting, "pci.driver");
  EXPECT_TRUE(plain[0].shared);
  const auto plan = card->Plan(now, Asking("sort.gbs")).value();
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_EQ(plan[1].setting, "dfl.image");
  EXPECT_EQ(plan[1].target, kSlot0);
  EXPECT_EQ(plan[1].value, ValueOf("sort.gbs"));
  EXPECT_FALSE(plan[1].shared);
  EXPECT_THAT(card->Standing(now).value(), IsEmpty());
}

TEST_F(DflFamily, AnImageThatCannotBeUsedIsRefusedBeforeAnythingIsTouched) {
  EXPECT_THAT(Refusal(Asking("none.gbs")), HasSubstr("there is no image 'none.gbs'"));
  EXPECT_THAT(Refusal(Asking("foreign.gbs")),
              HasSubstr("is made for interface 9346116d-5212-5ba6-4f2b-5a6a24da6d4e"));
  EXPECT_THAT(Refusal(Asking("sort.gbs", std::string(64, '0'))), HasSubstr("is asked for"));
  EXPECT_EQ(Refusal(Asking("sort.gbs", store_.Find("sort.gbs")->digest)), "planned");
  images_.Put("broken.gbs", "XeonFPGA");
  EXPECT_THAT(Refusal(Asking("broken.gbs")), HasSubstr("this is no GBS image"));
  images_.Put("sort2.gbs", sim::DflImage(kInterface, kOtherAfu, 9000));
  EXPECT_THAT(Refusal(Asking("sort.gbs")), HasSubstr("have the same AFU id"));
  machine_.host.images = nullptr;
  EXPECT_THAT(Refusal(Asking("sort.gbs")), HasSubstr("no store of images"));
  EXPECT_THAT(machine_.kernel.Writes(), IsEmpty());
}

TEST_F(DflFamily, VfioIsForTheWholeCardAndImagesAreForSlots) {
  EXPECT_THAT(Refusal({.part = "slot0", .access = Access::kVfio}),
              HasSubstr("claim the whole card"));
  PartRequest whole = Asking("sort.gbs");
  whole.part = "";
  EXPECT_THAT(Refusal(whole), HasSubstr("an image is for a slot"));
  const auto card = Make();
  const auto plan = card->Plan(Look(*card).value(), {.part = "", .access = Access::kVfio}).value();
  EXPECT_EQ(plan.at(0).value, "vfio-pci override=vfio-pci");
}

TEST_F(DflFamily, WhatHasNoSlotsTakesNoImage) {
  ASSERT_TRUE(machine_.kernel.AddFunction(sim::Plain("0000:05:00.0")));
  const std::vector<PciFunction> functions = machine_.scanner.Scan().value();
  for (const PciFunction& function : functions) {
    if (function.address == card_) continue;
    const Family* family = MatchFamily(function);
    const auto other = family->make(machine_.host, function, {}, "");
    PartRequest request = Asking("sort.gbs");
    request.part = "";
    EXPECT_THAT(other->Plan(Look(*other).value(), request).error().what,
                HasSubstr("has no slot for an image"));
  }
}

TEST_F(DflFamily, UnderVfioTheSlotsAreKnownAndNotThere) {
  const auto card = Make();
  std::ignore = Look(*card);
  const auto plan = card->Plan(Look(*card).value(), {.part = "", .access = Access::kVfio}).value();
  ASSERT_TRUE(
      settings_.find(plan[0].setting)->second->Apply(plan[0].target, plan[0].value, Deadline()));
  const Description now = Look(*card, {"pci.driver 0000:3b:00.0"}).value();
  EXPECT_THAT(now.counters, ElementsAre(Pair("slots", 2)));
  EXPECT_THAT(now.parts.at(1).unusable, HasSubstr("not bound to dfl-pci"));
  EXPECT_TRUE(now.parts.at(1).attributes.contains("interface_id"));
  EXPECT_EQ(setting().Probe(kSlot0).error().code, Code::kGone);
}

TEST_F(DflFamily, ProgramsASlotAndBringsBackWhatWasThere) {
  const std::string before = Probe();
  EXPECT_EQ(before, ValueOf("base.gbs"));
  ASSERT_TRUE(Apply("sort.gbs"));
  EXPECT_EQ(Probe(), ValueOf("sort.gbs"));
  EXPECT_EQ(*setting().Probe("0000:3b:00.0/slot1"), before);
  ASSERT_TRUE(setting().Apply(kSlot0, before, Deadline()));
  EXPECT_EQ(Probe(), before);
  EXPECT_THAT(Writes(), ElementsAre("program 0", "program 0"));
}

TEST_F(DflFamily, WhatNoImageMakesIsLeftAndSaid) {
  ASSERT_EQ(::unlink((images_ / "base.gbs").c_str()), 0);
  const std::string before = Probe();
  EXPECT_EQ(before, "afu=" + std::string(kAfu));
  ASSERT_TRUE(Apply("sort.gbs"));
  const auto back = setting().Apply(kSlot0, before, Deadline());
  EXPECT_EQ(back.error().code, Code::kConflict);
  EXPECT_THAT(back.error().what, HasSubstr("d8424dc4-a4a3-c413-f89e-433683f9040b"));
  EXPECT_EQ(Probe(), ValueOf("sort.gbs"));
}

TEST_F(DflFamily, AnImageThatHasLeftTheStoreIsLeftAndSaid) {
  const std::string before = Probe();
  ASSERT_TRUE(Apply("sort.gbs"));
  ASSERT_EQ(::unlink((images_ / "base.gbs").c_str()), 0);
  EXPECT_EQ(setting().Apply(kSlot0, before, Deadline()).error().code, Code::kConflict);
}

TEST_F(DflFamily, AnImageChangedAfterPlanningIsNotProgrammed) {
  const std::string value = ValueOf("sort.gbs");
  images_.Put("sort.gbs", sim::DflImage(kForeign, kOtherAfu));
  EXPECT_THAT(setting().Apply(kSlot0, value, Deadline()).error().what,
              HasSubstr("is another one now"));
  // One that lies about what it is made for is caught by its header.
  EXPECT_THAT(setting().Apply(kSlot0, ValueOf("foreign.gbs"), Deadline()).error().what,
              HasSubstr("is made for interface"));
  EXPECT_THAT(machine_.kernel.Writes(), IsEmpty());
}

TEST_F(DflFamily, ASlotInUseIsRefusedWithItsHolder) {
  machine_.kernel.SetLink("/proc/4242/fd/5", "/dev/dfl-port.0");
  machine_.kernel.SetFile("/proc/4242/comm", "opae-app\n");
  const auto refused = Apply("sort.gbs");
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("0000:3b:00.0/slot0 is used by opae-app (pid 4242)"));
  EXPECT_THAT(machine_.kernel.Writes(), IsEmpty());
}

TEST_F(DflFamily, ASlotThatIsOpenedMeanwhileIsRefused) {
  const auto held = machine_.dev.Open("/dev/dfl-port.0", O_RDWR);
  EXPECT_THAT(Apply("sort.gbs").error().what, HasSubstr("is used by somebody else"));
  EXPECT_THAT(machine_.kernel.Writes(), IsEmpty());
}

TEST_F(DflFamily, AnotherProgrammingUnderWayIsBusy) {
  machine_.kernel.faults().FailWrite("/dev/dfl-fme.0", EBUSY);
  EXPECT_EQ(Apply("sort.gbs").error().code, Code::kBusy);
  EXPECT_EQ(Probe(), ValueOf("base.gbs"));
}

TEST_F(DflFamily, AFailedProgrammingLeavesTheSlotInResetAndSaysTheManagersReason) {
  machine_.kernel.faults().FailWrite("/dev/dfl-fme.0", EIO);
  const std::string why = Apply("sort.gbs").error().what;
  EXPECT_THAT(why, StartsWith("image sort.gbs into 0000:3b:00.0/slot0: "));
  EXPECT_THAT(why, HasSubstr("write complete error, reconfig CRC error"));
  EXPECT_EQ(Probe(), "afu=none");
  const Description now = Look(*Make()).value();
  EXPECT_THAT(now.parts[1].unusable, HasSubstr("held in reset"));
  EXPECT_EQ(now.parts[2].unusable, "");
  EXPECT_TRUE(setting().Between("afu=none", ValueOf("base.gbs"), ValueOf("sort.gbs")));
  // The other slot may be in use: its node would go.
  const auto back = Apply("base.gbs");
  EXPECT_THAT(back.error().what, HasSubstr("unbind and bind 0000:3b:00.0"));
  Store("/sys/bus/pci/drivers/dfl-pci/unbind", test::kCard);
  Store("/sys/bus/pci/drivers/dfl-pci/bind", test::kCard);
  EXPECT_EQ(Probe(), ValueOf("base.gbs"));
}

TEST_F(DflFamilyOfOneSlot, ThePreviousImageComesBackAfterAFailureByBindingAnew) {
  const std::string before = Probe();
  for (const int error : {EIO, ETIMEDOUT}) {
    machine_.kernel.faults().FailWrite("/dev/dfl-fme.0", error);
    EXPECT_EQ(Apply("sort.gbs").error().sys, error);
    EXPECT_EQ(Probe(), "afu=none");
    const auto back = setting().Apply(kSlot0, before, Deadline());
    ASSERT_TRUE(back) << back.error().what;
    EXPECT_EQ(Probe(), before);
  }
  ASSERT_TRUE(Apply("sort.gbs"));
}

TEST_F(DflFamily, ValuesAreTheSameWhenTheirAfusAre) {
  const std::string base = ValueOf("base.gbs"), sort = ValueOf("sort.gbs");
  const std::string bare = "afu=" + std::string(kAfu);
  EXPECT_TRUE(setting().Satisfies(bare, base));
  EXPECT_FALSE(setting().Satisfies(sort, base));
  EXPECT_FALSE(setting().Satisfies("afu=none", "afu=none"));
  EXPECT_TRUE(setting().Between(bare, base, sort));
  EXPECT_TRUE(setting().Between(sort, base, sort));
  EXPECT_FALSE(setting().Between("afu=00000000000000000000000000000001", base, sort));
  EXPECT_EQ(setting().Before(base, sort), base);
  EXPECT_FALSE(SlotImage::Parse("afu=none image=a sha256=" + std::string(64, '0')));
  EXPECT_FALSE(SlotImage::Parse("afu=D8424DC4A4A3C413F89E433683F9040B"));
  EXPECT_FALSE(SlotImage::Parse(bare + " image=../x sha256=" + std::string(64, '0')));
}

TEST_F(DflFamily, TargetsAndValuesThatMakeNoSenseAreRefused) {
  for (const char* target : {"", "0000:3b:00.0", "0000:3b:00.0/slot00", "0000:3b:00.0/slot8",
                             "3b:00.0/slot0", "0000:3b:00.0/vf0"}) {
    EXPECT_EQ(setting().Probe(target).error().code, Code::kInvalid) << target;
  }
  EXPECT_EQ(setting().Probe("0000:3b:00.0/slot5").error().code, Code::kGone);
  EXPECT_EQ(setting().Apply(kSlot0, "nonsense", Deadline()).error().code, Code::kInvalid);
}

TEST_F(DflFamily, PortsOfVirtualFunctionsAreNotOffered) {
  const DflCard dfl = FindDfl(machine_.sysfs, card_).value().value();
  ASSERT_TRUE(ReleasePort(machine_.dev, dfl, 1));
  Description now = Look(*Make()).value();
  EXPECT_THAT(now.counters, ElementsAre(Pair("slots", 2)));
  EXPECT_THAT(now.parts[2].unusable, HasSubstr("released for a virtual function"));
  Store(card_.SysfsPath() + "/sriov_numvfs", "1");
  now = Look(*Make()).value();
  EXPECT_THAT(now.parts[0].unusable, HasSubstr("1 of its ports to virtual functions"));
}

class DflFamilyBefore614 : public DflFamily {
 protected:
  DflFamilyBefore614() : DflFamily(2, "driverless") {}
};

TEST_F(DflFamilyBefore614, APortThatComesBackWithoutItsDriverIsToldApart) {
  const auto card = Make();
  const DflCard found = FindDfl(machine_.sysfs, card_).value().value();
  ASSERT_TRUE(ReleasePort(machine_.dev, found, 1));
  EXPECT_THAT(Look(*card).value().parts[2].unusable, HasSubstr("for a virtual function"));
  ASSERT_TRUE(AssignPort(machine_.dev, found, 1));
  EXPECT_THAT(Look(*card).value().parts[2].unusable,
              HasSubstr("without their driver: unbind and bind 0000:3b:00.0"));
  Store("/sys/bus/pci/drivers/dfl-pci/unbind", test::kCard);
  Store("/sys/bus/pci/drivers/dfl-pci/bind", test::kCard);
  EXPECT_THAT(Look(*card).value().parts[2].unusable, IsEmpty());
}

TEST_F(DflFamily, GivesThePortAndNeverTheEngine) {
  ASSERT_TRUE(Apply("sort.gbs"));
  const auto slot = Make()->Edits({.part = "slot0"}, Deadline()).value();
  EXPECT_THAT(slot.device_nodes, ElementsAre("/dev/dfl-port.0"));
  EXPECT_EQ(slot.environment.at("DRAPCI_AFU_PCI_0000_3B_00_0_SLOT0"),
            "56e203e9-864f-49a7-b94b-12284c31e02b");
  EXPECT_EQ(slot.environment.at("DRAPCI_PORT_PCI_0000_3B_00_0_SLOT0"), "/dev/dfl-port.0");
  const auto whole = Make()->Edits({.part = ""}, Deadline()).value();
  EXPECT_THAT(whole.device_nodes, ElementsAre("/dev/dfl-port.0", "/dev/dfl-port.1"));
}

TEST_F(DflFamily, AKernelWithoutTheInterfaceFileGivesSlotsAsTheyAre) {
  const std::string fme = FindDfl(machine_.sysfs, card_).value()->fme_dir;
  for (const char* region : {"1", "2"}) {
    machine_.kernel.SetFile(fme + "/dfl-fme-region." + std::to_string(region[0] - '1') +
                                "/fpga_region/region" + region + "/compat_id",
                            "");
  }
  EXPECT_EQ(Refusal({.part = "slot0"}), "planned");
  EXPECT_THAT(Refusal(Asking("sort.gbs")), HasSubstr("has none that the kernel tells"));
}

}  // namespace
}  // namespace drapci::hal
