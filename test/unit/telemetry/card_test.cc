// Power, presence and link.
#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kAddress = "0000:01:00.0";

class PowerTest : public TelemetryTest {};

TEST_F(PowerTest, TellsTheStateAlsoOfASleepingCard) {
  Plug();
  Make(MakePowerReader);
  EXPECT_THAT(Read(), ElementsAre("power_state = 0 (D0, active)", "power_failed = 0 (active)"));
  Inject({"sleep", kAddress, "on"});
  EXPECT_THAT(Read(),
              ElementsAre("power_state = 4 (D3cold, suspended)", "power_failed = 0 (suspended)"));
}

TEST_F(PowerTest, TellsThatTheCardCouldNotBeWoken) {
  Plug();
  Make(MakePowerReader);
  Set("power/runtime_status", "error\n");
  EXPECT_THAT(Read(), Contains("power_failed = 1 (error)"));
}

TEST_F(PowerTest, LeavesOutAStateThatTheKernelDoesNotKnowAndFailsOnNonsense) {
  Plug();
  Make(MakePowerReader);
  Set("power_state", "unknown\n");
  EXPECT_THAT(Read(), ElementsAre("power_failed = 0 (active)"));
  Set("power_state", "D9\n");
  EXPECT_THAT(Read(), ElementsAre(testing::HasSubstr("'D9' is no power state")));
}

class PresenceTest : public TelemetryTest {};

TEST_F(PresenceTest, TellsACardThatHasFallenOffTheBusAndComesBack) {
  Plug();
  Make(MakePresenceReader);
  EXPECT_THAT(Read(), ElementsAre("config_space = 0"));
  Inject({"config-gone", kAddress});
  EXPECT_THAT(Read(), ElementsAre("config_space = 1 (configuration space reads all ones)"));
  ASSERT_TRUE(machine_.kernel.Unplug(At(kAddress)));
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error gone")));
  ASSERT_TRUE(machine_.kernel.Plug(At(kAddress)));
  EXPECT_THAT(Read(), ElementsAre("config_space = 0"));
}

TEST_F(PresenceTest, TellsACardThatIsListedAndDoesNotAnswer) {
  Plug();
  Make(MakePresenceReader);
  FailReads("config", ENODEV);
  EXPECT_THAT(Read(), ElementsAre("config_space = 1 (configuration space cannot be read)"));
}

TEST_F(PresenceTest, FailsWhenReadingIsForbidden) {
  Plug();
  Make(MakePresenceReader);
  FailReads("config", EIO);
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error io")));
}

TEST_F(PresenceTest, DoesNotWakeTheCard) {
  Plug();
  Make(MakePresenceReader);
  FailReads("config", EIO);
  Inject({"sleep", kAddress, "on"});
  EXPECT_THAT(Read(), IsEmpty()) << "configuration space has not been touched";
}

TEST_F(PresenceTest, KnowsThatTheIdsOfAVfReadAllOnes) {
  LoadBoard("sriov-nic:enable-ms=0");
  ASSERT_EQ(machine_.kernel.Write(PathOf("sriov_numvfs", "0000:02:00.0"), "1"), 0);
  Make(MakePresenceReader, "0000:02:10.0");
  EXPECT_THAT(Read(), ElementsAre("config_space = 0"));
}

class LinkTest : public TelemetryTest {};

TEST_F(LinkTest, ComparesWithTheLesserOfCardAndSlot) {
  Plug([](sim::FunctionSpec& card) {
    card.max_link_speed = "64.0 GT/s PCIe";
    card.link_speed = "32.0 GT/s PCIe";
  });
  Make(MakeLinkReader);
  EXPECT_THAT(Read(), ElementsAre("link_width = 16", "link_speed = 32",
                                  "link_width_deficit = 0 (x16 of x16)",
                                  "link_speed_deficit = 0 (32 of 32 GT/s)"));
}

TEST_F(LinkTest, TellsWhatIsMissing) {
  Plug();
  Make(MakeLinkReader);
  Inject({"link", kAddress, "2.5", "4"});
  EXPECT_THAT(Read(), ElementsAre("link_width = 4", "link_speed = 2.5",
                                  "link_width_deficit = 12 (x4 of x16)",
                                  "link_speed_deficit = 13.5 (2.5 of 16 GT/s)"));
  Inject({"link", kAddress, "Unknown", "0"});
  EXPECT_THAT(Read(), ElementsAre("link_width = 0", "link_width_deficit = 16 (the link is down)"));
  Inject({"link", kAddress, "16.0", "16"});
  EXPECT_THAT(Read(), Contains("link_width_deficit = 0 (x16 of x16)"));
}

TEST_F(LinkTest, MissesNoSpeedOfACardThatIsNotFullyAwake) {
  Plug();
  Make(MakeLinkReader);
  Inject({"link", kAddress, "2.5", "16"});
  Set("power_state", "D3hot\n");
  EXPECT_THAT(Read(), Not(Contains(StartsWith("link_speed_deficit"))));
}

TEST_F(LinkTest, DoesNotWakeTheCard) {
  Plug();
  Make(MakeLinkReader);
  for (const char* file : {"current_link_width", "max_link_width"}) FailReads(file, EIO);
  Inject({"sleep", kAddress, "on"});
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(LinkTest, SaysNothingOfACardThatReadsAllOnes) {
  Plug();
  Make(MakeLinkReader);
  Inject({"link", kAddress, "Unknown", "63"});
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(LinkTest, AsksForWhatNeverChangesOnce) {
  Plug();
  Make(MakeLinkReader);
  EXPECT_EQ(Read().size(), 4U);
  FailReads("max_link_width", EIO);
  FailReads("max_link_speed", EIO);
  EXPECT_EQ(Read().size(), 4U);
}

TEST_F(LinkTest, FailsWhenTheWidthCannotBeRead) {
  Plug();
  Make(MakeLinkReader);
  FailReads("current_link_width", EINVAL);
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error")));
}

TEST_F(LinkTest, SeesTheLinkAboveACardsOwnSwitch) {
  LoadBoard("xe");
  Make(MakeLinkReader, "0000:3a:00.0");
  Inject({"link", "0000:38:00.0", "8.0", "4"});
  EXPECT_THAT(Read(), Contains("link_width_deficit/0000:38:00.0 = 4 (x4 of x8)"));
  EXPECT_THAT(Read(), Contains(StartsWith("link_width_deficit = 0")));
}

TEST_F(LinkTest, IsNoSourceOfVfsAndOfConventionalPci) {
  LoadBoard("sriov-nic:enable-ms=0");
  ASSERT_EQ(machine_.kernel.Write(PathOf("sriov_numvfs", "0000:02:00.0"), "1"), 0);
  EXPECT_EQ(MakeLinkReader(machine_.host, Scan("0000:02:10.0")), nullptr);
  sim::FunctionSpec old = sim::Plain("0000:03:00.0");
  old.pcie = false;
  ASSERT_TRUE(machine_.kernel.AddFunction(old));
  EXPECT_EQ(MakeLinkReader(machine_.host, Scan("0000:03:00.0")), nullptr);
}

}  // namespace
}  // namespace drapci::hal
