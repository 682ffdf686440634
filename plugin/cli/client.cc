#include "plugin/cli/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/create_channel_posix.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "plugin/cli/text.h"

namespace drapci::cli {
namespace {

constexpr int kMaxAnswer = 64 << 20;  // bytes; a node with thousands of VFs has long lists

Failure CannotConnect(int sys, const std::string& path) {
  const std::string what = Error::FromErrno(sys, Printable(path)).what;
  if (sys == EACCES || sys == EPERM) {
    return {ExitCode::kFailed, what + "; run as root or as a member of the socket's group"};
  }
  return {ExitCode::kNoDaemon,
          what + "; start drapcid (systemctl start drapci) or name its socket with --socket"};
}

}  // namespace

Outcome<Client> Client::Connect(const std::string& socket_path, std::chrono::seconds timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.empty() || socket_path.size() >= sizeof address.sun_path) {
    return Fail(ExitCode::kUsage,
                fmt::format("--socket: a path of 1 to {} bytes is needed, this one has {}",
                            sizeof address.sun_path - 1, socket_path.size()));
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(CannotConnect(errno, socket_path));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(CannotConnect(errno, socket_path));
  }
  // gRPC wants its sockets non-blocking; a blocking connect above saves an event loop here.
  if (fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK) != 0) {
    return std::unexpected(CannotConnect(errno, socket_path));
  }
  Client client;
  client.socket_path_ = Printable(socket_path);
  client.timeout_ = timeout;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxAnswer);
  client.stub_ =
      v1::Control::NewStub(grpc::experimental::CreateCustomInsecureChannelWithInterceptorsFromFd(
          "localhost", fd.Release(), arguments, {}));
  return client;
}

Failure Client::Explain(const grpc::Status& status) const {
  const std::string text = Printable(status.error_message());
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return {
          ExitCode::kNoDaemon,
          fmt::format("{}: the daemon went away ({}); see `journalctl -u drapci`, then ask again",
                      socket_path_, text)};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {ExitCode::kFailed,
              fmt::format("no answer within {} s; the daemon goes on, see `drapci claims`",
                          timeout_.count())};
    case grpc::StatusCode::UNIMPLEMENTED:
      return {ExitCode::kFailed,
              "this daemon does not know the command; see `drapci version` and update the older of "
              "the two"};
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      if (text.starts_with("Received message larger")) {
        return {ExitCode::kFailed,
                "the answer is too large for one message; ask for one device by name"};
      }
      [[fallthrough]];
    default:
      return {ExitCode::kFailed, text.empty()
                                     ? fmt::format("the daemon gave status {} without a reason",
                                                   static_cast<int>(status.error_code()))
                                     : text};
  }
}

}  // namespace drapci::cli
