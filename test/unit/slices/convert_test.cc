#include "plugin/slices/convert.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/slices/attributes.h"
#include "plugin/slices/limits.h"
#include "plugin/slices/reconcile.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::slices {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr Features kNone{
    .partitionable = false, .consumable = false, .taints = false, .binding = false};
const char* const kNic = "pci-0000-02-00-0";
const char* const kVf0 = "pci-0000-02-00-0-vf0";

std::vector<Pool> Publish(std::vector<driver::AcceleratorView> cards,
                          const Features& features = {}) {
  driver::Snapshot snapshot;
  snapshot.accelerators = std::move(cards);
  std::vector<Pool> pools = MakePools(snapshot, "dra.pci", "node1", features);
  for (const Pool& pool : pools) {
    const Result<> check = CheckPool(pool);
    EXPECT_TRUE(check.has_value()) << check.error().what;
  }
  return pools;
}

std::vector<std::string> Names(const std::vector<Pool>& pools) {
  std::vector<std::string> names;
  for (const Pool& pool : pools) {
    for (const SliceContent& slice : pool.slices) {
      for (const SliceDevice& device : slice.devices) names.push_back(device.name);
    }
  }
  return names;
}

bool Same(const std::vector<Pool>& one, const std::vector<Pool>& other) {
  return std::ranges::equal(one, other, [](const Pool& a, const Pool& b) {
    return a.name == b.name && std::ranges::equal(a.slices, b.slices, SameContent);
  });
}

TEST(ConvertTest, PublishesPlainCardsInOnePoolNamedAsTheNode) {
  const auto pools = Publish({PlainCard(1), PlainCard(2)});
  ASSERT_THAT(pools, SizeIs(1));
  EXPECT_EQ(pools[0].name, "node1");
  EXPECT_THAT(Names(pools), ElementsAre("pci-0000-01-00-0", "pci-0000-02-00-0"));
  EXPECT_EQ(PoolName("node1", PlainCard(1)), "node1");
}

TEST(ConvertTest, PublishesAnEmptySliceForANodeWithoutDevices) {
  const auto pools = Publish({});
  ASSERT_THAT(pools, SizeIs(1));
  ASSERT_THAT(pools[0].slices, SizeIs(1));
  EXPECT_THAT(pools[0].slices[0].devices, IsEmpty());
}

TEST(ConvertTest, PutsCountersFirstThenPartsThenTheWhole) {
  const auto pools = Publish({SriovCard(2, 3)});
  ASSERT_THAT(pools, SizeIs(1));
  EXPECT_EQ(pools[0].name, "node1/pci-0000-02-00-0");
  EXPECT_EQ(PoolName("node1", SriovCard(2, 3)), pools[0].name);
  ASSERT_THAT(pools[0].slices, SizeIs(2));
  ASSERT_THAT(pools[0].slices[0].counter_sets, SizeIs(1));
  EXPECT_THAT(pools[0].slices[0].counter_sets[0].counters, ElementsAre(Pair("vfs", 3)));
  EXPECT_THAT(pools[0].slices[0].devices, IsEmpty());
  EXPECT_THAT(Names(pools), ElementsAre("pci-0000-02-00-0-vf0", "pci-0000-02-00-0-vf1",
                                        "pci-0000-02-00-0-vf2", "pci-0000-02-00-0"));
  const SliceDevice& whole = pools[0].slices[1].devices.back();
  ASSERT_THAT(whole.consumes, SizeIs(1));
  EXPECT_EQ(whole.consumes[0].counter_set, kNic);
  EXPECT_THAT(whole.consumes[0].counters, ElementsAre(Pair("vfs", 3)));
}

