// Boards from recorded sysfs trees.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "hal/base/parse.h"
#include "test/sim/board/board.h"

namespace drapci::sim {
namespace {

namespace fs = std::filesystem;

// What the model makes itself; all other files of a function are kept as they were.
bool MadeByModel(const std::string& name) {
  static const std::set<std::string, std::less<>> kNames = {"vendor",
                                                            "device",
                                                            "subsystem_vendor",
                                                            "subsystem_device",
                                                            "class",
                                                            "revision",
                                                            "irq",
                                                            "modalias",
                                                            "local_cpus",
                                                            "local_cpulist",
                                                            "ari_enabled",
                                                            "power_state",
                                                            "numa_node",
                                                            "msi_bus",
                                                            "broken_parity_status",
                                                            "d3cold_allowed",
                                                            "dma_mask_bits",
                                                            "consistent_dma_mask_bits",
                                                            "uevent",
                                                            "driver_override",
                                                            "enable",
                                                            "config",
                                                            "remove",
                                                            "rescan",
                                                            "boot_vga",
                                                            "secondary_bus_number",
                                                            "subordinate_bus_number",
                                                            "resource",
                                                            "reset",
                                                            "reset_method",
                                                            "current_link_speed",
                                                            "max_link_speed",
                                                            "current_link_width",
                                                            "max_link_width",
                                                            "waiting_for_supplier"};
  return kNames.contains(name) || name.starts_with("sriov_") || name.starts_with("aer_");
}

std::string ReadRaw(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string ReadLine(const fs::path& path) { return std::string(Trim(ReadRaw(path))); }

template <class Number>
void ReadNumber(const fs::path& path, Number& to, int base = 10) {
  std::string text = ReadLine(path);
  std::string_view digits = text;
  if (base == 16 && digits.starts_with("0x")) digits.remove_prefix(2);
  if (auto number = ParseInt<Number>(digits, base)) to = *number;
}

std::string LinkName(const fs::path& path) {
  std::error_code missing;
  return fs::read_symlink(path, missing).filename();
}

unsigned Mode(const fs::path& path) {
  std::error_code missing;
  return static_cast<unsigned>(fs::status(path, missing).permissions()) & 0777;
}

std::string UeventValue(const fs::path& device, const std::string& key) {
  std::string text = ReadRaw(device / "uevent");
  for (std::string_view line : Split(text, '\n')) {
    if (line.starts_with(key + "=")) return std::string(line.substr(key.size() + 1));
  }
  return "";
}

std::map<std::string, ExtraFile> PlainFiles(const fs::path& directory, const std::string& prefix,
                                            bool (*skip)(const std::string&)) {
  std::map<std::string, ExtraFile> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::string name = entry.path().filename();
    if (!entry.is_symlink() && entry.is_regular_file() && !skip(name)) {
      files[prefix + name] = {.content = ReadRaw(entry.path()), .mode = Mode(entry.path())};
    }
  }
  return files;
}

bool MadeForChild(const std::string& name) { return name == "uevent" || name == "dev"; }

// Class devices below `directory`; other PCI functions below (bridges) are not entered, VFIO is
// made by the model.
void FindChildren(const fs::path& directory, const std::string& prefix, FunctionSpec& function) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::string name = entry.path().filename();
    if (entry.is_symlink() || !entry.is_directory() || PciAddress::Parse(name)) continue;
    std::string path = prefix + name, subsystem = LinkName(entry.path() / "subsystem");
    if (subsystem == "net") {
      NetInterface net{.name = name, .mac = ReadLine(entry.path() / "address")};
      net.operstate = ReadLine(entry.path() / "operstate");
      ReadNumber(entry.path() / "mtu", net.mtu);
      function.interfaces.push_back(std::move(net));
      continue;
    }
    if (!subsystem.empty() && subsystem != "vfio-dev" && fs::exists(entry.path() / "uevent")) {
      ChildDevice child{.path = path,
                        .subsystem = subsystem,
                        .devname = UeventValue(entry.path(), "DEVNAME"),
                        .type = subsystem == "block" ? 'b' : 'c',
                        .major = 0,
                        .minor = 0,
                        .permissions = 0600,
                        .files = PlainFiles(entry.path(), "", MadeForChild)};
      std::string number = ReadLine(entry.path() / "dev");
      auto halves = Split(number, ':');
      if (halves.size() == 2) {
        child.major = ParseInt<unsigned>(halves[0]).value_or(0);
        child.minor = ParseInt<unsigned>(halves[1]).value_or(0);
      }
      function.children.push_back(std::move(child));
    }
    FindChildren(entry.path(), path + "/", function);
  }
}

