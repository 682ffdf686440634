#include "hal/accel/sriov.h"

#include <gmock/gmock.h>

#include "hal/accel/match.h"
#include "test/unit/accel/look.h"
#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using test::Look;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using Vfs = AcceleratorPolicy::Vfs;

const std::set<std::string> kOurs = {"sriov.vfs 0000:02:00.0"};
const PartRequest kKernelVf3{.part = "vf3", .access = Access::kKernel};
const PartRequest kVfioVf3{.part = "vf3", .access = Access::kVfio};

AcceleratorPolicy Policy(Vfs vfs, int count = 0) {
  AcceleratorPolicy policy;
  policy.vfs = vfs;
  policy.vf_count = count;
  return policy;
}

std::vector<std::string> Texts(const std::vector<Wanted>& plan) {
  std::vector<std::string> texts;
  for (const Wanted& wanted : plan) {
    texts.push_back(wanted.setting + " " + wanted.target + " = " + wanted.value +
                    (wanted.shared ? " shared" : "") +
                    (wanted.initially.empty() ? "" : " initially " + wanted.initially));
  }
  return texts;
}

class SriovFamily : public test::NicMachine {
 protected:
  std::unique_ptr<Accelerator> Make(AcceleratorPolicy policy = {}, std::string in_host_use = "") {
    return MakeSriovAccelerator(host_, machine_.scanner.Scan().value().front(), policy,
                                std::move(in_host_use));
  }
  void Apply(const std::vector<Wanted>& plan) {
    const SettingTable settings = MakeSettings(host_);
    for (const Wanted& wanted : plan) {
      const Result<> applied =
          settings.find(wanted.setting)->second->Apply(wanted.target, wanted.value, Deadline());
      ASSERT_TRUE(applied) << applied.error().what;
    }
  }
};

TEST_F(SriovFamily, TheWholeAndItsVfsExcludeEachOther) {
  const Description now = Look(*Make()).value();
  EXPECT_THAT(now.counters, ElementsAre(Pair("vfs", 7)));
  ASSERT_EQ(now.parts.size(), 8u);
  EXPECT_EQ(now.parts[0].name, "");
  EXPECT_EQ(now.parts[0].profile, "function");
  EXPECT_THAT(now.parts[0].consumes, ElementsAre(Pair("vfs", 7)));
  for (int i = 0; i < 7; ++i) {
    const Part& vf = now.parts[static_cast<size_t>(i) + 1];
    EXPECT_EQ(vf.name, "vf" + std::to_string(i));
    EXPECT_EQ(vf.profile, "vf");
    EXPECT_THAT(vf.consumes, ElementsAre(Pair("vfs", 1)));
    EXPECT_EQ(vf.unusable, "");
    EXPECT_EQ(vf.attributes.at("vf"), AttributeValue(int64_t{i}));
    EXPECT_EQ(vf.attributes.at("pf"), AttributeValue("0000:02:00.0"));
    EXPECT_EQ(vf.attributes.at("device"), AttributeValue("0x10ca"));
    EXPECT_FALSE(vf.attributes.contains("address"));
  }
}

TEST_F(SriovFamily, OffersAsManyVfsAsThePolicySays) {
  EXPECT_THAT(Look(*Make(Policy(Vfs::kOnDemand, 3)))->counters, ElementsAre(Pair("vfs", 3)));
  const Description greedy = Look(*Make(Policy(Vfs::kOnDemand, 9))).value();
  EXPECT_THAT(greedy.unusable, HasSubstr("asks for 9 VFs and it has 7"));
}

TEST_F(SriovFamily, VfsThatExistHaveAnAddressAndADriver) {
  MakeVfs(2);
  const auto parts = Look(*Make(Policy(Vfs::kExisting)))->parts;
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[2].attributes.at("address"), AttributeValue("0000:02:10.2"));
  EXPECT_EQ(parts[2].attributes.at("driver"), AttributeValue("igbvf"));
}

TEST_F(SriovFamily, OnDemandVfsAreMadeByASharedStepAndThenBound) {
  const auto nic = Make(Policy(Vfs::kOnDemand, 4));
  const Description now = Look(*nic).value();
  EXPECT_THAT(Texts(nic->Plan(now, kKernelVf3).value()),
              ElementsAre("sriov.vfs 0000:02:00.0 = vfs=4 autoprobe=1 shared",
                          "pci.driver 0000:02:00.0/vf3 = kernel initially none"));
  EXPECT_THAT(
      Texts(nic->Plan(now, kVfioVf3).value()),
      ElementsAre("sriov.vfs 0000:02:00.0 = vfs=4 autoprobe=1 shared",
                  "pci.driver 0000:02:00.0/vf3 = vfio-pci override=vfio-pci initially none"));
  EXPECT_THAT(nic->Standing(now).value(), IsEmpty());
}

