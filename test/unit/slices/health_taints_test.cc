// Taints by which a card's condition is told.
#include <gmock/gmock.h>

#include "plugin/slices/limits.h"
#include "test/unit/slices/publisher_fixture.h"

namespace drapci::plugin::slices {
namespace {

using driver::Severity;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void SetFindings(driver::AcceleratorView& card,
                 std::vector<std::pair<Severity, std::string>> findings) {
  card.health.findings.clear();
  card.health.state = driver::HealthState::kHealthy;
  for (auto& [severity, reason] : findings) {
    if (severity != Severity::kNote) card.health.state = driver::HealthState::kUnhealthy;
    card.health.findings.push_back(
        {.rule = "rule", .reason = reason, .message = {}, .severity = severity, .since = {}});
  }
}

// "key=value:effect" of each taint that the device has.
std::vector<std::string> TaintsOf(const driver::AcceleratorView& card, size_t device = 0,
                                  const Features& features = {}) {
  driver::Snapshot snapshot;
  snapshot.accelerators = {card};
  const std::vector<Pool> pools = MakePools(snapshot, "dra.pci", "node1", features);
  for (const Pool& pool : pools) {
    const Result<> check = CheckPool(pool);
    EXPECT_TRUE(check.has_value()) << check.error().what;
  }
  std::vector<std::string> texts;
  for (const Taint& taint : FindDevice(pools, card.devices.at(device).name)->taints) {
    texts.push_back(taint.key + "=" + taint.value + ":" + taint.effect);
    EXPECT_EQ(taint.time_added, "");  // the server's business
  }
  return texts;
}

TEST(HealthTaintsTest, TaintEveryPartOfTheCardBySeverity) {
  auto card = SriovCard(2, 2);
  SetFindings(card, {{Severity::kNoExecute, "PcieFatalError"}});
  for (size_t device = 0; device < card.devices.size(); ++device) {
    EXPECT_THAT(TaintsOf(card, device), ElementsAre("dra.pci/unhealthy=PcieFatalError:NoExecute"));
  }
  SetFindings(card, {{Severity::kNoSchedule, "TooHot"}});
  EXPECT_THAT(TaintsOf(card), ElementsAre("dra.pci/unhealthy=TooHot:NoSchedule"));
  SetFindings(card, {});
  EXPECT_THAT(TaintsOf(card), IsEmpty());
}

TEST(HealthTaintsTest, AreNotesOnlyWhereTheServerKnowsThem) {
  auto card = PlainCard(2);
  SetFindings(card, {{Severity::kNote, "LinkNarrow"}});
  EXPECT_THAT(TaintsOf(card), ElementsAre("dra.pci/unhealthy=LinkNarrow:None"));
  EXPECT_THAT(TaintsOf(card, 0, {.note_taints = false}), IsEmpty());
  SetFindings(card, {{Severity::kNoSchedule, "TooHot"}, {Severity::kNote, "LinkNarrow"}});
  EXPECT_THAT(TaintsOf(card, 0, {.note_taints = false}), SizeIs(1));
  EXPECT_THAT(TaintsOf(card, 0, {.taints = false}), IsEmpty());
}

TEST(HealthTaintsTest, AreCutToWhatEveryServerTakesTheGravestFirst) {
  auto card = PlainCard(2);
  card.devices[0].held_by = "claim-1";
  card.gone = true;
  SetFindings(card, {{Severity::kNote, "A"},
                     {Severity::kNoSchedule, "C"},
                     {Severity::kNoSchedule, "B"},
                     {Severity::kNoExecute, "D"},
                     {Severity::kNoExecute, "E"}});
  EXPECT_THAT(TaintsOf(card),
              ElementsAre("dra.pci/unhealthy=D:NoExecute", "dra.pci/unhealthy=E:NoExecute",
                          "dra.pci/unhealthy=B:NoSchedule", "dra.pci/unhealthy=C:NoSchedule"));
}

TEST(HealthTaintsTest, AreTheSameInWhateverOrderTheFindingsCome) {
  auto card = PlainCard(2);
  SetFindings(card, {{Severity::kNoSchedule, "A"}, {Severity::kNoSchedule, "B"}});
  const auto before = TaintsOf(card);
  SetFindings(
      card,
      {{Severity::kNoSchedule, "B"}, {Severity::kNoSchedule, "A"}, {Severity::kNoSchedule, "A"}});
  EXPECT_EQ(TaintsOf(card), before);
}

TEST(HealthTaintsTest, HaveALabelsValueWhateverTheReasonIs) {
  auto card = PlainCard(2);
  SetFindings(card, {{Severity::kNoSchedule, "-Xid 79: \xc3\xa4 " + std::string(100, 'x') + "/"}});
  EXPECT_THAT(TaintsOf(card)[0], HasSubstr("=Xid-79----"));
  SetFindings(card, {{Severity::kNoSchedule, "///"}});
  EXPECT_THAT(TaintsOf(card), ElementsAre("dra.pci/unhealthy=:NoSchedule"));
}

class HealthTaintWritesTest : public PublisherFixture {
 protected:
  const SliceDevice* Stored(const std::string& name) {
    stored_ = server_.Stored();
    for (const StoredSlice& slice : stored_) {
      for (const SliceDevice& device : slice.content.devices) {
        if (device.name == name) return &device;
      }
    }
    return nullptr;
  }
  size_t Change() {
    publisher_->Changed();
    Settle();
    return Writes();
  }
  std::vector<StoredSlice> stored_;
};

TEST_F(HealthTaintWritesTest, ComeAndGoInOneWriteEachAndKeepTheTimeOfThoseThatStay) {
  cards_ = {SriovCard(1, 8)};
  Start();
  Settle();
  Writes();
  SetFindings(cards_[0], {{Severity::kNoSchedule, "TooHot"}});
  EXPECT_EQ(Change(), 1U);
  ASSERT_THAT(Stored("pci-0000-01-00-0-vf0")->taints, SizeIs(1));
  const std::string time = Stored("pci-0000-01-00-0-vf0")->taints[0].time_added;
  EXPECT_NE(time, "");

  std::string body;
  server_.fault = [&body](const kube::ApiRequest& request) -> std::optional<kube::ApiResult> {
    if (request.method == "PUT") body = request.body;
    return std::nullopt;
  };
  SetFindings(cards_[0], {{Severity::kNoExecute, "Lost"}, {Severity::kNoSchedule, "TooHot"}});
  EXPECT_EQ(Change(), 1U);
  const auto& both = Stored("pci-0000-01-00-0-vf0")->taints;
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_EQ(both[0].value, "Lost");
  EXPECT_EQ(both[1].time_added, time);
  // What stays is sent with its time, what is new without one: that is the server's.
  const auto sent = DecodeSlice(body);
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->content.devices.at(0).taints.at(0).time_added, "");
  EXPECT_EQ(sent->content.devices.at(0).taints.at(1).time_added, time);

