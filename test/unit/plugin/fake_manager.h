// A manager in memory that behaves like the real one towards its callers: idempotent by UID,
// exclusive by device, answers at once or, when told to, later and on another thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "driver/manager.h"

namespace drapci::plugin {

class FakeManager : public driver::Manager {
 public:
  // Its accelerator "pci-0000-02-00-0" has the devices "pci-0000-02-00-0-vf0" to "-vf7".
  FakeManager();

  void DryPrepare(driver::ClaimRequest request, std::function<void(Result<DryRun>)> done) override;
  void Prepare(driver::ClaimRequest request,
               std::function<void(Result<driver::PreparedClaim>)> done) override;
  void Unprepare(std::string uid, std::function<void(Result<>)> done) override;
  std::vector<driver::ClaimRecord> Claims() const override;
  std::optional<driver::ClaimRecord> FindClaim(std::string_view uid) const override;
  std::shared_ptr<const driver::Snapshot> CurrentSnapshot() override;
  driver::Listeners::Token Listen(std::function<void()> changed) override {
    return listeners.Listen(std::move(changed));
  }
  std::map<std::string, driver::Health> CurrentHealth() const override {
    const std::lock_guard lock(mutex_);
    return health;
  }
  void Verify(std::function<void(Result<std::vector<driver::Difference>>)> done) override;

  // From now on, changes wait for Release(); WaitForHeld() returns when `count` of them do.
  void Hold();
  void WaitForHeld(size_t count);
  void Release();

  // The next change of this claim fails.
  void FailNext(const std::string& uid, Error error);
  void AddStanding(const std::string& uid);
  std::vector<driver::Difference> differences;
  driver::Listeners listeners;
  // Set before there are other threads, or by SetHealth, which tells the listeners.
  std::map<std::string, driver::Health> health;
  void SetHealth(const std::string& accelerator, driver::Health now) {
    {
      const std::lock_guard lock(mutex_);
      health[accelerator] = std::move(now);
    }
    listeners.Tell();
  }

 private:
  Result<driver::PreparedClaim> PrepareNow(const driver::ClaimRequest& request);
  Result<> UnprepareNow(const std::string& uid);
  std::optional<Error> TakeFailure(const std::string& uid);
  void Submit(std::function<void()> task);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> devices_;
  std::map<std::string, driver::ClaimRecord, std::less<>> records_;
  std::map<std::string, Error> failures_;
  bool holding_ = false;
  std::vector<std::function<void()>> held_;
};

}  // namespace drapci::plugin
