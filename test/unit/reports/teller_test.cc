#include "plugin/health/teller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/health/journal.h"
#include "test/unit/claims/claims.h"
#include "test/unit/plugin/fake_manager.h"
#include "test/unit/plugin/test_dir.h"
#include "test/unit/reports/healths.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::health {
namespace {

using driver::HealthState;
using driver::Severity;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kCard = "pci-0000-02-00-0";

class TellerTest : public testing::Test {
 protected:
  TellerTest() {
    api_.answer = [](const kube::ApiRequest&) -> kube::ApiResult { return "{}"; };
    state_ = *hal::OpenStateDir(dir_.path());
    snapshot_.accelerators = {slices::SriovCard(2, 8), slices::PlainCard(3)};
    Restart();
  }
  void Restart() {
    teller_ = std::make_unique<HealthTeller>(
        manager_, events_, &statuses_, state_.get(),
        HealthTeller::Options{.driver_name = "dra.pci", .node_name = "node1"});
  }
  void Become(driver::Health health) {
    snapshot_.accelerators[0].health = std::move(health);
    teller_->Look(snapshot_);
    loop_.Run();
  }
  driver::Health Bad() {
    return Sick(loop_.Wall(), Severity::kNoExecute, "PcieFatalError", "2 fatal errors");
  }
  driver::Health Good() { return Healthy(loop_.Wall()); }
  void Prepare(const std::string& uid, const std::string& device = "pci-0000-02-00-0-vf0") {
    manager_.Prepare(claims::Request(uid, "claim-" + uid.substr(0, 1), device),
                     [](const Result<driver::PreparedClaim>& done) { ASSERT_TRUE(done); });
  }
  // "Warning DeviceUnhealthy: note" for each event since the last call.
  std::vector<std::string> Events() {
    std::vector<std::string> events;
    for (const json& body : Bodies("POST")) {
      EXPECT_EQ(body["regarding"]["kind"], "Node");
      EXPECT_EQ(body["regarding"]["name"], "node1");
      events.push_back(body["type"].get<std::string>() + " " + body["reason"].get<std::string>() +
                       ": " + body["note"].get<std::string>());
    }
    return events;
  }
  // "claim: status reason" of the condition in each status that was written since.
  std::vector<std::string> Conditions() {
    std::vector<std::string> texts;
    for (const json& body : Bodies("PATCH")) {
      std::string text = body["metadata"]["name"].get<std::string>() + ":";
      for (const json& one : body["status"]["devices"][0]["conditions"]) {
        if (one["type"] == "Ready") {
          EXPECT_EQ(one["status"], "True");
        }
        if (one["type"] == "dra.pci/Healthy") {
          text += " " + one["status"].get<std::string>() + " " + one["reason"].get<std::string>();
        }
      }
      texts.push_back(text);
    }
    return texts;
  }
  std::vector<json> Bodies(const std::string& method) {
    std::vector<json> bodies;
    std::erase_if(api_.calls, [&](const kube::ApiRequest& call) {
      if (call.method != method) return false;
      bodies.push_back(json::parse(call.body));
      return true;
    });
    return bodies;
  }

