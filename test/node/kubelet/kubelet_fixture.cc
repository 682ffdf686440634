#include "test/node/kubelet/kubelet_fixture.h"

#include <fmt/format.h>

#include <fstream>

namespace drapci::test {

KubeletNode::KubeletNode(const std::string& config)
    : node_(Programs::FromEnvironment(), scratch_,
            {"--claim-directory", scratch_.claim_dir, "--config",
             scratch_.Write("config.yaml", config)}) {}

void KubeletNode::SetUp() {
  const auto pf = FirstPhysicalFunction();
  ASSERT_TRUE(pf) << pf.error().what;
  card_ = DeviceNameOf(*pf);
  before_ = ReadHardware();
  const auto started = node_.Start();
  ASSERT_TRUE(started) << started.error().what;
}

void KubeletNode::TearDown() {
  if (!node_.running()) return;
  const auto claims = node_.CliDone({"claims"});
  EXPECT_EQ(claims.value_or(""), "No claims are held.\n");
  const auto verified = node_.CliDo({"verify"});
  EXPECT_TRUE(verified) << verified.error().what;
  EXPECT_EQ(Differences(before_, ReadHardware()), "");
  EXPECT_TRUE(node_.CdiFiles().empty());
  const auto stopped = node_.Stop();
  EXPECT_TRUE(stopped) << stopped.error().what;
}

ClaimObject KubeletNode::Put(ClaimObject claim) {
  PutClaim(scratch_.claim_dir, claim);
  return claim;
}

ClaimObject KubeletNode::VfClaim(int vf, const std::string& request) {
  return Put({.uid = fmt::format("00000000-0000-4000-8000-{:012}", vf),
              .name = fmt::format("claim-{}", vf),
              .results = {{.request = request, .device = fmt::format("{}-vf{}", card_, vf)}}});
}

void KubeletNode::Restart() {
  auto stopped = node_.Stop();
  ASSERT_TRUE(stopped) << stopped.error().what;
  auto started = node_.Start();
  ASSERT_TRUE(started) << started.error().what;
}

void KubeletNode::Inject(std::vector<std::string> arguments) {
  std::vector<std::string> command{node_.programs().sim, "inject"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto finished = RunCommand(command);
  ASSERT_TRUE(finished && finished->code == 0) << (finished ? finished->err : "");
}

bool KubeletNode::IsSoon(const ClaimObject& claim, const std::string& state) const {
  return Soon([&] { return node_.ClaimState(claim.name).value_or("") == state; });
}

std::string RefusalOf(const Node& node) {
  auto process = Process::Start(node.DaemonCommand(), node.scratch().log);
  const auto code = process ? process->Wait(std::chrono::seconds(60)) : Result<int>(-1);
  EXPECT_EQ(code.value_or(-1), 1);
  std::ifstream log(node.scratch().log);
  std::string last;
  for (std::string line; std::getline(log, line);) last = line;
  return last;
}

}  // namespace drapci::test
