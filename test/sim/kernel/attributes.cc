// The attribute files of a function (drivers/pci/pci-sysfs.c,
// Documentation/ABI/testing/sysfs-bus-pci).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "hal/base/parse.h"
#include "test/sim/kernel/config_bytes.h"
#include "test/sim/kernel/kernel_impl.h"

namespace drapci::sim {
namespace {

constexpr size_t kPageSize = 4096;

std::string Text(const std::vector<std::byte>& bytes) {
  std::string text(bytes.size(), '\0');
  std::ranges::transform(bytes, text.begin(), [](std::byte b) { return static_cast<char>(b); });
  return text;
}

bool IsBridge(const FunctionSpec& spec) { return spec.class_code >> 8 == 0x0604; }
bool IsVga(const FunctionSpec& spec) { return spec.class_code >> 8 == 0x0300; }

}  // namespace

Tree::Node& Kernel::Impl::Writable(const std::string& path, unsigned mode, std::string initial,
                                   std::function<int(std::string_view)> check) {
  Tree::Node& node = tree.MakeText(path, std::move(initial), mode);
  node.store = [this, id = node.id, check = std::move(check)](std::string_view text, size_t) {
    int error = check ? check(text) : 0;
    if (error == 0) {
      tree.FindId(id)->show = [kept = std::string(Line(text)) + "\n"] { return kept; };
    }
    return error;
  };
  return node;
}

void Kernel::Impl::MakeFlag(const std::string& path, bool initial, unsigned mode) {
  Writable(path, mode, initial ? "1\n" : "0\n",
           [](std::string_view value) { return KernelNumber(value) ? 0 : EINVAL; });
}

int Kernel::Impl::StoreUevent(const Uevent& prototype, std::string_view value) {
  // lib/kobject_uevent.c kobject_synth_uevent: ACTION [UUID [KEY=VALUE ...]]
  auto words = Split(Line(value), ' ');
  if (words.empty()) return EINVAL;
  constexpr std::string_view kActions[] = {"add",    "remove",  "change", "move",
                                           "online", "offline", "bind",   "unbind"};
  if (std::ranges::find(kActions, words[0]) == std::end(kActions)) return EINVAL;
  Uevent event = prototype;
  event.action = std::string(words[0]);
  event.properties.emplace_back("SYNTH_UUID", words.size() > 1 ? std::string(words[1]) : "0");
  for (size_t i = 2; i < words.size(); ++i) {
    auto [key, argument] = std::pair(words[i].substr(0, words[i].find('=')), words[i].find('='));
    if (argument == std::string_view::npos) return EINVAL;
    event.properties.emplace_back(fmt::format("SYNTH_ARG_{}", key), words[i].substr(argument + 1));
  }
  Emit(std::move(event));
  return 0;
}

void Kernel::Impl::MakeAttributes(Function& function) {
  const FunctionSpec& spec = function.spec;
  const std::string& dir = function.dir;
  const PciAddress address = spec.address;
  auto text = [&](const char* name, const std::string& content) {
    tree.MakeText(dir + "/" + name, content + "\n");
  };
  text("vendor", fmt::format("{:#06x}", spec.vendor));
  text("device", fmt::format("{:#06x}", spec.device));
  text("subsystem_vendor", fmt::format("{:#06x}", spec.subsystem_vendor));
  text("subsystem_device", fmt::format("{:#06x}", spec.subsystem_device));
  text("class", fmt::format("{:#08x}", spec.class_code));
  text("revision", fmt::format("{:#04x}", spec.revision));
  text("irq", fmt::format("{}", function.physfn ? 0 : spec.irq));
  text("modalias", Modalias(spec));
  text("local_cpus", "3");
  text("local_cpulist", "0-1");
  text("ari_enabled", spec.sriov || function.physfn ? "1" : "0");
  text("power_state", "D0");
  Writable(dir + "/numa_node", 0644, fmt::format("{}\n", spec.numa_node),
           [](std::string_view value) { return ParseInt<int>(Line(value)) ? 0 : EINVAL; });
  MakeFlag(dir + "/msi_bus", true);
  MakeFlag(dir + "/broken_parity_status", false);
  MakeFlag(dir + "/d3cold_allowed", !function.physfn);
  for (const char* name : {"dma_mask_bits", "consistent_dma_mask_bits"}) {
    tree.MakeFile(fmt::format("{}/{}", dir, name), 0444, [this, address] {
      Function* self = Get(address);
      return std::string(self != nullptr && !self->driver.empty() ? "64\n" : "32\n");
    });
  }
  Writable(dir + "/power/control", 0644, "on\n", [](std::string_view value) {
    return Line(value) == "on" || Line(value) == "auto" ? 0 : EINVAL;
  });
  tree.MakeText(dir + "/power/runtime_status", "active\n");
  tree.MakeFile(
      dir + "/uevent", 0644, [this, address] { return Uevents(*Get(address)); },
      [this, address](std::string_view value, size_t) {
        return StoreUevent(EventOf(*Get(address), ""), value);
      });
  tree.MakeFile(
      dir + "/driver_override", 0644,
      [this, address] {
        const std::string& name = Get(address)->driver_override;
        return (name.empty() ? "(null)" : name) + "\n";
      },
      [this, address](std::string_view value, size_t) {
        if (value.size() >= kPageSize - 1) return EINVAL;
        Get(address)->driver_override = std::string(value.substr(0, value.find('\n')));
        return 0;
      });
  tree.MakeFile(
      dir + "/enable", 0644,
      [this, address] { return std::string(Get(address)->enabled ? "1\n" : "0\n"); },
      [this, address](std::string_view value, size_t) {
        auto number = KernelNumber(value);
        Function& self = *Get(address);
        if (!number) return EINVAL;
        if (!self.driver.empty()) return EBUSY;
        if (*number == 0 && !self.enabled) return EIO;
        self.enabled = *number != 0;
        return 0;
      });
  auto& config = tree.MakeFile(
      dir + "/config", 0644,
      [this, address] {
        Function& self = *Get(address);
        UpdateConfig(self.config, self.enabled, static_cast<unsigned>(self.vfs.size()));
        return Text(self.config);
      },
      [this, address](std::string_view value, size_t offset) {
        Function& self = *Get(address);
        for (size_t i = 0; i < value.size() && offset + i < self.config.size(); ++i) {
          self.config[offset + i] = static_cast<std::byte>(value[i]);
        }
        return 0;
      });
  config.size = function.config.size();
  if (!function.physfn) {
    tree.MakeFile(dir + "/remove", 0220, {}, [this, address](std::string_view value, size_t) {
      auto number = KernelNumber(value);
      if (!number) return EINVAL;
      if (*number != 0) Delete(address);
      return 0;
    });
    tree.MakeFile(dir + "/rescan", 0200, {}, [this](std::string_view value, size_t) {
      auto number = KernelNumber(value);
      if (!number) return EINVAL;
      return *number != 0 ? Rescan() : 0;
    });
  }
  if (IsVga(spec)) text("boot_vga", spec.boot_vga ? "1" : "0");
  if (IsBridge(spec)) {
    text("secondary_bus_number", fmt::format("{}", spec.buses ? spec.buses->first : 0));
    text("subordinate_bus_number", fmt::format("{}", spec.buses ? spec.buses->second : 0));
  }
  MakeResources(function);
  MakeResetAttributes(function);
  if (spec.pcie) MakePcieAttributes(function);
  if (spec.sriov) MakeSriovAttributes(function);
  if (function.physfn) {
    tree.MakeFile(dir + "/sriov_vf_msix_count", 0200, {},
                  [this, address](std::string_view value, size_t) {
                    Function& self = *Get(address);
                    auto count = ParseInt<int>(Line(value));
                    if (!count || *count < 0) return EINVAL;
                    Function* pf = Get(*self.physfn);
                    if (pf == nullptr || pf->driver.empty() || !pf->spec.sriov->vf_msix_count) {
                      return EOPNOTSUPP;
                    }
                    return self.driver.empty() ? 0 : EBUSY;
                  });
  }
  for (const auto& [name, file] : spec.files) {
    std::string path = dir + "/" + name;
    if ((file.mode & 0222) != 0) {
      Writable(path, file.mode, file.content, {});
    } else {
      tree.MakeText(path, file.content, file.mode);
    }
  }
}

void Kernel::Impl::MakeResources(Function& function) {
  const FunctionSpec& spec = function.spec;
  std::string lines;
  if (!spec.resource_lines.empty()) {
    for (const std::string& line : spec.resource_lines) lines += line + "\n";
  } else {
    size_t count = IsBridge(spec) ? 17 : 13;
    for (size_t i = 0; i < count; ++i) {
      FunctionSpec::Bar bar = i < spec.bars.size() ? spec.bars[i] : FunctionSpec::Bar{0, 0, 0};
      if (bar.size == 0) bar.flags = 0;
      uint64_t end = bar.size == 0 ? 0 : bar.start + bar.size - 1;
      lines += fmt::format("{:#018x} {:#018x} {:#018x}\n", bar.size == 0 ? 0 : bar.start, end,
                           bar.flags);
      if (bar.size == 0) continue;
      // Mapping a BAR is all there is; reading a memory BAR has no method (EIO).
      tree.MakeFile(fmt::format("{}/resource{}", function.dir, i), 0600, {}).size = bar.size;
    }
  }
  tree.MakeText(function.dir + "/resource", std::move(lines));
}

void Kernel::Impl::MakeResetAttributes(Function& function) {
  if (function.spec.reset_method.empty()) return;
  tree.MakeFile(function.dir + "/reset", 0200, {}, [](std::string_view value, size_t) {
    auto number = KernelNumber(value);
    return number && *number == 1 ? 0 : EINVAL;
  });
  Writable(function.dir + "/reset_method", 0644, function.spec.reset_method + "\n",
           [supported = function.spec.reset_method](std::string_view value) {
             std::string_view line = Trim(value);
             if (line.empty() || line == "default") return 0;
             auto known = Split(supported, ' ');
             for (std::string_view word : Split(line, ' ')) {
               if (std::ranges::find(known, word) == known.end()) return EINVAL;
             }
             return 0;
           });
}

void Kernel::Impl::MakePcieAttributes(Function& function) {
  const FunctionSpec& spec = function.spec;
  auto text = [&](const char* name, const std::string& content) {
    tree.MakeText(function.dir + "/" + name, content + "\n");
  };
  text("current_link_speed", spec.link_speed);
  text("max_link_speed", spec.max_link_speed);
  text("current_link_width", fmt::format("{}", spec.link_width));
  text("max_link_width", fmt::format("{}", spec.max_link_width));
  if (spec.aer) MakeAerAttributes(function);
}

void Kernel::Impl::MakeAerAttributes(Function& function) {
  // drivers/pci/pcie/aer.c aer_correctable_error_string and the rest.
  constexpr std::string_view kCorrectable =
      "RxErr BadTLP BadDLLP Rollover Timeout NonFatalErr CorrIntErr HeaderOF";
  constexpr std::string_view kUncorrectable =
      "Undefined DLP SDES TLP FCP CmpltTO CmpltAbrt UnxCmplt RxOF MalfTLP ECRC UnsupReq ACSViol "
      "UncorrIntErr BlockedTLP AtomicOpBlocked TLPBlockedErr PoisonTLPBlocked";
  constexpr std::pair<const char*, const char*> kFiles[] = {
      {"aer_dev_correctable", "TOTAL_ERR_COR"},
      {"aer_dev_nonfatal", "TOTAL_ERR_NONFATAL"},
      {"aer_dev_fatal", "TOTAL_ERR_FATAL"}};
  const PciAddress address = function.spec.address;
  for (size_t i = 0; i < function.aer.size(); ++i) {
    for (std::string_view name : Split(i == 0 ? kCorrectable : kUncorrectable, ' ')) {
      function.aer[i].emplace_back(name, 0);
    }
    tree.MakeFile(fmt::format("{}/{}", function.dir, kFiles[i].first), 0444,
                  [this, address, i, total = kFiles[i].second] {
                    const Function& self = *Get(address);
                    std::string text;
                    for (const auto& [name, count] : self.aer[i]) {
                      text += fmt::format("{} {}\n", name, count);
                    }
                    return text + fmt::format("{} {}\n", total, self.aer_totals[i]);
                  });
  }
  if (!IsBridge(function.spec)) return;
  for (const char* name : {"cor", "nonfatal", "fatal"}) {
    size_t index = name[0] == 'c' ? 0 : name[0] == 'n' ? 1 : 2;
    tree.MakeFile(fmt::format("{}/aer_rootport_total_err_{}", function.dir, name), 0444,
                  [this, address, index] {
                    uint64_t sum = Get(address)->aer_totals[index];
                    for (const PciAddress& below : Below(*Get(address))) {
                      sum += Get(below)->aer_totals[index];
                    }
                    return fmt::format("{}\n", sum);
                  });
  }
}

Result<> Kernel::AddAerErrors(const PciAddress& address, std::string_view severity,
                              std::string_view name, unsigned count) {
  std::lock_guard lock(impl_->mutex);
  Function* function = impl_->Get(address);
  if (function == nullptr || !function->spec.aer) {
    return Fail(Code::kNotFound, address.ToString() + " has no AER counters");
  }
  size_t index = severity == "correctable" ? 0 : severity == "nonfatal" ? 1 : 2;
  if (index == 2 && severity != "fatal") {
    return Fail(Code::kInvalid, "severity is correctable, nonfatal or fatal");
  }
  for (auto& [known, value] : function->aer[index]) {
    if (known != name) continue;
    value += count;
    function->aer_totals[index] += count;
    return {};
  }
  return Fail(Code::kInvalid, fmt::format("no {} error is called '{}'", severity, name));
}

}  // namespace drapci::sim