std::optional<SriovSpec> ReadSriov(const fs::path& dir) {
  if (!fs::exists(dir / "sriov_totalvfs")) return std::nullopt;
  SriovSpec sriov;
  ReadNumber(dir / "sriov_totalvfs", sriov.total);
  ReadNumber(dir / "sriov_numvfs", sriov.initial);
  ReadNumber(dir / "sriov_offset", sriov.offset);
  ReadNumber(dir / "sriov_stride", sriov.stride);
  ReadNumber(dir / "sriov_vf_device", sriov.vf_device, 16);
  ReadNumber(dir / "sriov_vf_total_msix", sriov.vf_total_msix);
  sriov.vf_driver = LinkName(dir / "virtfn0/driver");
  if (sriov.vf_driver.contains("vfio")) sriov.vf_driver.clear();
  return sriov;
}

FunctionSpec ReadFunction(const PciAddress& address, const fs::path& dir) {
  FunctionSpec function;
  function.address = address;
  ReadNumber(dir / "vendor", function.vendor, 16);
  ReadNumber(dir / "device", function.device, 16);
  ReadNumber(dir / "subsystem_vendor", function.subsystem_vendor, 16);
  ReadNumber(dir / "subsystem_device", function.subsystem_device, 16);
  ReadNumber(dir / "class", function.class_code, 16);
  ReadNumber(dir / "revision", function.revision, 16);
  ReadNumber(dir / "numa_node", function.numa_node);
  ReadNumber(dir / "irq", function.irq);
  function.iommu_group = ParseInt<int>(LinkName(dir / "iommu_group"));
  std::string above = dir.parent_path().filename();
  function.parent = PciAddress::Parse(above);
  if (!function.parent && above.starts_with("pci")) {
    function.root_bus = ParseInt<int>(above.substr(above.rfind(':') + 1), 16).value_or(0);
  }
  function.driver = LinkName(dir / "driver");
  function.sriov = ReadSriov(dir);
  function.boot_vga = ReadLine(dir / "boot_vga") == "1";
  function.pcie = fs::exists(dir / "max_link_speed");
  function.link_speed = ReadLine(dir / "current_link_speed");
  function.max_link_speed = ReadLine(dir / "max_link_speed");
  ReadNumber(dir / "current_link_width", function.link_width);
  ReadNumber(dir / "max_link_width", function.max_link_width);
  function.aer = fs::exists(dir / "aer_dev_correctable");
  function.reset_method = ReadLine(dir / "reset_method");
  if (fs::exists(dir / "secondary_bus_number")) {
    std::pair<uint8_t, uint8_t> buses{};
    ReadNumber(dir / "secondary_bus_number", buses.first);
    ReadNumber(dir / "subordinate_bus_number", buses.second);
    function.buses = buses;
  }
  std::string config = ReadRaw(dir / "config");
  constexpr size_t kLegacy = 256;  // less was recorded without privilege: made anew
  if (config.size() >= kLegacy) {
    function.config.resize(config.size());
    std::ranges::transform(config, function.config.begin(),
                           [](char c) { return static_cast<std::byte>(c); });
  }
  std::string resource = ReadRaw(dir / "resource");
  for (std::string_view line : Split(resource, '\n')) {
    if (!line.empty()) function.resource_lines.emplace_back(line);
  }
  function.files = PlainFiles(dir, "", MadeByModel);
  if (!function.driver.contains("vfio")) FindChildren(dir, "", function);
  return function;
}

}  // namespace

Result<Board> LoadTree(const std::string& path) {
  Board board{.name = path, .drivers = {}, .functions = {}};
  try {
    fs::path devices = fs::path(path) / "sys/bus/pci/devices";
    if (!fs::exists(devices)) {
      return Fail(Code::kNotFound,
                  fmt::format("{} is no recorded tree: {} is missing", path, devices.string()));
    }
    for (const auto& entry : fs::directory_iterator(devices)) {
      auto address = PciAddress::Parse(entry.path().filename().string());
      if (!address) continue;
      fs::path dir = fs::canonical(entry.path());
      if (fs::exists(fs::symlink_status(dir / "physfn"))) continue;  // its PF makes it
      board.functions.push_back(ReadFunction(*address, dir));
    }
  } catch (const fs::filesystem_error& error) {
    return Fail(Error::FromErrno(error.code().value(), fmt::format("read the tree {}", path)));
  }
  std::ranges::sort(board.functions, {}, &FunctionSpec::address);
  // One driver can drive several functions, so it is named here once with all of their ids.
  std::map<std::string, DriverSpec> drivers;
  for (const FunctionSpec& function : board.functions) {
    if (function.driver.empty()) continue;
    DriverSpec& driver = drivers[function.driver];
    driver.name = function.driver;
    if (driver.name.contains("vfio")) {
      driver.override_only = driver.vfio = true;
      continue;
    }
    driver.ids.push_back({.vendor = function.vendor, .device = function.device});
    driver.sriov_configure = driver.sriov_configure || function.sriov.has_value();
    if (function.sriov && function.sriov->vf_driver == driver.name) {
      driver.ids.push_back({.vendor = function.vendor, .device = function.sriov->vf_device});
    }
  }
  for (auto& [name, driver] : drivers) board.drivers.push_back(std::move(driver));
  return board;
}

}  // namespace drapci::sim
