#include "plugin/control_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "plugin/claim_input.h"
#include "plugin/control_convert.h"
#include "plugin/proto/control.grpc.pb.h"
#include "plugin/socket_server.h"
#include "test/unit/plugin/claim_text.h"
#include "test/unit/plugin/fake_manager.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ControlServiceTest : public testing::Test {
 protected:
  ControlServiceTest() {
    const auto services = control_.services();
    auto server = SocketServer::Start(
        listening_, {.path = dir_.path() + "/control.sock", .mode = 0660, .group = {}}, services);
    EXPECT_TRUE(server.has_value()) << server.error().what;
    server_ = *std::move(server);
    stub_ = v1::Control::NewStub(grpc::CreateChannel("unix:" + dir_.path() + "/control.sock",
                                                     grpc::InsecureChannelCredentials()));
  }

  // The answer, and "CODE: TEXT" of the status in `failure_`.
  template <class Response, class Method, class Request>
  Response Call(Method method, const Request& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    failure_ = status.ok() ? ""
                           : fmt::format("{}: {}", static_cast<int>(status.error_code()),
                                         status.error_message());
    return response;
  }

  v1::PrepareResponse Prepare(const std::string& name, std::initializer_list<int> vfs,
                              const std::string& config = "") {
    v1::PrepareRequest request;
    request.mutable_claim()->set_name(name);
    for (const int vf : vfs) {
      request.mutable_claim()->add_devices(fmt::format("pci-0000-02-00-0-vf{}", vf));
    }
    request.mutable_claim()->set_config_json(config);
    return Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, request);
  }

  v1::PrepareResponse PrepareText(const std::string& text) {
    v1::PrepareRequest request;
    request.mutable_claim()->set_claim_json(text);
    return Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, request);
  }

  std::string Unprepare(const std::string& name) {
    v1::UnprepareRequest request;
    request.set_name_or_uid(name);
    return Call<v1::UnprepareResponse>(&v1::Control::Stub::Unprepare, request).uid();
  }

  static std::string Failed(grpc::StatusCode code) {
    return fmt::format("{}: ", static_cast<int>(code));
  }

  TestDir dir_;
  ListeningSockets listening_{false};
  FakeManager manager_;
  SlicesView slices_;
  ControlService control_{
      manager_,
      {.version = "1.2.3", .driver_name = "dra.pci", .node_name = "node1", .event_source = "udev"},
      [this](const std::function<void(SlicesView)>& done) { done(slices_); }};
  std::unique_ptr<SocketServer> server_;
  std::unique_ptr<v1::Control::Stub> stub_;
  std::string failure_;
};

TEST_F(ControlServiceTest, SaysWhatItIs) {
  const auto version =
      Call<v1::GetVersionResponse>(&v1::Control::Stub::GetVersion, v1::GetVersionRequest());
  EXPECT_EQ(version.version(), "1.2.3");
  EXPECT_EQ(version.driver_name(), "dra.pci");
  EXPECT_EQ(version.node_name(), "node1");
  EXPECT_EQ(version.event_source(), "udev");
}

TEST_F(ControlServiceTest, ListsAcceleratorsWithTheirDevices) {
  Prepare("mine", {2});
  const auto list =
      Call<v1::ListDevicesResponse>(&v1::Control::Stub::ListDevices, v1::ListDevicesRequest());
  ASSERT_EQ(failure_, "");
  EXPECT_EQ(list.generation(), 42u);
  ASSERT_EQ(list.accelerators_size(), 1);
  const v1::Accelerator& accelerator = list.accelerators(0);
  EXPECT_EQ(accelerator.address(), "0000:02:00.0");
  EXPECT_EQ(accelerator.vendor_id(), "8086");
  EXPECT_EQ(accelerator.device_id(), "10c9");
  EXPECT_EQ(accelerator.class_code(), "020000");
  EXPECT_EQ(accelerator.vendor_name(), "Soci?t?");
  EXPECT_EQ(accelerator.iommu_group(), "");
  EXPECT_EQ(accelerator.link(), "8.0 GT/s x8");
  EXPECT_EQ(accelerator.counters(0).total(), 8);
  EXPECT_EQ(accelerator.counters(0).used(), 1);
  ASSERT_EQ(accelerator.devices_size(), 8);
  EXPECT_EQ(accelerator.devices(2).held_by(), "cli-mine");
  EXPECT_EQ(accelerator.devices(3).held_by(), "");
  EXPECT_EQ(accelerator.devices(3).consumes().at("vfs"), 1);
}

