#include "test/apiserver/counters.h"

#include <nlohmann/json.hpp>

namespace drapci::apiserver {
namespace {

constexpr size_t kRemembered = 2000;

json ToJson(const Counters::Sum& sum) {
  return {{"calls", sum.calls},
          {"refused", sum.refused},
          {"bytesIn", sum.bytes_in},
          {"bytesOut", sum.bytes_out}};
}

bool IsWrite(std::string_view verb) {
  return verb == "create" || verb == "update" || verb == "patch" || verb.starts_with("delete");
}

}  // namespace

void Counters::Add(Record record) {
  Sum& sum = sums_[record.verb + " " + record.resource];
  ++sum.calls;
  sum.refused += record.status >= 400 ? 1 : 0;
  sum.bytes_in += record.bytes_in;
  sum.bytes_out += record.bytes_out;
  last_.push_back(std::move(record));
  if (last_.size() > kRemembered) last_.pop_front();
}

void Counters::AddStreamed(const std::string& resource, size_t bytes) {
  sums_["watch " + resource].bytes_out += bytes;
}

void Counters::Reset() {
  sums_.clear();
  last_.clear();
}

uint64_t Counters::Calls(const std::string& verb, const std::string& resource) const {
  const auto found = sums_.find(verb + " " + resource);
  return found == sums_.end() ? 0 : found->second.calls;
}

uint64_t Counters::Writes() const {
  uint64_t writes = 0;
  for (const auto& [name, sum] : sums_)
    writes += IsWrite(name.substr(0, name.find(' '))) ? sum.calls : 0;
  return writes;
}

json Counters::ToJson() const {
  Sum all;
  json by_name = json::object();
  for (const auto& [name, sum] : sums_) {
    by_name[name] = apiserver::ToJson(sum);
    all.calls += sum.calls;
    all.refused += sum.refused;
    all.bytes_in += sum.bytes_in;
    all.bytes_out += sum.bytes_out;
  }
  return {{"total", apiserver::ToJson(all)}, {"writes", Writes()}, {"by", std::move(by_name)}};
}

json Counters::LastCalls() const {
  json calls = json::array();
  for (const Record& record : last_) {
    calls.push_back({{"verb", record.verb},
                     {"resource", record.resource},
                     {"target", record.target},
                     {"user", record.user},
                     {"status", record.status},
                     {"bytesIn", record.bytes_in},
                     {"bytesOut", record.bytes_out}});
  }
  return calls;
}

}  // namespace drapci::apiserver
