// drapci: the command line of drapcid.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "plugin/cli/commands.h"
#include "plugin/cli/completion.h"
#include "plugin/cli/credentials.h"
#include "plugin/cli/text.h"

namespace {

using namespace drapci::cli;

int Complain(const Failure& failure) {
  fmt::print(stderr, "drapci: {}\n", failure.text);
  return static_cast<int>(failure.exit);
}

// Whether all of `text` has reached standard output: a full disk or a closed pipe is a failure,
// too.
bool Print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

void AddClaimOptions(CLI::App& command, ClaimOptions& claim) {
  auto* file =
      command
          .add_option("-f,--file", claim.file, "ResourceClaim as YAML or JSON; - is standard input")
          ->type_name("FILE");
  auto* name =
      command.add_option("--name", claim.name, "name of a claim made here")->excludes(file);
  auto* device = command.add_option("--device", claim.devices, "device to claim; may be repeated")
                     ->excludes(file)
                     ->needs(name)
                     ->allow_extra_args(false);
  name->needs(device);
  command
      .add_option("--share", claim.shares,
                  "take only this of each device, such as bandwidth=200M; may be repeated")
      ->needs(device)
      ->allow_extra_args(false)
      ->type_name("CAPACITY=QUANTITY");
  command.add_option("--config", claim.config_file, "file with a config.dra.pci/v1alpha1 object")
      ->needs(device)
      ->type_name("FILE");
}

void AddCredentialOptions(CLI::App& command, CredentialOptions& options) {
  command.add_option("--server", options.server, "URL of the API server")
      ->required()
      ->type_name("URL");
  command
      .add_option("--certificate-authority", options.certificate_authority,
                  "certificates that the API server's is checked against")
      ->required()
      ->type_name("FILE");
  auto* file = command
                   .add_option("--token-file", options.token_file,
                               "service account token; read anew whenever it changes")
                   ->type_name("FILE");
  command.add_option("--token", options.token, "read the token from standard input and keep it")
      ->excludes(file)
      ->type_name("-");
  command.add_option("--node", options.node, "the node that the token should be bound to");
  command.add_option("-o,--output", options.kubeconfig, "the kubeconfig to write")
      ->default_val(options.kubeconfig)
      ->type_name("FILE");
}

// CLI11's complaint as one line: what, why, what to do.
int Usage(const CLI::ParseError& error, const CLI::App& app, const std::string& command) {
  std::string text = Printable(error.what());
  const std::vector<std::string> unknown = app.remaining();
  if (command.empty() && !unknown.empty())
    text = fmt::format("{}: no such command", Printable(unknown.front()));
  if (command.empty() && unknown.empty() && error.get_name() == "RequiredError")
    text = "no command given";
  const std::string help =
      command.empty() ? "drapci --help" : fmt::format("drapci {} --help", command);
  return Complain({ExitCode::kUsage, fmt::format("{}; see `{}`", text, help)});
}

int Main(int argc, char** argv) {
  CLI::App app("Shows and hands out the PCI accelerators of this node.", "drapci");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_help_flag("-h,--help", "show this help");
  app.footer("Exit codes: 0 done, 1 refused or failed, 2 usage, 3 no daemon.");

  Options options;
  std::string format = "table";
  int timeout = 300;
  app.add_option("--socket", options.socket, "control socket of drapcid")
      ->envname("DRAPCI_SOCKET")
      ->default_val("/run/drapci/control.sock")
      ->type_name("PATH");
  app.add_option("-o,--output", format, "output: table, wide, json or yaml")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml"}))
      ->type_name("FORMAT");
  app.add_option("--timeout", timeout, "seconds to wait for an answer")
      ->check(CLI::Range(1, 86400));

  std::string name;
  ClaimOptions claim;
  std::function<Outcome<Printed>()> run;
  auto command = [&](const char* word, const char* help, auto action) {
    CLI::App* sub = app.add_subcommand(word, help);
    sub->callback([&run, action] { run = action; });
    return sub;
  };
  command("devices", "list devices", [&] { return Devices(options); });
  command("device", "show all that is known of one device",
          [&] { return DeviceNamed(options, name); })
      ->add_option("NAME", name, "device or accelerator")
      ->required();
  MapOptions map;
  CLI::App* draw = command("map", "draw the cards, what is free of them, and who holds what",
                           [&] { return DrawMap(options, map); });
  draw->add_option("DEVICE", map.devices, "only the cards that these are of");
  draw->add_flag("--svg", map.svg, "an SVG page on standard output");
  HealthOptions health;
  CLI::App* condition =
      command("health", "show the condition of cards, and what speaks against them",
              [&] { return ShowHealth(options, health, Print); });
  condition->add_option("DEVICE", health.device, "only the card that this is, or is a part of");
  condition->add_flag("--watch", health.watch, "go on with what changes, a line each");
  auto* explain = condition->add_option("--explain", health.explain,
                                        "which sample crossed which rule when, of one device");
  explain->type_name("DEVICE");
  auto* clear = condition->add_option("--clear", health.clear,
                                      "the card is well again: end what only an operator may end");
  clear->type_name("DEVICE")->excludes(explain);
  bool follow = false;
  CLI::App* events = command(
      "events", "list what has happened to cards since the daemon began, as far as it is kept",
      [&] { return Events(options, name, follow, Print); });
  events->add_option("DEVICE", name, "only the card that this is, or is a part of");
  events->add_flag("-f,--follow", follow, "go on with what happens");
  command("claims", "list what is held", [&] { return Claims(options); });
  AddClaimOptions(*command("plan", "show the steps that prepare would take; touches nothing",
                           [&] { return Plan(options, claim); }),
                  claim);
  AddClaimOptions(
      *command("prepare", "make a claim's devices ready and write its CDI specification",
               [&] { return Prepare(options, claim); }),
      claim);
  command("unprepare", "release a claim and put the hardware back",
          [&] { return Unprepare(options, name); })
      ->add_option("CLAIM", name, "name or UID")
      ->required();
  command("verify", "compare journal, hardware and CDI; exit 1 when they differ",
          [&] { return Verify(options); });
  command("slices", "show the ResourceSlices of this node, as YAML or with -o json",
          [&] { return Slices(options); });
  CredentialOptions credentials;
  AddCredentialOptions(
      *command("credentials", "write a kubeconfig for the daemon from a service account token",
               [&] {
                 const auto now = std::chrono::system_clock::now();
                 return Credentials(credentials, STDIN_FILENO,
                                    std::chrono::floor<std::chrono::seconds>(now));
               }),
      credentials);
  command("version", "versions of this program and of the daemon",
          [&] { return Version(options, DRAPCI_VERSION); });
  std::string shell;
  command("completion", "print a completion script",
          [&]() -> Outcome<Printed> { return Printed{Completion(shell)}; })
      ->add_option("SHELL", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app.add_flag_callback(
      "--version", [] { throw CLI::CallForVersion("drapci " DRAPCI_VERSION, 0); },
      "show this program's version");

  auto chosen = [&]() -> std::string {
    return app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name();
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const std::string which = chosen();
    return Print(which.empty() ? app.help() : app.get_subcommand(which)->help("drapci")) ? 0 : 1;
  } catch (const CLI::CallForVersion& version) {
    return Print(fmt::format("{}\n", version.what())) ? 0 : 1;
  } catch (const CLI::ParseError& error) {
    return Usage(error, app, chosen());
  }
  const std::string word = chosen();
  if ((word == "plan" || word == "prepare") && claim.file.empty() && claim.devices.empty()) {
    return Complain(
        {ExitCode::kUsage,
         fmt::format("{}: which claim; give -f FILE, or --name NAME --device DEVICE", word)});
  }
  options.format = *ParseFormat(format);
  options.timeout = std::chrono::seconds(timeout);
  map.terminal = TerminalAt(STDOUT_FILENO);

  const Outcome<Printed> printed = run();
  if (!printed) return Complain(printed.error());
  if (!Print(printed->text)) {
    return Complain(
        {ExitCode::kFailed,
         "standard output: not everything could be written; the command itself is done"});
  }
  if (!printed->warning.empty()) fmt::print(stderr, "{}", printed->warning);
  if (printed->complaint) return Complain(*printed->complaint);
  return static_cast<int>(printed->exit);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {  // out of memory, or a mistake of ours in CLI11's terms
    return Complain({ExitCode::kFailed, Printable(error.what())});
  }
}
