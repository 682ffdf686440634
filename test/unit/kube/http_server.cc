#include "test/unit/kube/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <memory>

#include "hal/base/parse.h"

namespace drapci::plugin::kube {
namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate ReadCertificate(const std::string& text) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free_all);
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free};
}

Context MakeContext(const HttpServer::Tls& tls) {
  Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_use_certificate(context.get(), ReadCertificate(tls.identity.certificate).get());
  const Bio bio(BIO_new_mem_buf(tls.identity.key.data(), -1), BIO_free_all);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context.get(), key);
  EVP_PKEY_free(key);
  if (!tls.client_authority.empty()) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()),
                        ReadCertificate(tls.client_authority).get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

class Connection : public HttpServer::Writer {
 public:
  Connection(int fd, SSL_CTX* context) : fd_(fd) {
    if (context == nullptr) return;
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd_);
    open_ = SSL_accept(ssl_.get()) == 1;
  }

  bool open() const { return open_; }

  std::string ClientName() const {
    if (ssl_ == nullptr) return "";
    X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr) return "";
    std::array<char, 64> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                              static_cast<int>(name.size()));
    return name.data();
  }

  // More of what the client sends; false when it has gone.
  bool Read(std::string& into) {
    std::array<char, 16384> piece;
    const ssize_t size = ssl_ != nullptr
                             ? SSL_read(ssl_.get(), piece.data(), static_cast<int>(piece.size()))
                             : ::recv(fd_, piece.data(), piece.size(), 0);
    if (size <= 0) return false;
    into.append(piece.data(), static_cast<size_t>(size));
    return true;
  }

  void Write(std::string_view text) override {
    while (!text.empty() && open_) {
      const ssize_t size = ssl_ != nullptr
                               ? SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()))
                               : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (size <= 0) {
        open_ = false;
        return;
      }
      text.remove_prefix(static_cast<size_t>(size));
    }
  }
  void Close() override { open_ = false; }
  void Reset() override {
    // Connecting a TCP socket to "nowhere" ends it with a RST; the descriptor stays ours.
    sockaddr nowhere = {};
    nowhere.sa_family = AF_UNSPEC;
    ::connect(fd_, &nowhere, sizeof nowhere);
    open_ = false;
  }
  void WaitForClient() override {
    std::string ignored;
    while (Read(ignored)) {
    }
    open_ = false;
  }

 private:
  struct SslFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  int fd_;
  std::unique_ptr<SSL, SslFree> ssl_;
  bool open_ = true;
};

// The next request; nothing when the client has gone. `held` keeps what came too early.
std::optional<HttpServer::Request> NextRequest(Connection& connection, std::string& held) {
  size_t end = std::string::npos;
  while ((end = held.find("\r\n\r\n")) == std::string::npos) {
    if (!connection.Read(held)) return std::nullopt;
  }
  HttpServer::Request request;
  const std::string head = held.substr(0, end);
  held.erase(0, end + 4);
  const std::vector<std::string_view> lines = Split(head, '\n');
  const std::vector<std::string_view> first = Split(Trim(lines.at(0)), ' ');
  request.method = first.at(0);
  request.target = first.at(1);
  for (const std::string_view line : lines) {
    const size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    std::string name(line.substr(0, colon));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers[name] = Trim(line.substr(colon + 2));
  }
  const auto length = ParseInt<size_t>(request.headers["content-length"]).value_or(0);
  while (held.size() < length) {
    if (!connection.Read(held)) return std::nullopt;
  }
  request.body = held.substr(0, length);
  held.erase(0, length);
  return request;
}

}  // namespace

void HttpServer::Writer::Answer(int status, std::string_view body, std::string_view headers) {
  Write(fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers,
                    body));
}

void HttpServer::Writer::Chunk(std::string_view text) {
  Write(fmt::format("{:x}\r\n{}\r\n", text.size(), text));
}

HttpServer::HttpServer(Handler handler, std::optional<Tls> tls)
    : handler_(std::move(handler)),
      tls_(std::move(tls)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  void* untyped = &address;
  auto* any = static_cast<sockaddr*>(untyped);
  if (::bind(listener_.get(), any, size) != 0 || ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), any, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

HttpServer::~HttpServer() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  // The acceptor was the only one to add to them.
  for (const UniqueFd& socket : sockets_) ::shutdown(socket.get(), SHUT_RDWR);
  for (std::thread& thread : threads_) thread.join();
}

void HttpServer::Accept() {
  while (!stopping_) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int number = ++connections_;
    const std::lock_guard lock(mutex_);
    sockets_.emplace_back(fd);
    threads_.emplace_back([this, fd, number] { Serve(fd, number); });
  }
}

void HttpServer::Serve(int fd, int number) {
  sigset_t pipe;  // OpenSSL writes without MSG_NOSIGNAL
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  const Context context = tls_ ? MakeContext(*tls_) : Context(nullptr, SSL_CTX_free);
  Connection connection(fd, context.get());
  std::string held;
  while (connection.open()) {
    auto request = NextRequest(connection, held);
    if (!request) break;
    request->client = connection.ClientName();
    request->connection = number;
    handler_(*request, connection);
  }
  ::shutdown(fd, SHUT_RDWR);
}

}  // namespace drapci::plugin::kube
