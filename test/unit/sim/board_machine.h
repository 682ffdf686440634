// A machine with a board of test/sim/boards, for the tests of drivers' models.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "test/sim/board/board.h"
#include "test/sim/fake_host.h"

namespace drapci::sim {

struct BoardMachine : testing::Test {
  explicit BoardMachine(const std::string& board) { Load(board); }

  // A machine anew, with this board.
  void Load(const std::string& board) {
    machine = std::make_unique<FakeHost>();
    const auto loaded = LoadBoard(board, DRAPCI_SIM_BOARD_DIR);
    ASSERT_TRUE(loaded) << loaded.error().what;
    ASSERT_TRUE(Install(machine->kernel, {*loaded}));
  }

  std::unique_ptr<FakeHost> machine;
};

}  // namespace drapci::sim