  SetFindings(cards_[0], {});
  EXPECT_EQ(Change(), 1U);
  EXPECT_THAT(Stored("pci-0000-01-00-0-vf0")->taints, IsEmpty());
  EXPECT_EQ(Change(), 0U);
}

TEST_F(HealthTaintWritesTest, OfACardThatFlapsAreAtMostFourWritesASecond) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  Writes();
  for (int i = 0; i < 1000; ++i) {
    SetFindings(cards_[0],
                i % 2 == 0 ? std::vector<std::pair<Severity, std::string>>{{Severity::kNote, "A"}}
                           : std::vector<std::pair<Severity, std::string>>{});
    publisher_->Changed();
    Pass(std::chrono::milliseconds(1));
  }
  EXPECT_LE(Writes(), 5U);
}

TEST_F(HealthTaintWritesTest, OfManyCardsAtOnceAreOneWriteEach) {
  for (int bus = 1; bus <= 8; ++bus) cards_.push_back(SriovCard(bus, 8));
  Start();
  Settle();
  Writes();
  for (auto& card : cards_) {
    SetFindings(card, {{Severity::kNoSchedule, "TooHot"}});
    publisher_->Changed();
  }
  Settle();
  EXPECT_EQ(Writes(), 8U);
}

TEST_F(HealthTaintWritesTest, AreWrittenWhenTheServerIsBackAndThenOnce) {
  cards_ = {PlainCard(1)};
  Start();
  Settle();
  server_.fault = [](const kube::ApiRequest&) -> std::optional<kube::ApiResult> {
    return kube::FakeApi::Failure(0, Code::kBusy, "no answer");
  };
  SetFindings(cards_[0], {{Severity::kNoSchedule, "TooHot"}});
  publisher_->Changed();
  Pass(seconds(120));
  EXPECT_THAT(Stored("pci-0000-01-00-0")->taints, IsEmpty());
  server_.fault = {};
  Writes();
  Pass(seconds(120));
  EXPECT_THAT(Stored("pci-0000-01-00-0")->taints, SizeIs(1));
  EXPECT_EQ(Writes(), 1U);
}

}  // namespace
}  // namespace drapci::plugin::slices
