#include "plugin/socket_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <set>

#include "hal/base/log.h"

namespace drapci::plugin {
namespace {

// Closes the duplicates of connections that have ended.
void DropGone(std::span<const pollfd> waiting, std::vector<UniqueFd>& callers) {
  std::set<int> gone;
  for (const pollfd& each : waiting) {
    if (each.revents != 0) gone.insert(each.fd);
  }
  std::erase_if(callers, [&gone](const UniqueFd& caller) { return gone.contains(caller.get()); });
}

}  // namespace

SocketServer::SocketServer(std::string path, const ListeningSockets& sockets, UniqueFd listener,
                           UniqueFd stop, UniqueFd question, std::unique_ptr<grpc::Server> server)
    : path_(std::move(path)),
      sockets_(sockets),
      listener_(std::move(listener)),
      stop_(std::move(stop)),
      question_(std::move(question)),
      server_(std::move(server)) {}

Result<std::unique_ptr<SocketServer>> SocketServer::Start(
    ListeningSockets& sockets, const SocketOptions& options,
    std::span<grpc::Service* const> services) {
  DRAPCI_TRY(UniqueFd listener, sockets.Open(options));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd question(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop || !question) return Fail(Error::FromErrno(errno, "making an eventfd"));
  // gRPC can only listen on sockets of its own making: connections are handed to it one by one.
  grpc::ServerBuilder builder;
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return Fail(Code::kInternal, "gRPC cannot serve " + options.path);
  std::unique_ptr<SocketServer> result(new SocketServer(options.path, sockets, std::move(listener),
                                                        std::move(stop), std::move(question),
                                                        std::move(server)));
  result->acceptor_ = std::thread([server = result.get()] {
    pthread_setname_np(pthread_self(), "accept");
    server->Accept();
  });
  return result;
}

void SocketServer::Accept() {
  std::vector<pollfd> waiting;
  for (;;) {
    waiting = {{.fd = stop_.get(), .events = POLLIN, .revents = 0},
               {.fd = listener_.get(), .events = POLLIN, .revents = 0},
               {.fd = question_.get(), .events = POLLIN, .revents = 0}};
    for (const UniqueFd& caller : callers_) {
      waiting.push_back({.fd = caller.get(), .events = 0, .revents = 0});
    }
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      // Whoever calls later must still be served.
      if (errno != EINTR) ReportAndPause("waiting for callers on ");
      if (StopIsAsked()) return SendCallersAway();
      continue;
    }
    if (waiting[0].revents != 0) return SendCallersAway();
    DropGone(std::span(waiting).subspan(3), callers_);
    if (waiting[2].revents != 0) AnswerQuestions();
    if (waiting[1].revents != 0) TakeCaller();
  }
}

void SocketServer::TakeCaller() {
  UniqueFd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!caller) {
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
    return ReportAndPause("accepting a caller on ");
  }
  if (UniqueFd duplicate(::fcntl(caller.get(), F_DUPFD_CLOEXEC, 0)); duplicate) {
    callers_.push_back(std::move(duplicate));
  }
  grpc::AddInsecureChannelFromFd(server_.get(), caller.Release());
}

void SocketServer::Ask(std::function<void()> answer) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back(std::move(answer));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(question_.get(), &one, sizeof one);
}

void SocketServer::AnswerQuestions() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t read = ::read(question_.get(), &count, sizeof count);
  std::vector<std::function<void()>> questions;
  {
    const std::lock_guard lock(mutex_);
    questions.swap(questions_);
  }
  for (const auto& answer : questions) answer();
}

// Without descriptors or memory; both may come back.
void SocketServer::ReportAndPause(const char* doing) {
  constexpr int kPause = 100;  // milliseconds
  Log(LogLevel::kError, "{}", Error::FromErrno(errno, doing + path_).what);
  pollfd stop{.fd = stop_.get(), .events = POLLIN, .revents = 0};
  ::poll(&stop, 1, kPause);
}

bool SocketServer::StopIsAsked() const {
  uint64_t asked = 0;
  return ::read(stop_.get(), &asked, sizeof asked) > 0;
}

// gRPC's own shutdown cancels what callers send before they hear of it. So they are told first, by
// the frame that begins a graceful end (RFC 9113, section 6.8): open no more streams here, those
// that are open are served.
void SocketServer::SendCallersAway() {
  constexpr std::array<char, 17> kGoAway{0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, -1, -1, -1, 0, 0, 0, 0};
  constexpr std::chrono::seconds kPatience{1};
  for (const UniqueFd& caller : callers_) {
    // gRPC writes whole frames, unless the socket is full; then nothing is sent here either.
    ::send(caller.get(), kGoAway.data(), kGoAway.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!callers_.empty()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    std::vector<pollfd> waiting;
    for (const UniqueFd& caller : callers_) {
      waiting.push_back({.fd = caller.get(), .events = 0, .revents = 0});
    }
    ::poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
    DropGone(waiting, callers_);
  }
  callers_.clear();
}

SocketServer::~SocketServer() { Stop(std::chrono::milliseconds(0)); }

void SocketServer::Unlink() {
  if (!sockets_.keep()) ::unlink(path_.c_str());
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
