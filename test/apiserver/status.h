// The Status objects with which an API server refuses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "test/apiserver/types.h"

namespace drapci::apiserver {

// The fields of an object that break a rule; paths as the API server writes them.
class Causes {
 public:
  struct Cause {
    std::string reason, message, field;
  };

  void Required(std::string field, std::string_view why = "");
  void Invalid(std::string field, std::string_view value, std::string_view why);
  void NotSupported(std::string field, std::string_view value, std::string_view supported);
  void Duplicate(std::string field, std::string_view value);
  void TooLong(std::string field, size_t most);
  void TooMany(std::string field, size_t count, size_t most);
  void Forbidden(std::string field, std::string_view why);

  bool empty() const { return list_.empty(); }
  const std::vector<Cause>& list() const { return list_; }

 private:
  std::vector<Cause> list_;
};

// What an object is, for the texts and details.
struct Named {
  std::string group, kind, plural, name;
};

// An answer with a Status body; `details` may be null.
Response Refuse(int code, std::string_view reason, std::string_view message, const json& details);
Response Refuse(int code, std::string_view reason, std::string_view message);

Response BadRequest(std::string_view message);
Response NotFound(const Named& what);
Response AlreadyExists(const Named& what);
Response Conflict(const Named& what, std::string_view why);
Response Forbidden(const Named& what, std::string_view why);
Response Invalid(const Named& what, const Causes& causes);
Response Expired(std::string_view why);
// The details.causes of a server-side apply that would take fields of others.
Response ApplyConflict(const Named& what, const std::vector<Causes::Cause>& conflicts);

// The Status of a refusal in a watch: {"type":"ERROR","object":STATUS} and a new line.
std::string ErrorLine(const Response& refusal);

// 200 with the JSON as body.
Response Ok(const json& body, int code = 200);

// Never throws, whatever bytes the strings have.
std::string Dump(const json& value);

}  // namespace drapci::apiserver
