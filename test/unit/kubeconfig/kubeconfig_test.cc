#include "plugin/kube/kubeconfig.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::plugin::kube {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A kubeconfig with `cluster` and `user` as the content of its one cluster and user.
std::string Config(std::string_view cluster, std::string_view user) {
  return fmt::format(R"(apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {{cluster: c, user: u, namespace: drapci}}
clusters:
- name: c
  cluster: {{{}}}
users:
- name: u
  user: {{{}}}
)",
                     cluster, user);
}

Result<Credentials> Parse(std::string_view yaml, std::string_view context = "") {
  return ParseKubeconfig(yaml, "/etc/drapci", context);
}
Result<Credentials> WithCluster(std::string_view cluster) {
  return Parse(Config(cluster, "token: abc"));
}
Result<Credentials> WithUser(std::string_view user) {
  return Parse(Config("server: https://10.0.0.1:6443", user));
}
std::string Why(const Result<Credentials>& result) {
  return result ? "no error" : result.error().what;
}

constexpr std::string_view kPem = "-----BEGIN CERTIFICATE-----\n";
constexpr std::string_view kPemBase64 = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==";

TEST(KubeconfigTest, ReadsServerTokenAndNamespaceOfTheCurrentContext) {
  const auto read = WithCluster("server: 'https://10.0.0.1:6443/', certificate-authority: ca.crt");
  ASSERT_TRUE(read) << Why(read);
  EXPECT_EQ(read->server, "https://10.0.0.1:6443");
  EXPECT_EQ(read->name_space, "drapci");
  EXPECT_EQ(read->token.data, "abc");
  EXPECT_EQ(read->certificate_authority.file, "/etc/drapci/ca.crt");
  EXPECT_FALSE(read->insecure_skip_tls_verify);
}

TEST(KubeconfigTest, TakesRelativeFilesRelativeToItselfAndAbsoluteOnesAsTheyAre) {
  const auto read = WithUser("client-certificate: pki/me.crt, client-key: /run/me.key");
  ASSERT_TRUE(read) << Why(read);
  EXPECT_EQ(read->client_certificate.file, "/etc/drapci/pki/me.crt");
  EXPECT_EQ(read->client_key.file, "/run/me.key");
}

TEST(KubeconfigTest, PrefersTheTokenFileToTheToken) {
  const auto read = WithUser("token: old, tokenFile: token");
  ASSERT_TRUE(read) << Why(read);
  EXPECT_EQ(read->token.file, "/etc/drapci/token");
  EXPECT_EQ(read->token.data, "");
}

TEST(KubeconfigTest, PrefersCertificateDataToItsFile) {
  const auto read = WithCluster(fmt::format(
      "server: https://a, certificate-authority: ca.crt, certificate-authority-data: {}",
      kPemBase64));
  ASSERT_TRUE(read) << Why(read);
  EXPECT_EQ(read->certificate_authority.data, kPem);
  EXPECT_EQ(read->certificate_authority.file, "");
}

TEST(KubeconfigTest, ReadsDataThatIsFoldedOverLines) {
  std::string yaml = Config("server: https://a", "");
  yaml +=
      "- name: v\n  user:\n    client-key-data: |\n      LS0tLS1CRUdJTiBDRVJU\n"
      "      SUZJQ0FURS0tLS0tCg==\n    client-certificate: a\n";
  yaml.replace(yaml.find("user: u"), 7, "user: v");
  const auto read = Parse(yaml);
  ASSERT_TRUE(read) << Why(read);
  EXPECT_EQ(read->client_key.data, kPem);
}

TEST(KubeconfigTest, RefusesDataThatIsNotBase64OrNotPem) {
  EXPECT_THAT(Why(WithCluster("server: https://a, certificate-authority-data: LS0=x")),
              HasSubstr("clusters['c'].cluster.certificate-authority-data: is not base64"));
  EXPECT_THAT(Why(WithCluster("server: https://a, certificate-authority-data: Zm9v")),
              HasSubstr("not a PEM text"));
}

