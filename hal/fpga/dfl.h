// Cards with Intel's device feature list (Documentation/fpga/dfl.rst, driver dfl-pci): one
// management engine (FME), and ports, each with one slot that can be programmed alone.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hal/base/unique_fd.h"
#include "hal/fpga/manager.h"
#include "hal/os/dev_io.h"
#include "hal/os/sysfs.h"
#include "hal/pci/address.h"

namespace drapci::hal {

inline constexpr int kMaxDflPorts = 8;  // FME_CAP_NUM_PORTS has three bits

struct DflPort {
  int id = 0;        // the hardware's number; that of the directory and of the node is the kernel's
  std::string dir;   // its platform device in sysfs
  std::string node;  // "/dev/dfl-port.3"
  bool operator==(const DflPort&) const = default;
};

struct DflCard {
  std::string fme_dir, fme_node;
  int ports_num = 0;           // that the hardware has
  std::vector<DflPort> ports;  // that this function has now, by id; the others are a VF's
  // One of them has been released and assigned, and came back without its driver, as before Linux
  // 6.14: it does not tell which one it is, and works again when dfl-pci is bound anew.
  bool driverless_port = false;
  std::string compat_id;  // interface of the slots, 32 hexadecimal digits; empty: unknown
  FpgaManager manager;
  const DflPort* Port(int id) const;
};

// What dfl-pci has made of the function; nothing when it has no FME (other driver, VF). kGone when
// the function does not exist.
Result<std::optional<DflCard>> FindDfl(const Sysfs& sysfs, const PciAddress& address);

// The AFU that is in the slot, 32 hexadecimal digits; nothing while the port is held in reset,
// which it is for ever after a failed programming (drivers/fpga/dfl-afu-main.c afu_id_show: EBUSY).
Result<std::optional<std::string>> ReadAfuId(const Sysfs& sysfs, const DflPort& port);

// Programs slot `port_id` with a raw bitstream; the kernel holds the port in reset meanwhile.
// Blocks for seconds. The error says what the errno means here; the slot is then without a design
// and held in reset.
Result<> ProgramSlot(DevIo& dev, const DflCard& card, int port_id,
                     std::span<const std::byte> bitstream);

// Opens a port so that nobody else can open it (O_EXCL); kBusy when somebody has. Closing it resets
// the port and drops what its users had mapped.
Result<UniqueFd> OpenPortAlone(DevIo& dev, const DflPort& port);

Result<> ResetPort(DevIo& dev, const UniqueFd& port);

// Takes a port from this function, for a VF, and back. kGone for a port that there is not, kBusy
// when it is open, or is where it shall go already.
Result<> ReleasePort(DevIo& dev, const DflCard& card, int port_id);
Result<> AssignPort(DevIo& dev, const DflCard& card, int port_id);

}  // namespace drapci::hal
