#include "plugin/kube/reflector.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "plugin/kube/list_watch.h"

namespace drapci::plugin::kube {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstDelay{500}, kMostDelay{30'000};
constexpr milliseconds kListTimeout{30'000};
constexpr milliseconds kWatchHeadTimeout{10'000};
// A watch that holds for this long was a good one: what fails after it is a new story.
constexpr milliseconds kGoodWatch{5'000};
// The server ends a watch after this many seconds; the spread keeps nodes out of step.
constexpr int kWatchSeconds = 300, kWatchSpread = 60;
// Beyond that the server has forgotten the watch: bookmarks are not promised in between.
constexpr milliseconds kGrace{30'000};
constexpr size_t kMostObjects = 100'000;

}  // namespace

// Every callback may destroy the reflector, so each is the last thing that happens, or is followed
// by a look at `alive_`.
class Reflector::Impl {
 public:
  Impl(Loop& loop, Api& api, Source source, Listener listener, uint64_t seed)
      : loop_(loop),
        api_(api),
        source_(std::move(source)),
        listener_(std::move(listener)),
        list_backoff_(kFirstDelay, kMostDelay, seed),
        watch_backoff_(kFirstDelay, kMostDelay, seed + 1),
        random_(seed) {}

  ~Impl() {
    api_.Cancel(call_);
    loop_.Cancel(retry_);
    loop_.Cancel(settled_);
  }

  void Start() {
    if (std::exchange(started_, true)) return;
    List();
  }

  bool current() const { return current_; }

 private:
  // --- lists ---

  void List() {
    objects_.clear();
    version_.clear();
    next_.clear();
    GetPage();
  }

  void GetPage() {
    ApiRequest request;
    request.path = source_.path;
    request.query = WithSelector("limit=500");
    if (!next_.empty()) request.query += "&continue=" + EncodeQuery(next_);
    request.timeout = kListTimeout;
    call_ = api_.Call(std::move(request), [this](ApiResult result) {
      call_ = 0;
      OnPage(std::move(result));
    });
  }

  void OnPage(ApiResult result) {
    if (!result) {
      // The list took longer than the server keeps its state: the rest is gone.
      if (result.error().status == 410 && !next_.empty()) return ListAnew(result.error());
      return FailList(result.error());
    }
    auto page = ParseListPage(*result);
    if (!page) return FailList(Senseless(page.error()));
    if (objects_.size() + page->objects.size() > kMostObjects) {
      return FailList(
          Senseless({Code::kExhausted, 0, fmt::format("more than {} objects", kMostObjects)}));
    }
    if (version_.empty()) version_ = std::move(page->resource_version);
    std::ranges::move(page->objects, std::back_inserter(objects_));
    next_ = std::move(page->next);
    if (!next_.empty()) return GetPage();

    current_ = true;
    list_backoff_.Reset();
    const std::weak_ptr<void> alive = alive_;
    listener_.listed(std::exchange(objects_, {}));
    if (!alive.expired()) Watch();
  }

  // Lists at once after a good watch, with back-off when that keeps happening.
  void ListAnew(const ApiFailure& why) {
    if (std::exchange(listed_anew_, true)) return FailWatch(why, &Impl::List);
    current_ = false;
    List();
  }

  // --- watches ---

  void Watch() {
    const int seconds =
        kWatchSeconds + std::uniform_int_distribution(-kWatchSpread / 2, kWatchSpread / 2)(random_);
    ApiRequest request;
    request.path = source_.path;
    request.query = WithSelector(
        fmt::format("watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                    EncodeQuery(version_), seconds));
    request.timeout = kWatchHeadTimeout;
    watch_began_ = loop_.Now();
    if (!current_) {
      // Without a word from the server: it has not refused in time, so the watch stands.
      settled_ = loop_.After(kWatchHeadTimeout + milliseconds(1'000), [this] { Settle(); });
    }
    call_ = api_.Watch(
        std::move(request), std::chrono::seconds(seconds) + kGrace,
        [this](std::string_view line) { OnLine(line); },
        [this](ApiFailure end) {
          call_ = 0;
          OnEnd(end);
        });
  }

  void Settle() {
    loop_.Cancel(std::exchange(settled_, 0));
    current_ = true;
  }

  void OnLine(std::string_view line) {
    auto event = ParseWatchEvent(line, "watching " + source_.path);
    if (!event) {
      EndWatch();
      return FailWatch(Senseless(event.error()), &Impl::List);
    }
    if (event->type == WatchEvent::Type::kError) {
      EndWatch();
      return OnFailure(event->failure);
    }
    version_ = std::move(event->resource_version);
    Settle();
    switch (event->type) {
      case WatchEvent::Type::kAdded:
        return listener_.changed(Change::kAdded, std::move(event->object));
      case WatchEvent::Type::kModified:
        return listener_.changed(Change::kModified, std::move(event->object));
      case WatchEvent::Type::kDeleted:
        return listener_.changed(Change::kDeleted, std::move(event->object));
      case WatchEvent::Type::kBookmark:
      case WatchEvent::Type::kError: return;
    }
  }

  void EndWatch() {
    api_.Cancel(std::exchange(call_, 0));
    loop_.Cancel(std::exchange(settled_, 0));
    NoteGoodWatch();
  }

  bool NoteGoodWatch() {
    if (loop_.Now() - watch_began_ < kGoodWatch) return false;
    watch_backoff_.Reset();
    listed_anew_ = false;
    return true;
  }

  void OnEnd(const ApiFailure& end) {
    loop_.Cancel(std::exchange(settled_, 0));
    const bool good = NoteGoodWatch();
    if (end.status < 200 || end.status >= 300) return OnFailure(end);
    if (good) return Watch();
    RetryAfter(watch_backoff_.Next(), &Impl::Watch);  // a server that ends each at once
  }

  void OnFailure(const ApiFailure& failure) {
    const bool expired =
        failure.status == 410 || failure.reason == "Expired" || failure.reason == "Gone";
    if (expired) return ListAnew(failure);
    FailWatch(failure, failure.Retryable() ? &Impl::Watch : &Impl::List);
  }

  // --- both ---

  std::string WithSelector(std::string query) const {
    if (!source_.selector.empty()) query += "&" + source_.selector;
    return query;
  }

  ApiFailure Senseless(Error error) const {
    ApiFailure failure;
    failure.error = std::move(error).Within("the API server's answer for " + source_.path);
    return failure;
  }

  void FailList(const ApiFailure& failure) {
    Fail(failure, list_backoff_.Next(failure.retry_after), &Impl::List);
  }

  // What a watch stumbles over waits on its own, though lists succeed in between.
  void FailWatch(const ApiFailure& failure, void (Impl::*step)()) {
    Fail(failure, watch_backoff_.Next(failure.retry_after), step);
  }

  void Fail(const ApiFailure& failure, milliseconds delay, void (Impl::*step)()) {
    current_ = false;
    RetryAfter(delay, step);
    listener_.failed(failure);
  }

  void RetryAfter(milliseconds delay, void (Impl::*step)()) {
    retry_ = loop_.After(delay, [this, step] {
      retry_ = 0;
      (this->*step)();
    });
  }

  Loop& loop_;
  Api& api_;
  const Source source_;
  const Listener listener_;
  Backoff list_backoff_;   // until a list succeeds
  Backoff watch_backoff_;  // until a watch holds
  std::mt19937_64 random_;
  bool started_ = false;
  bool current_ = false;
  bool listed_anew_ = false;  // once without a good watch since
  Api::CallId call_ = 0;
  Loop::TimerId retry_ = 0;
  Loop::TimerId settled_ = 0;
  hal::MonotonicTime watch_began_{};
  std::vector<std::string> objects_;  // of the pages so far
  std::string version_;               // where to watch from
  std::string next_;                  // the token of the next page
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Reflector::Reflector(Loop& loop, Api& api, Source source, Listener listener, uint64_t seed)
    : impl_(std::make_unique<Impl>(loop, api, std::move(source), std::move(listener), seed)) {}

Reflector::~Reflector() = default;

void Reflector::Start() { impl_->Start(); }

bool Reflector::current() const { return impl_->current(); }

}  // namespace drapci::plugin::kube