TEST(KubeconfigTest, TakesTheContextThatIsAskedFor) {
  const std::string yaml =
      Config("server: https://a", "token: abc") + "- name: v\n  user: {token: other}\n";
  std::string two = yaml;
  two.replace(two.find("contexts:\n"), 10,
              "contexts:\n- name: there\n  context: {cluster: c, user: v}\n");
  EXPECT_EQ(Parse(two)->token.data, "abc");
  EXPECT_EQ(Parse(two, "there")->token.data, "other");
  EXPECT_THAT(Why(Parse(two, "nowhere")), HasSubstr("contexts: has no entry 'nowhere'"));
}

TEST(KubeconfigTest, SaysWhichReferenceLeadsNowhere) {
  EXPECT_THAT(Why(Parse("contexts: []")), HasSubstr("current-context: is missing"));
  EXPECT_THAT(Why(Parse("current-context: a")), HasSubstr("contexts: has no entry 'a'"));
  EXPECT_THAT(
      Why(Parse("current-context: a\ncontexts: [{name: a, context: {cluster: b, user: d}}]")),
      HasSubstr("clusters: has no entry 'b'"));
  EXPECT_THAT(
      Why(Parse("current-context: a\ncontexts: [{name: a, context: {cluster: b, user: d}}]\n"
                "clusters: [{name: b, cluster: {server: 'https://a'}}]")),
      HasSubstr("users: has no entry 'd'"));
}

TEST(KubeconfigTest, RefusesAnEntryThatAppearsTwice) {
  EXPECT_THAT(Why(Parse(Config("server: https://a", "token: x") + "- name: u\n  user: {}\n")),
              HasSubstr("users[1].name: 'u' appears twice"));
}

TEST(KubeconfigTest, NeedsAServerThatIsAUrl) {
  EXPECT_THAT(Why(WithCluster("")), HasSubstr("cluster.server: is missing"));
  for (const char* url :
       {"10.0.0.1:6443", "ftp://a", "https://", "https://a:0", "https://a:65536", "https://a b",
        "https://a?x", "https://me@a", "https://[::1", "https:///a", "https://-a"}) {
    EXPECT_EQ(WithCluster(fmt::format("server: '{}'", url)).error().code, Code::kInvalid) << url;
  }
  for (const char* url : {"https://a", "http://127.0.0.1:8080", "https://[fd00::1]:6443",
                          "https://rancher.example/k8s/clusters/c-1"}) {
    const auto read = WithCluster(fmt::format("server: '{}'", url));
    ASSERT_TRUE(read) << url << ": " << Why(read);
    EXPECT_EQ(read->server, url);
  }
}

TEST(KubeconfigTest, ReadsProxyAndServerName) {
  const auto read = WithCluster(
      "server: https://a, proxy-url: 'socks5://me:pw@proxy:1080', tls-server-name: kubernetes");
  ASSERT_TRUE(read) << Why(read);
  EXPECT_EQ(read->proxy_url, "socks5://me:pw@proxy:1080");
  EXPECT_EQ(read->tls_server_name, "kubernetes");
  EXPECT_THAT(Why(WithCluster("server: https://a, proxy-url: 'ftp://me:pw@proxy'")),
              AllOf(HasSubstr("proxy-url: must begin with http:// or https:// or socks5://"),
                    Not(HasSubstr("pw"))));
}

TEST(KubeconfigTest, SkipsVerificationOnlyWhenToldSoAndWithoutACertificateAuthority) {
  EXPECT_TRUE(
      WithCluster("server: https://a, insecure-skip-tls-verify: true")->insecure_skip_tls_verify);
  EXPECT_THAT(Why(WithCluster("server: https://a, insecure-skip-tls-verify: 'true'")),
              HasSubstr("must be true or false"));
  EXPECT_THAT(Why(WithCluster("server: https://a, insecure-skip-tls-verify: true, "
                              "certificate-authority: ca")),
              HasSubstr("contradicts certificate-authority"));
}

