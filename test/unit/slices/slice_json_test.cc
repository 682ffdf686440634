#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "plugin/slices/convert.h"
#include "plugin/slices/reconcile.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::slices {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const Owner kOwner{.driver_name = "dra.pci", .node_name = "node1", .node_uid = "node-uid"};

json Stored(json spec) {
  spec["driver"] = "dra.pci";
  spec["nodeName"] = "node1";
  spec["pool"] = {{"name", "node1"}, {"generation", 1}, {"resourceSliceCount", 1}};
  return {{"kind", "ResourceSlice"},
          {"metadata", {{"name", "00000-x"}, {"uid", "u"}, {"resourceVersion", "7"}}},
          {"spec", spec}};
}

TEST(SliceJsonTest, ComesBackAsItWasSent) {
  auto card = SharedCard(2, 8);
  card.policy.binding_conditions = true;
  card.gone = true;
  card.devices[0].shared_by = {"claim-1"};
  driver::Snapshot snapshot;
  snapshot.accelerators = {card, SriovCard(3, 4), PlainCard(4)};
  for (const Pool& pool : MakePools(snapshot, "dra.pci", "node1", {})) {
    for (size_t index = 0; index < pool.slices.size(); ++index) {
      json sent = json::parse(EncodeSlice(kOwner, pool.name, 3, pool.slices.size(), index,
                                          pool.slices[index], nullptr));
      sent["metadata"]["name"] = "00000-x";
      const auto back = DecodeSlice(sent.dump());
      ASSERT_TRUE(back.has_value()) << back.error().what;
      EXPECT_FALSE(back->foreign);
      EXPECT_TRUE(SameContent(back->content, pool.slices[index])) << sent.dump(1);
      EXPECT_EQ(back->pool, pool.name);
      EXPECT_EQ(back->generation, 3);
    }
  }
}

TEST(SliceJsonTest, LeavesOutEmptyLists) {
  const json empty = json::parse(EncodeSlice(kOwner, "node1", 1, 1, 0, {}, nullptr));
  EXPECT_FALSE(empty["spec"].contains("devices"));
  EXPECT_FALSE(empty["spec"].contains("sharedCounters"));
}

TEST(SliceJsonTest, NamesAndOwnsANewSlice) {
  const json slice = json::parse(EncodeSlice(kOwner, "node1", 1, 1, 26, {}, nullptr));
  EXPECT_EQ(slice["metadata"]["generateName"], "0001a-dra.pci-node1-");
  EXPECT_EQ(slice["metadata"]["ownerReferences"], json::array({{{"apiVersion", "v1"},
                                                                {"kind", "Node"},
                                                                {"name", "node1"},
                                                                {"uid", "node-uid"},
                                                                {"controller", true}}}));
  const Owner unknown{.driver_name = "dra.pci", .node_name = "node1", .node_uid = {}};
  EXPECT_FALSE(
      json::parse(EncodeSlice(unknown, "node1", 1, 1, 0, {}, nullptr))["metadata"].contains(
          "ownerReferences"));
}

TEST(SliceJsonTest, CutsTheNameOfALongNode) {
  const Owner owner{
      .driver_name = "dra.pci", .node_name = "n." + std::string(250, '.'), .node_uid = {}};
  const json slice = json::parse(EncodeSlice(owner, "node1", 1, 1, 0, {}, nullptr));
  EXPECT_EQ(slice["metadata"]["generateName"], "00000-dra.pci-n-");
}

