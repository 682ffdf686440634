#include "hal/telemetry/function_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "hal/base/parse.h"

namespace drapci::hal {
namespace {

constexpr size_t kMaxNames = 256, kMaxLine = 199, kMaxShown = 60;

bool MeansNoSample(int sys) {
  constexpr std::array kNoSample = {EAGAIN, ENODATA, EBUSY, EPERM, EACCES, EOPNOTSUPP, EINTR};
  return std::ranges::find(kNoSample, sys) != kNoSample.end();
}

}  // namespace

std::string FunctionFiles::PathOf(std::string_view name) const {
  return name.empty() ? directory_ : fmt::format("{}/{}", directory_, name);
}

bool FunctionFiles::Sleeps() const {
  const Result<std::string> status = sysfs_.Read(PathOf("power/runtime_status"));
  return status && (*status == "suspended" || *status == "suspending");
}

Result<std::optional<std::string>> FunctionFiles::Text(std::string_view name) const {
  Result<std::string> text = sysfs_.Read(PathOf(name));
  if (text) return *std::move(text);
  if (MeansNoSample(text.error().sys)) return std::nullopt;
  if (text.error().code != Code::kGone) return Fail(std::move(text).error());
  if (IsGone()) return Fail(std::move(text).error());
  return std::nullopt;
}

Result<std::optional<int64_t>> FunctionFiles::Number(std::string_view name) const {
  DRAPCI_TRY(const std::optional<std::string> text, Text(name));
  if (!text) return std::nullopt;
  const auto number = ParseInt<int64_t>(Trim(*text));
  if (!number) return FailToParse(PathOf(name), *text, "number");
  return number;
}

std::vector<std::string> FunctionFiles::List(std::string_view name, std::string_view prefix) const {
  Result<std::vector<std::string>> names = sysfs_.List(PathOf(name));
  if (!names) return {};
  std::erase_if(*names, [&](const std::string& found) { return !found.starts_with(prefix); });
  if (names->size() > kMaxNames) names->resize(kMaxNames);
  return *std::move(names);
}

std::string OneLine(std::string_view text) {
  std::string line(Trim(text).substr(0, kMaxLine));
  std::ranges::replace_if(line, [](char c) { return c < ' ' || c > '~'; }, ' ');
  return line;
}

std::unexpected<Error> FailToParse(std::string_view name, std::string_view text,
                                   std::string_view what) {
  return Fail(Code::kIo,
              fmt::format("{}: '{}' is no {}", name, OneLine(text.substr(0, kMaxShown)), what));
}

std::vector<PciAddress> WayTo(const Sysfs& sysfs, const PciAddress& address) {
  std::vector<PciAddress> way;
  const Result<std::string> place = sysfs.Resolve(address.SysfsPath());
  if (!place) return way;
  for (const std::string_view component : Split(*place, '/')) {
    // "pci0000:00" is none.
    if (const auto function = PciAddress::Parse(component)) way.push_back(*function);
  }
  return way;
}

}  // namespace drapci::hal
