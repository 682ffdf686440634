#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "plugin/kube/kubeconfig.h"

namespace drapci::plugin::kube {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class KubeconfigFilesTest : public testing::Test {
 protected:
  KubeconfigFilesTest() {
    char name[] = "/tmp/drapci-kubeconfig-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~KubeconfigFilesTest() override { std::filesystem::remove_all(directory_); }
  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << content;
    return directory_ + "/" + name;
  }
  std::string directory_;
};

TEST_F(KubeconfigFilesTest, FindsItsFilesBesideIt) {
  const auto read = ReadKubeconfig(
      Write("kubeconfig",
            "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
            "clusters: [{name: a, cluster: {server: 'https://a'}}]\n"
            "users: [{name: a, user: {tokenFile: token}}]\n"),
      "");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->token.file, directory_ + "/token");
}

TEST_F(KubeconfigFilesTest, NamesTheFileInItsErrors) {
  const std::string file = Write("kubeconfig", "kind: Pod\n");
  EXPECT_THAT(ReadKubeconfig(file, "").error().what,
              AllOf(StartsWith(file + ": "), HasSubstr("kind: must be Config")));
  EXPECT_THAT(ReadKubeconfig(directory_ + "/none", "").error().what,
              HasSubstr(directory_ + "/none: ENOENT"));
}

TEST_F(KubeconfigFilesTest, RefusesWhatIsNoRegularFileOfASensibleSize) {
  const std::string fifo = directory_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(ReadKubeconfig(fifo, "").error().what, HasSubstr("not a regular file"));
  EXPECT_THAT(ReadKubeconfig(Write("big", std::string((1 << 20) + 1, '#')), "").error().what,
              HasSubstr("larger than"));
}

TEST_F(KubeconfigFilesTest, ReadsTheFilesOfAPod) {
  Write("token", "abc");
  Write("ca.crt", "-----BEGIN CERTIFICATE-----\n");
  Write("namespace", "drapci\n");
  auto read = InClusterCredentials("10.96.0.1", "443", directory_);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->server, "https://10.96.0.1:443");
  EXPECT_EQ(read->token.file, directory_ + "/token");
  EXPECT_EQ(read->certificate_authority.file, directory_ + "/ca.crt");
  EXPECT_EQ(read->name_space, "drapci");
  EXPECT_EQ(InClusterCredentials("fd00::1", "443", directory_)->server, "https://[fd00::1]:443");
}

TEST_F(KubeconfigFilesTest, SaysWhenThisIsNoPod) {
  EXPECT_EQ(InClusterCredentials("", "443", directory_).error().code, Code::kNotFound);
  EXPECT_EQ(InClusterCredentials("a", "", directory_).error().code, Code::kNotFound);
  EXPECT_EQ(InClusterCredentials("a", "https", directory_).error().code, Code::kInvalid);
  EXPECT_THAT(InClusterCredentials("a", "443", directory_).error().what, HasSubstr("ca.crt"));
}

}  // namespace
}  // namespace drapci::plugin::kube
