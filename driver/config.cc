#include "driver/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <map>

#include "driver/config_fields.h"
#include "driver/health_config.h"
#include "driver/text.h"
#include "driver/yaml_tree.h"
#include "hal/base/parse.h"
#include "hal/pci/device_place.h"

namespace drapci::driver {
namespace {

constexpr size_t kMaxErrors = 100;
constexpr size_t kMaxRules = 1024;
constexpr size_t kMaxSocketPath = 107;  // sockaddr_un.sun_path less its NUL, unix(7)
constexpr int kMaxStepTimeoutSeconds = 600;
constexpr int kMaxVfCount = 65535;      // TotalVFs has 16 bits
constexpr size_t kMaxWorkQueues = 256;  // WQCAP of DSA has 8 bits for their number
constexpr int kMaxEntries = 65535;      // and 16 for their entries

using Kind = YamlNode::Kind;

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// RFC 1123: labels of lower-case letters, digits and '-', alphanumeric at both ends, between dots.
bool IsDnsSubdomain(std::string_view name, size_t limit) {
  if (name.empty() || name.size() > limit) return false;
  for (const std::string_view label : Split(name, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        !std::ranges::all_of(label, [](char c) { return IsLowerAlnum(c) || c == '-'; })) {
      return false;
    }
  }
  return true;
}

// groupadd(8), with upper case as some directories have it.
bool IsGroupName(std::string_view name) {
  return !name.empty() && name.size() <= 32 && name.front() != '-' &&
         std::ranges::all_of(name, [](char c) {
           return IsLowerAlnum(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.';
         });
}

// A socket's path, a port of loopback, or "off".
bool IsMetricsAddress(std::string_view text) {
  if (text == "off") return true;
  if (text.starts_with('/')) return IsPlainPath(text, kMaxSocketPath) && !text.ends_with('/');
  for (const std::string_view host : {"127.0.0.1:", "[::1]:"}) {
    if (!text.starts_with(host)) continue;
    const auto port = ParseInt<uint16_t>(text.substr(host.size()));
    return port && *port != 0;
  }
  return false;
}

class Reader : private ConfigFields {
 public:
  using ConfigFields::ConfigFields;

  Config Read(const YamlNode& root) {
    Config config;
    if (root.kind == Kind::kNull) return config;
    const std::array fields{
        Field{"driverName", [&](const YamlNode& v, int line) { DriverName(v, line, config); }},
        Text("nodeName", config.node_name, "a DNS name in lower case, at most 253 bytes",
             [](std::string_view text) { return IsDnsSubdomain(text, 253); }),
        Path("stateDir", config.state_dir),
        Path("cdiDir", config.cdi_dir),
        Text("controlSocket", config.control_socket,
             "an absolute path of at most 107 bytes without '.' and '..'",
             [](std::string_view text) {
               return IsPlainPath(text, kMaxSocketPath) && !text.ends_with('/');
             }),
        Text("controlGroup", config.control_group, "a group name", IsGroupName),
        Text("metrics", config.metrics,
             "an absolute path of at most 107 bytes, 127.0.0.1:PORT, [::1]:PORT or off",
             IsMetricsAddress),
        Path("kubeletRoot", config.kubelet_root),
        Path("claimDirectory", config.claim_dir),
        Path("images", config.image_dir),
        Path("nvmlLibrary", config.nvml_library),
        Bool("standalone", config.standalone),
        Choice<LogLevel>("logLevel", config.log_level,
                         {{"error", LogLevel::kError},
                          {"warning", LogLevel::kWarning},
                          {"notice", LogLevel::kNotice},
                          {"info", LogLevel::kInfo},
                          {"debug", LogLevel::kDebug}}),
        Duration("stepTimeout", config.step_timeout_seconds, 1, kMaxStepTimeoutSeconds,
                 "1s to 600s or 10m"),
        Choice<NetworkDevices>("networkDevices", config.network_devices,
                               {{"hook", NetworkDevices::kHook},
                                {"cdi", NetworkDevices::kCdi},
                                {"none", NetworkDevices::kNone}}),
        Path("hook", config.hook),
        Field{"kubernetes",
              [&](const YamlNode& v, int line) { ReadKubernetes(v, line, config.kubernetes); }},
        Field{"accelerators", [&](const YamlNode& v, int line) { Rules(v, line, config); }},
        Field{"health", [&](const YamlNode& v,
                            int line) { ReadHealthConfig(v, line, config.health, errors()); }},
    };
    Map(root, root.line, "the file", fields);
    if (binding_line_ != 0 && !config.kubernetes.watch_claims) {
      Report(binding_line_,
             "bindingConditions needs kubernetes.watchClaims: true: preparation begins when the "
             "watch sees that a claim has been allocated");
    }
    return config;
  }

 private:
  void DriverName(const YamlNode& value, int line, Config& config) {
    constexpr std::string_view kAllowed =
        "a DNS subdomain in lower case that begins with a letter, at most 63 bytes";
    const std::string* text = Scalar("driverName", value, line, kAllowed);
    if (text == nullptr) return;
    // It is the vendor of CDI names too, which begin with a letter.
    if (!IsDnsSubdomain(*text, 63) || text->front() < 'a') {
      return Refuse("driverName", value, kAllowed);
    }
    config.driver_name = *text;
  }

  void ReadKubernetes(const YamlNode& value, int line, Config::Kubernetes& kubernetes) {
    if (value.kind == Kind::kNull) return;  // everything in it commented out
    constexpr int kDay = 24 * 3600;
    const std::array fields{
        Path("kubeconfig", kubernetes.kubeconfig),
        Text("context", kubernetes.context, "a context's name of 1 to 253 characters",
             [](std::string_view text) {
               return !text.empty() && text.size() <= 253 && !HasControl(text);
             }),
        Bool("watchClaims", kubernetes.watch_claims),
        Bool("claimStatus", kubernetes.claim_status),
        Bool("deviceMetadata", kubernetes.device_metadata),
        Duration("collectAfter", kubernetes.collect_after_seconds, 1, kDay,
                 "1s to 24h, or 0 for never", 0),
    };
    Map(value, line, "kubernetes", fields);
  }

  void Rules(const YamlNode& value, int line, Config& config) {
    if (value.kind == Kind::kNull) return;  // all rules commented out
    if (value.kind != Kind::kList) {
      return Report(line, "accelerators must be a list of rules (\"- match: ...\")");
    }
    if (value.items.size() > kMaxRules) {
      return Report(line, fmt::format("accelerators has {} rules; at most {} are allowed",
                                      value.items.size(), kMaxRules));
    }
    for (const YamlNode& item : value.items) config.accelerators.push_back(Rule(item));
  }

  AcceleratorRule Rule(const YamlNode& node) {
    using Vfs = hal::AcceleratorPolicy::Vfs;
    AcceleratorRule rule;
    bool has_match = false;
    int count_line = 0, bandwidth_line = 0, queues_line = 0, subs_line = 0;
    const std::array fields{
        Field{"match",
              [&](const YamlNode& v, int line) {
                has_match = true;
                Match(v, line, rule);
              }},
        Bool("enabled", rule.policy.enabled),
        Choice<Vfs>(
            "vfs", rule.policy.vfs,
            {{"onDemand", Vfs::kOnDemand}, {"fixed", Vfs::kFixed}, {"existing", Vfs::kExisting}}),
        Field{"vfCount",
              [&](const YamlNode& v, int line) {
                count_line = line;
                VfCount(v, line, rule);
              }},
        Bool("shares", rule.policy.shares),
        Field{"bandwidth",
              [&](const YamlNode& v, int line) {
                bandwidth_line = line;
                Bandwidth(v, line, rule);
              }},
        Bool("allowReset", rule.policy.allow_reset),
        Text("services", rule.policy.services,
             "what the card's driver calls them, of 1 to 32 letters, digits and ';': sym;asym, dc",
             [](std::string_view text) {
               return !text.empty() && text.size() <= 32 &&
                      std::ranges::all_of(text, [](char c) { return IsLowerAlnum(c) || c == ';'; });
             }),
        Choice<std::string>("eswitchMode", rule.policy.eswitch_mode,
                            {{"legacy", "legacy"}, {"switchdev", "switchdev"}}),
        Field{"subFunctions",
              [&](const YamlNode& v, int line) {
                subs_line = line;
                SubFunctions(v, line, rule);
              }},
        Field{"workQueues",
              [&](const YamlNode& v, int line) {
                queues_line = line;
                WorkQueues(v, line, rule.policy);
              }},
        Field{"bindingConditions",
              [&](const YamlNode& v, int line) {
                Bool("bindingConditions", rule.policy.binding_conditions).read(v, line);
                if (rule.policy.binding_conditions && binding_line_ == 0) binding_line_ = line;
              }},
    };
    Map(node, node.line, "a rule of accelerators", fields);
    if (node.kind != Kind::kMap) return rule;
    if (!has_match) {
      Report(node.line,
             "a rule needs match: address, vendor, device or class, or {} for every function");
    }
    if (count_line != 0 && rule.policy.vfs == Vfs::kExisting) {
      Report(count_line, "vfCount has no meaning with vfs: existing; leave one of them out");
    }
    if (subs_line != 0) CheckSubFunctions(subs_line, rule.policy);
    if (queues_line != 0 && rule.policy.vfs == Vfs::kExisting) {
      Report(queues_line,
             "workQueues has no meaning with vfs: existing, where somebody else makes the queues; "
             "leave one of them out");
    }
    if (bandwidth_line != 0 && !rule.policy.shares) {
      Report(bandwidth_line, "bandwidth is what shares divide; it needs shares: true beside it");
    }
    return rule;
  }

  void SubFunctions(const YamlNode& value, int line, AcceleratorRule& rule) {
    const std::string allowed = fmt::format("1 to {}", hal::kMostSfs);
    const std::string* text = Scalar("subFunctions", value, line, allowed);
    if (text == nullptr) return;
    const std::optional<int> number = ParseInt<int>(*text);
    if (value.quoted || !number || *number < 1 || *number > hal::kMostSfs) {
      return Refuse("subFunctions", value, allowed);
    }
    rule.policy.sub_functions = *number;
  }

  void CheckSubFunctions(int line, const hal::AcceleratorPolicy& policy) {
    if (policy.eswitch_mode != "switchdev") {
      Report(line,
             "subFunctions are ports of a switch; they need eswitchMode: switchdev beside it");
    }
    if (policy.vfs == hal::AcceleratorPolicy::Vfs::kExisting) {
      Report(line,
             "subFunctions has no meaning with vfs: existing, where the mode of the switch is "
             "somebody else's; leave one of them out");
    }
    if (policy.shares) {
      Report(line,
             "subFunctions and shares: true would divide one link twice; leave one of them out");
    }
  }

  // How a DMA accelerator is divided.
  void WorkQueues(const YamlNode& value, int line, hal::AcceleratorPolicy& policy) {
    if (value.kind == Kind::kNull) return;  // all of them commented out
    if (value.kind != Kind::kList) {
      return Report(line, "workQueues must be a list (\"- {mode: shared, size: 16}\")");
    }
    if (value.items.size() > kMaxWorkQueues) {
      return Report(line, fmt::format("workQueues has {} work queues; at most {} are allowed",
                                      value.items.size(), kMaxWorkQueues));
    }
    for (const YamlNode& item : value.items) {
      hal::WorkQueue& queue = policy.work_queues.emplace_back();
      const std::array fields{
          Choice<bool>("mode", queue.shared, {{"dedicated", false}, {"shared", true}}),
          Field{"size", [&](const YamlNode& v, int at) {
                  const std::string allowed = fmt::format("1 to {} entries", kMaxEntries);
                  const std::string* text = Scalar("size", v, at, allowed);
                  if (text == nullptr) return;
                  const std::optional<int> number = ParseInt<int>(*text);
                  if (v.quoted || !number || *number < 1 || *number > kMaxEntries) {
                    return Refuse("size", v, allowed);
                  }
                  queue.size = *number;
                }}};
      Map(item, item.line, "a work queue", fields);
    }
  }

  // Bits a second.
  void Bandwidth(const YamlNode& value, int line, AcceleratorRule& rule) {
    constexpr std::string_view kAllowed =
        "a whole number of bit/s with k, M, G or T, from 1M to 1000T: 10G, 2500M";
    constexpr int64_t kLeast = 1'000'000, kMost = 1'000'000'000'000'000;
    const std::string* text = Scalar("bandwidth", value, line, kAllowed);
    if (text == nullptr) return;
    std::string_view digits = *text;
    int64_t unit = 1;
    constexpr std::string_view kSuffixes = "kMGT";
    if (const size_t at = digits.empty() ? std::string_view::npos : kSuffixes.find(digits.back());
        at != std::string_view::npos) {
      for (size_t i = 0; i <= at; ++i) unit *= 1000;
      digits.remove_suffix(1);
    }
    const auto number = ParseInt<int64_t>(digits);
    if (!number || *number < 0 || *number > kMost / unit || *number * unit < kLeast) {
      return Refuse("bandwidth", value, kAllowed);
    }
    rule.policy.bandwidth = *number * unit;
  }

  void VfCount(const YamlNode& value, int line, AcceleratorRule& rule) {
    const std::string allowed = fmt::format("0 (as many as the function has) to {}", kMaxVfCount);
    const std::string* text = Scalar("vfCount", value, line, allowed);
    if (text == nullptr) return;
    const std::optional<int> number = ParseInt<int>(*text);
    if (value.quoted || !number || *number < 0 || *number > kMaxVfCount) {
      return Refuse("vfCount", value, allowed);
    }
    rule.policy.vf_count = *number;
  }

  void Match(const YamlNode& node, int line, AcceleratorRule& rule) {
    int device_line = 0;
    bool has_vendor = false;
    const std::array fields{
        Field{"address", [&](const YamlNode& v, int at) { Address(v, at, rule); }},
        Field{"vendor",
              [&](const YamlNode& v, int at) {
                has_vendor = true;
                Id("vendor", v, at, rule.vendor);
              }},
        Field{"device",
              [&](const YamlNode& v, int at) {
                device_line = at;
                Id("device", v, at, rule.device);
              }},
        Field{"class", [&](const YamlNode& v, int at) { Class(v, at, rule); }},
    };
    Map(node, line, "match", fields);
    if (device_line != 0 && !has_vendor) {
      Report(device_line, "device needs vendor beside it: device ids repeat between vendors");
    }
  }

  void Address(const YamlNode& value, int line, AcceleratorRule& rule) {
    constexpr std::string_view kAllowed = "a PCI address such as 0000:02:00.0";
    const std::string* text = Scalar("address", value, line, kAllowed);
    if (text == nullptr) return;
    rule.address = hal::PciAddress::Parse(*text);
    if (!rule.address) Refuse("address", value, kAllowed);
  }

  void Id(std::string_view key, const YamlNode& value, int line, std::optional<uint16_t>& target) {
    constexpr std::string_view kAllowed = "four hexadecimal digits, such as 0x8086";
    const std::string* text = Scalar(key, value, line, kAllowed);
    if (text == nullptr) return;
    const size_t digits = text->size() - (text->starts_with("0x") ? 2 : 0);
    target = ParseHex<uint16_t>(*text);
    if (!target || digits != 4) Refuse(key, value, kAllowed);
  }

  void Class(const YamlNode& value, int line, AcceleratorRule& rule) {
    constexpr std::string_view kAllowed =
        "two, four or six hexadecimal digits: 0x02, 0x0200 or 0x020000";
    const std::string* text = Scalar("class", value, line, kAllowed);
    if (text == nullptr) return;
    const size_t digits = text->size() - (text->starts_with("0x") ? 2 : 0);
    const std::optional<uint32_t> code = ParseHex<uint32_t>(*text);
    if (!code || (digits != 2 && digits != 4 && digits != 6)) {
      return Refuse("class", value, kAllowed);
    }
    const unsigned unsaid_bits = static_cast<unsigned>(6 - digits) * 4;
    rule.class_code = *code << unsaid_bits;
    rule.class_mask = (0xffffffu >> unsaid_bits) << unsaid_bits;
  }

  int binding_line_ = 0;  // of the first rule that turns binding conditions on
};

}  // namespace

const char* const kDefaultHook = DRAPCI_HOOK;

bool AcceleratorRule::Matches(const hal::PciFunction& function) const {
  return (!address || *address == function.address) && (!vendor || *vendor == function.vendor) &&
         (!device || *device == function.device) &&
         (!class_code || *class_code == (function.class_code & class_mask.value_or(0xffffffu)));
}

hal::AcceleratorPolicy Config::PolicyFor(const hal::PciFunction& function) const {
  const auto rule = std::ranges::find_if(
      accelerators, [&](const AcceleratorRule& r) { return r.Matches(function); });
  return rule == accelerators.end() ? hal::AcceleratorPolicy() : rule->policy;
}

std::expected<Config, std::vector<ConfigError>> ParseConfig(std::string_view yaml) {
  std::vector<ConfigError> errors;
  try {
    const YamlNode root = ReadYaml(yaml, errors);
    Config config = Reader(errors).Read(root);
    if (errors.empty()) return config;
  } catch (const std::exception& error) {
    errors.push_back({.line = 0, .text = fmt::format("cannot be read: {}", error.what())});
  }
  const size_t total = errors.size();
  std::multimap<int, ConfigError> by_line;
  for (ConfigError& error : errors) by_line.emplace(error.line, std::move(error));
  errors.clear();
  for (auto& [line, error] : by_line) {
    if (errors.size() < kMaxErrors) errors.push_back(std::move(error));
  }
  if (total > kMaxErrors) {
    errors.push_back({.line = 0, .text = fmt::format("and {} more errors", total - kMaxErrors)});
  }
  return std::unexpected(std::move(errors));
}

}  // namespace drapci::driver
