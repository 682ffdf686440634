// The file system face of the model: what system calls see.
#include <algorithm>
#include <cerrno>

#include "test/sim/drivers/driver_model.h"
#include "test/sim/kernel/kernel.h"
#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {
namespace {

constexpr unsigned kReadBits = 0444, kWriteBits = 0222;
constexpr size_t kPageSize = 4096;

// Stores that take the device's lock first serve a delay while they hold it.
bool StallsUnderLock(std::string_view name) {
  return name == "sriov_numvfs" || name == "bind" || name == "unbind" || name == "drivers_probe";
}

}  // namespace

Kernel::OrErrno<uint64_t> Kernel::Open(std::string_view path, bool read, bool write) const {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path);
  if (!node) return std::unexpected(node.error());
  if ((*node)->type == FileType::kDirectory) return std::unexpected(EISDIR);
  // KERNFS_ROOT_EXTRA_OPEN_PERM_CHECK, fs/kernfs/file.c: mode bits bind root as well.
  if (read && ((*node)->mode & kReadBits) == 0) return std::unexpected(EACCES);
  if (write && ((*node)->mode & kWriteBits) == 0) return std::unexpected(EACCES);
  return (*node)->id;
}

Kernel::OrErrno<std::string> Kernel::ReadOpen(uint64_t id) {
  if (faults_.HoldsReads()) {
    std::string held;
    {
      Impl::Operation operation(*impl_);
      if (Tree::Node* node = impl_->tree.FindId(id); node != nullptr) held = Tree::Path(*node);
    }
    faults_.WaitReadable(held);  // with nothing locked: only this reader waits
  }
  Impl::Operation operation(*impl_);
  Tree::Node* node = impl_->tree.FindId(id);
  if (node == nullptr) return std::unexpected(ENODEV);
  std::string path = Tree::Path(*node);
  if (int error = faults_.OnRead(path, path); error != 0) return std::unexpected(error);
  if (!node->show) return std::unexpected(EIO);
  Tree::Show show = node->show;  // the node can go while a show waits for a lock
  return show();
}

int Kernel::WriteOpen(uint64_t id, std::string_view path, std::string_view value, size_t offset) {
  if (value.empty()) return 0;  // fs/sysfs/file.c: if (!count) return 0
  Impl::Operation operation(*impl_);
  Tree::Node* node = impl_->tree.FindId(id);
  std::string resolved = node != nullptr ? Tree::Path(*node) : std::string(path);
  auto verdict = faults_.OnWrite(path, resolved);
  int error = node == nullptr ? ENODEV : verdict.error;
  if (error == 0) {
    auto self = std::this_thread::get_id();
    std::string name = node->name;
    Tree::Store store = node->store;
    impl_->stalls[self] = {.path = std::string(path), .resolved = resolved, .delay = verdict.delay};
    if (!StallsUnderLock(name)) impl_->Stall();
    if (impl_->tree.FindId(id) == nullptr) {
      error = ENODEV;
    } else if (!store) {
      error = EIO;
    } else {
      // Binary attributes (config) take more than a page in pieces; text is cut, not refused.
      error = store(value.substr(0, kPageSize), offset);
    }
    impl_->stalls.erase(self);
  }
  faults_.Log(path, value, error);
  return error;
}

Kernel::OrErrno<std::string> Kernel::Read(std::string_view path) {
  auto id = Open(path, true, false);
  if (!id) return std::unexpected(id.error());
  if (int error = faults_.OnRead(path, {}); error != 0) return std::unexpected(error);
  return ReadOpen(*id);
}

int Kernel::Write(std::string_view path, std::string_view value) {
  auto id = Open(path, false, true);
  if (id) return WriteOpen(*id, path, value);
  faults_.Log(path, value, id.error());
  return id.error();
}

Kernel::OrErrno<std::vector<std::string>> Kernel::List(std::string_view path) const {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path);
  if (!node) return std::unexpected(node.error());
  if ((*node)->type != FileType::kDirectory) return std::unexpected(ENOTDIR);
  std::vector<std::string> names;
  for (const auto& [name, child] : (*node)->children) names.push_back(name);
  return names;
}

Kernel::OrErrno<std::string> Kernel::ReadLink(std::string_view path) const {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path, /*follow=*/false);
  if (!node) return std::unexpected(node.error());
  if ((*node)->type != FileType::kLink) return std::unexpected(EINVAL);
  return (*node)->target;
}

Kernel::OrErrno<std::string> Kernel::Resolve(std::string_view path) const {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path);
  if (!node) return std::unexpected(node.error());
  return Tree::Path(**node);
}

Kernel::OrErrno<FileStatus> Kernel::Stat(std::string_view path, bool follow) const {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path, follow);
  if (!node) return std::unexpected(node.error());
  const Tree::Node& found = **node;
  return FileStatus{.type = found.type,
                    .mode = found.mode,
                    .uid = found.uid,
                    .gid = found.gid,
                    .size = found.type == FileType::kFile ? found.size : 0,
                    .inode = found.id};
}

