#include "test/unit/driver/disk_faults.h"

#include <sqlite3.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>

namespace drapci::driver {
namespace {

constexpr off_t kNoLimit = std::numeric_limits<off_t>::max();

// The two hooks below are plain C functions: they find what was asked for here.
struct State {
  std::atomic<int> write_error = 0;
  std::atomic<off_t> size_limit = kNoLimit;
  std::atomic<bool> skip_syncs = false;
  std::atomic<int> writes = 0, syncs = 0;
  std::function<void()> on_sync;
};
State state;

ssize_t WriteAt(int fd, const void* data, size_t size, off_t offset) {
  ++state.writes;
  int error = state.write_error;
  if (offset + static_cast<off_t>(size) > state.size_limit) error = ENOSPC;
  if (error != 0) {
    errno = error;
    return -1;
  }
  return ::pwrite(fd, data, size, offset);
}

void SetWrite(sqlite3_syscall_ptr function) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  // Which of them SQLite calls depends on how it was built.
  vfs->xSetSystemCall(vfs, "pwrite", function);
  vfs->xSetSystemCall(vfs, "pwrite64", function);
}

}  // namespace

DiskFaults::DiskFaults() {
  state.writes = 0;
  state.syncs = 0;
  SetWrite(reinterpret_cast<sqlite3_syscall_ptr>(&WriteAt));
}

DiskFaults::~DiskFaults() {
  SetWrite(nullptr);
  state.write_error = 0;
  state.size_limit = kNoLimit;
  state.skip_syncs = false;
  state.on_sync = nullptr;
}

void DiskFaults::FailWrites(int sys) { state.write_error = sys; }
void DiskFaults::LimitFileSize(off_t bytes) { state.size_limit = bytes; }
void DiskFaults::OnSync(std::function<void()> called) { state.on_sync = std::move(called); }
void DiskFaults::SkipSyncs() { state.skip_syncs = true; }
int DiskFaults::writes() const { return state.writes; }
int DiskFaults::syncs() const { return state.syncs; }

}  // namespace drapci::driver

// Both are found before the C library's by the dynamic linker. SQLite syncs files by the first and
// directories by the second.
extern "C" int fdatasync(int fd) {
  using drapci::driver::state;
  ++state.syncs;
  if (state.on_sync) state.on_sync();
  return state.skip_syncs ? 0 : static_cast<int>(::syscall(SYS_fdatasync, fd));
}

extern "C" int fsync(int fd) {
  return drapci::driver::state.skip_syncs ? 0 : static_cast<int>(::syscall(SYS_fsync, fd));
}
