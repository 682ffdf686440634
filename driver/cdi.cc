#include "driver/cdi.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <set>

#include "driver/claim.h"
#include "driver/text.h"
#include "hal/net/link.h"

namespace drapci::driver {
namespace {

using Json = nlohmann::ordered_json;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlnum(char c) { return IsLetter(c) || IsDigit(c); }

// pkg/parser/parser.go of the CDI library, ValidateDeviceName.
bool IsDeviceName(std::string_view name) {
  return !name.empty() && IsAlnum(name.front()) && IsAlnum(name.back()) &&
         std::ranges::all_of(name, [](char c) {
           return IsAlnum(c) || c == '_' || c == '-' || c == '.' || c == ':';
         });
}

// The same file, ValidateVendorName.
bool IsVendor(std::string_view name) {
  return !name.empty() && IsLetter(name.front()) && IsAlnum(name.back()) &&
         std::ranges::all_of(name,
                             [](char c) { return IsAlnum(c) || c == '_' || c == '-' || c == '.'; });
}

// specs-go/version.go, MinimumRequiredVersion: a reader refuses a file that declares less, and an
// old one a file that declares more. Nothing else that this writer emits needs more than 0.3.0.
std::string_view MinimumVersion(const std::vector<CdiDevice>& devices,
                                const CdiInterfaces& interfaces) {
  const bool moved = std::ranges::any_of(
      devices, [](const CdiDevice& device) { return !device.edits.interfaces.empty(); });
  if (moved && interfaces.how == NetworkDevices::kCdi) return "1.1.0";
  const bool digit_first =
      std::ranges::any_of(devices, [](const CdiDevice& d) { return IsDigit(d.name.front()); });
  return digit_first ? "0.5.0" : "0.3.0";
}

Result<Json> Environment(const hal::ContainerEdits& edits) {
  Json env = Json::array();
  for (const auto& [name, value] : edits.environment) {
    if (name.empty() || name.contains('=') || HasControl(name) || !IsUtf8(name)) {
      return Fail(Code::kInvalid,
                  fmt::format("environment variable {}: a name is not empty and has no '=' or "
                              "control characters",
                              Quoted(name)));
    }
    if (HasControl(value) || !IsUtf8(value)) {
      return Fail(Code::kInvalid,
                  fmt::format("environment variable {}: the value {} is not one line of UTF-8 text",
                              Quoted(name), Quoted(value)));
    }
    env.push_back(name + "=" + value);
  }
  return env;
}

Result<> CheckPath(std::string_view path) {
  if (IsPlainPath(path)) return {};
  return Fail(Code::kInvalid,
              fmt::format("path {}: must be absolute, without '.' and '..' and control characters",
                          Quoted(path)));
}

Result<Json> Nodes(const hal::ContainerEdits& edits) {
  Json nodes = Json::array();
  for (const std::string& path : edits.device_nodes) {
    DRAPCI_CHECK(CheckPath(path));
    nodes.push_back(Json{{"path", path}});
  }
  return nodes;
}

Result<Json> Mounts(const hal::ContainerEdits& edits) {
  Json mounts = Json::array();
  for (const hal::ContainerMount& mount : edits.mounts) {
    DRAPCI_CHECK(CheckPath(mount.host_path));
    DRAPCI_CHECK(CheckPath(mount.container_path));
    Json json{{"hostPath", mount.host_path}, {"containerPath", mount.container_path}};
    for (const std::string& option : mount.options) {
      if (option.empty() || option.contains(',') || HasControl(option) || !IsUtf8(option)) {
        return Fail(Code::kInvalid, fmt::format("mount of {}: {} is no mount option",
                                                Quoted(mount.host_path), Quoted(option)));
      }
      json["options"].push_back(option);
    }
    mounts.push_back(std::move(json));
  }
  return mounts;
}

Result<> CheckInterfaceName(std::string_view name) {
  if (hal::IsInterfaceName(name) && !HasControl(name) && IsUtf8(name)) return {};
  return Fail(Code::kInvalid, fmt::format("{} is no name of a network interface", Quoted(name)));
}

Json HookCall(const std::string& hook, const hal::ContainerInterface& interface) {
  // Name and value are one word each: an interface may be called "--version".
  Json args{"drapci-hook", "--function=" + interface.address, "--name=" + interface.name};
  if (interface.mtu) args.push_back(fmt::format("--mtu={}", *interface.mtu));
  for (const std::string& address : interface.addresses) args.push_back("--address=" + address);
  return Json{{"hookName", "createRuntime"}, {"path", hook}, {"args", std::move(args)}};
}

Result<> AddInterfaces(const hal::ContainerEdits& edits, const CdiInterfaces& interfaces,
                       Json& json) {
  if (interfaces.how == NetworkDevices::kHook && !edits.interfaces.empty()) {
    DRAPCI_CHECK(CheckPath(interfaces.hook));
  }
  for (const hal::ContainerInterface& each : edits.interfaces) {
    DRAPCI_CHECK(CheckInterfaceName(each.host_name));
    DRAPCI_CHECK(CheckInterfaceName(each.name));
    const bool renamed = each.name != each.host_name;
    if (!each.addresses.empty() && interfaces.how != NetworkDevices::kHook) {
      return Fail(Code::kUnsupported,
                  fmt::format("interface {}: an address can only be given by the hook; set "
                              "networkDevices: hook in the configuration, and install drapci-hook",
                              each.host_name));
    }
    switch (interfaces.how) {
      case NetworkDevices::kHook: json["hooks"].push_back(HookCall(interfaces.hook, each)); break;
      case NetworkDevices::kCdi:
        json["netDevices"].push_back(
            Json{{"hostInterfaceName", each.host_name}, {"name", each.name}});
        break;
      case NetworkDevices::kNone:
        if (!renamed) break;
        return Fail(Code::kUnsupported,
                    fmt::format("interface {} cannot become {} in the container: this node leaves "
                                "interfaces in the host (networkDevices, drapci-hook)",
                                each.host_name, each.name));
    }
  }
  return {};
}

// Nobody else can: the control group is made when the container starts.
Result<> AddLimits(const hal::ContainerEdits& edits, const std::string& hook, Json& json) {
  if (edits.memory_limits.empty()) return {};
  DRAPCI_CHECK(CheckPath(hook));
  Json args{"drapci-hook"};
  for (const hal::MemoryLimit& each : edits.memory_limits) {
    if (each.region.empty() || each.bytes <= 0 || HasControl(each.region) || !IsUtf8(each.region)) {
      return Fail(Code::kInvalid, fmt::format("{} bytes of the region {} are no limit of memory",
                                              each.bytes, Quoted(each.region)));
    }
    args.push_back(fmt::format("--limit={}={}", each.region, each.bytes));
  }
  json["hooks"].push_back(
      Json{{"hookName", "createRuntime"}, {"path", hook}, {"args", std::move(args)}});
  return {};
}

// Readers refuse a file with an empty or unknown field as a whole.
Result<Json> Edits(const CdiDevice& device, const CdiInterfaces& interfaces) {
  Json edits = Json::object();
  DRAPCI_TRY(Json env, Environment(device.edits));
  if (!env.empty()) edits["env"] = std::move(env);
  DRAPCI_TRY(Json nodes, Nodes(device.edits));
  if (!nodes.empty()) edits["deviceNodes"] = std::move(nodes);
  DRAPCI_TRY(Json mounts, Mounts(device.edits));
  if (!mounts.empty()) edits["mounts"] = std::move(mounts);
  DRAPCI_CHECK(AddInterfaces(device.edits, interfaces, edits));
  DRAPCI_CHECK(AddLimits(device.edits, interfaces.hook, edits));
  if (edits.empty()) return Fail(Code::kInternal, "no edits: a CDI device must have some");
  return edits;
}

}  // namespace

std::string CdiDeviceName(std::string_view device, std::string_view uid,
                          std::string_view share_id) {
  return share_id.empty() ? fmt::format("{}-{}", device, uid)
                          : fmt::format("{}-{}-{}", device, uid, share_id);
}

std::string CdiDeviceId(std::string_view driver_name, std::string_view device_name) {
  return fmt::format("{}/claim={}", driver_name, device_name);
}

std::string CdiFileName(std::string_view driver_name, std::string_view uid) {
  return fmt::format("{}-claim-{}.json", driver_name, uid);
}

bool IsOurCdiFile(std::string_view driver_name, std::string_view file_name) {
  constexpr std::string_view kExtension = ".json";
  const std::string prefix = fmt::format("{}-claim-", driver_name);
  if (!file_name.starts_with(prefix) || !file_name.ends_with(kExtension)) return false;
  file_name.remove_prefix(prefix.size());
  if (file_name.size() < kExtension.size()) return false;
  file_name.remove_suffix(kExtension.size());
  return IsValidUid(file_name);
}

Result<std::string> CdiSpec(std::string_view driver_name, const std::vector<CdiDevice>& devices,
                            const CdiInterfaces& interfaces) {
  if (!IsVendor(driver_name)) {
    return Fail(Code::kInvalid,
                fmt::format("driver name {} is no CDI vendor: it must begin with a letter and end "
                            "with a letter or digit",
                            Quoted(driver_name)));
  }
  if (devices.empty()) return Fail(Code::kInternal, "a CDI specification without devices");
  try {
    Json list = Json::array();
    std::set<std::string_view> names;
    for (const CdiDevice& device : devices) {
      if (!IsDeviceName(device.name)) {
        return Fail(Code::kInvalid, fmt::format("{} is no CDI device name: letters, digits and "
                                                "'_-.:', a letter or digit at both ends",
                                                Quoted(device.name)));
      }
      if (!names.insert(device.name).second) {
        return Fail(Code::kInvalid,
                    fmt::format("CDI device {} appears twice", Quoted(device.name)));
      }
      Result<Json> edits = Edits(device, interfaces);
      if (!edits) return Fail(std::move(edits).error().Within("CDI device " + device.name));
      list.push_back(Json{{"name", device.name}, {"containerEdits", *std::move(edits)}});
    }
    const Json spec{{"cdiVersion", MinimumVersion(devices, interfaces)},
                    {"kind", fmt::format("{}/claim", driver_name)},
                    {"devices", std::move(list)}};
    return spec.dump(2) + "\n";
  } catch (const std::exception& error) {
    return Fail(Code::kInternal, fmt::format("CDI specification: {}", error.what()));
  }
}

}  // namespace drapci::driver
