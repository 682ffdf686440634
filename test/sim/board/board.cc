#include "test/sim/board/board.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "hal/base/parse.h"
#include "test/sim/board/yaml_reader.h"

namespace drapci::sim {
namespace {

using Parameters = std::map<std::string, std::string>;

// "8086:10c9"
void GetIds(YamlMap& map, const char* key, uint16_t& vendor, uint16_t& device) {
  auto text = map.Text(key);
  if (!text) return;
  auto halves = Split(*text, ':');
  auto first = halves.size() == 2 ? ParseHex<uint16_t>(halves[0]) : std::nullopt;
  auto second = halves.size() == 2 ? ParseHex<uint16_t>(halves[1]) : std::nullopt;
  if (!first || !second) {
    return map.Error(
        key, fmt::format("'{}' takes two hexadecimal ids as in 8086:10c9, not '{}'", key, *text));
  }
  vendor = *first;
  device = *second;
}

std::optional<PciAddress> GetAddress(YamlMap& map, const char* key) {
  auto text = map.Text(key);
  if (!text) return std::nullopt;
  auto address = PciAddress::Parse(*text);
  if (!address) {
    map.Error(key,
              fmt::format("'{}' takes a PCI address as in 0000:02:00.0, not '{}'", key, *text));
  }
  return address;
}

std::map<std::string, ExtraFile> GetFiles(YamlMap& map) {
  std::map<std::string, ExtraFile> files;
  for (bool writable : {false, true}) {
    auto group = map.Map(writable ? "writable-files" : "files");
    if (!group) continue;
    for (auto& [path, content] : group->Scalars()) {
      files[path] = {.content = content + "\n", .mode = writable ? 0644U : 0444U};
    }
  }
  return files;
}

std::vector<ChildDevice> GetChildren(YamlMap& map, const char* key) {
  std::vector<ChildDevice> children;
  map.Each(key, [&](YamlMap& item) {
    ChildDevice child;
    item.Get("path", child.path);
    item.Get("subsystem", child.subsystem);
    if (child.path.empty() || child.subsystem.empty()) {
      item.Error("path", "a child device needs 'path' and 'subsystem'");
    }
    item.Get("devname", child.devname);
    std::string type = "char";
    item.Get("type", type);
    if (type != "char" && type != "block") item.Error("type", "'type' is char or block");
    child.type = type == "block" ? 'b' : 'c';
    item.GetNumber("major", child.major);
    item.GetNumber("minor", child.minor);
    if (auto mode = item.Text("mode")) {
      auto bits = ParseInt<unsigned>(*mode, 8);
      if (!bits) item.Error("mode", "'mode' takes octal permission bits");
      child.permissions = bits.value_or(0600);
    }
    child.files = GetFiles(item);
    children.push_back(std::move(child));
  });
  return children;
}

std::vector<NetInterface> GetInterfaces(YamlMap& map, const char* key, const char* operstate) {
  std::vector<NetInterface> interfaces;
  map.Each(key, [&](YamlMap& item) {
    NetInterface net{.operstate = operstate};
    item.Get("name", net.name);
    if (net.name.empty()) item.Error("name", "an interface needs 'name'");
    item.Get("mac", net.mac);
    item.Get("operstate", net.operstate);
    item.GetNumber("mtu", net.mtu);
    interfaces.push_back(std::move(net));
  });
  return interfaces;
}

std::optional<SriovSpec> GetSriov(YamlMap& function) {
  auto map = function.Map("sriov");
  if (!map) return std::nullopt;
  SriovSpec sriov;
  auto total = map->Integer("total");
  constexpr int64_t kMost = 0xffff;
  if (!total || *total < 0 || *total > kMost) {
    map->Error("total", "'total' (0 to 65535) says how many VFs there can be");
  }
  sriov.total = static_cast<unsigned>(total.value_or(0));
  map->GetNumber("initial", sriov.initial);
  map->GetNumber("offset", sriov.offset);
  map->GetNumber("stride", sriov.stride);
  if (auto id = map->Text("vf-device")) {
    auto parsed = ParseHex<uint16_t>(*id);
    if (!parsed) map->Error("vf-device", "'vf-device' takes a hexadecimal id");
    sriov.vf_device = parsed.value_or(0);
  }
  map->Get("vf-driver", sriov.vf_driver);
  if (auto code = map->Integer("vf-class")) sriov.vf_class = static_cast<uint32_t>(*code);
  sriov.vf_children = GetChildren(*map, "vf-children");
  sriov.vf_interfaces = GetInterfaces(*map, "vf-interfaces", "down");
  if (auto rules = map->Text("vf-rules")) {
    if (*rules != "igb" && *rules != "ice") map->Error("vf-rules", "'vf-rules' is igb or ice");
    sriov.vf_rules = *rules == "ice" ? VfRules::kIce : VfRules::kIgb;
  }
  map->Get("vf-msix-count", sriov.vf_msix_count);
  map->GetNumber("vf-total-msix", sriov.vf_total_msix);
  map->Get("vf-iommu-groups", sriov.vf_iommu_groups);
  if (auto ms = map->Integer("enable-ms")) sriov.enable_delay = Milliseconds(*ms);
  if (auto ms = map->Integer("disable-ms")) sriov.disable_delay = Milliseconds(*ms);
  map->Finish();
  return sriov;
}

void GetLink(YamlMap& function, FunctionSpec& spec) {
  auto link = function.Map("link");
  if (!link) return;
  link->Get("speed", spec.link_speed);
  spec.max_link_speed = spec.link_speed;
  link->Get("max-speed", spec.max_link_speed);
  link->GetNumber("width", spec.link_width);
  spec.max_link_width = spec.link_width;
  link->GetNumber("max-width", spec.max_link_width);
  link->Finish();
}

FunctionSpec GetFunction(YamlMap& map) {
  FunctionSpec spec;
  if (auto address = GetAddress(map, "address")) {
    spec.address = *address;
  } else {
    map.Error("address", "a function needs 'address'");
  }
  GetIds(map, "id", spec.vendor, spec.device);
  if (spec.vendor == 0) map.Error("id", "a function needs 'id'");
  GetIds(map, "subsystem", spec.subsystem_vendor, spec.subsystem_device);
  map.GetNumber("class", spec.class_code);
  map.GetNumber("revision", spec.revision);
  map.GetNumber("numa", spec.numa_node);
  map.GetNumber("irq", spec.irq);
  if (auto group = map.Integer("iommu-group")) spec.iommu_group = static_cast<int>(*group);
  spec.parent = GetAddress(map, "parent");
  map.GetNumber("root-bus", spec.root_bus);
  map.Get("driver", spec.driver);
  spec.sriov = GetSriov(map);
  spec.children = GetChildren(map, "children");
  spec.interfaces = GetInterfaces(map, "interfaces", "up");
  map.Get("boot-vga", spec.boot_vga);
  if (auto serial = map.Text("serial")) {
    spec.serial = ParseHex<uint64_t>(*serial);
    if (!spec.serial) map.Error("serial", "'serial' takes up to 16 hexadecimal digits");
  }
  map.Get("pcie", spec.pcie);
  map.Get("aer", spec.aer);
  map.Get("reset-method", spec.reset_method);
  GetLink(map, spec);
  map.Each("bars", [&](YamlMap& item) {
    FunctionSpec::Bar bar;
    item.GetNumber("start", bar.start);
    item.GetNumber("size", bar.size);
    item.GetNumber("flags", bar.flags);
    spec.bars.push_back(bar);
  });
  if (auto buses = map.Map("buses")) {
    std::pair<uint8_t, uint8_t> range{};
    buses->GetNumber("secondary", range.first);
    range.second = range.first;
    buses->GetNumber("subordinate", range.second);
    buses->Finish();
    spec.buses = range;
  }
  if (auto slot = map.Text("slot")) spec.slot = SlotSpec{.name = *slot};
  spec.files = GetFiles(map);
  if (auto model = map.Map("model")) spec.model = model->Scalars();
  return spec;
}

DriverSpec GetDriver(YamlMap& map) {
  DriverSpec driver;
  map.Get("name", driver.name);
  if (driver.name.empty()) map.Error("name", "a driver needs 'name'");
  for (const std::string& text : map.List("ids")) {
    auto halves = Split(text, ':');
    auto vendor = halves.size() == 2 ? ParseHex<uint16_t>(halves[0]) : std::nullopt;
    auto device = halves.size() == 2 ? ParseHex<uint16_t>(halves[1]) : std::nullopt;
    if (!vendor || !device) {
      map.Error("ids", fmt::format("'{}' is no pair of ids as in 8086:10c9", text));
      continue;
    }
    driver.ids.push_back({.vendor = *vendor, .device = *device});
  }
  map.Get("sriov", driver.sriov_configure);
  map.Get("override-only", driver.override_only);
  map.Get("vfio", driver.vfio);
  map.GetNumber("probe-error", driver.probe_error);
  return driver;
}

}  // namespace

Result<Board> ParseBoard(const std::string& yaml, const std::string& file,
                         const std::vector<std::pair<std::string, std::string>>& parameters) {
  YamlErrors errors{.file = file, .lines = {}};
  Board board;
  try {
    YAML::Node root = YAML::Load(yaml);
    Parameters values;
    YamlMap map(root, values, errors);
    if (auto defaults = map.Map("parameters")) values = defaults->Scalars();
    for (const auto& [key, value] : parameters) {
      auto known = values.find(key);
      if (known != values.end()) {
        known->second = value;
        continue;
      }
      std::string allowed;
      for (const auto& [name, unused] : values) allowed += (allowed.empty() ? "" : ", ") + name;
      return Fail(Code::kInvalid, fmt::format("{}: no parameter is called '{}'; allowed: {}", file,
                                              key, allowed.empty() ? "none" : allowed));
    }
    map.Get("name", board.name);
    map.Text("description");
    map.Each("drivers", [&](YamlMap& item) { board.drivers.push_back(GetDriver(item)); });
    map.Each("functions", [&](YamlMap& item) { board.functions.push_back(GetFunction(item)); });
    map.Finish();
  } catch (const YAML::Exception& error) {
    return Fail(Code::kInvalid, fmt::format("{}:{}: {}", file, error.mark.line + 1, error.msg));
  }
  if (errors.lines.empty()) return board;
  return Fail(Code::kInvalid, fmt::format("{}", fmt::join(errors.lines, "\n")));
}

Result<Board> LoadBoard(std::string_view argument, const std::string& directory) {
  if (argument.starts_with("tree:")) return LoadTree(std::string(argument.substr(5)));
  std::string name(argument.substr(0, argument.find(':')));
  std::vector<std::pair<std::string, std::string>> parameters;
  if (name.size() < argument.size()) {
    for (std::string_view pair : Split(argument.substr(name.size() + 1), ',')) {
      size_t equal = pair.find('=');
      if (equal == std::string_view::npos) {
        return Fail(Code::kInvalid,
                    fmt::format("--board {}: '{}' is not key=value", argument, pair));
      }
      parameters.emplace_back(pair.substr(0, equal), pair.substr(equal + 1));
    }
  }
  std::string path = name.contains('/') ? name : fmt::format("{}/{}.yaml", directory, name);
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) {
    return Fail(
        Code::kNotFound,
        fmt::format("no board '{}': cannot read {}; `drapci-sim boards` lists them", name, path));
  }
  return ParseBoard(text.str(), path, parameters);
}

