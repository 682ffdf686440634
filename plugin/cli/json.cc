#include "plugin/cli/json.h"

#include <google/protobuf/reflection.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "plugin/proto/control.pb.h"

namespace drapci::cli {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

Json AttributeValue(const v1::Attribute& attribute) {
  switch (attribute.value_case()) {
    case v1::Attribute::kBoolValue: return attribute.bool_value();
    case v1::Attribute::kIntValue: return attribute.int_value();
    case v1::Attribute::kStringValue: return attribute.string_value();
    case v1::Attribute::VALUE_NOT_SET: break;
  }
  return nullptr;
}

Json One(const Message& message, const Reflection& reflection, const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection.GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64: return reflection.GetInt64(message, field);
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT64: return reflection.GetUInt64(message, field);
    case FieldDescriptor::CPPTYPE_DOUBLE: return reflection.GetDouble(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT: return reflection.GetFloat(message, field);
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.GetBool(message, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return std::string(reflection.GetEnum(message, field)->name());
    case FieldDescriptor::CPPTYPE_STRING: return reflection.GetString(message, field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return reflection.HasField(message, field) ? ToJson(reflection.GetMessage(message, field))
                                                 : Json();
  }
  return nullptr;
}

Json Item(const Message& message, const Reflection& reflection, const FieldDescriptor* field,
          int i) {
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return reflection.GetRepeatedString(message, field, i);
  }
  return ToJson(reflection.GetRepeatedMessage(message, field, i));
}

// Maps are text to number in control.proto; sorted, as the wire keeps no order.
Json MapField(const Message& message, const Reflection& reflection, const FieldDescriptor* field) {
  std::map<std::string, Json> sorted;
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    const Reflection& inner = *entry.GetReflection();
    const auto* type = entry.GetDescriptor();
    sorted[inner.GetString(entry, type->map_key())] = One(entry, inner, type->map_value());
  }
  Json out = Json::object();
  for (auto& [key, value] : sorted) out[key] = std::move(value);
  return out;
}

}  // namespace

Json ToJson(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const auto* type = message.GetDescriptor();
  Json out = Json::object();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    Json& value = out[field->json_name()];
    if (field->is_map()) {
      value = MapField(message, reflection, field);
    } else if (!field->is_repeated()) {
      value = One(message, reflection, field);
    } else if (field->message_type() == v1::Attribute::descriptor()) {
      value = Json::object();
      for (const auto& attribute : reflection.GetRepeatedFieldRef<v1::Attribute>(message, field)) {
        value[attribute.name()] = AttributeValue(attribute);
      }
    } else {
      value = Json::array();
      for (int n = 0; n < reflection.FieldSize(message, field); ++n) {
        value.push_back(Item(message, reflection, field, n));
      }
    }
  }
  return out;
}

}  // namespace drapci::cli
