#include "hal/pci/sriov.h"

#include <gmock/gmock.h>

#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using std::chrono::milliseconds;
using test::At;
using testing::ElementsAre;
using testing::IsEmpty;

class Sriov : public test::NicMachine {
 protected:
  Result<> Apply(SriovState want) { return ApplySriov(host_, nic_, want, Deadline()); }
  SriovState Now() { return ReadSriov(machine_.sysfs, nic_).value(); }
};

TEST_F(Sriov, MakesVfsWithoutADriverAndPutsAutoprobeBack) {
  ASSERT_TRUE(Apply({.vfs = 3, .autoprobe = true}));
  EXPECT_THAT(Writes(), ElementsAre("sriov_drivers_autoprobe=0", "sriov_numvfs=3",
                                    "sriov_drivers_autoprobe=1"));
  EXPECT_EQ(Now(), (SriovState{.vfs = 3, .autoprobe = true}));
  EXPECT_THAT(ListVfs(machine_.sysfs, nic_).value(),
              ElementsAre(At("0000:02:10.0"), At("0000:02:10.2"), At("0000:02:10.4")));
  EXPECT_EQ(State("0000:02:10.0").driver, "");
}

TEST_F(Sriov, LeavesAutoprobeOffWhenThatIsWanted) {
  ASSERT_TRUE(Apply({.vfs = 2, .autoprobe = false}));
  EXPECT_THAT(Writes(), ElementsAre("sriov_drivers_autoprobe=0", "sriov_numvfs=2"));
  ASSERT_TRUE(Apply({.vfs = 0, .autoprobe = true}));
  EXPECT_EQ(Now(), (SriovState{.vfs = 0, .autoprobe = true}));
}

TEST_F(Sriov, WritesNothingWhenNothingIsToChange) {
  ASSERT_TRUE(Apply({.vfs = 0, .autoprobe = true}));
  EXPECT_THAT(Writes(), IsEmpty());
}

TEST_F(Sriov, ChangesTheCountOnlyThroughZero) {
  ASSERT_TRUE(Apply({.vfs = 3}));
  machine_.kernel.ResetWrites();
  ASSERT_TRUE(Apply({.vfs = 5}));
  EXPECT_THAT(Writes(), ElementsAre("sriov_numvfs=0", "sriov_drivers_autoprobe=0", "sriov_numvfs=5",
                                    "sriov_drivers_autoprobe=1"));
  EXPECT_EQ(Now().vfs, 5);
}

TEST_F(Sriov, RefusesMoreThanTotalWithErangeBeforeGivingUpWhatThereIs) {
  ASSERT_TRUE(Apply({.vfs = 3}));
  machine_.kernel.ResetWrites();
  const Error error = Apply({.vfs = 8}).error();
  EXPECT_EQ(error.sys, ERANGE);
  EXPECT_EQ(error.code, Code::kExhausted);
  EXPECT_TRUE(error.what.contains("8") && error.what.contains("7")) << error.what;
  EXPECT_THAT(Writes(), IsEmpty());
  EXPECT_EQ(Now().vfs, 3);
}

TEST_F(Sriov, WaitsForVfsThatAppearLate) {
  machine_.kernel.LateVfs(nic_, milliseconds(500));
  ASSERT_TRUE(Apply({.vfs = 7}));
  EXPECT_EQ(ListVfs(machine_.sysfs, nic_)->size(), 7u);
}

TEST_F(Sriov, GivesUpAtTheDeadlineAndSaysHowManyAreThere) {
  // VFs that are counted and never appear: the model keeps them for itself.
  class NeverAnEvent : public DeviceEvents {
   public:
    void Listen(std::function<void(const DeviceEvent&)>) override {}
    bool WaitUntil(const std::function<bool()>& done, MonotonicTime) override { return done(); }
    std::string Source() const override { return "kernel"; }
  } events;
  machine_.kernel.LateVfs(nic_, milliseconds(500));
  Host host{machine_.sysfs,      machine_.dev, machine_.netlink,
            machine_.namespaces, events,       machine_.clock};
  const Error error = ApplySriov(host, nic_, {.vfs = 7}, Deadline()).error();
  EXPECT_EQ(error.code, Code::kTimeout);
  EXPECT_TRUE(error.what.contains("only 0 of the 7 VFs")) << error.what;
  EXPECT_TRUE(Now().autoprobe);
}

TEST_F(Sriov, FewerVfsThanAskedForAreUndone) {
  machine_.kernel.FewerVfs(nic_, 4);
  const Error error = Apply({.vfs = 7}).error();
  EXPECT_EQ(error.code, Code::kExhausted);
  EXPECT_TRUE(error.what.contains("4 of the 7")) << error.what;
  EXPECT_EQ(Now(), (SriovState{.vfs = 0, .autoprobe = true}));
}

TEST_F(Sriov, APfWithoutDriverIsRefusedBeforeAnyWrite) {
  Store("/sys/bus/pci/drivers/igb/unbind", nic_.ToString());
  machine_.kernel.ResetWrites();
  const Error error = Apply({.vfs = 2}).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_EQ(error.sys, ENOENT);
  EXPECT_TRUE(error.what.contains("no driver is bound")) << error.what;
  EXPECT_THAT(Writes(), IsEmpty());
}

TEST_F(Sriov, ADriverWithoutSriovIsNotTakenForAMissingCard) {
  Store(nic_path_ + "/driver_override", "vfio-pci");
  Store("/sys/bus/pci/drivers/igb/unbind", nic_.ToString());
  Store("/sys/bus/pci/drivers_probe", nic_.ToString());
  const Error error = Apply({.vfs = 2}).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_EQ(error.sys, ENOENT);
  EXPECT_TRUE(error.what.contains("does not support SR-IOV")) << error.what;
  EXPECT_TRUE(Now().autoprobe);
}

