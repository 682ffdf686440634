// dfl-pci: FPGA cards with a device feature list
// (drivers/fpga/{dfl,dfl-pci,dfl-fme-main,dfl-fme-pr,
// dfl-fme-mgr,dfl-fme-br,dfl-afu-main,fpga-mgr,fpga-region}.c).
//
// Of the card, under `model`: `ports`, `compat-id`, `afu-id` (of every slot at power on),
// `bitstream-id`, `pr-ms` (how long programming takes), `assigned` ("driverless": ports come back
// as up to Linux 6.13). What is in a slot is remembered by the card, whatever driver it has.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "test/sim/drivers/driver_model.h"

namespace drapci::sim {

// The raw bitstream that these cards understand; real ones are the vendor's secret.
std::string DflBitstream(std::string_view interface_id, std::string_view afu_id,
                         size_t size = 4096);
// The GBS file around it. Identifiers are 32 hexadecimal digits.
std::string DflImage(std::string_view interface_id, std::string_view afu_id, size_t size = 4096);

class DflModel : public DriverModel {
 public:
  DflModel(Kernel::Impl& kernel, const PciAddress& address);
  void Bound() override;
  void Unbound() override {}
  int ConfigureVfs(unsigned& count) override;
  bool ServesNodes() const override { return true; }
  int Open(std::string_view node, bool alone) override;
  void Closed(std::string_view node) override;
  int Ioctl(std::string_view node, unsigned long request, uint64_t argument,
            CallerMemory& memory) override;

 private:
  // struct dfl_feature_dev_data.
  struct Openers {
    int count = 0;
    bool alone = false;
    int Begin(bool want_alone);  // dfl_feature_dev_use_begin
    void End();                  // dfl_feature_dev_use_end
  };
  struct Port {
    int id = 0;
    int disable_count = 0;
    bool released = false;
    bool driverless = false;
    Openers openers;
    ChildDevice device;
  };

  std::string AfuKey(int port) const;
  void MakeFme(const std::string& region);
  void MakeManager(const std::string& fme);
  void MakePort(Port& port);
  void MakeDriverlessPort(Port& port);
  void RemovePort(Port& port);
  void Make(ChildDevice child);
  Port* PortAt(std::string_view node);
  Port* PortWithId(int id);

  int FmeIoctl(unsigned long request, uint64_t argument, CallerMemory& memory);
  int PortIoctl(unsigned long request, uint64_t argument, CallerMemory& memory);
  int Program(uint64_t argument, CallerMemory& memory);
  void Begin(Port& port);
  int Finish(Port& port, const std::string& bitstream, int fault);
  int Release(int id);
  int Assign(int id);
  // As a write to the node: with faults and the log.
  int Logged(const std::string& value, int result);
  int Fault();

  std::string region_, fme_;  // below the function: "fpga_region/region0", ".../dfl-fme.0"
  std::string fme_node_;
  std::vector<Port> ports_;
  Openers fme_openers_;
  unsigned released_ = 0;
  std::string state_ = "unknown", status_;  // of the manager
};

std::unique_ptr<DriverModel> MakeDflModel(Kernel::Impl& kernel, const PciAddress& address);

}  // namespace drapci::sim
