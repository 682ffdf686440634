// The cases of the Go helper's own tests, by their names: contract 10.3 cases 1 to 4, 6 to 13
// and 17.
#include "plugin/slices/reconcile.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "plugin/slices/convert.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::slices {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = Write::Kind;

const Owner kOwner{.driver_name = "dra.pci", .node_name = "node1", .node_uid = "node-uid"};

SliceContent Slice(std::vector<std::string> devices) {
  SliceContent content;
  for (std::string& name : devices) content.devices.push_back({.name = std::move(name)});
  return content;
}
Pool PoolOf(std::vector<SliceContent> slices) {
  return {.name = "node1", .slices = std::move(slices)};
}

std::vector<std::string> Kinds(const std::vector<Write>& writes) {
  std::vector<std::string> kinds;
  for (const Write& write : writes) {
    const char* kind = write.kind == Kind::kDelete   ? "delete"
                       : write.kind == Kind::kUpdate ? "update"
                                                     : "create";
    kinds.push_back(write.stored ? fmt::format("{} {}", kind, write.stored->name)
                                 : fmt::format("{} {}", kind, write.index));
  }
  return kinds;
}
int64_t Generation(const Write& write) {
  return json::parse(write.body)["spec"]["pool"]["generation"].get<int64_t>();
}

// What a server holds that has taken the writes so far.
class ReconcileTest : public ::testing::Test {
 protected:
  std::vector<Write> Apply(const std::vector<Pool>& wanted) {
    std::vector<Write> writes = Reconcile(kOwner, wanted, stored_);
    for (const Write& write : writes) {
      if (write.stored) {
        std::erase_if(stored_, [&](const auto& slice) { return slice.name == write.stored->name; });
      }
      if (write.kind != Kind::kDelete) Store(json::parse(write.body));
    }
    EXPECT_THAT(Reconcile(kOwner, wanted, stored_), IsEmpty());
    return writes;
  }
  void Store(json object) {
    json& metadata = object["metadata"];
    if (!metadata.contains("name")) {
      metadata["name"] =
          fmt::format("{}{}", metadata["generateName"].get<std::string>(), ++serial_);
    }
    metadata["uid"] = fmt::format("uid-{}", serial_);
    metadata["resourceVersion"] = fmt::format("{}", ++version_);
    if (object["spec"].contains("devices")) {
      for (json& device : object["spec"]["devices"]) {
        if (!device.contains("taints")) continue;
        for (json& taint : device["taints"]) {
          if (!taint.contains("timeAdded")) taint["timeAdded"] = now_;
        }
      }
    }
    const auto slice = DecodeSlice(object.dump());
    ASSERT_TRUE(slice.has_value()) << slice.error().what;
    stored_.push_back(*slice);
  }

  std::vector<StoredSlice> stored_;
  std::string now_ = "2026-11-21T10:00:00Z";
  int serial_ = 0, version_ = 100;
};

TEST_F(ReconcileTest, CreateSlice) {
  const auto writes = Apply({PoolOf({Slice({"a"})})});
  EXPECT_THAT(Kinds(writes), ElementsAre("create 0"));
  EXPECT_EQ(Generation(writes[0]), 1);
}

TEST_F(ReconcileTest, KeepUnchanged) {
  Apply({PoolOf({Slice({"a"}), Slice({"b"})})});
  EXPECT_THAT(Apply({PoolOf({Slice({"a"}), Slice({"b"})})}), IsEmpty());
}

TEST_F(ReconcileTest, KeepTaintUnchanged) {
  Pool pool = PoolOf({Slice({"a"})});
  pool.slices[0].devices[0].taints = {{.key = "k", .value = "v", .effect = "NoSchedule"}};
  Apply({pool});
  EXPECT_FALSE(stored_[0].content.devices[0].taints[0].time_added.empty());
  EXPECT_THAT(Apply({pool}), IsEmpty());
}

TEST_F(ReconcileTest, AddTaintsKeepsTheTimesOfTheOldOnes) {
  Pool pool = PoolOf({Slice({"a"})});
  auto& taints = pool.slices[0].devices[0].taints;
  taints = {{.key = "k", .value = "v", .effect = "NoSchedule"}};
  Apply({pool});
  now_ = "2026-11-21T11:00:00Z";
  taints.push_back({.key = "l", .value = "v", .effect = "NoExecute"});
  EXPECT_THAT(Kinds(Apply({pool})), SizeIs(1));
  const auto& stored = stored_[0].content.devices[0].taints;
  EXPECT_EQ(stored[0].time_added, "2026-11-21T10:00:00Z");
  EXPECT_EQ(stored[1].time_added, "2026-11-21T11:00:00Z");
}

