// A machine with the board of one family and a manager on it.
#pragma once

#include <string>
#include <vector>

#include "hal/fpga/image_store.h"
#include "test/sim/nvml/simulated_gpus.h"
#include "test/unit/driver/world.h"
#include "test/unit/families/family.h"
#include "test/unit/os/temporary_directory.h"

namespace drapci::test {

// Puts a board of test/sim/boards ("sriov-nic:vfs=4") into the machine.
void Insert(sim::Kernel& kernel, const std::string& board);

// Every attribute below `dir` that can be read: all that a claim may have changed. Numbers that the
// kernel hands out are left out, and the functions below a bridge.
std::string AttributesBelow(sim::Kernel& kernel, const std::string& dir);

struct FamilyWorld : driver::World {
  explicit FamilyWorld(const FamilyCase& with);
  ~FamilyWorld() { manager.reset(); }

  // Boots, and prepares the other claim where the case has one.
  void Begin();
  // The claim of the case, as "a".
  Result<driver::PreparedClaim> PrepareIt();
  Result<driver::Manager::DryRun> PlanIt();

  // The device nodes that the container of the claim has got and no other claim's.
  std::vector<std::string> NodesOfIt();

  // AttributesBelow() the card, and what the model knows besides.
  std::string State();

  // The changes that NVIDIA's library was asked for so far, and which of them it refuses.
  int gpu_calls = 0, refused_gpu_call = -1;
  std::unique_ptr<sim::SimulatedGpus> gpus;  // null on boards without any

 private:
  Result<> MayChangeGpu();
  const FamilyCase case_;
  const TemporaryDirectory image_dir_;
  hal::ImageStore images_;
};

}  // namespace drapci::test