Result<> Install(Kernel& kernel, const std::vector<Board>& boards) {
  std::map<std::string, DriverSpec> drivers;
  std::vector<FunctionSpec> functions;
  for (const Board& board : boards) {
    for (const DriverSpec& driver : board.drivers) {
      auto [known, is_new] = drivers.emplace(driver.name, driver);
      if (is_new) continue;
      for (const DriverSpec::Id& id : driver.ids) {
        if (std::ranges::find(known->second.ids, id) == known->second.ids.end()) {
          known->second.ids.push_back(id);
        }
      }
    }
    functions.insert(functions.end(), board.functions.begin(), board.functions.end());
  }
  for (const auto& [name, driver] : drivers) DRAPCI_CHECK(kernel.AddDriver(driver));
  // Bridges before what hangs below them, whatever the order in the files.
  std::vector<FunctionSpec> waiting = std::move(functions);
  while (!waiting.empty()) {
    std::vector<FunctionSpec> later;
    for (FunctionSpec& spec : waiting) {
      bool ready = !spec.parent || kernel.State(*spec.parent);
      if (!ready) {
        later.push_back(std::move(spec));
        continue;
      }
      DRAPCI_CHECK(kernel.AddFunction(std::move(spec)));
    }
    if (later.size() == waiting.size()) {
      return Fail(Code::kInvalid,
                  fmt::format("{}: no board has its parent {}", later.front().address.ToString(),
                              later.front().parent->ToString()));
    }
    waiting = std::move(later);
  }
  return {};
}

}  // namespace drapci::sim
