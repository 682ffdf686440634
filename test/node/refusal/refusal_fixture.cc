#include "test/node/refusal/refusal_fixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <algorithm>

namespace drapci::test {

std::vector<Scenario> Scenarios(const std::string& card) {
  return {{.name = "a VF by its kernel driver",
           .held = {},
           .claim = {.name = "first", .device = card + "-vf1"}},
          {.name = "a VF through vfio beside another",
           .held = {{.name = "other", .device = card + "-vf0"}},
           .claim = {.name = "second", .device = card + "-vf2", .vfio = true}},
          {.name = "the whole card through vfio",
           .held = {},
           .claim = {.name = "whole", .device = card, .vfio = true}}};
}

std::vector<Scenario> NetworkScenarios(const std::string& card, const Scratch& scratch) {
  const std::string head = "apiVersion: config.dra.pci/v1alpha1\nkind: NetworkConfig\n";
  const std::string vf = scratch.Write("vf.yaml", head +
                                                      "interface: net1\n"
                                                      "addresses: [10.0.0.2/24]\n"
                                                      "mtu: 1400\n"
                                                      "mac: \"02:00:00:00:00:07\"\n"
                                                      "vlan: 100\n"
                                                      "maxRate: 100M\n"
                                                      "spoofCheck: false\n");
  const std::string whole = scratch.Write("whole.yaml", head + "mtu: 1400\n");
  return {{.name = "a VF with network settings beside another",
           .held = {{.name = "other", .device = card + "-vf0"}},
           .claim = {.name = "net", .device = card + "-vf1", .options = {"--config", vf}}},
          {.name = "the whole card with an MTU",
           .held = {},
           .claim = {.name = "mtu", .device = card, .options = {"--config", whole}}}};
}

std::vector<Scenario> ShareScenarios(const std::string& card) {
  return {{.name = "a share with a rate beside another",
           .held = {{.name = "other", .device = card, .options = {"--share", "bandwidth=300M"}}},
           .claim = {.name = "share", .device = card, .options = {"--share", "bandwidth=200M"}}}};
}

RefusalNode::RefusalNode(const std::string& config)
    : node_(Programs::FromEnvironment(), scratch_,
            {"--standalone", "--config", scratch_.Write("config.yaml", config)}),
      inject_(Programs::FromEnvironment()) {}

void RefusalNode::SetUp() {
  const auto pf = FirstPhysicalFunction();
  ASSERT_TRUE(pf) << pf.error().what;
  card_ = DeviceNameOf(*pf);
  before_ = ReadHardware();
  const auto cleared = inject_.Clear();
  ASSERT_TRUE(cleared) << cleared.error().what;
}

void RefusalNode::TearDown() {
  if (!node_.running()) return;
  // What a configuration holds for itself (standing) may stay.
  EXPECT_THAT(node_.CliDone({"claims"}).value_or("cli-?"),
              testing::Not(testing::HasSubstr("cli-")));
  ExpectClean();
  const auto stopped = node_.Stop();
  EXPECT_TRUE(stopped) << stopped.error().what;
  EXPECT_EQ(Differences(before_, ReadHardware()), "");
  EXPECT_TRUE(node_.CdiFiles().empty());
}

void RefusalNode::Done(const std::vector<std::string>& arguments) {
  const auto done = node_.CliDo(arguments);
  EXPECT_TRUE(done) << done.error().what;
}

std::string RefusalNode::Refused(const std::vector<std::string>& arguments) {
  const auto finished = node_.Cli(arguments);
  if (!finished) return finished.error().what;
  EXPECT_EQ(finished->code, 1) << fmt::format("{}", fmt::join(arguments, " "));
  EXPECT_EQ(std::ranges::count(finished->err, '\n'), 1) << finished->err;
  return finished->err;
}

void RefusalNode::ExpectClean() { Done({"verify"}); }

}  // namespace drapci::test
