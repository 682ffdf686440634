#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "test/sim/nvml/boards.h"
#include "test/sim/nvml/state.h"

namespace drapci::sim::nvml {

using Json = nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Profile, index, id, name, slices, memory_mib, max,
                                                size, starts, multiprocessors, copy_engines,
                                                decoders, encoders, jpegs, ofas, media)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ComputeInstance, id, profile, start, size, uuid,
                                                index)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GpuInstance, id, profile, start, size, made,
                                                next_compute, compute)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Process, pid, memory_mib, gpu_instance,
                                                compute_instance, graphics)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(
    Gpu, address, model, name, uuid, serial, minor, memory_mib, bound, lost, mig_capable,
    mig_needs_reset, mig, mig_pending, memory_slices, compute_slices, media_units, profiles,
    instances, next_instance, processes, clients, temperature, power_milliwatt, gpu_percent,
    memory_percent, ecc_corrected, ecc_uncorrected, slowdown_celsius, throttle_reasons,
    remapped_corrected, remapped_uncorrected, remap_pending, remap_failed, xids, xids_told)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Fault, call, gpu, skip, count, code, after, kill,
                                                activation)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(State, driver_loaded, driver_version, generation,
                                                newest_struct, profiles_need_mig, capabilities,
                                                made, gpus, faults, log)

namespace {

Json Parsed(std::string_view text) { return Json::parse(text); }

// A GPU that says which board it is needs to say only what differs.
Json Completed(const Json& gpu, uint32_t position) {
  const std::string model = gpu.value("model", "");
  if (model.empty()) return gpu;
  const auto made = MakeGpu(model, gpu.value("address", ""), gpu.value("minor", position));
  if (!made) throw std::invalid_argument(made.error().what);
  Json whole = *made;
  whole.update(gpu);
  return whole;
}

// The first key of `read` that `known`, the same written again, does not have.
std::string UnknownKey(const Json& read, const Json& known, const std::string& at) {
  if (read.is_array()) {
    for (size_t i = 0; i < read.size() && i < known.size(); ++i) {
      auto key = UnknownKey(read[i], known[i], fmt::format("{}[{}]", at, i));
      if (!key.empty()) return key;
    }
  }
  if (!read.is_object()) return {};
  for (const auto& [name, value] : read.items()) {
    if (!known.contains(name)) return at + "." + name;
    auto key = UnknownKey(value, known[name], at + "." + name);
    if (!key.empty()) return key;
  }
  return {};
}

}  // namespace

std::string Encode(const State& state) {
  Json json = state;
  for (size_t i = 0; i < state.gpus.size(); ++i) {
    const Gpu& gpu = state.gpus[i];
    const auto made = MakeGpu(gpu.model, gpu.address, gpu.minor);
    if (made && made->profiles == gpu.profiles) json["gpus"][i].erase("profiles");
  }
  return json.dump(1) + "\n";
}

Result<State> Decode(std::string_view text) {
  try {
    Json json = Parsed(text);
    const Json read = json;
    if (json.contains("gpus")) {
      uint32_t position = 0;
      for (Json& gpu : json["gpus"]) gpu = Completed(gpu, position++);
    }
    auto state = json.get<State>();
    if (auto key = UnknownKey(read, Json(state), ""); !key.empty()) {
      return Fail(Code::kInvalid, fmt::format("state of the NVML stand-in: no such key: {}", key));
    }
    return state;
  } catch (const std::exception& error) {
    return Fail(Code::kInvalid, fmt::format("state of the NVML stand-in: {}", error.what()));
  }
}

}  // namespace drapci::sim::nvml
