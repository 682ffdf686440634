#include "plugin/kubelet_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>

#include "plugin/kubelet_sockets.h"
#include "plugin/proto/dra_v1.grpc.pb.h"
#include "plugin/proto/dra_v1beta1.grpc.pb.h"
#include "plugin/proto/pluginregistration.grpc.pb.h"
#include "test/unit/plugin/claim_text.h"
#include "test/unit/plugin/fake_manager.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin {
namespace {

namespace v1 = ::k8s::io::kubelet::pkg::apis::dra::v1;
namespace v1beta1 = ::k8s::io::kubelet::pkg::apis::dra::v1beta1;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// An API server in memory.
class FakeKubeApi : public KubeApi {
 public:
  void GetClaim(std::string namespace_name, std::string name, std::string,
                std::function<void(Result<std::string>)> done) override {
    ++reads;
    const auto found = claims.find(namespace_name + "/" + name);
    if (found == claims.end()) return done(Fail(Code::kNotFound, "no such claim"));
    done(found->second);
  }
  std::map<std::string, std::string> claims;
  int reads = 0;
};

class KubeletServiceTest : public testing::Test {
 protected:
  KubeletServiceTest() {
    auto sockets = KubeletSockets::Start(listening_, dir_.path(), "dra.pci", preparer_, nullptr);
    EXPECT_TRUE(sockets.has_value()) << sockets.error().what;
    sockets_ = *std::move(sockets);
    const auto channel = grpc::CreateChannel("unix:" + sockets_->paths().service,
                                             grpc::InsecureChannelCredentials());
    v1_ = v1::DRAPlugin::NewStub(channel);
    v1beta1_ = v1beta1::DRAPlugin::NewStub(channel);
  }

  // Claim `uid` exists as default/`uid` and is allocated the device vf`n`.
  void Allocate(const std::string& uid, int n, std::string_view request = "req",
                std::string_view more = "") {
    api_.claims["default/" + uid] =
        ClaimText(ResultText(request, fmt::format("pci-0000-02-00-0-vf{}", n), more), "", uid, uid);
  }

  template <class Request>
  static Request For(std::initializer_list<std::string> uids) {
    Request request;
    for (const std::string& uid : uids) {
      auto& claim = *request.add_claims();
      claim.set_namespace_("default");
      claim.set_name(uid);
      claim.set_uid(uid);
    }
    return request;
  }

