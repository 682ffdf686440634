// The idxd driver's rules, broken on purpose: what it says, and what is left.
#include "test/sim/drivers/idxd.h"

#include <gmock/gmock.h>

#include "test/unit/sim/board_machine.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

struct Idxd : BoardMachine {
  Idxd() : BoardMachine("dsa") {}

  int Write(const std::string& file, std::string_view value) {
    return machine->kernel.Write(kBus + "/devices/" + file, value);
  }
  std::string Read(const std::string& file) {
    return machine->sysfs.Read(kBus + "/devices/" + file).value_or("<unreadable>");
  }
  int ReadError(const std::string& file) {
    const auto text = machine->kernel.Read(kBus + "/devices/" + file);
    return text ? 0 : text.error();
  }
  int Bind(const std::string& driver, std::string_view device) {
    return machine->kernel.Write(kBus + "/drivers/" + driver + "/bind", device);
  }
  int Unbind(const std::string& driver, std::string_view device) {
    return machine->kernel.Write(kBus + "/drivers/" + driver + "/unbind", device);
  }
  std::string Status() { return Read("dsa0/cmd_status"); }
  bool HasNode(std::string_view path) { return machine->dev.Stat(path).has_value(); }

  // One group with one engine and a queue of 16 entries; the device is on.
  void EnableDevice() {
    ASSERT_EQ(Write("engine0.0/group_id", "0"), 0);
    ASSERT_EQ(Write("wq0.0/group_id", "0"), 0);
    ASSERT_EQ(Write("wq0.0/size", "16"), 0);
    ASSERT_EQ(Bind("idxd", "dsa0"), 0);
  }
  void Configure(const std::string& queue) {
    ASSERT_EQ(Write(queue + "/mode", "dedicated"), 0);
    ASSERT_EQ(Write(queue + "/priority", "10"), 0);
    ASSERT_EQ(Write(queue + "/type", "user"), 0);
    ASSERT_EQ(Write(queue + "/name", "app"), 0);
    ASSERT_EQ(Write(queue + "/driver_name", "user"), 0);
  }

  const std::string kBus = "/sys/bus/dsa";
};

TEST_F(Idxd, ShowsDevicesOfBothKindsNumberedTogether) {
  EXPECT_EQ(machine->sysfs.ReadLink(kBus + "/devices/dsa0").value(),
            "../../../devices/pci0000:6a/0000:6a:01.0/dsa0");
  EXPECT_EQ(Read("iax1/max_engines"), "8");
  EXPECT_EQ(Read("dsa2/numa_node"), "1");
  EXPECT_EQ(Read("dsa0/max_read_buffers"), "96");
  EXPECT_EQ(ReadError("iax1/max_read_buffers"), ENOENT);
  EXPECT_EQ(ReadError("iax1/max_batch_size"), ENOENT);
  EXPECT_EQ(ReadError("wq1.0/max_batch_size"), ENOENT);
  EXPECT_EQ(Read("wq0.0/mode"), "shared");
  EXPECT_EQ(Read("wq0.0/group_id"), "-1");
  EXPECT_EQ(ReadError("wq0.0/cdev_minor"), ENXIO);
  EXPECT_EQ(Write("dsa0/state", "enabled"), EACCES);
}

TEST_F(Idxd, ConfiguresAQueueForTheKernelsCompression) {
  EXPECT_EQ(Read("wq1.0/name"), "iaa_crypto");
  EXPECT_EQ(Read("wq1.0/driver_name"), "crypto");
  EXPECT_EQ(Read("wq1.0/size"), "128");
  EXPECT_EQ(Read("group1.0/engines"), "engine1.0");
  EXPECT_EQ(Read("group1.0/work_queues"), "wq1.0");
  EXPECT_EQ(Write("wq1.1/size", "1"), EINVAL);  // none is left
}

