#include "test/node/cluster/kubelet.h"

#include <gtest/gtest.h>

namespace drapci::test {

Kubelet::Kubelet(const std::string& kubelet_root) {
  const auto stub =
      pluginregistration::Registration::NewStub(Dial(RegistrationSocket(kubelet_root)));
  grpc::ClientContext asked, told;
  asked.set_deadline(In(std::chrono::seconds(10)));
  told.set_deadline(In(std::chrono::seconds(10)));
  pluginregistration::PluginInfo info;
  const grpc::Status found = stub->GetInfo(&asked, {}, &info);
  EXPECT_TRUE(found.ok()) << found.error_message();
  pluginregistration::RegistrationStatus registered;
  registered.set_plugin_registered(true);
  pluginregistration::RegistrationStatusResponse nothing;
  EXPECT_TRUE(stub->NotifyRegistrationStatus(&told, registered, &nothing).ok());
  client_.emplace(Dial(info.endpoint()));
}

V1::PrepareResponse Kubelet::Prepare(const std::vector<ClaimObject>& claims) {
  V1::PrepareResponse response;
  const grpc::Status status = client_->Prepare(claims, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

Kubelet::Devices Kubelet::Prepare(const ClaimObject& claim) {
  const V1::PrepareResponse response = Prepare(std::vector<ClaimObject>{claim});
  const auto found = response.claims().find(claim.uid);
  if (found != response.claims().end()) return found->second;
  Devices nothing;
  nothing.set_error("no answer for the claim");
  return nothing;
}

void Kubelet::GiveUpPrepare(const ClaimObject& claim, std::chrono::milliseconds deadline) {
  V1::PrepareResponse response;
  const grpc::Status status = client_->Prepare({claim}, response, deadline);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
}

std::string Kubelet::Unprepare(const ClaimObject& claim) {
  V1::UnprepareResponse response;
  const grpc::Status status = client_->Unprepare({claim}, response);
  if (!status.ok()) return status.error_message();
  const auto found = response.claims().find(claim.uid);
  return found != response.claims().end() ? found->second.error() : "no answer for the claim";
}

}  // namespace drapci::test
