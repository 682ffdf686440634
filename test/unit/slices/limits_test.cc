#include "plugin/slices/limits.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "plugin/slices/convert.h"
#include "test/unit/slices/node.h"

namespace drapci::plugin::slices {
namespace {

using ::testing::HasSubstr;

Pool GoodPool() {
  driver::Snapshot snapshot;
  snapshot.accelerators = {SriovCard(2, 3)};
  return MakePools(snapshot, "dra.pci", "node1", {}).at(0);
}

std::string Complaint(const std::function<void(Pool&)>& change) {
  Pool pool = GoodPool();
  change(pool);
  const Result<> check = CheckPool(pool);
  return check ? "" : check.error().what;
}
SliceDevice& First(Pool& pool) { return pool.slices[1].devices[0]; }

TEST(LimitsTest, TakesWhatIsSound) {
  EXPECT_EQ(Complaint([](Pool&) {}), "");
}

TEST(LimitsTest, TakesWhatIsAsLargeAsTheApiAllows) {
  Pool pool{.name = "node1/card", .slices = {}};
  SliceContent counters;
  for (int set = 0; set < 8; ++set) {
    CounterSet& each = counters.counter_sets.emplace_back();
    each.name = fmt::format("set-{}", set);
    for (int counter = 0; counter < 32; ++counter) each.counters[fmt::format("c-{}", counter)] = 1;
  }
  SliceContent devices;
  for (int index = 0; index < 64; ++index) {
    SliceDevice& device = devices.devices.emplace_back();
    device.name = fmt::format("device-{}", index);
    for (int attribute = 0; attribute < 32; ++attribute) {
      device.attributes[fmt::format("a{}", attribute)] = std::string(64, 'x');
    }
    for (int set = 0; set < 2; ++set) {
      device.consumes.push_back({.counter_set = fmt::format("set-{}", set),
                                 .counters = counters.counter_sets[0].counters});
    }
    for (int taint = 0; taint < 4; ++taint) {
      device.taints.push_back({.key = fmt::format("dra.pci/t{}", taint), .effect = "NoSchedule"});
    }
  }
  pool.slices = {counters, devices};
  const Result<> check = CheckPool(pool);
  EXPECT_TRUE(check.has_value()) << check.error().what;
}

TEST(LimitsTest, RefusesADeviceThatIsThereTwiceInAnySlices) {
  EXPECT_THAT(Complaint([](Pool& pool) {
                pool.slices.push_back({.devices = {First(pool)}, .counter_sets = {}});
              }),
              HasSubstr("device pci-0000-02-00-0-vf0: is in the pool twice"));
}

TEST(LimitsTest, RefusesACounterSetThatIsThereTwice) {
  EXPECT_THAT(Complaint([](Pool& pool) {
                auto& sets = pool.slices[0].counter_sets;
                sets.push_back(CounterSet(sets[0]));
              }),
              HasSubstr("has counter set pci-0000-02-00-0 twice"));
}

TEST(LimitsTest, RefusesUnknownCountersAndSets) {
  EXPECT_THAT(Complaint([](Pool& pool) { First(pool).consumes[0].counter_set = "none"; }),
              HasSubstr("takes from no counter set none"));
  EXPECT_THAT(Complaint([](Pool& pool) { First(pool).consumes[0].counters = {{"slots", 1}}; }),
              HasSubstr("takes from slots, which"));
}

TEST(LimitsTest, RefusesWhatTheApiHasNoRoomFor) {
  EXPECT_THAT(Complaint([](Pool& pool) {
                for (int i = 0; i < 64; ++i) {
                  pool.slices[1].devices.push_back({.name = "more-" + std::to_string(i)});
                }
              }),
              HasSubstr("at most 64"));
  EXPECT_THAT(Complaint([](Pool& pool) {
                for (int i = 0; i < 40; ++i) First(pool).attributes["a" + std::to_string(i)] = true;
              }),
              HasSubstr("at most 32"));
  EXPECT_THAT(Complaint([](Pool& pool) {
                auto& counters = pool.slices[0].counter_sets[0].counters;
                for (int i = 0; i < 40; ++i) counters["c" + std::to_string(i)] = 1;
              }),
              HasSubstr("allowed are 1 to 32"));
  EXPECT_THAT(Complaint([](Pool& pool) { First(pool).attributes["model"] = std::string(65, 'x'); }),
              HasSubstr("longer than 64 bytes"));
  EXPECT_THAT(Complaint([](Pool& pool) { First(pool).taints.resize(5); }), HasSubstr("taints"));
  EXPECT_THAT(Complaint([](Pool& pool) { pool.name = std::string(260, 'x'); }),
              HasSubstr("no list of DNS subdomains"));
}

TEST(LimitsTest, RefusesNamesThatTheApiDoesNotTake) {
  EXPECT_THAT(Complaint([](Pool& pool) { First(pool).name = "VF_0"; }), HasSubstr("no DNS label"));
  EXPECT_THAT(Complaint([](Pool& pool) { First(pool).attributes["2nd"] = true; }),
              HasSubstr("no qualified name"));
  EXPECT_THAT(Complaint([](Pool& pool) { First(pool).attributes["model"] = Version{"1.2"}; }),
              HasSubstr("no semantic version"));
}

TEST(LimitsTest, RefusesCountersAndDevicesInOneSlice) {
  EXPECT_THAT(Complaint([](Pool& pool) {
                pool.slices[0].devices = std::move(pool.slices[1].devices);
                pool.slices.pop_back();
              }),
              HasSubstr("both devices and counters"));
}

TEST(LimitsTest, RefusesPoliciesThatTheApiRefuses) {
  const auto with = [](Capacity capacity) {
    return Complaint([&capacity](Pool& pool) {
      First(pool).allow_multiple_allocations = true;
      First(pool).capacity["memory"] = capacity;
    });
  };
  EXPECT_EQ(with({.value = 10, .policy = RequestPolicy{.default_value = 3, .min = 1, .step = 2}}),
            "");
  EXPECT_NE(with({.value = 10, .policy = RequestPolicy{.default_value = 2, .min = 1, .step = 2}}),
            "");
  EXPECT_NE(with({.value = 10, .policy = RequestPolicy{.default_value = 1, .min = 1, .step = 10}}),
            "");
  EXPECT_NE(with({.value = 10, .policy = RequestPolicy{.default_value = 1, .min = 1, .max = 11}}),
            "");
}

}  // namespace
}  // namespace drapci::plugin::slices
