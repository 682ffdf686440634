#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "test/node/kubelet/kubelet_fixture.h"

namespace drapci::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

template <class V>
class Claims : public KubeletNode {
 protected:
  using PrepareResponse = typename V::PrepareResponse;

  void SetUp() override {
    KubeletNode::SetUp();
    Connect();
  }
  // An idle C++ client answers no GOAWAY, so that the daemon would wait for it before it ends.
  void TearDown() override {
    kubelet_.reset();
    KubeletNode::TearDown();
  }
  void Connect() { kubelet_ = std::make_unique<KubeletClient<V>>(Service()); }
  void RestartDaemon() {
    kubelet_.reset();
    Restart();
    Connect();
  }

  PrepareResponse Prepare(const std::vector<ClaimObject>& claims) {
    PrepareResponse response;
    const grpc::Status status = kubelet_->Prepare(claims, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.claims().size(), claims.size());
    return response;
  }

  // Prepares one claim that must succeed; its only device.
  auto PrepareOne(const ClaimObject& claim) {
    auto answer = Prepare({claim}).claims().at(claim.uid);
    EXPECT_EQ(answer.error(), "");
    EXPECT_EQ(answer.devices_size(), 1);
    return answer.devices_size() == 1 ? answer.devices(0) : decltype(answer.devices(0)){};
  }

  void Unprepare(const std::vector<ClaimObject>& claims) {
    typename V::UnprepareResponse response;
    const grpc::Status status = kubelet_->Unprepare(claims, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (const ClaimObject& claim : claims) {
      ASSERT_TRUE(response.claims().contains(claim.uid)) << "no answer for " << claim.name;
      EXPECT_EQ(response.claims().at(claim.uid).error(), "");
    }
  }

  std::unique_ptr<KubeletClient<V>> kubelet_;
};

using Versions = testing::Types<V1, V1beta1>;
class VersionNames {
 public:
  template <class V>
  static std::string GetName(int) {
    return std::is_same_v<V, V1> ? "v1" : "v1beta1";
  }
};
TYPED_TEST_SUITE(Claims, Versions, VersionNames);

TYPED_TEST(Claims, AreAnsweredWithPoolDeviceRequestAndACdiNameThatExists) {
  const ClaimObject claim = this->VfClaim(0);
  const auto device = this->PrepareOne(claim);
  EXPECT_EQ(device.pool_name(), "node");
  EXPECT_EQ(device.device_name(), claim.results[0].device);
  EXPECT_THAT(device.request_names(), ElementsAre("nic"));
  ASSERT_EQ(device.cdi_device_ids_size(), 1);
  const auto files = this->node_.CdiFiles();
  ASSERT_EQ(files.size(), 1u);
  std::ifstream file(this->scratch_.cdi_dir + "/" + files[0]);
  const auto spec = nlohmann::json::parse(file, nullptr, false);
  EXPECT_EQ(spec.value("kind", "") + "=" + spec["devices"][0].value("name", ""),
            device.cdi_device_ids(0));
  this->Unprepare({claim});
}

TYPED_TEST(Claims, GetTheSameAnswerWhenTheyArePreparedAgain) {
  const ClaimObject claim = this->VfClaim(1);
  const auto first = this->PrepareOne(claim);
  const HardwareImage hardware = ReadHardware();
  EXPECT_EQ(this->PrepareOne(claim).SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(Differences(hardware, ReadHardware()), "");
  this->Unprepare({claim});
}

TYPED_TEST(Claims, GetTheSameAnswerInAllOfManyConcurrentCalls) {
  const ClaimObject claim = this->VfClaim(2);
  constexpr int kCallers = 8;
  std::vector<std::string> answers(kCallers);
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i] {
        KubeletClient<TypeParam> kubelet(this->Service());
        typename TypeParam::PrepareResponse response;
        const grpc::Status status = kubelet.Prepare({claim}, response);
        if (!status.ok() || !response.claims().contains(claim.uid)) return;
        const auto& answer = response.claims().at(claim.uid);
        if (answer.error().empty() && answer.devices_size() == 1)
          answers[i] = answer.devices(0).SerializeAsString();
      });
    }
  }
  EXPECT_NE(answers[0], "");
  for (const std::string& answer : answers) EXPECT_EQ(answer, answers[0]);
  this->Unprepare({claim});
}

