#include "plugin/kube/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "hal/base/log.h"
#include "plugin/kube/answer.h"
#include "plugin/kube/line_splitter.h"
#include "plugin/kube/one_line.h"
#include "plugin/kube/token_bucket.h"

namespace drapci::plugin::kube {
namespace {

// The connections to one endpoint. Calls under way keep theirs when it is replaced.
struct Channel {
  Endpoint endpoint;
  std::unique_ptr<Transport> transport;
};

struct Pending {
  ApiRequest request;
  std::function<void(ApiResult)> done;          // of a call
  std::function<void(std::string_view)> event;  // of a watch
  std::function<void(ApiFailure)> end;
  std::chrono::milliseconds silence{0};
  LineSplitter lines{0};

  std::shared_ptr<Channel> channel;  // none: it waits for its turn
  Transport::Id id = 0;              // within the channel
  Loop::TimerId timer = 0;
  bool repeated = false;  // after a 401
  bool head = false;      // a watch's answer has begun
  hal::MonotonicTime heard{};

  bool IsWatch() const { return event != nullptr; }
  std::string Name() const { return request.method + " " + request.path; }
};

ApiFailure NoAnswer(const Pending& pending, Code code, std::string_view why) {
  ApiFailure failure;
  failure.error = {.code = code, .sys = 0, .what = fmt::format("{}: {}", pending.Name(), why)};
  return failure;
}

double Seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

// Callbacks may destroy the client: whoever calls one looks at `alive_` before going on.
class Client::Impl {
 public:
  Impl(Loop& loop, CredentialStore::Source source, MakeTransport make_transport,
       ClientOptions options)
      : loop_(loop),
        credentials_(std::move(source)),
        make_transport_(std::move(make_transport)),
        options_(std::move(options)),
        user_agent_(fmt::format("User-Agent: drapci/{} ({})", OneLine(options_.version),
                                OneLine(options_.node))),
        bucket_(options_.rate, options_.burst) {}

  ~Impl() {
    loop_.Cancel(bucket_timer_);
    for (auto& [id, pending] : pending_) loop_.Cancel(pending->timer);
  }

  CallId Add(std::unique_ptr<Pending> pending) {
    const CallId id = ++last_;
    pending->timer = loop_.After(pending->request.timeout, [this, id] { OnTimer(id); });
    pending->lines = LineSplitter(options_.most_line);
    pending_[id] = std::move(pending);
    waiting_.push_back(id);
    PostPump();
    return id;
  }

  void Cancel(CallId id) { const auto pending = Take(id); }

 private:
  // Takes a call out of everything, whatever its state.
  std::unique_ptr<Pending> Take(CallId id) {
    auto node = pending_.extract(id);
    if (node.empty()) return nullptr;
    std::unique_ptr<Pending> pending = std::move(node.mapped());
    loop_.Cancel(pending->timer);
    if (pending->channel != nullptr) {
      pending->channel->transport->Cancel(pending->id);
      Leave(*pending);
    } else {
      std::erase(waiting_, id);
    }
    return pending;
  }

  void Leave(const Pending& pending) {
    if (pending.IsWatch()) return;
    --active_;
    if (!waiting_.empty()) PostPump();
  }

  void Fail(CallId id, ApiFailure failure) {
    const auto pending = Take(id);
    if (pending == nullptr) return;
    if (pending->IsWatch()) {
      pending->end(std::move(failure));
    } else {
      pending->done(std::unexpected(std::move(failure)));
    }
  }

  void PostPump() {
    if (std::exchange(pump_posted_, true)) return;
    loop_.Post([this, alive = std::weak_ptr<void>(alive_)] {
      if (alive.expired()) return;
      pump_posted_ = false;
      Pump();
    });
  }

  // Begins what may begin.
  void Pump() {
    const std::weak_ptr<void> alive = alive_;
    while (const std::optional<CallId> id = NextTurn()) {
      if (auto begun = Begin(*id); !begun) {
        // The caller must not take a file that is not found for an object that is not.
        Fail(*id, NoAnswer(*pending_.at(*id), Code::kIo,
                           "the API server cannot be called: " + begun.error().what));
        if (alive.expired()) return;
      }
    }
  }

  std::optional<CallId> NextTurn() {
    const auto next = std::ranges::find_if(waiting_, [this](CallId id) {
      return active_ < options_.most_calls || pending_.at(id)->IsWatch();
    });
    if (next == waiting_.end()) return std::nullopt;
    if (!bucket_.Take(loop_.Now())) {
      loop_.Cancel(bucket_timer_);
      bucket_timer_ = loop_.After(bucket_.Wait(), [this] { Pump(); });
      return std::nullopt;
    }
    const CallId id = *next;
    waiting_.erase(next);
    return id;
  }

  Result<> Begin(CallId id) {
    Pending& pending = *pending_.at(id);
    DRAPCI_TRY(const Access* access, credentials_.Get(loop_.Now()));
    if (channel_ == nullptr || channel_->endpoint != access->endpoint) {
      DRAPCI_TRY(auto transport, make_transport_(access->endpoint));
      channel_ = std::make_shared<Channel>(access->endpoint, std::move(transport));
    }
    pending.channel = channel_;
    HttpRequest request = MakeRequest(pending.request, access->token);
    Transport& transport = *channel_->transport;
    const auto done = [this, id](HttpResult result) { OnDone(id, std::move(result)); };
    if (pending.IsWatch()) {
      const auto data = [this, id](std::string_view text) { OnData(id, text); };
      pending.id = transport.Stream(std::move(request), data, done);
    } else {
      ++active_;
      pending.id = transport.Send(std::move(request), done);
    }
    return {};
  }

