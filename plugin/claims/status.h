// status.devices of a claim: what each of its devices is and has become, for people and for network
// tools.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "driver/manager.h"
#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"

namespace drapci::plugin::claims {

struct Condition {
  std::string type, status, reason, message;  // status: True, False, Unknown
};

// One entry of status.devices.
struct DeviceStatus {
  std::string pool, device, share_id;
  std::vector<Condition> conditions;
  std::string data;  // JSON object; empty: none
  std::string interface_name, mac;
  std::vector<std::string> addresses;
};

// What is told of a prepared claim: Ready=True, the PCI address and what the container gets. Pure.
std::vector<DeviceStatus> StatusOf(const driver::ClaimRecord& record);

// The body of a server-side apply of all our entries; the server removes those that are left out.
// Pure.
std::string ApplyBody(std::string_view driver_name, const driver::ClaimRequest& claim,
                      const std::vector<DeviceStatus>& devices, std::string_view time);

// Writes statuses, latest first served, never in anybody's way: a refusal (403: told once, how to
// permit it), a claim that is gone or a server that is away cost a log line. On the loop's thread.
class StatusWriter {
 public:
  StatusWriter(kube::Loop& loop, kube::Api& api, std::string driver_name, uint64_t seed);
  ~StatusWriter();
  // The newest of several for one claim is what gets written. `done` (may be empty) once it is, or
  // has failed for good.
  void Write(driver::ClaimRequest claim, std::vector<DeviceStatus> devices,
             std::function<void(Result<>)> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drapci::plugin::claims
