#include <fmt/format.h>

#include <utility>

#include "hal/accel/pci_settings.h"
#include "hal/accel/xe_settings.h"
#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kMixedText = "mixed";

// A number in the one spelling that std::to_string gives it, not below 0.
std::optional<int64_t> PlainNumber(std::string_view text) {
  const auto number = ParseInt<int64_t>(text);
  if (!number || *number < 0 || std::to_string(*number) != text) return std::nullopt;
  return number;
}

// "key=number" of `text`, and nothing else.
std::optional<std::pair<std::string_view, std::string_view>> KeyAndValue(std::string_view text) {
  const size_t at = text.find('=');
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

}  // namespace

std::string XeVf::ToString() const {
  std::string text;
  const auto add = [&](std::string_view key, const std::optional<int64_t>& value) {
    if (!value) return;
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", key,
                        *value == kMixed ? std::string(kMixedText) : std::to_string(*value));
  };
  add("vram", vram);
  add("exec", exec);
  add("preempt", preempt);
  return text.empty() ? std::string(kXeEmptyPool) : text;
}

std::optional<XeVf> XeVf::Parse(std::string_view text) {
  XeVf value;
  if (text == kXeEmptyPool) return value;
  for (const std::string_view word : Split(text, ' ')) {
    const auto pair = KeyAndValue(word);
    if (!pair) return std::nullopt;
    const auto number =
        pair->second == kMixedText ? std::optional(kMixed) : PlainNumber(pair->second);
    std::optional<int64_t>* field = pair->first == "vram"      ? &value.vram
                                    : pair->first == "exec"    ? &value.exec
                                    : pair->first == "preempt" ? &value.preempt
                                                               : nullptr;
    if (!number || field == nullptr) return std::nullopt;
    *field = number;
  }
  // One spelling for each value: the order, and nothing twice.
  if (value.ToString() != text) return std::nullopt;
  return value;
}

std::string FormatXePool(const std::map<int, int64_t>& quotas) {
  std::string text;
  for (const auto& [vf, quota] : quotas) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", VfName(vf), quota);
  }
  return text.empty() ? std::string(kXeEmptyPool) : text;
}

std::optional<std::map<int, int64_t>> ParseXePool(std::string_view text) {
  std::map<int, int64_t> quotas;
  if (text == kXeEmptyPool) return quotas;
  for (const std::string_view word : Split(text, ' ')) {
    const auto pair = KeyAndValue(word);
    if (!pair) return std::nullopt;
    const auto vf = ParseVfName(pair->first);
    const auto quota = PlainNumber(pair->second);
    if (!vf || !quota || !quotas.emplace(*vf, *quota).second) return std::nullopt;
  }
  if (FormatXePool(quotas) != text) return std::nullopt;
  return quotas;
}

std::string XeProfilePath(const PciAddress& pf, int vf, std::string_view file) {
  return fmt::format("{}/sriov_admin/vf{}/profile/{}", pf.SysfsPath(), vf + 1, file);
}

}  // namespace drapci::hal
