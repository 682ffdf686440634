// The xe driver's rules, broken on purpose: what it says, and what is left.
#include "test/sim/drivers/xe.h"

#include <gmock/gmock.h>

#include "test/unit/sim/board_machine.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

struct Xe : BoardMachine {
  Xe() : BoardMachine("xe") {}

  int Write(const std::string& path, std::string_view value) {
    return machine->kernel.Write(path, value);
  }
  int Vfs(int count) { return Write(kPf + "/sriov_numvfs", std::to_string(count)); }
  std::string Read(const std::string& path) {
    return machine->sysfs.Read(path).value_or("<unreadable>");
  }
  int ReadError(const std::string& path) {
    const auto text = machine->kernel.Read(path);
    return text ? 0 : text.error();
  }
  bool Exists(const std::string& path) { return machine->sysfs.Exists(path); }
  std::string Profile(int vfid, const std::string& file) {
    return kAdmin + "/vf" + std::to_string(vfid) + "/profile/" + file;
  }
  std::string Quota(int vfid) { return Read(Profile(vfid, "vram_quota")); }
  int SetQuota(int vfid, uint64_t bytes) {
    return Write(Profile(vfid, "vram_quota"), std::to_string(bytes));
  }

  const std::string kPf = "/sys/bus/pci/devices/0000:3a:00.0";
  const std::string kAdmin = kPf + "/sriov_admin";
  const std::string kDebug = "/sys/kernel/debug/dri/0000:3a:00.0/sriov";
};

TEST_F(Xe, HasProfilesForAllVfsThatThereCanBe) {
  EXPECT_TRUE(Exists(kAdmin + "/vf1/profile/vram_quota"));
  EXPECT_TRUE(Exists(kAdmin + "/vf12/profile/vram_quota"));
  EXPECT_FALSE(Exists(kAdmin + "/vf0"));
  EXPECT_FALSE(Exists(kAdmin + "/vf13"));
  EXPECT_FALSE(Exists(kAdmin + "/pf/profile/vram_quota"));
  EXPECT_FALSE(Exists(kAdmin + "/pf/stop"));
  EXPECT_FALSE(Exists(kAdmin + "/vf1/device"));
  EXPECT_EQ(Read(kAdmin + "/pf/profile/sched_priority"), "[low] normal high");
  EXPECT_EQ(Read(Profile(1, "sched_priority")), "[low] normal");
  EXPECT_EQ(Read(Profile(1, "exec_quantum_ms")), "0");
  EXPECT_EQ(Quota(1), "0");
}

TEST_F(Xe, LinksVfsAsLongAsTheyAreThere) {
  ASSERT_EQ(Vfs(2), 0);
  EXPECT_EQ(machine->sysfs.Resolve(kAdmin + "/vf2/device").value(),
            machine->sysfs.Resolve("/sys/bus/pci/devices/0000:3a:00.2").value());
  EXPECT_FALSE(Exists(kAdmin + "/vf3/device"));
  ASSERT_EQ(Vfs(0), 0);
  EXPECT_FALSE(machine->kernel.ReadLink(kAdmin + "/vf2/device"));
}

TEST_F(Xe, DividesTheMemoryWhenVfsAreMadeAndTakesItBack) {
  ASSERT_EQ(Vfs(12), 0);
  for (int vfid : {1, 12}) EXPECT_EQ(Quota(vfid), std::to_string(kGiB));
  ASSERT_EQ(Vfs(0), 0);
  EXPECT_EQ(Quota(1), "0");
  ASSERT_EQ(Vfs(1), 0);
  EXPECT_EQ(Quota(1), std::to_string(8 * kGiB));
  EXPECT_EQ(Quota(2), "0");
}

TEST_F(Xe, DividesNothingWhenAnyVfHasAQuotaAlready) {
  ASSERT_EQ(SetQuota(3, 5 * kGiB), 0);
  ASSERT_EQ(Vfs(12), 0);
  EXPECT_EQ(Quota(1), "0");
  EXPECT_EQ(Quota(3), std::to_string(5 * kGiB));
  ASSERT_EQ(Vfs(0), 0);
  EXPECT_EQ(Quota(3), "0") << "what was set by hand goes with the VFs as well";
}

