#include "plugin/cli/map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/cli/map_text.h"
#include "test/unit/cli/map_cards.h"

namespace drapci::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr Terminal kNarrow = {.width = 60};

// The drawing without the lines that say what the glyphs mean.
std::string Draw(const Node& node, const Terminal& terminal = kNarrow) {
  const std::string text = MapAsText(MakeMap(node.devices, node.claims), terminal);
  return text.substr(0, text.rfind("\n\n") + 1);
}

MapCard FirstCard(const Node& node) { return MakeMap(node.devices, node.claims).cards.front(); }

TEST(MapTest, DrawsVfsWhereTheyLieAndWhoHoldsThem) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 8);
  v1::Claim& alpha = node.Claim("u-1", "alpha");
  Hold(card, 3, alpha);
  Hold(card, 4, alpha);
  Hold(card, 6, node.Claim("u-2", "beta"));
  card.mutable_devices(8)->set_unusable("bound to vfio-pci by hand");
  EXPECT_EQ(Draw(node), R"(pci-0000-02-00-0  Example Card 1
  sriov · NUMA node 0 · driver igb · 8 vfs
  ┌0─────┬1─────┬2─────┬3─────┬4─────┬5─────┬6─────┬7─────┐
  │······│······│A tea…│A tea…│······│B tea…│······│××××××│
  └──────┴──────┴──────┴──────┴──────┴──────┴──────┴──────┘
  A team/alpha: vf2-vf3   B team/beta: vf5
  × vf7: bound to vfio-pci by hand
  can give: 4 × vf
)");
}

TEST(MapTest, DrawsTheSameInAsciiWhereTheLocaleHasNoMore) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 8);
  Hold(card, 3, node.Claim("u-1", "alpha"));
  card.mutable_devices(8)->set_unusable("bound to vfio-pci by hand");
  EXPECT_EQ(Draw(node, {.width = 60, .utf8 = false}), R"(pci-0000-02-00-0  Example Card 1
  sriov, NUMA node 0, driver igb, 8 vfs
  +0-----+1-----+2-----+3-----+4-----+5-----+6-----+7-----+
  |......|......|A tea~|......|......|......|......|xxxxxx|
  +------+------+------+------+------+------+------+------+
  A team/alpha: vf2
  x vf7: bound to vfio-pci by hand
  can give: 6 x vf
)");
}

TEST(MapTest, DrawsACardThatIsHeldAsAWholeAsOneBox) {
  Node node;
  Hold(AddSriov(node, 8), 0, node.Claim("u-1", "alpha"));
  EXPECT_EQ(Draw(node), R"(pci-0000-02-00-0  Example Card 1
  sriov · NUMA node 0 · driver igb · 8 vfs
  ┌0───────────────────────────────────────────────────────┐
  │A team/alpha ███████████████████████████████████████████│
  └────────────────────────────────────────────────────────┘
  A team/alpha: whole card
)");
}

TEST(MapTest, FillsTheCapacitiesOfASharedCardByWhoHoldsThem) {
  Node node;
  v1::Claim& one = node.Claim("u-1", "one");
  v1::Claim& two = node.Claim("u-2", "two");
  two.set_state("unpreparing");
  AddShared(node, {&one, &two});
  EXPECT_EQ(Draw(node), R"(pci-0000-03-00-0  Example Card 1
  sriov · NUMA node 0 · driver ice · 4 vfs
  ┌0────────────┬1────────────┬2────────────┬3────────────┐
  │A team/one ██│B team/two ██│·············│·············│
  └─────────────┴─────────────┴─────────────┴─────────────┘
  A team/one: vf0 bandwidth=100M
  B team/two: vf1 bandwidth=100M (unpreparing)
  bandwidth ▐A███B▓▓····························▌ 200M of 1G
  can give: shares
)");
}

TEST(MapTest, ShowsPartsThatExcludeEachOtherByPlaceAndWhatIsLeftByProfile) {
  Node node;
  v1::Accelerator& card = AddGpu(node);
  Hold(card, 11, node.Claim("u-1", "train"));
  Hold(card, 6, node.Claim("u-2", "infer"));
  EXPECT_EQ(Draw(node), R"(pci-0000-1b-00-0  Example Card 1
  mig · NUMA node 1 · driver nvidia · 8 memory slices
  ┌0──────────────────────────┬4─────┬5─────┬6─────┬7─────┐
  │A team/train ██████████████│······│B tea…│······│░░░░░░│
  └───────────────────────────┴──────┴──────┴──────┴──────┘
  A team/train: 3g-0   B team/infer: 1g-5
  compute ▐A█████████████████B▓▓▓▓··················▌ 4 of 7
  memory  ▐A█████████████████B▓▓▓·············▌ 50Gi of 80Gi
  can give: 2 × 1g.10gb
)");
}

TEST(MapTest, CountsHowManyOfAProfileFitSideBySide) {
  Node node;
  AddGpu(node);
  EXPECT_THAT(MapOffers(FirstCard(node), "x"),
              ElementsAre("1 x gpu", "7 x 1g.10gb", "3 x 2g.20gb", "2 x 3g.40gb"));
}

