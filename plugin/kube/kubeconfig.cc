#include "plugin/kube/kubeconfig.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "driver/text.h"
#include "driver/yaml_tree.h"
#include "hal/base/parse.h"
#include "hal/base/unique_fd.h"
#include "plugin/kube/base64.h"
#include "plugin/kube/url.h"

namespace drapci::plugin::kube {
namespace {

using driver::YamlNode;

constexpr size_t kMaxBytes = 1 << 20;

// A value of the file and the way to it ("users['drapci'].user.token"). Values may be secrets: no
// error repeats one.
class Field {
 public:
  Field(const YamlNode* node, std::string path) : node_(node), path_(std::move(path)) {
    if (node_ != nullptr && IsNull(*node_)) node_ = nullptr;
  }

  bool present() const { return node_ != nullptr; }
  const std::string& path() const { return path_; }

  Field operator[](std::string_view key) const {
    const std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    if (node_ != nullptr && node_->kind == YamlNode::Kind::kMap) {
      const auto item = std::ranges::find(node_->items, key, &YamlNode::key);
      if (item != node_->items.end()) return {&*item, path};
    }
    return {nullptr, path};
  }

  std::unexpected<Error> Wrong(std::string_view what, Code code = Code::kInvalid) const {
    return Fail(code, node_ == nullptr ? fmt::format("{}: {}", path_, what)
                                       : fmt::format("line {}: {}: {}", node_->line, path_, what));
  }

  Result<> IsMap() const {
    if (node_ != nullptr && node_->kind != YamlNode::Kind::kMap) return Wrong("must be a map");
    return {};
  }

  // Empty when absent.
  Result<std::string> Text() const {
    if (node_ == nullptr) return std::string();
    if (node_->kind != YamlNode::Kind::kScalar) return Wrong("must be a text");
    return node_->text;
  }

  // On one line; blanks and line breaks at the ends do not count.
  Result<std::string> Line() const {
    DRAPCI_TRY(const std::string text, Text());
    const std::string line(Trim(text));
    if (driver::HasControl(line)) return Wrong("has a control character in it");
    return line;
  }

  Result<bool> Flag() const {
    if (node_ == nullptr) return false;
    if (node_->kind == YamlNode::Kind::kScalar && !node_->quoted) {
      if (node_->text == "true" || node_->text == "True" || node_->text == "TRUE") return true;
      if (node_->text == "false" || node_->text == "False" || node_->text == "FALSE") return false;
    }
    return Wrong("must be true or false");
  }

  // The member `what` of the entry called `name` of this list.
  Result<Field> Named(std::string_view name, std::string_view what) const {
    if (node_ != nullptr && node_->kind != YamlNode::Kind::kList) return Wrong("must be a list");
    const YamlNode* found = nullptr;
    for (size_t i = 0; node_ != nullptr && i < node_->items.size(); ++i) {
      const Field entry_name = Field(&node_->items[i], fmt::format("{}[{}]", path_, i))["name"];
      DRAPCI_TRY(const std::string text, entry_name.Text());
      if (text != name) continue;
      if (found != nullptr) {
        return entry_name.Wrong(fmt::format("{} appears twice: keep one", driver::Quoted(name)));
      }
      found = &node_->items[i];
    }
    if (found == nullptr) return Wrong(fmt::format("has no entry {}", driver::Quoted(name)));
    const Field member = Field(found, fmt::format("{}[{}]", path_, driver::Quoted(name)))[what];
    DRAPCI_CHECK(member.IsMap());
    return member;
  }

 private:
  static bool IsNull(const YamlNode& node) {
    return node.kind == YamlNode::Kind::kNull ||
           (node.kind == YamlNode::Kind::kScalar && !node.quoted &&
            (node.text == "null" || node.text == "Null" || node.text == "NULL"));
  }

