// The daemon's answers as JSON.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>

namespace drapci::cli {

// Every field of `message`, set or not, under its lowerCamelCase name, in the order of the .proto
// file. Unlike protobuf's own mapping, 64-bit integers are numbers, and lists of Attribute become
// one object {name: value}.
nlohmann::ordered_json ToJson(const google::protobuf::Message& message);

}  // namespace drapci::cli
