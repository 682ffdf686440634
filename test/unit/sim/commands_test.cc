#include <gmock/gmock.h>

#include "test/sim/front/control.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using testing::HasSubstr;

struct Commands : Machine {
  Answer Do(const std::vector<std::string>& words) { return Execute(kernel, trap, words); }
  WriteTrap trap;
};

TEST_F(Commands, LetWritesFailByErrnoName) {
  EXPECT_EQ(Do({"fault", kPf + "/sriov_numvfs", "EIO", "1", "write"}).status, 0);
  EXPECT_EQ(Write("/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/sriov_numvfs", "1"), EIO)
      << "a plain path means the attribute, however it is named";
}

TEST_F(Commands, RefuseNonsenseAsUsageErrors) {
  EXPECT_EQ(Do({"fault", "*", "EFOO", "1", "write"}).status, 2);
  EXPECT_EQ(Do({"fault", "*", "EIO", "x", "write"}).status, 2);
  EXPECT_EQ(Do({"unplug", "here"}).status, 2);
  EXPECT_EQ(Do({"kill-after", "0"}).status, 2);
  EXPECT_EQ(Do({"nonsense", "0000:02:00.0"}).status, 2);
  EXPECT_EQ(Do({}).status, 2);
}

TEST_F(Commands, RefuseWhatIsNotThere) {
  EXPECT_EQ(Do({"unplug", "0000:09:00.0"}).status, 1);
  EXPECT_EQ(Do({"set", "/sys/nothing", "1"}).status, 1);
  EXPECT_EQ(Do({"fewer-vfs", "0000:09:00.0", "1"}).status, 1);
}

TEST_F(Commands, PullAndPlug) {
  EXPECT_EQ(Do({"unplug", "0000:02:00.0"}).status, 0);
  EXPECT_FALSE(Exists(kPf));
  EXPECT_EQ(Do({"plug", "0000:02:00.0"}).status, 0);
  EXPECT_TRUE(Exists(kPf));
}

TEST_F(Commands, PrintTheSettingsOfVfs) {
  ASSERT_EQ(SetVfs("1"), 0);
  VfChange rate{VfChange::Part::kRate, {.max_rate = 200}};
  ASSERT_EQ(kernel.SetVf(At("0000:02:00.0"), 0, rate), 0);
  EXPECT_THAT(Do({"vf-settings", "0000:02:00.0"}).text, HasSubstr("max_tx_rate 200Mbps"));
  EXPECT_EQ(Do({"vf-settings", "0000:00:02.0"}).status, 1);
}

TEST_F(Commands, ChangeWhatACardTellsOfItsCondition) {
  EXPECT_EQ(Do({"link", "0000:02:00.0", "2.5", "1"}).status, 0);
  EXPECT_EQ(Read(kPf + "/current_link_speed"), "2.5 GT/s PCIe");
  EXPECT_EQ(Do({"sleep", "0000:02:00.0", "on"}).status, 0);
  EXPECT_EQ(Read(kPf + "/power/runtime_status"), "suspended");
  EXPECT_EQ(Do({"config-gone", "0000:02:00.0"}).status, 0);
  EXPECT_EQ(Read(kPf + "/config").substr(0, 4), "\xff\xff\xff\xff");
  NewEvents();
  EXPECT_EQ(Do({"recovery", "0000:02:00.0", "FAILED_RECOVERY"}).status, 0);
  EXPECT_THAT(NewEvents(), testing::ElementsAre("change pci 0000:02:00.0"));
}

TEST_F(Commands, SayWhatACardHasNot) {
  EXPECT_EQ(Do({"sensor", "0000:02:00.0", "temp1_input", "1"}).status, 1);
  EXPECT_EQ(Do({"wedge", "0000:02:00.0", "rebind"}).status, 1);
  EXPECT_EQ(Do({"halt", "0000:02:00.0"}).status, 1);
  EXPECT_EQ(Do({"sleep", "0000:02:00.0", "maybe"}).status, 2);
  EXPECT_EQ(Do({"link", "0000:02:00.0"}).status, 2);
  EXPECT_EQ(Do({"xid", "0000:09:00.0", "79"}).status, 1);
}

TEST_F(Commands, PullTheCable) {
  EXPECT_EQ(Do({"carrier", "0000:02:00.0", "off"}).status, 0);
  EXPECT_EQ(Read("/sys/class/net/enp2s0f0/operstate"), "down");
  EXPECT_EQ(Do({"carrier", "0000:02:00.0", "on"}).status, 0);
  EXPECT_EQ(Read("/sys/class/net/enp2s0f0/operstate"), "up");
  EXPECT_EQ(Do({"carrier", "0000:02:00.0", "maybe"}).status, 2);
  EXPECT_EQ(Do({"carrier", "0000:00:02.0", "on"}).status, 1);
}

TEST_F(Commands, PrintTheWritesAndForgetThem) {
  Write(kPf + "/sriov_numvfs", "9\n");
  Write(kPf + "/sriov_numvfs", "1\n");
  EXPECT_EQ(Do({"writes", "reset"}).text, "ERANGE\t" + kPf + "/sriov_numvfs\t9\nok\t" + kPf +
                                              "/sriov_numvfs\t1\n2 writes, 1 accepted\n");
  EXPECT_EQ(Do({"writes"}).text, "0 writes, 0 accepted\n");
}

TEST_F(Commands, ClearEverything) {
  Do({"fault", "*", "EIO", "-1", "write"});
  Do({"fewer-vfs", "0000:02:00.0", "1"});
  Do({"clear"});
  EXPECT_EQ(SetVfs("3"), 0);
  EXPECT_EQ(Read(kPf + "/sriov_numvfs"), "3");
}

TEST_F(Commands, SendEventsWithProperties) {
  std::string seen_event;
  kernel.OnEvent([&](const Uevent& event) { seen_event = event.Property("ERROR_EVENT"); });
  EXPECT_EQ(Do({"event", "0000:02:00.0", "change", "ERROR_EVENT=FAILED_RECOVERY"}).status, 0);
  EXPECT_EQ(seen_event, "FAILED_RECOVERY");
  EXPECT_EQ(Do({"event", "0000:02:00.0", "change", "nonsense"}).status, 2);
}

TEST_F(Commands, CountAerErrors) {
  EXPECT_EQ(Do({"aer", "0000:02:00.0", "correctable", "BadTLP", "2"}).status, 0);
  EXPECT_THAT(Read(kPf + "/aer_dev_correctable"), HasSubstr("BadTLP 2"));
  EXPECT_EQ(Do({"aer", "0000:02:00.0", "loud", "BadTLP", "2"}).status, 1);
}

}  // namespace
}  // namespace drapci::sim