TEST(KubeconfigTest, SendsUsersOfCredentialPluginsToATokenFile) {
  for (const char* user : {"exec: {command: aws}", "auth-provider: {name: gcp}"}) {
    const auto read = WithUser(user);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::kUnsupported);
    EXPECT_THAT(read.error().what, HasSubstr("tokenFile"));
  }
}

TEST(KubeconfigTest, RefusesToActInAnotherNameWithoutDoingSo) {
  EXPECT_EQ(WithUser("token: a, as: root").error().code, Code::kUnsupported);
}

TEST(KubeconfigTest, NeedsBothTheCertificateAndItsKey) {
  EXPECT_THAT(Why(WithUser("client-certificate: a")), HasSubstr("client-key: is missing"));
  EXPECT_THAT(Why(WithUser("client-key: a")), HasSubstr("client-certificate: is missing"));
}

TEST(KubeconfigTest, ReadsAUserNameAndPasswordButNotBesideAToken) {
  const auto read = WithUser("username: me, password: 'p w'");
  ASSERT_TRUE(read) << Why(read);
  EXPECT_EQ(read->username, "me");
  EXPECT_EQ(read->password, "p w");
  EXPECT_FALSE(WithUser("username: me, password: a, token: b"));
  EXPECT_FALSE(WithUser("username: 'm:e', password: a"));
}

TEST(KubeconfigTest, NeverRepeatsASecretInAnError) {
  for (const char* user :
       {"token: \"s3cret\\nX: y\"", "token: [s3cret]", "password: \"s3cret\\u0001\"",
        "client-key-data: 's3cret'", "token: s3cret, username: s3cret"}) {
    const auto read = WithUser(user);
    ASSERT_FALSE(read) << user;
    EXPECT_THAT(read.error().what, Not(HasSubstr("s3cret"))) << user;
  }
}

TEST(KubeconfigTest, IgnoresWhatItDoesNotKnow) {
  EXPECT_TRUE(Parse("preferences: {colors: true}\nextensions: [{name: x, extension: {a: [1]}}]\n" +
                    Config("server: https://a, disable-compression: true", "token: a")));
}

TEST(KubeconfigTest, TakesNullForAbsent) {
  const auto read = WithUser("token: null, tokenFile: ~, exec: null, client-key:");
  ASSERT_TRUE(read) << Why(read);
  EXPECT_TRUE(read->token.empty());
}

TEST(KubeconfigTest, RefusesWhatIsNoKubeconfig) {
  EXPECT_EQ(Why(Parse("")), "is empty");
  EXPECT_EQ(Why(Parse("- a\n")), "is no kubeconfig");
  EXPECT_THAT(Why(Parse("kind: Pod")), HasSubstr("kind: must be Config"));
  EXPECT_THAT(Why(Parse("apiVersion: v2")), HasSubstr("apiVersion: must be v1"));
  EXPECT_THAT(Why(Parse("current-context: a\ncontexts: {a: b}")), HasSubstr("must be a list"));
  EXPECT_THAT(Why(Parse("current-context: [a]")), HasSubstr("must be a text"));
  EXPECT_THAT(Why(Parse("a: [")), HasSubstr("line 1"));
}

TEST(KubeconfigTest, RefusesWhatWouldUnfoldWithoutEnd) {
  EXPECT_THAT(Why(Parse("a: &a [x, x]\nb: [*a, *a]\n")), HasSubstr("anchors"));
  EXPECT_THAT(Why(Parse("a: " + std::string(40, '[') + std::string(40, ']'))), HasSubstr("deeper"));
  EXPECT_THAT(Why(Parse("a: " + std::string(1 << 20, 'x'))), HasSubstr("bytes"));
}

}  // namespace
}  // namespace drapci::plugin::kube
