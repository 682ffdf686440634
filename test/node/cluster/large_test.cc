// Large and mixed nodes (contract section 10.3): the server takes all slices, and a scheduler that
// goes by them gives nothing twice. Runs on any board.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

class WholeNode : public ClusterNode {};

using Uses = std::map<std::string, int>;  // by "POOL SET COUNTER"

int Amount(const Json& counter) { return std::stoi(counter.at("value").get<std::string>()); }

TEST_F(WholeNode, IsPublishedAsAWholeAndNothingOfItIsGivenTwice) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  ASSERT_EQ(ShownSlices().at("dropped"), Json::array());
  Uses totals, used;
  std::map<std::string, Json> devices;  // by "POOL DEVICE"
  size_t most = 0;
  for (const Json& slice : api_.Slices()) {
    const Json& spec = slice.at("spec");
    const auto pool = spec.at("pool").at("name").get<std::string>();
    most = std::max(most, spec.value("devices", Json::array()).size());
    for (const Json& device : spec.value("devices", Json::array())) {
      const auto name = device.at("name").get<std::string>();
      EXPECT_TRUE(devices.emplace(pool + " " + name, device).second) << name << " is there twice";
    }
    for (const Json& set : spec.value("sharedCounters", Json::array())) {
      for (const auto& [name, counter] : set.at("counters").items()) {
        totals[fmt::format("{} {} {}", pool, set.at("name").get<std::string>(), name)] =
            Amount(counter);
      }
    }
  }
  EXPECT_LE(most, 64U);

  std::set<std::string> given;
  const auto take = [&](int count) {
    const auto claim =
        api_.Allocate(fmt::format("c{}", given.size()),
                      Json::array({{{"name", "r"}, {"driver", "dra.pci"}, {"count", count}}}));
    if (!claim) return false;
    for (const Json& result : claim->at("status").at("allocation").at("devices").at("results")) {
      const auto pool = result.at("pool").get<std::string>();
      const std::string id = pool + " " + result.at("device").get<std::string>();
      EXPECT_TRUE(given.insert(id).second) << id << " is given twice";
      for (const Json& use : devices.at(id).value("consumesCounters", Json::array())) {
        for (const auto& [name, counter] : use.at("counters").items()) {
          used[fmt::format("{} {} {}", pool, use.at("counterSet").get<std::string>(), name)] +=
              Amount(counter);
        }
      }
    }
    return true;
  };
  while (take(32)) {
  }
  while (take(1)) {
  }
  EXPECT_GT(given.size(), 0U);
  for (const auto& [counter, amount] : used) EXPECT_EQ(amount, totals.at(counter)) << counter;
  fmt::print("{} devices in {} slices, at most {} in one; {} given, {} counters used up\n",
             devices.size(), api_.Slices().size(), most, given.size(), used.size());
}

}  // namespace
}  // namespace drapci::test
