#include "hal/fpga/dfl.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "hal/base/parse.h"
#include "hal/fpga/gbs.h"

namespace drapci::hal {
namespace {

// include/uapi/linux/fpga-dfl.h
constexpr unsigned long kPortReset = 0xb640;           // DFL_FPGA_PORT_RESET
constexpr unsigned long kFmePortPr = 0xb680;           // DFL_FPGA_FME_PORT_PR
constexpr unsigned long kFmePortRelease = 0x4004b681;  // DFL_FPGA_FME_PORT_RELEASE
constexpr unsigned long kFmePortAssign = 0x4004b682;   // DFL_FPGA_FME_PORT_ASSIGN

struct PortPr {  // struct dfl_fpga_fme_port_pr
  uint32_t argsz = sizeof(PortPr);
  uint32_t flags = 0;
  uint32_t port_id = 0;
  uint32_t buffer_size = 0;
  uint64_t buffer_address = 0;
};
static_assert(sizeof(PortPr) == 24);

// "/dev/dfl-port.3", by the device's uevent file; empty when it has no node.
std::string NodeOf(const Sysfs& sysfs, const std::string& dir) {
  constexpr std::string_view kKey = "DEVNAME=";
  const auto uevent = sysfs.Read(dir + "/uevent");
  if (!uevent) return {};
  for (const std::string_view line : Split(*uevent, '\n')) {
    const std::string_view name = line.starts_with(kKey) ? line.substr(kKey.size()) : "";
    if (!name.empty() && name.find('/') == std::string_view::npos && name.front() != '.') {
      return fmt::format("/dev/{}", name);
    }
  }
  return {};
}

// The directories in `dir` that begin with `prefix`; none when it does not exist.
std::vector<std::string> Children(const Sysfs& sysfs, const std::string& dir,
                                  std::string_view prefix) {
  std::vector<std::string> children;
  const auto names = sysfs.List(dir);
  if (!names) return children;
  for (const std::string& name : *names) {
    if (name.starts_with(prefix)) children.push_back(fmt::format("{}/{}", dir, name));
  }
  return children;
}

void ReadFme(const Sysfs& sysfs, const std::string& dir, DflCard& card) {
  card.fme_dir = dir;
  card.fme_node = NodeOf(sysfs, dir);
  const auto ports = sysfs.Read(dir + "/ports_num");
  card.ports_num = std::clamp(ports ? ParseInt<int>(Trim(*ports)).value_or(0) : 0, 0, kMaxDflPorts);
  // One region for each port, all with the manager's interface.
  for (const std::string& region : Children(sysfs, dir, "dfl-fme-region.")) {
    for (const std::string& made : Children(sysfs, region + "/fpga_region", "region")) {
      const auto text = sysfs.Read(made + "/compat_id");
      const auto id = text ? ParseUuid(Trim(*text)) : std::nullopt;
      if (id && card.compat_id.empty()) card.compat_id = *id;
    }
  }
  for (const std::string& manager : Children(sysfs, dir, "dfl-fme-mgr.")) {
    card.manager = ReadFpgaManager(sysfs, manager);
  }
}

// What an errno of programming means.
std::string Meaning(int sys, const PortPr& request) {
  switch (sys) {
    case EINVAL: return "the driver does not take the request: this port cannot be programmed";
    case EBUSY: return "the card is being programmed by somebody else: try again";
    case ETIMEDOUT: return "the card did not finish in the driver's time";
    case EIO: return "the card refuses the bitstream";
    case ENOMEM:
      return fmt::format("the kernel has no memory for {} bytes: try again", request.buffer_size);
    case ENODEV: return "the card has gone";
    default: return {};
  }
}

Result<> Change(DevIo& dev, const DflCard& card, unsigned long request, int port_id,
                std::string_view what) {
  const std::string context = fmt::format("{} port {} by {}", what, port_id, card.fme_node);
  DRAPCI_TRY(const UniqueFd fme, dev.Open(card.fme_node, O_RDWR));
  int32_t id = port_id;
  auto done = dev.Ioctl(fme.get(), request, &id);
  if (done) return {};
  Error error = std::move(done).error();
  if (error.sys == EINVAL) {  // fme_ioctl makes that of ENODEV
    error.code = Code::kGone;
    error.what += "; it has no such port";
  }
  if (error.sys == EBUSY) error.what += "; somebody has it open, or it is so already";
  return Fail(std::move(error).Within(context));
}

}  // namespace

const DflPort* DflCard::Port(int id) const {
  const auto port = std::ranges::find(ports, id, &DflPort::id);
  return port != ports.end() ? &*port : nullptr;
}

Result<std::optional<DflCard>> FindDfl(const Sysfs& sysfs, const PciAddress& address) {
  DRAPCI_TRY(const std::string function, sysfs.Resolve(address.SysfsPath()));
  DflCard card;
  for (const std::string& region : Children(sysfs, function + "/fpga_region", "region")) {
    for (const std::string& fme : Children(sysfs, region, "dfl-fme.")) ReadFme(sysfs, fme, card);
    for (const std::string& dir : Children(sysfs, region, "dfl-port.")) {
      const auto text = sysfs.Read(dir + "/id");
      if (!text && sysfs.Exists(dir + "/uevent")) card.driverless_port = true;
      const auto id = text ? ParseInt<int>(Trim(*text)) : std::nullopt;
      if (!id || *id < 0 || *id >= kMaxDflPorts) continue;  // removed meanwhile
      card.ports.push_back({.id = *id, .dir = dir, .node = NodeOf(sysfs, dir)});
    }
  }
  if (card.fme_dir.empty()) return std::optional<DflCard>();
  std::ranges::sort(card.ports, {}, &DflPort::id);
  if (!card.ports.empty()) card.ports_num = std::max(card.ports_num, card.ports.back().id + 1);
  return std::optional(std::move(card));
}

Result<std::optional<std::string>> ReadAfuId(const Sysfs& sysfs, const DflPort& port) {
  const auto text = sysfs.Read(port.dir + "/afu_id");
  if (!text && text.error().sys == EBUSY) return std::optional<std::string>();
  if (!text) return std::unexpected(text.error());
  auto id = ParseUuid(Trim(*text));
  if (id) return id;
  return Fail(Code::kIo,
              fmt::format("{}/afu_id reads '{}', which is no UUID", port.dir, text->substr(0, 64)));
}

Result<> ProgramSlot(DevIo& dev, const DflCard& card, int port_id,
                     std::span<const std::byte> bitstream) {
  const std::string context = fmt::format("program port {} by {}", port_id, card.fme_node);
  if (bitstream.empty() || bitstream.size() > std::numeric_limits<uint32_t>::max()) {
    return Fail(Code::kInvalid,
                fmt::format("{}: {} bytes are no bitstream", context, bitstream.size()));
  }
  DRAPCI_TRY(const UniqueFd fme, dev.Open(card.fme_node, O_RDWR));
  PortPr request{.port_id = static_cast<uint32_t>(port_id),
                 .buffer_size = static_cast<uint32_t>(bitstream.size()),
                 .buffer_address = reinterpret_cast<uint64_t>(bitstream.data())};
  auto done = dev.Ioctl(fme.get(), kFmePortPr, &request);
  if (done) return {};
  Error error = std::move(done).error();
  if (const std::string meaning = Meaning(error.sys, request); !meaning.empty()) {
    error.what += fmt::format("; {}", meaning);
  }
  return Fail(std::move(error).Within(context));
}

Result<UniqueFd> OpenPortAlone(DevIo& dev, const DflPort& port) {
  return dev.Open(port.node, O_RDWR | O_EXCL);
}

Result<> ResetPort(DevIo& dev, const UniqueFd& port) {
  DRAPCI_CHECK(dev.Ioctl(port.get(), kPortReset, nullptr));
  return {};
}

Result<> ReleasePort(DevIo& dev, const DflCard& card, int port_id) {
  return Change(dev, card, kFmePortRelease, port_id, "release");
}

Result<> AssignPort(DevIo& dev, const DflCard& card, int port_id) {
  return Change(dev, card, kFmePortAssign, port_id, "assign");
}

}  // namespace drapci::hal
