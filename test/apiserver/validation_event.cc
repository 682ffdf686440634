#include <fmt/format.h>

#include "test/apiserver/fields.h"
#include "test/apiserver/names.h"
#include "test/apiserver/validation.h"

namespace drapci::apiserver {
namespace {

void CheckLength(const json& event, const char* field, size_t most, bool required, Causes& causes) {
  const std::string text = Text(event, field);
  if (text.empty() && required) causes.Required(field);
  if (text.size() > most) causes.TooLong(field, most);
}

}  // namespace

void CheckEvent(std::string_view group, const json& event, Causes& causes) {
  const bool modern = group == "events.k8s.io";
  const json& about = At(event, modern ? "regarding" : "involvedObject");
  const std::string about_ns = Text(about, "namespace"),
                    ns = Text(At(event, "metadata"), "namespace");
  if ((about_ns.empty() ? "default" : about_ns) != ns) {
    causes.Invalid(modern ? "regarding.namespace" : "involvedObject.namespace", about_ns,
                   "does not match event.namespace");
  }
  if (!modern) return;
  if (Text(event, "eventTime").empty()) causes.Required("eventTime");
  CheckLength(event, "reportingController", 63 + 1 + 253, true, causes);
  CheckLength(event, "reportingInstance", 128, true, causes);
  CheckLength(event, "action", 128, true, causes);
  CheckLength(event, "reason", 128, true, causes);
  CheckLength(event, "note", 1024, false, causes);
  const std::string type = Text(event, "type");
  if (type != "Normal" && type != "Warning") {
    causes.Invalid("type", type, "has invalid value: must be Normal or Warning");
  }
}

}  // namespace drapci::apiserver
