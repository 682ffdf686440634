#include "test/sim/kernel/faults.h"

#include <fnmatch.h>

#include <algorithm>

namespace drapci::sim {
namespace {

bool Matches(const std::string& glob, std::string_view path, std::string_view resolved) {
  return fnmatch(glob.c_str(), std::string(path).c_str(), 0) == 0 ||
         fnmatch(glob.c_str(), std::string(resolved).c_str(), 0) == 0;
}

}  // namespace

void Faults::FailWrite(std::string glob, int error, int count) {
  std::lock_guard lock(mutex_);
  write_errors_.push_back({.glob = std::move(glob), .error = error, .delay = {}, .left = count});
}

void Faults::FailRead(std::string glob, int error, int count) {
  std::lock_guard lock(mutex_);
  read_errors_.push_back({.glob = std::move(glob), .error = error, .delay = {}, .left = count});
}

void Faults::FailWritesAfter(int accepted, int error) {
  std::lock_guard lock(mutex_);
  accept_limit_ = accepted_ + accepted;
  limit_error_ = error;
}

void Faults::DelayWrite(std::string glob, std::chrono::milliseconds delay, int count) {
  std::lock_guard lock(mutex_);
  delays_.push_back({.glob = std::move(glob), .error = 0, .delay = delay, .left = count});
}

void Faults::Hold(std::string glob) {
  std::lock_guard lock(mutex_);
  held_.push_back(std::move(glob));
}

void Faults::HoldReads(std::string glob) {
  std::lock_guard lock(mutex_);
  held_reads_.push_back(std::move(glob));
}

void Faults::Release(std::string_view glob) {
  std::lock_guard lock(mutex_);
  std::erase(held_, glob);
  std::erase(held_reads_, glob);
  released_.notify_all();
}

void Faults::Clear() {
  std::lock_guard lock(mutex_);
  write_errors_.clear();
  read_errors_.clear();
  delays_.clear();
  held_.clear();
  held_reads_.clear();
  accept_limit_.reset();
  released_.notify_all();
}

std::vector<WriteRecord> Faults::Writes() const {
  std::lock_guard lock(mutex_);
  return writes_;
}

void Faults::ResetWrites() {
  std::lock_guard lock(mutex_);
  writes_.clear();
  if (accept_limit_) *accept_limit_ -= accepted_;
  accepted_ = 0;
}

int Faults::accepted() const {
  std::lock_guard lock(mutex_);
  return accepted_;
}

Faults::Rule* Faults::Match(std::vector<Rule>& rules, std::string_view path,
                            std::string_view resolved) {
  for (Rule& rule : rules) {
    if (rule.left == 0 || !Matches(rule.glob, path, resolved)) continue;
    if (rule.left > 0) --rule.left;
    return &rule;
  }
  return nullptr;
}

int Faults::OnRead(std::string_view path, std::string_view resolved) {
  std::lock_guard lock(mutex_);
  if (read_errors_.empty()) return 0;
  Rule* rule = Match(read_errors_, path, resolved);
  return rule != nullptr ? rule->error : 0;
}

Faults::Verdict Faults::OnWrite(std::string_view path, std::string_view resolved) {
  std::lock_guard lock(mutex_);
  if (accept_limit_ && accepted_ >= *accept_limit_) return {.error = limit_error_, .delay = {}};
  if (Rule* rule = Match(write_errors_, path, resolved)) return {.error = rule->error, .delay = {}};
  Rule* rule = Match(delays_, path, resolved);
  return {.error = 0, .delay = rule != nullptr ? rule->delay : std::chrono::milliseconds(0)};
}

void Faults::WaitReleased(std::string_view path, std::string_view resolved) {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [&] {
    return std::ranges::none_of(
        held_, [&](const std::string& glob) { return Matches(glob, path, resolved); });
  });
}

bool Faults::HoldsReads() const {
  std::lock_guard lock(mutex_);
  return !held_reads_.empty();
}

void Faults::WaitReadable(std::string_view path) {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [&] {
    return std::ranges::none_of(held_reads_,
                                [&](const std::string& glob) { return Matches(glob, path, path); });
  });
}

void Faults::Log(std::string_view path, std::string_view value, int error) {
  std::lock_guard lock(mutex_);
  writes_.push_back({.path = std::string(path), .value = std::string(value), .error = error});
  if (error == 0) ++accepted_;
}

}  // namespace drapci::sim
