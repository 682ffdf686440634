// Whether the card still answers: the texts of sysfs are the kernel's memory, configuration space
// is read from the card.
#include <algorithm>
#include <string_view>
#include <utility>

#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

// Ids, status and class. The ids alone would not do: those of a VF read all ones always (PCI
// Express Base Specification, 9.3.4.1).
constexpr size_t kHead = 16;

class PresenceReader : public TelemetryReader {
 public:
  explicit PresenceReader(FunctionFiles files) : files_(std::move(files)) {}

  Result<std::vector<Reading>> Read() override {
    if (files_.Sleeps()) return std::vector<Reading>();
    Result<std::string> head = files_.sysfs().ReadBytes(files_.PathOf("config"), kHead);
    if (!head) {
      // Listed still, and without an answer; or gone altogether.
      if (head.error().code != Code::kGone || files_.IsGone()) {
        return Fail(std::move(head).error());
      }
      return Says(1, "configuration space cannot be read");
    }
    if (head->size() < kHead) return FailToParse(files_.PathOf("config"), "", "whole header");
    const bool all_ones = std::ranges::all_of(*head, [](char byte) { return byte == '\xff'; });
    return all_ones ? Says(1, "configuration space reads all ones") : Says(0, "");
  }

 private:
  static std::vector<Reading> Says(double value, std::string_view text) {
    return {{.signal = "config_space", .value = value, .text = std::string(text)}};
  }

  const FunctionFiles files_;
};

}  // namespace

std::unique_ptr<TelemetryReader> MakePresenceReader(Host& host, const PciFunction& function) {
  return std::make_unique<PresenceReader>(FunctionFiles(host.sysfs, function.address));
}

}  // namespace drapci::hal
