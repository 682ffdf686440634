// drapcid: signals, readiness and the watchdog around one Server. The main thread does nothing
// else, so that the watchdog sees a daemon that still answers its signals.
#include <fmt/format.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include <csignal>
#include <cstdlib>
#include <memory>

#include "hal/base/log.h"
#include "plugin/daemon/options.h"
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

int OnReload(sd_event_source* source, const signalfd_siginfo*, void* untyped) {
  uint64_t now = 0;
  sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now);
  sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now).c_str());
  const auto config = LoadConfig(*static_cast<const Options*>(untyped));
  if (config) {
    SetLogLevel(config->log_level);
    Log(LogLevel::kNotice, "logLevel has been read anew; every other change needs a restart");
  } else {
    for (const std::string& line : config.error()) Log(LogLevel::kError, "{}", line);
    Log(LogLevel::kError, "the configuration has errors: everything stays as it was");
  }
  sd_notify(0, "READY=1");
  return 0;
}

Result<Event> MakeEvent(Options& options) {
  sd_event* raw = nullptr;
  int status = sd_event_new(&raw);
  Event event(raw);
  if (status >= 0) status = sd_event_add_signal(raw, nullptr, SIGTERM, OnStop, nullptr);
  if (status >= 0) status = sd_event_add_signal(raw, nullptr, SIGINT, OnStop, nullptr);
  if (status >= 0) status = sd_event_add_signal(raw, nullptr, SIGHUP, OnReload, &options);
  if (status >= 0) status = sd_event_set_watchdog(raw, 1);
  if (status < 0) return Fail(Error::FromErrno(-status, "making the event loop"));
  return event;
}

int Run(Options& options, const driver::Config& config, ListeningSockets& sockets) {
  sd_notify(0, "STATUS=looking at what the last run left");
  auto event = MakeEvent(options);
  if (!event) {
    Log(LogLevel::kError, "{}", event.error().what);
    return kExitFailed;
  }
  auto server = Server::Start(config, sockets, DRAPCI_VERSION);
  if (!server) {
    Log(LogLevel::kError, "drapcid cannot start: {}", server.error().what);
    return kExitFailed;
  }
  sd_notify(0, "READY=1\nSTATUS=serving");
  Log(LogLevel::kNotice, "drapcid {} is ready: {}", DRAPCI_VERSION, (*server)->Summary());
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
  auto config = LoadConfig(*options);
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
  return Run(*options, *config, sockets);
}

}  // namespace
}  // namespace drapci::plugin

int main(int argc, char** argv) { return drapci::plugin::Main(argc, argv); }
