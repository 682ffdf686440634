// The status of claims: allocation, entries of drivers, server-side apply, who may write.
#include <gtest/gtest.h>

#include "test/unit/apiserver/harness.h"

namespace drapci::apiserver {
namespace {

json Entry(const std::string& device, const std::string& type = "") {
  json entry = {{"driver", "gpu.example.com"}, {"pool", "node1"}, {"device", device}};
  if (!type.empty()) {
    entry["conditions"] = json::array({{{"type", type},
                                        {"status", "True"},
                                        {"reason", "Fine"},
                                        {"message", ""},
                                        {"lastTransitionTime", "2026-01-01T00:00:00Z"}}});
  }
  return entry;
}

class ClaimTest : public testing::Test {
 protected:
  void SetUp() override { Allocate(); }
  void Allocate() {
    harness.Post(kSlices, Slice(json::array({Device("d0"), Device("d1")})));
    ASSERT_EQ(harness
                  .Post("/allocate", {{"namespace", "default"},
                                      {"name", "c"},
                                      {"node", "node1"},
                                      {"requests", {{{"name", "r"}, {"count", 2}}}}})
                  .status,
              200);
  }
  json Devices() {
    return harness.Get(kClaims + "/c").body.value(json::json_pointer("/status/devices"), json());
  }
  std::string CauseOf(const json& entry) {
    return harness.ApplyStatus("c", "m", json::array({entry})).cause();
  }

