#include "test/node/support/node.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace drapci::test {
namespace fs = std::filesystem;
namespace {

using std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{60};

std::string FromEnv(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

// The end of the socket that sd_notify(3) writes to.
Result<UniqueFd> NotifySocket(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  unlink(path.c_str());
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Fail(Error::FromErrno(errno, path));
  }
  return fd;
}

// Whether READY=1 comes before the process ends and before `deadline`.
bool WaitReady(int socket, const Process& process, steady_clock::time_point deadline) {
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{.fd = socket, .events = POLLIN, .revents = 0},
                              pollfd{.fd = process.pidfd(), .events = POLLIN, .revents = 0}};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return false;
    if (poll(fds.data(), fds.size(), static_cast<int>(left.count())) < 0 && errno != EINTR)
      return false;
    if (fds[0].revents != 0) {
      std::array<char, 1024> buffer;
      const ssize_t got = recv(socket, buffer.data(), buffer.size(), 0);
      const std::string_view text(buffer.data(), got < 0 ? 0 : static_cast<size_t>(got));
      if (text.starts_with("READY=1") || text.contains("\nREADY=1")) return true;
    } else if (fds[1].revents != 0) {
      return false;
    }
  }
}

}  // namespace

Programs Programs::FromEnvironment() {
  return {.daemon = FromEnv("DRAPCID", "drapcid"),
          .cli = FromEnv("DRAPCI", "drapci"),
          .crashpoint = FromEnv("CRASHPOINT", "crashpoint"),
          .sim = FromEnv("DRAPCI_SIM", "drapci-sim")};
}

Scratch::Scratch(const std::string& parent) {
  std::string name = "/run/drapci-node-XXXXXX";
  root = mkdtemp(name.data()) == nullptr ? "/nonexistent" : name;
  std::string state = parent + "/drapci-state-XXXXXX";
  state_parent = mkdtemp(state.data()) == nullptr ? "/nonexistent" : state;
  state_dir = state_parent + "/state";
  cdi_dir = root + "/cdi";
  kubelet_root = root + "/kubelet";
  claim_dir = root + "/claims";
  socket = root + "/control.sock";
  log = root + "/log";
  Clear();
}

Scratch::~Scratch() {
  std::error_code ignored;
  if (getenv("DRAPCI_KEEP") != nullptr) return;
  fs::remove_all(root, ignored);
  fs::remove_all(state_parent, ignored);
}

void Scratch::Clear() const {
  std::error_code ignored;
  for (const std::string& directory : {state_dir, cdi_dir, kubelet_root, claim_dir}) {
    // What is below a directory, not the directory itself: a test may have mounted something there.
    for (const auto& entry : fs::directory_iterator(directory, ignored))
      fs::remove_all(entry.path(), ignored);
    fs::create_directories(directory, ignored);
  }
  fs::remove(log, ignored);
  std::ofstream(root + "/vfio.yaml")
      << "apiVersion: config.dra.pci/v1alpha1\nkind: AccessConfig\ndriver: vfio\n";
}

std::string Scratch::Write(const std::string& name, const std::string& text) const {
  std::string path = root + "/" + name;
  std::ofstream(path) << text;
  return path;
}

Node::Node(Programs programs, const Scratch& scratch, std::vector<std::string> daemon_options)
    : programs_(std::move(programs)),
      scratch_(scratch),
      daemon_options_(std::move(daemon_options)) {}

std::vector<std::string> Node::DaemonCommand() const {
  std::vector<std::string> command{programs_.daemon, "--state-dir",    scratch_.state_dir,
                                   "--cdi-dir",      scratch_.cdi_dir, "--control-socket",
                                   scratch_.socket};
  if (!scratch_.kubelet_root.empty()) {
    command.insert(command.end(), {"--kubelet-root", scratch_.kubelet_root});
  }
  command.insert(command.end(), daemon_options_.begin(), daemon_options_.end());
  return command;
}

