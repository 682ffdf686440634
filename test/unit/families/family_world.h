// A machine with the board of one family and a manager on it.
#pragma once

#include <string>

#include "hal/fpga/image_store.h"
#include "test/unit/driver/world.h"
#include "test/unit/families/family.h"
#include "test/unit/os/temporary_directory.h"

namespace drapci::test {

// Puts a board of test/sim/boards ("sriov-nic:vfs=4") into the machine.
void Insert(sim::Kernel& kernel, const std::string& board);

struct FamilyWorld : driver::World {
  explicit FamilyWorld(const FamilyCase& with);

  // Boots, and prepares the other claim where the case has one.
  void Begin();
  // The claim of the case, as "a".
  Result<driver::PreparedClaim> PrepareIt();
  Result<driver::Manager::DryRun> PlanIt();

  // Every attribute of the card that can be read, and what the model knows besides: all that a
  // claim may have changed. Numbers that the kernel hands out are left out.
  std::string State();

 private:
  void Dump(const std::string& dir, std::string& text);

  const FamilyCase case_;
  const TemporaryDirectory image_dir_;
  hal::ImageStore images_;
};

}  // namespace drapci::test
