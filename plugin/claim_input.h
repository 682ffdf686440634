// What the command line sends as a claim.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "driver/claim.h"
#include "hal/base/result.h"

namespace drapci::plugin {

// The UID of a claim that has none of its own: "cli-NAME", where a name that is too long or has
// other characters than letters, digits and '-' is shortened and told from others by a hash. The
// same name always gets the same UID, so that a repeated prepare is a repetition.
std::string UidForName(std::string_view name);

// A claim from a ResourceClaim as JSON. One without metadata.uid gets UidForName(NAMESPACE/NAME).
Result<driver::ClaimRequest> ClaimFromJson(std::string_view json, std::string_view driver_name);

// A claim from a name and devices, all with the one configuration in `config_json` (may be empty).
// With `share`, capacities and quantities ("bandwidth": "200M"), it is a share of each device: its
// ShareIdFor() makes a repetition one. Whoever can write to the control socket may ask for what a
// DeviceClass may.
Result<driver::ClaimRequest> ClaimFromDevices(const std::string& name,
                                              const std::vector<std::string>& devices,
                                              std::string_view config_json,
                                              const std::map<std::string, std::string>& share = {});

// A UUID (RFC 9562, version 8) made of the claim's name and the device alone.
std::string ShareIdFor(std::string_view name, std::string_view device);

}  // namespace drapci::plugin
