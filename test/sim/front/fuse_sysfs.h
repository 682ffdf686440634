// The model's /sys as a FUSE file system.
//
// Every request goes straight to the model: nothing is cached (entry and attribute time-outs are 0,
// direct_io), each write(2) is one store, and errors are the model's errnos. A thread per blocked
// request: a store that waits never holds up others.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hal/base/unique_fd.h"
#include "test/sim/kernel/kernel.h"

struct fuse;

namespace drapci::sim {

class FuseSysfs {
 public:
  // `accepted` is told the id of the thread that made a write, after the write took effect and
  // before the writer hears of it.
  FuseSysfs(Kernel& kernel, std::function<void(int pid)> accepted);
  ~FuseSysfs();
  FuseSysfs(const FuseSysfs&) = delete;
  FuseSysfs& operator=(const FuseSysfs&) = delete;

  // Interfaces of the namespace appear in /sys/class/net beside the model's: the links in this
  // directory.
  void SetRealNetworkClass(UniqueFd directory) { real_net_ = std::move(directory); }

  // Called before anything about network interfaces is read.
  void SetRefresh(std::function<void()> refresh) { refresh_ = std::move(refresh); }

  // Mounts over /sys and serves until the process ends.
  Result<> Mount();

  Kernel& kernel() { return kernel_; }
  int real_net() const { return real_net_.get(); }
  void Refresh() const {
    if (refresh_) refresh_();
  }
  void Accepted(int pid) const { accepted_(pid); }

 private:
  Kernel& kernel_;
  std::function<void(int)> accepted_;
  std::function<void()> refresh_;
  UniqueFd real_net_;
  ::fuse* fuse_ = nullptr;
};

}  // namespace drapci::sim
