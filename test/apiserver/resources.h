// The resources that the server has, their paths, and selectors over them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "test/apiserver/status.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

struct Resource {
  std::string_view group, version, plural, kind;
  bool namespaced = false;
  bool has_status = false;

  std::string api_version() const;
  Named Name(std::string_view name) const;
};

std::span<const Resource> Resources();
const Resource& ResourceOf(std::string_view kind);  // the first of that kind

// What a path names; `name` is empty for a collection.
struct Target {
  const Resource* resource = nullptr;
  std::string ns, name, subresource;

  Named Name() const { return resource->Name(name); }
};
std::optional<Target> ParsePath(std::string_view path);

// "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"; empty for a
// method that means nothing there.
std::string VerbOf(const Request& request, const Target& target);

// fieldSelector and labelSelector, equality only.
class Selector {
 public:
  // The error is the text of a 400.
  static std::expected<Selector, std::string> Parse(const Resource& resource, int minor,
                                                    std::string_view fields,
                                                    std::string_view labels);

  bool Matches(const json& object) const;
  // The value that `field` must have, if it is bound.
  std::optional<std::string> Bound(std::string_view field) const;

 private:
  struct Term {
    bool label, equal;
    std::string name, value;
  };
  std::vector<Term> terms_;
};

}  // namespace drapci::apiserver
