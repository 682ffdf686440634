#include "plugin/cli/claim_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

namespace drapci::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Why(const Outcome<std::string>& outcome) {
  return outcome ? "no error" : outcome.error().text;
}

class ClaimFile : public testing::Test {
 protected:
  ClaimFile() {
    char name[] = "/tmp/drapci-claim-XXXXXX";
    close(mkstemp(name));
    path_ = name;
  }
  ~ClaimFile() override { unlink(path_.c_str()); }
  Outcome<std::string> Read(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    return ReadObjectFile(path_);
  }
  std::string path_;
};

TEST_F(ClaimFile, ReadsYamlWithItsTypes) {
  auto json = Read("kind: ResourceClaim\nspec: {count: 3, on: true, text: \"3\", none: ~}\n");
  ASSERT_TRUE(json) << Why(json);
  EXPECT_EQ(*json,
            R"({"kind":"ResourceClaim","spec":{"count":3,"none":null,"on":true,"text":"3"}})");
}

TEST_F(ClaimFile, HandsJsonOnByteForByte) {
  const std::string text = R"({ "generation": 9007199254740993, "b": 1e2 })";
  EXPECT_EQ(Read(text).value_or(""), text);
}

TEST_F(ClaimFile, NamesTheFileAndTheLineOfASyntaxError) {
  const std::string why = Why(Read("kind: ResourceClaim\nspec: [1, 2\n"));
  EXPECT_THAT(why, HasSubstr(path_));
  EXPECT_THAT(why, HasSubstr("line 3"));
  EXPECT_THAT(why, Not(HasSubstr("\n")));
}

TEST_F(ClaimFile, ReportsWhatBeginsAsJsonAsJson) {
  EXPECT_THAT(Why(Read(R"({"kind": "ResourceClaim", "spec": )")),
              HasSubstr("parse error at line 1"));
}

TEST_F(ClaimFile, RefusesWhatIsNoObject) {
  EXPECT_THAT(Why(Read("- a\n- b\n")), HasSubstr("not an object"));
  EXPECT_THAT(Why(Read("just words\n")), HasSubstr("not an object"));
  EXPECT_THAT(Why(Read(" \n\n")), HasSubstr("empty"));
}

TEST_F(ClaimFile, RefusesMoreThanOneMebibyte) {
  EXPECT_THAT(Why(Read("a: " + std::string(1 << 20, 'x'))), HasSubstr("larger than 1048576 bytes"));
}

TEST_F(ClaimFile, RefusesAliasesThatUnfoldWithoutEnd) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format(
        "a{0}: &a{0} [*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1}]\n", i, i - 1);
  }
  EXPECT_THAT(Why(Read(bomb)), HasSubstr("anchors"));
}

TEST_F(ClaimFile, RefusesDeepNestingOfEitherSyntax) {
  EXPECT_FALSE(Read("a: " + std::string(100'000, '[')));
  EXPECT_FALSE(Read("{\"a\": " + std::string(100'000, '[')));
}

TEST_F(ClaimFile, RefusesTwoDocumentsAndTwoEqualKeys) {
  EXPECT_FALSE(Read("a: 1\n---\nb: 2\n"));
  EXPECT_THAT(Why(Read("a: 1\nb: 2\na: 3\n")), HasSubstr("line 3"));
}

TEST_F(ClaimFile, SaysWhyAFileCannotBeRead) {
  EXPECT_THAT(Why(ReadObjectFile(path_ + "/nothing")), HasSubstr("ENOTDIR"));
  EXPECT_THAT(Why(ReadObjectFile("/nonexistent/claim.yaml")), HasSubstr("ENOENT"));
  EXPECT_THAT(Why(ReadObjectFile("/tmp")), HasSubstr("EISDIR"));
}

}  // namespace
}  // namespace drapci::cli
