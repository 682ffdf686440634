#include "test/node/cluster/cluster_fixture.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace drapci::test {
namespace {

std::string FromEnv(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? name : value;
}

}  // namespace

ClusterNode::ClusterNode(std::string config, std::string kubernetes,
                         std::vector<std::string> server)
    : api_(FromEnv("APISERVER"), scratch_.root, std::move(server)),
      node_(Programs::FromEnvironment(), scratch_, {"--config", scratch_.root + "/config.yaml"}),
      config_(std::move(config)),
      kubernetes_(std::move(kubernetes)) {}

void ClusterNode::SetUp() {
  // A board without one has tests that need none.
  if (const auto pf = FirstPhysicalFunction()) {
    address_ = *pf;
    card_ = DeviceNameOf(*pf);
  }
  before_ = ReadHardware();
  const auto started = api_.Start();
  ASSERT_TRUE(started) << started.error().what;
  api_.AddNode("node-1");
  api_.WriteKubeconfig();
  api_.Reset();
}

void ClusterNode::StartDaemon() {
  std::ofstream(scratch_.root + "/config.yaml")
      << fmt::format("nodeName: node-1\nlogLevel: debug\nhook: {}\n", FromEnv("HOOK"))
      << fmt::format("kubernetes: {{kubeconfig: {}/kubeconfig{}{}}}\n", scratch_.root,
                     kubernetes_.empty() ? "" : ", ", kubernetes_)
      << config_;
  const auto started = node_.Start();
  ASSERT_TRUE(started) << started.error().what;
}

void ClusterNode::StopDaemon() {
  const auto stopped = node_.Stop();
  ASSERT_TRUE(stopped) << stopped.error().what;
}

void ClusterNode::RestartDaemon() {
  StopDaemon();
  StartDaemon();
}

void ClusterNode::TearDown() {
  if (HasFailure()) fmt::print("the daemon's log:\n{}\n", DaemonLog());
  if (!node_.running()) return;
  if (!held_at_end_) {
    const auto text = node_.CliDone({"claims", "-o", "json"});
    const Json claims = Json::parse(text.value_or(""), nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(claims.is_object());
    for (const Json& claim : claims.value("claims", Json::array())) {
      EXPECT_TRUE(claim.value("standing", false)) << claim.dump();
    }
    EXPECT_EQ(Differences(before_, ReadHardware()), "");
    EXPECT_TRUE(node_.CdiFiles().empty());
  }
  const auto verified = node_.CliDo({"verify"});
  EXPECT_TRUE(verified) << verified.error().what;
  const auto stopped = node_.Stop();
  EXPECT_TRUE(stopped) << stopped.error().what;
}

bool ClusterNode::Published() {
  return Soon([this] {
    const std::vector<Json> slices = api_.Slices();
    std::map<std::string, std::pair<int, int>> pools;  // seen, of how many
    for (const Json& slice : slices) {
      const Json& pool = slice.at("spec").at("pool");
      auto& [seen, count] = pools[pool.at("name").get<std::string>()];
      ++seen;
      count = pool.at("resourceSliceCount").get<int>();
    }
    for (const auto& [name, numbers] : pools) {
      if (numbers.first != numbers.second) return false;
    }
    return !api_.Devices().empty();
  });
}

Json ClusterNode::ShownSlices() const {
  const auto text = node_.CliDone({"slices", "-o", "json"});
  Json slices = Json::parse(text.value_or(""), nullptr, /*allow_exceptions=*/false);
  return slices.is_object() ? slices : Json::object();
}

bool ClusterNode::Settled() {
  return Soon([this] { return ShownSlices().value("trouble", "unknown").empty(); });
}

Json ClusterNode::Of(const std::string& device) {
  return Json::array({{{"name", "r"}, {"driver", "dra.pci"}, {"device", device}}});
}

Json ClusterNode::Opaque(const std::string& kind, Json parameters, const std::string& source) {
  parameters["apiVersion"] = "config.dra.pci/v1alpha1";
  parameters["kind"] = kind;
  return Json::array(
      {{{"source", source}, {"opaque", {{"driver", "dra.pci"}, {"parameters", parameters}}}}});
}

Json ClusterNode::Condition(const std::string& claim, const std::string& type) {
  const auto object = api_.Claim(claim);
  if (!object || !object->at("status").contains("devices")) return Json::object();
  for (const Json& condition :
       object->at("status").at("devices").at(0).value("conditions", Json::array())) {
    if (condition.at("type") == type) return condition;
  }
  return Json::object();
}

ClaimObject ClusterNode::Allocated(const std::string& name, const Json& requests,
                                   const Json& config) {
  const auto claim = api_.Allocate(name, requests, config);
  EXPECT_TRUE(claim) << claim.error().what;
  ClaimObject object{.uid = {}, .name = name};
  if (claim) object.uid = claim->at("metadata").at("uid").get<std::string>();
  return object;
}

ClusterNode::Answer ClusterNode::Prepare(const ClaimObject& claim,
                                         std::chrono::milliseconds deadline) {
  KubeletClient<V1> kubelet(Dial(ServiceSocket(scratch_.kubelet_root)));
  Answer answer;
  const grpc::Status status = kubelet.Prepare({claim}, answer.response, deadline);
  if (!status.ok()) {
    answer.error = status.error_message();
    return answer;
  }
  const auto& of_claim = answer.response.claims().at(claim.uid);
  answer.error = of_claim.error();
  for (const auto& device : of_claim.devices()) {
    answer.cdi_ids.insert(answer.cdi_ids.end(), device.cdi_device_ids().begin(),
                          device.cdi_device_ids().end());
  }
  return answer;
}

std::string ClusterNode::Unprepare(const ClaimObject& claim) {
  KubeletClient<V1> kubelet(Dial(ServiceSocket(scratch_.kubelet_root)));
  V1::UnprepareResponse response;
  const grpc::Status status = kubelet.Unprepare({claim}, response);
  if (!status.ok()) return status.error_message();
  return response.claims().at(claim.uid).error();
}

std::string ClusterNode::DaemonLog() const {
  std::ostringstream text;
  text << std::ifstream(scratch_.log).rdbuf();
  return text.str();
}

void ClusterNode::Inject(std::vector<std::string> arguments) {
  std::vector<std::string> command{node_.programs().sim, "inject"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto finished = RunCommand(command);
  ASSERT_TRUE(finished && finished->code == 0) << (finished ? finished->err : "");
}

void ClusterNode::RemoveVfs() const {
  std::ofstream(fmt::format("/sys/bus/pci/devices/{}/sriov_numvfs", address_)) << "0" << std::flush;
}

SharedNode::SharedNode()
    : ClusterNode("accelerators:\n- match: {}\n  shares: true\n  bandwidth: 1G\n") {}

void SharedNode::SetUp() {
  ClusterNode::SetUp();
  StartDaemon();
  ASSERT_TRUE(Settled());
  RememberHardware();
}

void SharedNode::TearDown() {
  ClusterNode::TearDown();
  RemoveVfs();
}

}  // namespace drapci::test
