// What the node has: an immutable picture, replaced as a whole when something changes.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "driver/health/health.h"
#include "hal/accel/accelerator.h"

namespace drapci::driver {

// One device that can be asked for.
struct Device {
  std::string name;  // "pci-0000-02-00-0", "pci-0000-02-00-0-vf3"
  hal::Part part;
  std::string held_by;  // UID of the claim that holds it; empty: free, or held in shares
  std::set<std::string> shared_by;  // UIDs of the claims that hold shares of it
  std::string unusable;  // why it cannot be given now: its own reason or its accelerator's
  std::string
      excluded;  // free, but what is held of its accelerator leaves no room for it: who, what
};

struct AcceleratorView {
  std::string name, family;
  hal::PciFunction function;
  hal::Description description;
  bool gone = false;  // pulled while a claim holds it; listed until that claim is released
  std::map<std::string, int64_t> counters_used;
  // The driver of the function when no claim has changed it.
  std::string home_driver;
  hal::AcceleratorPolicy policy;
  Health health;  // its parts' too
  std::vector<Device> devices;
};

struct Snapshot {
  uint64_t generation = 0;                    // grows with every change
  std::vector<AcceleratorView> accelerators;  // by PCI address

  // The device called `name`, and its accelerator; nulls when there is none.
  struct Found {
    const AcceleratorView* accelerator = nullptr;
    const Device* device = nullptr;
  };
  Found Find(std::string_view name) const;
};

// "pci-0000-02-00-0" and "vf3" make "pci-0000-02-00-0-vf3"; an empty part is the accelerator
// itself.
std::string DeviceName(std::string_view accelerator, std::string_view part);

}  // namespace drapci::driver
