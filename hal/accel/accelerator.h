// The interface of a hardware family: what an accelerator offers, which settings make a part of it
// usable, and what a container needs to use it.
//
// A family is one pair of files in this folder and one row in match.cc. It keeps no state: what is
// held is the driver's business, what is set is the hardware's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "hal/accel/container_edits.h"
#include "hal/accel/image.h"
#include "hal/accel/network.h"
#include "hal/accel/setting.h"
#include "hal/os/host.h"
#include "hal/pci/function.h"

namespace drapci::hal {

using AttributeValue = std::variant<bool, int64_t, std::string>;

// A work queue that an accelerator is to be divided into.
struct WorkQueue {
  bool shared = false;  // by many claims
  int size = 0;         // entries; 0: an even part of what the others leave
  bool operator==(const WorkQueue&) const = default;
};

// What the operator's configuration says about one accelerator.
struct AcceleratorPolicy {
  enum class Vfs {
    kOnDemand,  // made on the first claim of a VF, put back to the before-image after the last
    kFixed,     // made at start, `vf_count` of them, and kept
    kExisting,  // somebody else makes them and has handed them over: used, never made or destroyed
  };
  Vfs vfs = Vfs::kOnDemand;
  int vf_count = 0;     // kOnDemand, kFixed: how many; 0 = as many as the function has
  bool enabled = true;  // false: shown, never touched
  // Offers itself as one device that many claims share, instead of as a whole and parts.
  bool shares = false;
  int64_t bandwidth = 0;  // bit/s to share; 0: the speed of the link
  // Prepared as soon as the scheduler has allocated it, before its user is placed on the node.
  bool binding_conditions = false;
  // Going to another partition mode may reset the card while nobody uses it.
  bool allow_reset = false;
  std::string services;  // what a QAT function offers, as its driver calls it; empty: as found
  // Of a network card with an embedded switch: "legacy" or "switchdev"; empty: as found.
  std::string eswitch_mode;
  // Of such a card in "switchdev" mode: how many sub-functions claims can have made.
  int sub_functions = 0;
  std::vector<WorkQueue> work_queues;  // of a DSA or IAA function; empty: the family's choice
  bool operator==(const AcceleratorPolicy&) const = default;
};

// A divisible quantity of a part, and what one share of it may be.
struct Capacity {
  int64_t value = 0;  // "bandwidth" in bit/s, "memory" in bytes, "vfs" as a number
  int64_t min = 1, step = 1;
  std::optional<int64_t> max;  // of one share; empty: value
  int64_t default_share = 1;   // of who does not say
  bool enforced = true;        // false: counted, but no hardware holds anybody to it
  bool operator==(const Capacity&) const = default;
};

// Where a part lies on its accelerator, in the units of Description::scale.
struct Extent {
  int start = 0, size = 0;
  bool operator==(const Extent&) const = default;
};
struct Scale {
  std::string unit;  // "memory slices", "vfs", "queue entries"
  int size = 0;
  bool operator==(const Scale&) const = default;
};

// A piece of an accelerator that can be given away.
struct Part {
  std::string name;                         // within the accelerator: "" the whole, "vf3"
  std::string profile;                      // "function", "vf", later "1g.10gb", "slot", ...
  std::map<std::string, int64_t> consumes;  // counters; a part without stock left cannot be given
  std::map<std::string, AttributeValue> attributes;
  std::string unusable;  // not empty: why this part cannot be given now
  // Not empty: why it cannot be given through VFIO, as far as is known yet.
  std::string no_vfio;
  // Not empty: the part is not given as such, but in shares of these. `share_parts` are the parts
  // that stand for one share each, in the order of choice; without any, all shares are of the part
  // itself.
  std::map<std::string, Capacity> capacities;
  std::vector<std::string> share_parts;
  bool stands_for_share = false;  // one of those: nobody can ask for it by its own name
  std::optional<Extent> extent;   // empty: all of it, or it has no place
};

// What an accelerator is and offers at one moment.
struct Description {
  std::map<std::string, int64_t> counters;  // its finite stock
  std::vector<Part> parts;                  // in packing order
  std::optional<Scale> scale;               // what the places of parts are counted in
  std::map<std::string, AttributeValue> attributes;
  std::string foreign;  // not empty: who else has changed it, and what; nothing of it is given
  std::string
      unusable;  // not empty: why nothing of it can be given (used by the host, policy, gone)
};

enum class Access {
  kKernel,  // through the kernel driver and its device nodes
  kVfio,    // handed to user space whole, through VFIO
};

// What a claim wants of one part.
struct PartRequest {
  std::string part;
  Access access = Access::kKernel;
  std::map<std::string, int64_t> share;  // of the capacities; empty: no share
  std::optional<NetworkRequest> network;
  std::optional<ImageRequest> image;  // what an FPGA slot shall be programmed with
};

// One wanted setting. `shared` settings are those of the accelerator, not of one part: they are put
// back when the last claim that lists them goes.
struct Wanted {
  std::string setting, target, value;
  bool shared = false;
  // The value to go back to when the target does not exist yet at planning time.
  std::string initially;
  // A refusal is told and does not stop the claim: nobody has been promised that it is enforced.
  bool advisory = false;
};

class Accelerator {
 public:
  virtual ~Accelerator() = default;

  virtual const std::string& name() const = 0;  // "pci-0000-02-00-0": a DNS label, stable per slot
  virtual const std::string& family() const = 0;  // "sriov", "function"
  virtual const PciFunction& function() const = 0;

  // How much Describe() reads. Planning needs what decides; people also want what each part looks
  // like.
  enum class Detail {
    kBrief,  // no attributes of parts: the cost does not grow with their number
    kFull,
  };

  // Reads the hardware. `ours` holds the "SETTING TARGET" pairs that drapci itself has changed and
  // not put back: what is not at its boot value and not in there was changed by somebody else. Runs
  // in the accelerator's lane. kGone when the card has been removed.
  virtual Result<Description> Describe(const std::set<std::string>& ours, Detail detail) const = 0;

  // The settings, in order, that make the part usable. Pure: decides from `now` alone.
  virtual Result<std::vector<Wanted>> Plan(const Description& now,
                                           const PartRequest& request) const = 0;

  // The settings that the policy keeps outside of any claim (a fixed VF count); mostly none. Pure.
  virtual Result<std::vector<Wanted>> Standing(const Description& now) const = 0;

  // What a container needs, after the settings are made. May wait for device nodes up to
  // `deadline`.
  virtual Result<ContainerEdits> Edits(const PartRequest& request,
                                       MonotonicTime deadline) const = 0;
};

}  // namespace drapci::hal