TEST(ConvertTest, TellsWhatAWholeFunctionIs) {
  auto card = PlainCard(2);
  card.function.serial_number = 0xa0369fffff1c5e10;
  const auto pools = Publish({card});
  const std::map<std::string, Attribute> expected{
      {"type", std::string("function")},
      {"family", std::string("function")},
      {"vendorID", std::string("8086")},
      {"deviceID", std::string("10c9")},
      {"vendor", std::string("Intel Corporation")},
      {"model", std::string("82576 Gigabit Network Connection")},
      {"class", std::string("020000")},
      {"kind", std::string("network")},
      {"driver", std::string("igb")},
      {"iommuGroup", int64_t{17}},
      {"linkSpeed", int64_t{2500}},
      {"linkWidth", int64_t{4}},
      {"serialNumber", std::string("a0369fffff1c5e10")},
      {"resource.kubernetes.io/pciBusID", std::string("0000:02:00.0")},
      {"resource.kubernetes.io/pcieRoot", std::string("pci0000:00")},
      {"resource.kubernetes.io/numaNode", int64_t{1}}};
  EXPECT_EQ(FindDevice(pools, kNic)->attributes, expected);
}

TEST(ConvertTest, TellsWhatAVfIs) {
  const auto pools = Publish({SriovCard(2, 2)});
  const auto& vf = FindDevice(pools, kVf0)->attributes;
  EXPECT_EQ(vf.at("type"), Attribute(std::string("vf")));
  EXPECT_EQ(vf.at("deviceID"), Attribute(std::string("10ca")));
  EXPECT_EQ(vf.at("pf"), Attribute(std::string("0000:02:00.0")));
  EXPECT_EQ(vf.at("vf"), Attribute(int64_t{0}));
  EXPECT_EQ(vf.at("driver"), Attribute(std::string("igb")));
  EXPECT_FALSE(vf.contains("resource.kubernetes.io/pciBusID"));
  EXPECT_FALSE(vf.contains("iommuGroup"));
  EXPECT_EQ(FindDevice(pools, kNic)->attributes.at("vfs"), Attribute(int64_t{2}));
}

TEST(ConvertTest, TellsWhatTheFamilySaysOfAPartButNotWhatChangesWithClaims) {
  driver::AcceleratorView card = SriovCard(2, 2);
  hal::Part& part = DeviceOf(card, "vf0").part;
  part.attributes["model"] = std::string("Instinct");
  part.attributes["memory"] = int64_t{1} << 36;
  part.attributes["compute_partition"] = std::string("CPX");
  part.attributes["afu_id"] = std::string("of the image that is loaded now");
  const auto pools = Publish({card});
  const auto& attributes = FindDevice(pools, kVf0)->attributes;
  EXPECT_EQ(attributes.at("productName"), Attribute(std::string("Instinct")));
  EXPECT_EQ(attributes.at("memory"), Attribute(int64_t{1} << 36));
  EXPECT_EQ(attributes.at("computePartition"), Attribute(std::string("CPX")));
  EXPECT_FALSE(attributes.contains("afu_id"));
  EXPECT_FALSE(attributes.contains("afuID"));
}

TEST(ConvertTest, GivesVfsThatAreAlwaysThereTheirAddress) {
  auto card = SriovCard(2, 2);
  card.policy.vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  MakeVfs(card);
  EXPECT_EQ(FindDevice(Publish({card}), kVf0)->attributes.at("resource.kubernetes.io/pciBusID"),
            Attribute(std::string("0000:02:10.0")));
}

TEST(ConvertTest, LeavesOutWhatTheStandardAttributesCannotSay) {
  auto card = PlainCard(2);
  card.function.address.domain = 0x10000;
  card.function.numa_node = -1;
  const auto pools = Publish({card});
  const auto& attributes = pools[0].slices[0].devices[0].attributes;
  EXPECT_FALSE(attributes.contains("resource.kubernetes.io/pciBusID"));
  EXPECT_FALSE(attributes.contains("resource.kubernetes.io/numaNode"));
}

