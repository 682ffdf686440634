#include "test/sim/front/fuse_sysfs.h"

#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fuse3/fuse.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "test/sim/front/fuse_devices.h"

namespace drapci::sim {
namespace {

constexpr std::string_view kNetClass = "/sys/class/net";
constexpr size_t kPageSize = 4096;
constexpr unsigned kMaxThreads = 2000;  // each may be blocked in a store

// An open attribute: like seq_file, a read from the start makes the text anew, later ones continue
// it.
struct Handle {
  uint64_t id = 0;
  std::string node;  // instead: one of the model's drivers (fuse_devices.h)
  std::string text;
  struct stat status{};
};

FuseSysfs& Self() { return *static_cast<FuseSysfs*>(fuse_get_context()->private_data); }
Kernel& Model() { return Self().kernel(); }
// libfuse keeps a file's handle as a number.
Handle& HandleOf(fuse_file_info* info) {
  return *reinterpret_cast<Handle*>(info->fh);  // NOLINT(performance-no-int-to-ptr)
}
// The path in the model, which is up to date about interfaces when it is one of theirs.
std::string Path(const char* path) {
  if (std::strstr(path, "/net") != nullptr) Self().Refresh();
  return std::string("/sys") + (path[1] == '\0' ? "" : path);
}

// The name of a real interface that `path` in /sys/class/net stands for; empty for everything else.
std::string RealInterface(const std::string& path) {
  if (Self().real_net() < 0 || !path.starts_with(kNetClass) ||
      path.size() <= kNetClass.size() + 1) {
    return "";
  }
  std::string name = path.substr(kNetClass.size() + 1);
  return name.contains('/') ? "" : name;
}

void Fill(struct stat& to, const FileStatus& from) {
  to = {};
  mode_t type = from.type == FileType::kDirectory ? S_IFDIR
                : from.type == FileType::kLink    ? S_IFLNK
                                                  : S_IFREG;
  to.st_mode = type | from.mode;
  to.st_nlink = from.type == FileType::kDirectory ? 2 : 1;
  to.st_uid = from.uid;
  to.st_gid = from.gid;
  to.st_size = static_cast<off_t>(from.size);
  to.st_ino = from.inode;
}

int GetAttr(const char* name, struct stat* status, fuse_file_info* info) {
  if (info != nullptr && info->fh != 0) {
    *status = HandleOf(info).status;
    return 0;
  }
  if (IsBelowRelay(name)) return StatRelayed(Model(), name, *status);
  std::string path = Path(name);
  auto found = Model().Stat(path, /*follow=*/false);
  if (found) {
    Fill(*status, *found);
    return 0;
  }
  std::string real = RealInterface(path);
  if (!real.empty() && fstatat(Self().real_net(), real.c_str(), status, AT_SYMLINK_NOFOLLOW) == 0) {
    return 0;
  }
  return -found.error();
}

int ReadLinkAt(const char* name, char* buffer, size_t size) {
  std::string path = Path(name);
  auto target = Model().ReadLink(path);
  if (!target) {
    std::string real = RealInterface(path);
    if (real.empty()) return -target.error();
    ssize_t length = readlinkat(Self().real_net(), real.c_str(), buffer, size - 1);
    if (length < 0) return -errno;
    buffer[length] = '\0';
    return 0;
  }
  size_t length = std::min(size - 1, target->size());
  std::memcpy(buffer, target->data(), length);
  buffer[length] = '\0';
  return 0;
}

int ReadDir(const char* name, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
            fuse_readdir_flags) {
  constexpr auto kPlain = static_cast<fuse_fill_dir_flags>(0);
  std::string path = Path(name);
  auto names = Model().List(path);
  if (!names) return -names.error();
  fill(buffer, ".", nullptr, 0, kPlain);
  fill(buffer, "..", nullptr, 0, kPlain);
  for (const std::string& entry : *names) {
    struct stat status{};
    if (auto found = Model().Stat(fmt::format("{}/{}", path, entry), /*follow=*/false))
      Fill(status, *found);
    fill(buffer, entry.c_str(), &status, 0, kPlain);
  }
  if (path != kNetClass || Self().real_net() < 0) return 0;
  UniqueFd again(openat(Self().real_net(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* real = again ? fdopendir(again.Release()) : nullptr;
  if (real == nullptr) return 0;
  while (const dirent* entry = readdir(real)) {
    struct stat status{};
    status.st_mode = S_IFLNK;
    status.st_ino = entry->d_ino;  // readdir(3) skips what has none
    bool known = std::ranges::find(*names, entry->d_name) != names->end();
    if (entry->d_type == DT_LNK && !known) fill(buffer, entry->d_name, &status, 0, kPlain);
  }
  closedir(real);
  return 0;
}

int OpenNode(const RelayedNode& relayed, const char* name, fuse_file_info* info) {
  if (!Model().ServesNode(relayed.node)) return -ENOENT;
  if (const int error = Model().OpenNode(relayed.node, relayed.alone); error != 0) return error;
  auto handle = std::make_unique<Handle>();
  handle->node = relayed.node;
  StatRelayed(Model(), name, handle->status);
  info->direct_io = 1;
  info->fh = reinterpret_cast<uint64_t>(handle.release());
  return 0;
}

// The caller's memory is read and written. What a number's size says that it gives back, the kernel
// copies once more, from `back`.
int IoctlOnNode(const char*, unsigned request, void* argument, fuse_file_info* info, unsigned,
                void* back) {
  const Handle& handle = HandleOf(info);
  if (handle.node.empty()) return -ENOTTY;
  const int pid = fuse_get_context()->pid;
  ProcessMemory memory(pid);
  const int answer =
      Model().Ioctl(handle.node, request, reinterpret_cast<uint64_t>(argument), memory);
  if (back != nullptr && (_IOC_DIR(request) & _IOC_READ) != 0) {
    const std::span bytes(static_cast<std::byte*>(back), _IOC_SIZE(request));
    if (!memory.Read(reinterpret_cast<uint64_t>(argument), bytes)) return -EFAULT;
  }
  if (answer >= 0) Self().Accepted(pid);
  return answer;
}

int OpenFile(const char* name, fuse_file_info* info) {
  if (const auto relayed = ParseRelayed(name)) return OpenNode(*relayed, name, info);
  int access = info->flags & O_ACCMODE;
  std::string path = Path(name);
  auto id = Model().Open(path, access != O_WRONLY, access != O_RDONLY);
  if (!id) return -id.error();
  auto handle = std::make_unique<Handle>();
  handle->id = *id;
  if (auto found = Model().Stat(path, /*follow=*/true)) Fill(handle->status, *found);
  info->direct_io = 1;
  info->fh = reinterpret_cast<uint64_t>(handle.release());
  return 0;
}

int ReleaseFile(const char*, fuse_file_info* info) {
  std::unique_ptr<Handle> gone(&HandleOf(info));
  if (!gone->node.empty()) Model().CloseNode(gone->node);
  return 0;
}

int ReadFile(const char* name, char* buffer, size_t size, off_t offset, fuse_file_info* info) {
  Handle& handle = HandleOf(info);
  if (!handle.node.empty()) return -EINVAL;
  auto at = static_cast<size_t>(offset);
  if (offset == 0 || handle.text.empty()) {
    if (std::strstr(name, "/net/") != nullptr) Self().Refresh();
    auto text = Model().ReadOpen(handle.id);
    if (!text) return -text.error();
    handle.text = *std::move(text);
  }
  size_t end = handle.text.size();
  // Without CAP_SYS_ADMIN only the header of configuration space (drivers/pci/pci-sysfs.c).
  if (fuse_get_context()->uid != 0 && std::string_view(name).ends_with("/config")) {
    end = std::min<size_t>(end, 64);
  }
  if (at >= end) return 0;
  size_t length = std::min(size, end - at);
  std::memcpy(buffer, handle.text.data() + at, length);
  return static_cast<int>(length);
}

int WriteFile(const char* name, const char* data, size_t size, off_t offset, fuse_file_info* info) {
  size_t length = std::min(size, kPageSize);
  if (!HandleOf(info).node.empty()) return -EINVAL;
  int error =
      Model().WriteOpen(HandleOf(info).id, Path(name), {data, length}, static_cast<size_t>(offset));
  if (error != 0) return -error;
  Self().Accepted(fuse_get_context()->pid);
  return static_cast<int>(length);
}

// sysfs ignores truncation (open with O_TRUNC), and has no way to make or remove names.
int Truncate(const char* name, off_t, fuse_file_info*) {
  auto found = Model().Stat(Path(name), /*follow=*/true);
  return found ? 0 : -found.error();
}
int Create(const char*, mode_t, fuse_file_info*) { return -EACCES; }
int MakeNode(const char*, mode_t, dev_t) { return -EPERM; }
int MakeDir(const char*, mode_t) { return -EPERM; }
int Unlink(const char*) { return -EPERM; }
int Rename(const char*, const char*, unsigned) { return -EPERM; }
int Link(const char*, const char*) { return -EPERM; }
int Times(const char*, const timespec*, fuse_file_info*) { return 0; }
int ChangeMode(const char* name, mode_t mode, fuse_file_info*) {
  return -Model().Chmod(Path(name), mode & 07777);
}
int ChangeOwner(const char* name, uid_t uid, gid_t gid, fuse_file_info*) {
  return -Model().Chown(Path(name), uid, gid);
}

void* Init(fuse_conn_info*, fuse_config* config) {
  config->use_ino = 1;
  config->direct_io = 1;
  config->entry_timeout = 0;
  config->attr_timeout = 0;
  config->negative_timeout = 0;
  return fuse_get_context()->private_data;
}

fuse_operations Operations() {
  fuse_operations operations{};
  operations.init = Init;
  operations.getattr = GetAttr;
  operations.readlink = ReadLinkAt;
  operations.readdir = ReadDir;
  operations.open = OpenFile;
  operations.release = ReleaseFile;
  operations.read = ReadFile;
  operations.write = WriteFile;
  operations.ioctl = IoctlOnNode;
  operations.truncate = Truncate;
  operations.create = Create;
  operations.mknod = MakeNode;
  operations.mkdir = MakeDir;
  operations.unlink = Unlink;
  operations.rmdir = Unlink;
  operations.symlink = Link;
  operations.link = Link;
  operations.rename = Rename;
  operations.utimens = Times;
  operations.chmod = ChangeMode;
  operations.chown = ChangeOwner;
  return operations;
}

}  // namespace

FuseSysfs::FuseSysfs(Kernel& kernel, std::function<void(int)> accepted)
    : kernel_(kernel), accepted_(std::move(accepted)) {}

FuseSysfs::~FuseSysfs() {
  if (fuse_ != nullptr) fuse_exit(fuse_);
}

Result<> FuseSysfs::Mount() {
  static constexpr const char* kOptions = "-oallow_other,default_permissions,fsname=drapci-sim";
  std::array<std::string, 2> texts = {"drapci-sim", kOptions};
  std::array<char*, 3> arguments = {texts[0].data(), texts[1].data(), nullptr};
  fuse_args args{.argc = 2, .argv = arguments.data(), .allocated = 0};
  fuse_operations operations = Operations();
  fuse_ = fuse_new(&args, &operations, sizeof(operations), this);
  if (fuse_ == nullptr) return Fail(Code::kInternal, "libfuse refused the file system's options");
  if (fuse_mount(fuse_, "/sys") != 0) {
    int error = errno;
    return Fail(Error::FromErrno(error, "mount FUSE on /sys (is /dev/fuse there and writable?)"));
  }
  fuse_loop_config* config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 0);
  fuse_loop_cfg_set_max_threads(config, kMaxThreads);
  fuse_loop_cfg_set_idle_threads(config, 8);
  std::thread([fuse = fuse_, config] {
    fuse_loop_mt(fuse, config);
    fuse_loop_cfg_destroy(config);
  }).detach();
  return {};
}

}  // namespace drapci::sim
