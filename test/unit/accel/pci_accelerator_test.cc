// What every family on one PCI function has in common, tried with a whole function.
#include "hal/accel/pci_accelerator.h"

#include <gmock/gmock.h>

#include "hal/accel/function.h"
#include "hal/accel/match.h"
#include "hal/accel/pci_settings.h"
#include "test/unit/accel/look.h"
#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using test::Look;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr const char* kDisk = "0000:05:00.0";

class AnyFunction : public test::NicMachine {
 protected:
  void SetUp() override { ASSERT_TRUE(machine_.kernel.AddFunction(sim::Nvme(kDisk))); }

  std::unique_ptr<Accelerator> Make(std::string_view address, AcceleratorPolicy policy = {},
                                    std::string in_host_use = "") {
    std::vector<PciFunction> functions = machine_.scanner.Scan().value();
    for (PciFunction& function : functions) {
      if (function.address != At(address)) continue;
      return MakeFunctionAccelerator(host_, std::move(function), policy, std::move(in_host_use));
    }
    ADD_FAILURE() << address;
    return nullptr;
  }
  // Applies what Plan wants.
  void Prepare(const Accelerator& accelerator, Access access) {
    const Description now = Look(accelerator).value();
    const auto plan = accelerator.Plan(now, {.part = "", .access = access}).value();
    for (const Wanted& wanted : plan) {
      const Result<> applied =
          settings_.find(wanted.setting)->second->Apply(wanted.target, wanted.value, Deadline());
      ASSERT_TRUE(applied) << applied.error().what;
    }
  }

  const SettingTable settings_ = MakeSettings(host_);
};

TEST_F(AnyFunction, TellsWhatItIs) {
  const auto attributes = Look(*Make(kDisk))->attributes;
  EXPECT_EQ(attributes.at("vendor"), AttributeValue("0x1b36"));
  EXPECT_EQ(attributes.at("device"), AttributeValue("0x0010"));
  EXPECT_EQ(attributes.at("class"), AttributeValue("0x010802"));
  EXPECT_EQ(attributes.at("driver"), AttributeValue("nvme"));
  EXPECT_EQ(attributes.at("numa_node"), AttributeValue(int64_t{-1}));
  EXPECT_EQ(attributes.at("pcie_root"), AttributeValue("pci0000:05"));
  EXPECT_EQ(attributes.at("link_speed"), AttributeValue(int64_t{8000}));
  EXPECT_EQ(attributes.at("link_width"), AttributeValue(int64_t{8}));
}

TEST_F(AnyFunction, IsNotGivenWhenTheHostNeedsItOrTheConfigurationForbids) {
  EXPECT_THAT(Look(*Make(kDisk, {}, "it holds swap"))->unusable, HasSubstr("it holds swap"));
  AcceleratorPolicy off;
  off.enabled = false;
  EXPECT_THAT(Look(*Make(kDisk, off))->unusable, HasSubstr("enabled: false"));
}

TEST_F(AnyFunction, IsGoneWhenPulled) {
  const auto disk = Make(kDisk);
  ASSERT_TRUE(machine_.kernel.Unplug(At(kDisk)));
  EXPECT_EQ(Look(*disk).error().code, Code::kGone);
  EXPECT_EQ(disk->Edits({}, Deadline()).error().code, Code::kGone);
}

TEST_F(AnyFunction, BoundToVfioBySomebodyElseIsForeignUntilHandedOver) {
  const auto disk = Make(kDisk);
  Prepare(*disk, Access::kVfio);
  EXPECT_THAT(Look(*disk)->foreign, HasSubstr("vfio-pci"));
  EXPECT_EQ(Look(*disk, {"pci.driver 0000:05:00.0"})->foreign, "");
  AcceleratorPolicy existing;
  existing.vfs = AcceleratorPolicy::Vfs::kExisting;
  EXPECT_EQ(Look(*Make(kDisk, existing))->foreign, "");
}

TEST_F(AnyFunction, WithoutIommuGroupIsRefusedForVfioOnly) {
  sim::FunctionSpec plain = sim::Plain("0000:06:00.0");
  plain.iommu_group.reset();
  ASSERT_TRUE(machine_.kernel.AddFunction(plain));
  const auto card = Make("0000:06:00.0");
  const Description now = Look(*card).value();
  EXPECT_TRUE(card->Plan(now, {.part = "", .access = Access::kKernel}));
  const Error error = card->Plan(now, {.part = "", .access = Access::kVfio}).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_THAT(error.what, HasSubstr("IOMMU"));
}

TEST_F(AnyFunction, GivesTheNodesOfItsKernelDriver) {
  const ContainerEdits edits = Make(kDisk)->Edits({}, Deadline()).value();
  EXPECT_THAT(edits.device_nodes, ElementsAre("/dev/nvme0"));
  EXPECT_THAT(edits.environment,
              ElementsAre(Pair("DRAPCI_DEVICE_PCI_0000_05_00_0", "0000:05:00.0")));
}

TEST_F(AnyFunction, NamesItsNetworkInterface) {
  const ContainerEdits edits = Make(test::kNic)->Edits({}, Deadline()).value();
  EXPECT_THAT(edits.device_nodes, IsEmpty());
  EXPECT_THAT(edits.environment,
              UnorderedElementsAre(Pair("DRAPCI_DEVICE_PCI_0000_02_00_0", "0000:02:00.0"),
                                   Pair("DRAPCI_NETDEV_PCI_0000_02_00_0", "enp2s0f0")));
}

TEST_F(AnyFunction, BoundTheOtherWayGivesNothing) {
  const auto disk = Make(kDisk);
  EXPECT_EQ(disk->Edits({.part = "", .access = Access::kVfio}, Deadline()).error().code,
            Code::kConflict);
  Prepare(*disk, Access::kVfio);
  EXPECT_EQ(disk->Edits({.part = "", .access = Access::kKernel}, Deadline()).error().code,
            Code::kConflict);
}

TEST_F(AnyFunction, WithoutADriverGivesNothing) {
  ASSERT_TRUE(machine_.kernel.AddFunction(sim::Plain("0000:06:00.0")));
  const Error error = Make("0000:06:00.0")->Edits({}, Deadline()).error();
  EXPECT_THAT(error.what, HasSubstr("no driver is bound to 0000:06:00.0"));
}

TEST_F(AnyFunction, ANodeThatNeverAppearsIsNamed) {
  const std::string child = State(kDisk).sysfs_path + "/nvme/late";
  machine_.kernel.SetFile(child + "/dev", "259:9\n");
  machine_.kernel.SetFile(child + "/uevent", "DEVNAME=nvme9n9\n");
  const Error error = Make(kDisk)->Edits({}, Deadline()).error();
  EXPECT_EQ(error.code, Code::kTimeout);
  EXPECT_THAT(error.what, HasSubstr("/dev/nvme9n9"));
}

TEST_F(AnyFunction, KeepsItsDriverWhileAProcessUsesIt) {
  machine_.kernel.SetFile("/proc/4242/comm", "fio\n");
  machine_.kernel.SetLink("/proc/4242/fd/5", "/dev/nvme0");
  machine_.kernel.ResetWrites();
  Setting& driver = *settings_.find(kDriverSetting)->second;
  const auto refused = driver.Apply(kDisk, "vfio-pci override=vfio-pci", Deadline());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("0000:05:00.0 is used by fio (pid 4242)"));
  EXPECT_THAT(machine_.kernel.Writes(), IsEmpty());
  EXPECT_TRUE(driver.Apply(kDisk, "kernel", Deadline())) << "it has that already";
}

}  // namespace
}  // namespace drapci::hal
