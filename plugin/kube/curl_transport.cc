#include "plugin/kube/curl_transport.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <utility>

#include "hal/base/parse.h"
#include "plugin/kube/curl_library.h"
#include "plugin/kube/one_line.h"
#include "plugin/kube/server_url.h"

namespace drapci::plugin::kube {
namespace {

// How long the peer's kernel may leave data or a keep-alive probe unanswered.
constexpr unsigned kPeerSilenceMs = 20'000;
constexpr long kKeepAliveIdle = 15, kKeepAliveInterval = 5;  // seconds

struct SlistFree {
  const CurlLibrary* curl;
  void operator()(curl_slist* list) const { curl->slist_free_all(list); }
};
struct EasyCleanup {
  const CurlLibrary* curl;
  void operator()(CURL* easy) const { curl->easy_cleanup(easy); }
};
struct MultiCleanup {
  const CurlLibrary* curl;
  void operator()(CURLM* multi) const { curl->multi_cleanup(multi); }
};

struct Transfer {
  Transport::Id id = 0;
  bool stream = false;
  size_t most_body = 0;
  HttpRequest request;  // libcurl reads the body from here
  std::unique_ptr<curl_slist, SlistFree> headers;
  std::array<char, CURL_ERROR_SIZE> complaint{};
  std::unique_ptr<CURL, EasyCleanup> easy;  // goes before what it refers to

  HttpResponse response;
  bool head = false;  // the head of a 2xx answer has come and was not told
  std::string data;   // of a stream, not told yet
  bool too_large = false;
  bool posted = false;  // a delivery is on its way
  std::optional<HttpResult> result;
  std::function<void(std::string_view)> on_data;
  std::function<void(HttpResult)> on_done;

  bool Good() const { return response.status >= 200 && response.status < 300; }
};

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// One line of the answer's head, of which there may be several (100, 200).
void TakeHeader(Transfer& transfer, std::string_view line) {
  HttpResponse& response = transfer.response;
  if (line.starts_with("HTTP/")) {  // "HTTP/1.1 200 OK"
    response.retry_after.clear();
    const size_t blank = line.find(' ');
    response.status =
        blank == std::string_view::npos ? 0 : ParseInt<int>(line.substr(blank + 1, 3)).value_or(0);
  } else if (Trim(line).empty()) {
    transfer.head = transfer.stream && transfer.Good();
  } else if (const size_t colon = line.find(':');
             colon != std::string_view::npos &&
             EqualsIgnoringCase(line.substr(0, colon), "retry-after")) {
    response.retry_after = Trim(line.substr(colon + 1));
  }
}

int OnSocket(void*, curl_socket_t fd, curlsocktype) {
  // A failure costs nothing but a later notice.
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kPeerSilenceMs, sizeof kPeerSilenceMs);
  return CURL_SOCKOPT_OK;
}

class CurlTransport : public Transport {
 public:
  CurlTransport(SdLoop& loop, Endpoint endpoint, ServerUrl url, CurlOptions options,
                std::shared_ptr<const CurlLibrary> curl)
      : loop_(loop),
        endpoint_(std::move(endpoint)),
        url_(std::move(url)),
        options_(options),
        curl_(std::move(curl)),
        connect_to_(curl_->slist_append(
                        nullptr, fmt::format("::{}:{}", url_.host, url_.PortOrDefault()).c_str()),
                    SlistFree{curl_.get()}),
        multi_(curl_->multi_init(), MultiCleanup{curl_.get()}) {
    SetMulti(CURLMOPT_SOCKETFUNCTION, &OnPoll);
    SetMulti(CURLMOPT_SOCKETDATA, this);
    SetMulti(CURLMOPT_TIMERFUNCTION, &OnTimeout);
    SetMulti(CURLMOPT_TIMERDATA, this);
  }

  ~CurlTransport() override {
    while (!transfers_.empty()) Cancel(transfers_.begin()->first);
    multi_.reset();  // closes its connections, which clears their descriptors
    loop_.Cancel(timer_);
  }

  Id Send(HttpRequest request, std::function<void(HttpResult)> done) override {
    return Add(std::move(request), nullptr, std::move(done));
  }
  Id Stream(HttpRequest request, std::function<void(std::string_view)> data,
            std::function<void(HttpResult)> end) override {
    return Add(std::move(request), std::move(data), std::move(end));
  }
  void Cancel(Id request) override {
    const auto node = transfers_.extract(request);
    if (!node.empty()) Remove(*node.mapped());
  }

