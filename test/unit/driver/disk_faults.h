// What can go wrong between SQLite and the disk, on demand, for the whole process.
//
// SQLite's writes come through its system call table, its syncs through fdatasync(2) of the C
// library, which this file replaces in the test program; both reach the kernel unless told
// otherwise.
#pragma once

#include <sys/types.h>

#include <functional>

namespace drapci::driver {

// One at a time. Undone by the destructor.
class DiskFaults {
 public:
  DiskFaults();
  ~DiskFaults();
  DiskFaults(const DiskFaults&) = delete;

  // Every write fails with `sys`; 0: no more.
  void FailWrites(int sys);
  // Writes that end beyond `bytes` of a file fail with ENOSPC.
  void LimitFileSize(off_t bytes);
  // Called on the syncing thread before each sync. Set it before other threads write.
  void OnSync(std::function<void()> called);
  // Syncs return at once: for tests that write much and survive no crash.
  void SkipSyncs();

  int writes() const;
  int syncs() const;
};

}  // namespace drapci::driver
