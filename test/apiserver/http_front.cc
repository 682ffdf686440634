#include "test/apiserver/http_front.h"

#include <fmt/format.h>
#include <httplib.h>

#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "test/apiserver/sockets.h"
#include "test/apiserver/watch.h"

namespace drapci::apiserver {
namespace {

constexpr auto kTick = std::chrono::milliseconds(200);
constexpr auto kLookForClient = std::chrono::seconds(1);
constexpr time_t kKeepAliveSeconds = 300;

// A thread for each connection: watches hold theirs for long.
class Threads : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(workers_, [](Worker& worker) { return worker.done.load(); });
    Worker& worker = workers_.emplace_back();
    worker.thread = std::jthread([&worker, work = std::move(work)] {
      work();
      worker.done = true;
    });
  }
  void shutdown() override {
    const std::lock_guard lock(mutex_);
    workers_.clear();
  }

 private:
  struct Worker {
    std::atomic<bool> done = false;
    std::jthread thread;
  };
  std::mutex mutex_;
  std::list<Worker> workers_;
};

std::string CertificateUser(const httplib::Request& request) {
  if (request.ssl == nullptr || SSL_get_verify_result(request.ssl) != X509_V_OK) return "";
  const std::unique_ptr<X509, decltype([](X509* x) { X509_free(x); })> certificate(
      SSL_get1_peer_certificate(request.ssl));
  if (!certificate) return "";
  std::array<char, 256> name{};
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()),
                                             NID_commonName, name.data(), name.size());
  return size < 0 ? "" : std::string(name.data(), static_cast<size_t>(size));
}

Request Convert(const httplib::Request& from) {
  Request request{.method = from.method, .path = from.path, .body = from.body};
  for (const auto& [name, value] : from.params) request.query[name] = value;
  for (const auto& [name, value] : from.headers) {
    std::string lower = name;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    request.headers[lower] = value;
  }
  request.certificate_user = CertificateUser(from);
  return request;
}

bool SetUpTls(const FrontOptions& options, SSL_CTX& tls) {
  constexpr std::string_view kContext = "drapci-apiserver";
  if (SSL_CTX_use_certificate_chain_file(&tls, options.certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(&tls, options.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return false;
  }
  if (options.client_ca.empty()) return true;
  if (SSL_CTX_load_verify_locations(&tls, options.client_ca.c_str(), nullptr) != 1) return false;
  SSL_CTX_set_client_CA_list(&tls, SSL_load_client_CA_file(options.client_ca.c_str()));
  SSL_CTX_set_verify(&tls, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_id_context(&tls, reinterpret_cast<const unsigned char*>(kContext.data()),
                                 kContext.size());
  return true;
}

// One watch on its way to a client.
struct Stream {
  std::shared_ptr<Watch> watch;
  std::string path;
  Drop drop = Drop::kNone;
  std::mutex mutex;
  std::condition_variable ready;
  bool signalled = false;
};

}  // namespace

class HttpFront::Impl {
 public:
  Impl(Server& server, FrontOptions options) : server_(server), options_(std::move(options)) {}
  ~Impl() { Stop(); }

  Result<int> Start();
  void Stop();

 private:
  void Serve(const httplib::Request& from, httplib::Response& to);
  void Deliver(Response response, httplib::Response& to);
  void Stream(Response response, const std::string& path, httplib::Response& to);
  bool SendLines(apiserver::Stream& stream, httplib::DataSink& sink);
  void Wait(int milliseconds);

  Server& server_;
  FrontOptions options_;
  std::unique_ptr<httplib::Server> http_;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;
  std::jthread listener_, ticker_;
};

Result<int> HttpFront::Impl::Start() {
  if (options_.certificate.empty()) {
    http_ = std::make_unique<httplib::Server>();
  } else {
    http_ = std::make_unique<httplib::SSLServer>(
        [this](SSL_CTX& tls) { return SetUpTls(options_, tls); });
  }
  if (!http_->is_valid()) {
    return Fail(Code::kInvalid, "TLS: the certificate, its key or the client CA cannot be used");
  }
  http_->new_task_queue = [] { return new Threads; };
  http_->set_keep_alive_max_count(SIZE_MAX);
  http_->set_keep_alive_timeout(kKeepAliveSeconds);
  http_->set_tcp_nodelay(true);
  http_->set_socket_options([](int fd) {
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  const auto serve = [this](const httplib::Request& from, httplib::Response& to) {
    Serve(from, to);
  };
  http_->Get(".*", serve).Post(".*", serve).Put(".*", serve).Patch(".*", serve).Delete(".*", serve);
  if (options_.port == 0) {
    port_ = http_->bind_to_any_port(options_.host);
  } else {
    port_ = http_->bind_to_port(options_.host, options_.port) ? options_.port : -1;
  }
  if (port_ < 0) {
    return Fail(Code::kBusy, fmt::format("cannot listen at {}:{}; is the port taken?",
                                         options_.host, options_.port));
  }
  listener_ = std::jthread([this] { http_->listen_after_bind(); });
  ticker_ = std::jthread([this] {
    std::unique_lock lock(mutex_);
    while (!stopping_.wait_for(lock, kTick, [this] { return stop_; })) server_.Tick();
  });
  return port_;
}

void HttpFront::Impl::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stop_ || !http_) return;
    stop_ = true;
  }
  stopping_.notify_all();
  ticker_ = {};
  // stop() does nothing before the listener runs; the connection is not waited for either.
  while (!http_->is_running() && listener_.joinable()) std::this_thread::yield();
  server_.CloseWatches();
  http_->stop();
  ShutDownConnections(port_, 0);
  listener_ = {};
}

void HttpFront::Impl::Wait(int milliseconds) {
  std::unique_lock lock(mutex_);
  stopping_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return stop_; });
}