TEST_F(Idxd, RefusesValuesThatItDoesNotHave) {
  EXPECT_EQ(Write("engine0.0/group_id", "4"), EINVAL);
  EXPECT_EQ(Write("engine0.0/group_id", "-2"), EINVAL);
  EXPECT_EQ(Write("engine0.0/group_id", "0x1"), EINVAL);
  EXPECT_EQ(Write("wq0.0/group_id", "4"), EINVAL);
  EXPECT_EQ(Write("wq0.0/mode", "private"), EINVAL);
  EXPECT_EQ(Write("wq0.0/size", "129"), EINVAL);
  EXPECT_EQ(Write("wq0.0/size", "-1"), EINVAL);
  EXPECT_EQ(Write("wq0.0/priority", "16"), EINVAL);
  EXPECT_EQ(Write("wq0.0/type", "mdev"), EINVAL);
  EXPECT_EQ(Write("wq0.0/name", std::string(1025, 'a')), EINVAL);
  EXPECT_EQ(Write("wq0.0/driver_name", std::string(129, 'a')), EINVAL);
  EXPECT_EQ(Write("wq0.0/block_on_fault", "2"), EINVAL);
  EXPECT_EQ(Write("wq0.0/max_transfer_size", "0"), EINVAL);
  EXPECT_EQ(Write("wq0.0/max_batch_size", "1025"), EINVAL);
  EXPECT_EQ(Write("wq0.0/max_batch_size", "33"), 0);
  EXPECT_EQ(Read("wq0.0/max_batch_size"), "64");
}

TEST_F(Idxd, RefusesMoreEntriesThanTheDeviceHasInAll) {
  EXPECT_EQ(Write("wq0.0/size", "100"), 0);
  EXPECT_EQ(Write("wq0.1/size", "29"), EINVAL);
  EXPECT_EQ(Write("wq0.1/size", "28"), 0);
  EXPECT_EQ(Write("wq0.0/size", "101"), EINVAL);
}

TEST_F(Idxd, HasThresholdsForSharedQueuesOnly) {
  EXPECT_EQ(Write("wq0.0/threshold", "1"), EINVAL);  // of no entries
  ASSERT_EQ(Write("wq0.0/size", "16"), 0);
  EXPECT_EQ(Write("wq0.0/threshold", "17"), EINVAL);
  EXPECT_EQ(Write("wq0.0/threshold", "0"), EINVAL);
  EXPECT_EQ(Write("wq0.0/threshold", "8"), 0);
  EXPECT_EQ(Write("wq0.0/mode", "dedicated"), 0);
  EXPECT_EQ(Read("wq0.0/threshold"), "0");
  EXPECT_EQ(Write("wq0.0/threshold", "8"), EINVAL);
}

TEST_F(Idxd, ForgetsTheNameWhenTheTypeChanges) {
  ASSERT_EQ(Write("wq0.0/name", "app"), 0);
  ASSERT_EQ(Write("wq0.0/type", "none"), 0);
  EXPECT_EQ(Read("wq0.0/name"), "app");
  ASSERT_EQ(Write("wq0.0/type", "user"), 0);
  EXPECT_EQ(Read("wq0.0/name"), "");
}

TEST_F(Idxd, EnablesADeviceThatHasAQueueAndAnEngine) {
  EXPECT_EQ(Bind("idxd", "dsa0"), ENXIO);
  EXPECT_EQ(Status(), "0x800d0000");
  ASSERT_EQ(Write("wq0.0/group_id", "0"), 0);
  EXPECT_EQ(Bind("idxd", "dsa0"), ENXIO);  // no engine
  ASSERT_EQ(Write("engine0.0/group_id", "1"), 0);
  EXPECT_EQ(Bind("idxd", "dsa0"), ENXIO);  // it is in another group
  EXPECT_EQ(Status(), "0x15");
  EXPECT_EQ(Write("dsa0/cmd_status", "1"), 0);
  EXPECT_EQ(Status(), "0x0");
  ASSERT_EQ(Write("engine0.0/group_id", "0"), 0);
  EXPECT_EQ(Bind("user", "dsa0"), ENODEV);
  EXPECT_EQ(Bind("idxd", "wq0.0"), ENODEV);
  EXPECT_EQ(Bind("idxd", "dsa7"), ENODEV);
  EXPECT_EQ(Bind("idxd", "dsa0\n"), 0);
  EXPECT_EQ(Read("dsa0/state"), "enabled");
  EXPECT_EQ(Bind("idxd", "dsa0"), EBUSY);
  EXPECT_EQ(Unbind("user", "dsa0"), ENODEV);
}

