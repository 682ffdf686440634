#include "hal/pci/other_managers.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/pci/device_nodes.h"

namespace drapci::hal {
namespace {

constexpr const char* kOperatorDir = "/etc/sriov-operator/pci";
constexpr size_t kMaxFiles = 4096;

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Whether there is a UUID in the text, as clusters give them to claims.
bool NamesClaim(std::string_view name) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  for (size_t at = 0; at + kForm.size() <= name.size(); ++at) {
    const bool fits = std::ranges::equal(name.substr(at, kForm.size()), kForm, [](char c, char f) {
      return f == '-' ? c == '-' : IsHex(c);
    });
    if (fits) return true;
  }
  return false;
}

// Whether the text has the path as a whole: not "/dev/nvidia1" in "/dev/nvidia12". JSON may have
// its slashes escaped; nobody's writer of these files does so.
bool NamesPath(std::string_view text, std::string_view path) {
  for (size_t at = text.find(path); at != text.npos; at = text.find(path, at + 1)) {
    const size_t end = at + path.size();
    const char next = end < text.size() ? text[end] : '\n';
    if (next == '"' || next == '\'' || next == ',' || next == '\r' || next == '\n' || next == ' ') {
      return true;
    }
  }
  return false;
}

class Traces {
 public:
  Traces(const Sysfs& sysfs, std::string_view cdi_dir,
         const std::function<bool(std::string_view)>& is_ours)
      : sysfs_(sysfs), cdi_dir_(cdi_dir) {
    const auto names = sysfs.List(cdi_dir);
    if (!names) return;
    for (const std::string& name : *names) {
      if (specs_.size() >= kMaxFiles || is_ours(name) || !NamesClaim(name)) continue;
      if (auto text = sysfs.Read(fmt::format("{}/{}", cdi_dir, name))) {
        specs_.emplace_back(name, *std::move(text));
      }
    }
  }

  std::string Of(const PciFunction& function) const {
    const std::string kept = fmt::format("{}/{}", kOperatorDir, function.address.ToString());
    if (sysfs_.Exists(kept)) return fmt::format("sriov-network-operator manages it ({})", kept);
    if (specs_.empty()) return {};
    const auto nodes = DeviceNodes(sysfs_, function.address);
    if (!nodes) return {};
    for (const auto& [name, text] : specs_) {
      for (const std::string& node : *nodes) {
        if (!NamesPath(text, node)) continue;
        return fmt::format("another driver has given {} to a claim ({}/{})", node, cdi_dir_, name);
      }
    }
    return {};
  }

 private:
  const Sysfs& sysfs_;
  const std::string cdi_dir_;
  std::vector<std::pair<std::string, std::string>> specs_;
};

}  // namespace

std::map<PciAddress, std::string> OtherManagers(
    const Sysfs& sysfs, const std::vector<PciFunction>& functions, std::string_view cdi_dir,
    const std::function<bool(std::string_view file)>& is_ours) {
  const Traces traces(sysfs, cdi_dir, is_ours);
  std::map<PciAddress, std::string> managers;
  for (const PciFunction& function : functions) {
    std::string trace = traces.Of(function);
    if (trace.empty()) continue;
    // Who manages a part of a card manages the card.
    if (function.physfn) managers.emplace(*function.physfn, trace);
    managers.emplace(function.address, std::move(trace));
  }
  return managers;
}

}  // namespace drapci::hal
