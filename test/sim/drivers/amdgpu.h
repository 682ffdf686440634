// amdgpu with amdkfd: compute partitions, the KFD topology, and the DRM devices of partitions.
//
// drivers/gpu/drm/amd/amdgpu/{amdgpu_gfx,amdgpu_xcp,aqua_vanjaram,amdgpu_gmc}.c,
// drivers/gpu/drm/amd/amdxcp/amdgpu_xcp_drv.c, drivers/gpu/drm/amd/amdkfd/{kfd_topology,kfd_device,
// kfd_process}.c. Keys of the board's `model`:
//
//   xccs (8), vram (bytes), render (128: minor of the first render node), unique-id, product
//   memory (NPS1), available-memory ("NPS1, NPS4"; without it the kernel is one that has no such
//   file), mode (that the driver starts in; auto), alloc (CAPPING or ALL;
//   without it no such file), target (90402: gfx_target_version), partitions (false: a card or
//   kernel without the partition files), location (high: the partition in bits 31 to 28),
//   kfd-fails-in (a mode in which KFD does not start), in-reset (true), switch-ms (2000),
//   ras (umc sdma gfx mmhub xgmi_wafl: the blocks that count errors; empty: the card counts none)
//
// A process that computes is a directory /sys/class/kfd/kfd/proc/<pid> with a file vram_<gpu_id>.
// Not modelled: XGMI, the device cgroup, what runs on the card.
#pragma once

#include <string>
#include <vector>

#include "test/sim/drivers/driver_model.h"

namespace drapci::sim {

class AmdgpuModel : public DriverModel {
 public:
  using DriverModel::DriverModel;
  void Bound() override;
  void Unbound() override;

  // One node of the topology: a partition, or the card.
  struct KfdNode {
    uint64_t order = 0;  // of registration: later nodes have higher numbers
    unsigned gpu_id = 0;
    std::string properties, memory;  // the texts of `properties` and `mem_banks/0/properties`
  };
  const std::vector<KfdNode>& nodes() const { return nodes_; }

 private:
  // The device that the partition after the first has its nodes on.
  struct PlatformDevice {
    std::string name;  // "amdgpu_xcp_0"
    std::vector<ChildDevice> children;
  };

  unsigned Xccs() const;
  unsigned Domains() const;
  unsigned Partitions(std::string_view mode) const;
  bool IsValid(std::string_view mode) const;
  std::string AutoMode() const;
  std::string AvailableModes() const;
  void MakeFile(const std::string& name, std::string content);
  void MakePartitionFiles();
  void MakeRasFiles();
  void MakeOwnNodes();
  void MakePlatformDevice(unsigned index);
  int StoreMode(std::string_view value);
  int SwitchTo(const std::string& mode);
  int StoreMemory(std::string_view value);
  bool HasProcesses() const;
  void AddNodes();
  std::string Properties(unsigned index, unsigned count) const;

  std::string mode_;
  std::vector<std::string> files_;
  std::vector<PlatformDevice> platform_;
  std::vector<KfdNode> nodes_;
};

std::unique_ptr<DriverModel> MakeAmdgpuModel(Kernel::Impl& kernel, const PciAddress& address);

}  // namespace drapci::sim
