#include "test/sim/front/inject.h"

#include <fmt/format.h>

namespace drapci::sim {

CLI::App* InjectCommands::Add(const char* name, const char* help,
                              std::vector<const char*> arguments) {
  CLI::App* command = inject_->add_subcommand(name, help);
  for (size_t i = 0; i < arguments.size(); ++i) {
    command->add_option(arguments[i], values_[i])->required();
  }
  return command;
}

InjectCommands::InjectCommands(CLI::App& app)
    : inject_(app.add_subcommand("inject", "change the machine that this runs on")) {
  inject_->require_subcommand(1);
  CLI::App* fault = Add("fault", "let accesses fail", {"glob", "errno"});
  fault->add_option("--count", count_, "how often; -1: always");
  fault->add_option("--op", operation_, "read or write")->check(CLI::IsMember({"read", "write"}));
  Add("delay", "let writes take longer", {"glob", "milliseconds"});
  Add("hold", "let writes block until release", {"glob"});
  Add("hold-reads", "let reads block until release", {"glob"});
  Add("release", "end a hold", {"glob"});
  Add("vf-delay", "VFs appear late, after the write returned", {"pf", "milliseconds"});
  Add("fewer-vfs", "the driver makes only so many VFs", {"pf", "count"});
  Add("unplug", "pull a function out", {"address"});
  Add("plug", "put it back in", {"address"});
  Add("vf-settings", "print what is set for the VFs of a PF, as `ip link show` does", {"pf"});
  Add("carrier", "pull the cable of a function's interfaces, or put it in",
      {"address", "on-or-off"});
  CLI::App* set = Add("set", "change an attribute's content", {"path", "value"});
  set->add_flag("--create", create_, "make it when it is not there");
  CLI::App* aer = Add("aer", "count AER errors", {"address", "severity", "name"});
  aer->add_option("--count", count_, "how many");
  Add("sensor", "let a file of a card's hwmon devices say a value", {"address", "file", "value"});
  Add("link", "set the speed (GT/s) and the lanes of a link; 0 lanes: it is down",
      {"address", "speed", "width"});
  Add("config-gone", "let configuration space read all ones", {"address"});
  Add("sleep", "suspend a card, or wake it", {"address", "on-or-off"});
  Add("core-dump", "let the driver have recorded a hang, or delete that", {"address", "on-or-off"});
  Add("wedge", "let a GPU hang: none, rebind, rebind,bus-reset, vendor-specific, unknown",
      {"address", "methods"});
  Add("recovery", "tell of error recovery: BEGIN_RECOVERY, SUCCESSFUL_RECOVERY, FAILED_RECOVERY",
      {"address", "state"});
  Add("halt", "let an accelerator of idxd stop itself", {"address"});
  CLI::App* ras = Add("ras",
                      "count errors of a block of amdgpu (umc ue|ce), or of QAT (qat "
                      "correctable|nonfatal|fatal)",
                      {"address", "block", "kind"});
  ras->add_option("--count", count_, "how many");
  Add("reporter", "let a health reporter of devlink be in error, or healthy",
      {"address", "name", "error-or-healthy"});
  CLI::App* drops = Add("net-drops", "count drops or errors of an interface (rx_dropped, ...)",
                        {"address", "counter"});
  drops->add_option("--count", count_, "how many");
  Add("xid", "let NVIDIA's driver tell of an Xid", {"address", "number"});
  Add("gpu",
      "set a number of the stand-in for NVIDIA's library (temperature, ecc_uncorrected, ...)",
      {"address", "key", "value"});
  CLI::App* event = Add("event", "send a uevent of a function", {"address", "action"});
  event->add_option("properties", pairs_, "KEY=VALUE ...");
  CLI::App* writes = Add("writes", "print what was written to /sys", {});
  writes->add_flag("--reset", reset_, "and forget it");
  Add("clear", "end all faults, delays, holds and traps", {});
  Add("kill-after", "SIGKILL who makes the N-th accepted write from now, after it took effect",
      {"writes"});
  Add("stop-at", "SIGSTOP who makes the N-th accepted write from now, after it took effect",
      {"writes"});
}

std::vector<std::string> InjectCommands::Words() const {
  const CLI::App* command = inject_->get_subcommands().front();
  const std::string& name = command->get_name();
  std::vector<std::string> words = {name};
  size_t used = 0;
  for (const CLI::Option* option : command->get_options()) {
    if (option->get_positional() && option->get_required()) words.push_back(values_[used++]);
  }
  if (name == "fault") {
    words.push_back(fmt::format("{}", count_));
    words.push_back(operation_);
  }
  if (name == "aer" || name == "ras" || name == "net-drops")
    words.push_back(fmt::format("{}", count_));
  if (name == "set" && create_) words.push_back("create");
  if (name == "writes" && reset_) words.push_back("reset");
  if (name == "event") words.insert(words.end(), pairs_.begin(), pairs_.end());
  return words;
}

}  // namespace drapci::sim