TEST_F(Sriov, AFunctionWithoutTheCapabilityIsUnsupportedAndAMissingOneIsGone) {
  ASSERT_TRUE(machine_.kernel.AddFunction(sim::Plain("0000:05:00.0")));
  EXPECT_EQ(ReadSriov(machine_.sysfs, At("0000:05:00.0")).error().code, Code::kUnsupported);
  EXPECT_EQ(ReadSriov(machine_.sysfs, At("0000:7f:00.0")).error().code, Code::kGone);
  EXPECT_EQ(ApplySriov(host_, At("0000:7f:00.0"), {.vfs = 1}, Deadline()).error().code,
            Code::kGone);
}

TEST_F(Sriov, ACardPulledWhileVfsAreAwaitedIsGone) {
  machine_.kernel.LateVfs(nic_, milliseconds(500));
  // Pulled at the first event of the first VF.
  class PullingEvents : public DeviceEvents {
   public:
    PullingEvents(sim::Kernel& kernel, PciAddress card) : kernel_(kernel), card_(card) {}
    void Listen(std::function<void(const DeviceEvent&)>) override {}
    bool WaitUntil(const std::function<bool()>& done, MonotonicTime) override {
      EXPECT_FALSE(done());
      EXPECT_TRUE(kernel_.Unplug(card_));
      return done();
    }
    std::string Source() const override { return "kernel"; }

   private:
    sim::Kernel& kernel_;
    const PciAddress card_;
  } events(machine_.kernel, nic_);
  Host host{machine_.sysfs,      machine_.dev, machine_.netlink,
            machine_.namespaces, events,       machine_.clock};
  EXPECT_EQ(ApplySriov(host, nic_, {.vfs = 7}, Deadline()).error().code, Code::kGone);
}

TEST_F(Sriov, NumvfsIsReadNoMoreThanItMustBe) {
  // Reading it waits for whoever holds the device's lock, so listing VFs must do without.
  MakeVfs(2);
  machine_.kernel.faults().FailRead("*/sriov_numvfs", EIO, sim::Faults::kForever);
  EXPECT_EQ(ListVfs(machine_.sysfs, nic_)->size(), 2u);
  EXPECT_EQ(CountVfs(machine_.sysfs, nic_), 2);
  EXPECT_TRUE(VfAddress(machine_.sysfs, nic_, 1));
}

TEST_F(Sriov, AVfThatDoesNotExistIsGone) {
  MakeVfs(2);
  EXPECT_EQ(VfAddress(machine_.sysfs, nic_, 1), At("0000:02:10.2"));
  const Error error = VfAddress(machine_.sysfs, nic_, 2).error();
  EXPECT_EQ(error.code, Code::kGone);
  EXPECT_EQ(error.what, "VF 2 of 0000:02:00.0 does not exist");
  EXPECT_EQ(ListVfs(machine_.sysfs, At("0000:7f:00.0")).error().code, Code::kGone);
}

// Each write of a change, refused with each errno.
struct Change {
  SriovState before, want;
};

class SriovRefusals : public Sriov, public testing::WithParamInterface<Change> {};

TEST_P(SriovRefusals, NamePathAndErrnoAndCanBeUndone) {
  const auto [before, want] = GetParam();
  for (int sys : test::kRefusals) {
    bool finished = false;
    for (int accepted = 0; !finished; ++accepted) {
      SCOPED_TRACE(ErrnoName(sys) + " after " + std::to_string(accepted) + " writes");
      machine_.kernel.faults().Clear();
      ASSERT_TRUE(Apply(before));
      machine_.kernel.faults().FailWritesAfter(accepted, sys);
      const Result<> applied = Apply(want);
      machine_.kernel.faults().Clear();
      if (applied) {
        EXPECT_GT(accepted, 0);
        finished = true;
        continue;
      }
      EXPECT_EQ(applied.error().sys, sys);
      EXPECT_NE(applied.error().code, Code::kGone);  // the card is there
      EXPECT_TRUE(applied.error().what.contains(nic_path_ + "/sriov_")) << applied.error().what;
      EXPECT_TRUE(applied.error().what.contains(ErrnoName(sys))) << applied.error().what;
      ASSERT_TRUE(Apply(before));
      EXPECT_EQ(Now(), before);
    }
  }
}

class SriovCountRefusals : public SriovRefusals {};

TEST_P(SriovCountRefusals, PutAutoprobeBack) {
  const auto [before, want] = GetParam();
  for (int sys : test::kRefusals) {
    ASSERT_TRUE(Apply(before));
    machine_.kernel.faults().FailWrite("*/sriov_numvfs", sys);
    const Error error = Apply(want).error();
    EXPECT_EQ(error.sys, sys);
    EXPECT_EQ(Now().autoprobe, before.autoprobe) << ErrnoName(sys);
  }
}

constexpr Change kCountChanges[] = {{{0, true}, {7, true}},  {{0, false}, {7, true}},
                                    {{0, true}, {7, false}}, {{3, true}, {5, true}},
                                    {{7, true}, {0, true}},  {{7, true}, {0, false}}};
INSTANTIATE_TEST_SUITE_P(Counts, SriovRefusals, testing::ValuesIn(kCountChanges));
INSTANTIATE_TEST_SUITE_P(Switch, SriovRefusals, testing::Values(Change{{2, true}, {2, false}}));
INSTANTIATE_TEST_SUITE_P(Counts, SriovCountRefusals, testing::ValuesIn(kCountChanges));

}  // namespace
}  // namespace drapci::hal
