// What the cluster is told of a card's condition: taints, conditions of claims, Events.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Fatal errors count for two seconds; others, which do not go away by themselves here, are notes.
constexpr const char* kQuick =
    "health:\n"
    "  periods: {aer: 1s}\n"
    "  rules:\n"
    "  - {name: aer-fatal, within: 2s, quiet: 1s}\n"
    "  - {name: aer-root-port, enabled: false}\n"
    "  - {name: aer-nonfatal, enabled: false}\n";

class HealthTaints : public ClusterNode {
 protected:
  HealthTaints() : ClusterNode(kQuick) {}

  Json TaintsOf(const std::string& device) const {
    const auto found = api_.Device(device);
    return found ? found->value("taints", Json::array()) : Json();
  }
  // "PcieFatalError:NoSchedule"
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Json& taint : TaintsOf(card() + "-vf0")) {
      EXPECT_EQ(taint.at("key"), "dra.pci/unhealthy");
      names.push_back(taint.at("value").get<std::string>() + ":" +
                      taint.at("effect").get<std::string>());
    }
    return names;
  }
  bool Soonly(const std::vector<std::string>& names) const {
    return Soon([&] { return Names() == names; }, std::chrono::seconds(30));
  }
  void Break() { Inject({"aer", address(), "fatal", "DLP"}); }
  std::vector<std::string> Events() const {
    std::vector<std::string> reasons;
    const auto events = api_.Get("/apis/events.k8s.io/v1/namespaces/default/events");
    if (!events) return reasons;
    for (const Json& event : events->at("items")) {
      if (event.at("regarding").at("kind") == "Node") reasons.push_back(event.at("reason"));
    }
    return reasons;
  }
};

TEST_F(HealthTaints, AppearOnEveryDeviceOfTheCardAndGoWhenItRecovers) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  api_.Reset();
  Break();
  ASSERT_TRUE(Soonly({"PcieFatalError:NoSchedule"}));
  for (const Json& device : api_.Devices()) {
    EXPECT_EQ(TaintsOf(device.at("name").get<std::string>()).size(), 1U);
  }
  EXPECT_TRUE(Soonly({}));
  EXPECT_EQ(api_.SliceWrites(), 2U);
}

TEST_F(HealthTaints, KeepTheirTimeWhileOthersComeAndSurviveAConflict) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  Inject({"aer", address(), "nonfatal", "DLP"});  // a note, for ten minutes
  ASSERT_TRUE(Soonly({"PcieErrors:None"}));
  const Json time = TaintsOf(card() + "-vf0").at(0).at("timeAdded");
  EXPECT_NE(time, "");
  api_.Fault(
      {{"match", {{"method", "PUT"}, {"pathPrefix", "/apis/resource.k8s.io/v1/resourceslices"}}},
       {"count", 1},
       {"status", 409},
       {"reason", "Conflict"}});
  // Its time must not be that of the next one.
  ASSERT_TRUE(Soon([&] {
    Break();
    return Names() == std::vector<std::string>{"PcieFatalError:NoSchedule", "PcieErrors:None"};
  }));
  EXPECT_EQ(TaintsOf(card() + "-vf0").at(1).at("timeAdded"), time);
  ASSERT_TRUE(Soonly({"PcieErrors:None"}));
  EXPECT_EQ(TaintsOf(card() + "-vf0").at(0).at("timeAdded"), time);
}

TEST_F(HealthTaints, AreWrittenWhenTheServerIsBack) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  api_.Stop();
  Inject({"aer", address(), "nonfatal", "DLP"});
  ASSERT_TRUE(api_.Start());
  EXPECT_TRUE(Soonly({"PcieErrors:None"}));
}

TEST_F(HealthTaints, ComeWithAConditionOnTheClaimsOfTheCardAndEventsOnTheNode) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  const ClaimObject claim = Allocated("held", Of(card() + "-vf0"));
  ASSERT_EQ(Prepare(claim).error, "");
  ASSERT_TRUE(Soon([this] { return Condition("held", "Ready") != Json::object(); }));
  EXPECT_EQ(Condition("held", "dra.pci/Healthy"), Json::object());
  Break();
  ASSERT_TRUE(
      Soon([this] { return Condition("held", "dra.pci/Healthy").value("status", "") == "False"; }));
  EXPECT_EQ(Condition("held", "dra.pci/Healthy").at("reason"), "PcieFatalError");
  EXPECT_EQ(Condition("held", "Ready").at("status"), "True");
  EXPECT_TRUE(
      Soon([this] { return Condition("held", "dra.pci/Healthy").value("status", "") == "True"; }));
  EXPECT_TRUE(Soon([this] {
    return Events() == std::vector<std::string>{"DeviceUnhealthy", "DeviceRecovered"} ||
           Events() == std::vector<std::string>{"DeviceRecovered", "DeviceUnhealthy"};
  }));
  EXPECT_EQ(Unprepare(claim), "");
}

class OldHealthTaints : public ClusterNode {
 protected:
  OldHealthTaints()
      : ClusterNode(kQuick, "",
                    {"--kubernetes", "1.34", "--feature-gates", "DRADeviceTaints=true"}) {}
};

TEST_F(OldHealthTaints, AreNoNotesWhereTheServerRefusesThem) {
  StartDaemon();
  ASSERT_TRUE(Settled());
  Inject({"aer", address(), "nonfatal", "DLP"});
  ASSERT_TRUE(Soon([this] {
    Inject({"aer", address(), "fatal", "DLP"});
    for (const Json& device : api_.Devices()) {
      const Json taints = device.value("taints", Json::array());
      if (taints.size() == 1 && taints.at(0).at("effect") == "NoSchedule") return true;
    }
    return false;
  }));
  EXPECT_TRUE(Settled());
}

}  // namespace
}  // namespace drapci::test
