#include "test/sim/drivers/dfl.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace drapci::sim {
namespace {

// include/uapi/linux/fpga-dfl.h
constexpr unsigned long kGetApiVersion = 0xb600, kCheckExtension = 0xb601;
constexpr unsigned long kPortReset = 0xb640, kPortGetInfo = 0xb641;
constexpr unsigned long kFmePr = 0xb680, kFmeRelease = 0x4004b681, kFmeAssign = 0x4004b682;

struct PortPr {
  uint32_t argsz, flags, port_id, buffer_size;
  uint64_t buffer_address;
};
struct PortInfo {
  uint32_t argsz, flags, num_regions, num_umsgs;
};

constexpr unsigned kFmeMajor = 2060, kPortMajor = 2061;
constexpr size_t kMaxBitstream = size_t{64} << 20;  // what the model is willing to copy
constexpr std::string_view kBitstreamMagic = "DFLSIM01";
constexpr size_t kIdDigits = 32;
constexpr const char* kDefaultInterface = "69528db6eb31577a8c3668f9faa081f6";
constexpr const char* kDefaultAfu = "d8424dc4a4a3c413f89e433683f9040b";

// ida_alloc: the lowest number that is not taken in `dir` between `prefix` and `suffix`.
unsigned FreeNumber(const Tree& tree, std::string_view dir, std::string_view prefix,
                    std::string_view suffix = "") {
  unsigned number = 0;
  while (tree.Find(fmt::format("{}/{}{}{}", dir, prefix, number, suffix), false)) ++number;
  return number;
}

template <class T>
bool Copy(CallerMemory& memory, uint64_t address, T& into) {
  return memory.Read(address, std::as_writable_bytes(std::span(&into, 1)));
}

std::string Dashed(std::string_view digits) {
  return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                     digits.substr(12, 4), digits.substr(16, 4), digits.substr(20));
}

}  // namespace

std::string DflBitstream(std::string_view interface_id, std::string_view afu_id, size_t size) {
  std::string bits = fmt::format("{}{}{}", kBitstreamMagic, interface_id, afu_id);
  bits.resize(std::max(size, bits.size()), '\x5a');
  return bits;
}

std::string DflImage(std::string_view interface_id, std::string_view afu_id, size_t size) {
  const std::string metadata = fmt::format(
      R"({{"version":1,"afu-image":{{"magic-no":488605312,"interface-uuid":"{}","power":0,)"
      R"("accelerator-clusters":[{{"total-contexts":1,"name":"sim",)"
      R"("accelerator-type-uuid":"{}"}}]}},"platform-name":"SIM"}})",
      Dashed(interface_id), Dashed(afu_id));
  std::string file = "XeonFPGA\xb7GBSv001";
  for (unsigned shift = 0; shift < 32; shift += 8) {
    file.push_back(static_cast<char>(metadata.size() >> shift & 0xff));
  }
  return file + metadata + DflBitstream(interface_id, afu_id, size);
}

DflModel::DflModel(Kernel::Impl& kernel, const PciAddress& address) : DriverModel(kernel, address) {
  const int count = static_cast<int>(GivenNumber("ports", 1));
  for (int id = 0; id < count; ++id) {
    ports_.push_back({.id = id, .openers = {}, .device = {}});
    registers().emplace(AfuKey(id), Given("afu-id", kDefaultAfu));
  }
}

std::string DflModel::AfuKey(int port) const { return fmt::format("afu{}", port); }

void DflModel::Make(ChildDevice child) {
  kernel().MakeChild(function().dir, child);
  function().live_children.push_back(std::move(child));
}

// dfl_fpga_feature_devs_enumerate: the base region, then the FME, then the ports.
void DflModel::Bound() {
  region_ =
      fmt::format("fpga_region/region{}", FreeNumber(tree(), "/sys/class/fpga_region", "region"));
  Make({.path = region_, .subsystem = "fpga_region", .files = {}});
  MakeFme(region_);
  for (Port& port : ports_) MakePort(port);
}

