#include "plugin/cli/credentials.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "hal/base/parse.h"
#include "hal/base/result.h"
#include "plugin/cli/files.h"
#include "plugin/cli/text.h"
#include "plugin/cli/yaml.h"
#include "plugin/kube/kubeconfig.h"
#include "plugin/kube/token_facts.h"
#include "plugin/kube/url.h"
#include "plugin/text.h"

namespace drapci::cli {
namespace {

using nlohmann::json;
using plugin::kube::TokenFacts;
using std::chrono::sys_seconds;

Outcome<> CheckOptions(const CredentialOptions& options) {
  if (options.token_file.empty() == options.token.empty()) {
    return Fail(ExitCode::kUsage, "credentials: which token; give --token-file FILE, or --token -");
  }
  if (!options.token.empty() && options.token != "-") {
    return Fail(ExitCode::kUsage,
                "--token: takes only -, for standard input: everybody on this machine can see a "
                "token on a command line");
  }
  const auto good =
      plugin::kube::CheckUrl(options.server, {"https", "http"}, plugin::kube::UserInfo::kRefused);
  if (!good) return Fail(ExitCode::kUsage, "--server: " + good.error().what);
  return {};
}

Outcome<std::string> ReadFile(const std::string& path) {
  auto text = plugin::ReadFile(path, kMaxFileSize);
  if (!text) return Fail(ExitCode::kFailed, Printable(text.error().what));
  return *std::move(text);
}

Outcome<std::string> Absolute(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) return Fail(ExitCode::kFailed, Error::FromErrno(error.value(), path).what);
  return absolute.lexically_normal().string();
}

Outcome<> CheckCertificateAuthority(const std::string& file) {
  DRAPCI_TRY(const std::string text, ReadFile(file));
  if (text.contains("-----BEGIN CERTIFICATE-----")) return {};
  return Fail(ExitCode::kFailed,
              fmt::format("{}: no certificate in PEM form; a cluster's own is in the ConfigMap "
                          "kube-root-ca.crt of every namespace",
                          Printable(file)));
}

Outcome<std::string> MakeKubeconfig(const std::string& server, const std::string& authority,
                                    const std::string& token_file) {
  const json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "drapci"},
      {"clusters",
       {{{"name", "kubernetes"},
         {"cluster", {{"server", server}, {"certificate-authority", authority}}}}}},
      {"users", {{{"name", "drapci"}, {"user", {{"tokenFile", token_file}}}}}},
      {"contexts",
       {{{"name", "drapci"}, {"context", {{"cluster", "kubernetes"}, {"user", "drapci"}}}}}}};
  std::string yaml = JsonToYaml(config.dump(-1, ' ', false, json::error_handler_t::replace));
  // As drapcid will read it: a path may have characters that no YAML can hold.
  const auto read = plugin::kube::ParseKubeconfig(yaml, "/", "");
  if (!read || read->token.file != token_file || read->certificate_authority.file != authority) {
    return Fail(ExitCode::kFailed,
                "the kubeconfig could not be read back; use file names without special characters");
  }
  return yaml;
}

std::string Time(sys_seconds time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string BoundTo(const TokenFacts& facts) {
  if (facts.node.empty()) return facts.pod.empty() ? "nothing" : "pod " + Printable(facts.pod);
  if (facts.pod.empty()) return "node " + Printable(facts.node);
  return fmt::format("pod {} on node {}", Printable(facts.pod), Printable(facts.node));
}

std::vector<std::string> Warnings(const CredentialOptions& options, const TokenFacts& facts,
                                  sys_seconds now) {
  std::vector<std::string> warnings;
  if (facts.node.empty()) {
    warnings.push_back(
        "the token is bound to no node, so the cluster cannot tell which slices are this node's; "
        "make it with `kubectl create token --bound-object-kind Node --bound-object-name NODE`");
  } else if (!options.node.empty() && facts.node != options.node) {
    warnings.push_back(
        fmt::format("the token is bound to node {}, not to {}: this node's slices "
                    "will be refused",
                    Printable(facts.node), Printable(options.node)));
  }
  if (!facts.expires) {
    warnings.push_back("the token never expires: use one that does, and renew it");
  } else if (*facts.expires - now < std::chrono::hours(24)) {
    warnings.push_back(
        fmt::format("the token expires in {} minutes; {}",
                    std::chrono::duration_cast<std::chrono::minutes>(*facts.expires - now).count(),
                    options.token.empty() ? "something must write a new one to its file before then"
                                          : "run this again with a new one before then"));
  }
  return warnings;
}

Outcome<TokenFacts> CheckToken(std::string_view token, const std::string& name, sys_seconds now) {
  const auto facts = plugin::kube::ReadTokenFacts(token);
  if (!facts) return Fail(ExitCode::kFailed, fmt::format("{}: {}", name, facts.error().what));
  if (facts->expires && *facts->expires <= now) {
    return Fail(ExitCode::kFailed, fmt::format("{}: the token expired at {}; get a new one", name,
                                               Time(*facts->expires)));
  }
  return *facts;
}

}  // namespace

Outcome<Printed> Credentials(const CredentialOptions& options, int input, sys_seconds now) {
  DRAPCI_CHECK(CheckOptions(options));
  const bool from_input = options.token == "-";
  DRAPCI_TRY(const std::string kubeconfig, Absolute(options.kubeconfig));
  DRAPCI_TRY(const std::string authority, Absolute(options.certificate_authority));
  DRAPCI_TRY(const std::string token_file,
             Absolute(from_input ? kubeconfig + ".token" : options.token_file));
  DRAPCI_CHECK(CheckCertificateAuthority(authority));
  const std::string name = from_input ? "standard input" : Printable(token_file);
  DRAPCI_TRY(const std::string text, from_input ? ReadAll(input, name) : ReadFile(token_file));
  const std::string_view token = Trim(text);
  DRAPCI_TRY(const TokenFacts facts, CheckToken(token, name, now));

  DRAPCI_TRY(const std::string yaml, MakeKubeconfig(options.server, authority, token_file));
  DRAPCI_TRY(PendingFile pending, PendingFile::Write(kubeconfig, yaml));
  if (from_input) {
    DRAPCI_TRY(PendingFile secret, PendingFile::Write(token_file, token));
    DRAPCI_CHECK(secret.Commit());
  }
  DRAPCI_CHECK(pending.Commit());

  Printed printed{.text = fmt::format("kubeconfig  {}\ntoken file  {}\nsubject     {}\n"
                                      "bound to    {}\nexpires     {}\n",
                                      Printable(kubeconfig), Printable(token_file),
                                      Printable(facts.subject), BoundTo(facts),
                                      facts.expires ? Time(*facts.expires) : "never")};
  const std::vector<std::string> warnings = Warnings(options, facts, now);
  if (!warnings.empty()) {
    printed.complaint = Failure{.exit = ExitCode::kDone,
                                .text = fmt::format("warning: {}", fmt::join(warnings, "; and "))};
  }
  return printed;
}

}  // namespace drapci::cli
