// Faults on demand: each is asked about every request, in the order in which they were set.
#pragma once

#include <list>
#include <optional>
#include <string>

#include "hal/base/result.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

struct Fault {
  // What it hits; an empty member matches everything.
  std::string method, path_prefix, verb;
  int skip = 0;   // so many matches pass first
  int count = 1;  // and so many are hit; -1: all

  // What it does. Without a status and a cut the call is only late.
  int status = 0;
  std::string reason, message;
  std::optional<int> retry_after;
  Drop drop = Drop::kNone;
  int delay_ms = 0;
  std::optional<size_t> truncate;
  bool apply = false;  // the call is carried out although its answer is a fault
};

class Faults {
 public:
  // {"match":{"method","pathPrefix","verb"},"skip","count","status","reason","message",
  //  "retryAfter","dropConnection":"before|after-headers|mid-stream","delayMs","truncate","apply"}
  // kInvalid names the field.
  static Result<Fault> Parse(const json& text);

  void Add(Fault fault) { list_.push_back(std::move(fault)); }
  void Clear() { list_.clear(); }
  size_t size() const { return list_.size(); }

  // The fault that hits this request, used up by one.
  std::optional<Fault> Take(const Request& request, const std::string& verb);

 private:
  std::list<Fault> list_;
};

// The answer of a fault that has a status.
Response AnswerOf(const Fault& fault);

}  // namespace drapci::apiserver
