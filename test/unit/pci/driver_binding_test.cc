#include "hal/pci/driver_binding.h"

#include <gmock/gmock.h>

#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using testing::ElementsAre;
using testing::IsEmpty;

const DriverBinding kVfio{.driver = "vfio-pci", .driver_override = "vfio-pci"};

class Binding : public test::NicMachine {
 protected:
  Binding() {
    EXPECT_EQ(machine_.kernel.Write(nic_path_ + "/sriov_drivers_autoprobe", "0"), 0);
    EXPECT_EQ(machine_.kernel.Write(nic_path_ + "/sriov_numvfs", "2"), 0);
    EXPECT_EQ(machine_.kernel.Write(nic_path_ + "/sriov_drivers_autoprobe", "1"), 0);
    machine_.kernel.ResetWrites();
  }
  Result<> Apply(const DriverBinding& want) { return ApplyBinding(host_, vf_, want, Deadline()); }
  DriverBinding Now() { return ReadBinding(machine_.sysfs, vf_).value(); }

  const PciAddress vf_ = At("0000:02:10.2");
};

TEST_F(Binding, HandsAnUnboundFunctionToVfio) {
  EXPECT_EQ(Now(), DriverBinding());
  ASSERT_TRUE(Apply(kVfio));
  EXPECT_EQ(Now(), kVfio);
  EXPECT_THAT(Writes(), ElementsAre("driver_override=vfio-pci", "drivers_probe=0000:02:10.2"));
}

TEST_F(Binding, SetsTheOverrideBeforeItUnbinds) {
  ASSERT_TRUE(BindKernelDriver(host_, vf_, Deadline()));
  ASSERT_EQ(Now().driver, "igbvf");
  machine_.kernel.ResetWrites();
  ASSERT_TRUE(Apply(kVfio));
  EXPECT_THAT(Writes(), ElementsAre("driver_override=vfio-pci", "unbind=0000:02:10.2",
                                    "drivers_probe=0000:02:10.2"));
}

TEST_F(Binding, WritesNothingWhenNothingIsToChange) {
  ASSERT_TRUE(Apply(kVfio));
  machine_.kernel.ResetWrites();
  ASSERT_TRUE(Apply(kVfio));
  EXPECT_THAT(Writes(), IsEmpty());
}

TEST_F(Binding, AnEmptyDriverLeavesTheFunctionUnbound) {
  ASSERT_TRUE(Apply(kVfio));
  ASSERT_TRUE(Apply(DriverBinding()));
  EXPECT_EQ(Now(), DriverBinding());
}

TEST_F(Binding, ChangesOnlyTheOverrideWhenTheDriverIsRight) {
  ASSERT_TRUE(Apply(kVfio));
  machine_.kernel.ResetWrites();
  ASSERT_TRUE(Apply({.driver = "vfio-pci", .driver_override = ""}));
  EXPECT_THAT(Writes(), ElementsAre("driver_override=\n"));
  EXPECT_EQ(Now(), (DriverBinding{.driver = "vfio-pci", .driver_override = ""}));
}

TEST_F(Binding, ADriverThatIsNotLoadedCostsTheFunctionNothing) {
  ASSERT_TRUE(BindKernelDriver(host_, vf_, Deadline()));
  machine_.kernel.ResetWrites();
  const Error error = Apply({.driver = "xe-vfio-pci", .driver_override = "xe-vfio-pci"}).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_TRUE(error.what.contains("modprobe xe-vfio-pci")) << error.what;
  EXPECT_THAT(Writes(), IsEmpty());
  EXPECT_EQ(Now().driver, "igbvf");
}

TEST_F(Binding, RestoresADriverWhereThePfKeepsDriversOffItsVfs) {
  ASSERT_TRUE(BindKernelDriver(host_, vf_, Deadline()));
  ASSERT_TRUE(Apply(kVfio));
  Store(nic_path_ + "/sriov_drivers_autoprobe", "0");
  ASSERT_TRUE(Apply({.driver = "igbvf", .driver_override = ""}));
  EXPECT_EQ(Now(), (DriverBinding{.driver = "igbvf", .driver_override = ""}));
}

