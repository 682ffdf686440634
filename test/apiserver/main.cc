// drapci-apiserver: the test API server as a program. Prints its port when it listens, and ends on
// SIGTERM or SIGINT.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "hal/base/parse.h"
#include "test/apiserver/http_front.h"
#include "test/apiserver/server.h"

namespace drapci::apiserver {
namespace {

struct Arguments {
  std::string listen = "127.0.0.1:0", kubernetes = "1.36", gates, state;
  std::vector<std::string> tokens;
  bool authorize = false;
  Options options;
  FrontOptions front;
};

Result<> ReadTokens(Arguments& arguments) {
  for (const std::string& text : arguments.tokens) {
    const size_t equals = text.find('=');
    if (equals == text.npos || equals == 0) {
      return Fail(Code::kInvalid, "--token: write TOKEN=USER or TOKEN=USER@NODE");
    }
    const std::string user = text.substr(equals + 1);
    const size_t at = user.find('@');
    arguments.options.tokens[text.substr(0, equals)] = {
        .name = user.substr(0, at), .node = at == user.npos ? "" : user.substr(at + 1)};
  }
  return {};
}

Result<> Interpret(Arguments& arguments) {
  const size_t colon = arguments.listen.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : ParseInt<uint16_t>(std::string_view(arguments.listen).substr(colon + 1));
  if (!port) return Fail(Code::kInvalid, "--listen: write HOST:PORT");
  arguments.front.host = arguments.listen.substr(0, colon);
  arguments.front.port = *port;
  const auto minor = arguments.kubernetes.starts_with("1.")
                         ? ParseInt<int>(std::string_view(arguments.kubernetes).substr(2))
                         : std::nullopt;
  if (!minor) return Fail(Code::kInvalid, "--kubernetes: write 1.34 to 1.37");
  arguments.options.minor = *minor;
  DRAPCI_TRY(arguments.options.gates, Gates::Parse(arguments.gates));
  DRAPCI_CHECK(ReadTokens(arguments));
  arguments.options.authorization.enabled = arguments.authorize;
  arguments.options.now = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  return {};
}

Result<> Load(const std::string& path, Server& server) {
  std::ifstream file(path);
  if (!file) return {};  // the first start
  std::stringstream text;
  text << file.rdbuf();
  return server.Restore(text.str());
}

Result<> Run(Arguments& arguments) {
  DRAPCI_CHECK(Interpret(arguments));
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  DRAPCI_TRY(const auto server, Server::Create(arguments.options));
  if (!arguments.state.empty()) DRAPCI_CHECK(Load(arguments.state, *server));
  HttpFront front(*server, arguments.front);
  DRAPCI_TRY(const int port, front.Start());
  fmt::print("{}\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  front.Stop();
  if (!arguments.state.empty()) {
    std::ofstream file(arguments.state, std::ios::trunc);
    file << server->Dump() << std::flush;
    if (!file) return Fail(Code::kIo, fmt::format("{}: cannot be written", arguments.state));
  }
  return {};
}

}  // namespace
}  // namespace drapci::apiserver

int main(int argc, char** argv) {
  drapci::apiserver::Arguments arguments;
  CLI::App app("A small Kubernetes API server for tests; see test/apiserver/README.md");
  app.add_option("--listen", arguments.listen, "HOST:PORT; with port 0 any free one (printed)");
  app.add_option("--kubernetes", arguments.kubernetes, "version, 1.34 to 1.37");
  app.add_option("--feature-gates", arguments.gates, "A=true,B=false");
  app.add_option("--tls-cert", arguments.front.certificate, "PEM file; without it plain HTTP");
  app.add_option("--tls-key", arguments.front.key, "PEM file");
  app.add_option("--client-ca", arguments.front.client_ca, "PEM file, of client certificates");
  app.add_option("--token", arguments.tokens, "TOKEN=USER[@NODE], repeatable");
  app.add_flag("--authorize", arguments.authorize, "check what users may do");
  app.add_option("--history", arguments.options.history, "events that a watch can go back");
  app.add_option("--bookmark-seconds", arguments.options.bookmark_seconds,
                 "time between bookmarks");
  app.add_option("--state", arguments.state, "read at the start, written at the end");
  CLI11_PARSE(app, argc, argv);
  if (const auto result = drapci::apiserver::Run(arguments); !result) {
    fmt::print(stderr, "drapci-apiserver: {}\n", result.error().what);
    return 1;
  }
  return 0;
}
