// The mlx5_core driver of a ConnectX PF, as far as devlink shows it: the mode of the embedded
// switch, ports with representors for VFs and sub-functions, their addresses and rates (as of Linux
// 6.12, drivers/net/ethernet/mellanox/mlx5/core).
//
// `model` of a board: speed (Mbit/s, 25000), sfs (how many sub-functions the firmware allows, 0),
// sf-driver (0: no driver takes them when they are active),
// busy (1: traffic rules hold the switch), vfs-first (1: the mode is fixed while VFs are there, as
// in ice), eswitch (0: no such operations), min-rate (0: no tx_share), serial, board-serial,
// firmware, fatal (the error count of the reporter fw_fatal).
//
// For tests, no file of any kernel: /sys/kernel/debug/devlink/<PCI address> tells the mode, rates
// and sub-functions.
//
// Not modelled: inline and encap modes, roce and migration of functions, multi-port switches, what
// happens in the background.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "test/sim/devlink/card.h"
#include "test/sim/drivers/driver_model.h"

namespace drapci::sim {

class Mlx5Model : public DriverModel, public DevlinkCard {
 public:
  using DriverModel::DriverModel;

  void Bound() override;
  void Unbound() override;
  void VfsMade() override;
  void VfsGone() override;
  DevlinkCard* Devlink() override { return this; }

  int SetMode(uint16_t mode, std::string& text) override;
  int SetHardwareAddress(uint32_t port, const std::string& mac, std::string& text) override;
  int SetActive(uint32_t port, bool active, std::string& text) override;
  int AddSubFunction(uint16_t pf, uint32_t sf, uint32_t& port, std::string& text) override;
  int RemovePort(uint32_t port, std::string& text) override;
  int SetRate(std::optional<uint32_t> port, const DevlinkRates& rates, std::string& text) override;

 private:
  // The device of an active sub-function: "mlx5_core.sf.2"; and all that there are of it, where the
  // function has RDMA those below as well.
  std::string Device(uint32_t index) const;
  std::vector<ChildDevice> Devices(uint32_t index) const;
  void Attach(uint32_t port);
  void Detach(uint32_t port);
  // The port's interface on the host's side.
  int MakeRepresentor(const std::string& name);
  void MakeVfPorts();
  void RemoveVfPorts();
  std::string Tell() const;
  std::string DebugFile() const { return "/sys/kernel/debug/devlink/" + address().ToString(); }
};

std::unique_ptr<DriverModel> MakeMlx5Model(Kernel::Impl& kernel, const PciAddress& address);

}  // namespace drapci::sim