TEST_F(Binding, AProbeThatFailsSilentlyGivesTheErrnoOfABind) {
  sim::DriverSpec broken{.name = "brokendrv",
                         .ids = {},
                         .sriov_configure = false,
                         .override_only = true,
                         .vfio = true,
                         .probe_error = EPERM};
  ASSERT_TRUE(machine_.kernel.AddDriver(broken));
  const Error error = Apply({.driver = "brokendrv", .driver_override = "brokendrv"}).error();
  EXPECT_EQ(error.sys, EPERM);
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_TRUE(error.what.contains("/sys/bus/pci/drivers/brokendrv/bind")) << error.what;
}

TEST_F(Binding, AFunctionThatIsNotThereIsGone) {
  EXPECT_EQ(ReadBinding(machine_.sysfs, At("0000:7f:00.0")).error().code, Code::kGone);
  EXPECT_EQ(ApplyBinding(host_, At("0000:7f:00.0"), kVfio, Deadline()).error().code, Code::kGone);
  EXPECT_EQ(BindKernelDriver(host_, At("0000:7f:00.0"), Deadline()).error().code, Code::kGone);
}

// The card is pulled while the file whose name is the parameter is being written.
class PullingSysfs : public sim::FakeSysfs {
 public:
  PullingSysfs(sim::Kernel& kernel, PciAddress card, std::string file)
      : FakeSysfs(kernel), kernel_(kernel), card_(card), file_(std::move(file)) {}
  Result<> Write(std::string_view path, std::string_view value) override {
    if (path.ends_with(file_)) {
      EXPECT_TRUE(kernel_.Unplug(card_));
    }
    return FakeSysfs::Write(path, value);
  }

 private:
  sim::Kernel& kernel_;
  const PciAddress card_;
  const std::string file_;
};

class PulledCard : public Binding, public testing::WithParamInterface<const char*> {};

TEST_P(PulledCard, IsGone) {
  ASSERT_TRUE(BindKernelDriver(host_, vf_, Deadline()));
  PullingSysfs sysfs(machine_.kernel, nic_, GetParam());
  Host host{sysfs,           machine_.dev,  machine_.netlink, machine_.namespaces,
            machine_.events, machine_.clock};
  EXPECT_EQ(ApplyBinding(host, vf_, kVfio, Deadline()).error().code, Code::kGone);
}

INSTANTIATE_TEST_SUITE_P(AtEachWrite, PulledCard,
                         testing::Values("driver_override", "unbind", "drivers_probe"));

TEST_F(Binding, TheKernelChoosesItsDriver) {
  ASSERT_TRUE(BindKernelDriver(host_, vf_, Deadline()));
  EXPECT_EQ(Now(), (DriverBinding{.driver = "igbvf", .driver_override = ""}));
  machine_.kernel.ResetWrites();
  ASSERT_TRUE(BindKernelDriver(host_, vf_, Deadline()));
  EXPECT_THAT(Writes(), IsEmpty());
}

TEST_F(Binding, TheKernelsDriverReplacesVfio) {
  ASSERT_TRUE(Apply(kVfio));
  ASSERT_TRUE(BindKernelDriver(host_, vf_, Deadline()));
  EXPECT_EQ(Now(), (DriverBinding{.driver = "igbvf", .driver_override = ""}));
}

TEST_F(Binding, WithAutoprobeOffTheKernelsDriverIsRefusedWithTheFileToWrite) {
  Store(nic_path_ + "/sriov_drivers_autoprobe", "0");
  const Error error = BindKernelDriver(host_, vf_, Deadline()).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_TRUE(error.what.contains(nic_path_ + "/sriov_drivers_autoprobe is 0")) << error.what;
}