void HttpFront::Impl::Serve(const httplib::Request& from, httplib::Response& to) {
  const Request request = Convert(from);
  Response response = server_.Handle(request);
  if (response.delay_ms > 0) Wait(response.delay_ms);
  if (response.drop == Drop::kBefore) {
    ShutDownConnections(port_, from.remote_port);
    return;
  }
  to.status = response.status;
  for (const auto& [name, value] : response.headers) {
    if (name != "Content-Type") to.headers.emplace(name, value);
  }
  if (response.watch) {
    Stream(std::move(response), request.path, to);
  } else {
    Deliver(std::move(response), to);
  }
}

void HttpFront::Impl::Deliver(Response response, httplib::Response& to) {
  std::string type = "application/json";
  for (const auto& [name, value] : response.headers) {
    if (name == "Content-Type") type = value;
  }
  if (response.drop == Drop::kNone && !response.truncate) {
    to.set_content(std::move(response.body), type);
    return;
  }
  // The whole length is promised and not kept.
  const size_t half = response.drop == Drop::kAfterHeaders ? 0 : response.body.size() / 2;
  const size_t sent = std::min(response.truncate.value_or(half), response.body.size());
  const size_t size = response.body.size();
  to.set_content_provider(
      size, "text/event-stream",  // of a type that the library does not compress
      [body = std::move(response.body), sent](size_t, size_t, httplib::DataSink& sink) {
        sink.write(body.data(), sent);
        return false;
      });
}

void HttpFront::Impl::Stream(Response response, const std::string& path, httplib::Response& to) {
  const auto stream = std::make_shared<apiserver::Stream>();
  stream->watch = std::move(response.watch);
  stream->path = path;
  stream->drop = response.drop;
  std::weak_ptr<apiserver::Stream> weak = stream;
  stream->watch->OnReady([weak] {
    if (const auto alive = weak.lock()) {
      const std::lock_guard lock(alive->mutex);
      alive->signalled = true;
      alive->ready.notify_one();
    }
  });
  // With a parameter, so that the library does not compress it: that would hold lines back.
  to.set_chunked_content_provider(
      "application/json;stream=watch",
      [this, stream](size_t, httplib::DataSink& sink) { return SendLines(*stream, sink); });
}

bool HttpFront::Impl::SendLines(apiserver::Stream& stream, httplib::DataSink& sink) {
  if (stream.drop == Drop::kAfterHeaders) return false;
  {
    std::unique_lock lock(stream.mutex);
    stream.ready.wait_for(lock, kLookForClient, [&] { return stream.signalled; });
    stream.signalled = false;
  }
  const bool last = stream.watch->ended();
  std::string lines = stream.watch->Take();
  if (stream.drop == Drop::kMidStream && !lines.empty()) {
    sink.write(lines.data(), lines.size() / 2);
    return false;
  }
  if (!lines.empty()) {
    server_.CountStreamed(stream.path, lines.size());
    if (!sink.write(lines.data(), lines.size())) return false;
  }
  if (last) {
    sink.done();
    return true;
  }
  return sink.is_writable();
}

HttpFront::HttpFront(Server& server, FrontOptions options)
    : impl_(std::make_unique<Impl>(server, std::move(options))) {}

HttpFront::~HttpFront() = default;

Result<int> HttpFront::Start() { return impl_->Start(); }

void HttpFront::Stop() { impl_->Stop(); }

}  // namespace drapci::apiserver
