// The claims that are allocated to this driver's devices on this node, as a watch tells of them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace drapci::plugin::claims {

// Keeps only those claims: a node's memory must not grow with its cluster. Text that is no claim is
// ignored. One thread.
class ClaimCache {
 public:
  // Without a node's name nothing is kept: which claims are this node's could not be told.
  ClaimCache(std::string driver_name, std::string node_name);

  struct Changes {
    std::vector<std::string> released;   // UIDs that were known and are gone or deallocated
    std::vector<std::string> allocated;  // claims that have come or changed, as JSON
  };
  // A whole list: what is not in it is gone.
  Changes Replace(const std::vector<std::string>& list);
  Changes Put(std::string_view json);
  Changes Drop(std::string_view json);

  // Null when there is no such claim with that UID.
  const std::string* Find(std::string_view namespace_name, std::string_view name,
                          std::string_view uid) const;
  size_t size() const { return claims_.size(); }

 private:
  struct Entry {
    std::string uid, json;  // without managedFields, which are the larger part
  };
  struct Read {
    std::string key;
    Entry entry;
    bool ours = false;
  };
  bool Decode(std::string_view json, Read& read) const;
  void Forget(const std::string& key, Changes& changes);
  void Keep(Read read, Changes& changes);

  const std::string driver_name_, node_name_;
  std::map<std::string, Entry, std::less<>> claims_;  // by "NAMESPACE/NAME"
};

}  // namespace drapci::plugin::claims
