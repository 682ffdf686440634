// drapci-hook: called by a container runtime (OCI hook createRuntime, put into the container's
// specification by the claim's CDI file) before the container's process starts. Gives a network
// interface of the claim to the container, or holds it to its share of a card's memory.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <vector>

#include "hal/net/link.h"
#include "hal/net/link_events.h"
#include "plugin/hook/attach.h"
#include "plugin/hook/container_state.h"
#include "plugin/hook/limit.h"

namespace drapci::plugin {
namespace {

constexpr size_t kMaxState = 1 << 20;
constexpr std::chrono::seconds kPatience{5};

Result<std::string> ReadInput() {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t length = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Fail(Error::FromErrno(errno, "reading standard input"));
    if (length == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(length));
    if (text.size() > kMaxState) return Fail(Code::kInvalid, "standard input does not end");
  }
}

bool SameNamespace(const UniqueFd& a, const UniqueFd& b) {
  struct stat of_a = {}, of_b = {};
  return ::fstat(a.get(), &of_a) == 0 && ::fstat(b.get(), &of_b) == 0 &&
         of_a.st_ino == of_b.st_ino && of_a.st_dev == of_b.st_dev;
}

struct Wish {
  std::string function;  // empty: no interface
  Attachment attachment;
  std::vector<std::string> limits;
};

Result<> AttachTo(int pid, const Attachment& wish) {
  const std::string path = fmt::format("/proc/{}/ns/net", pid);
  const UniqueFd container(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!container) return Fail(Error::FromErrno(errno, "open " + path));
  hal::KernelSysfs sysfs;
  hal::KernelNetlink netlink;
  hal::KernelNetworkNamespaces namespaces;
  DRAPCI_TRY(const UniqueFd own, namespaces.Own());
  // A container in the host's network has the interface already, under the host's name for it.
  if (SameNamespace(own, container)) return {};
  DRAPCI_TRY(const hal::LinkEvents events, hal::LinkEvents::Open());
  HookHost host{.sysfs = sysfs,
                .netlink = netlink,
                .namespaces = namespaces,
                .wait_for_link = [&events](const std::function<bool()>& done) {
                  return events.WaitUntil(done, std::chrono::steady_clock::now() + kPatience);
                }};
  return Attach(host, container, wish);
}

Result<> LimitTo(int pid, const std::vector<std::string>& texts) {
  std::vector<MemoryLimit> limits;
  for (const std::string& text : texts) limits.push_back(*MemoryLimit::Parse(text));
  hal::KernelSysfs files;
  // Where a simulated machine has the files of a controller that this one's kernel has not.
  const char* simulated = std::getenv("DRAPCI_CGROUP_ROOT");
  std::string root = simulated == nullptr ? "" : simulated;
  if (root.empty()) {
    DRAPCI_TRY(root, UnifiedHierarchy(files));
  }
  return LimitMemory(files, root, pid, limits);
}

Result<> Run(const Wish& wish) {
  DRAPCI_TRY(const std::string state, ReadInput());
  DRAPCI_TRY(const int pid, ContainerProcess(state));
  if (!wish.limits.empty()) DRAPCI_CHECK(LimitTo(pid, wish.limits));
  return wish.function.empty() ? Result<>() : AttachTo(pid, wish.attachment);
}

std::optional<hal::DevicePlace> ParseFunction(const std::string& text) {
  if (const auto address = hal::PciAddress::Parse(text)) return hal::DevicePlace(*address);
  return hal::DevicePlace::Parse(text);
}
std::string CheckFunction(const std::string& text) {
  return ParseFunction(text)
             ? ""
             : "must be a PCI address such as 0000:02:10.6, or a sub-function: 0000:03:00.0/sf3";
}
std::string CheckName(const std::string& text) {
  return hal::IsInterfaceName(text) ? "" : "is no name of a network interface";
}
std::string CheckAddress(const std::string& text) {
  return hal::CanonicalAddress(text).empty() ? "must be an address such as 10.0.0.2/24" : "";
}

std::string CheckLimit(const std::string& text) {
  return MemoryLimit::Parse(text) ? "" : "must be a region and bytes: drm/0000:03:00.0/vram0=1024";
}

int Main(int argc, char** argv) {
  Wish wish;
  Attachment& to = wish.attachment;
  try {
    CLI::App app(
        "Gives a network interface to a container, or holds it to a share of a card's memory; "
        "called "
        "by container runtimes.",
        "drapci-hook");
    app.set_version_flag("--version", std::string("drapci-hook " DRAPCI_VERSION));
    auto* function = app.add_option(
        "--function", wish.function,
        "the PCI function, or sub-function of one, whose interface the container gets");
    auto* name = app.add_option("--name", to.name, "the interface's name in the container");
    function->check(CheckFunction)->needs(name);
    name->check(CheckName)->needs(function);
    app.add_option("--mtu", to.mtu, "its MTU")->check(CLI::Range(68, 65535))->needs(function);
    app.add_option("--address", to.addresses, "an address for it; may be repeated")
        ->check(CheckAddress)
        ->needs(function);
    auto* limit = app.add_option("--limit", wish.limits,
                                 "REGION=BYTES: the most of a card's memory that the container can "
                                 "have (control group controller dmem); may be repeated");
    limit->check(CheckLimit);
    CLI11_PARSE(app, argc, argv);
    if (wish.function.empty() && wish.limits.empty()) {
      fmt::print(stderr, "drapci-hook: --function and --name, or --limit\n");
      return 2;
    }
    if (!wish.function.empty()) to.function = *ParseFunction(wish.function);
    if (const auto done = Run(wish); !done) {
      fmt::print(stderr, "drapci-hook: {}\n", done.error().what);
      return 1;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "drapci-hook: {}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace drapci::plugin

int main(int argc, char** argv) { return drapci::plugin::Main(argc, argv); }
