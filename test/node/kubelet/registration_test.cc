#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "test/node/kubelet/kubelet_fixture.h"

namespace drapci::test {
namespace {

class Registration : public KubeletNode {
 protected:
  // GetInfo with the kubelet's own deadline of one second.
  grpc::Status GetInfo(pluginregistration::PluginInfo& info, const std::string& authority = "") {
    auto stub = pluginregistration::Registration::NewStub(
        Dial(RegistrationSocket(scratch_.kubelet_root), authority));
    grpc::ClientContext context;
    context.set_deadline(In(std::chrono::seconds(1)));
    return stub->GetInfo(&context, {}, &info);
  }
};

TEST_F(Registration, NamesTheDriverItsEndpointAndTheNewestServiceFirst) {
  pluginregistration::PluginInfo info;
  const grpc::Status status = GetInfo(info);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(info.type(), "DRAPlugin");
  EXPECT_EQ(info.name(), "dra.pci");
  EXPECT_EQ(info.endpoint(), ServiceSocket(scratch_.kubelet_root));
  const auto& versions = info.supported_versions();
  ASSERT_FALSE(versions.empty());
  EXPECT_EQ(versions[0], "v1.DRAPlugin");
  EXPECT_NE(std::ranges::find(versions, "v1beta1.DRAPlugin"), versions.end());
}

TEST_F(Registration, TakesEveryAuthorityThatAKubeletMaySend) {
  for (const char* authority :
       {"localhost", "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fdra.pci-reg.sock", "unix",
        "dra.pci", "127.0.0.1:0"}) {
    pluginregistration::PluginInfo info;
    const grpc::Status status = GetInfo(info, authority);
    EXPECT_TRUE(status.ok()) << authority << ": " << status.error_message();
    EXPECT_EQ(info.name(), "dra.pci");
  }
}

// Contract 10.1 case 3.
TEST_F(Registration, GoesOnServingWhateverTheKubeletSaysOfIt) {
  auto stub =
      pluginregistration::Registration::NewStub(Dial(RegistrationSocket(scratch_.kubelet_root)));
  for (bool registered : {false, true}) {
    grpc::ClientContext context;
    pluginregistration::RegistrationStatus said;
    said.set_plugin_registered(registered);
    if (!registered) said.set_error("no\nthanks");
    pluginregistration::RegistrationStatusResponse response;
    // An error in answer to a refusal is allowed; the Go library gives one.
    const grpc::Status status = stub->NotifyRegistrationStatus(&context, said, &response);
    EXPECT_TRUE(status.ok() || !registered) << status.error_message();
    pluginregistration::PluginInfo info;
    EXPECT_TRUE(GetInfo(info).ok());
  }
}

TEST_F(Registration, LeavesNoSocketBehindWhenTheDaemonStops) {
  ASSERT_TRUE(node_.Stop());
  EXPECT_NE(access(RegistrationSocket(scratch_.kubelet_root).c_str(), F_OK), 0);
  EXPECT_NE(access(ServiceSocket(scratch_.kubelet_root).c_str(), F_OK), 0);
  EXPECT_NE(access(scratch_.socket.c_str(), F_OK), 0);
}

// Contract 10.1 case 1.
TEST_F(Registration, ReplacesTheSocketsThatACrashHasLeft) {
  ASSERT_TRUE(node_.Kill());
  ASSERT_EQ(access(RegistrationSocket(scratch_.kubelet_root).c_str(), F_OK), 0)
      << "nothing stale to replace";
  const auto started = node_.Start();
  ASSERT_TRUE(started) << started.error().what;
  pluginregistration::PluginInfo info;
  EXPECT_TRUE(GetInfo(info).ok());
}

TEST_F(Registration, KeepsItsSocketsFromOtherUsers) {
  for (const std::string& path : {RegistrationSocket(scratch_.kubelet_root),
                                  ServiceSocket(scratch_.kubelet_root), scratch_.socket}) {
    struct stat status{};
    ASSERT_EQ(stat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_mode & 07, 0u) << path;
  }
}

// Contract 10.1 case 8.
TEST_F(Registration, RefusesASecondDaemonOnTheSameState) {
  Node second(Programs::FromEnvironment(), scratch_, {"--claim-directory", scratch_.claim_dir});
  EXPECT_FALSE(second.Start());
  pluginregistration::PluginInfo info;
  EXPECT_TRUE(GetInfo(info).ok()) << "the first one must go on";
}

}  // namespace
}  // namespace drapci::test
