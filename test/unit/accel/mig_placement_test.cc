// What the order of partitions promises, tried on all mixes of all published tables.
#include "hal/accel/mig_placement.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "test/sim/nvml/boards.h"
#include "test/sim/nvml/mig_rules.h"

namespace drapci::hal {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;

std::vector<GpuInstanceProfile> ProfilesOf(const sim::nvml::Gpu& gpu) {
  std::vector<GpuInstanceProfile> profiles;
  for (const sim::nvml::Profile& each : gpu.profiles) {
    GpuInstanceProfile& profile = profiles.emplace_back();
    profile = {.id = each.id,
               .name = each.name,
               .compute_slices = each.slices,
               .memory_mib = each.memory_mib,
               .max_instances = each.max,
               .multiprocessors = each.multiprocessors,
               .copy_engines = each.copy_engines,
               .decoders = each.decoders,
               .encoders = each.encoders,
               .jpeg_engines = each.jpegs,
               .ofa_engines = each.ofas,
               .placements = {}};
    for (uint32_t start : each.starts) {
      profile.placements.push_back({.start = start, .size = each.size});
    }
  }
  return profiles;
}

MigLayout LayoutOf(std::string_view model) {
  return LayOutMig(ProfilesOf(sim::nvml::MakeGpu(model, "0000:18:00.0", 0).value()));
}

std::vector<std::string> Parts(const MigLayout& layout, std::string_view profile) {
  std::vector<std::string> parts;
  for (const MigSlot& slot : layout.slots) {
    if (slot.profile == profile) parts.push_back(slot.part);
  }
  return parts;
}

// A GPU as the scheduler sees it: what is left of the counters.
class Card {
 public:
  explicit Card(const MigLayout& layout) : left_(layout.stock) {}
  bool Fits(const MigSlot& slot) const {
    return std::ranges::all_of(slot.consumes,
                               [&](const auto& use) { return left_.at(use.first) >= use.second; });
  }
  void Take(const MigSlot& slot) {
    for (const auto& [counter, amount] : slot.consumes) left_.at(counter) -= amount;
  }
  // The first of `slots` with that profile that fits.
  bool TakeFirst(const std::vector<MigSlot>& slots, uint32_t profile) {
    for (const MigSlot& slot : slots) {
      if (slot.profile_id != profile || !Fits(slot)) continue;
      Take(slot);
      return true;
    }
    return false;
  }