TEST_F(Binding, AFunctionThatNoDriverTakesIsRefusedWithItsIds) {
  ASSERT_TRUE(machine_.kernel.AddFunction(sim::Plain("0000:05:00.0", 0x10ee, 0x5000)));
  const Error error = BindKernelDriver(host_, At("0000:05:00.0"), Deadline()).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_TRUE(error.what.contains("10ee:5000")) << error.what;
}

TEST_F(Binding, AModuleThatUdevLoadsLateIsWaitedFor) {
  ASSERT_TRUE(machine_.kernel.AddFunction(sim::Plain("0000:05:00.0", 0x10ee, 0x5000)));
  // A machine with udevd, which loads the driver after the probe has found none.
  class LoadingEvents : public DeviceEvents {
   public:
    explicit LoadingEvents(sim::Kernel& kernel) : kernel_(kernel) {}
    void Listen(std::function<void(const DeviceEvent&)>) override {}
    bool WaitUntil(const std::function<bool()>& done, MonotonicTime) override {
      EXPECT_FALSE(done());
      sim::DriverSpec driver{.name = "xdma",
                             .ids = {{0x10ee, 0x5000}},
                             .sriov_configure = false,
                             .override_only = false,
                             .vfio = false,
                             .probe_error = 0};
      EXPECT_TRUE(kernel_.AddDriver(driver));
      EXPECT_EQ(kernel_.Write("/sys/bus/pci/drivers_probe", "0000:05:00.0"), 0);
      return done();
    }
    std::string Source() const override { return "udev"; }

   private:
    sim::Kernel& kernel_;
  } events(machine_.kernel);
  Host host{machine_.sysfs,      machine_.dev, machine_.netlink,
            machine_.namespaces, events,       machine_.clock};
  ASSERT_TRUE(BindKernelDriver(host, At("0000:05:00.0"), Deadline()));
  EXPECT_EQ(State("0000:05:00.0").driver, "xdma");
}

TEST(VfioDrivers, AreRecognizedWithTheirVariants) {
  for (const char* name : {"vfio-pci", "mlx5_vfio_pci", "xe-vfio-pci", "nvgrace-gpu-vfio-pci"}) {
    EXPECT_TRUE(IsVfioDriver(name)) << name;
  }
  for (const char* name : {"", "igb", "vfio", "vfio-pci-core", "uio_pci_generic"}) {
    EXPECT_FALSE(IsVfioDriver(name)) << name;
  }
}

// Each write of a change, refused with each errno.
struct Change {
  DriverBinding before, want;
};

class BindingRefusals : public Binding, public testing::WithParamInterface<Change> {};

TEST_P(BindingRefusals, NamePathAndErrnoAndCanBeUndone) {
  const auto& [before, want] = GetParam();
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
      EXPECT_NE(applied.error().code, Code::kGone);
      EXPECT_TRUE(applied.error().what.contains("/sys/bus/pci/")) << applied.error().what;
      EXPECT_TRUE(applied.error().what.contains(ErrnoName(sys))) << applied.error().what;
      ASSERT_TRUE(Apply(before));
      EXPECT_EQ(Now(), before);
    }
  }
}

TEST_P(BindingRefusals, OfOneWriteAloneCanBeUndone) {
  const auto& [before, want] = GetParam();
  for (const char* file : {"*/driver_override", "*/unbind", "*/drivers_probe", "*/bind"}) {
    for (int sys : test::kRefusals) {
      SCOPED_TRACE(std::string(file) + " " + ErrnoName(sys));
      ASSERT_TRUE(Apply(before));
      machine_.kernel.faults().FailWrite(file, sys);
      const Result<> applied = Apply(want);
      machine_.kernel.faults().Clear();
      EXPECT_EQ(applied ? sys : applied.error().sys, sys);
      EXPECT_EQ(applied ? Now() : want, want);
      ASSERT_TRUE(Apply(before));
      EXPECT_EQ(Now(), before);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Changes, BindingRefusals,
                         testing::Values(Change{{}, kVfio}, Change{{"igbvf", ""}, kVfio},
                                         Change{kVfio, {"igbvf", ""}}, Change{kVfio, {}}));

}  // namespace
}  // namespace drapci::hal