TEST_F(Xe, HasNothingLeftForALargerQuotaBesideFairOnes) {
  ASSERT_EQ(Vfs(12), 0);
  EXPECT_EQ(SetQuota(1, 10 * kGiB), 0);
  EXPECT_EQ(SetQuota(2, 10 * kGiB), ENOMEM);
  EXPECT_EQ(Quota(2), "0") << "the old quota is given up before the new one is refused";
}

TEST_F(Xe, RoundsQuotasUpToLargePages) {
  ASSERT_EQ(SetQuota(1, 1), 0);
  EXPECT_EQ(Quota(1), std::to_string(2 << 20));
}

TEST_F(Xe, RefusesQuotasThatAreNone) {
  EXPECT_EQ(SetQuota(1, 25 * kGiB), E2BIG);
  EXPECT_EQ(Write(Profile(1, "vram_quota"), "10G"), EINVAL);
  EXPECT_EQ(Write(Profile(1, "vram_quota"), "-1"), EINVAL);
  EXPECT_EQ(Write(kAdmin + "/.bulk_profile/vram_quota", "x"), EINVAL);
}

TEST_F(Xe, RefusesTimeSlicesThatAreNoneAndClampsLongOnes) {
  EXPECT_EQ(Write(Profile(1, "exec_quantum_ms"), "soon"), EINVAL);
  EXPECT_EQ(Write(Profile(1, "exec_quantum_ms"), "4294967296"), ERANGE);
  EXPECT_EQ(Write(Profile(1, "preempt_timeout_us"), "4294967296"), ERANGE);
  EXPECT_EQ(Write(Profile(1, "exec_quantum_ms"), "4000000"), 0);
  EXPECT_EQ(Read(Profile(1, "exec_quantum_ms")), "100000");
}

TEST_F(Xe, ChangesThePriorityOfThePfOnly) {
  const std::string of_vf = Profile(1, "sched_priority");
  EXPECT_EQ(Write(of_vf, "normal"), EACCES);
  ASSERT_EQ(machine->kernel.Chmod(of_vf, 0644), 0);
  EXPECT_EQ(Write(of_vf, "normal"), EOPNOTSUPP);
  EXPECT_EQ(Write(kAdmin + "/pf/profile/sched_priority", "high"), 0);
  EXPECT_EQ(Read(kAdmin + "/pf/profile/sched_priority"), "low normal [high]");
  EXPECT_EQ(Write(kAdmin + "/pf/profile/sched_priority", "highest"), EINVAL);
  EXPECT_EQ(Write(kAdmin + "/.bulk_profile/sched_priority", "high"), EINVAL);
  EXPECT_EQ(Write(kAdmin + "/.bulk_profile/sched_priority", "normal"), 0);
  EXPECT_EQ(Read(of_vf), "low [normal]");
}

TEST_F(Xe, BulkFilesAreForAllFunctionsAndCannotBeRead) {
  const std::string bulk = kAdmin + "/.bulk_profile/exec_quantum_ms";
  EXPECT_EQ(ReadError(bulk), EACCES);
  ASSERT_EQ(machine->kernel.Chmod(bulk, 0644), 0);
  EXPECT_EQ(ReadError(bulk), EPERM);
  ASSERT_EQ(Write(bulk, "25"), 0);
  EXPECT_EQ(Read(kAdmin + "/pf/profile/exec_quantum_ms"), "25");
  EXPECT_EQ(Read(Profile(12, "exec_quantum_ms")), "25");
  EXPECT_EQ(Write(kAdmin + "/.bulk_profile/vram_quota", std::to_string(3 * kGiB)), ENOMEM);
  EXPECT_EQ(Quota(7), std::to_string(3 * kGiB));
  EXPECT_EQ(Quota(8), "0");
}

TEST_F(Xe, StopTakesABoolean) {
  EXPECT_EQ(Write(kAdmin + "/vf1/stop", "maybe"), EINVAL);
  EXPECT_EQ(Write(kAdmin + "/vf1/stop", "0"), 0);
  EXPECT_EQ(Write(kAdmin + "/vf1/stop", "1"), 0);
}