 private:
  template <class Value>
  void SetMulti(CURLMoption option, Value value) {
    curl_->multi_setopt(multi_.get(), option, value);
  }
  template <class Value>
  void Set(const Transfer& transfer, CURLoption option, Value value) {
    curl_->easy_setopt(transfer.easy.get(), option, value);
  }
  void SetText(const Transfer& transfer, CURLoption option, const std::string& text) {
    if (!text.empty()) Set(transfer, option, text.c_str());
  }
  // The text must live as long as the transfer.
  void SetBlob(const Transfer& transfer, CURLoption option, std::string& text) {
    if (text.empty()) return;
    curl_blob blob = {.data = text.data(), .len = text.size(), .flags = CURL_BLOB_NOCOPY};
    Set(transfer, option, &blob);
  }

  // Whether the server's certificate has another name than its URL.
  bool HasOtherName() const { return !endpoint_.tls_server_name.empty() && url_.scheme == "https"; }

  Id Add(HttpRequest request, std::function<void(std::string_view)> data,
         std::function<void(HttpResult)> done) {
    auto owned = std::make_unique<Transfer>();
    Transfer& transfer = *owned;
    transfer.id = ++last_;
    transfer.stream = data != nullptr;
    transfer.most_body = options_.most_body;
    transfer.request = std::move(request);
    transfer.on_data = std::move(data);
    transfer.on_done = std::move(done);
    transfer.easy = {curl_->easy_init(), EasyCleanup{curl_.get()}};
    transfers_[transfer.id] = std::move(owned);

    CURLMcode status = CURLM_OUT_OF_MEMORY;
    if (transfer.easy != nullptr) {
      SetRequest(transfer);
      SetConnection(transfer);
      SetTls(transfer);
      SetCallbacks(transfer);
      status = curl_->multi_add_handle(multi_.get(), transfer.easy.get());
    }
    if (status != CURLM_OK) {
      transfer.easy.reset();
      transfer.result = Fail(Code::kInternal, fmt::format("{}: libcurl: {}", url_.Authority(),
                                                          curl_->multi_strerror(status)));
      PostDelivery(transfer);
    }
    return transfer.id;
  }