TEST_F(SriovFamily, TheSecondClaimWantsTheVfsThatThereAre) {
  MakeVfs(5);  // made under an earlier configuration
  const auto nic = Make(Policy(Vfs::kOnDemand, 7));
  const Description now = Look(*nic, kOurs).value();
  EXPECT_EQ(now.foreign, "");
  EXPECT_THAT(now.counters, ElementsAre(Pair("vfs", 5)));
  EXPECT_THAT(Texts(nic->Plan(now, kKernelVf3).value()),
              Contains("sriov.vfs 0000:02:00.0 = vfs=5 autoprobe=1 shared"));
}

TEST_F(SriovFamily, VfsThatSomebodyElseMadeAreForeign) {
  MakeVfs(3);
  for (const auto& policy : {Policy(Vfs::kOnDemand), Policy(Vfs::kFixed, 4)}) {
    const auto nic = Make(policy);
    const Description now = Look(*nic).value();
    EXPECT_THAT(now.foreign, HasSubstr("3 virtual functions"));
    EXPECT_THAT(now.foreign, HasSubstr("vfs: existing"));
    EXPECT_THAT(nic->Standing(now).value(), IsEmpty());
    EXPECT_EQ(Look(*nic, kOurs)->foreign, "");
  }
}

TEST_F(SriovFamily, VfsThatAreHandedOverAreUsedAndNeverMade) {
  MakeVfs(4);
  const auto nic = Make(Policy(Vfs::kExisting));
  const Description now = Look(*nic).value();
  EXPECT_EQ(now.foreign, "");
  EXPECT_THAT(now.counters, ElementsAre(Pair("vfs", 4)));
  EXPECT_THAT(Texts(nic->Plan(now, kKernelVf3).value()),
              ElementsAre("pci.driver 0000:02:00.0/vf3 = kernel initially none",
                          "net.interface 0000:02:00.0/vf3 = any initially none"));
  EXPECT_EQ(nic->Plan(now, {.part = "vf4"}).error().code, Code::kNotFound);
}

TEST_F(SriovFamily, AFixedNumberOfVfsIsKeptOutsideOfClaims) {
  const auto nic = Make(Policy(Vfs::kFixed, 4));
  const Description now = Look(*nic).value();
  EXPECT_THAT(Texts(nic->Standing(now).value()),
              ElementsAre("sriov.vfs 0000:02:00.0 = vfs=4 autoprobe=1 shared"));
  Apply(nic->Standing(now).value());
  const Description then = Look(*nic, kOurs).value();
  EXPECT_THAT(Texts(nic->Plan(then, kKernelVf3).value()),
              ElementsAre("sriov.vfs 0000:02:00.0 = vfs=4 autoprobe=1 shared",
                          "pci.driver 0000:02:00.0/vf3 = kernel initially none",
                          "net.interface 0000:02:00.0/vf3 = any initially none"));
}

TEST_F(SriovFamily, AFixedNumberThatIsThereAlreadyIsAdopted) {
  MakeVfs(4);
  EXPECT_EQ(Look(*Make(Policy(Vfs::kFixed, 4)))->foreign, "");
}

TEST_F(SriovFamily, ANewFixedNumberIsWantedWhileTheOldOneIsThere) {
  MakeVfs(4);
  const auto nic = Make(Policy(Vfs::kFixed, 6));
  EXPECT_THAT(Texts(nic->Standing(Look(*nic, kOurs).value()).value()),
              ElementsAre("sriov.vfs 0000:02:00.0 = vfs=6 autoprobe=1 shared"));
}

TEST_F(SriovFamily, WhatIsNotGivenHasNoStandingSettings) {
  const auto used = Make(Policy(Vfs::kFixed, 4), "it carries the host's default route");
  const Description now = Look(*used).value();
  EXPECT_THAT(now.unusable, HasSubstr("default route"));
  EXPECT_THAT(used->Standing(now).value(), IsEmpty());
}

TEST_F(SriovFamily, TheWholeIsPlannedLikeAnyFunction) {
  const auto nic = Make();
  const Description now = Look(*nic).value();
  EXPECT_THAT(Texts(nic->Plan(now, {.part = "", .access = Access::kVfio}).value()),
              ElementsAre("pci.driver 0000:02:00.0 = vfio-pci override=vfio-pci shared"));
  EXPECT_THAT(Texts(nic->Plan(now, {.part = "", .access = Access::kKernel}).value()),
              ElementsAre("pci.driver 0000:02:00.0 = kernel shared",
                          "net.interface 0000:02:00.0 = any initially none"));
}

