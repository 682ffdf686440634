#include "hal/telemetry/events.h"

#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kGpu = "0000:0a:00.0";
const std::string kGpuPath = "/devices/pci0000:00/0000:00:01.1/0000:0a:00.0";

class EventsTest : public TelemetryTest {
 protected:
  EventsTest() {
    machine_.events.Listen([this](const DeviceEvent& event) {
      const auto told = ReadEvent(event);
      if (!told) return;
      for (const Reading& reading : told->readings) {
        EXPECT_NE(FindSignal(reading.signal), nullptr);
        told_.push_back(told->address.ToString() + " " + TextOf(reading));
      }
    });
  }
  ~EventsTest() override { machine_.events.Listen({}); }
  // What was told since the last call.
  std::vector<std::string> Told() { return std::exchange(told_, {}); }

  std::vector<std::string> told_;
};

TEST_F(EventsTest, TellErrorRecoveryFromItsBeginToItsEnd) {
  LoadBoard("mi300x");
  Told();
  for (const char* state : {"BEGIN_RECOVERY", "SUCCESSFUL_RECOVERY", "FAILED_RECOVERY"}) {
    Inject({"recovery", kGpu, state});
  }
  EXPECT_THAT(Told(), ElementsAre("0000:0a:00.0 aer_recovery = 1 (BEGIN_RECOVERY, offline)",
                                  "0000:0a:00.0 aer_recovery = 0 (SUCCESSFUL_RECOVERY)",
                                  "0000:0a:00.0 aer_recovery = 2 (FAILED_RECOVERY, offline)"));
}

TEST_F(EventsTest, TellAGpuThatHangsAndThatItsDriverWasBoundAnew) {
  LoadBoard("mi300x");
  Told();
  Inject({"wedge", kGpu, "rebind,bus-reset"});
  EXPECT_THAT(Told(), ElementsAre("0000:0a:00.0 drm_wedged = 1 (rebind,bus-reset)"));
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/amdgpu/unbind", kGpu), 0);
  EXPECT_THAT(Told(), IsEmpty());
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/amdgpu/bind", kGpu), 0);
  EXPECT_THAT(Told(), ElementsAre("0000:0a:00.0 driver_bound = 1 (amdgpu)",
                                  "0000:0a:00.0 aer_recovery = 0", "0000:0a:00.0 drm_wedged = 0"));
}

TEST_F(EventsTest, TellAResetThatTheDriverHasDoneItself) {
  LoadBoard("mi300x");
  Told();
  Inject({"wedge", kGpu, "none"});
  EXPECT_THAT(Told(), ElementsAre("0000:0a:00.0 drm_reset = 1"));
}

TEST_F(EventsTest, SayNothingOfChangesThatAreNoneOfACardsCondition) {
  LoadBoard("mi300x");
  Told();
  machine_.kernel.Coldplug();
  machine_.kernel.Emit("/sys" + kGpuPath, "change", {{"ERROR_EVENT", "SOMETHING_NEW"}});
  machine_.kernel.Emit("/sys" + kGpuPath, "change", {{"HOTPLUG", "1"}});
  machine_.events.Lose();
  EXPECT_THAT(Told(), IsEmpty());
}

TEST(ReadEventTest, TakesAnyTextForWaysBackAndShowsItAsOneShortLine) {
  DeviceEvent event{.action = "change", .subsystem = "drm", .devpath = kGpuPath + "/drm/card0"};
  event.properties["WEDGED"] = std::string(1000, 'x') + "\n\x1b[2J";
  const auto told = ReadEvent(event);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->readings[0].signal, "drm_wedged");
  EXPECT_LE(told->readings[0].text.size(), 64U);
}

TEST(ReadEventTest, PassesOverADeviceThatBelongsToNoFunction) {
  DeviceEvent event{.action = "change",
                    .subsystem = "drm",
                    .devpath = "/devices/platform/amdgpu_xcp_0/drm/card1"};
  event.properties["WEDGED"] = "rebind";
  EXPECT_FALSE(ReadEvent(event));
}

}  // namespace
}  // namespace drapci::hal
