// Pods that come, go and are retried, as the sequence of calls that a kubelet makes for them
// (contract section 10.2).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "test/node/cluster/cluster_fixture.h"
#include "test/node/cluster/kubelet.h"

namespace drapci::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kNumVfs = "*/sriov_numvfs";

class Pods : public ClusterNode {
 protected:
  void SetUp() override {
    ClusterNode::SetUp();
    StartDaemon();
    ASSERT_TRUE(Published());
  }
  // An idle C++ client answers no GOAWAY, so that the daemon would wait for it before it ends.
  void TearDown() override {
    kubelet_.reset();
    ClusterNode::TearDown();
  }
  void StartKubelet() { kubelet_.emplace(scratch_.kubelet_root); }
  void StopKubelet() { kubelet_.reset(); }

  ClaimObject Vf(const std::string& name, int vf, const Json& config = Json::array()) {
    return Allocated(name, Of(fmt::format("{}-vf{}", card(), vf)), config);
  }
  std::string State(const std::string& name) {
    const auto state = node_.ClaimState(name);
    return state ? *state : state.error().what;
  }
  // The hardware does not answer from now on, until it is released.
  void Hold(const std::string& path) { Inject({"hold", path}); }
  void Release(const std::string& path) { Inject({"release", path}); }
  void ForgetWrites() { Inject({"writes", "--reset"}); }
  // "ok PATH VALUE" line by line.
  std::string HardwareWrites() {
    const auto writes = RunCommand({node_.programs().sim, "inject", "writes"});
    return writes ? writes->out : writes.error().what;
  }
  static int CountOf(const std::string& text, const std::string& part) {
    int count = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++count;
    }
    return count;
  }

  std::optional<Kubelet> kubelet_;
};

// Contract 10.2 case 1.
TEST_F(Pods, MadeWhileTheKubeletIsDownRunAfterItsStart) {
  const ClaimObject first = Vf("first", 0);
  StartKubelet();
  EXPECT_EQ(kubelet_->Prepare(first).error(), "");
  StopKubelet();
  const ClaimObject second = Vf("second", 1);
  StartKubelet();
  EXPECT_EQ(kubelet_->Prepare(second).error(), "");
  EXPECT_EQ(kubelet_->Unprepare(first), "");
  EXPECT_EQ(kubelet_->Unprepare(second), "");
}

// Contract 10.2 case 2.
TEST_F(Pods, WhosePrepareOutlastsItsDeadlineGetWhatIsMadeOnceByALaterCall) {
  const ClaimObject claim = Vf("c", 0);
  StartKubelet();
  Hold(kNumVfs);
  ForgetWrites();
  kubelet_->GiveUpPrepare(claim, std::chrono::seconds(2));
  EXPECT_TRUE(Soon([&] { return State("c") == "preparing"; }));
  kubelet_->GiveUpPrepare(claim, std::chrono::milliseconds(200));  // the pod goes on pending
  auto retried = std::async(std::launch::async, [&] { return kubelet_->Prepare(claim); });
  Release(kNumVfs);
  const Kubelet::Devices answer = retried.get();
  EXPECT_EQ(answer.error(), "");
  EXPECT_EQ(answer.devices_size(), 1);
  EXPECT_EQ(CountOf(HardwareWrites(), "sriov_numvfs"), 1) << HardwareWrites();
  EXPECT_THAT(node_.CdiFiles(), SizeIs(1));
  ForgetWrites();
  EXPECT_EQ(kubelet_->Prepare(claim).SerializeAsString(), answer.SerializeAsString());
  EXPECT_THAT(HardwareWrites(), StartsWith("0 writes"));
  EXPECT_EQ(kubelet_->Unprepare(claim), "");
}

