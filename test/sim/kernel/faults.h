// Faults, delays and the write log of the simulated kernel.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drapci::sim {

struct WriteRecord {
  std::string path;  // as named by the writer
  std::string value;
  int error = 0;  // errno, 0 when the kernel took it
  bool operator==(const WriteRecord&) const = default;
};

// Any thread. A glob is an fnmatch(3) pattern (no flags, so '*' matches '/') on the whole path: as
// the caller named it, or with every link resolved.
class Faults {
 public:
  static constexpr int kForever = -1;

  // The next `count` writes that match fail with `error` before they have any effect.
  void FailWrite(std::string glob, int error, int count = 1);
  void FailRead(std::string glob, int error, int count = 1);
  // After `accepted` more successful writes every write fails with `error`: a power cut for tests
  // that walk through all points of a transaction.
  void FailWritesAfter(int accepted, int error);
  // Each matching write waits that long (Options::wait of the kernel) before it takes effect.
  void DelayWrite(std::string glob, std::chrono::milliseconds delay, int count = kForever);
  // Matching writes block until Release: a driver that waits for a user to let go.
  void Hold(std::string glob);
  // Matching reads do: a device that does not answer its driver.
  void HoldReads(std::string glob);
  void Release(std::string_view glob);
  // Forgets faults and delays and releases what is held; the log stays.
  void Clear();

  std::vector<WriteRecord> Writes() const;
  void ResetWrites();
  // Successful writes since the start or ResetWrites.
  int accepted() const;

  // For the kernel model. `path` as named and resolved; 0 or an errno.
  int OnRead(std::string_view path, std::string_view resolved);
  struct Verdict {
    int error = 0;
    std::chrono::milliseconds delay{0};
  };
  Verdict OnWrite(std::string_view path, std::string_view resolved);
  // Blocks while a Hold matches.
  void WaitReleased(std::string_view path, std::string_view resolved);
  bool HoldsReads() const;
  void WaitReadable(std::string_view path);
  void Log(std::string_view path, std::string_view value, int error);

 private:
  struct Rule {
    std::string glob;
    int error = 0;
    std::chrono::milliseconds delay{0};
    int left = kForever;
  };
  static Rule* Match(std::vector<Rule>& rules, std::string_view path, std::string_view resolved);

  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::vector<Rule> write_errors_, read_errors_, delays_;
  std::vector<std::string> held_, held_reads_;
  std::optional<int> accept_limit_;  // accepted_ at which writes begin to fail
  int limit_error_ = 0;
  int accepted_ = 0;
  std::vector<WriteRecord> writes_;
};

}  // namespace drapci::sim
