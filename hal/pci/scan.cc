#include "hal/pci/scan.h"

#include <fmt/format.h>

extern "C" {
#include <pci/pci.h>
}

#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <mutex>
#include <tuple>

#include "hal/base/log.h"

namespace drapci::hal {
namespace {

// libpci's error callback gets no context and must not return, so what it jumps to is per thread.
struct Trap {
  jmp_buf jump;
  char text[256];
};
thread_local Trap* active_trap = nullptr;

[[noreturn]] void OnError(char* format, ...) __attribute__((format(printf, 1, 2)));
void OnError(char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(active_trap->text, sizeof active_trap->text, format, arguments);
  va_end(arguments);
  std::longjmp(active_trap->jump, 1);
}

void OnNote(char* format, ...) __attribute__((format(printf, 1, 2)));
void OnNote(char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  Log(LogLevel::kDebug, "libpci: {}", text);
}

// Runs `call`, which must own nothing: libpci leaves it by a jump when it fails. libpci's words
// then.
template <class Call>
Result<> Guarded(Call call) {
  Trap trap;
  active_trap = &trap;
  // NOLINTNEXTLINE(cert-err52-cpp): libpci is C and leaves no other way.
  if (setjmp(trap.jump) == 0) {
    call();
    active_trap = nullptr;
    return {};
  }
  active_trap = nullptr;
  return Fail(Code::kIo, fmt::format("libpci: {}", static_cast<const char*>(trap.text)));
}

struct CleanUp {
  void operator()(pci_access* access) const { pci_cleanup(access); }
};
using Access = std::unique_ptr<pci_access, CleanUp>;

constexpr int kWanted = PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_CLASS_EXT | PCI_FILL_SUBSYS;

PciFunction FromLibpci(const pci_dev& device) {
  PciFunction function;
  function.address = {.domain = static_cast<uint32_t>(device.domain),
                      .bus = device.bus,
                      .device = device.dev,
                      .function = device.func};
  function.vendor = device.vendor_id;
  function.device = device.device_id;
  function.subsystem_vendor = device.subsys_vendor_id;
  function.subsystem_device = device.subsys_id;
  function.class_code = uint32_t{device.device_class} << 8 | device.prog_if;
  function.revision = device.rev_id;
  return function;
}

class LibpciScanner : public PciScanner {
 public:
  LibpciScanner(const Sysfs& sysfs, std::string bus_path)
      : sysfs_(sysfs), bus_path_(std::move(bus_path)) {}

  Result<std::vector<PciFunction>> Scan() override {
    const std::lock_guard lock(mutex_);
    Result<std::vector<PciFunction>> functions = ScanOnce();
    // libpci gives up at the first file that vanishes under it; the next scan does not see the
    // device.
    if (!functions) functions = ScanOnce();
    if (!functions) return Fail(std::move(functions).error().Within("scan the PCI bus"));
    return functions;
  }

 private:
  struct Names {
    std::string vendor, device, class_name;
  };

  Result<std::vector<PciFunction>> ScanOnce();
  Result<Access> Open() const;
  Result<> Complete(pci_dev& device, PciFunction& function) const;
  void AddNames(pci_access& access, PciFunction& function);

  const Sysfs& sysfs_;
  std::string bus_path_;
  std::mutex mutex_;
  // Looked up once for each kind of device: pci.ids is a megabyte of text, read only for a new
  // kind.
  std::map<std::tuple<uint16_t, uint16_t, uint16_t>, Names> names_;  // guarded by mutex_
};

Result<Access> LibpciScanner::Open() const {
  pci_access* raw = nullptr;
  DRAPCI_CHECK(Guarded([&] { raw = pci_alloc(); }));
  Access access(raw);
  access->method = PCI_ACCESS_SYS_BUS_PCI;
  access->id_lookup_mode = 0;  // no DNS, no cache file
  access->error = OnError;
  access->warning = OnNote;
  access->debug = OnNote;
  std::string path = bus_path_;
  char name[] = "sysfs.path";
  if (pci_set_param(raw, name, path.data()) != 0) {
    return Fail(Code::kInternal, "libpci has no parameter sysfs.path");
  }
  DRAPCI_CHECK(Guarded([&] { pci_init(raw); }));
  return access;
}

Result<> LibpciScanner::Complete(pci_dev& device, PciFunction& function) const {
  DRAPCI_CHECK(Guarded([&] { pci_fill_info(&device, kWanted); }));
  function = FromLibpci(device);
  std::byte bytes[4096];
  int length = 0;
  // Without privilege only 64 bytes can be read, and a conventional function has 256.
  DRAPCI_CHECK(Guarded([&] {
    for (const int size : {4096, 256, 64}) {
      if (pci_read_block(&device, 0, reinterpret_cast<u8*>(bytes), size) == 0) continue;
      length = size;
      break;
    }
  }));
  const ConfigSpace space(std::span<const std::byte>(bytes, static_cast<size_t>(length)));
  function.pcie = space.Pcie();
  function.has_aer = space.HasAer();
  function.serial_number = space.SerialNumber();
  return ReadSysfsFacts(sysfs_, function);
}

void LibpciScanner::AddNames(pci_access& access, PciFunction& function) {
  const auto class_code = static_cast<uint16_t>(function.class_code >> 8);
  const std::tuple key{function.vendor, function.device, class_code};
  auto found = names_.find(key);
  if (found == names_.end()) {
    constexpr int kHow = PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
    char vendor[128] = "", device[128] = "", class_name[128] = "";
    const char *vendor_end = nullptr, *device_end = nullptr, *class_end = nullptr;
    const Result<> looked_up = Guarded([&] {
      vendor_end = pci_lookup_name(&access, vendor, sizeof vendor, kHow | PCI_LOOKUP_VENDOR,
                                   int{function.vendor});
      device_end = pci_lookup_name(&access, device, sizeof device, kHow | PCI_LOOKUP_DEVICE,
                                   int{function.vendor}, int{function.device});
      class_end = pci_lookup_name(&access, class_name, sizeof class_name, kHow | PCI_LOOKUP_CLASS,
                                  int{class_code});
    });
    if (!looked_up) return;
    const auto text = [](const char* name) { return std::string(name != nullptr ? name : ""); };
    found = names_.emplace(key, Names{text(vendor_end), text(device_end), text(class_end)}).first;
  }
  function.vendor_name = found->second.vendor;
  function.device_name = found->second.device;
  function.class_name = found->second.class_name;
}

Result<std::vector<PciFunction>> LibpciScanner::ScanOnce() {
  DRAPCI_TRY(const Access access, Open());
  DRAPCI_CHECK(Guarded([&] { pci_scan_bus(access.get()); }));
  std::vector<PciFunction> functions;
  for (pci_dev* device = access->devices; device != nullptr; device = device->next) {
    PciFunction function = FromLibpci(*device);
    if (Result<> completed = Complete(*device, function); !completed) {
      if (!sysfs_.Exists(function.address.SysfsPath())) continue;  // unplugged meanwhile
      return Fail(std::move(completed).error());
    }
    AddNames(*access, function);
    functions.push_back(std::move(function));
  }
  std::ranges::sort(functions, {}, &PciFunction::address);
  return functions;
}

}  // namespace

std::unique_ptr<PciScanner> MakeLibpciScanner(const Sysfs& sysfs, std::string bus_path) {
  return std::make_unique<LibpciScanner>(sysfs, std::move(bus_path));
}

}  // namespace drapci::hal
