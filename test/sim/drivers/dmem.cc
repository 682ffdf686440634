#include "test/sim/drivers/dmem.h"

#include <fmt/format.h>

namespace drapci::sim {
namespace {

constexpr const char* kFile = "/sys/fs/cgroup/dmem.capacity";
constexpr std::string_view kRegister = "dmem.";

}  // namespace

void RegisterDmem(Kernel::Impl& kernel, Function& function, const std::string& name,
                  uint64_t size) {
  function.registers[std::string(kRegister) + name] = std::to_string(size);
  kernel.tree.MakeFile(kFile, 0444, [&kernel] {
    std::string text;
    for (const auto& [address, each] : kernel.functions) {
      for (const auto& [key, value] : each->registers) {
        if (!key.starts_with(kRegister)) continue;
        text +=
            fmt::format("drm/{}/{} {}\n", address.ToString(), key.substr(kRegister.size()), value);
      }
    }
    return text;
  });
}

void UnregisterDmem(Function& function) {
  std::erase_if(function.registers,
                [](const auto& each) { return each.first.starts_with(kRegister); });
}

}  // namespace drapci::sim
