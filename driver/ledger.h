// The ledger: who holds what, so that nothing is given twice.
//
// Pure bookkeeping in memory, rebuilt from the journal at start. Cost of every operation depends on
// the claim at hand, never on how many others are held. Not thread-safe: the manager's mutex guards
// it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "driver/record.h"
#include "hal/base/result.h"

namespace drapci::driver {

class Ledger {
 public:
  // Takes all of `holdings` and the shared steps of `plan` for `uid`, or nothing: kConflict when
  // another claim holds a device, kExhausted when a counter (`stock`: accelerator -> counter ->
  // total) has not enough left. The text names the holders.
  Result<> Hold(const std::string& uid, const std::vector<Holding>& holdings, const Plan& plan,
                const std::map<std::string, std::map<std::string, int64_t>>& stock);

  // The same, unchecked: what the journal says is held is held.
  void Restore(const std::string& uid, const std::vector<Holding>& holdings, const Plan& plan);

  // Whether Hold() would succeed.
  Result<> Check(const std::string& uid, const std::vector<Holding>& holdings,
                 const std::map<std::string, std::map<std::string, int64_t>>& stock) const;

  void Release(const std::string& uid);

  // Whether any claim holds a device or lists a shared setting of it.
  bool InUse(const std::string& accelerator) const;
  // UID of the claim that holds the device, or the part that stands for a share; empty: free.
  std::string Holder(std::string_view device) const;
  // UIDs of the claims that hold shares of the device.
  std::set<std::string> Sharers(const std::string& accelerator, const std::string& device) const;
  std::map<std::string, int64_t> CountersUsed(const std::string& accelerator) const;

  // The shared settings of this accelerator that claims have changed ("SETTING TARGET"). Settings
  // of one part need no entry: whoever holds the part is alone with them.
  std::set<std::string> Changed(const std::string& accelerator) const;
  // A shared step as its first holder recorded it, with the true before-image; nothing when nobody
  // lists it.
  std::optional<Step> Recorded(const std::string& accelerator, const std::string& key) const;
  // Whether a claim other than `uid` lists the shared step too.
  bool SharedWithOthers(const Step& step, const std::string& uid) const;

 private:
  struct SharedUse {
    Step step;
    std::set<std::string> uids;
  };
  struct AcceleratorUse {
    std::map<std::string, std::string, std::less<>> devices;            // Holding::Key() -> uid
    std::map<std::pair<std::string, std::string>, std::string> shares;  // device, share -> uid
    std::map<std::string, int64_t> counters;
    std::map<std::string, SharedUse> shared;  // by Step::Key()
  };
  struct ClaimUse {
    std::vector<Holding> holdings;
    Plan shared_steps;
  };

  // An accelerator as a whole and its parts exclude each other, whatever the counters say: how many
  // parts there can be may change with the driver that is bound.
  Result<> CheckWhole(const std::string& uid, const Holding& holding) const;
  std::string HoldersOf(const AcceleratorUse& use) const;

  std::map<std::string, AcceleratorUse, std::less<>> accelerators_;
  std::map<std::string, std::string, std::less<>> device_holder_;  // Holding::Key() -> uid
  std::map<std::string, ClaimUse> claims_;
};

}  // namespace drapci::driver
