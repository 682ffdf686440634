// Claims that cannot be: one line that says why, exit code 1, nothing touched.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "test/node/refusal/refusal_fixture.h"
#include "test/node/support/claim_files.h"

namespace drapci::test {
namespace {

using testing::HasSubstr;

class BadInput : public RefusalNode {
 protected:
  void SetUp() override {
    RefusalNode::SetUp();
    ASSERT_TRUE(node_.Start());
    good_ = ClaimJson({.uid = "77777777-0000-4000-8000-000000000000",
                       .name = "good",
                       .results = {{.request = "nic", .device = card_ + "-vf0"}}});
  }
  std::string RefusedClaim(const std::string& text) {
    const std::string path = scratch_.root + "/claim.yaml";
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(Refused({"plan", "-f", path}), Refused({"prepare", "-f", path}));
    return Refused({"prepare", "-f", path});
  }
  // The good claim with its first `from` replaced.
  std::string With(const std::string& from, const std::string& to) const {
    std::string text = good_;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }
  std::string good_;
};

TEST_F(BadInput, InAClaimIsRefusedWithTheFieldThatIsWrong) {
  const std::string device = fmt::format("\"{}-vf0\"", card_);
  const std::map<std::string, std::string> cases{
      {"kind: [", "line"},
      {"{\"kind\": ", "line"},
      {"", "empty"},
      {"- 1\n", "object"},
      {"kind: ResourceClaim\n---\nkind: ResourceClaim\n", "document"},
      {With("ResourceClaim", "Pod"), "Pod"},
      {With("resource.k8s.io/v1", "resource.k8s.io/v9"), "v9"},
      {With("77777777-0000-4000-8000-000000000000", "../../../etc/passwd"), "uid"},
      {With("77777777-0000-4000-8000-000000000000", std::string(5000, 'a')), "uid"},
      {With(device, "\"../../sys\""), "device"},
      {With(device, "\"pci-0000-ff-1f-7\""), "pci-0000-ff-1f-7"},
      {With(device, "7"), "device"},
      {With(device, "\"\\u001b[2J\""), "device"},
      {With("\"status\"", "\"stat\""), "allocat"},
      {"a: " + std::string(2 << 20, 'x'), "1048576"},
      {"a: " + std::string(50'000, '['), ""},
  };
  for (const auto& [text, expected] : cases) {
    SCOPED_TRACE(text.substr(0, 200));
    EXPECT_THAT(RefusedClaim(text), HasSubstr(expected));
  }
  EXPECT_EQ(Differences(before_, ReadHardware()), "");
}

TEST_F(BadInput, InAConfigurationIsRefused) {
  const std::map<std::string, std::string> cases{
      {"apiVersion: config.dra.pci/v1alpha1\nkind: Magic\n", "Magic"},
      {"apiVersion: v2\nkind: AccessConfig\ndriver: vfio\n", "apiVersion"},
      {"apiVersion: config.dra.pci/v1alpha1\nkind: AccessConfig\ndriver: both\n", "driver"},
      {"apiVersion: config.dra.pci/v1alpha1\nkind: AccessConfig\ndriver: vfio\nextra: 1\n",
       "extra"},
  };
  const std::string path = scratch_.root + "/config.yaml";
  for (const auto& [text, expected] : cases) {
    SCOPED_TRACE(text);
    std::ofstream(path) << text;
    EXPECT_THAT(Refused({"prepare", "--name", "x", "--device", card_ + "-vf0", "--config", path}),
                HasSubstr(expected));
  }
}

TEST_F(BadInput, OnTheCommandLineExitsWithTwo) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"devices", "-o", "xml"},
                                             {"prepare"},
                                             {"prepare", "--name", "x"},
                                             {"device"}}) {
    const auto finished = node_.Cli(arguments);
    ASSERT_TRUE(finished);
    EXPECT_EQ(finished->code, 2) << finished->err;
  }
}

TEST_F(BadInput, WithoutADaemonExitsWithThree) {
  const auto finished =
      RunCommand({node_.programs().cli, "--socket", scratch_.root + "/nobody.sock", "devices"});
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->code, 3);
  EXPECT_THAT(finished->err, HasSubstr("nobody.sock: ENOENT"));
}

}  // namespace
}  // namespace drapci::test
