// Watches: streams of event lines, fed by the server and drained by whoever serves the client.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "test/apiserver/resources.h"
#include "test/apiserver/store.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

// One stream. Any thread.
class Watch {
 public:
  // The lines that are ready, removed from the stream; empty when there are none.
  std::string Take();
  // No line will come any more; those that are ready can still be taken.
  bool ended() const;
  // `ready` is called, from any thread, whenever there is something to take or the stream ends.
  void OnReady(std::function<void()> ready);

  void Push(std::string_view line);
  void End();

 private:
  void Notify();

  mutable std::mutex mutex_;
  std::string lines_;
  bool ended_ = false;
  std::function<void()> ready_;
};

// All open watches of a server. Not locked, but for the streams themselves.
class Watches {
 public:
  struct Wanted {
    const Resource* resource = nullptr;
    std::string ns;
    Selector selector;
    bool bookmarks = false;
    int64_t end_at = 0;  // Unix seconds; 0: never
  };

  explicit Watches(int64_t bookmark_seconds) : bookmark_seconds_(bookmark_seconds) {}

  // A watch whose first lines are `events`.
  std::shared_ptr<Watch> Open(Wanted wanted, const std::vector<Event>& events, int64_t now);
  void Publish(const Event& event);
  // Sends bookmarks that are due, ends what has timed out and forgets who left.
  void Tick(int64_t now, uint64_t version);
  void CloseAll();
  size_t size() const { return open_.size(); }

 private:
  struct Subscription {
    Wanted wanted;
    std::shared_ptr<Watch> watch;
    int64_t next_bookmark = 0;
  };
  static void Deliver(const Subscription& subscription, const Event& event);
  static void Bookmark(const Subscription& subscription, uint64_t version);

  int64_t bookmark_seconds_;
  std::list<Subscription> open_;
};

// {"type":TYPE,"object":OBJECT} and a new line.
std::string EventLine(std::string_view type, const json& object);

}  // namespace drapci::apiserver
