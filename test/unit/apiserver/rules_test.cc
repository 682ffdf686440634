// Each rule for slices is broken once; the server names the field.
#include <gtest/gtest.h>

#include <functional>

#include "test/unit/apiserver/harness.h"

namespace drapci::apiserver {
namespace {

struct Break {
  std::string cause;  // of the refusal; empty: accepted
  std::function<void(json& spec)> change;
  int minor = 36;
};

void PrintTo(const Break& one, std::ostream* out) { *out << one.cause << " in 1." << one.minor; }

json Many(size_t count, const json& device = json::object()) {
  json devices = json::array();
  for (size_t i = 0; i < count; ++i) {
    devices.push_back(device);
    devices.back()["name"] = "d" + std::to_string(i);
  }
  return devices;
}

json Numbered(size_t count, const json& value) {
  json map = json::object();
  for (size_t i = 0; i < count; ++i) map["k" + std::to_string(i)] = value;
  return map;
}

json Sets(size_t sets, size_t counters) {
  json list = json::array();
  for (size_t i = 0; i < sets; ++i) {
    list.push_back(
        {{"name", "s" + std::to_string(i)}, {"counters", Numbered(counters, {{"value", "1"}})}});
  }
  return list;
}

const json kTaint = {{"key", "a"}, {"effect", "NoSchedule"}};
const json kConsumes = {{{"counterSet", "s0"}, {"counters", {{"k0", {{"value", "1"}}}}}}};

json Shared(const json& policy) {
  return {{{"name", "d0"},
           {"allowMultipleAllocations", true},
           {"capacity", {{"bw", {{"value", "10"}, {"requestPolicy", policy}}}}}}};
}

json OneDevice(const json& more) {
  json slice = Slice();
  slice["spec"]["devices"][0].update(more);
  return slice;
}

class RuleTest : public testing::TestWithParam<Break> {};

TEST_P(RuleTest, IsChecked) {
  Harness harness(GetParam().minor, {{"DRADeviceTaints", true},
                                     {"DRAPartitionableDevices", true},
                                     {"DRAConsumableCapacity", true},
                                     {"DRADeviceBindingConditions", true}});
  json slice = Slice();
  GetParam().change(slice["spec"]);
  const auto answer = harness.Post(kSlices, slice);
  EXPECT_EQ(answer.status, GetParam().cause.empty() ? 201 : 422) << answer.body;
  EXPECT_EQ(answer.cause(), GetParam().cause) << answer.body;
}

const Break kSliceRules[] = {
    {"", [](json&) {}},
    {"spec.driver: FieldValueRequired", [](json& s) { s.erase("driver"); }},
    {"spec.driver: FieldValueInvalid", [](json& s) { s["driver"] = std::string(64, 'a'); }},
    {"spec.pool.name: FieldValueRequired", [](json& s) { s["pool"].erase("name"); }},
    {"spec.pool.name: FieldValueInvalid", [](json& s) { s["pool"]["name"] = "a//b"; }},
    {"", [](json& s) { s["pool"]["name"] = "a/b.c"; }},
    {"spec.pool.resourceSliceCount: FieldValueInvalid",
     [](json& s) { s["pool"]["resourceSliceCount"] = 0; }},
    {"spec.pool.generation: FieldValueInvalid", [](json& s) { s["pool"]["generation"] = -1; }},
    {"spec: FieldValueRequired", [](json& s) { s.erase("nodeName"); }},
    {"spec: FieldValueInvalid", [](json& s) { s["allNodes"] = true; }},
    {"spec.allNodes: FieldValueInvalid",
     [](json& s) { s.erase("nodeName"), s["allNodes"] = false; }},
    {"spec.nodeSelector.nodeSelectorTerms: FieldValueInvalid",
     [](json& s) { s.erase("nodeName"), s["nodeSelector"] = json::object(); }},
    {"spec: FieldValueInvalid", [](json& s) { s["sharedCounters"] = Sets(1, 1); }},
    // An empty list is a list: presence is what counts.
    {"spec: FieldValueInvalid",
     [](json& s) { s["devices"] = json::array(), s["sharedCounters"] = Sets(1, 1); }},
    {"", [](json& s) { s.erase("devices"), s["sharedCounters"] = Sets(8, 32); }},
    {"spec.sharedCounters: FieldValueTooMany",
     [](json& s) { s.erase("devices"), s["sharedCounters"] = Sets(9, 1); }},
    {"spec.sharedCounters[0].counters: FieldValueTooMany",
     [](json& s) { s.erase("devices"), s["sharedCounters"] = Sets(1, 33); }},
    {"spec.sharedCounters[0].counters: FieldValueRequired",
     [](json& s) { s.erase("devices"), s["sharedCounters"] = Sets(1, 0); }},
    {"", [](json& s) { s["sharedCounters"] = Sets(1, 1); }, 34},
    {"spec.sharedCounters: FieldValueTooMany", [](json& s) { s["sharedCounters"] = Sets(2, 17); },
     34},
    {"spec.devices[0].consumesCounters[0].counterSet: FieldValueInvalid",
     [](json& s) { s["devices"][0]["consumesCounters"] = kConsumes; }, 34},
    {"", [](json& s) { s["devices"] = Many(128); }},
    {"spec.devices: FieldValueTooMany", [](json& s) { s["devices"] = Many(129); }},
    {"spec.devices: FieldValueTooMany",
     [](json& s) { s["devices"] = Many(65), s["devices"][9]["taints"] = json::array({kTaint}); }},
    {"", [](json& s) { s["devices"] = Many(64, {{"consumesCounters", kConsumes}}); }},
    {"spec.devices: FieldValueTooMany",
     [](json& s) { s["devices"] = Many(65, {{"consumesCounters", kConsumes}}); }},
    {"",
     [](json& s) { s["devices"] = Many(128), s["devices"][9]["taints"] = json::array({kTaint}); },
     34},
};
INSTANTIATE_TEST_SUITE_P(Slice, RuleTest, testing::ValuesIn(kSliceRules));

// A rule of one device.
Break OfDevice(std::string cause, json merge, int minor = 36) {
  const std::string field = cause.empty() ? "" : "spec.devices[0]" + cause;
  return {field, [merge](json& spec) { spec["devices"][0].merge_patch(merge); }, minor};
}

const Break kDeviceRules[] = {
    OfDevice(".name: FieldValueInvalid", {{"name", "A"}}),
    OfDevice(".name: FieldValueRequired", {{"name", nullptr}}),
    {"spec.devices[1].name: FieldValueDuplicate",
     [](json& s) { s["devices"] = {Device("a"), Device("a")}; }},
    OfDevice("", {{"attributes", Numbered(32, {{"int", 1}})}}),
    OfDevice(": FieldValueTooMany", {{"attributes", Numbered(33, {{"int", 1}})}}),
    OfDevice(": FieldValueTooMany", {{"attributes", Numbered(20, {{"int", 1}})},
                                     {"capacity",
                                      {{"c", {{"value", "1"}}},
                                       {"b", {{"value", "1"}}},
                                       {"d", {{"value", "1"}}},
                                       {"e", {{"value", "1"}}},
                                       {"f", {{"value", "1"}}},
                                       {"g", {{"value", "1"}}},
                                       {"h", {{"value", "1"}}},
                                       {"i", {{"value", "1"}}},
                                       {"j", {{"value", "1"}}},
                                       {"l", {{"value", "1"}}},
                                       {"m", {{"value", "1"}}},
                                       {"n", {{"value", "1"}}},
                                       {"o", {{"value", "1"}}}}}}),
    OfDevice(".attributes[x]: FieldValueRequired", {{"attributes", {{"x", json::object()}}}}),
    OfDevice(".attributes[x]: FieldValueInvalid",
             {{"attributes", {{"x", {{"int", 1}, {"bool", true}}}}}}),
    OfDevice(".attributes[a-b]: FieldValueInvalid", {{"attributes", {{"a-b", {{"int", 1}}}}}}),
    OfDevice(".attributes[x].string: FieldValueTooLong",
             {{"attributes", {{"x", {{"string", std::string(65, 'a')}}}}}}),
    OfDevice(".attributes[x].version: FieldValueInvalid",
             {{"attributes", {{"x", {{"version", "1.02.3"}}}}}}),
    OfDevice(".taints: FieldValueTooMany", {{"taints", std::vector<json>(5, kTaint)}}, 34),
    OfDevice(".taints: FieldValueTooMany", {{"taints", std::vector<json>(17, kTaint)}}),
    OfDevice("", {{"taints", std::vector<json>(16, kTaint)}}, 35),
    OfDevice(".taints[0].effect: FieldValueRequired", {{"taints", {{{"key", "a"}}}}}),
    OfDevice(".taints[0].effect: FieldValueNotSupported",
             {{"taints", {{{"key", "a"}, {"effect", "None"}}}}}, 34),
    OfDevice("", {{"taints", {{{"key", "a"}, {"effect", "None"}}}}}, 35),
    OfDevice(".bindingFailureConditions: FieldValueInvalid", {{"bindingConditions", {"a"}}}),
    OfDevice(".bindingFailureConditions[0]: FieldValueDuplicate",
             {{"bindingConditions", {"a"}}, {"bindingFailureConditions", {"a"}}}),
    OfDevice(".allNodes: FieldValueForbidden", {{"allNodes", true}}),
    OfDevice(".capacity[x].requestPolicy: FieldValueForbidden",
             {{"capacity", {{"x", {{"value", "1"}, {"requestPolicy", {{"default", "1"}}}}}}}}),
};
INSTANTIATE_TEST_SUITE_P(Device, RuleTest, testing::ValuesIn(kDeviceRules));

Break OfPolicy(std::string cause, json policy) {
  const std::string field =
      cause.empty() ? "" : "spec.devices[0].capacity[bw].requestPolicy" + cause;
  return {field, [policy](json& spec) { spec["devices"] = Shared(policy); }};
}

const Break kPolicyRules[] = {
    OfPolicy("", {{"default", "2"}, {"validRange", {{"min", "1"}, {"max", "9"}, {"step", "1"}}}}),
    OfPolicy(".default: FieldValueRequired", {{"validRange", {{"min", "1"}}}}),
    OfPolicy(".validRange.min: FieldValueRequired",
             {{"default", "1"}, {"validRange", {{"max", "2"}}}}),
    OfPolicy(".default: FieldValueInvalid", {{"default", "1"}, {"validRange", {{"min", "2"}}}}),
    OfPolicy(".validRange.max: FieldValueInvalid",
             {{"default", "1"}, {"validRange", {{"min", "1"}, {"max", "11"}}}}),
    OfPolicy(".validRange.step: FieldValueInvalid",
             {{"default", "1"}, {"validRange", {{"min", "1"}, {"step", "0"}}}}),
    OfPolicy(".default: FieldValueInvalid",
             {{"default", "2"}, {"validRange", {{"min", "1"}, {"step", "2"}}}}),
    OfPolicy(": FieldValueForbidden",
             {{"default", "1"}, {"validValues", {"1"}}, {"validRange", {{"min", "1"}}}}),
    OfPolicy(".default: FieldValueInvalid", {{"default", "3"}, {"validValues", {"1", "2"}}}),
    OfPolicy(".validValues[1]: FieldValueInvalid", {{"default", "1"}, {"validValues", {"2", "1"}}}),
    OfPolicy(".validValues[1]: FieldValueInvalid",
             {{"default", "1"}, {"validValues", {"1", "11"}}}),
};
INSTANTIATE_TEST_SUITE_P(Policy, RuleTest, testing::ValuesIn(kPolicyRules));

TEST(SliceTest, DriverNodeAndPoolNameNeverChange) {
  Harness harness;
  const auto made = harness.Post(kSlices, Slice());
  for (const auto& [field, value] :
       {std::pair{"driver", "other.example.com"}, {"nodeName", "n2"}}) {
    json changed = made.body;
    changed["spec"][field] = value;
    EXPECT_EQ(harness.Put(kSlices + "/" + made.name(), changed).cause(),
              std::string("spec.") + field + ": FieldValueInvalid");
  }
}

TEST(GateTest, OffDropsTheFieldsSilently) {
  Harness harness(34);
  json slice = Slice();
  slice["spec"]["sharedCounters"] = Sets(1, 1);
  slice["spec"]["devices"] = Shared({{"default", "1"}});
  slice["spec"]["devices"][0].update(
      {{"taints", {kTaint}}, {"consumesCounters", kConsumes}, {"bindsToNode", true}});
  const auto made = harness.Post(kSlices, slice);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.body["spec"]["devices"],
            json::array({{{"name", "d0"}, {"capacity", {{"bw", {{"value", "10"}}}}}}}));
  EXPECT_FALSE(made.body["spec"].contains("sharedCounters"));
}

TEST(GateTest, OffLeavesAListAttributeWithoutAValue) {
  Harness harness(36);
  EXPECT_EQ(harness.Post(kSlices, OneDevice({{"attributes", {{"x", {{"ints", {1}}}}}}})).cause(),
            "spec.devices[0].attributes[x]: FieldValueRequired");
}

TEST(GateTest, OffKeepsWhatTheStoredSliceUsesAlready) {
  Harness before(36);
  json slice = Slice();
  slice["spec"]["devices"][0]["taints"] = json::array({kTaint});
  const std::string name = before.Post(kSlices, slice).name();
  Harness after(36, {{"DRADeviceTaints", false}});
  ASSERT_TRUE(after.server->Restore(before.server->Dump()));
  json stored = after.Get(kSlices + "/" + name).body;
  stored["spec"]["devices"][0]["taints"][0]["key"] = "b";
  const auto changed = after.Put(kSlices + "/" + name, stored);
  EXPECT_EQ(changed.body["spec"]["devices"][0]["taints"][0]["key"], "b");
}

TEST(GateTest, OffMakesASliceWithPerDeviceNodesInvalid) {
  Harness harness(35);
  json slice = OneDevice({{"allNodes", true}});
  slice["spec"].erase("nodeName");
  slice["spec"]["perDeviceNodeSelection"] = true;
  EXPECT_EQ(harness.Post(kSlices, slice).cause(), "spec: FieldValueRequired");
}

TEST(GateTest, UnknownAndLockedGatesAreRefused) {
  EXPECT_FALSE(Gates::Of(34, {{"DRAListTypeAttributes", true}}));
  EXPECT_FALSE(Gates::Of(36, {{"DRAAdminAccess", false}}));
  EXPECT_FALSE(Gates::Of(38, {}));
}

TEST(DecodeTest, UnknownFieldsArePrunedWarnedOfOrRefused) {
  Harness harness(36);
  json slice = Slice();
  slice["spec"]["skipNodeOperations"] = json::array({"*"});  // of 1.37
  const auto made = harness.Post(kSlices, slice);
  EXPECT_FALSE(made.body["spec"].contains("skipNodeOperations"));
  ASSERT_EQ(made.raw.headers.size(), 1U);
  EXPECT_EQ(made.raw.headers[0].second, R"(299 - "unknown field \"spec.skipNodeOperations\"")");
  EXPECT_EQ(harness.Post(kSlices + "?fieldValidation=Strict", slice).status, 400);
}

TEST(DecodeTest, TypesAreChecked) {
  Harness harness;
  json slice = Slice();
  slice["spec"]["pool"]["generation"] = "1";
  EXPECT_EQ(harness.Post(kSlices, slice).status, 400);
}

TEST(DecodeTest, QuantitiesBecomeCanonical) {
  Harness harness;
  for (const auto& [sent, stored] : {std::pair<json, const char*>{"1024Mi", "1Gi"},
                                     {"0.5", "500m"},
                                     {"2000", "2k"},
                                     {2000, "2k"},
                                     {"1.5Gi", "1536Mi"},
                                     {"1073741824", "1073741824"},
                                     {"1e3", "1e3"}}) {
    const auto made = harness.Post(kSlices, OneDevice({{"capacity", {{"c", {{"value", sent}}}}}}));
    EXPECT_EQ(made.body["spec"]["devices"][0]["capacity"]["c"]["value"], stored);
  }
  const json wrong = OneDevice({{"capacity", {{"c", {{"value", "1 Gi"}}}}}});
  EXPECT_EQ(harness.Post(kSlices, wrong).status, 400);
}

TEST(TaintTest, TimeAddedIsFilledInAndOneThatIsSentIsKept) {
  Harness harness;
  const auto made = harness.Post(kSlices, OneDevice({{"taints", {kTaint}}}));
  EXPECT_EQ(made.body["spec"]["devices"][0]["taints"][0]["timeAdded"], "2027-01-15T08:00:00Z");
  harness.now += 60;
  const auto same = harness.Put(kSlices + "/" + made.name(), made.body);
  EXPECT_EQ(same.body, made.body);
}

}  // namespace
}  // namespace drapci::apiserver
