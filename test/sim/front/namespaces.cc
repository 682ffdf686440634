#include "test/sim/front/namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace drapci::sim {
namespace {

std::unexpected<Error> Failed(const std::string& what) {
  return Fail(Error::FromErrno(errno, what));
}

// glibc 2.36 has wrappers, but <sys/mount.h> and <linux/mount.h> do not go together on all
// versions.
UniqueFd CloneTree(int directory, const std::string& path) {
  constexpr unsigned kFlags =
      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW;
  return UniqueFd(static_cast<int>(syscall(SYS_open_tree, directory, path.c_str(), kFlags)));
}

bool Attach(const UniqueFd& tree, const std::string& path) {
  constexpr unsigned kFromFd = MOVE_MOUNT_F_EMPTY_PATH;
  return syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, path.c_str(), kFromFd) == 0;
}

std::vector<std::string> Names(int directory) {
  std::vector<std::string> names;
  UniqueFd again(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* stream = again ? fdopendir(again.Release()) : nullptr;
  if (stream == nullptr) return names;
  while (const dirent* entry = readdir(stream)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  closedir(stream);
  std::ranges::sort(names);
  return names;
}

Result<> WriteText(const char* path, const std::string& text) {
  UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) < 0) return Failed(path);
  return {};
}

Result<> BringLoopbackUp() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!fd || ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) return Failed("bring lo up");
  return {};
}

// One entry of a directory that gets a private copy: links and directories anew, nodes made again,
// everything else bound.
Result<> CopyEntry(int from, const std::string& name, const std::string& to) {
  struct stat status{};
  if (fstatat(from, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return {};  // gone meanwhile
  const std::string path = to + "/" + name;
  if (S_ISLNK(status.st_mode)) {
    char target[4096];
    ssize_t length = readlinkat(from, name.c_str(), target, sizeof(target) - 1);
    if (length < 0) return {};
    target[length] = '\0';
    return symlink(target, path.c_str()) == 0 ? Result<>() : Failed("symlink " + path);
  }
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    if (mknod(path.c_str(), status.st_mode, status.st_rdev) == 0) {
      chmod(path.c_str(), status.st_mode & 07777);
      return chown(path.c_str(), status.st_uid, status.st_gid) == 0 ? Result<>() : Failed(path);
    }
    if (errno != EPERM) return Failed("mknod " + path);
  }
  UniqueFd tree = CloneTree(from, name);
  if (!tree) return {};  // not ours to see
  if (S_ISDIR(status.st_mode)) {
    if (mkdir(path.c_str(), 0755) != 0) return Failed("mkdir " + path);
  } else if (UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); !file) {
    return Failed("create " + path);
  }
  return Attach(tree, path) ? Result<>() : Failed("bind " + path);
}

Result<> MakePrivate(const char* directory, const char* options,
                     const std::vector<std::string>& hidden) {
  UniqueFd old(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!old) return Failed(directory);
  if (mount("drapci-sim", directory, "tmpfs", MS_NOSUID, options) != 0) {
    return Failed(fmt::format("mount a tmpfs on {}", directory));
  }
  for (const std::string& name : Names(old.get())) {
    if (std::ranges::find(hidden, name) != hidden.end()) continue;
    DRAPCI_CHECK(CopyEntry(old.get(), name, directory));
  }
  return {};
}

}  // namespace

Result<> EnterNamespaces() {
  unsigned uid = geteuid(), gid = getegid();
  if (uid != 0) {
    if (unshare(CLONE_NEWUSER) != 0) {
      return Failed("make a user namespace (needed when not root)");
    }
    DRAPCI_CHECK(WriteText("/proc/self/setgroups", "deny"));
    DRAPCI_CHECK(WriteText("/proc/self/uid_map", fmt::format("0 {} 1", uid)));
    DRAPCI_CHECK(WriteText("/proc/self/gid_map", fmt::format("0 {} 1", gid)));
  }
  if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS) != 0) {
    return Failed("make mount, network and UTS namespaces");
  }
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Failed("make mounts private");
  }
  return BringLoopbackUp();
}

Result<RealSys> TakeRealSys() {
  RealSys real;
  auto take = [&real](const std::string& path) {
    struct stat status{};
    if (stat(path.c_str(), &status) != 0) return;
    UniqueFd tree = CloneTree(AT_FDCWD, path);
    if (tree) {
      real.trees.push_back(
          {.path = path, .mount = std::move(tree), .directory = S_ISDIR(status.st_mode)});
    }
  };
  for (const char* path : {"/sys/fs", "/sys/module", "/sys/devices/system", "/sys/firmware",
                           "/sys/hypervisor", "/sys/power"}) {
    take(path);
  }
  UniqueFd kernel(open("/sys/kernel", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const std::string& name : kernel ? Names(kernel.get()) : std::vector<std::string>()) {
    if (name != "iommu_groups") take("/sys/kernel/" + name);
  }
  // A sysfs mounted now shows the interfaces of this network namespace. It goes on top of the old
  // one for a moment. Without the right to (a user namespace may lack it), real interfaces are left
  // out.
  if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) {
    take("/sys/devices/virtual/net");
    real.net_class = UniqueFd(open("/sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    umount2("/sys", MNT_DETACH);
  }
  return real;
}

void MakeMountPoints(Kernel& kernel, const RealSys& real) {
  for (const RealTree& tree : real.trees) {
    if (tree.directory) {
      kernel.SetDirectory(tree.path);
    } else {
      kernel.SetFile(tree.path, "");
    }
  }
}

Result<> PutBack(const RealSys& real) {
  for (const RealTree& tree : real.trees) {
    if (!Attach(tree.mount, tree.path)) return Failed("put the real " + tree.path + " back");
  }
  return {};
}

Result<> MakePrivateDev() {
  return MakePrivate(
      "/dev", "mode=755",
      {"accel", "block", "char", "disk", "dri", "infiniband", "iommu", "kfd", "vfio"});
}

Result<> MakePrivateRun() {
  return MakePrivate("/run", "mode=755", {"cdi", "drapci", "drapci-sim", "udev"});
}

}  // namespace drapci::sim