TEST_F(SriovFamily, TheWholeIsNotTakenFromItsDriverWhileVfsNeedIt) {
  const PartRequest whole_by_vfio{.part = "", .access = Access::kVfio};
  const auto fixed = Make(Policy(Vfs::kFixed, 4));
  EXPECT_EQ(fixed->Plan(Look(*fixed).value(), whole_by_vfio).error().code, Code::kConflict);
  MakeVfs(4);
  const auto existing = Make(Policy(Vfs::kExisting));
  const Description now = Look(*existing).value();
  EXPECT_FALSE(existing->Plan(now, whole_by_vfio));
  EXPECT_TRUE(existing->Plan(now, {.part = "", .access = Access::kKernel}));
}

TEST_F(SriovFamily, VfsNeedThePfsDriver) {
  Store("/sys/bus/pci/drivers/igb/unbind", nic_.ToString());
  const Description now = Look(*Make()).value();
  EXPECT_EQ(now.parts[0].unusable, "");
  EXPECT_THAT(now.parts[1].unusable, HasSubstr("no driver"));
}

TEST_F(SriovFamily, ABriefLookDecidesLikeAFullOne) {
  MakeVfs(2);
  for (const auto& policy :
       {Policy(Vfs::kOnDemand), Policy(Vfs::kFixed, 4), Policy(Vfs::kExisting)}) {
    for (const std::set<std::string>& ours : {std::set<std::string>(), kOurs}) {
      const auto nic = Make(policy);
      const Description full = Look(*nic, ours).value();
      const Description brief = nic->Describe(ours, Accelerator::Detail::kBrief).value();
      EXPECT_EQ(brief.counters, full.counters);
      EXPECT_EQ(brief.foreign, full.foreign);
      EXPECT_EQ(brief.unusable, full.unusable);
      ASSERT_EQ(brief.parts.size(), full.parts.size());
      for (size_t i = 0; i < full.parts.size(); ++i) {
        EXPECT_EQ(brief.parts[i].name, full.parts[i].name);
        EXPECT_EQ(brief.parts[i].consumes, full.parts[i].consumes);
        EXPECT_EQ(brief.parts[i].unusable, full.parts[i].unusable);
        EXPECT_EQ(brief.parts[i].no_vfio, full.parts[i].no_vfio);
      }
    }
  }
}

AcceleratorPolicy Shares(int64_t bandwidth = 0) {
  AcceleratorPolicy policy;
  policy.shares = true;
  policy.bandwidth = bandwidth;
  return policy;
}

