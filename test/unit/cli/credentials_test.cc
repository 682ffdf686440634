#include "plugin/cli/credentials.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "hal/base/unique_fd.h"
#include "plugin/kube/kubeconfig.h"

namespace drapci::cli {
namespace {

using std::chrono::hours;
using std::chrono::sys_seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Payloads of tokens, and what ReadTokenFacts makes of them:
//   {"sub":"system:serviceaccount:drapci:drapci","exp":1800000000,
//    "kubernetes.io":{"node":{"name":"worker-1"}}}
constexpr std::string_view kBound =
    "eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZHJhcGNpOmRyYXBjaSIsImV4cCI6MTgwMDAwMDAwMCwia3ViZXJu"
    "ZXRlcy5pbyI6eyJub2RlIjp7Im5hbWUiOiJ3b3JrZXItMSJ9fX0";
//   {"sub":"a"}
constexpr std::string_view kPlain = "eyJzdWIiOiJhIn0";
constexpr sys_seconds kExpiry{std::chrono::seconds(1800000000)};

std::string Token(std::string_view payload) {
  return fmt::format("eyJhbGciOiJSUzI1NiJ9.{}.c2lnbmF0dXJl", payload);
}

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    char name[] = "/tmp/drapci-credentials-XXXXXX";
    directory_ = mkdtemp(name);
    options_ = {.server = "https://10.0.0.1:6443",
                .certificate_authority = Write("ca.crt", "-----BEGIN CERTIFICATE-----\n"),
                .token_file = Write("token", Token(kBound) + "\n"),
                .token = "",
                .node = "",
                .kubeconfig = Path("kubeconfig")};
  }
  ~CredentialsTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  unsigned Mode(const std::string& name) const {
    struct stat status = {};
    return ::stat(Path(name).c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
  // With `token` on standard input.
  Outcome<Printed> RunWithInput(const std::string& token) {
    options_.token_file.clear();
    options_.token = "-";
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const UniqueFd input(ends[0]);
    EXPECT_EQ(write(ends[1], token.data(), token.size()), static_cast<ssize_t>(token.size()));
    close(ends[1]);
    return Credentials(options_, input.get(), now_);
  }
  Outcome<Printed> Run() { return Credentials(options_, -1, now_); }
  std::string Warning() {
    const auto printed = Run();
    if (!printed) return "failed: " + printed.error().text;
    return printed->complaint ? printed->complaint->text : "";
  }

  std::string directory_;
  CredentialOptions options_;
  sys_seconds now_ = kExpiry - hours(48);
};

TEST_F(CredentialsTest, RefersToTheTokenFileSoThatARenewedTokenCounts) {
  const auto printed = Run();
  ASSERT_TRUE(printed) << printed.error().text;
  const auto read = plugin::kube::ReadKubeconfig(Path("kubeconfig"), "");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->server, "https://10.0.0.1:6443");
  EXPECT_EQ(read->token.file, Path("token"));
  EXPECT_EQ(read->certificate_authority.file, Path("ca.crt"));
  EXPECT_EQ(Mode("kubeconfig"), 0600u);
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "kubeconfig", "token"));
}

TEST_F(CredentialsTest, TellsWhatTheTokenSaysButNeverTheToken) {
  const auto printed = Run();
  ASSERT_TRUE(printed);
  EXPECT_THAT(printed->text, AllOf(HasSubstr("system:serviceaccount:drapci:drapci\n"),
                                   HasSubstr("node worker-1\n"), HasSubstr("2027-01-15T08:00:00Z"),
                                   Not(HasSubstr("eyJ"))));
  EXPECT_FALSE(printed->complaint);
  EXPECT_THAT(Read("kubeconfig"), Not(HasSubstr("eyJ")));
}

TEST_F(CredentialsTest, KeepsATokenFromStandardInputBesideTheKubeconfig) {
  const auto printed = RunWithInput("  " + Token(kBound) + "\n");
  ASSERT_TRUE(printed) << printed.error().text;
  EXPECT_EQ(Read("kubeconfig.token"), Token(kBound));
  EXPECT_EQ(Mode("kubeconfig.token"), 0600u);
  EXPECT_EQ(plugin::kube::ReadKubeconfig(Path("kubeconfig"), "")->token.file,
            Path("kubeconfig.token"));
  EXPECT_THAT(printed->text, Not(HasSubstr("eyJ")));
}

TEST_F(CredentialsTest, ReplacesWhatWasThereWithoutKeepingItsMode) {
  Write("kubeconfig", "old");
  Write("kubeconfig.token", "old");
  ASSERT_TRUE(RunWithInput(Token(kBound)));
  EXPECT_EQ(Read("kubeconfig.token"), Token(kBound));
  EXPECT_EQ(Mode("kubeconfig"), 0600u);
  EXPECT_EQ(Mode("kubeconfig.token"), 0600u);
}

