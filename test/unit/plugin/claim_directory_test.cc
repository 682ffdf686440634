#include "plugin/claim_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin {
namespace {

using testing::HasSubstr;

class ClaimDirectoryTest : public testing::Test {
 protected:
  Result<std::string> Get(const std::string& namespace_name, const std::string& name) {
    std::optional<Result<std::string>> answer;
    claims_.GetClaim(namespace_name, name, "",
                     [&](Result<std::string> claim) { answer = std::move(claim); });
    return *answer;
  }

  TestDir dir_;
  ClaimDirectory claims_{dir_.path() + "/claims"};
};

TEST_F(ClaimDirectoryTest, ReadsJsonBeforeYaml) {
  dir_.Write("claims/default/a.yaml", "from: yaml\n");
  EXPECT_EQ(*Get("default", "a"), R"({"from":"yaml"})");
  dir_.Write("claims/default/a.json", R"({"from": "json"})");
  EXPECT_EQ(*Get("default", "a"), R"({"from": "json"})");
}

TEST_F(ClaimDirectoryTest, SaysWhichFilesItLookedFor) {
  const auto claim = Get("default", "a");
  EXPECT_EQ(claim.error().code, Code::kNotFound);
  EXPECT_THAT(claim.error().what, HasSubstr(dir_.path() + "/claims/default/a.json"));
}

TEST_F(ClaimDirectoryTest, NamesTheFileThatCannotBeRead) {
  dir_.Write("claims/default/a.yaml", "a: [");
  EXPECT_THAT(Get("default", "a").error().what, HasSubstr("/claims/default/a.yaml: line "));
}

TEST_F(ClaimDirectoryTest, LeavesItsDirectoryForNobody) {
  dir_.Write("secret.json", "{}");
  dir_.Write("claims/default/ok.json", "{}");
  for (const auto& [space, name] : {std::pair("..", "secret"),
                                    {"default", "../../secret"},
                                    {"default", "a/../ok"},
                                    {"", "ok"},
                                    {"default", ""},
                                    {"default", ".ok"},
                                    {"default", "a..b"},
                                    {"Default", "ok"}}) {
    const auto claim = Get(space, name);
    ASSERT_FALSE(claim.has_value()) << space << "/" << name;
    EXPECT_EQ(claim.error().code, Code::kInvalid) << space << "/" << name;
  }
}

TEST_F(ClaimDirectoryTest, RefusesAFileBeyondTheLimit) {
  dir_.Write("claims/default/a.json", std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(Get("default", "a").error().what, HasSubstr("is larger than 1048576 bytes"));
}

}  // namespace
}  // namespace drapci::plugin
