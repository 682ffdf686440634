#include "hal/fpga/manager.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"

namespace drapci::hal {

FpgaManager ReadFpgaManager(const Sysfs& sysfs, const std::string& dir) {
  FpgaManager manager;
  const auto names = sysfs.List(dir + "/fpga_manager");
  if (!names || names->empty()) return manager;
  const auto read = [&](const char* file) {
    const auto text = sysfs.Read(fmt::format("{}/fpga_manager/{}/{}", dir, names->front(), file));
    std::string line = text ? std::string(Trim(*text)) : std::string();
    std::ranges::replace(line, '\n', ',');  // status has a line for each error
    return line;
  };
  manager.name = read("name");
  manager.state = read("state");
  manager.status = read("status");
  return manager;
}

}  // namespace drapci::hal
