#include "driver/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <functional>
#include <map>
#include <numeric>
#include <span>

#include "driver/text.h"
#include "driver/yaml_tree.h"
#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

constexpr size_t kMaxErrors = 100;
constexpr size_t kMaxRules = 1024;
constexpr size_t kMaxSocketPath = 107;  // sockaddr_un.sun_path less its NUL, unix(7)
constexpr int kMaxStepTimeoutSeconds = 600;
constexpr int kMaxVfCount = 65535;  // TotalVFs has 16 bits

using Kind = YamlNode::Kind;

// One known key of a map and what reads its value.
struct Field {
  std::string_view key;
  std::function<void(const YamlNode& value, int line)> read;
};

// Edits that turn `a` into `b`, case ignored.
size_t Distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

// ", did you mean 'stateDir'?", or every key that is known.
std::string Suggestion(std::string_view key, std::span<const Field> fields) {
  constexpr size_t kLongestTypo = 40;
  constexpr size_t kMaxDistance = 2;
  if (key.size() <= kLongestTypo) {
    const auto nearest = std::ranges::min_element(
        fields, {}, [&](const Field& field) { return Distance(key, field.key); });
    if (Distance(key, nearest->key) <= std::min(kMaxDistance, (nearest->key.size() + 1) / 3)) {
      return fmt::format(", did you mean '{}'?", nearest->key);
    }
  }
  std::string known;
  for (const Field& field : fields) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", field.key);
  }
  return fmt::format("; allowed: {}", known);
}

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

class Reader {
 public:
  explicit Reader(std::vector<ConfigError>& errors) : errors_(errors) {}

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
        Path("kubeletRoot", config.kubelet_root),
        Path("claimDirectory", config.claim_dir),
        Field{"standalone",
              [&](const YamlNode& v, int line) { Bool("standalone", v, line, config.standalone); }},
        Choice<LogLevel>("logLevel", config.log_level,
                         {{"error", LogLevel::kError},
                          {"warning", LogLevel::kWarning},
                          {"notice", LogLevel::kNotice},
                          {"info", LogLevel::kInfo},
                          {"debug", LogLevel::kDebug}}),
        Field{"stepTimeout", [&](const YamlNode& v, int line) { StepTimeout(v, line, config); }},
        Field{"accelerators", [&](const YamlNode& v, int line) { Rules(v, line, config); }},
    };
    Map(root, root.line, "the file", fields);
    return config;
  }

 private:
  void Report(int line, std::string text) {
    errors_.push_back({.line = line, .text = std::move(text)});
  }

  // `what` names the map in messages.
  void Map(const YamlNode& node, int line, std::string_view what, std::span<const Field> fields) {
    if (node.kind != Kind::kMap) {
      Report(line, fmt::format("{} must be a map of keys and values", what));
      return;
    }
    for (const YamlNode& value : node.items) {
      const auto field = std::ranges::find(fields, value.key, &Field::key);
      if (field == fields.end()) {
        Report(value.key_line,
               fmt::format("unknown key {}{}", Quoted(value.key), Suggestion(value.key, fields)));
      } else {
        field->read(value, value.key_line);
      }
    }
  }

  const std::string* Scalar(std::string_view key, const YamlNode& value, int line,
                            std::string_view allowed) {
    if (value.kind == Kind::kScalar) return &value.text;
    Report(line,
           fmt::format("{} {}; allowed: {}", key,
                       value.kind == Kind::kNull ? "has no value" : "must be one value", allowed));
    return nullptr;
  }

  void Refuse(std::string_view key, const YamlNode& value, std::string_view allowed) {
    Report(value.line,
           fmt::format("{}: {} is not allowed; allowed: {}", key, Quoted(value.text), allowed));
  }

  Field Text(std::string_view key, std::string& target, std::string_view allowed,
             bool (*is_allowed)(std::string_view)) {
    return {key, [=, this, &target](const YamlNode& value, int line) {
              const std::string* text = Scalar(key, value, line, allowed);
              if (text == nullptr) return;
              if (!is_allowed(*text)) return Refuse(key, value, allowed);
              target = *text;
            }};
  }

  Field Path(std::string_view key, std::string& target) {
    const auto read = Text(key, target, "an absolute path without '.' and '..'",
                           [](std::string_view text) { return IsPlainPath(text); });
    return {key, [read, &target](const YamlNode& value, int line) {
              read.read(value, line);
              while (target.size() > 1 && target.ends_with('/')) target.pop_back();
            }};
  }

  template <class T>
  Field Choice(std::string_view key, T& target,
               std::vector<std::pair<std::string_view, T>> choices) {
    std::string allowed;
    for (const auto& [name, value] : choices) {
      allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", name);
    }
    return {key, [=, this, &target](const YamlNode& value, int line) {
              const std::string* text = Scalar(key, value, line, allowed);
              if (text == nullptr) return;
              for (const auto& [name, choice] : choices) {
                if (*text == name) {
                  target = choice;
                  return;
                }
              }
              Refuse(key, value, allowed);
            }};
  }

  void Bool(std::string_view key, const YamlNode& value, int line, bool& target) {
    constexpr std::string_view kAllowed = "true, false (without quotes)";
    const std::string* text = Scalar(key, value, line, kAllowed);
    if (text == nullptr) return;
    if (value.quoted || (*text != "true" && *text != "false")) return Refuse(key, value, kAllowed);
    target = *text == "true";
  }

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

  void StepTimeout(const YamlNode& value, int line, Config& config) {
    constexpr std::string_view kAllowed = "1s to 600s or 10m";
    const std::string* text = Scalar("stepTimeout", value, line, kAllowed);
    if (text == nullptr) return;
    std::string_view digits = *text;
    const int unit = digits.ends_with('m') ? 60 : 1;
    if (digits.ends_with('m') || digits.ends_with('s')) digits.remove_suffix(1);
    const std::optional<int> number = ParseInt<int>(digits);
    if (!number || *number < 1 || *number > kMaxStepTimeoutSeconds / unit) {
      return Refuse("stepTimeout", value, kAllowed);
    }
    config.step_timeout_seconds = *number * unit;
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
    bool has_match = false, has_count = false;
    int count_line = 0;
    const std::array fields{
        Field{"match",
              [&](const YamlNode& v, int line) {
                has_match = true;
                Match(v, line, rule);
              }},
        Field{"enabled",
              [&](const YamlNode& v, int line) { Bool("enabled", v, line, rule.policy.enabled); }},
        Choice<Vfs>(
            "vfs", rule.policy.vfs,
            {{"onDemand", Vfs::kOnDemand}, {"fixed", Vfs::kFixed}, {"existing", Vfs::kExisting}}),
        Field{"vfCount",
              [&](const YamlNode& v, int line) {
                has_count = true;
                count_line = line;
                VfCount(v, line, rule);
              }},
    };
    Map(node, node.line, "a rule of accelerators", fields);
    if (node.kind != Kind::kMap) return rule;
    if (!has_match) {
      Report(node.line,
             "a rule needs match: address, vendor, device or class, or {} for every function");
    }
    if (has_count && rule.policy.vfs == Vfs::kExisting) {
      Report(count_line, "vfCount has no meaning with vfs: existing; leave one of them out");
    }
    return rule;
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

  std::vector<ConfigError>& errors_;
};

}  // namespace

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