  const YamlNode* node_;
  std::string path_;
};

// What may be in the file itself (base64) or in a file of its own. Data wins over the file, as with
// kubectl.
Result<Secret> PemOf(const Field& parent, const std::string& name, const std::string& directory) {
  const Field data = parent[name + "-data"], file = parent[name];
  DRAPCI_TRY(const std::string text, data.Text());
  DRAPCI_TRY(const std::string path, file.Line());
  Secret secret;
  if (!text.empty()) {
    auto bytes = DecodeBase64(text);
    if (!bytes) return data.Wrong("is not base64: copy it again, whole");
    if (!bytes->contains("-----BEGIN ")) return data.Wrong("is not a PEM text in base64");
    secret.data = *std::move(bytes);
  } else if (!path.empty()) {
    secret.file = std::filesystem::path(directory) / path;
  }
  return secret;
}

// A file wins over the token that is written down: it is the newer one.
Result<Secret> TokenOf(const Field& user, const std::string& directory) {
  DRAPCI_TRY(const std::string path, user["tokenFile"].Line());
  if (!path.empty()) return Secret{.file = std::filesystem::path(directory) / path, .data = {}};
  DRAPCI_TRY(std::string token, user["token"].Line());
  if (!std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f; })) {
    return user["token"].Wrong("has characters that no token has");
  }
  return Secret{.file = {}, .data = std::move(token)};
}

Result<std::string> Url(const Field& field, std::initializer_list<std::string_view> schemes,
                        UserInfo user_info) {
  DRAPCI_TRY(std::string url, field.Line());
  while (url.ends_with('/')) url.pop_back();
  if (url.empty()) return url;
  if (const auto good = CheckUrl(url, schemes, user_info); !good) {
    return field.Wrong(good.error().what);
  }
  return url;
}

Result<> ReadCluster(const Field& cluster, const std::string& directory, Credentials& out) {
  DRAPCI_TRY(out.server, Url(cluster["server"], {"https", "http"}, UserInfo::kRefused));
  if (out.server.empty()) return cluster["server"].Wrong("is missing: where is the API server?");
  DRAPCI_TRY(out.proxy_url,
             Url(cluster["proxy-url"], {"http", "https", "socks5"}, UserInfo::kAllowed));
  DRAPCI_TRY(out.tls_server_name, cluster["tls-server-name"].Line());
  if (out.tls_server_name.find_first_of(" /:@") != std::string::npos) {
    return cluster["tls-server-name"].Wrong("must be a host's name and nothing else");
  }
  const Field insecure = cluster["insecure-skip-tls-verify"];
  DRAPCI_TRY(out.insecure_skip_tls_verify, insecure.Flag());
  DRAPCI_TRY(out.certificate_authority, PemOf(cluster, "certificate-authority", directory));
  if (out.insecure_skip_tls_verify && !out.certificate_authority.empty()) {
    return insecure.Wrong("contradicts certificate-authority: leave one of them out");
  }
  return {};
}

// What would act in another name, or run a program, is refused rather than left out: the calls
// would be made with other rights than the file's author meant.
Result<> RefuseUnsupported(const Field& user) {
  for (const char* plugin : {"exec", "auth-provider"}) {
    if (user[plugin].present()) {
      return user[plugin].Wrong(
          "credential plugins are not supported; give a service account token in a file "
          "(tokenFile), or client certificates",
          Code::kUnsupported);
    }
  }
  for (const char* other : {"as", "as-uid", "as-groups", "as-user-extra"}) {
    if (user[other].present()) {
      return user[other].Wrong(
          "impersonation is not supported; give credentials of the account itself",
          Code::kUnsupported);
    }
  }
  return {};
}

Result<> ReadUser(const Field& user, const std::string& directory, Credentials& out) {
  DRAPCI_CHECK(RefuseUnsupported(user));
  DRAPCI_TRY(out.token, TokenOf(user, directory));
  DRAPCI_TRY(out.client_certificate, PemOf(user, "client-certificate", directory));
  DRAPCI_TRY(out.client_key, PemOf(user, "client-key", directory));
  if (out.client_certificate.empty() != out.client_key.empty()) {
    return user[out.client_key.empty() ? "client-key" : "client-certificate"].Wrong(
        "is missing: a certificate and its key belong together");
  }
  DRAPCI_TRY(out.username, user["username"].Line());
  DRAPCI_TRY(out.password, user["password"].Line());
  if (out.username.contains(':')) return user["username"].Wrong("must not have a ':'");
  if (!out.token.empty() && !(out.username.empty() && out.password.empty())) {
    return user["username"].Wrong("contradicts the token: leave one of them out");
  }
  return {};
}