TEST(MapTest, NamesWhatCanBeSharedOnce) {
  Node node;
  v1::Accelerator& card = node.Add("pci-0000-6a-01-0", "idxd", "idxd");
  for (const char* queue : {"wq4", "wq5"}) {
    (*AddDevice(card, queue, "shared").mutable_capacities())["entries"] = "16";
  }
  EXPECT_THAT(MapOffers(FirstCard(node), "x"), ElementsAre("shares of shared"));
}

TEST(MapTest, DrawsCardsWithoutPlacesAsOneBar) {
  Node node;
  AddDevice(node.Add("pci-0000-05-00-0", "function", "nvme"), "", "function");
  v1::Accelerator& held = node.Add("pci-0000-06-00-0", "function", "nvme");
  AddDevice(held, "", "function");
  Hold(held, 0, node.Claim("u-1", "disk"));
  EXPECT_EQ(Draw(node), R"(pci-0000-05-00-0  Example Card 1
  function · NUMA node 0 · driver nvme
  ▐························································▌
  can give: 1 × function

pci-0000-06-00-0  Example Card 1
  function · NUMA node 0 · driver nvme
  ▐A team/disk ████████████████████████████████████████████▌
  A team/disk: whole card
)");
}

TEST(MapTest, SaysWhyACardIsGoneOrUnusableOrForeign) {
  Node node;
  v1::Accelerator& gone = AddSriov(node, 2);
  Hold(gone, 1, node.Claim("u-1", "alpha"));
  gone.set_gone(true);
  v1::Accelerator& boot = node.Add("pci-0000-07-00-0", "function", "nvme");
  boot.set_unusable("mounted on /");
  AddDevice(boot, "", "function").set_unusable("mounted on /");
  AddSriov(node, 2, "pci-0000-09-00-0").set_foreign("2 VFs made by somebody else");
  EXPECT_EQ(Draw(node), R"(pci-0000-02-00-0  Example Card 1
  sriov · NUMA node 0 · driver igb · 2 vfs
  gone: the card has been removed
  ┌0──────────────────────────┬1──────────────────────────┐
  │A team/alpha ██████████████│×××××××××××××××××××××××××××│
  └───────────────────────────┴───────────────────────────┘
  A team/alpha: vf0

pci-0000-07-00-0  Example Card 1
  function · NUMA node 0 · driver nvme
  unusable: mounted on /
  ▐××××××××××××××××××××××××××××××××××××××××××××××××××××××××▌

pci-0000-09-00-0  Example Card 1
  sriov · NUMA node 0 · driver igb · 2 vfs
  foreign: 2 VFs made by somebody else
  ┌0──────────────────────────┬1──────────────────────────┐
  │×××××××××××××××××××××××××××│×××××××××××××××××××××××××××│
  └───────────────────────────┴───────────────────────────┘
)");
}

TEST(MapTest, ContinuesLanesOfManyVfsInFurtherRows) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 20);
  for (int vf = 0; vf < 3; ++vf) Hold(card, 1 + vf * 7, node.Claim(fmt::format("u-{}", vf), "c"));
  EXPECT_EQ(Draw(node, {.width = 40}), R"(pci-0000-02-00-0  Example Card 1
  sriov · NUMA node 0 · driver igb
  20 vfs
  ┌0──┬1──┬2──┬3──┬4──┬5──┬6──┬7──┐
  │A██│···│···│···│···│···│···│B██│
  ├8──┼9──┼10─┼11─┼12─┼13─┼14─┼15─┤
  │···│···│···│···│···│···│C██│···│
  ├16─┼17─┼18─┼19─┼───┴───┴───┴───┘
  │···│···│···│···│
  └───┴───┴───┴───┘
  A team/c: vf0   B team/c: vf7
  C team/c: vf14
  can give: 17 × vf
)");
}

TEST(MapTest, DrawsUnitsThatNoPartDividesAsOne) {
  Node node;
  v1::Accelerator& card = node.Add("pci-0000-6a-01-0", "dsa", "idxd");
  card.mutable_scale()->set_unit("queue entries");
  card.mutable_scale()->set_size(128);
  SetExtent(AddDevice(card, "wq0", "dedicated"), 0, 96);
  SetExtent(AddDevice(card, "wq1", "shared"), 96, 32);
  EXPECT_EQ(Draw(node), R"(pci-0000-6a-01-0  Example Card 1
  dsa · NUMA node 0 · driver idxd · 128 queue entries
  ┌0────────────────────────────────────────┬96───────────┐
  │·········································│·············│
  └─────────────────────────────────────────┴─────────────┘
  can give: 1 × dedicated or 1 × shared
)");
}

TEST(MapTest, KeepsEveryLineWithinTheTerminal) {
  Node node;
  for (const int vfs : {1, 7, 64, 256}) {
    v1::Accelerator& card = AddSriov(node, vfs, fmt::format("pci-0000-{:02x}-00-0", vfs & 0xff));
    card.set_device_name(std::string(300, 'n'));
    for (int vf = 0; vf < vfs; ++vf) {
      v1::Claim& claim = node.Claim(fmt::format("u-{}-{}", vfs, vf), std::string(70, 'c'));
      Hold(card, 1 + vf, claim);
    }
  }
  AddGpu(node);
  for (const size_t width : {40, 57, 100, 400}) {
    const std::string text =
        MapAsText(MakeMap(node.devices, node.claims), {.width = width, .utf8 = false});
    size_t start = 0;
    for (size_t end; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
      ASSERT_LE(end - start, width) << text.substr(start, end - start);
    }
  }
}

