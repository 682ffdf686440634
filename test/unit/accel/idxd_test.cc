#include "hal/accel/idxd.h"

#include <gmock/gmock.h>

#include "test/unit/accel/board_machine.h"
#include "test/unit/accel/look.h"

namespace drapci::hal {
namespace {

using test::At;
using test::Look;
using test::Texts;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSubsetOf;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kDsa = "0000:6a:01.0";
constexpr const char* kIax = "0000:6a:02.0";
const std::set<std::string> kOurs = {"idxd.layout 0000:6a:01.0"};
constexpr const char* kEvenLayout =
    "enabled wq0=0:16 wq1=0:16 wq2=0:16 wq3=0:16 wq4=0:16 wq5=0:16 wq6=0:16 wq7=0:16 engine0=0 "
    "engine1=0 engine2=0 engine3=0";
constexpr const char* kReset =
    "disabled wq0=-1:0 wq1=-1:0 wq2=-1:0 wq3=-1:0 wq4=-1:0 wq5=-1:0 wq6=-1:0 wq7=-1:0 engine0=-1 "
    "engine1=-1 engine2=-1 engine3=-1";
constexpr const char* kDedicated =
    "on mode=dedicated threshold=0 priority=10 type=user name=drapci driver=user";
constexpr const char* kShared =
    "on mode=shared threshold=16 priority=10 type=user name=drapci driver=user";

PartRequest Of(std::string part, Access access = Access::kKernel) {
  PartRequest request;
  request.part = std::move(part);
  request.access = access;
  return request;
}

class IdxdFamily : public test::BoardMachine {
 protected:
  IdxdFamily() { Load("dsa"); }

  // Plans for `part` and makes it so.
  Result<> Prepare(const Accelerator& dsa, const std::string& part) {
    DRAPCI_TRY(const Description now, Look(dsa, ours_));
    DRAPCI_TRY(const std::vector<Wanted> plan, dsa.Plan(now, Of(part)));
    for (const Wanted& each : plan) ours_.insert(each.setting + " " + each.target);
    return Apply(plan);
  }

