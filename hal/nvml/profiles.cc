#include "hal/nvml/profiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace drapci::hal::nvml {
namespace {

constexpr uint32_t kMaxPlacements = 64;
constexpr uint32_t kMaxInstances = 64;

// What the kind of a profile adds to its name, by index.
constexpr std::array<std::string_view, kGpuProfiles> kSuffixes = {
    "", "",     "",     "",     "",    "",    "",        "+me",     "+me",
    "", "+gfx", "+gfx", "+gfx", "-me", "-me", "+me.all", "+me.all", "+gfx"};

template <size_t size>
std::string_view Text(const char (&text)[size]) {
  return {text, ::strnlen(text, size)};
}

// What all versions of the struct have in common.
template <class Info>
GpuInstanceProfile Common(const Info& info) {
  return {.id = info.id,
          .compute_slices = info.slices,
          .memory_mib = static_cast<int64_t>(std::min<uint64_t>(info.memory_mib, INT32_MAX)),
          .max_instances = std::min(info.instances, kMaxInstances),
          .multiprocessors = info.multiprocessors,
          .copy_engines = info.copy_engines,
          .decoders = info.decoders,
          .encoders = info.encoders,
          .jpeg_engines = info.jpegs,
          .ofa_engines = info.ofas};
}

template <class Info>
Return ReadVersion(Session& session, Device device, uint32_t index, uint32_t version,
                   GpuInstanceProfile& profile) {
  Info info{};
  info.version = VersionWord<Info>(version);
  const Return code = session.Call(&Functions::DeviceGetGpuInstanceProfileInfoV, device, index,
                                   static_cast<void*>(&info));
  if (code != kSuccess) return code;
  profile = Common(info);
  profile.name = CleanName(Text(info.name));
  return code;
}

// The library may not know this version of a struct, or the function that takes versions. (It
// should say which; that it merely calls the argument invalid costs a call more to rule out.)
bool TooNew(Return code) {
  return code == kArgumentVersionMismatch || code == kFunctionNotFound || code == kInvalidArgument;
}

// The GPU, or the library, has no profile of this index.
bool Lacks(Return code) { return code == kNotSupported || code == kInvalidArgument; }

Return ReadProfile(Session& session, Device device, uint32_t index, GpuInstanceProfile& profile) {
  Return code = ReadVersion<GpuInstanceProfileInfoV3>(session, device, index, 3, profile);
  if (!TooNew(code)) return code;
  code = ReadVersion<GpuInstanceProfileInfoV2>(session, device, index, 2, profile);
  if (!TooNew(code)) return code;
  GpuInstanceProfileInfo info{};
  code = session.Call(&Functions::DeviceGetGpuInstanceProfileInfo, device, index, &info);
  if (code == kSuccess) profile = Common(info);
  return code;
}

template <class Info>
Return ReadComputeVersion(Session& session, GpuInstanceHandle instance, uint32_t index,
                          uint32_t version, ComputeInstanceProfile& profile) {
  Info info{};
  info.version = VersionWord<Info>(version);
  const Return code = session.Call(&Functions::GpuInstanceGetComputeInstanceProfileInfoV, instance,
                                   index, uint32_t{0}, static_cast<void*>(&info));
  if (code != kSuccess) return code;
  profile = {.id = info.id,
             .name = CleanName(Text(info.name)),
             .compute_slices = info.slices,
             .max_instances = std::min(info.instances, kMaxInstances),
             .multiprocessors = info.multiprocessors};
  return code;
}

Return ReadComputeProfile(Session& session, GpuInstanceHandle instance, uint32_t index,
                          ComputeInstanceProfile& profile) {
  Return code =
      ReadComputeVersion<ComputeInstanceProfileInfoV3>(session, instance, index, 3, profile);
  if (!TooNew(code)) return code;
  code = ReadComputeVersion<ComputeInstanceProfileInfoV2>(session, instance, index, 2, profile);
  if (!TooNew(code)) return code;
  ComputeInstanceProfileInfo info{};
  code = session.Call(&Functions::GpuInstanceGetComputeInstanceProfileInfo, instance, index,
                      uint32_t{0}, &info);
  if (code == kSuccess) {
    profile = {.id = info.id,
               .name = {},
               .compute_slices = info.slices,
               .max_instances = std::min(info.instances, kMaxInstances),
               .multiprocessors = info.multiprocessors};
  }
  return code;
}

}  // namespace