  void SetRequest(Transfer& transfer) {
    const HttpRequest& request = transfer.request;
    // With another name in the certificate, that name goes into the URL, for libcurl to send it and
    // to check it, and the connection goes to the real host.
    const std::string& host = HasOtherName() ? endpoint_.tls_server_name : url_.host;
    Set(transfer, CURLOPT_URL,
        fmt::format("{}://{}:{}{}{}", url_.scheme, host, url_.PortOrDefault(), url_.base_path,
                    request.target)
            .c_str());
    curl_slist* headers = nullptr;
    const auto add = [&](const std::string& header) {
      if (curl_slist* more = curl_->slist_append(headers, header.c_str())) headers = more;
    };
    for (const std::string& header : request.headers) add(header);
    add("Expect:");  // no round trip ahead of large bodies
    if (HasOtherName()) add("Host: " + url_.Authority());
    transfer.headers = {headers, SlistFree{curl_.get()}};
    Set(transfer, CURLOPT_HTTPHEADER, headers);

    if (request.method != "GET") {
      Set(transfer, CURLOPT_POST, 1L);
      Set(transfer, CURLOPT_CUSTOMREQUEST, request.method.c_str());
      Set(transfer, CURLOPT_POSTFIELDS, request.body.c_str());
      Set(transfer, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    // A stream's lines must not wait for a decompressor's block.
    if (!transfer.stream) Set(transfer, CURLOPT_ACCEPT_ENCODING, "gzip");
  }

  void SetConnection(Transfer& transfer) {
    Set(transfer, CURLOPT_NOSIGNAL, 1L);
    Set(transfer, CURLOPT_QUICK_EXIT, 1L);  // never waits for a name that is being looked up
    Set(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    Set(transfer, CURLOPT_FOLLOWLOCATION, 0L);
    Set(transfer, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2TLS});
    // A connection that is being made may turn out to be HTTP/2 and be shared. Without TLS it never
    // does, and libcurl would wait for its first answer, which may be long in coming.
    Set(transfer, CURLOPT_PIPEWAIT, url_.scheme == "https" ? 1L : 0L);
    Set(transfer, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
    Set(transfer, CURLOPT_TCP_KEEPALIVE, 1L);
    Set(transfer, CURLOPT_TCP_KEEPIDLE, kKeepAliveIdle);
    Set(transfer, CURLOPT_TCP_KEEPINTVL, kKeepAliveInterval);
    Set(transfer, CURLOPT_SOCKOPTFUNCTION, &OnSocket);
    Set(transfer, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SetText(transfer, CURLOPT_USERNAME, endpoint_.username);
    SetText(transfer, CURLOPT_PASSWORD, endpoint_.password);
    if (!endpoint_.proxy_url.empty()) {
      Set(transfer, CURLOPT_PROXY, endpoint_.proxy_url.c_str());
      Set(transfer, CURLOPT_NOPROXY, "");  // the environment's exceptions are not this proxy's
    } else if (url_.IsLoopback()) {
      Set(transfer, CURLOPT_PROXY, "");  // as every client of Kubernetes does
    }
    if (HasOtherName()) Set(transfer, CURLOPT_CONNECT_TO, connect_to_.get());
  }

  void SetTls(Transfer& transfer) {
    Set(transfer, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    if (endpoint_.insecure_skip_tls_verify) {
      Set(transfer, CURLOPT_SSL_VERIFYPEER, 0L);
      Set(transfer, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!endpoint_.certificate_authority.empty()) {
      // Nothing beside the cluster's own authority counts.
      Set(transfer, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
      SetBlob(transfer, CURLOPT_CAINFO_BLOB, endpoint_.certificate_authority);
    }
    SetBlob(transfer, CURLOPT_SSLCERT_BLOB, endpoint_.client_certificate);
    SetBlob(transfer, CURLOPT_SSLKEY_BLOB, endpoint_.client_key);
  }

  void SetCallbacks(Transfer& transfer) {
    Set(transfer, CURLOPT_ERRORBUFFER, transfer.complaint.data());
    Set(transfer, CURLOPT_PRIVATE, &transfer);
    Set(transfer, CURLOPT_HEADERFUNCTION, &OnHeader);
    Set(transfer, CURLOPT_HEADERDATA, &transfer);
    Set(transfer, CURLOPT_WRITEFUNCTION, &OnBody);
    Set(transfer, CURLOPT_WRITEDATA, &transfer);
  }

  static size_t OnHeader(char* text, size_t, size_t size, void* untyped) {
    TakeHeader(*static_cast<Transfer*>(untyped), {text, size});
    return size;
  }

  static size_t OnBody(char* text, size_t, size_t size, void* untyped) {
    auto& transfer = *static_cast<Transfer*>(untyped);
    const bool stream = transfer.stream && transfer.Good();
    std::string& into = stream ? transfer.data : transfer.response.body;
    if (!stream && into.size() + size > transfer.most_body) {
      transfer.too_large = true;
      return 0;  // ends the transfer
    }
    into.append(text, size);
    return size;
  }

  static int OnPoll(CURL*, curl_socket_t fd, int what, void* untyped, void*) {
    auto* self = static_cast<CurlTransport*>(untyped);
    if (what == CURL_POLL_REMOVE) {
      self->loop_.ClearIo(fd);
      return 0;
    }
    uint32_t events = 0;
    if ((what & CURL_POLL_IN) != 0) events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
    const auto set =
        self->loop_.SetIo(fd, events, [self, fd](uint32_t now) { self->OnReady(fd, now); });
    return set ? 0 : -1;
  }

  void OnReady(int fd, uint32_t events) {
    int what = 0;
    if ((events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
    Act(fd, what);
  }

  static int OnTimeout(CURLM*, long delay, void* untyped) {
    auto* self = static_cast<CurlTransport*>(untyped);
    self->loop_.Cancel(std::exchange(self->timer_, 0));
    if (delay >= 0) {
      self->timer_ = self->loop_.After(std::chrono::milliseconds(delay), [self] {
        self->timer_ = 0;
        self->Act(CURL_SOCKET_TIMEOUT, 0);
      });
    }
    return 0;
  }

  // Lets libcurl work; what came of it is told by tasks of their own, since libcurl must not be
  // called from within its callbacks.
  void Act(curl_socket_t fd, int what) {
    int running = 0;
    curl_->multi_socket_action(multi_.get(), fd, what, &running);
    int left = 0;
    while (const CURLMsg* message = curl_->multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode status = message->data.result;
      Transfer* transfer = nullptr;
      curl_->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      Finish(*transfer, status);
    }
    for (const auto& [id, transfer] : transfers_) {
      if (transfer->result || transfer->head || !transfer->data.empty()) PostDelivery(*transfer);
    }
  }

  void Finish(Transfer& transfer, CURLcode status) {
    if (status == CURLE_OK) {
      long version = 0;
      curl_->easy_getinfo(transfer.easy.get(), CURLINFO_HTTP_VERSION, &version);
      transfer.response.http2 = version == CURL_HTTP_VERSION_2_0;
      transfer.result = std::move(transfer.response);
    } else {
      transfer.result = Fail(Explain(transfer, status));
    }
    Remove(transfer);
  }

  Error Explain(const Transfer& transfer, CURLcode status) const {
    const Code code = status == CURLE_OPERATION_TIMEDOUT ? Code::kTimeout : Code::kIo;
    std::string why = OneLine(transfer.complaint.data());
    if (transfer.too_large) {
      why = fmt::format("the answer is larger than {} bytes", options_.most_body);
    } else if (why.empty()) {
      why = curl_->easy_strerror(status);
    }
    if (status == CURLE_PEER_FAILED_VERIFICATION) {
      why += "; check certificate-authority and tls-server-name";
    } else if (status == CURLE_SSL_CONNECT_ERROR) {
      why = "the TLS handshake failed: " + why;
    } else if (status == CURLE_SSL_CERTPROBLEM) {
      why += "; check client-certificate and client-key";
    }
    return {.code = code, .sys = 0, .what = fmt::format("{}: {}", url_.Authority(), why)};
  }

  void Remove(Transfer& transfer) {
    if (transfer.easy == nullptr) return;
    curl_->multi_remove_handle(multi_.get(), transfer.easy.get());
    transfer.easy.reset();
  }

  void PostDelivery(Transfer& transfer) {
    if (transfer.posted) return;
    transfer.posted = true;
    loop_.Post([this, alive = std::weak_ptr<void>(alive_), id = transfer.id] {
      if (!alive.expired()) Deliver(id);
    });
  }

  void Deliver(Id id) {
    auto found = transfers_.find(id);
    if (found == transfers_.end()) return;
    Transfer& transfer = *found->second;
    transfer.posted = false;
    if (std::exchange(transfer.head, false) || !transfer.data.empty()) {
      const std::string data = std::exchange(transfer.data, {});
      const auto on_data = transfer.on_data;  // it may cancel this transfer, or destroy us
      const std::weak_ptr<void> alive = alive_;
      on_data(data);
      if (alive.expired()) return;
      found = transfers_.find(id);
      if (found == transfers_.end()) return;
    }
    if (!found->second->result) return;
    // Nothing of ours may be in use when we are destroyed in there.
    const auto on_done = std::move(found->second->on_done);
    HttpResult result = *std::move(found->second->result);
    transfers_.erase(found);
    on_done(std::move(result));
  }

  SdLoop& loop_;
  Endpoint endpoint_;
  const ServerUrl url_;
  const CurlOptions options_;
  const std::shared_ptr<const CurlLibrary> curl_;
  std::unique_ptr<curl_slist, SlistFree> connect_to_;
  std::unique_ptr<CURLM, MultiCleanup> multi_;
  std::map<Id, std::unique_ptr<Transfer>> transfers_;
  Id last_ = 0;
  Loop::TimerId timer_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

MakeTransport CurlTransports(SdLoop& loop, CurlOptions options) {
  return [&loop, options, curl = std::shared_ptr<const CurlLibrary>()](
             const Endpoint& endpoint) mutable -> Result<std::unique_ptr<Transport>> {
    DRAPCI_TRY(ServerUrl url, ServerUrl::Parse(endpoint.server));
    if (curl == nullptr) {
      DRAPCI_TRY(curl, CurlLibrary::Load());
    }
    return std::make_unique<CurlTransport>(loop, endpoint, std::move(url), options, curl);
  };
}

}  // namespace drapci::plugin::kube
