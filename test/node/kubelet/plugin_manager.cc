#include "test/node/kubelet/plugin_manager.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "test/node/kubelet/kubelet_client.h"

namespace drapci::test {
namespace fs = std::filesystem;
using pluginregistration::PluginInfo;

namespace {

constexpr size_t kMaxSocketPath = 107;

std::string Step(const char* name, const grpc::Status& status) {
  return fmt::format("{}: {} ({})", name, status.error_message(),
                     static_cast<int>(status.error_code()));
}

// What a kubelet looks at before it registers (validatePlugin, and the stricter rules that follow
// Kubernetes 1.37).
Result<> Check(const PluginInfo& info, const std::string& root) {
  if (info.type() != "DRAPlugin") return Fail(Code::kInvalid, "type " + info.type());
  if (info.name().empty() || info.name().size() > 63)
    return Fail(Code::kInvalid, "name " + info.name());
  const std::string& endpoint = info.endpoint();
  if (fs::path(endpoint).lexically_normal().string() != endpoint ||
      !endpoint.starts_with(root + "/") || endpoint.size() > kMaxSocketPath) {
    return Fail(Code::kInvalid, "endpoint " + endpoint);
  }
  const auto& versions = info.supported_versions();
  const auto known = std::ranges::find_if(versions, [](const std::string& version) {
    return version == "v1.DRAPlugin" || version == "v1beta1.DRAPlugin";
  });
  if (known == versions.end()) return Fail(Code::kInvalid, "no version that a kubelet knows");
  return {};
}

// Inodes of the unix sockets at that path with that state.
std::vector<std::string> WithState(const std::string& wanted, const std::string& socket) {
  std::vector<std::string> out;
  std::ifstream file("/proc/net/unix");
  // Num RefCount Protocol Flags Type St Inode Path
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string address, references, protocol, flags, type, state, inode, path;
    words >> address >> references >> protocol >> flags >> type >> state >> inode >> path;
    if (state == wanted && path == socket) out.push_back(inode);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

grpc::Status GetInfo(const std::shared_ptr<grpc::Channel>& channel, PluginInfo& info,
                     std::chrono::milliseconds deadline) {
  grpc::ClientContext context;
  context.set_deadline(In(deadline));
  return pluginregistration::Registration::NewStub(channel)->GetInfo(&context, {}, &info);
}

grpc::Status NotifyStatus(const std::shared_ptr<grpc::Channel>& channel, const std::string& refusal,
                          std::chrono::milliseconds deadline) {
  grpc::ClientContext context;
  context.set_deadline(In(deadline));
  pluginregistration::RegistrationStatus said;
  said.set_plugin_registered(refusal.empty());
  said.set_error(refusal);
  pluginregistration::RegistrationStatusResponse response;
  return pluginregistration::Registration::NewStub(channel)->NotifyRegistrationStatus(
      &context, said, &response);
}

PluginManager::PluginManager(std::string kubelet_root)
    : root_(std::move(kubelet_root)),
      registry_(root_ + "/plugins_registry"),
      watch_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  std::error_code ignored;
  fs::create_directories(registry_, ignored);
  inotify_add_watch(watch_.get(), registry_.c_str(),
                    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
}

std::vector<std::string> PluginManager::Sockets() const {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(registry_, ignored)) {
    if (entry.is_socket() && !entry.path().filename().string().starts_with('.'))
      out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

std::vector<std::string> PluginManager::Events() {
  std::vector<std::string> out;
  alignas(inotify_event) std::array<char, 4096> buffer;
  for (ssize_t got; (got = read(watch_.get(), buffer.data(), buffer.size())) > 0;) {
    for (const char* at = buffer.data(); at < buffer.data() + got;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof event);
      const bool came = (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
      out.push_back((came ? "+" : "-") + std::string(at + sizeof event));
      at += sizeof event + event.len;
    }
  }
  return out;
}

std::vector<std::string> PluginManager::AwaitEvents(std::chrono::milliseconds within) {
  pollfd some{.fd = watch_.get(), .events = POLLIN, .revents = 0};
  poll(&some, 1, static_cast<int>(within.count()));
  return Events();
}

Result<Plugin> PluginManager::Register(const std::string& socket) const {
  Plugin plugin;
  const auto channel = Dial(socket);
  if (!channel->WaitForConnected(In(std::chrono::seconds(10))))
    return Fail(Code::kTimeout, "dialing " + socket);
  if (const auto status = GetInfo(channel, plugin.info); !status.ok())
    return Fail(Code::kIo, Step("GetInfo", status));
  if (auto right = Check(plugin.info, root_); !right) {
    const grpc::Status told = NotifyStatus(channel, right.error().what);
    return Fail(std::move(right).error().Within(told.ok() ? "refused" : "refused in vain"));
  }
  if (const auto status = NotifyStatus(channel); !status.ok())
    return Fail(Code::kIo, Step("NotifyRegistrationStatus", status));
  plugin.service = Dial(plugin.info.endpoint(), "localhost");
  return plugin;
}

std::vector<std::string> Connections(const std::string& socket) {
  return WithState("03", socket);  // SS_CONNECTED (linux/net.h)
}

int Waiting(const std::string& socket) {
  return static_cast<int>(WithState("02", socket).size());  // SS_CONNECTING
}

}  // namespace drapci::test