TEST_F(Idxd, ChangesNoLayoutWhileTheDeviceIsEnabled) {
  EnableDevice();
  EXPECT_EQ(Write("wq0.1/size", "8"), EPERM);
  EXPECT_EQ(Write("wq0.1/priority", "1"), 0);
  Configure("wq0.0");
  ASSERT_EQ(Bind("user", "wq0.0"), 0);
  for (const auto& [file, value] : std::map<std::string, std::string>{{"group_id", "1"},
                                                                      {"mode", "shared"},
                                                                      {"priority", "1"},
                                                                      {"type", "none"},
                                                                      {"name", "b"},
                                                                      {"driver_name", "b"},
                                                                      {"max_batch_size", "8"}}) {
    EXPECT_EQ(Write("wq0.0/" + file, value), EPERM) << file;
  }
  EXPECT_EQ(Write("wq0.0/threshold", "1"), ENXIO);
  EXPECT_EQ(Write("wq0.0/block_on_fault", "1"), ENXIO);
}

TEST_F(Idxd, EnablesQueuesThatAreReadyForIt) {
  EXPECT_EQ(Bind("user", "wq0.0"), ENXIO);  // the device is off
  EnableDevice();
  EXPECT_EQ(Bind("user", "wq0.0"), ENODEV);
  EXPECT_EQ(Status(), "0x80200000");
  Configure("wq0.0");
  ASSERT_EQ(Write("wq0.0/name", "\n"), 0);
  EXPECT_EQ(Bind("user", "wq0.0"), ENXIO);
  EXPECT_EQ(Status(), "0x80040000");
  EXPECT_EQ(Read("wq0.0/type"), "none");
  Configure("wq0.0");
  ASSERT_EQ(Write("wq0.0/mode", "shared"), 0);
  EXPECT_EQ(Bind("user", "wq0.0"), ENXIO);
  EXPECT_EQ(Status(), "0x80060000");
  Configure("wq0.0");
  ASSERT_EQ(Write("wq0.0/priority", "0"), 0);
  EXPECT_EQ(Bind("user", "wq0.0"), ENXIO);
  EXPECT_EQ(Status(), "0x23");
  Configure("wq0.0");
  EXPECT_EQ(Bind("user", "wq0.0"), 0);
  EXPECT_EQ(Status(), "0x0");
  EXPECT_EQ(Bind("user", "wq0.0"), EBUSY);
  Configure("wq0.1");
  EXPECT_EQ(Bind("user", "wq0.1"), ENXIO);
  EXPECT_EQ(Status(), "0x80030000");
}

TEST_F(Idxd, MakesANodeForAQueueAndForgetsTheQueueWhenItIsUnbound) {
  EnableDevice();
  Configure("wq0.0");
  ASSERT_EQ(Bind("user", "wq0.0"), 0);
  EXPECT_TRUE(HasNode("/dev/dsa/wq0.0"));
  EXPECT_EQ(Read("wq0.0/cdev_minor"), "0");
  EXPECT_TRUE(machine->sysfs.Exists(kBus + "/devices/wq0.0/dsa!wq0.0/dev"));
  EXPECT_EQ(Unbind("dmaengine", "wq0.0"), ENODEV);
  EXPECT_EQ(Unbind("user", "wq0.0"), 0);
  EXPECT_EQ(Unbind("user", "wq0.0"), ENODEV);
  EXPECT_FALSE(HasNode("/dev/dsa/wq0.0"));
  EXPECT_EQ(Read("wq0.0/mode"), "shared");
  EXPECT_EQ(Read("wq0.0/name"), "");
  EXPECT_EQ(Read("wq0.0/size"), "16");
  EXPECT_EQ(Read("wq0.0/driver_name"), "user");
}

TEST_F(Idxd, ResetsADeviceThatIsUnbound) {
  EnableDevice();
  Configure("wq0.0");
  ASSERT_EQ(Bind("user", "wq0.0"), 0);
  EXPECT_EQ(Unbind("idxd", "dsa0"), 0);
  EXPECT_EQ(Read("dsa0/state"), "disabled");
  EXPECT_EQ(Read("wq0.0/state"), "disabled");
  EXPECT_EQ(Read("wq0.0/size"), "0");
  EXPECT_EQ(Read("engine0.0/group_id"), "-1");
  EXPECT_FALSE(HasNode("/dev/dsa/wq0.0"));
}

