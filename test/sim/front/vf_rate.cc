// vf-rate INTERFACE VF MIN MAX: sets a VF's rates by hal::KernelNetlink, as drapci does, and so
// through the relay of a simulated machine. For test/node/sim_machine.sh.
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstdio>
#include <span>

#include "hal/base/parse.h"
#include "hal/os/netlink.h"
#include "test/sim/front/route_socket.h"

namespace drapci::sim {
namespace {

Result<> SetRate(const std::string& interface, const ifla_vf_rate& rate) {
  hal::KernelNetlink netlink;
  RouteRequest find(RTM_GETLINK, 0, 0);
  find.PutText(IFLA_IFNAME, interface);
  DRAPCI_TRY(const auto found, netlink.Talk(NETLINK_ROUTE, find.message()));
  const auto link = found.empty() ? std::nullopt : ReadLinkNews(found.front());
  if (!link) return Fail(Code::kGone, "no interface " + interface);
  RouteRequest set(RTM_SETLINK, 0, link->index);
  const size_t list = set.Begin(IFLA_VFINFO_LIST);
  const size_t one = set.Begin(IFLA_VF_INFO);
  set.Put(IFLA_VF_RATE, &rate, sizeof rate);
  set.End(one);
  set.End(list);
  DRAPCI_TRY([[maybe_unused]] const auto done, netlink.Talk(NETLINK_ROUTE, set.message()));
  return {};
}

int Main(std::span<char*> arguments) {
  if (arguments.size() != 5) return 2;
  const auto vf = ParseInt<uint32_t>(arguments[2]);
  const auto low = ParseInt<uint32_t>(arguments[3]);
  const auto high = ParseInt<uint32_t>(arguments[4]);
  if (!vf || !low || !high) return 2;
  const auto set = SetRate(arguments[1], {.vf = *vf, .min_tx_rate = *low, .max_tx_rate = *high});
  if (set) return 0;
  fmt::print(stderr, "vf-rate: {}\n", set.error().what);
  return 1;
}

}  // namespace
}  // namespace drapci::sim

int main(int argc, char** argv) {
  return drapci::sim::Main(std::span(argv, static_cast<size_t>(argc)));
}
