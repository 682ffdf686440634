#include "plugin/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <string_view>

#include "hal/base/log.h"
#include "hal/base/parse.h"
#include "plugin/listening_sockets.h"
#include "plugin/text.h"

namespace drapci::plugin::metrics {
namespace {

constexpr unsigned kMaxConnections = 16, kTimeoutSeconds = 10;
constexpr size_t kMemoryOfConnection = 32 * 1024;
constexpr const char* kType = "text/plain; version=0.0.4; charset=utf-8";

Result<UniqueFd> ListenOn(const std::string& address, const sockaddr* to, socklen_t size) {
  UniqueFd fd(::socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(fd.get(), to, size) != 0 || ::listen(fd.get(), kMaxConnections) != 0) {
    return Fail(Error::FromErrno(errno, "listening for readers of metrics on " + address));
  }
  return fd;
}

}  // namespace

Result<UniqueFd> Listen(const std::string& address, const std::string& group) {
  if (address.starts_with('/')) {
    DRAPCI_CHECK(CheckSocketPath(address));
    DRAPCI_CHECK(MakeDirectories(address.substr(0, address.rfind('/')), 0755));
    DRAPCI_TRY(UniqueFd fd, ListeningSockets(/*keep=*/false)
                                .Open({.path = address, .mode = 0660, .group = group, .name = {}}));
    // libmicrohttpd accepts until there is nobody left.
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
      return Fail(Error::FromErrno(errno, "setting O_NONBLOCK on " + address));
    }
    return fd;
  }
  const size_t colon = address.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : ParseInt<uint16_t>(std::string_view(address).substr(colon + 1));
  if (!port)
    return Fail(Code::kInvalid, fmt::format("'{}' is no IP:PORT", Printable(address, 100)));
  std::string host = address.substr(0, colon);
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr = {}, .sin_zero = {}};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    return ListenOn(address, reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(*port);
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) {
    return Fail(Code::kInvalid, fmt::format("'{}' is no IP address", Printable(host, 100)));
  }
  return ListenOn(address, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

// What libmicrohttpd calls, on its thread.
struct MetricsServer::Handler {
  static MHD_Result Answer(const HttpLibrary& http, MHD_Connection* connection, unsigned status,
                           std::string_view text) {
    // The copy is libmicrohttpd's; it does not write to ours.
    MHD_Response* response =
        http.create_response(text.size(), const_cast<char*>(text.data()), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    http.add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, kType);
    const MHD_Result queued = http.queue_response(connection, status, response);
    http.destroy_response(response);
    return queued;
  }

  static MHD_Result Call(void* untyped, MHD_Connection* connection, const char* url,
                         const char* method, const char*, const char*, size_t* body_size,
                         void** state) {
    const auto& server = *static_cast<const MetricsServer*>(untyped);
    // First the header alone; a body, which nobody needs, is skipped.
    static char begun;
    if (*state == nullptr) {
      *state = &begun;
      return MHD_YES;
    }
    if (*body_size != 0) {
      *body_size = 0;
      return MHD_YES;
    }
    const std::string_view verb = method;
    if (verb != MHD_HTTP_METHOD_GET && verb != MHD_HTTP_METHOD_HEAD) {
      return Answer(*server.http_, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
    }
    if (std::string_view(url) != "/metrics") {
      return Answer(*server.http_, connection, MHD_HTTP_NOT_FOUND, "see /metrics\n");
    }
    try {
      return Answer(*server.http_, connection, MHD_HTTP_OK, server.scrape_());
    } catch (const std::exception& error) {
      Log(LogLevel::kError, "metrics: {}", error.what());
      return Answer(*server.http_, connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed\n");
    }
  }
};

MetricsServer::MetricsServer(UniqueFd listener, UniqueFd stop, std::function<std::string()> scrape)
    : listener_(std::move(listener)), stop_(std::move(stop)), scrape_(std::move(scrape)) {}

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(UniqueFd listener,
                                                            std::function<std::string()> scrape) {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return Fail(Error::FromErrno(errno, "making an eventfd"));
  std::unique_ptr<MetricsServer> server(
      new MetricsServer(std::move(listener), std::move(stop), std::move(scrape)));
  server->waiting_ = std::thread([raw = server.get()] { raw->AwaitCaller(); });
  return server;
}

void MetricsServer::AwaitCaller() {
  std::array<pollfd, 2> fds{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                            pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
  int ready = 0;
  do {
    ready = ::poll(fds.data(), fds.size(), -1);
  } while (ready < 0 && errno == EINTR);
  if (fds[0].revents != 0) return;
  if (auto serving = Serve(); !serving) {
    Log(LogLevel::kWarning, "{}", serving.error().what);
    listener_.Reset();  // who calls is refused, and does not wait
  }
}

Result<> MetricsServer::Serve() {
  DRAPCI_TRY(http_, HttpLibrary::Load());
  // It closes the socket that it is given.
  UniqueFd duplicate(::fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0));
  if (!duplicate) return Fail(Error::FromErrno(errno, "duplicating the metrics socket"));
  daemon_ = http_->start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, &Handler::Call, this,
      MHD_OPTION_LISTEN_SOCKET, duplicate.Release(), MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,
      MHD_OPTION_CONNECTION_TIMEOUT, kTimeoutSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      kMemoryOfConnection, MHD_OPTION_END);
  if (daemon_ == nullptr) return Fail(Code::kInternal, "libmicrohttpd cannot serve metrics");
  return {};
}

MetricsServer::~MetricsServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  waiting_.join();
  if (daemon_ != nullptr) http_->stop_daemon(daemon_);
}

}  // namespace drapci::plugin::metrics
