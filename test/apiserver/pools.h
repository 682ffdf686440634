// The published devices as a scheduler sees them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "test/apiserver/quantity.h"
#include "test/apiserver/store.h"

namespace drapci::apiserver {

struct PooledDevice {
  Object slice;        // keeps `device`
  const json* device;  // what the slice lists

  std::string name() const;
  bool shared() const;  // allowMultipleAllocations
};

struct Pool {
  std::string driver, name;
  std::vector<PooledDevice> devices;  // in the order of slices and of devices in them
  std::map<std::string, std::map<std::string, Int128>> counters;  // by set
  std::string invalid;  // why nothing may be allocated from it
};

// The pools that `node` sees, by driver and name.
std::vector<Pool> PoolsOf(const Objects& slices, const std::string& node, int minor);

// What the allocations of all claims take, and a try at taking more.
class InUse {
 public:
  InUse(const Objects& claims, const std::vector<Pool>& pools);

  // Takes `device`; false and nothing taken when it is not free. `capacity` is what the request
  // asks for; `consumed` becomes what a share gets, and stays null for a device that is not shared.
  bool Take(const Pool& pool, const PooledDevice& device, const json& capacity, bool admin,
            json& consumed);

 private:
  using DeviceId = std::pair<std::pair<std::string, std::string>, std::string>;

  static DeviceId IdOf(const Pool& pool, const PooledDevice& device);
  void TakeCounters(const Pool& pool, const PooledDevice& device);
  bool CountersLeft(const Pool& pool, const PooledDevice& device) const;
  bool Share(const Pool& pool, const PooledDevice& device, const json& capacity, json& consumed);

  std::set<DeviceId> devices_;
  std::map<DeviceId, std::map<std::string, Int128>> shares_;
  std::map<std::pair<std::string, std::string>,
           std::map<std::string, std::map<std::string, Int128>>>
      counters_;
};

// The share of `capacity` that a request for `asked` (null: nothing said) gets; nothing when the
// policy has no such share.
std::optional<Quantity> ShareOf(const json& capacity, const json& asked);

}  // namespace drapci::apiserver