TEST_F(CredentialsTest, WarnsOfATokenThatIsBoundToNothing) {
  Write("token", Token(kPlain));
  EXPECT_THAT(Warning(), AllOf(HasSubstr("bound to no node"), HasSubstr("never expires")));
}

TEST_F(CredentialsTest, WarnsOfATokenForAnotherNode) {
  options_.node = "worker-1";
  EXPECT_EQ(Warning(), "");
  options_.node = "worker-2";
  EXPECT_THAT(Warning(), HasSubstr("bound to node worker-1, not to worker-2"));
}

TEST_F(CredentialsTest, WarnsOfATokenThatExpiresWithinADay) {
  now_ = kExpiry - hours(24);
  EXPECT_EQ(Warning(), "");
  now_ = kExpiry - hours(1);
  EXPECT_THAT(Warning(), HasSubstr("expires in 60 minutes"));
}

TEST_F(CredentialsTest, AWarningIsNoFailure) {
  options_.node = "worker-2";
  const auto printed = Run();
  ASSERT_TRUE(printed);
  EXPECT_EQ(printed->complaint->exit, ExitCode::kDone);
  EXPECT_EQ(printed->exit, ExitCode::kDone);
}

TEST_F(CredentialsTest, RefusesAnExpiredTokenAndWritesNothing) {
  now_ = kExpiry;
  const auto printed = Run();
  ASSERT_FALSE(printed);
  EXPECT_EQ(printed.error().exit, ExitCode::kFailed);
  EXPECT_THAT(printed.error().text, HasSubstr("expired at 2027-01-15T08:00:00Z"));
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "token"));
}

TEST_F(CredentialsTest, RefusesWhatIsNoTokenWithoutRepeatingIt) {
  const auto printed = RunWithInput("s3cret");
  ASSERT_FALSE(printed);
  EXPECT_THAT(printed.error().text, AllOf(HasSubstr("standard input: no service account token"),
                                          Not(HasSubstr("s3cret"))));
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "token"));
}

TEST_F(CredentialsTest, TakesNoTokenFromTheCommandLine) {
  options_.token_file.clear();
  options_.token = "s3cret";
  const auto printed = Run();
  ASSERT_FALSE(printed);
  EXPECT_EQ(printed.error().exit, ExitCode::kUsage);
  EXPECT_THAT(printed.error().text, Not(HasSubstr("s3cret")));
}

TEST_F(CredentialsTest, WantsExactlyOneToken) {
  options_.token_file.clear();
  EXPECT_EQ(Run().error().exit, ExitCode::kUsage);
}

TEST_F(CredentialsTest, RefusesAServerThatIsNoUrl) {
  options_.server = "10.0.0.1:6443";
  EXPECT_EQ(Run().error().exit, ExitCode::kUsage);
  EXPECT_THAT(Run().error().text, HasSubstr("--server: must begin with https://"));
}

TEST_F(CredentialsTest, RefusesAnAuthorityThatIsNoCertificate) {
  Write("ca.crt", "-----BEGIN RSA PRIVATE KEY-----\n");
  EXPECT_THAT(Run().error().text, HasSubstr("no certificate"));
  options_.certificate_authority = Path("none");
  EXPECT_THAT(Run().error().text, HasSubstr("ENOENT"));
}

TEST_F(CredentialsTest, NamesTheFileThatCannotBeWrittenAndLeavesNothing) {
  options_.kubeconfig = Path("none/kubeconfig");
  EXPECT_THAT(Run().error().text, AllOf(HasSubstr("none/kubeconfig"), HasSubstr("ENOENT")));
  ASSERT_TRUE(std::filesystem::create_directories(Path("kubeconfig/x")));  // cannot be replaced
  options_.kubeconfig = Path("kubeconfig");
  EXPECT_THAT(Run().error().text, HasSubstr("EISDIR"));
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "kubeconfig", "token"));
}

TEST_F(CredentialsTest, RefusesPathsThatNoYamlCanHold) {
  options_.token_file = Write("tok\xffken", Token(kBound));
  EXPECT_THAT(Run().error().text, HasSubstr("could not be read back"));
}

TEST_F(CredentialsTest, MakesRelativePathsAbsolute) {
  const std::string before = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  options_.token_file = "./token";
  options_.certificate_authority = "ca.crt";
  options_.kubeconfig = "kubeconfig";
  const auto printed = Run();
  std::filesystem::current_path(before);
  ASSERT_TRUE(printed) << printed.error().text;
  EXPECT_EQ(plugin::kube::ReadKubeconfig(Path("kubeconfig"), "")->token.file, Path("token"));
}

}  // namespace
}  // namespace drapci::cli
