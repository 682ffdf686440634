#include "plugin/daemon/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "plugin/socket_server.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

constexpr std::string_view kDefaultConfig = "/etc/drapci/config.yaml";
constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr std::string_view kFooter =
    "An option beats the configuration file.\n"
    "SIGTERM and SIGINT stop the daemon in order; SIGHUP reads the configuration anew.\n"
    "Exit codes: 0 stopped in order, or the configuration is good; 1 failed, the reason is the "
    "last line "
    "on standard error; 2 usage.";

std::string Absolute(const std::string& path) {
  return path.starts_with('/') ? std::string() : "must be an absolute path";
}

}  // namespace

std::expected<Options, int> ParseOptions(int argc, char** argv) {
  Options options;
  std::string log_level;
  const std::map<std::string, LogLevel> levels = {{"error", LogLevel::kError},
                                                  {"warning", LogLevel::kWarning},
                                                  {"notice", LogLevel::kNotice},
                                                  {"info", LogLevel::kInfo},
                                                  {"debug", LogLevel::kDebug}};
  try {
    CLI::App app("drapcid: gives the PCI accelerators of this node to containers.", "drapcid");
    app.footer(std::string(kFooter));
    app.set_version_flag("--version", std::string("drapcid " DRAPCI_VERSION));
    app.add_option("--config", options.config_file,
                   fmt::format("configuration file; {} if it exists", kDefaultConfig));
    app.add_option("--state-dir", options.state_dir, "the journal's directory")->check(Absolute);
    app.add_option("--cdi-dir", options.cdi_dir, "where CDI files are written")->check(Absolute);
    app.add_option("--control-socket", options.control_socket, "the socket that drapci talks to")
        ->check(Absolute);
    app.add_option("--kubelet-root", options.kubelet_root, "the kubelet's --root-dir")
        ->check(Absolute);
    app.add_option("--claim-directory", options.claim_dir,
                   "read claims from NAMESPACE/NAME.json or .yaml below this directory")
        ->check(Absolute);
    app.add_option("--kubeconfig", options.kubeconfig, "how to reach the API server")
        ->check(Absolute);
    app.add_option("--node-name", options.node_name, "this node's name in Kubernetes");
    app.add_flag("--standalone", options.standalone, "no Kubernetes: no kubelet sockets");
    app.add_flag("--keep-sockets", options.keep_sockets,
                 "leave the sockets with systemd, so that callers wait while the daemon restarts");
    app.add_flag("--check-config", options.check_config,
                 "print every error of the configuration, and exit");
    app.add_option("--log-level", log_level, "error, warning, notice, info or debug")
        ->check(CLI::IsMember(levels));
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) {  // --help or --version
        app.exit(error);
        return std::unexpected(kExitDone);
      }
      fmt::print(stderr, "drapcid: {}; see drapcid --help\n", Printable(error.what(), 300));
      return std::unexpected(kExitUsage);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "drapcid: {}\n", error.what());
    return std::unexpected(kExitUsage);
  }
  if (!log_level.empty()) options.log_level = levels.at(log_level);
  return options;
}

std::expected<driver::Config, std::vector<std::string>> LoadConfig(const Options& options,
                                                                   std::string& text) {
  const bool by_default = options.config_file.empty();
  const std::string file(by_default ? std::string(kDefaultConfig) : options.config_file);
  auto read = ReadFile(file, kMaxConfigBytes);
  if (!read && (!by_default || read.error().code != Code::kNotFound)) {
    return std::unexpected(
        std::vector{fmt::format("the configuration cannot be read: {}", OneLine(read.error()))});
  }
  text = read ? *std::move(read) : std::string();
  auto config = driver::ParseConfig(text);
  if (!config) {
    std::vector<std::string> lines;
    for (const driver::ConfigError& error : config.error()) {
      lines.push_back(error.line > 0 ? fmt::format("{}:{}: {}", file, error.line, error.text)
                                     : fmt::format("{}: {}", file, error.text));
    }
    return std::unexpected(std::move(lines));
  }
  if (options.state_dir) config->state_dir = *options.state_dir;
  if (options.cdi_dir) config->cdi_dir = *options.cdi_dir;
  if (options.control_socket) config->control_socket = *options.control_socket;
  if (options.kubelet_root) config->kubelet_root = *options.kubelet_root;
  if (options.claim_dir) config->claim_dir = *options.claim_dir;
  if (options.kubeconfig) config->kubernetes.kubeconfig = *options.kubeconfig;
  if (options.node_name) config->node_name = *options.node_name;
  if (options.log_level) config->log_level = *options.log_level;
  config->standalone = config->standalone || options.standalone;
  if (auto path = CheckSocketPath(config->control_socket); !path) {
    return std::unexpected(std::vector{"control socket: " + OneLine(path.error())});
  }
  return *std::move(config);
}

}  // namespace drapci::plugin
