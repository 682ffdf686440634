// The one place that orders hardware changes: prepares and releases claims as journaled
// transactions.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "driver/claim.h"
#include "driver/health/health.h"
#include "driver/inventory.h"
#include "driver/listeners.h"
#include "driver/record.h"

namespace drapci::driver {

// One way in which journal, hardware and CDI directory disagree.
struct Difference {
  std::string claim_uid;  // empty: no claim is concerned
  std::string subject;    // accelerator, "SETTING TARGET" or file
  std::string text;       // one sentence
};

// Threads: every method may be called from any thread; callbacks run on a worker thread. Changes of
// one accelerator run one at a time, those of different accelerators side by side; calls for one
// claim are answered in order.
class Manager {
 public:
  virtual ~Manager() = default;

  // The steps that Prepare would take and the CDI specification it would write; touches nothing.
  struct DryRun {
    Plan plan;
    PreparedClaim answer;
    std::string cdi_spec;  // JSON; device nodes that do not exist before the steps run are left out
  };
  virtual void DryPrepare(ClaimRequest request, std::function<void(Result<DryRun>)> done) = 0;

  // Idempotent: the same UID again gets the stored answer, after the CDI file and the device state
  // have been looked at again. A UID that is held with other devices is refused (kConflict).
  virtual void Prepare(ClaimRequest request, std::function<void(Result<PreparedClaim>)> done) = 0;

  // By UID alone; an unknown one is success.
  virtual void Unprepare(std::string uid, std::function<void(Result<>)> done) = 0;

  virtual std::vector<ClaimRecord> Claims() const = 0;  // by UID, standing ones too
  // The record of one claim; costs the same however many are held.
  virtual std::optional<ClaimRecord> FindClaim(std::string_view uid) const = 0;
  // Never null. What has changed since the last one is read anew first, except on cards that are
  // busy. Blocks for a moment; not from a callback of this class.
  virtual std::shared_ptr<const Snapshot> CurrentSnapshot() = 0;
  // `changed` is called after every change of what the node has (cards, their policy, state or
  // health; not for every claim that comes or goes), until the token is dropped. On any thread;
  // must not block or call back.
  virtual Listeners::Token Listen(std::function<void()> changed) = 0;
  // What is known of each card's condition now, by accelerator name; costs nothing. A snapshot has
  // the same verdicts, but not the newest times of measurement.
  virtual std::map<std::string, Health> CurrentHealth() const = 0;
  virtual void Verify(std::function<void(Result<std::vector<Difference>>)> done) = 0;
};

}  // namespace drapci::driver
