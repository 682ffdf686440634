// Contract 10.3 case 23: slices as large as this driver makes them are taken by an API server, and
// one more of anything that both count is refused by both.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/slices/convert.h"
#include "plugin/slices/limits.h"
#include "plugin/slices/model.h"
#include "plugin/slices/reconcile.h"
#include "test/unit/apiserver/harness.h"

namespace drapci::plugin::slices {
namespace {

const Owner kOwner{.driver_name = "dra.pci", .node_name = "node1", .node_uid = "node-uid"};

std::map<std::string, int64_t> Counters(int count) {
  std::map<std::string, int64_t> counters;
  for (int i = 0; i < count; ++i) counters[fmt::format("counter-{}", i)] = 1;
  return counters;
}

SliceContent Devices(size_t count, int attributes, int taints) {
  SliceContent content;
  for (size_t i = 0; i < count; ++i) {
    SliceDevice& device = content.devices.emplace_back();
    device.name = fmt::format("device-{}", i);
    for (int n = 0; n < attributes; ++n) {
      device.attributes[fmt::format("attribute{}", n)] = std::string(64, 'x');
    }
    for (int n = 0; n < taints; ++n) {
      device.taints.push_back({.key = fmt::format("dra.pci/taint{}", n), .effect = "NoExecute"});
    }
  }
  return content;
}

SliceContent CounterSets(int sets, int counters) {
  SliceContent content;
  for (int i = 0; i < sets; ++i) {
    CounterSet& set = content.counter_sets.emplace_back();
    set.name = fmt::format("set-{}", i);
    set.counters = Counters(counters);
  }
  return content;
}

// What the API server of 1.`minor` says of the slices of one pool; empty when it takes them.
std::string Refusal(const std::vector<SliceContent>& slices, int minor = 36) {
  apiserver::Harness server(minor, {{"DRADeviceTaints", true}, {"DRAPartitionableDevices", true}});
  for (size_t index = 0; index < slices.size(); ++index) {
    const auto answer =
        server.Post(apiserver::kSlices,
                    nlohmann::json::parse(EncodeSlice(kOwner, "node1/card", 1, slices.size(), index,
                                                      slices[index], nullptr)));
    if (answer.status != 201) return fmt::format("{}: {}", answer.cause(), answer.raw.body);
  }
  return "";
}

bool Sound(const std::vector<SliceContent>& slices) {
  return CheckPool({.name = "node1/card", .slices = slices}).has_value();
}

TEST(MaxSizeTest, SlicesFullOfDevicesAttributesAndTaintsAreTaken) {
  const std::vector<SliceContent> largest{Devices(kMaxDevices, 32, kMaxTaints)};
  EXPECT_TRUE(Sound(largest));
  for (const int minor : {35, 36, 37}) EXPECT_EQ(Refusal(largest, minor), "") << minor;
  for (const auto& more : {Devices(kMaxDevices + 1, 32, kMaxTaints), Devices(1, 33, 0)}) {
    EXPECT_FALSE(Sound({more}));
    EXPECT_NE(Refusal({more}), "");
  }
}

TEST(MaxSizeTest, SlicesFullOfCountersAreTaken) {
  std::vector<SliceContent> largest{CounterSets(8, 32), Devices(kMaxDevices, 32, 0)};
  for (size_t i = 0; i < kMaxDevices; ++i) {
    largest[1].devices[i].consumes = {
        {.counter_set = fmt::format("set-{}", i % 8), .counters = Counters(32)}};
  }
  EXPECT_TRUE(Sound(largest));
  for (const int minor : {35, 36, 37}) EXPECT_EQ(Refusal(largest, minor), "") << minor;
  for (const auto& more : {CounterSets(9, 1), CounterSets(1, 33)}) {
    EXPECT_FALSE(Sound({more}));
    EXPECT_NE(Refusal({more}), "");
  }
}

// What the limits of this driver allow, the server's rules allow.
TEST(MaxSizeTest, AsMuchAsADeviceMayTakeOfCountersIsTaken) {
  std::vector<SliceContent> largest{CounterSets(8, 32), Devices(kMaxDevices, 0, 0)};
  for (SliceDevice& device : largest[1].devices) {
    for (int set = 0; set < 2; ++set) {
      device.consumes.push_back(
          {.counter_set = fmt::format("set-{}", set), .counters = Counters(32)});
    }
  }
  ASSERT_TRUE(Sound(largest));
  for (const int minor : {35, 36, 37}) EXPECT_EQ(Refusal(largest, minor), "") << minor;
}

}  // namespace
}  // namespace drapci::plugin::slices