  HttpRequest MakeRequest(const ApiRequest& from, const std::string& token) const {
    HttpRequest request = {
        .method = from.method,
        .target = from.query.empty() ? from.path : from.path + "?" + from.query,
        .headers = {user_agent_, "Accept: application/json"},
        .body = from.body,
    };
    if (from.method != "GET") request.headers.push_back("Content-Type: " + from.content_type);
    if (!token.empty()) request.headers.push_back("Authorization: Bearer " + token);
    return request;
  }

  void OnDone(CallId id, HttpResult result) {
    Pending& pending = *pending_.at(id);
    if (!result) {
      return Fail(id, NoAnswer(pending, result.error().code, result.error().what));
    }
    if (result->status == 401 && !pending.repeated) return Repeat(id);
    if (LogEnabled(LogLevel::kDebug)) {
      Log(LogLevel::kDebug, "{}: {}{}", pending.Name(), result->status,
          result->http2 ? " by HTTP/2" : "");
    }
    if (result->status < 200 || result->status >= 300) {
      return Fail(id, FailureFromAnswer(pending.Name(), result->status, result->body,
                                        result->retry_after, loop_.Wall()));
    }
    if (pending.IsWatch()) {
      ApiFailure end = NoAnswer(pending, Code::kIo, "the server ended the watch");
      end.status = result->status;
      return Fail(id, std::move(end));
    }
    const auto taken = Take(id);
    taken->done(std::move(result->body));
  }

  // Once more, with credentials that are read now; its time-out goes on.
  void Repeat(CallId id) {
    Pending& pending = *pending_.at(id);
    pending.repeated = true;
    credentials_.Doubt();
    Leave(pending);
    pending.channel.reset();
    waiting_.push_front(id);
    PostPump();
  }

  void OnData(CallId id, std::string_view data) {
    Pending& pending = *pending_.at(id);
    pending.heard = loop_.Now();
    if (!std::exchange(pending.head, true)) {
      loop_.Cancel(pending.timer);
      pending.timer = loop_.After(pending.silence, [this, id] { OnTimer(id); });
    }
    const bool fits = pending.lines.Add(data);
    const std::weak_ptr<void> alive = alive_;
    const auto event = pending.event;  // it may cancel the watch
    for (std::string line; pending_.at(id)->lines.Next(line);) {
      event(line);
      if (alive.expired() || !pending_.contains(id)) return;
    }
    if (!fits) {
      Fail(id, NoAnswer(pending, Code::kInvalid,
                        fmt::format("an event is larger than {} bytes", options_.most_line)));
    }
  }

  void OnTimer(CallId id) {
    Pending& pending = *pending_.at(id);
    pending.timer = 0;
    std::string why = fmt::format("no answer within {} s", Seconds(pending.request.timeout));
    if (pending.channel == nullptr) {
      why += ": too many calls were waiting for their turn";
    } else if (pending.head) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(pending.heard +
                                                                     pending.silence - loop_.Now());
      if (left.count() > 0) {
        pending.timer = loop_.After(left, [this, id] { OnTimer(id); });
        return;
      }
      why = fmt::format("nothing heard for {} s", Seconds(pending.silence));
    }
    if (pending.channel != nullptr) {
      why = pending.channel->endpoint.server + ": " + why;
      // Nobody can say that these connections still work.
      if (pending.channel == channel_) channel_.reset();
    }
    Fail(id, NoAnswer(pending, Code::kTimeout, why));
  }

  Loop& loop_;
  CredentialStore credentials_;
  const MakeTransport make_transport_;
  const ClientOptions options_;
  const std::string user_agent_;
  TokenBucket bucket_;
  Loop::TimerId bucket_timer_ = 0;
  bool pump_posted_ = false;
  std::shared_ptr<Channel> channel_;  // for new calls
  std::map<CallId, std::unique_ptr<Pending>> pending_;
  std::deque<CallId> waiting_;
  size_t active_ = 0;
  CallId last_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Client::Client(Loop& loop, CredentialStore::Source source, MakeTransport make_transport,
               ClientOptions options)
    : impl_(std::make_unique<Impl>(loop, std::move(source), std::move(make_transport),
                                   std::move(options))) {}

Client::~Client() = default;

Api::CallId Client::Call(ApiRequest request, std::function<void(ApiResult)> done) {
  auto pending = std::make_unique<Pending>();
  pending->request = std::move(request);
  pending->done = std::move(done);
  return impl_->Add(std::move(pending));
}

Api::CallId Client::Watch(ApiRequest request, std::chrono::milliseconds silence,
                          std::function<void(std::string_view)> event,
                          std::function<void(ApiFailure)> end) {
  auto pending = std::make_unique<Pending>();
  pending->request = std::move(request);
  pending->silence = silence;
  pending->event = std::move(event);
  pending->end = std::move(end);
  return impl_->Add(std::move(pending));
}

void Client::Cancel(CallId call) { impl_->Cancel(call); }

}  // namespace drapci::plugin::kube
