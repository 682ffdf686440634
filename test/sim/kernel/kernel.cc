#include "test/sim/kernel/kernel.h"

#include <algorithm>
#include <cerrno>

#include "hal/base/parse.h"
#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {

std::string_view Line(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> KernelNumber(std::string_view text) {
  text = Line(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with("0x") || text.starts_with("0X")) {
    return ParseInt<uint64_t>(text.substr(2), 16);
  }
  if (text.size() > 1 && text.starts_with('0')) return ParseInt<uint64_t>(text.substr(1), 8);
  return ParseInt<uint64_t>(text);
}

std::optional<bool> KernelBool(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (std::string_view("yYtT1").contains(text[0])) return true;
  if (std::string_view("nNfF0").contains(text[0])) return false;
  if ((text[0] == 'o' || text[0] == 'O') && text.size() > 1) {
    if (text[1] == 'n' || text[1] == 'N') return true;
    if (text[1] == 'f' || text[1] == 'F') return false;
  }
  return std::nullopt;
}

std::string Uevent::Property(std::string_view key) const {
  auto found = std::ranges::find(properties, key, &std::pair<std::string, std::string>::first);
  return found == properties.end() ? "" : found->second;
}

Kernel::Impl::Impl(Kernel& kernel, Options wanted) : owner(kernel), options(std::move(wanted)) {
  for (const char* directory :
       {"/sys/devices/virtual", "/sys/bus/pci/devices", "/sys/bus/pci/drivers",
        "/sys/bus/pci/slots", "/sys/class/net", "/sys/class/vfio", "/sys/kernel/iommu_groups",
        "/sys/dev/char", "/sys/dev/block", "/sys/block", "/sys/module"}) {
    tree.MakeDirectory(directory);
  }
  tree.MakeFile("/sys/bus/pci/drivers_probe", 0200, {},
                [this](std::string_view value, size_t) { return StoreProbe(value); });
  tree.MakeFile(
      "/sys/bus/pci/drivers_autoprobe", 0644,
      [this] { return std::string(autoprobe ? "1\n" : "0\n"); },
      [this](std::string_view value, size_t) {
        autoprobe = !value.starts_with('0');  // drivers/base/bus.c drivers_autoprobe_store
        return 0;
      });
  tree.MakeFile("/sys/bus/pci/rescan", 0200, {}, [this](std::string_view value, size_t) {
    auto number = KernelNumber(value);
    if (!number) return EINVAL;
    return *number != 0 ? Rescan() : 0;
  });
  tree.MakeFile("/sys/bus/pci/uevent", 0200, {}, [](std::string_view, size_t) { return 0; });
}

void Kernel::Impl::Sleep(Milliseconds time) {
  mutex.unlock();
  Flush();
  options.wait(time);
  mutex.lock();
}

bool Kernel::Impl::LockDevice(const PciAddress& address) {
  unlocked.wait(mutex, [&] { return !locked.contains(address); });
  if (!functions.contains(address)) return false;
  locked.insert(address);
  Stall();
  return true;
}

void Kernel::Impl::UnlockDevice(const PciAddress& address) {
  locked.erase(address);
  unlocked.notify_all();
}

void Kernel::Impl::Stall() {
  auto found = stalls.find(std::this_thread::get_id());
  if (found == stalls.end()) return;
  PendingStall stall = std::move(found->second);
  stalls.erase(found);
  if (stall.delay > Milliseconds(0)) Sleep(stall.delay);
  mutex.unlock();
  owner.faults_.WaitReleased(stall.path, stall.resolved);
  mutex.lock();
}

void Kernel::Impl::Emit(Uevent event) { events.push_back(std::move(event)); }

void Kernel::Impl::Flush() {
  // A listener that reads ends up here again: its events are already being delivered.
  if (dispatcher.load() == std::this_thread::get_id()) return;
  std::lock_guard dispatch_lock(dispatch);
  dispatcher = std::this_thread::get_id();
  while (true) {
    Uevent event;
    std::list<std::function<void(const Uevent&)>> to;
    {
      std::lock_guard lock(mutex);
      if (events.empty()) break;
      event = std::move(events.front());
      events.pop_front();
      to = listeners;
    }
    for (const auto& listener : to) listener(event);
  }
  dispatcher = std::thread::id();
}

Kernel::Kernel() : Kernel(Options()) {}
Kernel::Kernel(Options options) : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
Kernel::~Kernel() = default;

Result<> Kernel::AddDriver(const DriverSpec& driver) {
  Impl::Operation operation(*impl_);
  if (impl_->drivers.contains(driver.name)) {
    return Fail(Code::kConflict, "driver " + driver.name + " is there already");
  }
  impl_->MakeDriver(driver);
  // A driver that is loaded probes what waits for it (driver_attach).
  std::vector<PciAddress> waiting;
  for (const auto& [address, function] : impl_->functions) {
    if (function->driver.empty()) waiting.push_back(address);
  }
  for (const PciAddress& address : waiting) {
    if (impl_->autoprobe && impl_->LockDevice(address)) {
      impl_->Probe(address);
      impl_->UnlockDevice(address);
    }
  }
  return {};
}

Result<> Kernel::AddFunction(FunctionSpec function) {
  Impl::Operation operation(*impl_);
  const bool in_its_place = impl_->out.contains(function.address);
  if (impl_->specs.contains(function.address) && !in_its_place) {
    return Fail(Code::kConflict, "function " + function.address.ToString() + " is there already");
  }
  FunctionSpec kept = function;
  DRAPCI_CHECK(impl_->Add(std::move(function), std::nullopt, 0));
  impl_->out.erase(kept.address);
  impl_->specs.insert_or_assign(kept.address, std::move(kept));
  return {};
}

Result<> Kernel::Unplug(const PciAddress& address) {
  Impl::Operation operation(*impl_);
  Function* function = impl_->Get(address);
  if (function == nullptr) {
    return Fail(Code::kNotFound, "no function " + address.ToString() + " to unplug");
  }
  for (const PciAddress& below : impl_->Below(*function)) impl_->out.insert(below);
  impl_->out.insert(address);
  impl_->Delete(address);
  return {};
}

Result<> Kernel::Plug(const PciAddress& address) {
  Impl::Operation operation(*impl_);
  auto spec = impl_->specs.find(address);
  if (spec == impl_->specs.end() || impl_->functions.contains(address)) {
    return Fail(Code::kNotFound, "no unplugged function " + address.ToString() + " to plug in");
  }
  impl_->out.erase(address);
  DRAPCI_CHECK(impl_->Add(spec->second, std::nullopt, 0));
  // What went with it comes back with it: parents sort before what hangs below their bus.
  for (const auto& [other, other_spec] : impl_->specs) {
    if (!impl_->out.contains(other) || !other_spec.parent) continue;
    if (!impl_->functions.contains(*other_spec.parent) || impl_->out.contains(*other_spec.parent)) {
      continue;
    }
    if (*other_spec.parent < address) continue;
    impl_->out.erase(other);
    DRAPCI_CHECK(impl_->Add(other_spec, std::nullopt, 0));
  }
  return {};
}

void Kernel::OnEvent(std::function<void(const Uevent&)> listener) {
  std::lock_guard lock(impl_->mutex);
  impl_->listeners.push_back(std::move(listener));
}

void Kernel::LateVfs(const PciAddress& pf, Milliseconds delay) {
  std::lock_guard lock(impl_->mutex);
  impl_->late_vfs[pf] = delay;
}

void Kernel::FewerVfs(const PciAddress& pf, unsigned count) {
  std::lock_guard lock(impl_->mutex);
  impl_->fewer_vfs[pf] = count;
}

void Kernel::ClearFaults() {
  faults_.Clear();
  std::lock_guard lock(impl_->mutex);
  impl_->late_vfs.clear();
  impl_->fewer_vfs.clear();
}

void Kernel::Impl::Defer(Milliseconds delay, std::function<void()> action) {
  uint64_t id = next_deferred++;
  deferred.push_back({.id = id, .due = delay, .action = std::move(action)});
  options.deferred(id, delay);
}

bool Kernel::RunDeferred(uint64_t id) {
  Impl::Operation operation(*impl_);
  auto found = std::ranges::find(impl_->deferred, id, &Impl::Deferred::id);
  if (found == impl_->deferred.end()) return false;
  auto action = std::move(found->action);
  impl_->deferred.erase(found);
  action();
  return true;
}

bool Kernel::RunDeferred() {
  bool any = false;
  while (true) {
    uint64_t id = 0;
    {
      std::lock_guard lock(impl_->mutex);
      auto next = std::ranges::min_element(impl_->deferred, {}, &Impl::Deferred::due);
      if (next == impl_->deferred.end()) return any;
      id = next->id;
    }
    any = RunDeferred(id) || any;
  }
}

bool Kernel::HasDeferred() const {
  std::lock_guard lock(impl_->mutex);
  return !impl_->deferred.empty();
}

}  // namespace drapci::sim
