#include "hal/telemetry/ras.h"

#include <fmt/format.h>

#include "hal/base/parse.h"
#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kSuffix = "_err_count";

void Add(std::vector<Reading>& readings, const char* signal, std::string_view instance,
         std::optional<uint64_t> value) {
  if (!value) return;
  readings.push_back({.signal = signal,
                      .instance = OneLine(instance.substr(0, 40)),
                      .value = static_cast<double>(*value)});
}

// The hardware forgets on most cards what it has told; the driver adds it up. So there should be
// one reader of these files, and it costs a question to the card's firmware for each.
class RasReader : public TelemetryReader {
 public:
  explicit RasReader(FunctionFiles files) : files_(std::move(files)) {}

  Result<std::vector<Reading>> Read() override {
    std::vector<Reading> readings;
    if (files_.Sleeps()) return readings;
    for (const std::string& name : files_.List("ras", "")) {
      if (!name.ends_with(kSuffix)) continue;
      DRAPCI_TRY(const std::optional<std::string> text, files_.Text("ras/" + name));
      if (!text) continue;
      auto counts = ParseRasCounts(*text);
      if (!counts) return Fail(std::move(counts).error().Within(files_.PathOf("ras/" + name)));
      const std::string_view block = std::string_view(name).substr(0, name.size() - kSuffix.size());
      Add(readings, "ras_uncorrected", block, counts->uncorrected);
      Add(readings, "ras_corrected", block, counts->corrected);
      Add(readings, "ras_deferred", block, counts->deferred);
    }
    DRAPCI_CHECK(ReadPages(readings));
    DRAPCI_TRY(const std::optional<int64_t> replays, files_.Number("pcie_replay_count"));
    if (replays) Add(readings, "pcie_replays", "", static_cast<uint64_t>(*replays));
    return readings;
  }

 private:
  Result<> ReadPages(std::vector<Reading>& readings) const {
    const char* file = "ras/gpu_vram_bad_pages";
    DRAPCI_TRY(const std::optional<std::string> text, files_.Text(file));
    if (!text) return {};
    auto pages = ParseBadPages(*text);
    if (!pages) return Fail(std::move(pages).error().Within(files_.PathOf(file)));
    Add(readings, "ras_bad_pages", "retired", pages->retired);
    Add(readings, "ras_bad_pages", "pending", pages->pending);
    Add(readings, "ras_bad_pages", "unreservable", pages->unreservable);
    return {};
  }

  const FunctionFiles files_;
};

std::unexpected<Error> FailLine(std::string_view line, std::string_view what) {
  return Fail(Code::kIo, fmt::format("'{}' is no {}", OneLine(line.substr(0, 60)), what));
}

}  // namespace

Result<RasCounts> ParseRasCounts(std::string_view text) {
  RasCounts counts;
  for (const std::string_view line : Split(text, '\n')) {
    if (Trim(line).empty()) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return FailLine(line, "counter");
    const auto count = ParseInt<uint64_t>(Trim(line.substr(colon + 1)));
    const std::string_view name = Trim(line.substr(0, colon));
    if (name != "ue" && name != "ce" && name != "de") continue;
    if (!count) return FailLine(line, "counter");
    (name == "ue" ? counts.uncorrected : name == "ce" ? counts.corrected : counts.deferred) = count;
  }
  return counts;
}

Result<BadPages> ParseBadPages(std::string_view text) {
  BadPages pages;
  for (const std::string_view line : Split(text, '\n')) {
    if (Trim(line).empty()) continue;
    switch (Trim(line).back()) {
      case 'R': ++pages.retired; break;
      case 'P': ++pages.pending; break;
      case 'F': ++pages.unreservable; break;
      default: return FailLine(line, "page");
    }
  }
  return pages;
}

std::unique_ptr<TelemetryReader> MakeRasReader(Host& host, const PciFunction& function) {
  FunctionFiles files(host.sysfs, function.address);
  if (!files.Has("ras") && !files.Has("pcie_replay_count")) return nullptr;
  return std::make_unique<RasReader>(std::move(files));
}

}  // namespace drapci::hal