TEST_F(ControlServiceTest, ListsOneDeviceWithItsAccelerator) {
  v1::ListDevicesRequest request;
  request.set_name("pci-0000-02-00-0-vf5");
  const auto one = Call<v1::ListDevicesResponse>(&v1::Control::Stub::ListDevices, request);
  ASSERT_EQ(one.accelerators_size(), 1);
  ASSERT_EQ(one.accelerators(0).devices_size(), 1);
  EXPECT_EQ(one.accelerators(0).devices(0).name(), "pci-0000-02-00-0-vf5");
  for (const char* name : {"pci-0000-02-00-0", "0000:02:00.0"}) {
    request.set_name(name);
    const auto all = Call<v1::ListDevicesResponse>(&v1::Control::Stub::ListDevices, request);
    ASSERT_EQ(all.accelerators_size(), 1) << name;
    EXPECT_EQ(all.accelerators(0).devices_size(), 8) << name;
  }
  request.set_name("nothing");
  Call<v1::ListDevicesResponse>(&v1::Control::Stub::ListDevices, request);
  EXPECT_THAT(failure_,
              HasSubstr(Failed(grpc::StatusCode::NOT_FOUND) + "there is no device nothing"));
}

TEST_F(ControlServiceTest, PreparesByNameAndDeviceAgainAndAgain) {
  const auto first = Prepare("mine", {0, 1});
  ASSERT_EQ(failure_, "");
  EXPECT_EQ(first.uid(), "cli-mine");
  ASSERT_EQ(first.devices_size(), 2);
  EXPECT_THAT(first.devices(1).cdi_device_ids(),
              ElementsAre("dra.pci/claim=pci-0000-02-00-0-vf1-cli-mine"));
  EXPECT_EQ(Prepare("mine", {0, 1}).SerializeAsString(), first.SerializeAsString());
  Prepare("mine", {2});
  EXPECT_THAT(failure_, HasSubstr(Failed(grpc::StatusCode::FAILED_PRECONDITION)));
}

TEST_F(ControlServiceTest, GivesAnOperatorVfioInTheShortForm) {
  Prepare("mine", {0}, AccessText("vfio"));
  ASSERT_EQ(failure_, "");
  EXPECT_EQ(manager_.FindClaim("cli-mine")->request.devices[0].access, hal::Access::kVfio);
  Prepare("yours", {1}, AccessText("magic"));
  EXPECT_THAT(failure_, AllOf(HasSubstr(Failed(grpc::StatusCode::INVALID_ARGUMENT)),
                              HasSubstr("configuration.driver: 'magic' is unknown")));
}

TEST_F(ControlServiceTest, PreparesAClaimFile) {
  EXPECT_EQ(PrepareText(ClaimText(ResultText("req", "pci-0000-02-00-0-vf4"))).uid(), kUid);
  const auto claims =
      Call<v1::ListClaimsResponse>(&v1::Control::Stub::ListClaims, v1::ListClaimsRequest());
  ASSERT_EQ(claims.claims_size(), 1);
  EXPECT_EQ(claims.claims(0).namespace_(), "default");
  EXPECT_EQ(claims.claims(0).state(), "prepared");
  EXPECT_EQ(claims.claims(0).devices(0).device(), "pci-0000-02-00-0-vf4");
  EXPECT_EQ(claims.claims(0).plan(0).setting(), "sriov.numvfs");
  EXPECT_EQ(Unprepare("default/my-claim"), kUid);
}

TEST_F(ControlServiceTest, NamesAClaimFileWithoutUidByItsName) {
  std::string text = ClaimText(ResultText("req", "pci-0000-02-00-0-vf4"), "", "");
  EXPECT_EQ(PrepareText(text).uid(), UidForName("default/my-claim"));
  EXPECT_EQ(failure_, "");
}

