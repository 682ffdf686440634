// Boards: the cards of a simulated machine, read from text files.
//
// A board is a YAML file (boards/*.yaml; their format is described in boards/README.md) or a
// recorded sysfs tree. Reading is strict: an unknown key, a wrong type or a bad value is an error
// with file and line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

struct Board {
  std::string name;
  std::vector<DriverSpec> drivers;
  std::vector<FunctionSpec> functions;
};

// What follows --board: "NAME[:key=value,...]" for a file of `directory`, "PATH[:key=value,...]"
// when it has a '/', or "tree:PATH" for a recorded tree.
Result<Board> LoadBoard(std::string_view argument, const std::string& directory);

// The YAML text of a board. `parameters` replace the file's defaults; every error found is in the
// message, one a line, as "FILE:LINE: what".
Result<Board> ParseBoard(const std::string& yaml, const std::string& file,
                         const std::vector<std::pair<std::string, std::string>>& parameters);

// A directory made by `drapci-sim record`: PATH/sys/devices/..., PATH/sys/bus/pci/devices/....
Result<Board> LoadTree(const std::string& path);

// Puts the cards in. kConflict when two boards want the same address; a driver that two boards name
// gets the ids of both.
Result<> Install(Kernel& kernel, const std::vector<Board>& boards);

}  // namespace drapci::sim