void DflModel::MakeFme(const std::string& region) {
  const unsigned number = FreeNumber(tree(), "/sys/bus/platform/devices", "dfl-fme.");
  const std::string name = fmt::format("dfl-fme.{}", number);
  fme_ = fmt::format("{}/{}", region, name);
  fme_node_ = "/dev/" + name;
  Make({.path = fme_,
        .subsystem = "platform",
        .devname = name,
        .type = 'c',
        .major = kFmeMajor,
        .minor = number,
        .permissions = 0600,
        .files = {{"ports_num", {.content = fmt::format("{}\n", ports_.size())}},
                  {"bitstream_id", {.content = Given("bitstream-id", "0x23000410010310") + "\n"}},
                  {"bitstream_metadata", {.content = "0x0\n"}},
                  {"errors/fme_errors", {.content = "0x0\n", .mode = 0644}},
                  {"errors/nonfatal_errors", {.content = "0x0\n"}},
                  {"errors/catfatal_errors", {.content = "0x0\n"}}}});
  MakeManager(fme_);
  // dfl-fme-pr.c pr_mgmt_init: a bridge and a region for each port, with the bridge's number.
  for (size_t i = 0; i < ports_.size(); ++i) {
    const std::string& dir = fme_;
    const unsigned id = FreeNumber(tree(), "/sys/bus/platform/devices", "dfl-fme-bridge.", ".auto");
    const std::string bridge = fmt::format("{}/dfl-fme-bridge.{}.auto", dir, id);
    Make({.path = bridge, .subsystem = "platform", .files = {}});
    // fpga-bridge.c state_show: this driver has no enable_show, so it is always the same.
    Make({.path = fmt::format("{}/fpga_bridge/br{}", bridge,
                              FreeNumber(tree(), "/sys/class/fpga_bridge", "br")),
          .subsystem = "fpga_bridge",
          .files = {{"name", {.content = "DFL FPGA FME Bridge\n"}},
                    {"state", {.content = "enabled\n"}}}});
    const std::string pr_region = fmt::format("{}/dfl-fme-region.{}", dir, id);
    Make({.path = pr_region, .subsystem = "platform", .files = {}});
    // fpga-region.c compat_id_show: high half, then low half.
    Make({.path = fmt::format("{}/fpga_region/region{}", pr_region,
                              FreeNumber(tree(), "/sys/class/fpga_region", "region")),
          .subsystem = "fpga_region",
          .files = {{"compat_id", {.content = Given("compat-id", kDefaultInterface) + "\n"}}}});
  }
}

void DflModel::MakeManager(const std::string& fme) {
  const std::string device = fmt::format(
      "{}/dfl-fme-mgr.{}", fme, FreeNumber(tree(), "/sys/bus/platform/devices", "dfl-fme-mgr."));
  Make({.path = device, .subsystem = "platform", .files = {}});
  const std::string manager = fmt::format("{}/fpga_manager/fpga{}", device,
                                          FreeNumber(tree(), "/sys/class/fpga_manager", "fpga"));
  Make({.path = manager,
        .subsystem = "fpga_manager",
        .files = {{"name", {.content = "DFL FME FPGA Manager\n"}}}});
  const std::string dir = function().dir + "/" + manager;
  tree().MakeFile(dir + "/state", 0444, [this] { return state_ + "\n"; });
  tree().MakeFile(dir + "/status", 0444, [this] { return status_; });
}

void DflModel::MakePort(Port& port) {
  const unsigned number = FreeNumber(tree(), "/sys/bus/platform/devices", "dfl-port.");
  const std::string name = fmt::format("dfl-port.{}", number);
  port.device = {.path = fmt::format("{}/{}", region_, name),
                 .subsystem = "platform",
                 .devname = name,
                 .type = 'c',
                 .major = kPortMajor,
                 .minor = number,
                 .permissions = 0600,
                 .files = {{"id", {.content = fmt::format("{}\n", port.id)}},
                           {"power_state", {.content = "0x0\n"}},
                           {"errors/errors", {.content = "0x0\n", .mode = 0644}}}};
  Make(port.device);
  // dfl-afu-main.c afu_id_show.
  tree().MakeFile(fmt::format("{}/{}/afu_id", function().dir, port.device.path), 0444,
                  [this, id = port.id]() -> std::expected<std::string, int> {
                    if (PortWithId(id)->disable_count != 0) return std::unexpected(EBUSY);
                    return registers().at(AfuKey(id)) + "\n";
                  });
}