TEST_F(ReconcileTest, TimesDifferByMoreThanASecondOnlyWhenSomebodySaysSo) {
  SliceContent one = Slice({"a"}), other = one;
  one.devices[0].taints = {
      {.key = "k", .effect = "NoExecute", .time_added = "2026-11-21T10:00:00Z"}};
  other.devices[0].taints = {
      {.key = "k", .effect = "NoExecute", .time_added = "2026-11-21T10:00:01Z"}};
  EXPECT_TRUE(SameContent(one, other));
  other.devices[0].taints[0].time_added = "2026-11-21T10:00:02Z";
  EXPECT_FALSE(SameContent(one, other));
  other.devices[0].taints[0].time_added.clear();
  EXPECT_TRUE(SameContent(one, other));
}

TEST_F(ReconcileTest, RemovePool) {
  Apply({PoolOf({Slice({"a"})}), {.name = "node1/card", .slices = {Slice({"b"})}}});
  const auto writes = Apply({PoolOf({Slice({"a"})})});
  ASSERT_THAT(writes, SizeIs(1));
  EXPECT_EQ(writes[0].kind, Kind::kDelete);
  EXPECT_EQ(writes[0].pool, "node1/card");
  EXPECT_EQ(json::parse(writes[0].body)["preconditions"],
            (json{{"uid", writes[0].stored->uid},
                  {"resourceVersion", writes[0].stored->resource_version}}));
}

TEST_F(ReconcileTest, OneSliceChangedIsUpdatedInPlace) {
  Apply({PoolOf({Slice({"a"}), Slice({"b"})})});
  const auto writes = Apply({PoolOf({Slice({"a"}), Slice({"c"})})});
  EXPECT_THAT(Kinds(writes), ElementsAre("update 00001-dra.pci-node1-2"));
  EXPECT_EQ(Generation(writes[0]), 1);
}

TEST_F(ReconcileTest, TwoSlicesChangedAreANewGeneration) {
  Apply({PoolOf({Slice({"a"}), Slice({"b"}), Slice({"c"})})});
  const auto writes = Apply({PoolOf({Slice({"x"}), Slice({"y"}), Slice({"c"})})});
  ASSERT_THAT(writes, SizeIs(3));
  for (const Write& write : writes) EXPECT_EQ(Generation(write), 2);
}

TEST_F(ReconcileTest, SliceAddedIsANewGeneration) {
  Apply({PoolOf({Slice({"a"})})});
  const auto writes = Apply({PoolOf({Slice({"a"}), Slice({"b"})})});
  EXPECT_THAT(Kinds(writes), ElementsAre("update 00000-dra.pci-node1-1", "create 1"));
  for (const Write& write : writes) EXPECT_EQ(Generation(write), 2);
}

TEST_F(ReconcileTest, SliceRemovedIsANewGeneration) {
  Apply({PoolOf({Slice({"a"}), Slice({"b"}), Slice({"c"})})});
  const auto writes = Apply({PoolOf({Slice({"a"}), Slice({"b"})})});
  ASSERT_THAT(writes, SizeIs(3));
  EXPECT_EQ(writes[0].kind, Kind::kDelete);
  EXPECT_EQ(Generation(writes[1]), 2);
  EXPECT_EQ(Generation(writes[2]), 2);
}

TEST_F(ReconcileTest, RedundantSliceWithTheSameIndexIsDeleted) {
  Apply({PoolOf({Slice({"a"})})});
  json copy = json::parse(EncodeSlice(kOwner, "node1", 1, 1, 0, Slice({"a"}), nullptr));
  copy["metadata"]["name"] = "00000-zzz";
  Store(copy);
  EXPECT_THAT(Kinds(Apply({PoolOf({Slice({"a"})})})), ElementsAre("delete 00000-zzz"));
}

TEST_F(ReconcileTest, OfDifferentGenerationsTheLowerIsObsolete) {
  Apply({PoolOf({Slice({"a"})})});
  json newer = json::parse(EncodeSlice(kOwner, "node1", 5, 1, 0, Slice({"a"}), nullptr));
  newer["metadata"]["name"] = "00000-zzz";
  Store(newer);
  EXPECT_THAT(Kinds(Apply({PoolOf({Slice({"a"})})})), ElementsAre("delete 00000-dra.pci-node1-1"));
}