TEST_F(SriovFamily, ASharedCardIsOneDeviceAndItsVfsStandForShares) {
  const auto nic = Make(Shares(2'500'000'000));
  const Description now = Look(*nic).value();
  const Part& shared = now.parts.front();
  EXPECT_EQ(shared.profile, "share");
  EXPECT_THAT(shared.share_parts, testing::SizeIs(now.counters.at("vfs")));
  EXPECT_EQ(shared.share_parts.at(3), "vf3");
  const Capacity& bandwidth = shared.capacities.at("bandwidth");
  EXPECT_EQ(bandwidth.value, 2'500'000'000);
  EXPECT_EQ(bandwidth.min, 1'000'000);
  EXPECT_EQ(bandwidth.step, 1'000'000);
  EXPECT_EQ(bandwidth.default_share, 2500 / now.counters.at("vfs") * 1'000'000);
  EXPECT_EQ(now.counters.at("bandwidth"), 2'500'000'000);
  EXPECT_TRUE(now.parts.at(1).stands_for_share);
}

TEST_F(SriovFamily, TheInterfaceOfASharedCardIsKeptUpSinceItsSpeedIsShared) {
  const auto nic = Make(Shares());
  EXPECT_THAT(Texts(nic->Standing(Look(*nic).value()).value()),
              ElementsAre("net.up 0000:02:00.0 = up shared"));
}

TEST_F(SriovFamily, AShareOfTheBandwidthIsTheRateOfItsVf) {
  const auto nic = Make(Shares(2'500'000'000));
  const Description now = Look(*nic).value();
  PartRequest request = kKernelVf3;
  request.share = {{"vfs", 1}, {"bandwidth", 200'000'000}};
  EXPECT_THAT(Texts(nic->Plan(now, request).value()),
              ElementsAre("sriov.vfs 0000:02:00.0 = vfs=7 autoprobe=1 shared",
                          "net.up 0000:02:00.0 = up shared",
                          "net.vf 0000:02:00.0/vf3 = max_rate=200 initially max_rate=0",
                          "pci.driver 0000:02:00.0/vf3 = kernel initially none"));
}

TEST_F(SriovFamily, ANetworkConfigurationBecomesSettingsOfTheVf) {
  const auto nic = Make();
  const Description now = Look(*nic).value();
  PartRequest request = kVfioVf3;
  request.network = NetworkRequest{};
  request.network->vf.vlan = 100;
  request.network->vf.max_rate = 50;
  request.network->advisory_rate = true;
  const auto plan = nic->Plan(now, request).value();
  EXPECT_THAT(
      Texts(plan),
      ElementsAre("sriov.vfs 0000:02:00.0 = vfs=7 autoprobe=1 shared",
                  "net.up 0000:02:00.0 = up shared",
                  "net.vf 0000:02:00.0/vf3 = max_rate=50 initially max_rate=0",
                  "net.vf 0000:02:00.0/vf3 = vlan=100 initially vlan=0",
                  "pci.driver 0000:02:00.0/vf3 = vfio-pci override=vfio-pci initially none"));
  EXPECT_TRUE(plan.at(2).advisory);
  EXPECT_FALSE(plan.at(3).advisory);
}

TEST_F(SriovFamily, AVfForUserSpaceHasNoInterfaceToName) {
  const auto nic = Make();
  PartRequest request = kVfioVf3;
  request.network = NetworkRequest{};
  request.network->interface = "net1";
  EXPECT_EQ(nic->Plan(Look(*nic).value(), request).error().code, Code::kInvalid);
}

TEST_F(SriovFamily, TheWholeHasNoSettingsOfAVf) {
  const auto nic = Make();
  PartRequest request{.part = "", .access = Access::kKernel};
  request.network = NetworkRequest{};
  request.network->vf.vlan = 100;
  EXPECT_THAT(nic->Plan(Look(*nic).value(), request).error().what,
              HasSubstr("can be set for its virtual functions only"));
}

TEST_F(SriovFamily, IsGoneWhenPulled) {
  const auto nic = Make();
  ASSERT_TRUE(machine_.kernel.Unplug(nic_));
  EXPECT_EQ(Look(*nic).error().code, Code::kGone);
}

TEST_F(SriovFamily, DescribingDoesNotWaitForTheDeviceLock) {
  MakeVfs(2);
  machine_.kernel.faults().FailRead("*/sriov_numvfs", EIO, sim::Faults::kForever);
  EXPECT_TRUE(Look(*Make(), kOurs));
}

TEST_F(SriovFamily, AVfByItsKernelDriverComesWithItsInterface) {
  const auto nic = Make();
  Apply(nic->Plan(Look(*nic).value(), kKernelVf3).value());
  const ContainerEdits edits = nic->Edits(kKernelVf3, Deadline()).value();
  EXPECT_EQ(edits.environment.at("DRAPCI_DEVICE_PCI_0000_02_00_0_VF3"), "0000:02:10.6");
  EXPECT_EQ(edits.environment.at("DRAPCI_NETDEV_PCI_0000_02_00_0_VF3"), "enp2s0f0v3");
  EXPECT_THAT(edits.device_nodes, IsEmpty());
}

TEST_F(SriovFamily, AVfByVfioComesWithItsGroup) {
  const auto nic = Make();
  Apply(nic->Plan(Look(*nic).value(), kVfioVf3).value());
  const ContainerEdits edits = nic->Edits(kVfioVf3, Deadline()).value();
  const std::string group = std::to_string(State("0000:02:10.6").iommu_group.value());
  EXPECT_THAT(edits.device_nodes, ElementsAre("/dev/vfio/vfio", "/dev/vfio/" + group));
  EXPECT_EQ(edits.environment.at("DRAPCI_VFIO_PCI_0000_02_00_0_VF3"), group);
}

TEST_F(SriovFamily, EditsOfWhatDoesNotExistAreRefused) {
  EXPECT_EQ(Make()->Edits(kKernelVf3, Deadline()).error().code, Code::kGone);
  EXPECT_EQ(Make()->Edits({.part = "slot3"}, Deadline()).error().code, Code::kNotFound);
  EXPECT_EQ(Make()->Edits({.part = "vf03"}, Deadline()).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace drapci::hal
