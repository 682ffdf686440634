// Waiting for network interfaces to come and go, without udev.
#pragma once

#include <functional>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "hal/os/clock.h"

namespace drapci::hal {

// The kernel's messages about interfaces of the caller's network namespace (RTMGRP_LINK). What
// happens from Open() on is not missed. One thread.
class LinkEvents {
 public:
  static Result<LinkEvents> Open();

  // True as soon as `done` is: asked at once and after every message. False when `deadline` passed
  // first.
  bool WaitUntil(const std::function<bool()>& done, MonotonicTime deadline) const;

 private:
  explicit LinkEvents(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

}  // namespace drapci::hal
