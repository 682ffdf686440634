#include "hal/accel/rdma_edits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "hal/base/log.h"
#include "hal/net/rdma.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kNodes = "/dev/infiniband/";
constexpr const char* kConnectionManager = "/dev/infiniband/rdma_cm";

}  // namespace

void AddRdma(Host& host, const std::string& path, const std::string& variable,
             ContainerEdits& edits) {
  const auto devices = RdmaDevices(host.sysfs, path);
  if (!devices || devices->empty()) return;
  const auto mode = ReadRdmaNamespaces(host.netlink);
  if (mode && *mode == RdmaNamespaces::kExclusive) {
    std::erase_if(edits.device_nodes,
                  [](const std::string& node) { return node.starts_with(kNodes); });
    Log(LogLevel::kWarning,
        "{} stays without RDMA in its container: the RDMA subsystem is in exclusive mode; set "
        "`options ib_core netns_mode=1` (shared) and boot, to use {} there",
        edits.address, fmt::join(*devices, ", "));
    return;
  }
  if (host.dev.Stat(kConnectionManager)) edits.device_nodes.emplace_back(kConnectionManager);
  edits.environment.emplace(variable, fmt::format("{}", fmt::join(*devices, ",")));
}

}  // namespace drapci::hal
