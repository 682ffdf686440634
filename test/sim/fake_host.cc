#include "test/sim/fake_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "hal/base/parse.h"
#include "test/sim/drivers/drm.h"

namespace drapci::sim {
namespace {

// The caller is this process itself.
class OwnMemory : public CallerMemory {
 public:
  bool Read(uint64_t address, std::span<std::byte> into) override {
    if (address == 0) return false;
    std::memcpy(into.data(), reinterpret_cast<const void*>(address), into.size());
    return true;
  }
  bool Write(uint64_t address, std::span<const std::byte> from) override {
    if (address == 0) return false;
    std::memcpy(reinterpret_cast<void*>(address), from.data(), from.size());
    return true;
  }
};

}  // namespace

hal::MonotonicTime FakeClock::Now() const {
  std::lock_guard lock(mutex_);
  return hal::MonotonicTime(since_start_);
}

hal::WallTime FakeClock::Wall() const {
  std::lock_guard lock(mutex_);
  constexpr std::chrono::seconds kStart(1'790'000'000);  // a day in 2026
  return hal::WallTime(std::chrono::duration_cast<hal::WallTime::duration>(kStart + since_start_));
}

void FakeClock::Advance(std::chrono::nanoseconds by) {
  std::lock_guard lock(mutex_);
  since_start_ += by;
}

Result<hal::NodeInfo> FakeDevIo::Stat(std::string_view path) const {
  auto nodes = kernel_.Nodes();
  auto node = std::ranges::find(nodes, path, &DeviceNode::path);
  if (node == nodes.end()) return Fail(Error::FromErrno(ENOENT, fmt::format("stat {}", path)));
  return hal::NodeInfo{.type = node->type,
                       .major = node->major,
                       .minor = node->minor,
                       .permissions = node->permissions,
                       .group = node->group};
}

void FakeDevIo::NoticeClosed() {
  std::vector<std::string> closed;
  {
    std::lock_guard lock(mutex_);
    for (auto each = open_.begin(); each != open_.end();) {
      pollfd watch{.fd = each->second.watch.get(), .events = 0, .revents = 0};
      if (::poll(&watch, 1, 0) != 1 || (watch.revents & POLLHUP) == 0) {
        ++each;
        continue;
      }
      closed.push_back(each->second.path);
      each = open_.erase(each);
    }
  }
  for (const std::string& path : closed) kernel_.CloseNode(path);
}

Result<UniqueFd> FakeDevIo::Open(std::string_view path, int flags) {
  DRAPCI_TRY([[maybe_unused]] hal::NodeInfo node, Stat(path));
  NoticeClosed();
  if (const int error = kernel_.OpenNode(path, (flags & O_EXCL) != 0); error != 0) {
    return Fail(Error::FromErrno(-error, fmt::format("open {}", path)));
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    kernel_.CloseNode(path);
    return Fail(Error::FromErrno(errno, fmt::format("open {}", path)));
  }
  UniqueFd fd(ends[1]);
  std::lock_guard lock(mutex_);
  open_.insert_or_assign(fd.get(), Opened{.path = std::string(path), .watch = UniqueFd(ends[0])});
  return fd;
}

Result<int> FakeDevIo::Ioctl(int fd, unsigned long request, void* argument) {
  NoticeClosed();
  std::string path;
  {
    std::lock_guard lock(mutex_);
    if (const auto found = open_.find(fd); found != open_.end()) path = found->second.path;
  }
  if (on_ioctl) return on_ioctl(path, request, argument);
  OwnMemory memory;
  const int answer = kernel_.Ioctl(path, request, reinterpret_cast<uint64_t>(argument), memory);
  if (answer >= 0) return answer;
  return Fail(Error::FromErrno(-answer, fmt::format("ioctl {:#x} on {}", request, path)));
}

// xf86drm.c drmGetVersion: once for the lengths, once for the texts.
Result<hal::DrmVersion> FakeDrm::Version(const UniqueFd& node) {
  DrmVersionRequest request;
  DRAPCI_CHECK(dev_.Ioctl(node.get(), kDrmVersion, &request));
  std::string name(request.name_len, '\0');
  request = {.name_len = name.size(), .name = reinterpret_cast<uint64_t>(name.data())};
  DRAPCI_CHECK(dev_.Ioctl(node.get(), kDrmVersion, &request));
  return hal::DrmVersion{
      .driver = std::move(name),
      .version = fmt::format("{}.{}.{}", request.major, request.minor, request.patch)};
}

FakeDeviceEvents::FakeDeviceEvents(Kernel& kernel, FakeClock& clock)
    : kernel_(kernel), clock_(clock) {
  kernel_.OnEvent([this](const Uevent& event) {
    hal::DeviceEvent told{
        .action = event.action, .subsystem = event.subsystem, .devpath = event.devpath};
    for (const std::string_view name : hal::kEventProperties) {
      const std::string value = event.Property(name);
      if (!value.empty()) told.properties.emplace(name, value);
    }
    Deliver(told);
  });
}

void FakeDeviceEvents::Deliver(const hal::DeviceEvent& event) {
  std::function<void(const hal::DeviceEvent&)> listener;
  {
    std::lock_guard lock(mutex_);
    seen_.push_back(fmt::format("{} {} {}", event.action, event.subsystem,
                                event.devpath.substr(event.devpath.rfind('/') + 1)));
    listener = listener_;
  }
  if (listener) listener(event);
}

void FakeDeviceEvents::Listen(std::function<void(const hal::DeviceEvent&)> listener) {
  std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

bool FakeDeviceEvents::WaitUntil(const std::function<bool()>& done, hal::MonotonicTime deadline) {
  // The model is deterministic: what could still change the answer is deferred, or never comes.
  while (!done()) {
    if (kernel_.RunDeferred()) continue;
    if (auto now = clock_.Now(); now < deadline) clock_.Advance(deadline - now);
    return false;
  }
  return true;
}

void FakeDeviceEvents::Lose() {
  Deliver({.action = "", .subsystem = "", .devpath = "", .lost = true});
}

std::vector<std::string> FakeDeviceEvents::Seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

int FakeStateDir::TakeFault() {
  if (error_ == 0 || failures_left_ == 0) return 0;
  if (failures_left_ > 0) --failures_left_;
  return error_;
}

namespace {

Result<> CheckName(std::string_view name) {
  if (name.empty() || name.starts_with('.') || name.contains('/')) {
    return Fail(Code::kInvalid, fmt::format("'{}' is no file name", name));
  }
  return {};
}

}  // namespace

Result<> FakeStateDir::Replace(std::string_view name, std::string_view content) {
  DRAPCI_CHECK(CheckName(name));
  std::lock_guard lock(mutex_);
  if (int error = TakeFault()) {
    return Fail(Error::FromErrno(error, fmt::format("write {}/{}", path_, name)));
  }
  files_.insert_or_assign(std::string(name), std::string(content));
  ++changes_;
  return {};
}

Result<> FakeStateDir::Remove(std::string_view name) {
  DRAPCI_CHECK(CheckName(name));
  std::lock_guard lock(mutex_);
  if (int error = TakeFault()) {
    return Fail(Error::FromErrno(error, fmt::format("remove {}/{}", path_, name)));
  }
  if (auto file = files_.find(name); file != files_.end()) {
    files_.erase(file);
    ++changes_;
  }
  return {};
}

Result<std::string> FakeStateDir::Read(std::string_view name) const {
  DRAPCI_CHECK(CheckName(name));
  std::lock_guard lock(mutex_);
  if (auto fault = read_faults_.find(name); fault != read_faults_.end()) {
    int error = fault->second.first;
    if (--fault->second.second == 0) read_faults_.erase(fault);
    return Fail(Error::FromErrno(error, fmt::format("read {}/{}", path_, name)));
  }
  auto file = files_.find(name);
  if (file == files_.end()) {
    // A file that was never there, as open(2) says it.
    return Fail(Error::FromErrno(ENOENT, fmt::format("read {}/{}", path_, name)));
  }
  return file->second;
}

Result<std::vector<std::string>> FakeStateDir::List() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(files_.size());
  for (const auto& [name, content] : files_) names.push_back(name);
  return names;
}

void FakeStateDir::FailChanges(int error, int count) {
  std::lock_guard lock(mutex_);
  error_ = error;
  failures_left_ = count;
}

void FakeStateDir::FailReads(std::string name, int error, int count) {
  std::lock_guard lock(mutex_);
  read_faults_[std::move(name)] = {error, count};
}

int FakeStateDir::changes() const {
  std::lock_guard lock(mutex_);
  return changes_;
}

Result<std::vector<hal::PciFunction>> FakePciScanner::Scan() {
  if (error_ != 0) return Fail(Error::FromErrno(error_, "scan PCI"));
  FakeSysfs sysfs(kernel_);
  std::vector<hal::PciFunction> functions;
  for (const PciAddress& address : kernel_.Functions()) {
    hal::PciFunction function;
    function.address = address;
    auto number = [&](const char* name) -> Result<uint32_t> {
      DRAPCI_TRY(std::string text, sysfs.Read(address.SysfsPath() + "/" + name));
      if (auto value = ParseHex<uint32_t>(text)) return *value;
      return Fail(Code::kIo, fmt::format("{} of {} is '{}'", name, address.ToString(), text));
    };
    auto fill = [&]() -> Result<> {
      DRAPCI_TRY(uint32_t vendor, number("vendor"));
      function.vendor = static_cast<uint16_t>(vendor);
      DRAPCI_TRY(uint32_t device, number("device"));
      function.device = static_cast<uint16_t>(device);
      DRAPCI_TRY(uint32_t subsystem_vendor, number("subsystem_vendor"));
      function.subsystem_vendor = static_cast<uint16_t>(subsystem_vendor);
      DRAPCI_TRY(uint32_t subsystem_device, number("subsystem_device"));
      function.subsystem_device = static_cast<uint16_t>(subsystem_device);
      DRAPCI_TRY(function.class_code, number("class"));
      DRAPCI_TRY(auto revision, number("revision"));
      function.revision = static_cast<uint8_t>(revision);
      function.vendor_name = fmt::format("Vendor {:04x}", function.vendor);
      function.device_name = fmt::format("Device {:04x}", function.device);
      function.class_name = fmt::format("Class {:04x}", function.class_code >> 8);
      auto config = kernel_.Read(address.SysfsPath() + "/config");
      if (!config) return Fail(Error::FromErrno(config.error(), "read config"));
      hal::ConfigSpace space(std::as_bytes(std::span(*config)));
      function.pcie = space.Pcie();
      function.has_aer = space.HasAer();
      function.serial_number = space.SerialNumber();
      return hal::ReadSysfsFacts(sysfs, function);
    };
    auto filled = fill();
    if (!filled && filled.error().code == Code::kGone) continue;
    if (!filled) return std::unexpected(std::move(filled).error());
    functions.push_back(std::move(function));
  }
  return functions;
}

FakeHost::FakeHost(bool vfio_cdev)
    : kernel({.wait = [this](Milliseconds time) { clock.Advance(time); },
              .deferred = [](uint64_t, Milliseconds) {},
              .vfio_cdev = vfio_cdev}),
      sysfs(kernel),
      dev(kernel),
      drm(dev),
      netlink(&kernel, &namespaces),
      namespaces(kernel),
      events(kernel, clock),
      scanner(kernel),
      host{.sysfs = sysfs,
           .dev = dev,
           .netlink = netlink,
           .namespaces = namespaces,
           .events = events,
           .clock = clock,
           .drm = &drm} {}

FunctionSpec SriovNic(std::string_view address, unsigned total_vfs) {
  FunctionSpec nic;
  nic.address = PciAddress::Parse(address).value();
  nic.vendor = 0x8086;
  nic.device = 0x10c9;
  nic.subsystem_vendor = 0x1af4;
  nic.subsystem_device = 0x1100;
  nic.class_code = 0x020000;
  nic.revision = 1;
  nic.root_bus = nic.address.bus;
  nic.iommu_group = nic.address.bus * 32 + nic.address.device;
  nic.driver = "igb";
  nic.reset_method = "flr pm bus";
  nic.interfaces = {
      {.name =
           fmt::format("enp{}s{}f{}", nic.address.bus, nic.address.device, nic.address.function),
       .mac = fmt::format("52:54:00:00:{:02x}:{:02x}", nic.address.bus, nic.address.device)}};
  SriovSpec sriov;
  sriov.total = total_vfs;
  sriov.offset = 128;
  sriov.stride = 2;
  sriov.vf_device = 0x10ca;
  sriov.vf_driver = "igbvf";
  sriov.vf_interfaces = {
      {.name = nic.interfaces[0].name + "v{vf}", .mac = "", .operstate = "down"}};
  nic.sriov = sriov;
  return nic;
}

FunctionSpec Nvme(std::string_view address, int index) {
  FunctionSpec disk;
  disk.address = PciAddress::Parse(address).value();
  disk.vendor = 0x1b36;
  disk.device = 0x0010;
  disk.subsystem_vendor = 0x1af4;
  disk.subsystem_device = 0x1100;
  disk.class_code = 0x010802;
  disk.root_bus = disk.address.bus;
  disk.iommu_group = disk.address.bus * 32 + disk.address.device;
  disk.driver = "nvme";
  disk.aer = false;
  disk.children = {{.path = fmt::format("nvme/nvme{}", index),
                    .subsystem = "nvme",
                    .devname = fmt::format("nvme{}", index),
                    .type = 'c',
                    .major = 2044,
                    .minor = static_cast<unsigned>(index),
                    .permissions = 0600,
                    .files = {}}};
  return disk;
}

FunctionSpec Plain(std::string_view address, uint16_t vendor, uint16_t device) {
  FunctionSpec plain;
  plain.address = PciAddress::Parse(address).value();
  plain.vendor = vendor;
  plain.device = device;
  plain.class_code = 0x120000;
  plain.root_bus = plain.address.bus;
  plain.iommu_group = plain.address.bus * 32 + plain.address.device;
  return plain;
}

DriverSpec VfioPci() {
  return {.name = "vfio-pci",
          .ids = {},
          .sriov_configure = false,
          .override_only = true,
          .vfio = true,
          .probe_error = 0};
}

}  // namespace drapci::sim
