#include "test/apiserver/watch.h"

#include <fmt/format.h>

#include "test/apiserver/fields.h"

namespace drapci::apiserver {

std::string Watch::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(lines_, {});
}

bool Watch::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void Watch::OnReady(std::function<void()> ready) {
  {
    const std::lock_guard lock(mutex_);
    ready_ = std::move(ready);
    if (lines_.empty() && !ended_) return;
  }
  Notify();
}

void Watch::Push(std::string_view line) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    lines_ += line;
  }
  Notify();
}

void Watch::End() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  Notify();
}

void Watch::Notify() {
  std::function<void()> ready;
  {
    const std::lock_guard lock(mutex_);
    ready = ready_;
  }
  if (ready) ready();
}

std::shared_ptr<Watch> Watches::Open(Wanted wanted, const std::vector<Event>& events, int64_t now) {
  Subscription& subscription = open_.emplace_back(
      Subscription{std::move(wanted), std::make_shared<Watch>(), now + bookmark_seconds_});
  for (const Event& event : events) Deliver(subscription, event);
  return subscription.watch;
}

void Watches::Deliver(const Subscription& subscription, const Event& event) {
  const Wanted& wanted = subscription.wanted;
  if (wanted.resource != event.resource) return;
  if (!wanted.ns.empty() && wanted.ns != event.key.first) return;
  const bool now = event.type != "DELETED" && wanted.selector.Matches(*event.object);
  const bool before = event.previous && wanted.selector.Matches(*event.previous);
  if (!now && !before) return;
  // An object that moves in or out of the selection is added to or deleted from it.
  const std::string_view type = !now ? "DELETED" : !before ? "ADDED" : "MODIFIED";
  subscription.watch->Push(EventLine(type, *event.object));
}

void Watches::Publish(const Event& event) {
  for (const Subscription& subscription : open_) Deliver(subscription, event);
}

void Watches::Bookmark(const Subscription& subscription, uint64_t version) {
  const Resource& resource = *subscription.wanted.resource;
  subscription.watch->Push(
      EventLine("BOOKMARK", {{"kind", resource.kind},
                             {"apiVersion", resource.api_version()},
                             {"metadata", {{"resourceVersion", std::to_string(version)}}}}));
}

void Watches::Tick(int64_t now, uint64_t version) {
  for (auto at = open_.begin(); at != open_.end();) {
    const bool timed_out = at->wanted.end_at != 0 && now >= at->wanted.end_at;
    if (at->wanted.bookmarks && (timed_out || now >= at->next_bookmark)) {
      Bookmark(*at, version);
      at->next_bookmark = now + bookmark_seconds_;
    }
    if (timed_out) at->watch->End();
    // The only other holder is whoever serves the client; without one nobody listens.
    at = timed_out || at->watch.use_count() == 1 ? open_.erase(at) : std::next(at);
  }
}

void Watches::CloseAll() {
  for (const Subscription& subscription : open_) subscription.watch->End();
  open_.clear();
}

std::string EventLine(std::string_view type, const json& object) {
  return fmt::format(R"({{"type":"{}","object":{}}})", type, Dump(object)) + "\n";
}

}  // namespace drapci::apiserver
