#include "hal/accel/function.h"

#include <gmock/gmock.h>

#include "test/unit/accel/board_machine.h"
#include "test/unit/accel/look.h"

namespace drapci::hal {
namespace {

using test::Look;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class WholeFunction : public test::BoardMachine {
 protected:
  WholeFunction() {
    Load("mixed-small");
    disk_ = Make("0000:18:00.0");
  }
  Result<std::vector<Wanted>> Plan(Access access) const {
    return disk_->Plan(Look(*disk_).value(), {.part = "", .access = access});
  }
  Result<ContainerEdits> Edits(Access access) const {
    return disk_->Edits({.part = "", .access = access}, machine_->clock.Now());
  }

  std::unique_ptr<Accelerator> disk_;
};

TEST_F(WholeFunction, IsOnePartThatTakesTheWholeStock) {
  EXPECT_EQ(disk_->family(), "function");
  const Description now = Look(*disk_).value();
  EXPECT_THAT(now.counters, ElementsAre(Pair("functions", 1)));
  ASSERT_EQ(now.parts.size(), 1u);
  EXPECT_EQ(now.parts[0].name + now.parts[0].unusable + now.parts[0].no_vfio + now.foreign, "");
  EXPECT_EQ(now.parts[0].profile, "function");
  EXPECT_THAT(now.parts[0].consumes, ElementsAre(Pair("functions", 1)));
}

TEST_F(WholeFunction, NeedsNothingButItsDriver) {
  EXPECT_THAT(test::Texts(Plan(Access::kKernel).value()),
              ElementsAre("pci.driver 0000:18:00.0 = kernel shared"));
  EXPECT_THAT(test::Texts(Plan(Access::kVfio).value()),
              ElementsAre("pci.driver 0000:18:00.0 = vfio-pci override=vfio-pci shared"));
  EXPECT_THAT(disk_->Standing(Look(*disk_).value()).value(), IsEmpty());
  const Error error = disk_->Plan(Look(*disk_).value(), {.part = "vf0"}).error();
  EXPECT_EQ(error.code, Code::kNotFound);
}

TEST_F(WholeFunction, HasNoVirtualFunctionsToSetUp) {
  PartRequest request;
  request.network.emplace().vf.vlan = 7;
  const Error error = disk_->Plan(Look(*disk_).value(), request).error();
  EXPECT_THAT(error.what, HasSubstr("0000:18:00.0 has no virtual functions"));
}

TEST_F(WholeFunction, GivesTheNodesOfTheDriverThatWasAskedFor) {
  EXPECT_THAT(Edits(Access::kKernel)->device_nodes, ElementsAre("/dev/nvme0", "/dev/nvme0n1"));
  ASSERT_TRUE(Apply(Plan(Access::kVfio).value()));
  const ContainerEdits edits = Edits(Access::kVfio).value();
  EXPECT_THAT(edits.device_nodes, ElementsAre("/dev/vfio/vfio", "/dev/vfio/21"));
  EXPECT_EQ(edits.environment.at("DRAPCI_VFIO_PCI_0000_18_00_0"), "21");
  EXPECT_EQ(Edits(Access::kKernel).error().code, Code::kConflict);
}

TEST_F(WholeFunction, IsRefusedWhileAProcessUsesItAndForeignWhenSomebodyReservesIt) {
  machine_->kernel.SetFile("/proc/4242/comm", "fio\n");
  machine_->kernel.SetLink("/proc/4242/fd/5", "/dev/nvme0n1");
  const auto refused = Apply(Plan(Access::kVfio).value());
  EXPECT_THAT(refused.error().what, HasSubstr("0000:18:00.0 is used by fio (pid 4242)"));
  machine_->kernel.SetFile("/proc/4242/comm", "systemd-udevd\n");
  ASSERT_TRUE(Apply(Plan(Access::kVfio).value()));
  EXPECT_THAT(Look(*disk_)->foreign, HasSubstr("somebody else has bound it to vfio-pci"));
  EXPECT_EQ(Look(*disk_, {"pci.driver 0000:18:00.0"})->foreign, "");
}

}  // namespace
}  // namespace drapci::hal
