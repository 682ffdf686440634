// The command line of `drapci-sim inject`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace drapci::sim {

// Adds `inject` with its commands to `app`, and turns what was parsed into the words of a request.
class InjectCommands {
 public:
  explicit InjectCommands(CLI::App& app);
  std::vector<std::string> Words() const;

 private:
  CLI::App* Add(const char* name, const char* help, std::vector<const char*> arguments);

  CLI::App* inject_;
  std::vector<std::string> values_ = std::vector<std::string>(3);
  std::vector<std::string> pairs_;
  int count_ = 1;
  std::string operation_ = "write";
  bool reset_ = false, create_ = false;
};

}  // namespace drapci::sim