Result<std::vector<GpuInstanceProfile>> ReadGpuInstanceProfiles(Session& session, Device device) {
  std::vector<GpuInstanceProfile> profiles;
  Return refused = kNotSupported;
  for (uint32_t index = 0; index < kGpuProfiles; ++index) {
    GpuInstanceProfile profile;
    const Return code = ReadProfile(session, device, index, profile);
    if (Lacks(code)) continue;
    if (code == kFunctionNotFound) {
      refused = code;
      break;
    }
    DRAPCI_CHECK(session.Check(code, fmt::format("GPU instance profile {}", index)));
    if (profile.name.empty()) {
      Memory memory{};
      DRAPCI_CHECK(session.Check(session.Call(&Functions::DeviceGetMemoryInfo, device, &memory),
                                 "memory of the GPU"));
      profile.name = ProfileName(index, profile.compute_slices, profile.memory_mib,
                                 static_cast<int64_t>(memory.total));
    }
    profiles.push_back(std::move(profile));
  }
  if (profiles.empty()) return Fail(ErrorOf(refused, "GPU instance profiles"));
  return profiles;
}

Result<std::vector<MigPlacement>> ReadPlacements(Session& session, Device device,
                                                 uint32_t profile_id) {
  const auto ask = [&](Placement* places, uint32_t& count) {
    return session.Check(session.Call(&Functions::DeviceGetGpuInstancePossiblePlacements, device,
                                      profile_id, places, &count),
                         fmt::format("placements of GPU instance profile {}", profile_id));
  };
  uint32_t count = 0;
  DRAPCI_CHECK(ask(nullptr, count));
  std::vector<Placement> places(std::min(count, kMaxPlacements));
  count = static_cast<uint32_t>(places.size());
  if (count > 0) DRAPCI_CHECK(ask(places.data(), count));
  places.resize(std::min<size_t>(count, places.size()));
  std::vector<MigPlacement> result;
  result.reserve(places.size());
  for (const Placement& place : places) {
    result.push_back({.start = place.start, .size = place.size});
  }
  std::ranges::sort(result);
  return result;
}

Result<std::vector<ComputeInstanceProfile>> ReadComputeInstanceProfiles(
    Session& session, GpuInstanceHandle gpu_instance) {
  std::vector<ComputeInstanceProfile> profiles;
  for (uint32_t index = 0; index < kComputeProfiles; ++index) {
    ComputeInstanceProfile profile;
    const Return code = ReadComputeProfile(session, gpu_instance, index, profile);
    if (Lacks(code)) continue;
    DRAPCI_CHECK(session.Check(code, fmt::format("compute instance profile {}", index)));
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

std::string ProfileName(uint32_t index, uint32_t slices, int64_t memory_mib, int64_t gpu_bytes) {
  constexpr double kMib = 1024.0 * 1024.0, kGib = 1024.0 * kMib;
  const double total = static_cast<double>(std::max<int64_t>(gpu_bytes, 1));
  const double eighths = std::ceil(8.0 * static_cast<double>(memory_mib) * kMib / total) / 8.0;
  return fmt::format("{}g.{}gb{}", slices, std::lround(eighths * std::ceil(total / kGib)),
                     index < kSuffixes.size() ? kSuffixes[index] : "");
}

std::string CleanName(std::string_view name) {
  if (name.starts_with("MIG ")) name.remove_prefix(4);
  return std::string(name);
}

}  // namespace drapci::hal::nvml
