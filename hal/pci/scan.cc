#include "hal/pci/scan.h"

#include <fmt/format.h>

extern "C" {
#include <pci/pci.h>
}

#include <endian.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstring>
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

// The attribute and not [[noreturn]]: it is part of the callback's type.
void OnError(char* format, ...) __attribute__((noreturn, format(printf, 1, 2)));
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

// Configuration space as far as ConfigSpace looks at it for a scan; the rest stays zero. Every
// register is a slow read from the device, in a virtual machine a trap, so only what is needed is
// read. Owns nothing: libpci may jump out of it.
class SparseConfig {
 public:
  SparseConfig(pci_dev& device, std::span<std::byte, 4096> bytes)
      : device_(device), bytes_(bytes) {}

  // How far it could be read.
  size_t Fill() {
    if (!Copy(PCI_VENDOR_ID, 8)) return 0;
    Copy(PCI_CACHE_LINE_SIZE, 4);
    if (!Copy(PCI_CAPABILITY_LIST, 4)) return 0;
    size_t length = FillStandard() ? 256 : 64;  // without privilege only 64 bytes can be read
    if (length == 256 && FillExtended()) length = 4096;
    return length;
  }

 private:
  bool Copy(int offset, int length) {
    if (offset + length > static_cast<int>(bytes_.size())) return false;
    return pci_read_block(&device_, offset, reinterpret_cast<u8*>(bytes_.data() + offset),
                          length) != 0;
  }
  u32 At(int offset) const {
    u32 word = 0;
    std::memcpy(&word, bytes_.data() + offset, sizeof word);
    return le32toh(word);
  }

  bool FillStandard() {
    int at = static_cast<int>(At(PCI_CAPABILITY_LIST) & 0xfc);
    for (int hop = 0; at >= 0x40 && hop < kHops; ++hop) {
      if (!Copy(at, 4)) return false;
      const u32 header = At(at);
      if ((header & 0xff) == PCI_CAP_ID_EXP) Copy(at + 4, PCI_EXP_LNKSTA - 2);
      at = static_cast<int>(header >> 8 & 0xfc);
    }
    return true;
  }

  bool FillExtended() {
    constexpr int kFirst = 0x100;
    if (!Copy(kFirst, 4)) return false;
    for (int at = kFirst, hop = 0; at >= kFirst && hop < kHops; ++hop) {
      if (!Copy(at, 4)) return true;
      const u32 header = At(at);
      if ((header & 0xffff) == PCI_EXT_CAP_ID_DSN) Copy(at + 4, 8);
      at = static_cast<int>(header >> 20 & 0xffc);
    }
    return true;
  }

  static constexpr int kHops = 64;  // longer lists are loops
  pci_dev& device_;
  std::span<std::byte, 4096> bytes_;
};

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
  DRAPCI_CHECK(ReadSysfsFacts(sysfs_, function));
  if (function.physfn) return {};  // a VF's own registers say little, and there can be hundreds
  std::array<std::byte, 4096> bytes = {};
  size_t length = 0;
  DRAPCI_CHECK(Guarded([&] { length = SparseConfig(device, bytes).Fill(); }));
  const ConfigSpace space(std::span<const std::byte>(bytes).first(length));
  function.pcie = space.Pcie();
  function.has_aer = space.HasAer();
  function.serial_number = space.SerialNumber();
  return {};
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