  TestDir dir_;
  kube::FakeLoop loop_;
  claims::TestApi api_{loop_};
  FakeManager manager_;
  claims::Events events_{loop_, api_, "dra.pci", "node1"};
  claims::StatusWriter statuses_{loop_, api_, "dra.pci", 1};
  std::unique_ptr<hal::StateDir> state_;
  driver::Snapshot snapshot_;
  std::unique_ptr<HealthTeller> teller_;
};

TEST_F(TellerTest, TellsAnEventOnTheNodeWhenACardTurnsUnhealthyAndWhenItRecovers) {
  Become(Good());
  EXPECT_THAT(Events(), IsEmpty());
  Become(Bad());
  EXPECT_THAT(Events(), ElementsAre("Warning DeviceUnhealthy: pci-0000-02-00-0 (sriov, driver "
                                    "dra.pci): PcieFatalError: 2 fatal errors"));
  Become(Bad());
  EXPECT_THAT(Events(), IsEmpty());
  Become(Good());
  EXPECT_THAT(Events(), ElementsAre(HasSubstr("Normal DeviceRecovered: pci-0000-02-00-0")));
}

TEST_F(TellerTest, TellsAnotherReasonAndNoRecoveryOfACardThatCannotBeMeasured) {
  Become(Bad());
  Events();
  Become(Sick(loop_.Wall(), Severity::kNoSchedule, "TooHot", "97 degrees"));
  EXPECT_THAT(Events(), ElementsAre(HasSubstr("TooHot")));
  Become({});
  EXPECT_THAT(Events(), IsEmpty());
  Become(Sick(loop_.Wall(), Severity::kNote, "LinkNarrow", "x8 of x16"));
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(TellerTest, WritesAConditionOnTheClaimsOfTheCardAndOfNoOther) {
  Prepare(claims::kUid);
  Become(Good());
  EXPECT_THAT(Conditions(), IsEmpty());
  Become(Bad());
  EXPECT_THAT(Conditions(), ElementsAre("claim-2: False PcieFatalError"));
  Become(Good());
  EXPECT_THAT(Conditions(), ElementsAre("claim-2: True Healthy"));
  Become(Good());
  EXPECT_THAT(Conditions(), IsEmpty());
  Become({});  // nobody measures it
  EXPECT_THAT(Conditions(), ElementsAre("claim-2: Unknown Unspecified"));
  snapshot_.accelerators[1].health = Bad();
  teller_->Look(snapshot_);
  loop_.Run();
  EXPECT_THAT(Conditions(), IsEmpty());
}

TEST_F(TellerTest, SparesClaimsThatWereNeverConcerned) {
  Become(Bad());
  Become(Good());
  Prepare(claims::kUid);
  EXPECT_THAT(teller_->StatusOf(*manager_.FindClaim(claims::kUid))[0].conditions, SizeIs(1));
  Become(Bad());
  EXPECT_THAT(teller_->StatusOf(*manager_.FindClaim(claims::kUid))[0].conditions, SizeIs(2));
}

TEST_F(TellerTest, PutsAConditionRightThatTheLastDaemonHasWritten) {
  Prepare(claims::kUid);
  Prepare(claims::kOtherUid, "pci-0000-02-00-0-vf1");
  Become(Bad());
  EXPECT_THAT(Conditions(), SizeIs(2));
  manager_.Unprepare(claims::kOtherUid, [](const Result<>&) {});
  Restart();
  Become(Good());  // it recovered while nobody looked
  EXPECT_THAT(Conditions(), ElementsAre("claim-2: True Healthy"));
}

TEST_F(TellerTest, WritesNothingAfterARestartWhereNothingIsToBePutRight) {
  Prepare(claims::kUid);
  Become(Good());
  Restart();
  Become(Good());
  EXPECT_THAT(Conditions(), IsEmpty());
  Become(Bad());
  Conditions();
  teller_->Released(claims::kUid);
  Restart();
  Become(Good());
  EXPECT_THAT(Conditions(), IsEmpty());
}

TEST_F(TellerTest, TakesAFileOfNonsenseForNone) {
  ASSERT_TRUE(state_->Replace("unhealthy-claims", "\x01\n../../x\n" + std::string(9999, 'y')));
  Prepare(claims::kUid);
  Restart();
  Become(Good());
  EXPECT_THAT(Conditions(), IsEmpty());
}

TEST_F(TellerTest, MakesAReasonThatTheApiTakesOfAnyWord) {
  Prepare(claims::kUid);
  driver::Health odd = Bad();
  odd.reason = "7 Xid: 79,";
  Become(odd);
  EXPECT_THAT(Conditions(), ElementsAre("claim-2: False Xid__79_"));
}

TEST(StatusTextTest, CountsCardsAndClaims) {
  driver::Snapshot snapshot;
  EXPECT_EQ(StatusText(snapshot, 0), "serving: 0 cards, 0 unhealthy, 0 claims");
  snapshot.accelerators = {slices::PlainCard(1), slices::PlainCard(2)};
  snapshot.accelerators[1].health.state = HealthState::kUnhealthy;
  EXPECT_EQ(StatusText(snapshot, 1), "serving: 2 cards, 1 unhealthy, 1 claim");
}

}  // namespace
}  // namespace drapci::plugin::health
