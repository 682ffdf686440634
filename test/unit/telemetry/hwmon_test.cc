#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kGpu = "0000:0a:00.0", kAddress = "0000:01:00.0";

class HwmonTest : public TelemetryTest {
 protected:
  void PlugWith(const std::map<std::string, std::string>& files) {
    Plug([&](sim::FunctionSpec& card) {
      card.driver = "simgpu";
      sim::ChildDevice device{.path = "hwmon/hwmon7", .subsystem = "hwmon"};
      for (const auto& [name, content] : files) device.files[name] = {.content = content + "\n"};
      card.children = {device};
    });
    Make(MakeHwmonReader);
  }
};

TEST_F(HwmonTest, TellsTheSensorsOfAGpuByTheirLabels) {
  LoadBoard("mi300x");
  Make(MakeHwmonReader, kGpu);
  EXPECT_THAT(Read(),
              ElementsAre("power/PPT = 151", "temperature/edge = 38", "temperature/junction = 41",
                          "temperature_margin/junction = 59 (41 of 100 C)", "temperature/mem = 36",
                          "temperature_margin/mem = 69 (36 of 105 C)"));
  Inject({"sensor", kGpu, "temp2_input", "104500"});
  EXPECT_THAT(Read(), AllOf(Contains("temperature/junction = 104.5"),
                            Contains(StartsWith("temperature_margin/junction = -4.5"))));
}

TEST_F(HwmonTest, FindsTheSensorsOfADiskBelowItsController) {
  LoadBoard("nvme");
  Make(MakeHwmonReader, "0000:01:00.0");
  EXPECT_THAT(Read(), ElementsAre("temperature/Composite = 38.85",
                                  StartsWith("temperature_margin/Composite = 51 "),
                                  "sensor_alarm/temp Composite alarm = 0"));
  Inject({"sensor", "0000:01:00.0", "temp1_alarm", "1"});
  EXPECT_THAT(Read(), Contains("sensor_alarm/temp Composite alarm = 1"));
}

TEST_F(HwmonTest, TellsFansFaultsAndAlarmsOfLimits) {
  PlugWith({{"fan1_input", "1250"},
            {"fan1_fault", "0"},
            {"temp1_input", "40000"},
            {"temp1_crit_alarm", "1"},
            {"in0_input", "900"},
            {"name", "x"}});
  EXPECT_THAT(Read(), ElementsAre("fan/fan1 = 1250", "sensor_alarm/fan1 fault = 0",
                                  "temperature/temp1 = 40", "sensor_alarm/temp1 crit = 1"));
}

TEST_F(HwmonTest, DoesNotWakeTheCard) {
  PlugWith({{"temp1_input", "40000"}});
  FailReads("temp1_input", EIO);
  Inject({"sleep", kAddress, "on"});
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(HwmonTest, TakesARefusalForNoSample) {
  for (const int error : {EAGAIN, ENODATA, EPERM, EBUSY, EOPNOTSUPP, ENODEV}) {
    machine_.kernel.ClearFaults();
    if (!machine_.kernel.State(At(kAddress))) {
      PlugWith({{"temp1_input", "40000"}, {"fan1_input", "900"}});
    }
    FailReads("temp1_input", error);
    EXPECT_THAT(Read(), ElementsAre("fan/fan1 = 900")) << error;
  }
}

TEST_F(HwmonTest, LetsOneBadSensorNotHideTheOthersAndFailsWhenAllAreBad) {
  PlugWith({{"temp1_input", "40000"}, {"fan1_input", "fast"}});
  EXPECT_THAT(Read(), ElementsAre("temperature/temp1 = 40"));
  FailReads("temp1_input", EIO);
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error io")));
}

TEST_F(HwmonTest, FindsTheSensorsAgainAfterTheDriverWasBoundAnew) {
  PlugWith({{"temp1_input", "40000"}});
  EXPECT_THAT(Read(), ElementsAre("temperature/temp1 = 40"));
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/simgpu/unbind", kAddress), 0);
  EXPECT_THAT(Read(), IsEmpty());
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/simgpu/bind", kAddress), 0);
  EXPECT_THAT(Read(), ElementsAre("temperature/temp1 = 40"));
  ASSERT_TRUE(machine_.kernel.Unplug(At(kAddress)));
  EXPECT_THAT(Read(), testing::AnyOf(IsEmpty(), ElementsAre(StartsWith("error gone"))));
}

TEST_F(HwmonTest, TellsTwoSensorsOfOneNameApart) {
  PlugWith({{"temp1_input", "1000"},
            {"temp1_label", "die"},
            {"temp2_input", "2000"},
            {"temp2_label", "die"}});
  EXPECT_THAT(Read(), ElementsAre("temperature/die = 1", "temperature/die (2) = 2"));
}

TEST_F(HwmonTest, ReadsNoMoreThanAHundredSensors) {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 300; ++i) files[fmt::format("temp{}_input", i)] = "1000";
  PlugWith(files);
  EXPECT_LE(Read().size(), 100U);
}

TEST_F(HwmonTest, IsNoSourceOfACardWithoutSensors) {
  Plug();
  EXPECT_EQ(MakeHwmonReader(machine_.host, Scan()), nullptr);
}

}  // namespace
}  // namespace drapci::hal
