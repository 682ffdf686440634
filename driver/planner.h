// From a claim to the steps it needs: pure decisions over values.
#pragma once

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
  const hal::Part* part = nullptr;
};

// What a claim will take, and how it gets there.
struct Outline {
  std::vector<Holding> holdings;  // none for a device with admin access
  std::vector<PreparedDevice> devices;
  std::vector<WantedStep> steps;  // shared ones once, in order
};

// `candidates` by accelerator name. Refuses, naming the device and the reason, what does not exist,
// what the host uses, what somebody else has changed, and shares of what cannot be shared.
Result<std::vector<Choice>> ChooseParts(const ClaimRequest& request,
                                        const std::map<std::string, Candidate>& candidates);

// What the choices take; devices with admin access take nothing.
std::vector<Holding> Holdings(const std::vector<Choice>& choices);

// The steps, from the families. Refuses, with the reason, parts that cannot be given now.
Result<Outline> MakeOutline(const std::vector<Choice>& choices);

// The totals of the candidates' counters, for the ledger.
std::map<std::string, std::map<std::string, int64_t>> Stock(
    const std::map<std::string, Candidate>& candidates);

// Whether `device` is `accelerator` itself or could be one of its parts, by name.
bool BelongsTo(std::string_view device, std::string_view accelerator);

}  // namespace drapci::driver
