#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::StartsWith;

const std::string kAddress = "0000:01:00.0";

class DriverStateTest : public TelemetryTest {
 protected:
  void PlugUnder(const std::string& driver, std::vector<sim::ChildDevice> children = {}) {
    Plug([&](sim::FunctionSpec& card) {
      card.driver = driver;
      card.children = std::move(children);
    });
    Make(MakeDriverReader);
  }
};

TEST_F(DriverStateTest, TellsThatAnAcceleratorOfIdxdHasHalted) {
  LoadBoard("dsa");
  Make(MakeDriverReader, "0000:6a:01.0");
  EXPECT_THAT(Read(), ElementsAre("device_failed = 0 (disabled)",
                                  StartsWith("device_warning = 0 (00000000,"), "core_dump = 0"));
  Inject({"halt", "0000:6a:01.0"});
  EXPECT_THAT(Read(),
              AllOf(Contains("device_failed = 1 (halted)"),
                    Contains(AllOf(StartsWith("device_warning = 1"), HasSubstr("80000001")))));
  Make(MakeDriverReader, "0000:6a:02.0");  // an IAA: its device is iaxN
  EXPECT_THAT(Read(), Contains(StartsWith("device_failed = 0")));
}

TEST_F(DriverStateTest, TellsWhatQatCountsAndWhetherItIsUp) {
  LoadBoard("qat");
  const std::string qat = machine_.kernel.Functions().back().ToString();
  Make(MakeDriverReader, qat);
  EXPECT_THAT(Read(), ElementsAre("device_unready = 0 (up)", "ras_corrected/qat = 0",
                                  "ras_uncorrected/qat = 0", "ras_fatal/qat = 0", "core_dump = 0"));
  Inject({"ras", qat, "qat", "fatal", "2"});
  Inject({"ras", qat, "qat", "nonfatal", "1"});
  EXPECT_THAT(Read(), IsSupersetOf({"ras_uncorrected/qat = 1", "ras_fatal/qat = 2"}));
  // Others may begin to count anew.
  ASSERT_EQ(machine_.kernel.Write(PathOf("qat_ras/reset_error_counters", qat), "1"), 0);
  ASSERT_EQ(machine_.kernel.Write(PathOf("qat/state", qat), "down"), 0);
  EXPECT_THAT(Read(), IsSupersetOf({"ras_fatal/qat = 0", "device_unready = 1 (down)"}));
}

TEST_F(DriverStateTest, TellsWhatXeSays) {
  PlugUnder("xe");
  EXPECT_THAT(Read(), ElementsAre("device_failed = 0", "core_dump = 0"));
  Set("gpu_health", "warning\n");
  EXPECT_THAT(Read(), IsSupersetOf({"device_failed = 0", "device_warning = 1 (warning)"}));
  Set("gpu_health", "critical\n");
  EXPECT_THAT(Read(), Contains("device_failed = 1 (health critical)"));
  Set("survivability_mode", "Runtime\n");
  EXPECT_THAT(Read(), Contains("device_failed = 1 (survivability mode Runtime)"));
}

TEST_F(DriverStateTest, TellsWhatHabanalabsSaysInEitherSpelling) {
  PlugUnder("habanalabs", {{.path = "accel/accel0", .subsystem = "accel"}});
  Set("hard_reset_cnt", "4\n");
  Set("status", "Operational\n");
  EXPECT_THAT(Read(),
              ElementsAre("device_failed = 0 (operational)", "device_unready = 0 (operational)",
                          "device_resets = 4", "core_dump = 0"));
  Set("status", "needs reset\n");
  EXPECT_THAT(Read(), Contains("device_failed = 1 (needs reset)"));
  Set("status", "In reset after device release\n");
  EXPECT_THAT(Read(), IsSupersetOf({"device_failed = 0 (in reset after device release)",
                                    "device_unready = 1 (in reset after device release)"}));
}

TEST_F(DriverStateTest, TellsADiskThatIsDeadOrResetting) {
  LoadBoard("nvme");
  Make(MakeDriverReader, "0000:01:00.0");
  EXPECT_THAT(Read(), Contains("device_failed = 0 (live)"));
  Set("nvme/nvme0/state", "resetting\n");
  EXPECT_THAT(Read(), Contains("device_unready = 1 (resetting)"));
  Set("nvme/nvme0/state", "dead\n");
  EXPECT_THAT(Read(), Contains("device_failed = 1 (dead)"));
}

TEST_F(DriverStateTest, TellsAHangThatWasRecordedWhileTheRecordIsKept) {
  PlugUnder("somegpu");
  EXPECT_THAT(Read(), ElementsAre("core_dump = 0"));
  Inject({"core-dump", kAddress, "on"});
  EXPECT_THAT(Read(), ElementsAre("core_dump = 1 (a hang was recorded)"));
  Inject({"core-dump", kAddress, "off"});
  EXPECT_THAT(Read(), ElementsAre("core_dump = 0"));
}

TEST_F(DriverStateTest, LeavesOutWhatTheKernelDoesNotHaveAndFailsOnAnError) {
  PlugUnder("4xxx");  // without a model: none of its files
  EXPECT_THAT(Read(), ElementsAre("core_dump = 0"));
  Set("qat/state", "up\n");
  FailReads("qat/state", EIO);
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error io")));
}

TEST_F(DriverStateTest, SaysThatTheCardIsGone) {
  PlugUnder("somegpu");
  ASSERT_TRUE(machine_.kernel.Unplug(At(kAddress)));
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error gone")));
}

}  // namespace
}  // namespace drapci::hal