TEST_F(ControlServiceTest, RefusesInputThatIsBothOrNeither) {
  v1::PrepareRequest both;
  both.mutable_claim()->set_claim_json("{}");
  both.mutable_claim()->set_name("mine");
  Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, both);
  EXPECT_THAT(failure_, HasSubstr(Failed(grpc::StatusCode::INVALID_ARGUMENT)));
  Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, v1::PrepareRequest());
  EXPECT_THAT(failure_, HasSubstr(Failed(grpc::StatusCode::INVALID_ARGUMENT)));
  Prepare("mine", {});
  EXPECT_THAT(failure_, HasSubstr("at least one device"));
  Prepare("a\nb", {0});
  EXPECT_THAT(failure_, HasSubstr("printable"));
}

TEST_F(ControlServiceTest, GivesAShareOfADeviceByName) {
  v1::PrepareRequest request;
  request.mutable_claim()->set_name("mine");
  request.mutable_claim()->add_devices("pci-0000-02-00-0-vf1");
  (*request.mutable_claim()->mutable_share())["bandwidth"] = "0.2G";
  const auto prepared = Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, request);
  ASSERT_EQ(failure_, "");
  EXPECT_EQ(prepared.devices(0).share().at("bandwidth"), "200M");
  EXPECT_EQ(prepared.devices(0).share_id(), ShareIdFor("mine", "pci-0000-02-00-0-vf1"));
  // A repetition is one.
  EXPECT_EQ(Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, request).devices(0).share_id(),
            prepared.devices(0).share_id());
  EXPECT_EQ(failure_, "");
  const auto claims =
      Call<v1::ListClaimsResponse>(&v1::Control::Stub::ListClaims, v1::ListClaimsRequest());
  EXPECT_EQ(claims.claims(0).devices(0).share().at("bandwidth"), "200M");

  (*request.mutable_claim()->mutable_share())["bandwidth"] = "much";
  Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, request);
  EXPECT_THAT(failure_, AllOf(HasSubstr(Failed(grpc::StatusCode::INVALID_ARGUMENT)),
                              HasSubstr("share bandwidth=much: must be CAPACITY=QUANTITY")));
  request.mutable_claim()->clear_name();
  request.mutable_claim()->clear_devices();
  request.mutable_claim()->set_claim_json("{}");
  Call<v1::PrepareResponse>(&v1::Control::Stub::Prepare, request);
  EXPECT_THAT(failure_, HasSubstr("not both"));
}

