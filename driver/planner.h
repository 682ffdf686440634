// From a claim to the steps it needs: pure decisions over values.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "driver/claim.h"
#include "driver/record.h"
#include "hal/accel/accelerator.h"

namespace drapci::driver {

// One accelerator that a claim touches, as it was found in its lane a moment ago.
struct Candidate {
  const hal::Accelerator* accelerator = nullptr;
  hal::Description now;
};

// A step whose before-image is still to be found (executor.h).
struct WantedStep {
  std::string accelerator;
  hal::Wanted wanted;
};

// A device of a claim, found. Points into the request and the candidates.
struct Choice {
  const DeviceRequest* wish = nullptr;
  const Candidate* candidate = nullptr;
  const hal::Part* part = nullptr;  // what the claim gets; of a share, the part that stands for it
  std::map<std::string, int64_t> share;  // how much of each capacity; empty: it is no share
};

// What a claim will take, and how it gets there.
struct Outline {
  std::vector<Holding> holdings;  // none for a device with admin access
  std::vector<PreparedDevice> devices;
  std::vector<WantedStep> steps;  // shared ones once, in order
};

// Whether somebody holds the device of that name already.
using Taken = std::function<bool(const std::string& device)>;

// `candidates` by accelerator name. Refuses, naming the device and the reason, what does not exist,
// what the host uses, what somebody else has changed, shares of what cannot be shared, and shares
// of another size than the device allows. A share that a part stands for gets the first that is not
// taken.
Result<std::vector<Choice>> ChooseParts(const ClaimRequest& request,
                                        const std::map<std::string, Candidate>& candidates,
                                        const Taken& taken);

// What the choices take; devices with admin access take nothing.
std::vector<Holding> Holdings(const std::vector<Choice>& choices);

// The steps, from the families. Refuses, with the reason, parts that cannot be given now.
Result<Outline> MakeOutline(const std::vector<Choice>& choices);

// The wish as its family understands it, for `part`.
hal::PartRequest PartRequestOf(const DeviceRequest& wish, const std::string& part,
                               const std::map<std::string, int64_t>& share);

// The totals of the candidates' counters, for the ledger.
std::map<std::string, std::map<std::string, int64_t>> Stock(
    const std::map<std::string, Candidate>& candidates);

// Whether `device` is `accelerator` itself or could be one of its parts, by name.
bool BelongsTo(std::string_view device, std::string_view accelerator);

}  // namespace drapci::driver
