#include "test/apiserver/status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace drapci::apiserver {
namespace {

std::string Qualified(const Named& what) {
  return what.group.empty() ? what.kind : fmt::format("{}.{}", what.kind, what.group);
}

std::string Plural(const Named& what) {
  return what.group.empty() ? what.plural : fmt::format("{}.{}", what.plural, what.group);
}

json Details(const Named& what) {
  json details = {{"kind", what.plural}};
  if (!what.name.empty()) details["name"] = what.name;
  if (!what.group.empty()) details["group"] = what.group;
  return details;
}

json CauseList(const std::vector<Causes::Cause>& causes) {
  json list = json::array();
  for (const auto& cause : causes) {
    list.push_back({{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
  }
  return list;
}

}  // namespace

void Causes::Required(std::string field, std::string_view why) {
  list_.push_back({"FieldValueRequired",
                   why.empty() ? "Required value" : fmt::format("Required value: {}", why),
                   std::move(field)});
}

void Causes::Invalid(std::string field, std::string_view value, std::string_view why) {
  list_.push_back({"FieldValueInvalid", fmt::format("Invalid value: \"{}\": {}", value, why),
                   std::move(field)});
}

void Causes::NotSupported(std::string field, std::string_view value, std::string_view supported) {
  list_.push_back({"FieldValueNotSupported",
                   fmt::format("Unsupported value: \"{}\": supported values: {}", value, supported),
                   std::move(field)});
}

void Causes::Duplicate(std::string field, std::string_view value) {
  list_.push_back(
      {"FieldValueDuplicate", fmt::format("Duplicate value: \"{}\"", value), std::move(field)});
}

void Causes::TooLong(std::string field, size_t most) {
  list_.push_back({"FieldValueTooLong",
                   fmt::format("Too long: may not be more than {} bytes", most), std::move(field)});
}

void Causes::TooMany(std::string field, size_t count, size_t most) {
  list_.push_back({"FieldValueTooMany",
                   fmt::format("Too many: {}: must have at most {} items", count, most),
                   std::move(field)});
}

void Causes::Forbidden(std::string field, std::string_view why) {
  list_.push_back({"FieldValueForbidden", fmt::format("Forbidden: {}", why), std::move(field)});
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Response Ok(const json& body, int code) {
  Response response;
  response.status = code;
  response.body = Dump(body);
  return response;
}

Response Refuse(int code, std::string_view reason, std::string_view message, const json& details) {
  json status = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
                 {"status", "Failure"}, {"message", message}, {"code", code}};
  if (!reason.empty()) status["reason"] = reason;
  if (!details.is_null()) status["details"] = details;
  return Ok(status, code);
}

Response Refuse(int code, std::string_view reason, std::string_view message) {
  return Refuse(code, reason, message, json());
}

Response BadRequest(std::string_view message) { return Refuse(400, "BadRequest", message); }

Response NotFound(const Named& what) {
  return Refuse(404, "NotFound", fmt::format("{} \"{}\" not found", Plural(what), what.name),
                Details(what));
}

Response AlreadyExists(const Named& what) {
  return Refuse(409, "AlreadyExists",
                fmt::format("{} \"{}\" already exists", Plural(what), what.name), Details(what));
}

Response Conflict(const Named& what, std::string_view why) {
  return Refuse(
      409, "Conflict",
      fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", Plural(what), what.name, why),
      Details(what));
}

Response Forbidden(const Named& what, std::string_view why) {
  return Refuse(403, "Forbidden",
                fmt::format("{} \"{}\" is forbidden: {}", Plural(what), what.name, why),
                Details(what));
}

Response Invalid(const Named& what, const Causes& causes) {
  std::string text;
  for (const auto& cause : causes.list()) {
    if (!text.empty()) text += ", ";
    text += cause.field + ": " + cause.message;
  }
  if (causes.list().size() > 1) text = "[" + text + "]";
  json details = Details(what);
  details["kind"] = what.kind;
  details["causes"] = CauseList(causes.list());
  return Refuse(422, "Invalid",
                fmt::format("{} \"{}\" is invalid: {}", Qualified(what), what.name, text), details);
}

Response Expired(std::string_view why) { return Refuse(410, "Expired", why); }

Response ApplyConflict(const Named& what, const std::vector<Causes::Cause>& conflicts) {
  json details = Details(what);
  details["causes"] = CauseList(conflicts);
  return Refuse(409, "Conflict",
                fmt::format("Apply failed with {} conflict{}: {}: {}", conflicts.size(),
                            conflicts.size() == 1 ? "" : "s", conflicts.front().message,
                            conflicts.front().field),
                details);
}

std::string ErrorLine(const Response& refusal) {
  return R"({"type":"ERROR","object":)" + refusal.body + "}\n";
}

}  // namespace drapci::apiserver
