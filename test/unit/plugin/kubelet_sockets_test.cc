#include "plugin/kubelet_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/plugin/fake_manager.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

TEST(KubeletPaths, LieWhereTheKubeletLooks) {
  const auto paths = MakeKubeletPaths("/var/lib/kubelet", "dra.pci");
  ASSERT_TRUE(paths.has_value());
  EXPECT_EQ(paths->service, "/var/lib/kubelet/plugins/dra.pci/dra.sock");
  EXPECT_EQ(paths->registration, "/var/lib/kubelet/plugins_registry/dra.pci-reg.sock");
  EXPECT_EQ(MakeKubeletPaths("/var/lib/kubelet/", "dra.pci")->service, paths->service);
}

TEST(KubeletPaths, HoldTheLongestDriverNameBelowTheUsualRoot) {
  const std::string name(63, 'd');
  EXPECT_EQ(MakeKubeletPaths("/var/lib/kubelet", name)->registration,
            "/var/lib/kubelet/plugins_registry/" + name + "-reg.sock");
}

TEST(KubeletPaths, ShortenTheRegistrationForALongRootAndKeepDriversApart) {
  const std::string root = "/var/lib/rancher/k3s/kube";
  const std::string name(63, 'd'), other = std::string(62, 'd') + "e";
  const auto paths = MakeKubeletPaths(root, name);
  ASSERT_TRUE(paths.has_value()) << paths.error().what;
  EXPECT_THAT(paths->registration, AllOf(HasSubstr("/plugins_registry/dra-"), EndsWith("-reg.sock"),
                                         Not(HasSubstr(name))));
  EXPECT_EQ(MakeKubeletPaths(root, name)->registration, paths->registration);
  EXPECT_NE(MakeKubeletPaths(root, other)->registration, paths->registration);
}

TEST(KubeletPaths, AreRefusedWithNameAndLimitWhenNothingFits) {
  const auto paths = MakeKubeletPaths("/" + std::string(90, 'r'), "dra.pci");
  ASSERT_FALSE(paths.has_value());
  EXPECT_THAT(paths.error().what, AllOf(HasSubstr("/plugins/dra.pci/dra.sock"), HasSubstr("107")));
}

class KubeletSocketsTest : public testing::Test {
 protected:
  Result<std::unique_ptr<KubeletSockets>> Start() {
    return KubeletSockets::Start(listening_, root_, "dra.pci", preparer_, nullptr);
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }

  TestDir dir_;
  const std::string root_ = dir_.path() + "/kubelet";
  FakeManager manager_;
  ClaimPreparer preparer_{manager_, nullptr, "dra.pci", "node-1", nullptr};
  ListeningSockets listening_{false};
};

TEST_F(KubeletSocketsTest, MakesTheDirectoriesAsTheKubeletWould) {
  const auto sockets = Start();
  ASSERT_TRUE(sockets.has_value()) << sockets.error().what;
  EXPECT_EQ(ModeOf(root_ + "/plugins"), mode_t{0750});
  EXPECT_EQ(ModeOf(root_ + "/plugins/dra.pci"), mode_t{0750});
  EXPECT_EQ(ModeOf(root_ + "/plugins_registry"), mode_t{0755});
  EXPECT_EQ(ModeOf((*sockets)->paths().service), mode_t{0600});
  EXPECT_EQ(ModeOf((*sockets)->paths().registration), mode_t{0600});
}

TEST_F(KubeletSocketsTest, TakesBothSocketsAwayWhenItStops) {
  const auto sockets = Start();
  ASSERT_TRUE(sockets.has_value());
  (*sockets)->Stop(std::chrono::seconds(1));
  EXPECT_NE(::access((*sockets)->paths().registration.c_str(), F_OK), 0);
  EXPECT_NE(::access((*sockets)->paths().service.c_str(), F_OK), 0);
}

TEST_F(KubeletSocketsTest, LetsNoSecondDriverTakeThem) {
  const auto first = Start();
  ASSERT_TRUE(first.has_value());
  const auto second = Start();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kBusy);
  EXPECT_EQ(::access((*first)->paths().registration.c_str(), F_OK), 0);
}

TEST_F(KubeletSocketsTest, StartsAgainAfterAStop) {
  Start().value().reset();
  EXPECT_TRUE(Start().has_value());
}

}  // namespace
}  // namespace drapci::plugin
