// The devices of a claim as JSON: part of the journal's records (record_codec.cc).
#pragma once

#include <nlohmann/json.hpp>

#include "driver/claim.h"
#include "driver/json_fields.h"

namespace drapci::driver {

// What is at its default is left out, so that a record that uses nothing new reads like one of the
// version before. Decoding takes what is absent as the default.
nlohmann::ordered_json EncodeDevice(const DeviceRequest& device);
nlohmann::ordered_json EncodePrepared(const PreparedDevice& device);
DeviceRequest DecodeDevice(JsonFields fields);
PreparedDevice DecodePrepared(JsonFields fields);

// kInvalid for what decoding would refuse. `where` names the device.
Result<> CheckDevice(const DeviceRequest& device, std::string_view where);
Result<> CheckPrepared(const PreparedDevice& device, std::string_view where);

}  // namespace drapci::driver
