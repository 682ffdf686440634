// What is known of the API server's feature gates, from its version and from what it has dropped.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugin/slices/model.h"
#include "plugin/slices/reconcile.h"

namespace drapci::plugin::slices {

class Gates {
 public:
  // What is worth being published: all, less what the server is known not to keep.
  const Features& features() const { return on_; }
  bool all_on() const { return on_ == Features(); }
  bool too_old() const { return too_old_; }  // for counters as they are published

  // The answer to GET /version. Whether it is another one than before.
  bool SetVersion(std::string_view json);

  // What an answer to `sent` tells. Whether a feature has turned out to be off or on.
  bool Learn(const Features& used, const Features& kept);

  // What the list shows to have been kept once.
  void Seen(const Features& used);

  // Whether `used` has features that change what is listed and that nobody has seen kept so far.
  bool Unproven(const Features& used) const;

  // A slice that uses `features`, for a dry run that tells whether they are kept.
  static SliceContent Probe(const Features& features, const std::string& driver_name);

  // "DRAPartitionableDevices is off: ..." for each that is off.
  std::vector<std::string> Dropped() const;

 private:
  Features on_;
  Features proven_{.partitionable = false,
                   .consumable = false,
                   .taints = false,
                   .binding = false,
                   .note_taints = false};
  std::string version_;
  bool too_old_ = false;
};

}  // namespace drapci::plugin::slices