// By its old name; its node is there, and nobody serves it.
void DflModel::MakeDriverlessPort(Port& port) {
  port.device.files.clear();
  Make(port.device);
}

void DflModel::RemovePort(Port& port) {
  std::erase_if(function().live_children,
                [&](const ChildDevice& child) { return child.path == port.device.path; });
  kernel().RemoveChild(function().dir, port.device);
}

// dfl.c dfl_fpga_cdev_config_ports_vf: as many VFs as there are released ports.
int DflModel::ConfigureVfs(unsigned& count) { return count == released_ ? 0 : EINVAL; }

int DflModel::Openers::Begin(bool want_alone) {
  if (alone || (want_alone && count != 0)) return -EBUSY;
  alone = want_alone;
  ++count;
  return 0;
}

void DflModel::Openers::End() {
  alone = false;
  if (count > 0) --count;
}

DflModel::Port* DflModel::PortAt(std::string_view node) {
  const auto port = std::ranges::find_if(ports_, [&](const Port& each) {
    return !each.released && !each.driverless && node == "/dev/" + each.device.devname;
  });
  return port != ports_.end() ? &*port : nullptr;
}

DflModel::Port* DflModel::PortWithId(int id) {
  const auto port = std::ranges::find(ports_, id, &Port::id);
  return port != ports_.end() ? &*port : nullptr;
}

// afu_open, fme_open.
int DflModel::Open(std::string_view node, bool alone) {
  if (node == fme_node_) return fme_openers_.Begin(alone);
  Port* port = PortAt(node);
  return port != nullptr ? port->openers.Begin(alone) : -ENXIO;
}

// afu_release resets the port after the last one; the count of disablings is the same after it.
void DflModel::Closed(std::string_view node) {
  if (node == fme_node_) return fme_openers_.End();
  if (Port* port = PortAt(node)) port->openers.End();
}

int DflModel::Ioctl(std::string_view node, unsigned long request, uint64_t argument,
                    CallerMemory& memory) {
  if (request == kGetApiVersion || request == kCheckExtension) return 0;
  if (node == fme_node_) return FmeIoctl(request, argument, memory);
  return PortAt(node) != nullptr ? PortIoctl(request, argument, memory) : -ENODEV;
}

// fme_ioctl: what no feature knows is EINVAL.
int DflModel::FmeIoctl(unsigned long request, uint64_t argument, CallerMemory& memory) {
  if (request == kFmePr) return Program(argument, memory);
  if (request != kFmeRelease && request != kFmeAssign) return -EINVAL;
  int32_t id = 0;
  if (!Copy(memory, argument, id)) return -EFAULT;  // get_user
  const bool release = request == kFmeRelease;
  const int fault = Fault();
  return Logged(fmt::format("{} {}", release ? "release" : "assign", id),
                fault != 0 ? -fault : (release ? Release(id) : Assign(id)));
}

// afu_ioctl. Resetting a port that is enabled disables and enables it; one that is disabled stays
// so
// (__afu_port_disable counts).
int DflModel::PortIoctl(unsigned long request, uint64_t argument, CallerMemory& memory) {
  if (request == kPortReset) return argument == 0 ? 0 : -EINVAL;
  if (request != kPortGetInfo) return -EINVAL;
  PortInfo info{};
  if (!Copy(memory, argument, info)) return -EFAULT;
  if (info.argsz < sizeof info) return -EINVAL;
  info = {.argsz = sizeof info, .flags = 0, .num_regions = 1, .num_umsgs = 0};
  return memory.Write(argument, std::as_bytes(std::span(&info, 1))) ? 0 : -EFAULT;
}

int DflModel::Fault() { return kernel().owner.faults().OnWrite(fme_node_, fme_node_).error; }

int DflModel::Logged(const std::string& value, int result) {
  kernel().owner.faults().Log(fme_node_, value, result < 0 ? -result : 0);
  return result;
}

// dfl.c dfl_fpga_cdev_release_port: EBUSY when it is released already, or open. Its ENODEV for no
// such port is taken by fme_ioctl for "not mine", so that EINVAL comes out.
int DflModel::Release(int id) {
  Port* port = PortWithId(id);
  if (port == nullptr) return -EINVAL;
  if (port->released) return -EBUSY;
  if (port->openers.count != 0) return -EBUSY;
  RemovePort(*port);
  port->released = true;
  ++released_;
  return 0;
}

