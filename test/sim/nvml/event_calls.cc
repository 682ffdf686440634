// The exported functions about events: those that tell of Xids. An event set is the process's own;
// what has happened is in the state.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "test/sim/nvml/calls.h"

namespace drapci::sim::nvml {
namespace {

namespace abi = hal::nvml;

// How many events of each registered GPU have been told.
struct Registered {
  std::map<std::string, uint64_t> told;
};

struct Sets {
  std::mutex mutex;
  std::map<const void*, std::unique_ptr<Registered>> all;
};

Sets& Self() {
  static Sets sets;
  return sets;
}

Registered* Find(const void* set) {
  const auto found = Self().all.find(set);
  return found != Self().all.end() ? found->second.get() : nullptr;
}

// The next event that `told` has not counted yet; nothing when there is none.
std::optional<uint64_t> Next(const Gpu& gpu, uint64_t& told) {
  const uint64_t kept = gpu.xids.size(), first = gpu.xids_told - std::min(gpu.xids_told, kept);
  if (told >= gpu.xids_told) return std::nullopt;
  told = std::max(told, first);
  return gpu.xids[static_cast<size_t>(told++ - first)];
}

}  // namespace

DRAPCI_SIM_NVML_EXPORT Return nvmlEventSetCreate(abi::EventSet* set) {
  if (!set) return abi::kInvalidArgument;
  return OnLibrary({"nvmlEventSetCreate"}, [&](State&) {
    const std::lock_guard lock(Self().mutex);
    auto made = std::make_unique<Registered>();
    void* const handle = made.get();
    Self().all.emplace(handle, std::move(made));
    *set = static_cast<abi::EventSet>(handle);
    return Return{abi::kSuccess};
  });
}

DRAPCI_SIM_NVML_EXPORT Return nvmlEventSetFree(abi::EventSet set) {
  const std::lock_guard lock(Self().mutex);
  return Self().all.erase(set) == 1 ? abi::kSuccess : abi::kInvalidArgument;
}

DRAPCI_SIM_NVML_EXPORT Return nvmlDeviceRegisterEvents(Device device, uint64_t types,
                                                       abi::EventSet set) {
  return OnDevice({"nvmlDeviceRegisterEvents"}, device, [&](State&, Gpu& gpu) {
    const std::lock_guard lock(Self().mutex);
    Registered* registered = Find(set);
    if (!registered) return Return{abi::kInvalidArgument};
    if (types != abi::kXidEvent) return Return{abi::kNotSupported};
    registered->told.emplace(gpu.address, gpu.xids_told);
    return Return{abi::kSuccess};
  });
}

// Never waits. What happened before a GPU was lost is told first.
DRAPCI_SIM_NVML_EXPORT Return nvmlEventSetWait_v2(abi::EventSet set, abi::EventData* event,
                                                  uint32_t /*milliseconds*/) {
  if (!event) return abi::kInvalidArgument;
  return OnLibrary({"nvmlEventSetWait_v2"}, [&](State& state) {
    const std::lock_guard lock(Self().mutex);
    Registered* registered = Find(set);
    if (!registered) return Return{abi::kInvalidArgument};
    Return returned = abi::kTimeout;
    for (auto& [address, told] : registered->told) {
      const Gpu* gpu = FindGpu(state, address);
      if (!gpu) continue;
      if (const auto xid = Next(*gpu, told)) {
        *event = {.device = static_cast<Device>(HandleOf({.gpu = address})),
                  .type = abi::kXidEvent,
                  .data = *xid,
                  .gpu_instance = abi::kNone,
                  .compute_instance = abi::kNone};
        return Return{abi::kSuccess};
      }
      if (gpu->lost) returned = abi::kGpuIsLost;
    }
    return returned;
  });
}

}  // namespace drapci::sim::nvml