Result<> Node::Start() {
  const std::string notify = scratch_.root + "/notify";
  DRAPCI_TRY(const UniqueFd socket, NotifySocket(notify));
  const auto start = steady_clock::now();
  DRAPCI_TRY(Process process,
             Process::Start(DaemonCommand(), scratch_.log, {"NOTIFY_SOCKET=" + notify}));
  const bool ready = WaitReady(socket.get(), process, start + kPatience);
  start_time_ = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start);
  if (!ready) return Fail(Code::kTimeout, "drapcid does not become ready: " + LogTail());
  daemon_ = std::move(process);
  return {};
}

Result<> Node::Stop() {
  daemon_->Signal(SIGTERM);
  auto code = daemon_->Wait(kPatience);
  daemon_.reset();
  if (!code) return Fail(std::move(code).error());
  if (*code != 0)
    return Fail(Code::kInternal, fmt::format("drapcid ended with {}: {}", *code, LogTail()));
  return {};
}

Result<> Node::Kill() {
  daemon_->Signal(SIGKILL);
  return WaitEnded();
}

Result<> Node::WaitEnded() {
  auto code = daemon_->Wait(kPatience);
  daemon_.reset();
  if (!code) return Fail(std::move(code).error());
  return {};
}

std::vector<std::string> Node::CliCommand(std::vector<std::string> arguments) const {
  std::vector<std::string> command{programs_.cli, "--socket", scratch_.socket};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Result<Finished> Node::Cli(std::vector<std::string> arguments) const {
  return RunCommand(CliCommand(std::move(arguments)));
}

Result<std::string> Node::CliDone(std::vector<std::string> arguments) const {
  const std::string words = fmt::format("drapci {}", fmt::join(arguments, " "));
  DRAPCI_TRY(Finished finished, Cli(std::move(arguments)));
  if (finished.code == 0) return std::move(finished.out);
  return Fail(Code::kIo,
              fmt::format("{}: exit {}: {}{}", words, finished.code, finished.out, finished.err));
}

Result<> Node::CliDo(std::vector<std::string> arguments) const {
  DRAPCI_TRY(const std::string ignored, CliDone(std::move(arguments)));
  return {};
}

std::vector<std::string> Node::PrepareArguments(const ClaimSpec& claim) const {
  std::vector<std::string> out{"prepare", "--name", claim.name, "--device", claim.device};
  out.insert(out.end(), claim.options.begin(), claim.options.end());
  if (claim.vfio) out.insert(out.end(), {"--config", scratch_.root + "/vfio.yaml"});
  return out;
}

Result<std::string> Node::ClaimState(const std::string& name) const {
  DRAPCI_TRY(const std::string text, CliDone({"claims", "-o", "json"}));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.contains("claims")) return Fail(Code::kInvalid, "claims -o json: " + text);
  for (const auto& claim : json["claims"]) {
    if (claim.value("name", "") == name) return claim.value("state", "");
  }
  return std::string();
}

std::vector<std::string> Node::CdiFiles() const {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(scratch_.cdi_dir, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with('.') && (name.ends_with(".json") || name.ends_with(".yaml")))
      out.push_back(name);
  }
  std::ranges::sort(out);
  return out;
}

std::string Node::LogTail() const {
  std::ostringstream text;
  text << std::ifstream(scratch_.log).rdbuf();
  const std::string all = text.str();
  return all.size() > 2000 ? all.substr(all.size() - 2000) : all;
}

std::string ResidentMemory(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  double resident = 0, anonymous = 0;  // KiB
  for (std::string word; file >> word;) {
    if (word == "Rss:") file >> resident;
    if (word == "Anonymous:") file >> anonymous;
  }
  return fmt::format("{:.1f} MB, of it {:.1f} MB anonymous", resident / 1024, anonymous / 1024);
}

}  // namespace drapci::test