Result<> CheckHeader(const Field& root) {
  DRAPCI_CHECK(root.IsMap());
  DRAPCI_TRY(const std::string kind, root["kind"].Text());
  if (!kind.empty() && kind != "Config") return root["kind"].Wrong("must be Config");
  DRAPCI_TRY(const std::string version, root["apiVersion"].Text());
  if (!version.empty() && version != "v1") return root["apiVersion"].Wrong("must be v1");
  return {};
}

// The whole of a regular file.
Result<std::string> ReadSmallFile(const std::string& path) {
  // O_NONBLOCK: a FIFO of that name must not hang the daemon.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return Fail(Error::FromErrno(errno, path));
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return Fail(Error::FromErrno(errno, path));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kInvalid, path + ": is not a regular file");
  std::string text(kMaxBytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(Error::FromErrno(errno, path));
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMaxBytes) {
    return Fail(Code::kInvalid, fmt::format("{}: is larger than {} bytes", path, kMaxBytes));
  }
  text.resize(size);
  return text;
}

}  // namespace

Result<Credentials> ParseKubeconfig(std::string_view yaml, const std::string& directory,
                                    std::string_view context) {
  std::vector<driver::ConfigError> errors;
  const YamlNode document = driver::ReadYaml(yaml, errors);
  if (!errors.empty()) {
    const driver::ConfigError& first = errors.front();
    return Fail(Code::kInvalid,
                first.line > 0 ? fmt::format("line {}: {}", first.line, first.text) : first.text);
  }
  const Field root(&document, "");
  if (!root.present()) return Fail(Code::kInvalid, "is empty");
  if (document.kind != YamlNode::Kind::kMap) return Fail(Code::kInvalid, "is no kubeconfig");
  DRAPCI_CHECK(CheckHeader(root));

  std::string name(context);
  if (name.empty()) {
    DRAPCI_TRY(name, root["current-context"].Text());
    if (name.empty()) {
      return root["current-context"].Wrong(
          "is missing: set it (`kubectl config use-context NAME`), or name the context");
    }
  }
  DRAPCI_TRY(const Field chosen, root["contexts"].Named(name, "context"));
  Credentials out;
  DRAPCI_TRY(out.name_space, chosen["namespace"].Line());
  DRAPCI_TRY(const std::string cluster, chosen["cluster"].Text());
  DRAPCI_TRY(const std::string user, chosen["user"].Text());
  if (cluster.empty()) return chosen["cluster"].Wrong("is missing");
  DRAPCI_TRY(const Field cluster_field, root["clusters"].Named(cluster, "cluster"));
  DRAPCI_CHECK(ReadCluster(cluster_field, directory, out));
  if (user.empty()) return out;  // an API server without authentication, as in tests
  DRAPCI_TRY(const Field user_field, root["users"].Named(user, "user"));
  DRAPCI_CHECK(ReadUser(user_field, directory, out));
  return out;
}

Result<Credentials> ReadKubeconfig(const std::string& file, std::string_view context) {
  DRAPCI_TRY(const std::string yaml, ReadSmallFile(file));
  std::error_code error;
  const auto absolute = std::filesystem::absolute(file, error);
  if (error) return Fail(Error::FromErrno(error.value(), file));
  auto credentials = ParseKubeconfig(yaml, absolute.parent_path(), context);
  if (!credentials) return Fail(std::move(credentials).error().Within(file));
  return credentials;
}

Result<Credentials> InClusterCredentials(const std::string& host, const std::string& port,
                                         const std::string& directory) {
  if (host.empty() || port.empty()) {
    return Fail(Code::kNotFound,
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this is no "
                "pod; name a kubeconfig in the configuration");
  }
  Credentials out;
  out.server = fmt::format(fmt::runtime(host.contains(':') ? "https://[{}]:{}" : "https://{}:{}"),
                           host, port);
  if (auto good = CheckUrl(out.server, {"https"}, UserInfo::kRefused); !good) {
    return Fail(std::move(good).error().Within("KUBERNETES_SERVICE_HOST and _PORT"));
  }
  out.certificate_authority.file = directory + "/ca.crt";
  out.token.file = directory + "/token";
  // Read for their errors only: both are renewed while the pod runs.
  DRAPCI_CHECK(ReadSmallFile(out.certificate_authority.file));
  DRAPCI_CHECK(ReadSmallFile(out.token.file));
  const auto name_space = ReadSmallFile(directory + "/namespace");
  if (name_space) out.name_space = Trim(*name_space);
  return out;
}

}  // namespace drapci::plugin::kube