TEST(SliceJsonTest, KeepsMetadataThatIsNotOurs) {
  json object = Stored({});
  object["metadata"]["labels"] = {{"team", "network"}};
  object["metadata"]["finalizers"] = {"example.org/x"};
  object["metadata"]["ownerReferences"] = {{{"kind", "Other"}, {"name", "o"}, {"uid", "1"}},
                                           {{"kind", "Node"}, {"name", "node1"}, {"uid", "old"}}};
  object["metadata"]["managedFields"] = {{{"manager", "kubectl"}}};
  const auto stored = DecodeSlice(object.dump());
  ASSERT_TRUE(stored.has_value());
  const json next = json::parse(EncodeSlice(kOwner, "node1", 2, 1, 0, {}, &*stored))["metadata"];
  EXPECT_EQ(next["labels"]["team"], "network");
  EXPECT_EQ(next["finalizers"][0], "example.org/x");
  EXPECT_EQ(next["uid"], "u");
  EXPECT_EQ(next["resourceVersion"], "7");
  ASSERT_THAT(next["ownerReferences"], SizeIs(2));
  EXPECT_EQ(next["ownerReferences"][1]["uid"], "node-uid");
  EXPECT_FALSE(next.contains("managedFields"));
}

TEST(SliceJsonTest, ComparesQuantitiesByValue) {
  const auto counter = [](const json& value) {
    const json set{{"name", "s"}, {"counters", {{"c", {{"value", value}}}}}};
    return DecodeSlice(Stored({{"sharedCounters", {set}}}).dump())
        ->content.counter_sets.at(0)
        .counters.at("c");
  };
  EXPECT_EQ(counter("2000"), counter("2k"));
  EXPECT_EQ(counter("1Gi"), 1 << 30);
  EXPECT_EQ(counter(8), 8);
  EXPECT_NE(counter("500m"), 1);  // no whole number is no wanted one
  EXPECT_NE(counter("0.5"), 1);
  EXPECT_NE(counter("many"), 0);
  EXPECT_NE(counter(-1), -1);
  EXPECT_NE(counter("-1"), -1);
  EXPECT_NE(counter("1e-3"), 1);
}

TEST(SliceJsonTest, KnowsWhatNobodyHerePublishes) {
  const auto foreign = [](json spec) {
    return DecodeSlice(Stored(std::move(spec)).dump())->foreign;
  };
  EXPECT_FALSE(foreign({{"devices", json::array()}, {"nodeSelector", nullptr}, {"newField", 1}}));
  EXPECT_TRUE(foreign({{"nodeSelector", {{"nodeSelectorTerms", json::array()}}}}));
  EXPECT_TRUE(foreign({{"perDeviceNodeSelection", true}}));
  EXPECT_TRUE(foreign({{"devices", "none"}}));
  EXPECT_TRUE(foreign({{"devices", {{{"name", "d"}, {"attributes", {{"a", {{"ints", {1}}}}}}}}}}));
  EXPECT_TRUE(foreign({{"devices", {{{"name", "d"}, {"nodeName", "node2"}}}}}));
}

TEST(SliceJsonTest, RefusesWhatIsNoSlice) {
  const auto complaint = [](std::string_view text) {
    const auto slice = DecodeSlice(text);
    return slice ? std::string() : slice.error().what;
  };
  EXPECT_THAT(complaint("{"), HasSubstr("no JSON"));
  EXPECT_THAT(complaint("[]"), HasSubstr("metadata.name"));
  EXPECT_THAT(complaint(R"({"kind":"Pod"})"), HasSubstr("kind"));
  EXPECT_THAT(complaint(R"({"metadata":{"name":"a"},"spec":{"pool":{}}})"),
              HasSubstr("spec.pool.name"));
  EXPECT_THAT(complaint(R"({"metadata":{"name":"a"},"spec":[]})"), HasSubstr("spec"));
}

TEST(SliceJsonTest, KeepsIntegersOf64Bits) {
  SliceContent content;
  content.devices.push_back({.name = "d"});
  content.devices[0].attributes["big"] = std::numeric_limits<int64_t>::max();
  json sent = json::parse(EncodeSlice(kOwner, "node1", 1, 1, 0, content, nullptr));
  sent["metadata"]["name"] = "n";
  EXPECT_TRUE(SameContent(DecodeSlice(sent.dump())->content, content));
}

}  // namespace
}  // namespace drapci::plugin::slices
