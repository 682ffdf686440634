#include "test/apiserver/gates.h"

#include <fmt/format.h>

#include <array>

#include "hal/base/parse.h"

namespace drapci::apiserver {
namespace {

enum State : char { kNone, kOff, kOn, kLocked };  // kLocked: on, and no longer to be changed

struct Row {
  std::string_view gate;
  std::array<State, 4> by_minor;  // 1.34, 1.35, 1.36, 1.37
};

constexpr int kFirstMinor = 34;

constexpr Row kRows[] = {
    {"DRAAdminAccess", {kOn, kOn, kLocked, kLocked}},
    {"DRAPartitionableDevices", {kOff, kOff, kOn, kOn}},
    {"DRAPartitionableDevicesType", {kNone, kNone, kNone, kOff}},
    {"DRAConsumableCapacity", {kOff, kOff, kOn, kOn}},
    {"DRAFractionalCapacityRange", {kNone, kNone, kNone, kOn}},
    {"DRADeviceBindingConditions", {kOff, kOff, kOn, kOn}},
    {"DRADeviceTaints", {kOff, kOff, kOn, kOn}},
    {"DRAExtendedResource", {kOff, kOff, kOn, kLocked}},
    {"DRAResourceClaimDeviceStatus", {kOn, kOn, kOn, kLocked}},
    {"DRAResourceClaimGranularStatusAuthorization", {kNone, kNone, kOn, kOn}},
    {"DRAListTypeAttributes", {kNone, kNone, kOff, kOff}},
    {"DRANodeAllocatableResources", {kNone, kNone, kOff, kOff}},
    {"DRAOptionalNodeOperations", {kNone, kNone, kNone, kOff}},
};

}  // namespace

Result<Gates> Gates::Of(int minor, const std::map<std::string, bool>& changes) {
  const int column = minor - kFirstMinor;
  if (column < 0 || column > 3) {
    return Fail(Code::kInvalid,
                fmt::format("Kubernetes 1.{} is not imitated; 1.34 to 1.37 are", minor));
  }
  Gates gates;
  gates.minor_ = minor;
  auto left = changes;
  for (const Row& row : kRows) {
    const State state = row.by_minor.at(static_cast<size_t>(column));
    if (state == kNone) continue;
    bool on = state != kOff;
    if (auto change = left.extract(std::string(row.gate)); !change.empty()) {
      if (state == kLocked && !change.mapped()) {
        return Fail(Code::kInvalid,
                    fmt::format("gate {} is locked to true in 1.{}", row.gate, minor));
      }
      on = change.mapped();
    }
    gates.on_.emplace(row.gate, on);
  }
  if (!left.empty()) {
    return Fail(Code::kInvalid,
                fmt::format("unrecognized feature gate: {} (in 1.{})", left.begin()->first, minor));
  }
  return gates;
}

Result<std::map<std::string, bool>> Gates::Parse(std::string_view text) {
  std::map<std::string, bool> changes;
  for (std::string_view item : Split(text, ',')) {
    const size_t equals = item.find('=');
    const std::string_view value = equals == item.npos ? "" : item.substr(equals + 1);
    if (value != "true" && value != "false") {
      return Fail(Code::kInvalid,
                  fmt::format("feature gate '{}': write NAME=true or NAME=false", item));
    }
    changes[std::string(item.substr(0, equals))] = value == "true";
  }
  return changes;
}

bool Gates::On(std::string_view gate) const {
  const auto found = on_.find(gate);
  return found != on_.end() && found->second;
}

}  // namespace drapci::apiserver
