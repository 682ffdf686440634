// The writes of one reconciliation under way: those of one pool one after the other, those of
// different pools side by side. Pure.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plugin/slices/reconcile.h"

namespace drapci::plugin::slices {

class Round {
 public:
  Round() = default;
  explicit Round(std::vector<Write> writes) {
    for (Write& write : writes) {
      auto& queue = queues_[write.pool];
      queue.push_back(std::move(write));
    }
  }

  // The next write of a pool that has none under way; it is under way then.
  std::optional<Write> Next() {
    for (auto& [pool, queue] : queues_) {
      if (queue.empty() || busy_.contains(pool)) continue;
      busy_.insert(pool);
      Write write = std::move(queue.front());
      queue.pop_front();
      return write;
    }
    return std::nullopt;
  }
  void Finished(const std::string& pool) { busy_.erase(pool); }

  // Forgets what is not under way yet.
  void Drop(const std::string& pool) { queues_.erase(pool); }
  void DropAll() { queues_.clear(); }

  size_t under_way() const { return busy_.size(); }
  bool done() const {
    if (!busy_.empty()) return false;
    for (const auto& [pool, queue] : queues_) {
      if (!queue.empty()) return false;
    }
    return true;
  }

 private:
  std::map<std::string, std::deque<Write>> queues_;  // by pool
  std::set<std::string> busy_;                       // pools
};

}  // namespace drapci::plugin::slices