TEST(MapTest, ColorsOnlyWhenAsked) {
  Node node;
  Hold(AddSriov(node, 2), 1, node.Claim("u-1", "alpha"));
  EXPECT_THAT(Draw(node), Not(HasSubstr("\x1b")));
  EXPECT_THAT(Draw(node, {.width = 60, .color = true}), HasSubstr("\x1b[30;46mA team/alpha"));
}

TEST(MapTest, LetsNoNameSteerTheTerminal) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 2, "pci\x1b[2J");
  card.set_device_name("Evil\x1b]0;owned\x07");
  card.set_foreign(
      "by \x9b"
      "2J");
  v1::Claim& claim = node.Claim("u-1", "a\r\nfree\x1b[31m\xe2\x80\xae");
  claim.set_state("\x1b[0m");
  Hold(card, 1, claim);
  const std::string text = Draw(node);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
  EXPECT_THAT(text, Not(HasSubstr("\x9b")));
  EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae")));
  EXPECT_THAT(text, HasSubstr("team/a? free?[31m"));
}

// They keep parts apart that cannot be had together.
TEST(MapTest, DrawsNoMeterOfACounterThatIsAboutOnePart) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 2);
  SetCounter(card, "room_beside_vf1", 8, 3);
  SetCounter(card, "memory", 8, 3);
  const MapCard drawn = FirstCard(node);
  ASSERT_EQ(drawn.meters.size(), 1u);
  EXPECT_EQ(drawn.meters[0].name, "memory");
}

TEST(MapTest, TakesPlacesBeyondTheCardForWhatTheyAreWorth) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 2);
  SetExtent(*card.mutable_devices(1), -5, 6);
  SetExtent(*card.mutable_devices(2), 2'000'000'000, 2'000'000'000);
  SetCounter(card, "odd", -4, 9);
  SetCounter(card, "over", 10, 90);
  Hold(card, 1, node.Claim("u-1", "alpha"));
  const MapCard drawn = FirstCard(node);
  ASSERT_EQ(drawn.lane.size(), 2u);
  EXPECT_EQ(drawn.lane[0].use, MapSegment::Use::kHeld);
  EXPECT_EQ(drawn.lane[0].size, 1);
  EXPECT_EQ(drawn.meters.size(), 1u);
  EXPECT_EQ(drawn.meters[0].used, 10);
  card.mutable_scale()->set_size(-1);
  EXPECT_EQ(FirstCard(node).size, 2);  // who holds it, and what is left
  card.mutable_scale()->set_size(2'000'000'000);
  EXPECT_THAT(Draw(node), HasSubstr("team/alpha"));
}

TEST(MapTest, NamesAHolderThatNoClaimTellsOfByItsUid) {
  Node node;
  AddSriov(node, 2).mutable_devices(1)->set_held_by("u-unknown");
  EXPECT_THAT(Draw(node), HasSubstr("A u-unknown: vf0"));
}

TEST(MapTest, KeysAClaimAlikeOnAllItsCards) {
  Node node;
  v1::Claim& claim = node.Claim("u-1", "alpha");
  Hold(AddSriov(node, 2, "pci-0000-02-00-0"), 1, claim);
  Hold(AddSriov(node, 2, "pci-0000-03-00-0"), 2, claim);
  const Map map = MakeMap(node.devices, node.claims);
  ASSERT_EQ(map.holders.size(), 1u);
  EXPECT_EQ(map.cards[1].held.front().first, 0u);
}

TEST(MapTest, SaysWhichCapacitiesNothingEnforces) {
  Node node;
  v1::Accelerator& card = node.Add("pci-0000-0c-00-0", "generic", "amdgpu");
  v1::Device& whole = AddDevice(card, "", "share");
  (*whole.mutable_capacities())["memory"] = "64Gi";
  whole.add_advisory("memory");
  SetCounter(card, "memory", int64_t{64} << 30, int64_t{24} << 30);
  EXPECT_THAT(Draw(node, {.width = 100}), HasSubstr("24Gi of 64Gi (advisory)"));
}

TEST(MapTest, OffersNothingOfACardThatIsFull) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 2);
  Hold(card, 1, node.Claim("u-1", "alpha"));
  Hold(card, 2, node.Claim("u-2", "beta"));
  EXPECT_THAT(MapOffers(FirstCard(node), "x"), ElementsAre("nothing"));
  card.set_gone(true);
  EXPECT_THAT(MapOffers(FirstCard(node), "x"), IsEmpty());
}

TEST(MapTest, OfNoCardsSaysSo) { EXPECT_EQ(MapAsText(Map(), kNarrow), "No devices found.\n"); }

}  // namespace
}  // namespace drapci::cli