// Contract 10.2 case 3.
TEST_F(Pods, SucceedAfterFailuresAlsoAcrossRestartsOfTheKubelet) {
  const ClaimObject claim = Vf("c", 0);
  for (const bool restarts : {false, true}) {
    StartKubelet();
    Inject({"fault", kNumVfs, "EIO", "--op", "write", "--count", "-1"});
    EXPECT_THAT(kubelet_->Prepare(claim).error(), HasSubstr("sriov_numvfs"));
    if (restarts) StartKubelet();
    Inject({"clear"});
    EXPECT_EQ(kubelet_->Prepare(claim).error(), "");
    Inject({"fault", kNumVfs, "EBUSY", "--op", "write", "--count", "-1"});
    EXPECT_THAT(kubelet_->Unprepare(claim), HasSubstr("EBUSY"));
    if (restarts) StartKubelet();
    EXPECT_NE(State("c"), "");
    Inject({"clear"});
    EXPECT_EQ(kubelet_->Unprepare(claim), "");
    EXPECT_EQ(State("c"), "");
  }
}

// Contract 10.2 case 4.
TEST_F(Pods, DeletedWhileTheirPrepareIsUnderWayLeaveNothing) {
  const ClaimObject claim = Vf("c", 0);
  StartKubelet();
  Hold(kNumVfs);
  kubelet_->GiveUpPrepare(claim, std::chrono::seconds(2));
  EXPECT_TRUE(Soon([&] { return State("c") == "preparing"; }));
  ASSERT_TRUE(api_.DeleteClaim("c"));
  auto released = std::async(std::launch::async, [&] { return kubelet_->Unprepare(claim); });
  Release(kNumVfs);
  EXPECT_EQ(released.get(), "");
  EXPECT_EQ(State("c"), "");
}

// Contract 10.2 case 4: the prepare fails in its middle, and what it did cannot be undone at once.
TEST_F(Pods, DeletedAfterAPrepareThatIsHalfDoneLeaveNothing) {
  const ClaimObject claim = Vf("c", 0, Opaque("AccessConfig", {{"driver", "vfio"}}, "FromClass"));
  StartKubelet();
  Hold("*/driver_override");  // the VFs are there then
  auto failed = std::async(std::launch::async, [&] { return kubelet_->Prepare(claim); });
  EXPECT_TRUE(Soon([&] { return ReadHardware().at(address() + " sriov_numvfs") == "8"; }));
  Inject({"fault", "*", "EIO", "--op", "write", "--count", "-1"});
  Release("*/driver_override");
  EXPECT_THAT(failed.get().error(), HasSubstr("EIO"));
  EXPECT_EQ(ReadHardware().at(address() + " sriov_numvfs"), "8") << "nothing is half done";
  EXPECT_THAT(kubelet_->Unprepare(claim), HasSubstr("EIO"));
  ASSERT_TRUE(api_.DeleteClaim("c"));
  Inject({"clear"});
  EXPECT_EQ(kubelet_->Unprepare(claim), "");
  EXPECT_EQ(State("c"), "");
}

// Contract 10.2 case 6.
TEST_F(Pods, DeletedWhileTheKubeletIsDownAreUnpreparedAndNothingElse) {
  const ClaimObject claim = Vf("c", 0);
  StartKubelet();
  ASSERT_EQ(kubelet_->Prepare(claim).error(), "");
  StopKubelet();
  ASSERT_TRUE(api_.DeleteClaim("c"));
  EXPECT_EQ(State("c"), "prepared") << "it is the kubelet who releases";
  StartKubelet();
  api_.Reset();
  EXPECT_EQ(kubelet_->Unprepare(claim), "");
  EXPECT_EQ(api_.Calls("get resourceclaims"), 0) << "the claim need not be there";
  EXPECT_EQ(State("c"), "");
}

