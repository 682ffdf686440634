// drapci-sim: a simulated machine with PCI cards, and what one does to it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "hal/base/log.h"
#include "test/sim/board/recorder.h"
#include "test/sim/front/control.h"
#include "test/sim/front/inject.h"
#include "test/sim/front/run.h"

namespace drapci::sim {
namespace {

constexpr int kRefused = 1, kUsage = 2;

int Report(const Error& error, int status = kRefused) {
  fmt::print(stderr, "drapci-sim: {}\n", error.what);
  return status;
}

// Those of an installed simulator lie beside it.
std::string BoardDirectory() {
  if (const char* own = std::getenv("DRAPCI_SIM_BOARDS"); own != nullptr) return own;
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const auto installed = program.parent_path().parent_path() / "share/drapci-sim/boards";
  return std::filesystem::is_directory(installed, unknown) ? installed.string()
                                                           : DRAPCI_SIM_BOARD_DIR;
}

struct RunArguments {
  std::vector<std::string> boards;
  RunOptions options;
};

int DoRun(RunArguments& arguments) {
  for (const std::string& argument : arguments.boards) {
    auto board = LoadBoard(argument, BoardDirectory());
    if (!board) return Report(board.error(), kUsage);
    arguments.options.boards.push_back(*std::move(board));
  }
  auto status = Run(arguments.options);
  return status ? *status : Report(status.error());
}

int ListBoards() {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(BoardDirectory(), missing)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  }
  if (missing) return Report(Error::FromErrno(missing.value(), "list " + BoardDirectory()));
  std::ranges::sort(names);
  for (const std::string& name : names) fmt::print("{}\n", name);
  return 0;
}

int DoRecord(const std::string& out) {
  auto count = Record(out);
  if (!count) return Report(count.error());
  fmt::print("{} functions recorded; use them with --board tree:{}\n", *count, out);
  return 0;
}

int DoInject(const std::vector<std::string>& words) {
  auto answer = Ask(words);
  if (!answer) return Report(answer.error());
  if (answer->status == 0) {
    fmt::print("{}", answer->text);
  } else {
    fmt::print(stderr, "drapci-sim: {}", answer->text);
  }
  return answer->status;
}

int Main(int argc, char** argv) {
  CLI::App app("A simulated machine with PCI cards.", "drapci-sim");
  app.require_subcommand(1);
  app.set_version_flag("--version", "0.1.0");

  RunArguments run;
  CLI::App* run_app = app.add_subcommand("run", "run COMMAND on a machine with these cards");
  run_app->add_option("--board", run.boards, "NAME[:key=value,...], a file, or tree:DIRECTORY")
      ->required()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  run_app->add_flag("--udevd", run.options.udevd, "start systemd-udevd first");
  run_app->add_flag("--vfio-cdev", run.options.vfio_cdev, "a kernel with VFIO character devices");
  run_app->add_option("--hostname", run.options.hostname, "host name of the machine");
  run_app->footer("Then -- COMMAND [ARGUMENT ...]; its exit status is that of drapci-sim.");

  CLI::App* boards_app = app.add_subcommand("boards", "list the boards");

  std::string out;
  CLI::App* record_app = app.add_subcommand("record", "record this machine's PCI functions");
  record_app->add_option("directory", out, "where to (must not exist)")->required();

  InjectCommands inject(app);
  try {
    // CLI11 takes "--" for the end of an option's values; here it begins the command.
    char** last = argv + argc;
    char** dashes =
        std::find_if(argv, last, [](const char* word) { return word == std::string_view("--"); });
    if (dashes != last) run.options.command.assign(dashes + 1, last);
    app.parse(static_cast<int>(dashes - argv), argv);
    if (run_app->parsed() && run.options.command.empty()) {
      throw CLI::RequiredError("-- COMMAND");
    }
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : (app.exit(error), kUsage);
  }
  if (run_app->parsed()) return DoRun(run);
  if (boards_app->parsed()) return ListBoards();
  if (record_app->parsed()) return DoRecord(out);
  return DoInject(inject.Words());
}

}  // namespace
}  // namespace drapci::sim

int main(int argc, char** argv) {
  int status = drapci::sim::Main(argc, argv);
  std::fflush(nullptr);
  _exit(status);  // the machine's threads never end by themselves
}
