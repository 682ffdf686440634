// List, then watch, for ever: an always current view of some objects.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/kube/api.h"
#include "plugin/kube/backoff.h"
#include "plugin/kube/loop.h"

namespace drapci::plugin::kube {

// Lists (in pages), watches from there with bookmarks, resumes where a watch ended, lists again on
// 410 and on anything that it cannot make sense of, waits with back-off when the server does not
// answer. On the loop's thread.
class Reflector {
 public:
  enum class Change { kAdded, kModified, kDeleted };
  struct Listener {
    // The whole list, as JSON texts of the objects; what is not in it is gone.
    std::function<void(std::vector<std::string>)> listed;
    std::function<void(Change, std::string)> changed;
    // A list or watch failed; it is tried again by itself.
    std::function<void(const ApiFailure&)> failed;
  };
  struct Source {
    std::string path;      // of the collection
    std::string selector;  // "fieldSelector=..." or empty, already encoded
  };

  Reflector(Loop& loop, Api& api, Source source, Listener listener, uint64_t seed);
  ~Reflector();  // no callback comes any more

  void Start();
  // Whether what was told last is what the server had when it was asked or told last.
  bool current() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::plugin::kube