TEST_F(Xe, CannotTellWhatDiffersFromOneGtToTheOther) {
  ASSERT_EQ(Write(kDebug + "/vf1/tile0/gt1/exec_quantum_ms", "7"), 0);
  EXPECT_EQ(ReadError(Profile(1, "exec_quantum_ms")), EUCLEAN);
  EXPECT_EQ(ReadError(Profile(2, "exec_quantum_ms")), 0);
  ASSERT_EQ(Write(Profile(1, "exec_quantum_ms"), "7"), 0);
  EXPECT_EQ(Read(Profile(1, "exec_quantum_ms")), "7");
}

TEST_F(Xe, WhatDebugfsHasTouchedIsNeitherDividedNorTakenBackUntilToldTo) {
  ASSERT_EQ(Write(kDebug + "/vf1/tile0/gt1/exec_quantum_ms", "7"), 0);
  ASSERT_EQ(SetQuota(1, kGiB), 0);
  ASSERT_EQ(Vfs(2), 0);
  EXPECT_EQ(Quota(2), "0");
  EXPECT_EQ(Write(kDebug + "/restore_auto_provisioning", "1"), EBUSY);
  ASSERT_EQ(Vfs(0), 0);
  EXPECT_EQ(Quota(1), std::to_string(kGiB));
  EXPECT_EQ(Write(kDebug + "/restore_auto_provisioning", "maybe"), EINVAL);
  ASSERT_EQ(Write(kDebug + "/restore_auto_provisioning", "1"), 0);
  EXPECT_EQ(Quota(1), "0");
}

TEST_F(Xe, AVfWithoutMemoryCannotStart) {
  ASSERT_EQ(Write(kPf + "/sriov_drivers_autoprobe", "0"), 0);
  ASSERT_EQ(Vfs(1), 0);
  ASSERT_EQ(Write(kPf + "/sriov_drivers_autoprobe", "1"), 0);
  ASSERT_EQ(SetQuota(1, 0), 0);
  EXPECT_EQ(Write("/sys/bus/pci/drivers/xe/bind", "0000:3a:00.1"), ENODATA);
  ASSERT_EQ(SetQuota(1, kGiB), 0);
  EXPECT_EQ(Write("/sys/bus/pci/drivers/xe/bind", "0000:3a:00.1"), 0);
  EXPECT_TRUE(Exists("/sys/bus/pci/devices/0000:3a:00.1/drm/renderD130/dev"));
}

TEST_F(Xe, TellsTheControllerOfDeviceMemoryWhatThereIsWhileItIsBound) {
  const std::string file = "/sys/fs/cgroup/dmem.capacity";
  EXPECT_EQ(Read(file), "drm/0000:3a:00.0/vram0 25669140480\ndrm/0000:ba:00.0/vram0 25669140480");
  ASSERT_EQ(Write("/sys/bus/pci/drivers/xe/unbind", "0000:3a:00.0"), 0);
  EXPECT_EQ(Read(file), "drm/0000:ba:00.0/vram0 25669140480");
  EXPECT_FALSE(Exists(kAdmin));
  ASSERT_EQ(Write("/sys/bus/pci/drivers/xe/bind", "0000:3a:00.0"), 0);
  EXPECT_TRUE(Exists(kAdmin + "/vf1"));
}

TEST_F(Xe, OlderKernelsHaveLess) {
  Load("xe:sriov-admin=6.19");
  EXPECT_TRUE(Exists(Profile(1, "exec_quantum_ms")));
  EXPECT_FALSE(Exists(Profile(1, "vram_quota")));
  EXPECT_FALSE(Exists(kAdmin + "/.bulk_profile/vram_quota"));
  Load("xe:sriov-admin=none,dmem=no");
  EXPECT_FALSE(Exists(kAdmin));
  EXPECT_FALSE(Exists("/sys/fs/cgroup/dmem.capacity"));
  EXPECT_EQ(Vfs(12), 0);
}

}  // namespace
}  // namespace drapci::sim
