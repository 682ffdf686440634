// Claims as the API server would tell them, and requests as the driver keeps them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "driver/claim.h"
#include "driver/record.h"
#include "test/unit/kube/fake_api.h"
#include "test/unit/kube/fake_loop.h"

namespace drapci::plugin::claims {

inline constexpr const char* kUid = "2b1c7f6e-0d55-4a43-9f5a-1f0f8f2d8a11";
inline constexpr const char* kOtherUid = "7d0c1c52-4f4e-4b0a-8a3b-0123456789ab";
inline constexpr const char* kClaimPath =
    "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/my-claim";
// FakeLoop's first moment, 1,800,000,000 s after 1970.
inline constexpr const char* kStart = "2027-01-15T08:00:00Z";

// A claim that is allocated vf0 of node1.
inline nlohmann::json Claim(const std::string& uid = kUid, const std::string& name = "my-claim",
                            const std::string& device = "pci-0000-02-00-0-vf0",
                            const std::string& node = "node1") {
  using nlohmann::json;
  json claim;
  claim["apiVersion"] = "resource.k8s.io/v1";
  claim["kind"] = "ResourceClaim";
  claim["metadata"] = {{"name", name},
                       {"namespace", "default"},
                       {"uid", uid},
                       {"resourceVersion", "7"},
                       {"managedFields", json::array({{{"manager", "kube-scheduler"}}})}};
  json& allocation = claim["status"]["allocation"];
  allocation["devices"]["results"] = json::array({{{"request", "req"},
                                                   {"driver", "dra.pci"},
                                                   {"pool", node + "-pci-0000-02-00-0"},
                                                   {"device", device}}});
  allocation["nodeSelector"]["nodeSelectorTerms"] = json::array(
      {{{"matchFields",
         json::array(
             {{{"key", "metadata.name"}, {"operator", "In"}, {"values", json::array({node})}}})}}});
  return claim;
}

inline std::string WatchLine(const std::string& type, const nlohmann::json& object) {
  return nlohmann::json{{"type", type}, {"object", object}}.dump();
}

inline std::string ListOf(const std::vector<nlohmann::json>& claims) {
  nlohmann::json list{{"kind", "ResourceClaimList"},
                      {"apiVersion", "resource.k8s.io/v1"},
                      {"metadata", {{"resourceVersion", "7"}}},
                      {"items", nlohmann::json::array()}};
  for (nlohmann::json item : claims) {
    // As the API server does.
    item.erase("apiVersion");
    item.erase("kind");
    list["items"].push_back(std::move(item));
  }
  return list.dump();
}

// The same as a request, as DecodeClaim would read it.
inline driver::ClaimRequest Request(const std::string& uid = kUid,
                                    const std::string& name = "my-claim",
                                    const std::string& device = "pci-0000-02-00-0-vf0") {
  driver::ClaimRequest request;
  request.uid = uid;
  request.namespace_name = "default";
  request.name = name;
  driver::DeviceRequest one;
  one.request_names = {"req"};
  one.pool = "node1-pci-0000-02-00-0";
  one.device = device;
  request.devices = {one};
  return request;
}

// The record of that request, prepared.
inline driver::ClaimRecord Record(const driver::ClaimRequest& request = Request()) {
  driver::ClaimRecord record;
  record.request = request;
  record.state = driver::ClaimState::kPrepared;
  record.prepared_at = 1'800'000'000;
  for (const driver::DeviceRequest& device : request.devices) {
    driver::PreparedDevice prepared;
    prepared.request = device;
    prepared.accelerator = "pci-0000-02-00-0";
    prepared.part = "vf0";
    prepared.address = "0000:02:10.0";
    record.answer.devices.push_back(std::move(prepared));
  }
  return record;
}

// An API server that can fall silent.
class TestApi : public kube::FakeApi {
 public:
  using FakeApi::FakeApi;
  CallId Call(kube::ApiRequest request, std::function<void(kube::ApiResult)> done) override {
    if (!silent) return FakeApi::Call(std::move(request), std::move(done));
    calls.push_back(std::move(request));
    return ++last_silent_;
  }
  void Cancel(CallId call) override {
    if (call >= kSilent) {
      ++cancelled;
    } else {
      FakeApi::Cancel(call);
    }
  }
  bool silent = false;
  int cancelled = 0;

 private:
  static constexpr CallId kSilent = 1'000'000;
  CallId last_silent_ = kSilent;
};

inline kube::ApiResult NotFound() {
  return kube::FakeApi::Failure(404, Code::kNotFound, "NotFound");
}
inline kube::ApiResult Forbidden() {
  return kube::FakeApi::Failure(403, Code::kDenied, "Forbidden");
}
inline kube::ApiResult NoAnswer() {
  return kube::FakeApi::Failure(0, Code::kTimeout, "connect: connection refused");
}

}  // namespace drapci::plugin::claims
