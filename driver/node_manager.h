// The manager of a node: claims as journaled transactions over its fleet.
//
// A prepare is: plan, journal (intent), hardware, CDI file, journal (answer). An unprepare is:
// journal (intent), CDI file, hardware, journal (erase). Whatever a crash leaves between those is
// finished or undone by Recover() before anybody is served.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "driver/cdi.h"
#include "driver/config.h"
#include "driver/executor.h"
#include "driver/fleet.h"
#include "driver/journal.h"
#include "driver/lanes.h"
#include "driver/ledger.h"
#include "driver/manager.h"
#include "driver/observer.h"
#include "hal/os/state_dir.h"

namespace drapci::driver {

class NodeManager : public Manager {
 public:
  NodeManager(hal::Host& host, hal::PciScanner& scanner, const Config& config, Journal& journal,
              hal::StateDir& cdi_dir, std::string boot_id);
  // Refuses what is still queued, and waits for what is running.
  ~NodeManager() override;

  // Before Recover(); must outlive the manager.
  void Observe(Observer& observer);

  // Once, before anything else: reads the journal, brings every claim to fully prepared or fully
  // undone, makes the standing settings. Waits for all of it. Fails only when the journal or the
  // bus cannot be read.
  Result<> Recover();

  // Scans the bus and brings the fleet up to date, each accelerator in its lane.
  Result<> Look();
  // Waits until nothing is queued or running.
  void Settle() { lanes_.Drain(); }
  // The accelerator may have changed: it is read anew when somebody asks for a snapshot.
  void MarkStale(const std::string& accelerator);
  std::vector<std::string> Accelerators() const { return fleet_.Names(); }
  // What the monitor has found of an accelerator. A new verdict is told, a newer measurement of
  // the same is not.
  void SetHealth(const std::string& accelerator, Health health);
  // There is no such accelerator any more.
  void DropHealth(const std::string& accelerator) {
    const std::lock_guard lock(mutex_);
    health_.erase(accelerator);
  }
  // What is there, without its parts; waits for nothing and reads nothing.
  std::vector<AcceleratorView> Cards() const { return fleet_.Cards(); }
  // The snapshot that was asked for last, as it was then; null before the first.
  std::shared_ptr<const Snapshot> LastSnapshot() const;

  void DryPrepare(ClaimRequest request, std::function<void(Result<DryRun>)> done) override;
  void Prepare(ClaimRequest request, std::function<void(Result<PreparedClaim>)> done) override;
  void Unprepare(std::string uid, std::function<void(Result<>)> done) override;
  std::vector<ClaimRecord> Claims() const override;
  std::optional<ClaimRecord> FindClaim(std::string_view uid) const override;
  std::shared_ptr<const Snapshot> CurrentSnapshot() override;
  Listeners::Token Listen(std::function<void()> changed) override;
  std::map<std::string, Health> CurrentHealth() const override;
  void Verify(std::function<void(Result<std::vector<Difference>>)> done) override;

 private:
  // Runs `task` in the lanes of the claim and of every accelerator that it has, wants or is about
  // to get.
  void SubmitForClaim(const std::string& uid, const std::vector<DeviceRequest>& devices,
                      std::function<void()> task);

  // In the lanes of the claim (prepare.cc).
  struct Prospect {
    Outline outline;
    Plan plan;
    std::map<std::string, std::map<std::string, int64_t>> stock;
    std::map<std::string, Candidate> candidates;
  };
  Result<Prospect> Outlook(const ClaimRequest& request);
  Result<PreparedClaim> PrepareNow(const ClaimRequest& request);
  Result<PreparedClaim> Carry(ClaimRecord record);  // intent is journaled: do it, or undo it
  Result<> CarryOut(ClaimRecord& record);
  Result<PreparedClaim> Reassure(ClaimRecord record);
  Result<DryRun> DryPrepareNow(const ClaimRequest& request);
  Result<std::string> MakeCdiSpec(std::vector<PreparedDevice>& devices);
  Result<std::string> MakeDryCdiSpec(const Prospect& prospect);

  // In the lanes of the claim (release.cc).
  Result<> UnprepareNow(const std::string& uid);
  Result<> UndoClaim(ClaimRecord record);
  void KeepTrouble(ClaimRecord record, const Error& error);

  // recovery.cc
  void RecoverClaim(const ClaimRecord& record);
  void SweepCdiDir();
  // In the accelerator's lane: its claims learn that it is gone, or that it or its driver has
  // arrived.
  void TellClaims(const std::string& accelerator, bool present, bool arrived);
  // Why the claim's card is not the one that was prepared for it; empty: it is, or none is there.
  // Nothing of such a claim is done to the card that took its place.
  std::string Replaced(const ClaimRecord& record, std::string_view accelerator = {}) const;
  void SettleStanding(const std::string& accelerator);  // standing settings, in the lanes of both

  // verify.cc
  std::vector<Difference> VerifyClaim(const std::string& uid);
  std::vector<Difference> VerifyCdiDir();

  void Remember(const ClaimRecord& record);
  void Dismiss(const std::string& uid);
  // With mutex_ held: the devices of a card that was gone before it could describe itself, by what
  // the journal says is held.
  void AddHeldDevices(AcceleratorView& view) const;
  // With mutex_ held: the driver that the function has when no claim holds it.
  std::string HomeDriver(const AcceleratorView& view) const;
  static std::set<std::string> Touched(const ClaimRecord& record);
  void MarkStale(const ClaimRecord& record);
  // In the accelerator's lane.
  void ReadAnew(const std::string& accelerator);
  std::string CdiFile(std::string_view uid) const { return CdiFileName(config_.driver_name, uid); }

  hal::Host& host_;
  const Config& config_;
  Journal& journal_;
  hal::StateDir& cdi_dir_;
  const std::string boot_id_;
  const hal::SettingTable settings_;
  Executor executor_;
  Observer* observer_ = nullptr;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> recovered_ = false;  // Recover() is through: from now on events lead

  mutable std::mutex mutex_;
  Ledger ledger_;
  std::map<std::string, ClaimRecord, std::less<>> records_;
  struct Pending {
    int tasks = 0;
    std::set<std::string> accelerators;
  };
  std::map<std::string, Pending> pending_;  // uid -> what is queued for it
  std::set<std::string> stale_;             // changed since they were read last
  std::set<std::string> reading_;           // for these a read is queued or running
  std::condition_variable fresh_;
  // Grows with every change of records or fleet; the snapshot is made when somebody asks for it.
  std::atomic<uint64_t> generation_ = 1;
  std::shared_ptr<const Snapshot> snapshot_;
  std::map<std::string, Health> health_;  // by accelerator
  Listeners listeners_;

  Fleet fleet_;
  Lanes lanes_;  // last: its destructor waits for tasks that use all of the above
};

}  // namespace drapci::driver