TEST_F(Idxd, HasNoUserQueuesWithoutSva) {
  Load("dsa:pasid=0");
  ASSERT_EQ(Write("engine0.0/group_id", "0"), 0);
  ASSERT_EQ(Write("wq0.0/group_id", "0"), 0);
  EXPECT_EQ(Bind("idxd", "dsa0"), ENXIO);  // the queue is shared
  EXPECT_EQ(Status(), "0x800c0000");
  Configure("wq0.0");
  ASSERT_EQ(Bind("idxd", "dsa0"), 0);
  EXPECT_EQ(Bind("user", "wq0.0"), EOPNOTSUPP);
  EXPECT_EQ(Status(), "0x80110000");
  ASSERT_EQ(Write("wq0.0/driver_name", "dmaengine"), 0);
  ASSERT_EQ(Write("wq0.0/name", "dma"), 0);
  EXPECT_EQ(Bind("dmaengine", "wq0.0"), 0);
  EXPECT_EQ(Read("wq0.0/type"), "kernel");
  EXPECT_FALSE(HasNode("/dev/dsa/wq0.0"));
}

TEST_F(Idxd, ChangesNothingOfADeviceThatIsNotConfigurable) {
  Load("dsa:configurable=0");
  EXPECT_EQ(Read("wq0.1/size"), "64");
  EXPECT_EQ(Write("engine0.0/group_id", "1"), EPERM);
  for (const char* file : {"group_id", "size", "priority", "max_batch_size"}) {
    EXPECT_EQ(Write(std::string("wq0.1/") + file, "1"), EPERM) << file;
  }
  EXPECT_EQ(Write("wq0.1/mode", "shared"), EPERM);
  EXPECT_EQ(Write("wq0.1/threshold", "1"), EPERM);
  EXPECT_EQ(Write("wq0.1/name", "app"), 0);
}

TEST_F(Idxd, HasOneDriverForAllOnOldKernels) {
  Load("dsa:drivers=one,driver-name=0");
  EXPECT_FALSE(machine->sysfs.Exists(kBus + "/drivers/idxd"));
  EXPECT_EQ(ReadError("wq0.0/driver_name"), ENOENT);
  ASSERT_EQ(Write("engine0.0/group_id", "0"), 0);
  ASSERT_EQ(Write("wq0.0/group_id", "0"), 0);
  ASSERT_EQ(Write("wq0.0/mode", "dedicated"), 0);
  ASSERT_EQ(Write("wq0.0/priority", "1"), 0);
  EXPECT_EQ(Bind("dsa", "dsa0"), 0);
  EXPECT_EQ(Bind("dsa", "wq0.0"), ENODEV);  // of no type
  ASSERT_EQ(Write("wq0.0/type", "user"), 0);
  ASSERT_EQ(Write("wq0.0/name", "app"), 0);
  EXPECT_EQ(Bind("dsa", "wq0.0"), 0);
  EXPECT_EQ(Unbind("dsa", "wq0.0"), 0);
  EXPECT_EQ(Unbind("dsa", "dsa0"), 0);
}

TEST_F(Idxd, ComesAndGoesWithItsFunction) {
  EnableDevice();
  Configure("wq0.0");
  ASSERT_EQ(Bind("user", "wq0.0"), 0);
  ASSERT_TRUE(machine->kernel.Unplug(At("0000:6a:01.0")));
  EXPECT_FALSE(machine->sysfs.Exists(kBus + "/devices/dsa0"));
  EXPECT_FALSE(machine->sysfs.Exists(kBus + "/devices/wq0.0"));
  EXPECT_FALSE(HasNode("/dev/dsa/wq0.0"));
  ASSERT_TRUE(machine->kernel.Plug(At("0000:6a:01.0")));
  EXPECT_EQ(Read("dsa0/state"), "disabled");
  EXPECT_EQ(Read("wq0.0/size"), "0");
}

}  // namespace
}  // namespace drapci::sim
