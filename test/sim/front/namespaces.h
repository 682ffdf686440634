// The private namespaces in which a simulated machine runs.
#pragma once

#include <string>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// New mount, network and UTS namespaces, in a new user namespace when the caller is not root;
// mounts are private and the loopback interface is up. Single-threaded callers only.
Result<> EnterNamespaces();

// A part of the real /sys, detached and ready to be put back on top of the simulated one.
struct RealTree {
  std::string path;  // "/sys/fs"
  UniqueFd mount;
  bool directory = true;
};

struct RealSys {
  std::vector<RealTree> trees;
  UniqueFd net_class;  // the /sys/class/net of the new network namespace; may be missing
};

// Takes hold of everything of the real /sys that the simulated machine keeps: file systems
// (cgroups), modules, CPUs, the kernel's own settings, the virtual interfaces of this network
// namespace.
Result<RealSys> TakeRealSys();

// Makes the mount points in the model, before the simulated /sys is mounted.
void MakeMountPoints(Kernel& kernel, const RealSys& real);

// Mounts the real parts, after the simulated /sys is.
Result<> PutBack(const RealSys& real);

// A /dev of its own with the host's nodes but none of its accelerators, and a /run of its own with
// what the host has there except udev's, CDI's and drapci's files.
Result<> MakePrivateDev();
Result<> MakePrivateRun();

}  // namespace drapci::sim
