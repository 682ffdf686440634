// The slices that the API server has, from what a watch tells and what our own writes were
// answered, in whatever order the two arrive. On one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hal/os/clock.h"
#include "plugin/kube/reflector.h"
#include "plugin/slices/reconcile.h"

namespace drapci::plugin::slices {

// A watch lags behind the answers to our writes, and an answer can come after the watch has told of
// it. Versions are opaque: what is old is known by having been seen. So no slice is written twice,
// and no old version hides a newer one.
class Mirror {
 public:
  enum class News {
    kNone,     // known already
    kChanged,  // somebody else has made or changed it
    kDeleted,  // somebody else has deleted it
  };

  // A new list replaces what the watch has told. What was written but not seen by the watch yet
  // stays. kDeleted when something is missing, kChanged when something differs.
  News Listed(std::vector<StoredSlice> slices);
  News Told(kube::Reflector::Change change, StoredSlice slice);

  // Around each of our calls, which may overlap: Begin or BeginDelete, then one of the others.
  void Begin() { ++under_way_; }
  void Written(StoredSlice answer, hal::MonotonicTime now);
  void Failed() { Finish(); }
  void BeginDelete(const StoredSlice& slice);
  void Deleted(const StoredSlice& slice);
  void DeleteFailed(const StoredSlice& slice);

  // The name of a slice that was written `age` ago or earlier and that no watch has told of since.
  std::optional<std::string> Unseen(hal::MonotonicTime now, hal::MonotonicTime::duration age) const;
  // What the server says of it when asked; nothing when it has none.
  News Asked(const std::string& name, std::optional<StoredSlice> answer);

  std::vector<StoredSlice> All() const;

 private:
  struct Entry {
    StoredSlice slice;
    bool seen = true;            // by the watch, in this version
    std::set<std::string> past;  // versions that the watch may still tell of
    hal::MonotonicTime written;
  };
  void Finish();

  std::map<std::string, Entry> entries_;  // by name
  std::set<std::string> deleted_by_us_;   // UIDs, from BeginDelete on
  int under_way_ = 0;
  // Told since the oldest call that is under way began: "UID VERSION", and UIDs of what is gone.
  std::set<std::string> told_, gone_;
};

}  // namespace drapci::plugin::slices