  v1::NodePrepareResourcesResponse Prepare(std::initializer_list<std::string> uids) {
    grpc::ClientContext context;
    v1::NodePrepareResourcesResponse response;
    const auto status =
        v1_->NodePrepareResources(&context, For<v1::NodePrepareResourcesRequest>(uids), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  v1::NodeUnprepareResourcesResponse Unprepare(std::initializer_list<std::string> uids) {
    grpc::ClientContext context;
    v1::NodeUnprepareResourcesResponse response;
    const auto status = v1_->NodeUnprepareResources(
        &context, For<v1::NodeUnprepareResourcesRequest>(uids), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  TestDir dir_;
  FakeManager manager_;
  FakeKubeApi api_;
  ClaimPreparer preparer_{manager_, &api_, "dra.pci", "node-1", nullptr};
  ListeningSockets listening_{false};
  std::unique_ptr<KubeletSockets> sockets_;
  std::unique_ptr<v1::DRAPlugin::Stub> v1_;
  std::unique_ptr<v1beta1::DRAPlugin::Stub> v1beta1_;
};

TEST_F(KubeletServiceTest, RegistersWithTheVersionsItServes) {
  auto stub = pluginregistration::Registration::NewStub(grpc::CreateChannel(
      "unix:" + sockets_->paths().registration, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  pluginregistration::PluginInfo info;
  ASSERT_TRUE(stub->GetInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.type(), "DRAPlugin");
  EXPECT_EQ(info.name(), "dra.pci");
  EXPECT_EQ(info.endpoint(), sockets_->paths().service);
  EXPECT_THAT(info.supported_versions(), ElementsAre("v1.DRAPlugin", "v1beta1.DRAPlugin"));

  // A refusal is news, not a failure: the kubelet tries again.
  grpc::ClientContext second;
  pluginregistration::RegistrationStatus refused;
  refused.set_error("not\nliked");
  pluginregistration::RegistrationStatusResponse nothing;
  EXPECT_TRUE(stub->NotifyRegistrationStatus(&second, refused, &nothing).ok());
}

TEST_F(KubeletServiceTest, PreparesAClaim) {
  Allocate("uid-1", 3, "req/sub");
  const auto response = Prepare({"uid-1"});
  ASSERT_EQ(response.claims().count("uid-1"), 1u);
  const auto& claim = response.claims().at("uid-1");
  EXPECT_EQ(claim.error(), "");
  ASSERT_EQ(claim.devices_size(), 1);
  EXPECT_THAT(claim.devices(0).request_names(), ElementsAre("req"));
  EXPECT_EQ(claim.devices(0).pool_name(), "node1");
  EXPECT_EQ(claim.devices(0).device_name(), "pci-0000-02-00-0-vf3");
  EXPECT_THAT(claim.devices(0).cdi_device_ids(),
              ElementsAre("dra.pci/claim=pci-0000-02-00-0-vf3-uid-1"));
  EXPECT_FALSE(claim.devices(0).has_share_id());
}

// Contract 10.2 case 16.
TEST_F(KubeletServiceTest, TellsTheShareOnlyWhereThereIsOne) {
  Allocate("uid-1", 0, "req", R"(,"shareID":"share-1")");
  EXPECT_EQ(Prepare({"uid-1"}).claims().at("uid-1").devices(0).share_id(), "share-1");
}

TEST_F(KubeletServiceTest, ServesV1Beta1Alike) {
  Allocate("uid-1", 0, "req", R"(,"shareID":"share-1")");
  grpc::ClientContext first, second;
  v1beta1::NodePrepareResourcesResponse prepared;
  ASSERT_TRUE(v1beta1_
                  ->NodePrepareResources(
                      &first, For<v1beta1::NodePrepareResourcesRequest>({"uid-1"}), &prepared)
                  .ok());
  ASSERT_EQ(prepared.claims().at("uid-1").devices_size(), 1);
  EXPECT_EQ(prepared.claims().at("uid-1").devices(0).device_name(), "pci-0000-02-00-0-vf0");
  v1beta1::NodeUnprepareResourcesResponse released;
  ASSERT_TRUE(v1beta1_
                  ->NodeUnprepareResources(
                      &second, For<v1beta1::NodeUnprepareResourcesRequest>({"uid-1"}), &released)
                  .ok());
  EXPECT_EQ(released.claims().at("uid-1").error(), "");
  EXPECT_TRUE(manager_.Claims().empty());
}

// Contract 10.2 case 16.
TEST_F(KubeletServiceTest, LetsOneFailingClaimFailAlone) {
  Allocate("good", 0);
  Allocate("taken", 0);
  Allocate("unknown-device", 9);
  EXPECT_EQ(Prepare({"good"}).claims().at("good").error(), "");
  Allocate("other", 1);
  const auto response = Prepare({"good", "taken", "unknown-device", "missing", "other"});
  ASSERT_EQ(response.claims_size(), 5);
  EXPECT_EQ(response.claims().at("good").devices_size(), 1);
  EXPECT_EQ(response.claims().at("other").devices_size(), 1);
  EXPECT_THAT(response.claims().at("taken").error(), HasSubstr("is held by claim good"));
  EXPECT_THAT(response.claims().at("unknown-device").error(),
              HasSubstr("no device pci-0000-02-00-0-vf9"));
  EXPECT_THAT(response.claims().at("missing").error(),
              HasSubstr("claim default/missing: no such claim"));
}

TEST_F(KubeletServiceTest, WorksOnTheClaimsOfACallSideBySide) {
  Allocate("uid-1", 1);
  Allocate("uid-2", 2);
  manager_.Hold();
  auto call = std::async(std::launch::async, [this] { return Prepare({"uid-1", "uid-2"}); });
  manager_.WaitForHeld(2);
  manager_.Release();
  const auto response = call.get();
  EXPECT_EQ(response.claims().at("uid-1").devices_size(), 1);
  EXPECT_EQ(response.claims().at("uid-2").devices_size(), 1);
}

TEST_F(KubeletServiceTest, GivesTwoConcurrentCallsForOneClaimTheSameAnswer) {
  Allocate("uid-1", 1);
  manager_.Hold();
  auto first = std::async(std::launch::async, [this] { return Prepare({"uid-1"}); });
  auto second = std::async(std::launch::async, [this] { return Prepare({"uid-1"}); });
  manager_.WaitForHeld(2);
  manager_.Release();
  EXPECT_EQ(first.get().SerializeAsString(), second.get().SerializeAsString());
}

TEST_F(KubeletServiceTest, AnswersAPreparedClaimWithoutReadingItAgain) {
  Allocate("uid-1", 1);
  const auto first = Prepare({"uid-1"});
  api_.claims.clear();
  EXPECT_EQ(Prepare({"uid-1"}).SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(api_.reads, 1);
}

// Contract 10.2 case 2.
TEST_F(KubeletServiceTest, WorksOffACallThatTheKubeletHasGivenUp) {
  Allocate("uid-1", 1);
  manager_.Hold();
  grpc::ClientContext context;
  auto call = std::async(std::launch::async, [&] {
    v1::NodePrepareResourcesResponse response;
    return v1_->NodePrepareResources(&context, For<v1::NodePrepareResourcesRequest>({"uid-1"}),
                                     &response);
  });
  manager_.WaitForHeld(1);
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  manager_.Release();
  EXPECT_EQ(manager_.Claims().size(), 1u);
  EXPECT_EQ(Prepare({"uid-1"}).claims().at("uid-1").devices_size(), 1);
}

// Contract 10.2 case 19.
TEST_F(KubeletServiceTest, NoticesAClaimThatGotReplaced) {
  Allocate("new-uid", 1);
  api_.claims["default/old-uid"] = api_.claims["default/new-uid"];
  EXPECT_THAT(Prepare({"old-uid"}).claims().at("old-uid").error(),
              AllOf(HasSubstr("got replaced"), HasSubstr("new-uid")));
  EXPECT_TRUE(manager_.Claims().empty());
}

TEST_F(KubeletServiceTest, RefusesAUidThatIsNone) {
  EXPECT_THAT(Prepare({"../../etc"}).claims().at("../../etc").error(),
              HasSubstr("is no claim UID"));
  EXPECT_EQ(api_.reads, 0);
}

// Contract 10.2 case 5.
TEST_F(KubeletServiceTest, UnpreparesByUidAlone) {
  Allocate("uid-1", 1);
  Prepare({"uid-1"});
  api_.claims.clear();
  const auto response = Unprepare({"uid-1", "never-heard-of"});
  EXPECT_EQ(response.claims_size(), 2);
  EXPECT_EQ(response.claims().at("uid-1").error(), "");
  EXPECT_EQ(response.claims().at("never-heard-of").error(), "");
  EXPECT_TRUE(manager_.Claims().empty());
}

TEST_F(KubeletServiceTest, ReportsWhatCannotBeUndoneAsThatClaimsError) {
  manager_.FailNext("uid-1", Error::FromErrno(EBUSY, "/sys/x\xff"));
  const auto response = Unprepare({"uid-1", "uid-2"});
  EXPECT_EQ(response.claims().at("uid-1").error(), "/sys/x?: EBUSY (Device or resource busy)");
  EXPECT_EQ(response.claims().at("uid-2").error(), "");
}

// Contract 10.2 case 16.
TEST_F(KubeletServiceTest, AnswersAnEmptyBatch) {
  EXPECT_EQ(Prepare({}).claims_size(), 0);
  EXPECT_EQ(Unprepare({}).claims_size(), 0);
}

TEST_F(KubeletServiceTest, FinishesWhatIsUnderWayWhenItStops) {
  Allocate("uid-1", 1);
  manager_.Hold();
  auto call = std::async(std::launch::async, [this] { return Prepare({"uid-1"}); });
  manager_.WaitForHeld(1);
  auto stop = std::async(std::launch::async, [this] { sockets_->Stop(std::chrono::seconds(60)); });
  manager_.Release();
  EXPECT_EQ(call.get().claims().at("uid-1").devices_size(), 1);
  stop.get();
}

TEST(ClaimPreparer, SaysThatThereIsNoPlaceToReadClaimsFrom) {
  FakeManager manager;
  ClaimPreparer preparer(manager, nullptr, "dra.pci", "node-1", nullptr);
  std::string text;
  preparer.Prepare(
      {.namespace_name = "default", .name = "c", .uid = "uid-1"},
      [&](const Result<driver::PreparedClaim>& prepared) { text = prepared.error().what; });
  EXPECT_THAT(
      text, AllOf(HasSubstr("claim default/c cannot be read"), HasSubstr("kubernetes.kubeconfig")));
}

}  // namespace
}  // namespace drapci::plugin
