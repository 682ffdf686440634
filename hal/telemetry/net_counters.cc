// What network interfaces drop (Documentation/ABI/testing/sysfs-class-net-statistics), and what the
// driver of a PF has counted of its VFs.
#include <fmt/format.h>

#include <array>

#include "hal/net/vf_counters.h"
#include "hal/telemetry/function_files.h"
#include "hal/telemetry/makers.h"

namespace drapci::hal {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 4> kCounters = {
    {{"net_rx_dropped", "rx_dropped"},
     {"net_rx_errors", "rx_errors"},
     {"net_tx_dropped", "tx_dropped"},
     {"net_tx_errors", "tx_errors"}}};
constexpr size_t kMaxInterfaces = 8;

class NetReader : public TelemetryReader {
 public:
  NetReader(Netlink& netlink, FunctionFiles files, bool has_vfs)
      : netlink_(netlink), files_(std::move(files)), has_vfs_(has_vfs) {}

  Result<std::vector<Reading>> Read() override {
    std::vector<Reading> readings;
    if (files_.Sleeps()) return readings;
    // An interface that was given away to another namespace is not listed.
    std::vector<std::string> names = files_.List("net", "");
    if (names.size() > kMaxInterfaces) names.resize(kMaxInterfaces);
    for (const std::string& name : names) {
      for (const auto& [signal, file] : kCounters) {
        const std::string path = fmt::format("net/{}/statistics/{}", name, file);
        DRAPCI_TRY(const std::optional<int64_t> count, files_.Number(path));
        if (count) Add(readings, signal, OneLine(name), static_cast<double>(*count));
      }
    }
    if (has_vfs_ && !names.empty()) DRAPCI_CHECK(ReadVfs(names.front(), readings));
    return readings;
  }

 private:
  static void Add(std::vector<Reading>& readings, const char* signal, std::string instance,
                  double value) {
    readings.push_back({.signal = signal, .instance = std::move(instance), .value = value});
  }

  Result<> ReadVfs(const std::string& name, std::vector<Reading>& readings) const {
    // sriov_numvfs would wait for who makes VFs now.
    if (!files_.Has("virtfn0")) return {};
    DRAPCI_TRY(const std::optional<int64_t> index,
               files_.Number(fmt::format("net/{}/ifindex", name)));
    if (!index) return {};
    const auto counters = ReadVfCounters(netlink_, static_cast<int>(*index));
    // It was moved away or renamed since it was listed.
    if (!counters && counters.error().code == Code::kGone) return {};
    if (!counters) return Fail(counters.error());
    for (const auto& [vf, counts] : *counters) {
      Add(readings, "net_rx_dropped", fmt::format("vf{}", vf),
          static_cast<double>(counts.rx_dropped));
      Add(readings, "net_tx_dropped", fmt::format("vf{}", vf),
          static_cast<double>(counts.tx_dropped));
    }
    return {};
  }

  Netlink& netlink_;
  const FunctionFiles files_;
  const bool has_vfs_;
};

}  // namespace

std::unique_ptr<TelemetryReader> MakeNetReader(Host& host, const PciFunction& function) {
  FunctionFiles files(host.sysfs, function.address);
  if (!files.Has("net")) return nullptr;
  return std::make_unique<NetReader>(host.netlink, std::move(files),
                                     function.sriov_total.value_or(0) > 0);
}

}  // namespace drapci::hal
