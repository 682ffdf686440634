// The fleet: the accelerators that are in the machine now, each behind its family's interface.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "driver/config.h"
#include "driver/inventory.h"
#include "driver/planner.h"
#include "hal/accel/match.h"
#include "hal/os/host.h"
#include "hal/pci/scan.h"

namespace drapci::driver {

// What a scan says about one accelerator; a change of any of it makes a new one.
struct Facts {
  hal::PciFunction function;
  hal::AcceleratorPolicy policy;
  std::string in_host_use;
};

// Methods marked "in the lane" must run in the lane of the accelerator they name: they alone may
// replace or use the hal::Accelerator. All others may be called from any thread.
class Fleet {
 public:
  // `changed_by_us`: the "SETTING TARGET" pairs that claims have set on an accelerator.
  Fleet(hal::Host& host, hal::PciScanner& scanner, const Config& config,
        std::function<std::set<std::string>(const std::string&)> changed_by_us);

  // Scans the bus and returns what is there now, by accelerator name. Changes nothing.
  Result<std::map<std::string, Facts>> Look();

  // Every accelerator known: present, or gone and still held.
  std::vector<std::string> Names() const;
  // The accelerator that `device` names or is a part of; empty when none does.
  std::string AcceleratorOf(std::string_view device) const;
  // hal::CardIdentity() of the card that is there now; empty: none is.
  std::string Identity(const std::string& name) const;
  // Name, family, function (with the driver that it has now) and whether it is gone; the rest is
  // left out. Cheap, however many parts there are.
  std::vector<AcceleratorView> Cards() const;
  // Everything but who holds what, which the manager adds.
  std::vector<AcceleratorView> Views() const;

  // In the lane: `facts` are what the last scan found, nothing when the card is not there any more.
  // A card that went while `held` stays listed as gone.
  // True when it is there now and was not before, had no driver before, or was another card.
  bool Update(const std::string& name, const std::optional<Facts>& facts, bool held);
  // In the lane: reads the accelerator anew.
  void Refresh(const std::string& name);
  // In the lane: the accelerator, and how it is now as far as planning needs to know; kNotFound or
  // kGone when it is not there.
  Result<Candidate> Take(const std::string& name) const;
  Result<const hal::Accelerator*> Find(const std::string& name) const;
  // In the lane: drops an accelerator that is gone and no longer held.
  void Forget(const std::string& name);

 private:
  struct Unit {
    std::unique_ptr<hal::Accelerator> accelerator;  // null: known from the journal only
    std::optional<Facts> facts;                     // nothing: gone
    hal::Description description;
    hal::Description own;  // the last one with the card's own driver on it; no parts: never seen
  };

  hal::Host& host_;
  hal::PciScanner& scanner_;
  const Config& config_;
  const std::function<std::set<std::string>(const std::string&)> changed_by_us_;
  mutable std::mutex mutex_;
  std::map<std::string, Unit, std::less<>> units_;
};

}  // namespace drapci::driver