int Kernel::Chmod(std::string_view path, unsigned mode) {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path);
  if (!node) return node.error();
  (*node)->mode = mode & 07777;
  return 0;
}

int Kernel::Chown(std::string_view path, unsigned uid, unsigned gid) {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path);
  if (!node) return node.error();
  constexpr unsigned kKeep = ~0U;  // chown(2): -1 leaves it as it is
  if (uid != kKeep) (*node)->uid = uid;
  if (gid != kKeep) (*node)->gid = gid;
  return 0;
}

std::shared_ptr<DriverModel> Kernel::Impl::ModelOf(std::string_view node) const {
  constexpr std::string_view kDev = "/dev/";
  if (!node.starts_with(kDev)) return nullptr;
  const std::string_view name = node.substr(kDev.size());
  for (const auto& [address, function] : functions) {
    const auto& children = function->live_children;
    if (function->model &&
        std::ranges::find(children, name, &ChildDevice::devname) != children.end()) {
      return function->model;
    }
  }
  return nullptr;
}

bool Kernel::ServesNode(std::string_view node) const {
  std::lock_guard lock(impl_->mutex);
  const auto model = impl_->ModelOf(node);
  return model != nullptr && model->ServesNodes();
}

int Kernel::OpenNode(std::string_view node, bool alone) {
  Impl::Operation operation(*impl_);
  const auto model = impl_->ModelOf(node);
  return model ? model->Open(node, alone) : 0;
}

void Kernel::CloseNode(std::string_view node) {
  Impl::Operation operation(*impl_);
  if (const auto model = impl_->ModelOf(node)) model->Closed(node);
}

int Kernel::Ioctl(std::string_view node, unsigned long request, uint64_t argument,
                  CallerMemory& memory) {
  Impl::Operation operation(*impl_);
  const auto model = impl_->ModelOf(node);
  return model ? model->Ioctl(node, request, argument, memory) : -ENOTTY;
}

std::vector<PciAddress> Kernel::DevlinkDevices() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<PciAddress> found;
  for (const auto& [address, function] : impl_->functions) {
    if (function->model && function->model->Devlink() != nullptr) found.push_back(address);
  }
  return found;
}

bool Kernel::HasDevlink(const PciAddress& address) const {
  std::lock_guard lock(impl_->mutex);
  const Function* function = impl_->Get(address);
  return function != nullptr && function->model && function->model->Devlink() != nullptr;
}

int Kernel::WithDevlink(const PciAddress& address, const std::function<int(DevlinkCard&)>& action) {
  Impl::Operation operation(*impl_);
  const Function* function = impl_->Get(address);
  // The model outlives the action, also when that lets the driver go.
  const auto model = function != nullptr ? function->model : nullptr;
  DevlinkCard* card = model ? model->Devlink() : nullptr;
  return card != nullptr ? action(*card) : ENODEV;
}

void Kernel::SetFile(std::string_view path, std::string content, unsigned mode) {
  std::lock_guard lock(impl_->mutex);
  auto node = impl_->tree.Find(path);
  if (node && (*node)->type == FileType::kFile) {
    (*node)->show = [kept = std::move(content)] { return kept; };
    return;
  }
  impl_->tree.MakeText(path, std::move(content), mode);
}

void Kernel::SetLink(std::string_view path, std::string target) {
  std::lock_guard lock(impl_->mutex);
  impl_->tree.MakeLink(path, std::move(target));
}

void Kernel::SetDirectory(std::string_view path) {
  std::lock_guard lock(impl_->mutex);
  impl_->tree.MakeDirectory(path);
}

void Kernel::SetNode(const DeviceNode& node) {
  std::lock_guard lock(impl_->mutex);
  impl_->nodes[node.path] = node;
}

std::vector<PciAddress> Kernel::Functions() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<PciAddress> addresses;
  for (const auto& [address, function] : impl_->functions) addresses.push_back(address);
  return addresses;
}

Result<FunctionState> Kernel::State(const PciAddress& address) const {
  std::lock_guard lock(impl_->mutex);
  Function* function = impl_->Get(address);
  if (function == nullptr) return Fail(Code::kNotFound, "no function " + address.ToString());
  return FunctionState{.driver = function->driver,
                       .driver_override = function->driver_override,
                       .sysfs_path = function->dir,
                       .physfn = function->physfn,
                       .vfs = static_cast<unsigned>(function->vfs.size()),
                       .iommu_group = function->group};
}

bool Kernel::IsLocked(const PciAddress& address) const {
  std::lock_guard lock(impl_->mutex);
  return impl_->locked.contains(address);
}

std::vector<FunctionSpec> Kernel::Specs() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<FunctionSpec> specs;
  for (const auto& [address, spec] : impl_->specs) specs.push_back(spec);
  return specs;
}

std::vector<DeviceNode> Kernel::Nodes() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<DeviceNode> nodes;
  for (const auto& [path, node] : impl_->nodes) nodes.push_back(node);
  return nodes;
}

}  // namespace drapci::sim