// dfl.c dfl_fpga_cdev_assign_port. Up to 6.13 it added the same platform device again, for which
// the driver core has no driver any more (drivers/base/dd.c: dead).
int DflModel::Assign(int id) {
  Port* port = PortWithId(id);
  if (port == nullptr) return -EINVAL;
  if (!port->released) return -EBUSY;
  port->released = false;
  port->openers = {};
  port->driverless = Given("assigned", "") == "driverless";
  if (port->driverless) {
    MakeDriverlessPort(*port);
  } else {
    MakePort(*port);
  }
  --released_;
  return 0;
}

// dfl-fme-pr.c fme_pr.
int DflModel::Program(uint64_t argument, CallerMemory& memory) {
  PortPr request{};
  if (!Copy(memory, argument, request)) return -EFAULT;
  if (request.argsz < sizeof request || request.flags != 0) return -EINVAL;
  if (request.port_id >= ports_.size()) return -EINVAL;
  if (request.buffer_size == 0 || request.buffer_size > kMaxBitstream) return -ENOMEM;  // vmalloc
  std::string bitstream(request.buffer_size, '\0');
  if (!memory.Read(request.buffer_address, std::as_writable_bytes(std::span(bitstream)))) {
    return -EFAULT;
  }
  // Whoever comes second waits for the engine's lock; so does who unbinds the driver. By then it
  // may be another driver's, or this one's again with another model.
  Kernel::Impl& kernel = this->kernel();
  const PciAddress address = this->address();
  if (!kernel.LockDevice(address)) return -ENODEV;
  if (const Function* function = kernel.Get(address); function->model.get() != this) {
    kernel.UnlockDevice(address);
    return -ENODEV;
  }
  const int fault = Fault();
  // Whatever else than the hardware's own refusals comes before the bridge is touched.
  const bool hardware = fault == 0 || fault == EIO || fault == ETIMEDOUT;
  if (hardware) {
    Begin(*PortWithId(static_cast<int>(request.port_id)));
    kernel.Sleep(Milliseconds(GivenNumber("pr-ms", 1500)));
  }
  kernel.UnlockDevice(address);
  if (kernel.Get(address) == nullptr) return -ENODEV;  // pulled
  const int result =
      hardware ? Finish(*PortWithId(static_cast<int>(request.port_id)), bitstream, fault) : -fault;
  return Logged(fmt::format("program {}", request.port_id), result);
}

// fpga-region.c fpga_region_program_fpga: bridges are disabled, the manager writes, bridges are
// enabled; after a failure they stay disabled.
void DflModel::Begin(Port& port) {
  ++port.disable_count;
  state_ = "write";
  status_.clear();
}

int DflModel::Finish(Port& port, const std::string& bitstream, int fault) {
  const std::string_view bits = bitstream;
  const bool understood =
      bits.starts_with(kBitstreamMagic) && bits.size() >= kBitstreamMagic.size() + 2 * kIdDigits;
  const std::string_view ids = understood ? bits.substr(kBitstreamMagic.size()) : "";
  if (fault == ETIMEDOUT) {
    state_ = "write complete error";  // fme_mgr_write_complete: the engine does not end
    return -ETIMEDOUT;
  }
  // fme_mgr_write_complete reads the errors of the engine.
  if (fault != 0 || !understood) {
    status_ = "reconfig CRC error\n";
  } else if (ids.substr(0, kIdDigits) != Given("compat-id", kDefaultInterface)) {
    status_ = "reconfig incompatible image\n";
  }
  if (!status_.empty()) {
    state_ = "write complete error";
    return -EIO;
  }
  registers().insert_or_assign(AfuKey(port.id), std::string(ids.substr(kIdDigits, kIdDigits)));
  state_ = "operating";
  --port.disable_count;
  return 0;
}

std::unique_ptr<DriverModel> MakeDflModel(Kernel::Impl& kernel, const PciAddress& address) {
  return std::make_unique<DflModel>(kernel, address);
}

}  // namespace drapci::sim