TYPED_TEST(Claims, AreReleasedByAnyNumberOfConcurrentCalls) {
  const ClaimObject claim = this->VfClaim(2);
  this->PrepareOne(claim);
  std::vector<std::jthread> callers;
  for (int i = 0; i < 4; ++i) callers.emplace_back([&] { this->Unprepare({claim}); });
}

TYPED_TEST(Claims, ThatNobodyKnowsAreReleasedSuccessfully) {
  this->Unprepare({{.uid = "ffffffff-0000-4000-8000-000000000000", .name = "never"}});
}

// Contract 10.2 case 5.
TYPED_TEST(Claims, AreReleasedWhenTheirObjectIsLongGone) {
  const ClaimObject claim = this->VfClaim(0);
  this->PrepareOne(claim);
  DropClaim(this->scratch_.claim_dir, claim);
  ClaimObject only_uid{.uid = claim.uid, .name = ""};
  only_uid.namespace_name = "";
  this->Unprepare({only_uid});
}

// Contract 10.2 case 19.
TYPED_TEST(Claims, AreRefusedWhenTheObjectHasAnotherUid) {
  const ClaimObject old = this->VfClaim(3);
  ClaimObject replaced = old;
  replaced.uid = "eeeeeeee-0000-4000-8000-000000000000";
  this->Put(replaced);
  const auto response = this->Prepare({old});
  EXPECT_THAT(response.claims().at(old.uid).error(), HasSubstr(replaced.uid));
  this->Unprepare({old});
}

// Contract 10.2 case 19.
TYPED_TEST(Claims, AreRefusedWhenThereIsNoSuchObject) {
  const ClaimObject claim{.uid = "dddddddd-0000-4000-8000-000000000000", .name = "missing"};
  const auto response = this->Prepare({claim});
  EXPECT_THAT(response.claims().at(claim.uid).error(),
              AllOf(HasSubstr("missing"), Not(HasSubstr("\n"))));
  this->Unprepare({claim});
}

// Contract 10.2 case 8.
TYPED_TEST(Claims, AreRefusedBeforeTheyAreAllocated) {
  const ClaimObject claim =
      this->Put({.uid = "cccccccc-0000-4000-8000-000000000000", .name = "waiting"});
  EXPECT_THAT(this->Prepare({claim}).claims().at(claim.uid).error(), HasSubstr("allocat"));
}

TYPED_TEST(Claims, CannotLeaveTheClaimDirectoryByTheirNames) {
  std::ofstream(this->scratch_.root + "/outside.json") << "{}";
  ClaimObject claim{.uid = "bbbbbbbb-0000-4000-8000-000000000000", .name = "outside"};
  claim.namespace_name = "..";
  EXPECT_NE(this->Prepare({claim}).claims().at(claim.uid).error(), "");
  claim.namespace_name = "default";
  claim.name = "../../outside";
  EXPECT_NE(this->Prepare({claim}).claims().at(claim.uid).error(), "");
}

TYPED_TEST(Claims, ThatFailDoNotFailTheirBatch) {
  const ClaimObject good = this->VfClaim(0), also_good = this->VfClaim(1);
  const ClaimObject missing{.uid = "dddddddd-0000-4000-8000-000000000000", .name = "missing"};
  ClaimObject unknown_device = this->VfClaim(2);
  unknown_device.results[0].device = "pci-0000-ff-1f-7";
  this->Put(unknown_device);
  const auto response = this->Prepare({good, missing, unknown_device, also_good});
  EXPECT_EQ(response.claims().at(good.uid).error(), "");
  EXPECT_EQ(response.claims().at(also_good.uid).error(), "");
  EXPECT_NE(response.claims().at(missing.uid).error(), "");
  EXPECT_THAT(response.claims().at(unknown_device.uid).error(), HasSubstr("pci-0000-ff-1f-7"));
  this->Unprepare({good, missing, unknown_device, also_good});
}

TYPED_TEST(Claims, AreAnsweredUnderTheMainRequestOfASubrequest) {
  const ClaimObject claim = this->VfClaim(0, "nic/fast");
  EXPECT_THAT(this->PrepareOne(claim).request_names(), ElementsAre("nic"));
  this->Unprepare({claim});
}

