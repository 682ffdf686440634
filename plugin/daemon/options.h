// drapcid's command line, and the configuration that it makes together with the file.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "driver/config.h"

namespace drapci::plugin {

// Exit codes, as --help prints them.
inline constexpr int kExitDone = 0, kExitFailed = 1, kExitUsage = 2;

// Empty where the option was not given.
struct Options {
  std::string config_file;
  std::optional<std::string> state_dir, cdi_dir, control_socket, kubelet_root, claim_dir,
      kubeconfig, node_name;
  std::optional<LogLevel> log_level;
  bool standalone = false, check_config = false, keep_sockets = false;
};

// The options, or the code to exit with: help and version have been printed to standard output by
// then, a usage error to standard error. Never throws.
std::expected<Options, int> ParseOptions(int argc, char** argv);

// The configuration file with the options laid over it, or every error as one line, "FILE:LINE:
// TEXT". Without --config, a default file that is not there is an empty one.
// `text`: the file's.
std::expected<driver::Config, std::vector<std::string>> LoadConfig(const Options& options,
                                                                   std::string& text);

}  // namespace drapci::plugin