TEST_F(ReconcileTest, NodeSelectorChangedIsPutRight) {
  Apply({PoolOf({Slice({"a"})})});
  json object = json::parse(EncodeSlice(kOwner, "node1", 1, 1, 0, Slice({"a"}), &stored_[0]));
  object["spec"]["allNodes"] = true;
  stored_.clear();
  Store(object);
  EXPECT_THAT(Kinds(Apply({PoolOf({Slice({"a"})})})), SizeIs(1));
}

TEST_F(ReconcileTest, ManyDevicesStayWhereTheyAre) {
  driver::Snapshot snapshot;
  snapshot.accelerators = {SriovCard(2, 200)};
  const auto pools = MakePools(snapshot, "dra.pci", "node1", {});
  EXPECT_THAT(Apply(pools), SizeIs(5));
  EXPECT_THAT(Apply(pools), IsEmpty());
}

TEST_F(ReconcileTest, MigrationFromRandomNamesReplacesThem) {
  for (const char* name :
       {"node1-dra.pci-x7x", "0000-short", "0000A-upper", "00001-beyond", "00000"}) {
    json object = json::parse(EncodeSlice(kOwner, "node1", 1, 1, 0, Slice({"a"}), nullptr));
    object["metadata"]["name"] = name;
    Store(object);
  }
  const auto writes = Apply({PoolOf({Slice({"a"})})});
  ASSERT_THAT(writes, SizeIs(6));
  EXPECT_EQ(writes.back().kind, Kind::kCreate);
  EXPECT_EQ(Generation(writes.back()), 2);
}

TEST_F(ReconcileTest, DeletesThenUpdatesThenCreates) {
  Apply({PoolOf({Slice({"a"})}), {.name = "node1/old", .slices = {Slice({"b"})}}});
  const auto writes =
      Apply({PoolOf({Slice({"c"})}), {.name = "node1/new", .slices = {Slice({"d"})}}});
  ASSERT_THAT(writes, SizeIs(3));
  EXPECT_EQ(writes[0].kind, Kind::kDelete);
  EXPECT_EQ(writes[1].kind, Kind::kUpdate);
  EXPECT_EQ(writes[2].kind, Kind::kCreate);
}

TEST_F(ReconcileTest, SurvivesTheHighestGeneration) {
  json object = json::parse(EncodeSlice(kOwner, "node1", std::numeric_limits<int64_t>::max(), 1, 0,
                                        Slice({"x"}), nullptr));
  Store(object);
  const auto writes = Apply({PoolOf({Slice({"a"})})});
  ASSERT_THAT(writes, SizeIs(2));
  EXPECT_EQ(Generation(writes[1]), 1);
}

TEST_F(ReconcileTest, KeptTellsWhatTheServerHasDropped) {
  driver::Snapshot snapshot;
  auto card = SharedCard(3, 4);
  card.policy.binding_conditions = card.gone = true;
  card.devices[0].shared_by = {"claim-1"};
  snapshot.accelerators = {SriovCard(2, 4), card};
  const auto pools = MakePools(snapshot, "dra.pci", "node1", {});
  const SliceContent& counters = pools[0].slices[0];
  EXPECT_EQ(Kept(counters, counters), Features());
  EXPECT_FALSE(Kept(counters, {}).partitionable);
  SliceContent parts = pools[0].slices[1];
  parts.devices[0].consumes.clear();
  EXPECT_FALSE(Kept(pools[0].slices[1], parts).partitionable);
  const SliceContent& shared = pools[1].slices[0];
  EXPECT_EQ(Kept(shared, shared), Features());
  SliceContent bare = shared;
  bare.devices[0].taints.clear();
  EXPECT_FALSE(Kept(shared, bare).taints);
  bare = shared;
  bare.devices[0].allow_multiple_allocations = false;
  for (auto& [name, capacity] : bare.devices[0].capacity) capacity.policy.reset();
  EXPECT_FALSE(Kept(shared, bare).consumable);
  bare = shared;
  bare.devices[0].binds_to_node = false;
  bare.devices[0].binding_conditions.clear();
  EXPECT_FALSE(Kept(shared, bare).binding);
}

}  // namespace
}  // namespace drapci::plugin::slices