TYPED_TEST(Claims, KeepOtherDriversDevicesOutOfTheAnswer) {
  ClaimObject claim = this->VfClaim(0);
  claim.results.push_back({.request = "gpu", .device = "gpu-0", .driver = "gpu.example.com"});
  this->Put(claim);
  EXPECT_EQ(this->PrepareOne(claim).device_name(), claim.results[0].device);
  this->Unprepare({claim});
}

TYPED_TEST(Claims, MayHaveSeveralDevices) {
  ClaimObject claim = this->VfClaim(0);
  claim.results.push_back({.request = "second", .device = this->CardName() + "-vf5"});
  this->Put(claim);
  const auto answer = this->Prepare({claim}).claims().at(claim.uid);
  EXPECT_EQ(answer.error(), "");
  EXPECT_EQ(answer.devices_size(), 2);
  this->Unprepare({claim});
}

// Contract 10.2 case 17.
TYPED_TEST(Claims, SurviveARestartOfTheDaemon) {
  const ClaimObject claim = this->VfClaim(4);
  const auto first = this->PrepareOne(claim);
  const HardwareImage hardware = ReadHardware();
  this->RestartDaemon();
  EXPECT_EQ(Differences(hardware, ReadHardware()), "");
  EXPECT_EQ(this->PrepareOne(claim).SerializeAsString(), first.SerializeAsString());
  this->RestartDaemon();
  this->Unprepare({claim});
}

TYPED_TEST(Claims, GetTheirCdiFileBackWhenItWasDeleted) {
  const ClaimObject claim = this->VfClaim(0);
  this->PrepareOne(claim);
  const auto files = this->node_.CdiFiles();
  ASSERT_EQ(files.size(), 1u);
  std::filesystem::remove(this->scratch_.cdi_dir + "/" + files[0]);
  const auto verified = this->node_.Cli({"verify"});
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->code, 1) << "a missing CDI file is a difference";
  EXPECT_THAT(verified->out, HasSubstr(claim.uid));
  this->PrepareOne(claim);
  EXPECT_EQ(this->node_.CdiFiles(), files);
  this->Unprepare({claim});
}

TYPED_TEST(Claims, ForWhatIsHeldAreRefusedNamingTheHolder) {
  const ClaimObject holder = this->VfClaim(0);
  this->PrepareOne(holder);
  ClaimObject thief = holder;
  thief.uid = "99999999-0000-4000-8000-000000000000";
  thief.name = "thief";
  this->Put(thief);
  EXPECT_THAT(this->Prepare({thief}).claims().at(thief.uid).error(), HasSubstr(holder.uid));
  ClaimObject whole = thief;
  whole.uid = "88888888-0000-4000-8000-000000000000";
  whole.results[0].device = this->CardName();
  this->Put(whole);
  EXPECT_THAT(this->Prepare({whole}).claims().at(whole.uid).error(), HasSubstr(holder.uid));
  this->Unprepare({thief, whole});  // the kubelet releases what failed, too
  this->Unprepare({holder});
}

// Contract 10.2 case 2.
TYPED_TEST(Claims, WhoseCallWasGivenUpAreFinishedByTheNextCall) {
  const ClaimObject claim = this->VfClaim(6);
  typename TypeParam::PrepareResponse response;
  (void)this->kubelet_->Prepare({claim}, response, std::chrono::milliseconds(1));
  this->PrepareOne(claim);
  EXPECT_TRUE(this->node_.CliDo({"verify"}));
  this->Unprepare({claim});
}

TYPED_TEST(Claims, AreReleasedAndPreparedAgainAtOnce) {
  const ClaimObject claim = this->VfClaim(0);
  const auto first = this->PrepareOne(claim);
  this->Unprepare({claim});
  EXPECT_EQ(this->PrepareOne(claim).SerializeAsString(), first.SerializeAsString());
  this->Unprepare({claim});
}

TYPED_TEST(Claims, NeedNotBeMany) {
  EXPECT_EQ(this->Prepare({}).claims().size(), 0u);
  this->Unprepare({});
}

}  // namespace
}  // namespace drapci::test