TEST(ConvertTest, ChangesNothingWhenAVfOrTheWholeIsPrepared) {
  auto card = SriovCard(2, 4);
  const auto before = Publish({card});
  Hold(card, "vf1");
  EXPECT_TRUE(Same(Publish({card}), before));
  Release(card);
  Hold(card, "");
  EXPECT_TRUE(Same(Publish({card}), before));
  auto plain = PlainCard(3);
  const auto plain_before = Publish({plain});
  Hold(plain, "");
  EXPECT_TRUE(Same(Publish({plain}), plain_before));
}

TEST(ConvertTest, PublishesNoVfsOfAPfWithoutADriverWhateverIsHeld) {
  auto card = SriovCard(2, 2);
  card.home_driver.clear();
  for (auto& device : card.devices) {
    if (!device.part.name.empty()) device.unusable = device.part.unusable = "it has no driver";
  }
  const auto before = Publish({card});
  EXPECT_THAT(Names(before), ElementsAre(kNic));
  for (auto& device : card.devices) {
    if (device.part.name.empty()) continue;
    device.unusable = device.part.unusable = "";
    device.excluded = "the whole is held";
  }
  DeviceOf(card, "").held_by = "claim-1";
  EXPECT_TRUE(Same(Publish({card}), before));
}

TEST(ConvertTest, PublishesAPfToShareWithItsCapacities) {
  const auto pools = Publish({SharedCard(2, 8)});
  ASSERT_THAT(Names(pools), ElementsAre(kNic));
  ASSERT_THAT(pools[0].slices, SizeIs(1));  // nothing to count
  const SliceDevice& device = *FindDevice(pools, kNic);
  EXPECT_TRUE(device.allow_multiple_allocations);
  EXPECT_EQ(device.capacity.at("vfs"),
            (Capacity{.value = 8,
                      .policy = RequestPolicy{.default_value = 1, .min = 1, .step = 1, .max = 1}}));
  EXPECT_EQ(
      device.capacity.at("bandwidth"),
      (Capacity{
          .value = 10'000'000'000,
          .policy = RequestPolicy{
              .default_value = 500'000'000, .min = 1'000'000, .step = 1'000'000, .max = {}}}));
  EXPECT_EQ(device.attributes.at("type"), Attribute(std::string("share")));
  EXPECT_EQ(device.attributes.at("enforced"), Attribute(true));
}

TEST(ConvertTest, SaysWhenACapacityIsNotEnforced) {
  auto card = SharedCard(2, 8);
  card.devices[0].part.capacities["bandwidth"].enforced = false;
  EXPECT_EQ(FindDevice(Publish({card}), kNic)->attributes.at("enforced"), Attribute(false));
}

TEST(ConvertTest, MakesEveryPolicyOneThatTheApiTakes) {
  auto card = SharedCard(2, 8);
  card.devices[0].part.capacities = {
      {"one", {.value = 1, .min = 1, .step = 1}},
      {"none", {.value = 0, .min = 1, .step = 1}},
      {"odd", {.value = 100, .min = 3, .step = 10, .max = 50, .default_share = 49}},
      {"still", {.value = 7, .min = 2, .step = 0, .default_share = 9}}};
  const auto pools = Publish({card});  // checks them
  const auto& capacity = FindDevice(pools, kNic)->capacity;
  EXPECT_EQ(capacity.at("one").policy->step, 0);
  EXPECT_FALSE(capacity.at("none").policy.has_value());
  EXPECT_EQ(capacity.at("odd").policy,
            (RequestPolicy{.default_value = 43, .min = 3, .step = 10, .max = 43}));
  EXPECT_EQ(capacity.at("still").policy->default_value, 7);
}

TEST(ConvertTest, WithoutSharesOnTheServerPublishesNoSharedDevice) {
  EXPECT_THAT(Names(Publish({SharedCard(2, 8)}, kNone)), IsEmpty());
}