TEST(ShareIdFor, IsAUuidOfItsOwnForEachClaimAndDevice) {
  const std::string id = ShareIdFor("mine", "pci-0000-02-00-0");
  EXPECT_THAT(
      id, testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(ShareIdFor("mine", "pci-0000-02-00-0"), id);
  EXPECT_NE(ShareIdFor("mine", "pci-0000-03-00-0"), id);
  EXPECT_NE(ShareIdFor("yours", "pci-0000-02-00-0"), id);
  EXPECT_NE(ShareIdFor("a", "b/c"), ShareIdFor("a/b", "c"));
}

TEST_F(ControlServiceTest, PlansWithoutHolding) {
  v1::PlanRequest request;
  request.mutable_claim()->set_name("mine");
  request.mutable_claim()->add_devices("pci-0000-02-00-0-vf1");
  const auto plan = Call<v1::PlanResponse>(&v1::Control::Stub::Plan, request);
  ASSERT_EQ(failure_, "");
  ASSERT_EQ(plan.steps_size(), 1);
  EXPECT_EQ(plan.steps(0).before(), "0");
  EXPECT_EQ(plan.steps(0).want(), "8");
  EXPECT_TRUE(plan.steps(0).shared());
  EXPECT_EQ(plan.devices_size(), 1);
  EXPECT_THAT(plan.cdi_spec(), HasSubstr("dra.pci/claim"));
  EXPECT_TRUE(manager_.Claims().empty());
}

TEST_F(ControlServiceTest, UnpreparesByNameOrUid) {
  Prepare("mine", {0});
  EXPECT_EQ(Unprepare("mine"), "cli-mine");
  Prepare("mine", {0});
  EXPECT_EQ(Unprepare("cli-mine"), "cli-mine");
  EXPECT_EQ(Unprepare("mine"), "");
  EXPECT_EQ(failure_, "");
  Unprepare("");
  EXPECT_THAT(failure_, HasSubstr(Failed(grpc::StatusCode::INVALID_ARGUMENT)));
}

TEST_F(ControlServiceTest, AsksWhichOfTwoClaimsOfOneName) {
  PrepareText(ClaimText(ResultText("req", "pci-0000-02-00-0-vf0"), "", "uid-a", "twin"));
  PrepareText(ClaimText(ResultText("req", "pci-0000-02-00-0-vf1"), "", "uid-b", "twin"));
  EXPECT_EQ(Unprepare("twin"), "");
  EXPECT_THAT(failure_, AllOf(HasSubstr("several claims"), HasSubstr("uid-a, uid-b")));
  EXPECT_EQ(manager_.Claims().size(), 2u);
}

TEST_F(ControlServiceTest, LeavesTheNodesOwnSettingsAlone) {
  manager_.AddStanding("standing-1");
  EXPECT_EQ(Unprepare("standing-1"), "");
  EXPECT_THAT(failure_, HasSubstr(Failed(grpc::StatusCode::PERMISSION_DENIED)));
  EXPECT_EQ(manager_.Claims().size(), 1u);
}

TEST_F(ControlServiceTest, ReportsDifferences) {
  manager_.differences = {
      {.claim_uid = "u", .subject = "sriov.numvfs 0000:02:00.0", .text = "is 0"}};
  Prepare("mine", {0});
  const auto verify = Call<v1::VerifyResponse>(&v1::Control::Stub::Verify, v1::VerifyRequest());
  ASSERT_EQ(verify.differences_size(), 1);
  EXPECT_EQ(verify.differences(0).text(), "is 0");
  EXPECT_EQ(verify.claims_checked(), 1);
}

TEST_F(ControlServiceTest, ShowsTheSlicesThatItIsGiven) {
  slices_ = {.slices = {"{}"}, .trouble = "no\nanswer", .dropped = {"DRADeviceTaints is off"}};
  const auto answer =
      Call<v1::GetSlicesResponse>(&v1::Control::Stub::GetSlices, v1::GetSlicesRequest());
  EXPECT_EQ(failure_, "");
  EXPECT_THAT(answer.slices(), ElementsAre("{}"));
  EXPECT_EQ(answer.trouble(), "no answer");
  EXPECT_THAT(answer.dropped(), ElementsAre("DRADeviceTaints is off"));
}

TEST_F(ControlServiceTest, PassesTheDriversRefusalOn) {
  manager_.FailNext("cli-mine", Error::FromErrno(EBUSY, "/sys/bus/pci/devices/x/sriov_numvfs"));
  Prepare("mine", {0});
  EXPECT_EQ(failure_, Failed(grpc::StatusCode::ABORTED) +
                          "/sys/bus/pci/devices/x/sriov_numvfs: EBUSY (Device or resource busy)");
}

TEST(StatusOf, NeverLooksLikeAMissingDaemonOrAnOldOne) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    const auto status =
        StatusOf({.code = static_cast<Code>(code), .sys = 0, .what = "why"}).error_code();
    EXPECT_NE(status, grpc::StatusCode::OK);
    EXPECT_NE(status, grpc::StatusCode::UNAVAILABLE);
    EXPECT_NE(status, grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_NE(status, grpc::StatusCode::DEADLINE_EXCEEDED);
  }
}

TEST(UidForName, IsAUidWhateverTheName) {
  EXPECT_EQ(UidForName("a-1"), "cli-a-1");
  for (const std::string& name : {std::string("a.b"), std::string("a/b"), std::string("\xe4"),
                                  std::string(), std::string(300, 'x')}) {
    EXPECT_TRUE(driver::IsValidUid(UidForName(name))) << name;
    EXPECT_EQ(UidForName(name), UidForName(name));
  }
  EXPECT_NE(UidForName("a.b"), UidForName("a/b"));
  EXPECT_NE(UidForName(std::string(300, 'x')), UidForName(std::string(301, 'x')));
}

TEST(LinkText, IsEmptyForALinkThatIsDown) {
  EXPECT_EQ(LinkText({.version = 2,
                      .port_type = 0,
                      .max_speed = 4,
                      .max_width = 16,
                      .current_speed = 0,
                      .current_width = 0,
                      .function_level_reset = false}),
            "");
}

}  // namespace
}  // namespace drapci::plugin
