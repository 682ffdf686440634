#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "hal/base/unique_fd.h"
#include "test/sim/nvml/capabilities.h"
#include "test/sim/nvml/state.h"

namespace drapci::sim::nvml {
namespace {

Error Failed(std::string_view what, const std::string& path) {
  return Error::FromErrno(errno, fmt::format("{} {}", what, path));
}

// The lock on the state at `path`, held until the descriptor is closed.
Result<UniqueFd> Lock(const std::string& path) {
  const std::string name = path + ".lock";
  UniqueFd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) return Fail(Failed("open", name));
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return Fail(Failed("flock", name));
  }
  return fd;
}

Result<std::string> ReadAll(int fd, const std::string& path) {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0) return Fail(Failed("read", path));
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

Result<> Replace(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  {
    const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) return Fail(Failed("open", fresh));
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return Fail(Failed("write", fresh));
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return Fail(Failed("rename", fresh));
  return {};
}

bool Same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

// The last state read. Its file is held open, so that no later one gets its inode number.
struct StateFile::Cache {
  std::mutex mutex;
  UniqueFd fd;
  struct stat file = {};
  State state;
};

StateFile::StateFile(std::string path)
    : path_(std::move(path)), cache_(std::make_unique<Cache>()) {}
StateFile::StateFile(StateFile&& other) noexcept = default;
StateFile& StateFile::operator=(StateFile&& other) noexcept = default;
StateFile::~StateFile() = default;

Result<> StateFile::Create(const State& state) const {
  DRAPCI_TRY(const UniqueFd lock, Lock(path_));
  DRAPCI_CHECK(Replace(path_, Encode(state)));
  return WriteCapabilities(state);
}

Result<State> StateFile::Read() const {
  // Replaced whole: needs no lock on the file.
  const std::lock_guard lock(cache_->mutex);
  struct stat now = {};
  if (::stat(path_.c_str(), &now) != 0) return Fail(Failed("stat", path_));
  if (cache_->fd && Same(now, cache_->file)) return cache_->state;
  cache_->fd.Reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!cache_->fd || ::fstat(cache_->fd.get(), &cache_->file) != 0) {
    return Fail(Failed("open", path_));
  }
  auto text = ReadAll(cache_->fd.get(), path_);
  auto state = text ? Decode(*text) : Result<State>(Fail(std::move(text).error()));
  if (state) {
    cache_->state = *state;
  } else {
    cache_->fd.Reset();
  }
  return state;
}

Result<> StateFile::Change(const std::function<void(State&)>& change) const {
  DRAPCI_TRY(const UniqueFd lock, Lock(path_));
  DRAPCI_TRY(State state, Read());
  const State before = state;
  change(state);
  if (state == before) return {};
  DRAPCI_CHECK(Replace(path_, Encode(state)));
  return WriteCapabilities(state);
}

Gpu* FindGpu(State& state, std::string_view address) {
  auto found = std::ranges::find(state.gpus, address, &Gpu::address);
  return found == state.gpus.end() ? nullptr : &*found;
}

void FailNext(State& state, std::string_view call, int64_t code, std::string_view gpu) {
  state.faults.push_back({.call = std::string(call), .gpu = std::string(gpu), .code = code});
}

void RaiseXid(Gpu& gpu, uint64_t xid) {
  constexpr size_t kKept = 100;
  constexpr uint64_t kDoubleBit = 48, kRemapped = 63, kRemapFailed = 64, kOffTheBus = 79,
                     kContained = 94, kUncontained = 95;
  if (gpu.xids.size() >= kKept) gpu.xids.erase(gpu.xids.begin());
  gpu.xids.push_back(xid);
  ++gpu.xids_told;
  if (xid == kDoubleBit || xid == kContained || xid == kUncontained) ++gpu.ecc_uncorrected;
  if (xid == kRemapped) gpu.remap_pending = true;
  if (xid == kRemapFailed) gpu.remap_failed = true;
  if (xid == kOffTheBus) gpu.lost = true;
}

void ResetGpu(Gpu& gpu) {
  gpu.lost = false;
  gpu.ecc_corrected = gpu.ecc_uncorrected = 0;  // counted since the driver came to the GPU
  if (std::exchange(gpu.remap_pending, false)) ++gpu.remapped_uncorrected;
  gpu.instances.clear();
  gpu.processes.clear();
  gpu.mig = gpu.mig_pending;
}

void ReloadDriver(State& state) {
  ++state.generation;
  state.driver_loaded = true;
  for (Gpu& gpu : state.gpus) {
    // Where the mode takes a reset it is kept on the board; later GPUs forget it.
    if (!gpu.mig_needs_reset) gpu.mig_pending = false;
    ResetGpu(gpu);
  }
}

}  // namespace drapci::sim::nvml