  Harness harness;
};

TEST_F(ClaimTest, EntriesNameAnAllocatedDevice) {
  EXPECT_EQ(CauseOf(Entry("d7")), "status.devices[0]: FieldValueInvalid");
  json shared = Entry("d0");
  shared["shareID"] = "11111111-2222-4333-8444-555555555555";
  EXPECT_EQ(CauseOf(shared), "status.devices[0]: FieldValueInvalid");
  EXPECT_EQ(CauseOf(Entry("d0")), "");
}

TEST_F(ClaimTest, ConditionsAreComplete) {
  for (const auto* field : {"reason", "message", "lastTransitionTime"}) {
    json entry = Entry("d0", "Ready");
    entry["conditions"][0].erase(field);
    EXPECT_EQ(CauseOf(entry),
              std::string("status.devices[0].conditions[0].") + field + ": FieldValueRequired");
  }
  json entry = Entry("d0", "Ready");
  entry["conditions"][0]["status"] = "Maybe";
  EXPECT_EQ(CauseOf(entry), "status.devices[0].conditions[0].status: FieldValueNotSupported");
}

TEST_F(ClaimTest, NetworkDataIsCanonicalAndShort) {
  json entry = Entry("d0");
  entry["networkData"] = {{"ips", {"10.0.0.01/24"}}};
  EXPECT_EQ(CauseOf(entry), "status.devices[0].networkData.ips[0]: FieldValueInvalid");
  entry["networkData"] = {{"ips", {"fd00::1/64", "fd00::1/64"}}};
  EXPECT_EQ(CauseOf(entry), "status.devices[0].networkData.ips[1]: FieldValueDuplicate");
  entry["networkData"] = {{"interfaceName", std::string(257, 'x')}};
  EXPECT_EQ(CauseOf(entry), "status.devices[0].networkData.interfaceName: FieldValueTooLong");
  json big = Entry("d0");
  big["data"] = {{"x", std::string(10241, 'x')}};
  EXPECT_EQ(CauseOf(big), "status.devices[0].data: FieldValueTooLong");
}

TEST_F(ClaimTest, WhatAManagerLeavesOutIsRemoved) {
  harness.ApplyStatus("c", "m", json::array({Entry("d0", "Ready"), Entry("d1")}));
  harness.ApplyStatus("c", "m", json::array({Entry("d0")}));
  EXPECT_EQ(Devices(), json::array({Entry("d0")}));
}

TEST_F(ClaimTest, ManagersKeepTheirOwnEntriesAndConditions) {
  harness.ApplyStatus("c", "a", json::array({Entry("d0", "A")}));
  harness.ApplyStatus("c", "b", json::array({Entry("d0", "B"), Entry("d1")}));
  EXPECT_EQ(Devices()[0]["conditions"].size(), 2U);
  harness.ApplyStatus("c", "a", json::array());
  ASSERT_EQ(Devices().size(), 2U);
  EXPECT_EQ(Devices()[0], Entry("d0", "B"));
}

TEST_F(ClaimTest, AFieldOfAnotherManagerIsTakenByForceOnly) {
  harness.ApplyStatus("c", "a", json::array({Entry("d0", "Ready")}));
  json other = Entry("d0", "Ready");
  other["conditions"][0]["status"] = "False";
  const auto refused = harness.ApplyStatus("c", "b", json::array({other}), false);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.body["details"]["causes"][0]["message"], "conflict with \"a\"");
  EXPECT_EQ(harness.ApplyStatus("c", "b", json::array({other})).status, 200);
  EXPECT_EQ(Devices()[0]["conditions"][0]["status"], "False");
}

TEST_F(ClaimTest, ApplyingTheSameTwiceWritesOnce) {
  const auto first = harness.ApplyStatus("c", "m", json::array({Entry("d0", "Ready")}));
  harness.now += 100;
  const auto second = harness.ApplyStatus("c", "m", json::array({Entry("d0", "Ready")}));
  EXPECT_EQ(second.version(), first.version());
}

TEST_F(ClaimTest, ApplyNeedsAManagerAndTheRightUid) {
  const json body = {{"apiVersion", "resource.k8s.io/v1"},
                     {"kind", "ResourceClaim"},
                     {"metadata", {{"name", "c"}, {"uid", "another"}}}};
  const auto apply = [&](const std::string& query) {
    return harness.Send(Request::To("PATCH", kClaims + "/c/status" + query, body.dump(),
                                    "application/apply-patch+yaml"));
  };
  EXPECT_EQ(apply("").status, 422);
  EXPECT_EQ(apply("?fieldManager=m").reason(), "Conflict");
}

TEST_F(ClaimTest, EntriesGoWithTheAllocation) {
  harness.ApplyStatus("c", "m", json::array({Entry("d0")}));
  json claim = harness.Get(kClaims + "/c").body;
  claim["status"].erase("allocation");
  const auto cleared = harness.Put(kClaims + "/c/status", claim);
  EXPECT_EQ(cleared.status, 200) << cleared.body;
  EXPECT_TRUE(Devices().is_null());
}

TEST_F(ClaimTest, AllocationAndSpecAreImmutable) {
  json claim = harness.Get(kClaims + "/c").body;
  claim["status"]["allocation"]["devices"]["results"][0]["device"] = "d9";
  EXPECT_EQ(harness.Put(kClaims + "/c/status", claim).cause(),
            "status.allocation: FieldValueInvalid");
  claim["spec"] = {{"devices", {{"requests", json::array({{{"name", "x"}}})}}}};
  EXPECT_EQ(harness.Put(kClaims + "/c", claim).cause(), "spec: FieldValueInvalid");
}

class AuthorizedClaimTest : public ClaimTest {
 protected:
  void SetUp() override {
    const std::string account = "system:serviceaccount:kube-system:drapci";
    harness.options.tokens = {{"admin", {"admin", ""}},
                              {"own", {account, "node1"}},
                              {"other", {account, "node2"}},
                              {"unbound", {account, ""}},
                              {"kubelet", {"system:node:node1", ""}}};
    harness.options.authorization.enabled = true;
    harness.Start();
    harness.token = "admin";
    Allocate();
  }
  int StatusAs(const std::string& token) {
    harness.token = token;
    return harness.ApplyStatus("c", "m", json::array({Entry("d0")})).status;
  }
};

TEST_F(AuthorizedClaimTest, OnlyTheNodeOfTheAllocationWritesEntries) {
  EXPECT_EQ(StatusAs("other"), 403);
  EXPECT_EQ(StatusAs("unbound"), 403);
  EXPECT_EQ(StatusAs("kubelet"), 403);
  EXPECT_EQ(StatusAs("own"), 200);
}

TEST_F(AuthorizedClaimTest, ADriverNeedsItsNameInTheRole) {
  harness.Send(Request::To("PUT", "/authorization", R"({"enabled":true,"drivers":["else.io"]})"));
  EXPECT_EQ(StatusAs("own"), 403);
}

TEST_F(AuthorizedClaimTest, SlicesAreWrittenForTheOwnNodeOnly) {
  harness.token = "other";
  EXPECT_EQ(harness.Post(kSlices, Slice()).status, 403);
  harness.token = "unbound";
  EXPECT_EQ(harness.Post(kSlices, Slice()).status, 403);
  harness.token = "own";
  const auto made = harness.Post(kSlices, Slice());
  EXPECT_EQ(made.status, 201);
  harness.token = "other";
  EXPECT_EQ(harness.Delete(kSlices + "/" + made.name()).status, 403);
  EXPECT_EQ(harness.Get(kSlices).status, 200);
  harness.token = "nobody's";
  EXPECT_EQ(harness.Get(kSlices).status, 401);
}

TEST_F(AuthorizedClaimTest, AKubeletListsAndWipesTheSlicesOfItsNodeOnly) {
  harness.token = "kubelet";
  EXPECT_EQ(harness.Get(kSlices).status, 403);
  EXPECT_EQ(harness.Delete(kSlices + "?fieldSelector=spec.nodeName%3Dnode2").status, 403);
  EXPECT_EQ(harness.Delete(kSlices + "?fieldSelector=spec.nodeName%3Dnode1").status, 200);
}

}  // namespace
}  // namespace drapci::apiserver
