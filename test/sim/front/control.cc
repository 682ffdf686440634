#include "test/sim/front/control.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace drapci::sim {
namespace {

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t put = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (put <= 0) return false;
    text.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

std::vector<std::string> Words(const std::string& request) {
  std::vector<std::string> words;
  size_t from = 0;
  while (from <= request.size()) {
    size_t to = std::min(request.find(kSeparator, from), request.size());
    words.push_back(request.substr(from, to - from));
    from = to + 1;
  }
  return words;
}

bool Address(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  return true;
}

}  // namespace

Result<> ControlServer::Start(const std::string& path) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  sockaddr_un address;
  if (!Address(path, address)) return Fail(Code::kInvalid, path + " is too long for a socket");
  listener_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener_ ||
      bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_.get(), 16) != 0) {
    return Fail(Error::FromErrno(errno, "listen on " + path));
  }
  chmod(path.c_str(), 0666);
  std::thread([this] {
    while (true) {
      UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      // One thread each: an unplug may wait for a store that another request has to release.
      std::thread(&ControlServer::Serve, this, std::move(connection)).detach();
    }
  }).detach();
  return {};
}

void ControlServer::Serve(UniqueFd connection) {
  Answer answer = Execute(kernel_, trap_, Words(ReadAll(connection.get())));
  WriteAll(connection.get(), fmt::format("{}{}", answer.status, answer.text));
}

Result<Answer> Ask(const std::vector<std::string>& words) {
  const char* path = std::getenv(kSocketVariable);
  if (path == nullptr) {
    return Fail(Code::kNotFound,
                fmt::format("{} is not set: inject works inside `drapci-sim run ... -- COMMAND`",
                            kSocketVariable));
  }
  sockaddr_un address;
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!Address(path, address) || !fd ||
      connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Fail(Error::FromErrno(errno, fmt::format("connect to {}", path)));
  }
  std::string request = fmt::format("{}", fmt::join(words, std::string(1, kSeparator)));
  if (!WriteAll(fd.get(), request) || shutdown(fd.get(), SHUT_WR) != 0) {
    return Fail(Error::FromErrno(errno, fmt::format("send to {}", path)));
  }
  std::string reply = ReadAll(fd.get());
  if (reply.empty()) return Fail(Code::kGone, "the simulated machine closed the connection");
  return Answer{.status = reply[0] - '0', .text = reply.substr(1)};
}

}  // namespace drapci::sim