TEST(ConvertTest, WithoutCountersOnTheServerPublishesTheWholeOnly) {
  const auto pools = Publish({SriovCard(2, 3)}, kNone);
  EXPECT_THAT(Names(pools), ElementsAre(kNic));
  ASSERT_THAT(pools[0].slices, SizeIs(1));
  EXPECT_THAT(pools[0].slices[0].devices[0].consumes, IsEmpty());
}

TEST(ConvertTest, WithoutCountersOnTheServerPublishesTheVfsThatAreAlwaysThereAndNotTheWhole) {
  for (const auto vfs :
       {hal::AcceleratorPolicy::Vfs::kFixed, hal::AcceleratorPolicy::Vfs::kExisting}) {
    auto card = SriovCard(2, 2);
    card.policy.vfs = vfs;
    EXPECT_THAT(Names(Publish({card}, kNone)), ElementsAre(kVf0, "pci-0000-02-00-0-vf1"));
  }
}

TEST(ConvertTest, WithoutCountersOnTheServerNeverListsTheWholeBesideAHeldPart) {
  auto card = SriovCard(2, 2);
  Hold(card, "vf0");
  EXPECT_THAT(Names(Publish({card}, kNone)), ElementsAre(kVf0));
}

TEST(ConvertTest, KeepsWhatIsHeldListedAndTaintedWhenTheCardIsGone) {
  auto card = SriovCard(2, 2);
  Hold(card, "vf0");
  card.gone = true;
  card.description.unusable = "it has been removed";
  for (auto& device : card.devices) device.unusable = card.description.unusable;
  const auto pools = Publish({card});
  EXPECT_THAT(Names(pools), ElementsAre(kVf0));
  ASSERT_THAT(FindDevice(pools, kVf0)->taints, SizeIs(1));
  const Taint& taint = FindDevice(pools, kVf0)->taints[0];
  EXPECT_EQ(taint.key, "dra.pci/unusable");
  EXPECT_EQ(taint.value, "gone");
  EXPECT_EQ(taint.effect, "NoSchedule");
  EXPECT_THAT(FindDevice(Publish({card}, kNone), kVf0)->taints, IsEmpty());
}

TEST(ConvertTest, KeepsWhatIsHeldInItsPoolWhenTheCardWasGoneAtStart) {
  driver::AcceleratorView card;
  card.name = kNic;
  card.gone = true;
  for (const char* part : {"vf0", "vf1"}) {
    driver::Device& device = card.devices.emplace_back();
    device.name = driver::DeviceName(kNic, part);
    device.part.name = part;
    device.part.consumes = {{"vfs", 1}};
    device.held_by = "claim-1";
  }
  const auto pools = Publish({card});  // every counter that is taken from is there
  ASSERT_THAT(pools, SizeIs(1));
  EXPECT_EQ(pools[0].name, "node1/pci-0000-02-00-0");
  EXPECT_THAT(Names(pools), SizeIs(2));
}

TEST(ConvertTest, PublishesNothingThatSomebodyElseHasChangedOrThatCannotBeGiven) {
  auto carved = SriovCard(2, 2);
  carved.description.foreign = "somebody else has made 2 VFs";
  for (auto& device : carved.devices) device.unusable = carved.description.foreign;
  auto needed = PlainCard(3);
  needed.description.unusable = "the host needs it: root file system";
  needed.devices[0].unusable = needed.description.unusable;
  EXPECT_THAT(Names(Publish({carved, needed})), IsEmpty());
  auto held = carved;
  held.devices[1].held_by = "claim-1";
  const auto pools = Publish({held, needed});
  EXPECT_THAT(Names(pools), ElementsAre(kVf0));
  EXPECT_EQ(FindDevice(pools, kVf0)->taints.at(0).value, "unusable");
}

