// What was asked of the server: sums by verb and resource, and the last calls one by one.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "test/apiserver/types.h"

namespace drapci::apiserver {

class Counters {
 public:
  struct Sum {
    uint64_t calls = 0, refused = 0, bytes_in = 0, bytes_out = 0;  // of bodies
  };
  struct Record {
    std::string verb, resource, target, user;
    int status = 0;
    size_t bytes_in = 0, bytes_out = 0;
  };

  void Add(Record record);
  // Bytes of a watch, as they are delivered.
  void AddStreamed(const std::string& resource, size_t bytes);
  void Reset();

  uint64_t Calls(const std::string& verb, const std::string& resource) const;
  // Creates, updates, patches and deletes.
  uint64_t Writes() const;

  json ToJson() const;
  json LastCalls() const;

 private:
  std::map<std::string, Sum> sums_;  // by "VERB RESOURCE"
  std::deque<Record> last_;
};

}  // namespace drapci::apiserver
