#include "plugin/socket_server.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "hal/base/log.h"

namespace drapci::plugin {

SocketServer::SocketServer(std::string path, bool keep, UniqueFd listener, UniqueFd stop,
                           std::unique_ptr<grpc::Server> server)
    : path_(std::move(path)),
      keep_(keep),
      listener_(std::move(listener)),
      stop_(std::move(stop)),
      server_(std::move(server)) {}

Result<std::unique_ptr<SocketServer>> SocketServer::Start(
    ListeningSockets& sockets, const SocketOptions& options,
    std::span<grpc::Service* const> services) {
  DRAPCI_TRY(UniqueFd listener, sockets.Open(options));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return Fail(Error::FromErrno(errno, "making an eventfd"));
  // gRPC can only listen on sockets of its own making: connections are handed to it one by one.
  grpc::ServerBuilder builder;
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return Fail(Code::kInternal, "gRPC cannot serve " + options.path);
  std::unique_ptr<SocketServer> result(new SocketServer(
      options.path, sockets.keep(), std::move(listener), std::move(stop), std::move(server)));
  result->acceptor_ = std::thread([server = result.get()] { server->Accept(); });
  return result;
}

void SocketServer::Accept() {
  std::array<pollfd, 2> waiting{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                                pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
  constexpr int kWhenOutOfDescriptors = 100;  // milliseconds
  for (;;) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) return;
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      grpc::AddInsecureChannelFromFd(server_.get(), fd);
      continue;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) continue;
    Log(LogLevel::kError, "{}", Error::FromErrno(errno, "accepting a caller on " + path_).what);
    if (::poll(waiting.data(), 1, kWhenOutOfDescriptors) > 0) return;
  }
}

SocketServer::~SocketServer() { Stop(std::chrono::milliseconds(0)); }

void SocketServer::Unlink() {
  if (!keep_) ::unlink(path_.c_str());
}

void SocketServer::Stop(std::chrono::milliseconds grace) {
  if (server_ == nullptr) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  acceptor_.join();
  Unlink();
  listener_.Reset();
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  server_.reset();
}

}  // namespace drapci::plugin
