// A card as its driver has registered it with devlink: what net/devlink keeps of it, and what it
// asks the driver to do.
//
// A driver's model (drivers/driver_model.h) that has one derives from it. Every method runs with
// the kernel model's mutex held.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace drapci::sim {

struct DevlinkRates {
  uint64_t tx_share = 0, tx_max = 0;  // bytes a second
  std::string parent = {};
};

// struct devlink_port, with the function behind it.
struct DevlinkCardPort {
  uint16_t flavour = 0;  // enum devlink_port_flavour
  std::optional<uint16_t> pf = {}, vf = {};
  std::optional<uint32_t> sf = {};
  int interface = 0;                        // the id of its network interface in the model
  std::string ibdev = {};                   // of its RDMA device
  std::optional<std::string> hw_addr = {};  // of the function
  std::optional<bool> active = {}, attached = {};
  std::optional<DevlinkRates> rate = {};  // it is a leaf
};

struct DevlinkCardReporter {
  std::string name = {};
  bool error = false;
  uint64_t errors = 0, recoveries = 0;
};

class DevlinkCard {
 public:
  virtual ~DevlinkCard() = default;

  // What the driver does: 0 or an errno, which `text` explains.
  virtual int SetMode(uint16_t mode, std::string& text) = 0;
  virtual int SetHardwareAddress(uint32_t port, const std::string& mac, std::string& text) = 0;
  virtual int SetActive(uint32_t port, bool active, std::string& text) = 0;
  virtual int AddSubFunction(uint16_t pf, uint32_t sf, uint32_t& port, std::string& text) = 0;
  virtual int RemovePort(uint32_t port, std::string& text) = 0;
  // A rate of a leaf, or of a node (`port` empty), which is kept when the driver takes it.
  virtual int SetRate(std::optional<uint32_t> port, const DevlinkRates& rates,
                      std::string& text) = 0;

  std::string driver = {}, serial = {}, board_serial = {}, firmware = {};
  std::optional<uint16_t> mode = {};  // enum devlink_eswitch_mode; empty: no such operations
  std::map<uint32_t, DevlinkCardPort> ports = {};
  std::map<std::string, DevlinkRates> nodes = {};
  std::vector<DevlinkCardReporter> reporters = {};
};

}  // namespace drapci::sim