  const std::string dsa0_ = "/sys/bus/dsa/devices/dsa0";
  std::set<std::string> ours_;
};

TEST_F(IdxdFamily, OffersTheFunctionAndHalfOfItsQueuesToOneAndHalfToMany) {
  const auto dsa = Make(kDsa);
  EXPECT_EQ(dsa->family(), "idxd");
  const Description now = Look(*dsa).value();
  EXPECT_EQ(now.foreign + now.unusable, "");
  EXPECT_THAT(now.counters, ElementsAre(Pair("entries", 128)));
  EXPECT_EQ(now.scale, (Scale{.unit = "queue entries", .size = 128}));
  ASSERT_THAT(now.parts, SizeIs(9));
  EXPECT_THAT(now.parts[0].consumes, ElementsAre(Pair("entries", 128)));
  EXPECT_EQ(now.parts[0].attributes.at("accelerator"), AttributeValue("dsa"));
  EXPECT_EQ(now.parts[0].attributes.at("version"), AttributeValue("1.0"));
  for (size_t i = 1; i < 9; ++i) {
    const Part& queue = now.parts[i];
    EXPECT_EQ(queue.name, "wq" + std::to_string(i - 1));
    EXPECT_EQ(queue.profile, i <= 4 ? "dedicated" : "shared");
    EXPECT_THAT(queue.consumes, ElementsAre(Pair("entries", 16)));
    EXPECT_EQ(queue.extent, (Extent{.start = static_cast<int>(i - 1) * 16, .size = 16}));
    EXPECT_EQ(queue.unusable, "");
    EXPECT_EQ(queue.capacities.empty(), i <= 4);
  }
  EXPECT_EQ(now.parts[8].capacities.at("entries").value, 16);
  EXPECT_FALSE(now.parts[8].capacities.at("entries").enforced);
  EXPECT_EQ(Look(*Make(kIax))->parts[0].attributes.at("accelerator"), AttributeValue("iax"));
}

TEST_F(IdxdFamily, IsDividedAsThePolicySays) {
  AcceleratorPolicy policy;
  policy.work_queues = {{.shared = true, .size = 64}, {.shared = false, .size = 0}, {}};
  const auto dsa = Make(kDsa, policy);
  const Description now = Look(*dsa).value();
  ASSERT_THAT(now.parts, SizeIs(4));
  EXPECT_EQ(now.parts[1].profile, "shared");
  EXPECT_THAT(now.parts[1].consumes, ElementsAre(Pair("entries", 64)));
  EXPECT_EQ(now.parts[2].profile, "dedicated");
  EXPECT_THAT(now.parts[2].consumes, ElementsAre(Pair("entries", 32)));
  EXPECT_EQ(now.parts[3].extent, (Extent{.start = 96, .size = 32}));

  policy.work_queues = {{.shared = false, .size = 100}, {.shared = false, .size = 29}};
  EXPECT_THAT(Look(*Make(kDsa, policy))->unusable,
              HasSubstr("2 work queues with 129 entries or more, and dsa0 has 8 with 128"));
  policy.work_queues.assign(9, {});
  EXPECT_THAT(Look(*Make(kDsa, policy))->unusable, HasSubstr("9 work queues"));
}

TEST_F(IdxdFamily, PlansOneLayoutForAllAndASettingForEachQueue) {
  const auto dsa = Make(kDsa);
  const Description now = Look(*dsa).value();
  const std::string layout = std::string("idxd.layout 0000:6a:01.0 = ") + kEvenLayout + " shared";
  EXPECT_THAT(Texts(dsa->Plan(now, Of("wq1")).value()),
              ElementsAre(layout, std::string("idxd.queue 0000:6a:01.0/wq1 = ") + kDedicated));
  EXPECT_THAT(
      Texts(dsa->Plan(now, Of("wq5")).value()),
      ElementsAre(layout, std::string("idxd.queue 0000:6a:01.0/wq5 = ") + kShared + " shared"));
  EXPECT_THAT(dsa->Plan(now, Of("")).value(), SizeIs(10));
  EXPECT_THAT(Texts(dsa->Plan(now, Of("", Access::kVfio)).value()),
              ElementsAre("pci.driver 0000:6a:01.0 = vfio-pci override=vfio-pci shared"));
  EXPECT_EQ(dsa->Plan(now, Of("wq8")).error().code, Code::kNotFound);
  EXPECT_THAT(dsa->Plan(now, Of("wq1", Access::kVfio)).error().what,
              HasSubstr("claim the whole of 0000:6a:01.0"));
  EXPECT_THAT(dsa->Standing(now).value(), IsEmpty());
}

TEST_F(IdxdFamily, GivesTheContainerTheQueuesNode) {
  const auto dsa = Make(kDsa);
  ASSERT_TRUE(Prepare(*dsa, "wq1"));
  const auto edits = dsa->Edits(Of("wq1"), machine_->clock.Now());
  ASSERT_TRUE(edits) << edits.error().what;
  EXPECT_THAT(edits->device_nodes, ElementsAre("/dev/dsa/wq0.1"));
  EXPECT_EQ(edits->environment.at("DRAPCI_WQ_PCI_0000_6A_01_0_WQ1"), "/dev/dsa/wq0.1");
  EXPECT_EQ(edits->environment.at("DRAPCI_DEVICE_PCI_0000_6A_01_0_WQ1"), kDsa);
  EXPECT_EQ(dsa->Edits(Of("wq2"), machine_->clock.Now()).error().code, Code::kTimeout);
  const auto iax = Make(kIax);
  ASSERT_TRUE(Prepare(*iax, "wq7"));
  EXPECT_THAT(iax->Edits(Of("wq7"), machine_->clock.Now())->device_nodes,
              ElementsAre("/dev/iax/wq1.7"));
}

TEST_F(IdxdFamily, WritesTheLayoutBeforeTheDeviceAndTheQueueAfterIt) {
  const auto dsa = Make(kDsa);
  machine_->kernel.ResetWrites();
  ASSERT_TRUE(Prepare(*dsa, "wq5"));
  std::vector<std::string> writes;
  for (const sim::WriteRecord& each : machine_->kernel.Writes()) {
    if (each.path.contains("engine") || each.path.contains("/group_id")) continue;
    writes.push_back(each.path.substr(each.path.rfind('/') + 1) + "=" + each.value);
  }
  EXPECT_THAT(writes, ElementsAre("size=16", "size=16", "size=16", "size=16", "size=16", "size=16",
                                  "size=16", "size=16", "bind=dsa0", "threshold=16", "priority=10",
                                  "type=user", "name=drapci", "driver_name=user", "bind=wq0.5"));
}

TEST_F(IdxdFamily, IsAsItWasWhenItsSettingsAreTakenBack) {
  EXPECT_EQ(Probe(kIdxdLayoutSetting, kDsa), kReset);
  EXPECT_EQ(Probe(kIdxdQueueSetting, "0000:6a:01.0/wq1"), "off");
  ASSERT_TRUE(Prepare(*Make(kDsa), "wq1"));
  EXPECT_EQ(Probe(kIdxdLayoutSetting, kDsa), kEvenLayout);
  EXPECT_EQ(Probe(kIdxdQueueSetting, "0000:6a:01.0/wq1"), kDedicated);
  EXPECT_THAT(Set(kIdxdLayoutSetting, kDsa, kReset).error().what,
              HasSubstr("wq0.1 is enabled as 'drapci'"));
  ASSERT_TRUE(Set(kIdxdQueueSetting, "0000:6a:01.0/wq1", "off"));
  EXPECT_EQ(Probe(kIdxdQueueSetting, "0000:6a:01.0/wq1"), "off");
  ASSERT_TRUE(Set(kIdxdLayoutSetting, kDsa, kReset));
  EXPECT_EQ(Probe(kIdxdLayoutSetting, kDsa), kReset);
}

TEST_F(IdxdFamily, GivesTheKernelItsOwnQueueOfIaaBack) {
  const std::string before = Probe(kIdxdLayoutSetting, kIax);
  EXPECT_THAT(before, HasSubstr("wq0=0:128:mode=dedicated,threshold=0,priority=10,type=kernel,"
                                "name=iaa_crypto,driver=crypto"));
  const auto iax = Make(kIax);
  EXPECT_EQ(Look(*iax)->foreign, "");
  const std::string queue = "0000:6a:02.0/wq0", queue_before = Probe(kIdxdQueueSetting, queue);
  ASSERT_TRUE(Prepare(*iax, "wq0"));
  ASSERT_TRUE(Set(kIdxdQueueSetting, queue, queue_before));
  ASSERT_TRUE(Set(kIdxdLayoutSetting, kIax, before));
  EXPECT_EQ(Probe(kIdxdLayoutSetting, kIax), before);
}

TEST_F(IdxdFamily, GivesTheKernelADeviceBackEnabled) {
  // As it is where the kernel's driver for compression is loaded and nobody uses it.
  ASSERT_EQ(Store("/sys/bus/dsa/drivers/idxd/bind", "iax1"), 0);
  const std::string before = Probe(kIdxdLayoutSetting, kIax);
  EXPECT_TRUE(before.starts_with("enabled wq0=0:128:"));
  const auto iax = Make(kIax);
  EXPECT_EQ(Look(*iax)->foreign, "");
  const std::string queue = "0000:6a:02.0/wq5";
  ASSERT_TRUE(Prepare(*iax, "wq5"));
  ASSERT_TRUE(Set(kIdxdQueueSetting, queue, "off"));
  ASSERT_TRUE(Set(kIdxdLayoutSetting, kIax, before));
  EXPECT_EQ(Probe(kIdxdLayoutSetting, kIax), before);
  // And where somebody does, it is left alone.
  ASSERT_EQ(Store("/sys/bus/dsa/devices/wq1.0/driver_name", "dmaengine"), 0);
  ASSERT_EQ(Store("/sys/bus/dsa/drivers/dmaengine/bind", "wq1.0"), 0);
  EXPECT_THAT(Look(*iax)->foreign, HasSubstr("wq1.0 (enabled as 'iaa_crypto')"));
}

TEST_F(IdxdFamily, KeepsTheLayoutThatThereIsWhenTheConfigurationChanges) {
  ASSERT_TRUE(Prepare(*Make(kDsa), "wq1"));
  AcceleratorPolicy policy;
  policy.work_queues = {{.shared = true, .size = 64}};
  const Description now = Look(*Make(kDsa, policy), ours_).value();
  ASSERT_THAT(now.parts, SizeIs(9));
  EXPECT_EQ(now.parts[2].profile, "dedicated");  // it is on, and says so itself
  EXPECT_EQ(now.parts[1].profile, "shared");
  EXPECT_EQ(now.foreign, "");
}

TEST_F(IdxdFamily, LeavesAloneWhatSomebodyElseHasConfigured) {
  ASSERT_EQ(Store(dsa0_ + "/wq0.3/size", "8"), 0);
  EXPECT_THAT(Look(*Make(kDsa))->foreign,
              HasSubstr("somebody else has configured wq0.3 (of 8 entries)"));
  EXPECT_EQ(Look(*Make(kDsa), kOurs)->foreign, "");
  ASSERT_EQ(Store(dsa0_ + "/wq0.3/size", "0"), 0);
  ASSERT_EQ(Store(dsa0_ + "/engine0.1/group_id", "2"), 0);
  EXPECT_THAT(Look(*Make(kDsa))->foreign, HasSubstr("somebody else has configured dsa0"));
  EXPECT_EQ(Look(*Make("0000:e7:01.0"))->foreign, "");
}

TEST_F(IdxdFamily, HandsOutTheQueuesThatAreHandedOver) {
  ASSERT_TRUE(Prepare(*Make(kDsa), "wq1"));  // as somebody else would
  EXPECT_THAT(Look(*Make(kDsa))->foreign, HasSubstr("wq0.0 (of 16 entries)"));
  AcceleratorPolicy existing;
  existing.vfs = AcceleratorPolicy::Vfs::kExisting;
  const auto dsa = Make(kDsa, existing);
  const Description now = Look(*dsa).value();
  EXPECT_EQ(now.foreign, "");
  ASSERT_THAT(now.parts, SizeIs(2));
  EXPECT_EQ(now.parts[1].name, "wq1");
  EXPECT_THAT(dsa->Plan(now, Of("wq1")).value(), IsEmpty());
  EXPECT_TRUE(dsa->Edits(Of("wq1"), machine_->clock.Now()));
  machine_->kernel.SetFile(dsa0_ + "/wq0.1/clients", "1\n");
  EXPECT_THAT(Look(*dsa)->parts[1].unusable, HasSubstr("open"));
}

TEST_F(IdxdFamily, DoesNotTakeAQueueFromUnderAProcess) {
  ASSERT_TRUE(Prepare(*Make(kDsa), "wq1"));
  machine_->kernel.SetFile(dsa0_ + "/wq0.1/clients", "1\n");
  const std::string queue = "0000:6a:01.0/wq1";
  const auto unseen = Set(kIdxdQueueSetting, queue, "off");
  EXPECT_EQ(unseen.error().code, Code::kBusy);
  EXPECT_THAT(unseen.error().what, HasSubstr("/dev/dsa/wq0.1 is open 1 times"));
  machine_->kernel.SetFile("/proc/4242/comm", "dsa_test\n");
  machine_->kernel.SetLink("/proc/4242/fd/5", "/dev/dsa/wq0.1");
  EXPECT_THAT(Set(kIdxdQueueSetting, queue, "off").error().what, HasSubstr("dsa_test (pid 4242)"));
  machine_->kernel.SetFile(dsa0_ + "/wq0.1/clients", "0\n");
  EXPECT_TRUE(Set(kIdxdQueueSetting, queue, "off"));
}

TEST_F(IdxdFamily, WithoutSvaIsGivenThroughVfioOnly) {
  Load("dsa:pasid=0");
  const auto dsa = Make(kDsa);
  const Description now = Look(*dsa).value();
  EXPECT_THAT(now.parts[1].unusable, HasSubstr("intel_iommu=on,sm_on"));
  EXPECT_THAT(dsa->Plan(now, Of("")).error().what, HasSubstr("SVA"));
  EXPECT_TRUE(dsa->Plan(now, Of("", Access::kVfio)));
  // Past that, the driver says the same.
  ASSERT_TRUE(Set(kIdxdLayoutSetting, kDsa,
                  "enabled wq0=0:16:mode=dedicated,threshold=0,priority=1,type=none,name=,driver= "
                  "engine0=0"));
  const auto refused = Set(kIdxdQueueSetting, "0000:6a:01.0/wq0", kDedicated);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_THAT(refused.error().what, HasSubstr("0x80110000: user work queues need SVA"));
}

TEST_F(IdxdFamily, OfAFixedDeviceOffersTheQueuesThatItHas) {
  Load("dsa:configurable=0");
  const auto dsa = Make(kDsa);
  const Description now = Look(*dsa).value();
  EXPECT_EQ(now.foreign, "");
  ASSERT_THAT(now.parts, SizeIs(3));
  EXPECT_THAT(now.parts[1].consumes, ElementsAre(Pair("entries", 64)));
  EXPECT_THAT(Texts(dsa->Plan(now, Of("wq1")).value()),
              Contains("idxd.layout 0000:6a:01.0 = enabled shared"));
  const auto prepared = Prepare(*dsa, "wq1");
  ASSERT_TRUE(prepared) << prepared.error().what;
  EXPECT_EQ(Read(dsa0_ + "/wq0.1/state"), "enabled");
}

TEST_F(IdxdFamily, WorksWithOlderKernels) {
  Load("dsa:drivers=one,driver-name=0");
  const auto prepared = Prepare(*Make(kDsa), "wq5");
  ASSERT_TRUE(prepared) << prepared.error().what;
  EXPECT_EQ(machine_->sysfs.ReadLink(dsa0_ + "/driver").value(), "../../../../bus/dsa/drivers/dsa");
  EXPECT_EQ(Read(dsa0_ + "/wq0.5/state"), "enabled");
  ASSERT_TRUE(Set(kIdxdQueueSetting, "0000:6a:01.0/wq5", "off"));
  ASSERT_TRUE(Set(kIdxdLayoutSetting, kDsa, kReset));
  EXPECT_EQ(Read(dsa0_ + "/state"), "disabled");
}

TEST_F(IdxdFamily, IsNotGivenWhenItHasHalted) {
  machine_->kernel.SetFile(dsa0_ + "/state", "halted\n");
  EXPECT_THAT(Look(*Make(kDsa))->unusable, HasSubstr("dsa0 has halted after an error"));
  EXPECT_THAT(Set(kIdxdLayoutSetting, kDsa, kEvenLayout).error().what, HasSubstr("halted"));
}

TEST_F(IdxdFamily, IsTheWholeFunctionOnlyWhileItsDriverIsAway) {
  ASSERT_EQ(Store("/sys/bus/pci/drivers/idxd/unbind", kDsa), 0);
  const auto dsa = Make(kDsa);
  const Description now = Look(*dsa).value();
  ASSERT_THAT(now.parts, SizeIs(1));
  EXPECT_THAT(now.counters, ElementsAre(Pair("entries", 128)));
  EXPECT_TRUE(dsa->Plan(now, Of("", Access::kVfio)));
  EXPECT_THAT(dsa->Plan(now, Of("")).error().what, HasSubstr("idxd is not bound"));
  EXPECT_EQ(Find(kIdxdLayoutSetting).Probe(kDsa).error().code, Code::kGone);
  EXPECT_EQ(Find(kIdxdQueueSetting).Probe("0000:6a:01.0/wq1").error().code, Code::kGone);
}

TEST_F(IdxdFamily, SaysWhyTheDriverRefuses) {
  const auto unnamed = Set(kIdxdQueueSetting, "0000:6a:01.0/wq0", kDedicated);
  EXPECT_EQ(unnamed.error().code, Code::kIo);
  EXPECT_THAT(unnamed.error().what, HasSubstr("ENXIO"));
  const auto empty = Set(kIdxdLayoutSetting, kDsa, "enabled");
  EXPECT_THAT(empty.error().what, HasSubstr("dsa0 says 0x800d0000: no work queue is configured"));
  EXPECT_THAT(Set(kIdxdLayoutSetting, kDsa, "enabled wq0=0:129").error().what,
              HasSubstr("EINVAL (Invalid argument); the device does not have as much"));
  const auto engineless = Set(kIdxdLayoutSetting, kDsa, "enabled wq0=1:16 engine0=0");
  EXPECT_THAT(engineless.error().what, HasSubstr("a group has work queues and no engine"));
  EXPECT_EQ(IdxdCommandStatus(0), "");
  EXPECT_NE(IdxdCommandStatus(0xff), "");
}

TEST(IdxdValues, MeanWhatTheySay) {
  for (const char* text :
       {"off", "on mode=dedicated threshold=0 priority=10 type=user name=drapci driver=user",
        "off mode=shared threshold=0 priority=0 type=none name=a%20b%3d driver="}) {
    const auto queue = ParseIdxdQueue(text);
    ASSERT_TRUE(queue) << text;
    EXPECT_EQ(FormatIdxdQueue(*queue), text);
  }
  for (const char* text : {"", "on", "off ", "on mode=dedicated", "gone mode=",
                           "on mode=dedicated threshold=-1 priority=10 type=user name= driver=",
                           "on mode=dedicated threshold=0 priority=10 type=user name=%2 driver=",
                           "on mode=dedicated threshold=0 priority=10 type=user name=%61 driver=",
                           "off mode=shared threshold=0 priority=0 type=none name= driver="}) {
    EXPECT_FALSE(ParseIdxdQueue(text)) << text;
  }
  for (const char* text : {kEvenLayout, kReset, "halted",
                           "disabled wq0=0:128:mode=shared,"
                           "threshold=0,priority=1,type=kernel,name=iaa_crypto,driver=crypto"}) {
    const auto layout = ParseIdxdLayout(text);
    ASSERT_TRUE(layout) << text;
    EXPECT_EQ(FormatIdxdLayout(*layout), text);
  }
  for (const char* text :
       {"", "on", "enabled wq0", "enabled wq0=1", "enabled wq0=a:1", "enabled wq0=-2:1",
        "enabled wq0=0:1 wq0=0:1", "enabled wq00=0:1", "enabled engine=0", "enabled engine0=x",
        "enabled group0=1", "enabled  wq0=0:1", "enabled wq0=0:1:mode=shared",
        "enabled wq1=0:1 wq0=0:1", "enabled engine0=0 wq0=0:1"}) {
    EXPECT_FALSE(ParseIdxdLayout(text)) << text;
  }
}

TEST_F(IdxdFamily, KnowsATraceOfItsOwnFromSomebodyElsesWork) {
  const Setting& layout = Find(kIdxdLayoutSetting);
  std::string cut(kReset);
  cut.replace(cut.find("wq2=-1:0"), 8, "wq2=0:16");
  EXPECT_TRUE(layout.Between(cut, kReset, kEvenLayout));
  cut.replace(cut.find("wq2=0:16"), 8, "wq2=0:17");
  EXPECT_FALSE(layout.Between(cut, kReset, kEvenLayout));
  EXPECT_FALSE(layout.Between("enabled engine0=1", kReset, kEvenLayout));
  const Setting& queue = Find(kIdxdQueueSetting);
  EXPECT_TRUE(queue.Between(
      "off mode=dedicated threshold=0 priority=10 type=user name= driver=", "off", kDedicated));
  EXPECT_FALSE(queue.Between(
      "off mode=dedicated threshold=0 priority=11 type=user name= driver=", "off", kDedicated));
  EXPECT_FALSE(
      queue.Between("on mode=dedicated threshold=0 priority=10 type=user name=mine driver=user",
                    "off", kDedicated));
  EXPECT_FALSE(queue.Between("rubbish", "off", kDedicated));
}

TEST_F(IdxdFamily, HasTargetsByPlaceOnly) {
  for (const char* target : {"", "0000:6a:01.0/vf1", "dsa0"}) {
    EXPECT_EQ(Find(kIdxdLayoutSetting).Probe(target).error().code, Code::kInvalid) << target;
    EXPECT_EQ(Find(kIdxdQueueSetting).Probe(target).error().code, Code::kInvalid) << target;
  }
  EXPECT_EQ(Find(kIdxdQueueSetting).Probe("0000:6a:01.0/wq8").error().code, Code::kGone);
  EXPECT_EQ(Set(kIdxdLayoutSetting, kDsa, "rubbish").error().code, Code::kInvalid);
  EXPECT_EQ(Set(kIdxdQueueSetting, "0000:6a:01.0/wq1", "on").error().code, Code::kInvalid);
  for (const char* driver : {"", "a%2f..%2fb"}) {
    const std::string value =
        std::string("on mode=shared threshold=0 priority=0 type=none name= driver=") + driver;
    EXPECT_EQ(Set(kIdxdQueueSetting, "0000:6a:01.0/wq1", value).error().code, Code::kInvalid);
  }
}

}  // namespace
}  // namespace drapci::hal
