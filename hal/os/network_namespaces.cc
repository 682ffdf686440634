#include "hal/os/network_namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr const char* kOwn = "/proc/thread-self/ns/net";

Result<UniqueFd> OpenNamespace(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Fail(Error::FromErrno(errno, fmt::format("open {}", path)));
  return fd;
}

// The paths of all processes' network namespaces.
Result<std::vector<std::string>> OfProcesses() {
  std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return Fail(Error::FromErrno(errno, "open /proc"));
  std::vector<std::string> paths;
  while (const dirent* entry = ::readdir(proc.get())) {
    const std::string_view name = entry->d_name;
    if (ParseInt<int>(name)) paths.push_back(fmt::format("/proc/{}/ns/net", name));
  }
  return paths;
}

// The places where `ip netns` and container runtimes keep namespaces without a process.
std::vector<std::string> Mounted() {
  std::vector<std::string> paths;
  UniqueFd file(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t got = 0; file && (got = ::read(file.get(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  for (const std::string_view line : Split(text, '\n')) {
    // ID PARENT MAJOR:MINOR ROOT MOUNTPOINT ...: the root of a mounted namespace is
    // "net:[4026531840]".
    const std::vector<std::string_view> fields = Split(line, ' ');
    if (fields.size() > 4 && fields[3].starts_with("net:[")) paths.emplace_back(fields[4]);
  }
  return paths;
}

class EnteredNetlink : public Netlink {
 public:
  explicit EnteredNetlink(int fd) : fd_(fd) {}

  Result<std::vector<NetlinkMessage>> Talk(int protocol,
                                           std::span<const std::byte> request) override {
    Result<std::vector<NetlinkMessage>> answer;
    // The namespace is the thread's, and that of its sockets for their lives.
    std::thread([&] {
      if (::setns(fd_, CLONE_NEWNET) != 0) {
        answer = Fail(Error::FromErrno(errno, "enter a network namespace"));
        return;
      }
      answer = KernelNetlink("").Talk(protocol, request);
    }).join();
    return answer;
  }

 private:
  const int fd_;
};

}  // namespace

Result<std::vector<UniqueFd>> KernelNetworkNamespaces::List() {
  DRAPCI_TRY(std::vector<std::string> paths, OfProcesses());
  std::ranges::move(Mounted(), std::back_inserter(paths));
  DRAPCI_TRY(const UniqueFd own, Own());
  struct stat status = {};
  std::set<ino_t> seen;
  if (::fstat(own.get(), &status) == 0) seen.insert(status.st_ino);
  std::vector<UniqueFd> found;
  for (const std::string& path : paths) {
    Result<UniqueFd> fd = OpenNamespace(path);
    if (!fd) continue;  // the process has ended, or is none of ours to look into
    if (::fstat(fd->get(), &status) == 0 && seen.insert(status.st_ino).second) {
      found.push_back(*std::move(fd));
    }
  }
  return found;
}

Result<UniqueFd> KernelNetworkNamespaces::Own() { return OpenNamespace(kOwn); }

std::unique_ptr<Netlink> KernelNetworkNamespaces::Enter(const UniqueFd& name_space) {
  return std::make_unique<EnteredNetlink>(name_space.get());
}

}  // namespace drapci::hal