 private:
  std::map<std::string, int64_t> left_;
};

// Every set of slots that fits, once.
void ForEachMix(const MigLayout& layout, const Card& card, size_t from, std::vector<size_t>& taken,
                const std::function<void(const Card&, const std::vector<size_t>&)>& see) {
  see(card, taken);
  for (size_t i = from; i < layout.slots.size(); ++i) {
    if (!card.Fits(layout.slots[i])) continue;
    Card next = card;
    next.Take(layout.slots[i]);
    taken.push_back(i);
    ForEachMix(layout, next, i + 1, taken, see);
    taken.pop_back();
  }
}

class MigTables : public testing::TestWithParam<std::string> {
 protected:
  const MigLayout layout_ = LayoutOf(GetParam());
};

TEST_P(MigTables, CountersAllowExactlyWhatTheLibraryAllows) {
  const sim::nvml::Gpu empty = sim::nvml::MakeGpu(GetParam(), "0000:18:00.0", 0).value();
  std::vector<size_t> taken;
  size_t mixes = 0;
  ForEachMix(layout_, Card(layout_), 0, taken, [&](const Card& card, const auto& mix) {
    ++mixes;
    sim::nvml::State state;
    sim::nvml::Gpu gpu = empty;
    gpu.mig = true;
    const auto make = [&](sim::nvml::Gpu& on, const MigSlot& slot) {
      uint32_t id = 0;
      return sim::nvml::CreateGpuInstance(
                 state, on, slot.profile_id,
                 nvml::Placement{.start = slot.place.start, .size = slot.place.size},
                 id) == nvml::kSuccess;
    };
    for (size_t i : mix) ASSERT_TRUE(make(gpu, layout_.slots[i]));
    for (const MigSlot& slot : layout_.slots) {
      sim::nvml::Gpu copy = gpu;
      EXPECT_EQ(card.Fits(slot), make(copy, slot)) << slot.part;
    }
  });
  EXPECT_GT(mixes, 20U);
}

TEST_P(MigTables, EveryMixThatFitsIsHadWhenItsLargestAreAskedForFirst) {
  std::set<std::multiset<size_t>> mixes;  // by the position of the first slot of each profile
  std::map<uint32_t, size_t> rank;        // the later in the order, the larger
  for (size_t i = 0; i < layout_.slots.size(); ++i) rank.emplace(layout_.slots[i].profile_id, i);
  std::vector<size_t> taken;
  ForEachMix(layout_, Card(layout_), 0, taken, [&](const Card&, const auto& mix) {
    std::multiset<size_t> kinds;
    for (size_t i : mix) kinds.insert(rank.at(layout_.slots[i].profile_id));
    mixes.insert(std::move(kinds));
  });
  for (const std::multiset<size_t>& mix : mixes) {
    Card card(layout_);
    std::string asked;
    for (auto kind = mix.rbegin(); kind != mix.rend(); ++kind) {
      asked += layout_.slots[*kind].profile + " ";
      EXPECT_TRUE(card.TakeFirst(layout_.slots, layout_.slots[*kind].profile_id)) << asked;
    }
  }
}

// How many sequences of requests, without a release, are served up to their last.
int Served(const std::vector<MigSlot>& slots, const std::set<uint32_t>& profiles,
           const Card& card) {
  int served = 1;
  for (uint32_t profile : profiles) {
    Card next = card;
    if (next.TakeFirst(slots, profile)) served += Served(slots, profiles, next);
  }
  return served;
}

// No order is the best for every sequence: after 2g.20gb and 3g.40gb, from left to right there is
// room for another 2g.20gb; in packing order there is room for a 4g.40gb after the first instead.
TEST_P(MigTables, MoreSequencesOfRequestsAreServedThanFromLeftToRight) {
  std::vector<MigSlot> by_start = layout_.slots;
  std::ranges::stable_sort(by_start, {}, [](const MigSlot& slot) { return slot.place.start; });
  std::set<uint32_t> profiles;
  for (const MigSlot& slot : layout_.slots) profiles.insert(slot.profile_id);
  const int ours = Served(layout_.slots, profiles, Card(layout_));
  const int left = Served(by_start, profiles, Card(layout_));
  if (layout_.memory_slices == 8) {
    EXPECT_EQ(ours, 903);
    EXPECT_EQ(left, 883);
  } else {
    EXPECT_EQ(ours, left) << "places of four slices are the same from both ends";
  }
  profiles.erase(15);  // twice the memory for one compute slice, which few ask for
  EXPECT_GE(Served(layout_.slots, profiles, Card(layout_)),
            Served(by_start, profiles, Card(layout_)));
}

TEST_P(MigTables, NamesArePartsOfDnsLabelsAndAreFoundAgain) {
  std::set<std::string> names;
  for (const MigSlot& slot : layout_.slots) {
    EXPECT_THAT(slot.part, MatchesRegex("[a-z0-9][-a-z0-9]{0,30}[a-z0-9]"));
    EXPECT_TRUE(names.insert(slot.part).second) << slot.part;
    EXPECT_EQ(FindSlot(layout_, slot.part), &slot);
    EXPECT_EQ(FindSlot(layout_, slot.profile_id, slot.place), &slot);
  }
}

INSTANTIATE_TEST_SUITE_P(Published, MigTables, testing::ValuesIn(sim::nvml::Models()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(MigLayouts, PlacesThatAreInTheWayOfTheFewestOthersComeFirst) {
  const MigLayout h100 = LayoutOf("h100-80");
  EXPECT_THAT(Parts(h100, "1g.10gb"),
              ElementsAre("1g-10gb-6", "1g-10gb-5", "1g-10gb-4", "1g-10gb-3", "1g-10gb-2",
                          "1g-10gb-1", "1g-10gb-0"));
  EXPECT_THAT(Parts(h100, "2g.20gb"), ElementsAre("2g-20gb-4", "2g-20gb-2", "2g-20gb-0"));
  EXPECT_THAT(Parts(h100, "3g.40gb"), ElementsAre("3g-40gb-4", "3g-40gb-0"));
  EXPECT_EQ(h100.memory_slices, 8U);
  EXPECT_EQ(h100.stock.at("compute_slices"), 7);
  EXPECT_EQ(h100.stock.at("1g-10gb-me"), 1);
  EXPECT_EQ(h100.slots.front().profile, "1g.10gb");
  EXPECT_EQ(h100.slots.back().profile, "7g.80gb");
}

TEST(MigLayouts, LeaveOutWhatCanNeverBeMade) {
  const GpuInstanceProfile good{.id = 19,
                                .name = "1g.10gb",
                                .compute_slices = 1,
                                .memory_mib = 9984,
                                .max_instances = 1,
                                .placements = {{.start = 0, .size = 1}, {.start = 0, .size = 0}}};
  GpuInstanceProfile none = good, nowhere = good, empty = good, wild = good;
  none.max_instances = 0;
  nowhere.placements.clear();
  empty.compute_slices = 0;
  wild.placements = {{.start = 4'000'000'000, .size = 4'000'000'000}};
  const MigLayout layout = LayOutMig({none, nowhere, empty, wild, good});
  ASSERT_EQ(layout.slots.size(), 1U);
  EXPECT_EQ(layout.slots[0].part, "1g-10gb-0");
  EXPECT_THAT(LayOutMig({none}).slots, IsEmpty());
}

TEST(MigLayouts, KeepApartProfilesWhoseNamesDoNot) {
  GpuInstanceProfile profile{.id = 1,
                             .name = "1g.24gb+me",
                             .compute_slices = 1,
                             .max_instances = 1,
                             .placements = {{.start = 0, .size = 1}}};
  std::vector<GpuInstanceProfile> profiles{profile};
  for (const char* name : {"1g.24gb-me", "1g.24gb+me.all", "1G.24GB ME", "", "\xff/../"}) {
    profile.id++;
    profile.name = name;
    profiles.push_back(profile);
  }
  std::set<std::string> names;
  for (const MigSlot& slot : LayOutMig(profiles).slots) names.insert(slot.part);
  EXPECT_THAT(names, ElementsAre("1g-24gb-me-0", "1g-24gb-me-all-0", "1g-24gb-me-p4-0",
                                 "1g-24gb-no-me-0", "p5-0", AnyOf("p6-0", "--p6-0")));
}

}  // namespace
}  // namespace drapci::hal
