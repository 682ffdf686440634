// status.devices of a claim: what each of its devices is and has become, for people and for network
// tools.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "driver/claim.h"
#include "driver/record.h"
#include "hal/base/result.h"
#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"

namespace drapci::plugin::claims {

struct Condition {
  std::string type, status, reason, message;  // status: True, False, Unknown
  int64_t since = 0;  // when it became so, in seconds since 1970; 0: as the writer knows
};

// One entry of status.devices.
struct DeviceStatus {
  std::string pool, device, share_id;
  std::vector<Condition> conditions;
  std::string data;  // JSON object; empty: none
  std::string interface_name, mac;
  std::vector<std::string> addresses;
};

// What is told of a prepared claim: Ready=True, the PCI address and what the container gets; of one
// in trouble Ready=False and why. Pure.
std::vector<DeviceStatus> StatusOf(const driver::ClaimRecord& record);

// What is told of a claim that could not be prepared: Ready=False on each of its devices. Pure.
std::vector<DeviceStatus> StatusOfFailure(const driver::ClaimRequest& claim, const Error& error);

// "Busy", "NotFound": a condition's reason.
std::string ReasonOf(Code code);

// The body of a server-side apply of all our entries; the server removes those that are left out.
// `time` stands where a condition has no `since`. Two entries for one device and share become the
// first of them. What is longer than the API allows is cut. Pure; never throws.
std::string ApplyBody(std::string_view driver_name, const driver::ClaimRequest& claim,
                      const std::vector<DeviceStatus>& devices, std::string_view time);

// Writes statuses, latest first served, never in anybody's way: a refusal (403: told once, how to
// permit it), a claim that is gone or a server that is away for ten minutes cost a log line. Claims
// that did not come from an API server are left alone. On the loop's thread.
class StatusWriter {
 public:
  StatusWriter(kube::Loop& loop, kube::Api& api, std::string driver_name, uint64_t seed);
  ~StatusWriter();  // no callback comes any more

  // The server keeps apart what different writers of one driver have applied.
  enum class Part {
    kState,    // what the devices are; the field manager is the driver
    kBinding,  // the conditions that the scheduler waits for; "DRIVER-binding"
  };
  // The newest of several for one claim is what gets written. `done` (may be empty) once it, or a
  // newer one, is written, or has failed for good; never within the call.
  void Write(driver::ClaimRequest claim, std::vector<DeviceStatus> devices,
             std::function<void(Result<>)> done, Part part = Part::kState);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // tasks that come too late find it gone
};

}  // namespace drapci::plugin::claims