// Contract 10.2 case 11.
TEST_F(Pods, ThatShareAClaimHaveItPreparedOnceAndReleasedAfterTheLast) {
  const ClaimObject claim = Vf("c", 0);
  StartKubelet();
  ForgetWrites();
  Hold(kNumVfs);
  std::vector<std::future<Kubelet::Devices>> pods;
  for (int pod = 0; pod < 2; ++pod) {
    pods.push_back(std::async(std::launch::async, [&] { return kubelet_->Prepare(claim); }));
  }
  EXPECT_TRUE(Soon([&] { return State("c") == "preparing"; }));
  Release(kNumVfs);
  const Kubelet::Devices first = pods.at(0).get();
  EXPECT_EQ(first.error(), "");
  EXPECT_EQ(pods.at(1).get().SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(CountOf(HardwareWrites(), "sriov_numvfs"), 1) << HardwareWrites();
  ForgetWrites();
  EXPECT_EQ(kubelet_->Prepare(claim).SerializeAsString(), first.SerializeAsString());
  EXPECT_THAT(HardwareWrites(), StartsWith("0 writes"));
  EXPECT_EQ(kubelet_->Unprepare(claim), "");
  EXPECT_EQ(State("c"), "");
}

// Contract 10.2 case 12.
TEST_F(Pods, WithAPreparedClaimAndANewOneGetBothInOneCall) {
  const ClaimObject old = Vf("old", 0), fresh = Vf("new", 1);
  StartKubelet();
  const Kubelet::Devices known = kubelet_->Prepare(old);
  ASSERT_EQ(known.error(), "");
  ForgetWrites();
  const auto both = kubelet_->Prepare(std::vector{fresh, old});
  ASSERT_EQ(both.claims_size(), 2);
  EXPECT_EQ(both.claims().at(old.uid).SerializeAsString(), known.SerializeAsString());
  EXPECT_EQ(both.claims().at(fresh.uid).error(), "");
  EXPECT_EQ(both.claims().at(fresh.uid).devices_size(), 1);
  EXPECT_THAT(HardwareWrites(), AllOf(Not(HasSubstr("0000:02:10.0")), Not(HasSubstr("numvfs"))));
  EXPECT_EQ(kubelet_->Unprepare(old), "");
  EXPECT_EQ(kubelet_->Unprepare(fresh), "");
}

// Contract 10.2 case 17: a node that has booted. Its CDI directory is empty, its cards know nothing
// of VFs, the kernel has a new boot id; the journal is there.
class RebootedPods : public Pods {
 protected:
  void SetUp() override {
    Pods::SetUp();
    SetBootId("11111111-1111-4111-8111-111111111111\n");
    ASSERT_EQ(::mount(boot_id_.c_str(), kBootId, nullptr, MS_BIND, nullptr), 0) << strerror(errno);
    RestartDaemon();
  }
  void TearDown() override {
    Pods::TearDown();
    EXPECT_EQ(::umount(kBootId), 0) << strerror(errno);
  }
  void SetBootId(const std::string& text) const { std::ofstream(boot_id_) << text; }
  void Reboot() {
    StopKubelet();
    ASSERT_TRUE(node_.Kill());
    RemoveVfs();
    for (const std::string& file : node_.CdiFiles()) {
      std::filesystem::remove(scratch_.cdi_dir + "/" + file);
    }
    SetBootId("22222222-2222-4222-8222-222222222222\n");
    StartDaemon();
    StartKubelet();
  }

  static constexpr const char* kBootId = "/proc/sys/kernel/random/boot_id";
  const std::string boot_id_ = scratch_.root + "/boot_id";
};

TEST_F(RebootedPods, GetTheSameIdsAgain) {
  const ClaimObject kernel = Vf("kernel", 0);
  const ClaimObject vfio = Vf("vfio", 1, Opaque("AccessConfig", {{"driver", "vfio"}}, "FromClass"));
  StartKubelet();
  const Kubelet::Devices first = kubelet_->Prepare(kernel), second = kubelet_->Prepare(vfio);
  ASSERT_EQ(first.error() + second.error(), "");
  const auto files = node_.CdiFiles();
  const HardwareImage held = ReadHardware();
  Reboot();
  EXPECT_EQ(kubelet_->Prepare(kernel).SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(kubelet_->Prepare(vfio).SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(Differences(held, ReadHardware()), "");
  EXPECT_EQ(node_.CdiFiles(), files);
  EXPECT_EQ(kubelet_->Unprepare(kernel), "");
  EXPECT_EQ(kubelet_->Unprepare(vfio), "");
}

TEST_F(RebootedPods, ThatDoNotComeBackAreUnpreparedWithoutAPrepare) {
  const ClaimObject claim = Vf("c", 1, Opaque("AccessConfig", {{"driver", "vfio"}}, "FromClass"));
  StartKubelet();
  ASSERT_EQ(kubelet_->Prepare(claim).error(), "");
  Reboot();
  ASSERT_TRUE(api_.DeleteClaim("c"));
  EXPECT_EQ(kubelet_->Unprepare(claim), "");
  EXPECT_EQ(State("c"), "");
}

}  // namespace
}  // namespace drapci::test
