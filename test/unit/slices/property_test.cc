// Whatever a node has: what is published keeps the API's rules, and writing it once is enough.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "plugin/slices/convert.h"
#include "plugin/slices/limits.h"
#include "plugin/slices/reconcile.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::slices {
namespace {

using nlohmann::json;
using ::testing::IsEmpty;

const Owner kOwner{.driver_name = "dra.pci", .node_name = "node1", .node_uid = "node-uid"};

class Dice {
 public:
  explicit Dice(uint32_t seed) : random_(seed) {}
  int Roll(int most) { return std::uniform_int_distribution(0, most)(random_); }
  bool OneIn(int n) { return Roll(n - 1) == 0; }

 private:
  std::mt19937 random_;
};

driver::AcceleratorView RandomCard(Dice& dice, int bus) {
  driver::AcceleratorView card = dice.OneIn(3)   ? PlainCard(bus)
                                 : dice.OneIn(3) ? SharedCard(bus, dice.Roll(100))
                                                 : SriovCard(bus, dice.Roll(150));
  for (int i = dice.OneIn(4) ? dice.Roll(300) : 0; i > 0; --i) {
    card.description.counters[fmt::format("Slots_{}", i)] = dice.Roll(1000);
  }
  card.policy.binding_conditions = dice.OneIn(3);
  if (dice.OneIn(3)) card.policy.vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  if (dice.OneIn(3)) MakeVfs(card);
  card.function.device_name = std::string(static_cast<size_t>(dice.Roll(200)), '\xc3');
  if (dice.OneIn(8)) card.description.foreign = "somebody";
  if (dice.OneIn(8)) card.gone = true;
  if (dice.OneIn(10)) card.description = {};
  for (driver::Device& device : card.devices) {
    if (dice.OneIn(5)) device.held_by = "claim-1";
    if (dice.OneIn(5)) device.unusable = "broken";
    if (dice.OneIn(5)) device.excluded = "no room";
    for (auto& [name, capacity] : device.part.capacities) {
      capacity = {.value = dice.Roll(20),
                  .min = dice.Roll(5),
                  .step = dice.Roll(5),
                  .max = dice.OneIn(2) ? std::optional<int64_t>(dice.Roll(25)) : std::nullopt,
                  .default_share = dice.Roll(25)};
    }
  }
  return card;
}

Features RandomFeatures(Dice& dice) {
  return {.partitionable = !dice.OneIn(4),
          .consumable = !dice.OneIn(4),
          .taints = !dice.OneIn(4),
          .binding = !dice.OneIn(4)};
}

void Apply(const std::vector<Write>& writes, std::vector<StoredSlice>& stored, int& serial) {
  for (const Write& write : writes) {
    if (write.stored) {
      std::erase_if(stored, [&](const auto& slice) { return slice.name == write.stored->name; });
    }
    if (write.kind == Write::Kind::kDelete) continue;
    json object = json::parse(write.body);
    json& metadata = object["metadata"];
    if (!metadata.contains("name")) {
      metadata["name"] = fmt::format("{}{}", metadata["generateName"].get<std::string>(), ++serial);
      metadata["uid"] = fmt::format("uid-{}", serial);
    }
    metadata["resourceVersion"] = fmt::format("{}", ++serial);
    auto slice = DecodeSlice(object.dump());
    ASSERT_TRUE(slice.has_value()) << slice.error().what;
    stored.push_back(*std::move(slice));
  }
}

// Nothing on the card that can be had twice: what can be allocated without counters at all must be
// one device, or parts that do not overlap.
void ExpectNothingOverCommittable(const driver::AcceleratorView& card,
                                  const std::vector<Pool>& pools, const Features& features) {
  if (features.partitionable) return;
  bool whole = false, part = false;
  for (const driver::Device& device : card.devices) {
    if (!device.held_by.empty() || FindDevice(pools, device.name) == nullptr) continue;
    (device.part.name.empty() ? whole : part) = true;
  }
  EXPECT_FALSE(whole && part) << card.name;
}

TEST(SlicesProperty, RandomNodesKeepTheRulesAndNeedWritingOnce) {
  for (uint32_t seed = 0; seed < 25; ++seed) {
    Dice dice(seed);
    std::vector<StoredSlice> stored;
    int serial = 0;
    for (int step = 0; step < 4; ++step) {
      driver::Snapshot snapshot;
      for (int bus = 1; bus <= 1 + dice.Roll(5); ++bus) {
        snapshot.accelerators.push_back(RandomCard(dice, bus));
      }
      const Features features = RandomFeatures(dice);
      const auto pools = MakePools(snapshot, "dra.pci", "node1", features);
      ASSERT_FALSE(pools.empty());
      for (const Pool& pool : pools) {
        const Result<> check = CheckPool(pool);
        ASSERT_TRUE(check.has_value()) << "seed " << seed << ": " << check.error().what;
      }
      for (const auto& card : snapshot.accelerators) {
        ExpectNothingOverCommittable(card, pools, features);
      }
      Apply(Reconcile(kOwner, pools, stored), stored, serial);
      ASSERT_THAT(Reconcile(kOwner, pools, stored), IsEmpty()) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace drapci::plugin::slices
