// A kubelet as the driver sees it: it registers the driver, then calls it on one connection, which
// ends with the kubelet. Any thread may call; what a call as a whole fails with fails the test.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "test/node/kubelet/kubelet_client.h"

namespace drapci::test {

class Kubelet {
 public:
  // It starts: asks the registration socket who is there and where, and says that it is registered.
  explicit Kubelet(const std::string& kubelet_root);

  using Devices = k8s::io::kubelet::pkg::apis::dra::v1::NodePrepareResourceResponse;
  V1::PrepareResponse Prepare(const std::vector<ClaimObject>& claims);
  Devices Prepare(const ClaimObject& claim);  // its error is in the answer
  // The call is given up after `deadline`, and must not have been answered before.
  void GiveUpPrepare(const ClaimObject& claim, std::chrono::milliseconds deadline);
  std::string Unprepare(const ClaimObject& claim);  // the claim's error; empty: done

 private:
  std::optional<KubeletClient<V1>> client_;
};

}  // namespace drapci::test