TEST(ConvertTest, PublishesBindingConditionsWhereThePolicyAndTheServerHaveThem) {
  auto card = PlainCard(2);
  card.policy.binding_conditions = true;
  const auto pools = Publish({card});
  const SliceDevice& device = *FindDevice(pools, kNic);
  EXPECT_TRUE(device.binds_to_node);
  EXPECT_THAT(device.binding_conditions, ElementsAre("dra.pci/Prepared"));
  EXPECT_THAT(device.binding_failure_conditions, ElementsAre("dra.pci/PrepareFailed"));
  const auto without = Publish({card}, kNone);
  EXPECT_FALSE(FindDevice(without, kNic)->binds_to_node);
  EXPECT_THAT(FindDevice(without, kNic)->binding_conditions, IsEmpty());
}

TEST(ConvertTest, ManyDevicesAreSplitOverSlices) {
  const auto pools = Publish({SriovCard(2, 150)});
  ASSERT_THAT(pools[0].slices, SizeIs(4));
  EXPECT_THAT(pools[0].slices[1].devices, SizeIs(64));
  EXPECT_THAT(pools[0].slices[2].devices, SizeIs(64));
  EXPECT_THAT(pools[0].slices[3].devices, SizeIs(23));
}

TEST(ConvertTest, ManyCountersAreSplitOverSets) {
  auto card = SriovCard(2, 2);
  for (int i = 0; i < 300; ++i) card.description.counters[fmt::format("slots_{:03}", i)] = 1;
  card.devices[1].part.consumes = {{"slots_000", 1}, {"slots_040", 1}};
  const auto pools = Publish({card});
  EXPECT_THAT(pools[0].slices[0].counter_sets, SizeIs(8));
  EXPECT_THAT(pools[0].slices[1].counter_sets, SizeIs(2));
  EXPECT_THAT(FindDevice(pools, kVf0)->consumes, SizeIs(2));
}

TEST(AttributesTest, CutsTheLeastUsefulFirst) {
  const auto card = SriovCard(2, 2);
  const auto all = AttributesOf(card, card.devices[0], 32);
  const auto cut = AttributesOf(card, card.devices[0], all.size() - 2);
  EXPECT_EQ(cut.size(), all.size() - 2);
  EXPECT_FALSE(cut.contains("linkWidth"));
  EXPECT_TRUE(cut.contains("vendorID"));
}

TEST(AttributesTest, TellsTheKindByTheClass) {
  const std::map<uint32_t, std::string> kinds{{0x010802, "storage"},     {0x020000, "network"},
                                              {0x030200, "display"},     {0x120000, "accelerator"},
                                              {0x0b4000, "accelerator"}, {0x088000, "other"}};
  for (const auto& [code, kind] : kinds) {
    auto card = PlainCard(2);
    card.function.class_code = code;
    EXPECT_EQ(AttributesOf(card, card.devices[0], 32).at("kind"), Attribute(kind));
  }
}

TEST(AttributesTest, CutsTextsBetweenCharacters) {
  EXPECT_EQ(CutText("abc", 2), "ab");
  EXPECT_EQ(CutText("a\xc3\xa9z", 2), "a");
  EXPECT_EQ(CutText("a\xc3\xa9z", 3), "a\xc3\xa9");
  EXPECT_EQ(CutText("a\xff\n\xc3", 9), "a???");
  EXPECT_EQ(CutText("\xed\xa0\x80", 9), "???");  // a surrogate
}

TEST(AttributesTest, KnowsSemanticVersions) {
  for (const char* good : {"1.2.3", "0.0.0", "1.2.3-rc.1", "1.2.3-0a+b.01", "1.2.3+5"}) {
    EXPECT_TRUE(IsSemanticVersion(good)) << good;
  }
  for (const char* bad :
       {"", "1.2", "1.02.3", "v1.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.3.4", "1.2.-3"}) {
    EXPECT_FALSE(IsSemanticVersion(bad)) << bad;
  }
}

}  // namespace
}  // namespace drapci::plugin::slices
