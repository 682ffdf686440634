// drapcid: signals, readiness and the watchdog around one Server. The main thread does nothing
// else.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "hal/base/log.h"
#include "plugin/daemon/heart.h"
#include "plugin/daemon/options.h"
#include "plugin/daemon/reload.h"
#include "plugin/daemon/server.h"
#include "plugin/daemon/systemd_job.h"
#include "plugin/text.h"

namespace drapci::plugin {
namespace {

struct EventUnref {
  void operator()(sd_event* event) const { sd_event_unref(event); }
};
using Event = std::unique_ptr<sd_event, EventUnref>;

// Before any thread exists: threads inherit the mask, and the signals then reach sd-event alone.
void BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int OnStop(sd_event_source* source, const signalfd_siginfo* info, void*) {
  Log(LogLevel::kNotice, "stopping on {}", info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
  return sd_event_exit(sd_event_source_get_event(source), kExitDone);
}

// What the daemon was started with.
struct Started {
  Options options;
  std::string config_text;
};

void TellChanges(std::vector<std::string> keys) {
  // It alone is taken over by a running daemon.
  std::erase(keys, "logLevel");
  if (keys.empty()) {
    Log(LogLevel::kNotice, "the configuration has been read anew");
  } else {
    Log(LogLevel::kNotice,
        "the configuration has been read anew; these keys need `systemctl restart drapci`, which "
        "keeps claims and loses no call: {}",
        fmt::join(keys, ", "));
  }
}

int OnReload(sd_event_source* source, const signalfd_siginfo*, void* untyped) {
  uint64_t now = 0;
  sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now);
  sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now).c_str());
  const auto* started = static_cast<const Started*>(untyped);
  std::string text;
  const auto config = LoadConfig(started->options, text);
  if (config) {
    SetLogLevel(config->log_level);
    TellChanges(ChangedKeys(started->config_text, text));
  } else {
    for (const std::string& line : config.error()) Log(LogLevel::kError, "{}", line);
    Log(LogLevel::kError, "the configuration has errors: everything stays as it was");
  }
  sd_notify(0, "READY=1");
  return 0;
}

Result<Event> MakeEvent(Started& started) {
  sd_event* raw = nullptr;
  int status = sd_event_new(&raw);
  Event event(raw);
  if (status >= 0) status = sd_event_add_signal(raw, nullptr, SIGTERM, OnStop, nullptr);
  if (status >= 0) status = sd_event_add_signal(raw, nullptr, SIGINT, OnStop, nullptr);
  if (status >= 0) status = sd_event_add_signal(raw, nullptr, SIGHUP, OnReload, &started);
  if (status < 0) return Fail(Error::FromErrno(-status, "making the event loop"));
  return event;
}

int Run(Started& started, const driver::Config& config, ListeningSockets& sockets) {
  sd_notify(0, "STATUS=looking at what the last run left");
  auto event = MakeEvent(started);
  if (!event) {
    Log(LogLevel::kError, "{}", event.error().what);
    return kExitFailed;
  }
  auto server = Server::Start(config, sockets, DRAPCI_VERSION);
  if (!server) {
    Log(LogLevel::kError, "drapcid cannot start: {}", server.error().what);
    return kExitFailed;
  }
  sd_notify(0, fmt::format("READY=1\nSTATUS={}", (*server)->StatusLine()).c_str());
  Log(LogLevel::kNotice, "drapcid {} is ready: {}", DRAPCI_VERSION, (*server)->Summary());
  auto heart = Heart::Start(event->get(), [&server] { return (*server)->StatusLine(); });
  if (!heart) {
    Log(LogLevel::kError, "{}", heart.error().what);
    return kExitFailed;
  }
  (*server)->Show((*heart)->watchdog());
  const int code = sd_event_loop(event->get());
  sd_notify(0, "STOPPING=1\nSTATUS=waiting for calls that are under way");
  // Who stops for good must not be found any more.
  if (sockets.keep() && !IsRestart()) sockets.KeepNoMore();
  if (code < 0) Log(LogLevel::kError, "{}", Error::FromErrno(-code, "the event loop").what);
  return code < 0 ? kExitFailed : code;
}

int Main(int argc, char** argv) {
  auto options = ParseOptions(argc, argv);
  if (!options) return options.error();
  std::string text;
  auto config = LoadConfig(*options, text);
  if (!config) {
    for (const std::string& line : config.error()) fmt::print(stderr, "{}\n", line);
    return kExitFailed;
  }
  if (options->check_config) return kExitDone;
  SetLogLevel(config->log_level);
  // Sockets must not be open to all before they get their mode; CDI files must be readable by
  // runtimes.
  ::umask(022);
  BlockSignals();
  ListeningSockets sockets(options->keep_sockets);
  sockets.Inherit();
  Started started{.options = *std::move(options), .config_text = std::move(text)};
  return Run(started, *config, sockets);
}

}  // namespace
}  // namespace drapci::plugin

int main(int argc, char** argv) { return drapci::plugin::Main(argc, argv); }
