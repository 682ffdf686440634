#include "test/node/support/hardware.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "test/node/support/node.h"

namespace drapci::test {
namespace fs = std::filesystem;
namespace {

const fs::path kDevices = "/sys/bus/pci/devices";

std::string Text(const fs::path& file) {
  std::string line;
  std::getline(std::ifstream(file) >> std::ws, line);
  return line;
}

void AddNetwork(const std::string& name, const fs::path& function, HardwareImage& out) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(function / "net", error)) {
    out[fmt::format("{} {}", name, entry.path().filename().string())] = Text(entry.path() / "mtu");
  }
  if (!fs::exists(function / "sriov_numvfs")) return;
  const auto settings =
      RunCommand({Programs::FromEnvironment().sim, "inject", "vf-settings", name});
  if (settings && settings->code == 0) out[name + " VFs"] = settings->out;
}

}  // namespace

HardwareImage ReadHardware() {
  HardwareImage out;
  std::error_code error;
  const bool simulated = getenv("DRAPCI_SIM_SOCKET") != nullptr;
  for (const auto& entry : fs::directory_iterator(kDevices, error)) {
    const std::string name = entry.path().filename();
    for (const char* attribute : {"sriov_numvfs", "sriov_drivers_autoprobe", "driver_override"}) {
      if (fs::exists(entry.path() / attribute))
        out[name + " " + attribute] = Text(entry.path() / attribute);
    }
    const fs::path driver = fs::read_symlink(entry.path() / "driver", error);
    out[name + " driver"] = error ? "" : driver.filename().string();
    if (simulated) AddNetwork(name, entry.path(), out);
  }
  return out;
}

std::string Differences(const HardwareImage& expected, const HardwareImage& found) {
  std::set<std::string> keys;
  for (const auto& [key, value] : expected) keys.insert(key);
  for (const auto& [key, value] : found) keys.insert(key);
  std::string out;
  for (const std::string& key : keys) {
    auto is = [&](const HardwareImage& image) {
      auto at = image.find(key);
      return at == image.end() ? "absent" : "\"" + at->second + "\"";
    };
    if (is(expected) != is(found))
      out += fmt::format("{}: {} instead of {}\n", key, is(found), is(expected));
  }
  return out;
}

std::vector<std::string> PhysicalFunctions() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kDevices, error)) {
    if (fs::exists(entry.path() / "sriov_totalvfs")) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

Result<std::string> FirstPhysicalFunction() {
  const std::vector<std::string> names = PhysicalFunctions();
  if (!names.empty()) return names.front();
  return Fail(Code::kNotFound, "no PCI function with SR-IOV here; run this under drapci-sim");
}

std::string DeviceNameOf(std::string address) {
  std::ranges::replace_if(address, [](char c) { return c == ':' || c == '.'; }, '-');
  return "pci-" + address;
}

}  // namespace drapci::test
