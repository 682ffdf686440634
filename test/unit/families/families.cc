#include "test/unit/families/family.h"

namespace drapci::test {
namespace {

using hal::Access;

constexpr char kVf0[] = "pci-0000-02-00-0-vf0";
constexpr char kNic[] = "pci-0000-02-00-0";

hal::NetworkRequest Network() {
  hal::NetworkRequest network;
  network.vf.mac = "02:00:00:00:00:07";
  network.vf.vlan = 100;
  network.vf.max_rate = 200;
  network.vf.spoof_check = false;
  network.interface = "net1";
  network.mtu = 1400;
  network.addresses = {"10.0.0.2/24"};
  return network;
}

hal::NetworkRequest Mtu() {
  hal::NetworkRequest network;
  network.mtu = 1400;
  return network;
}

hal::AcceleratorPolicy Shares() {
  hal::AcceleratorPolicy policy;
  policy.shares = true;
  policy.bandwidth = 1'000'000'000;
  return policy;
}

Family Sriov() {
  const std::vector<Wish> other{{.device = "pci-0000-02-00-0-vf1", .access = Access::kVfio}};
  const Wish share{.device = kNic, .share = {{"bandwidth", 200'000'000}}};
  const Wish other_share{.device = kNic, .share = {{"bandwidth", 300'000'000}}};
  return {.name = "sriov",
          .board = "sriov-nic:vfs=4",
          .card = "0000:02:00.0",
          .claims =
              {
                  {.name = "FirstVfByKernel", .wishes = {{.device = kVf0}}},
                  {.name = "SecondVfByVfio",
                   .wishes = {{.device = kVf0, .access = Access::kVfio}},
                   .other = other,
                   .in_cdi = {"/dev/vfio/vfio"}},
                  {.name = "SecondVfByKernel", .wishes = {{.device = kVf0}}, .other = other},
                  {.name = "WholeCardByVfio",
                   .wishes = {{.device = kNic, .access = Access::kVfio}},
                   .in_cdi = {"/dev/vfio/vfio"}},
                  {.name = "VfWithNetworkSettings",
                   .wishes = {{.device = kVf0, .network = Network()}},
                   .in_cdi = {"net1"}},
                  {.name = "SecondVfWithNetworkSettings",
                   .wishes = {{.device = kVf0, .network = Network()}},
                   .other = other},
                  {.name = "WholeCardWithAnMtu", .wishes = {{.device = kNic, .network = Mtu()}}},
                  {.name = "FirstShareWithARate", .wishes = {share}, .policy = Shares()},
                  {.name = "SecondShareWithARate",
                   .wishes = {share},
                   .other = {other_share},
                   .policy = Shares()},
              },
          .meddling = Meddling{.path = "/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs",
                               .value = "2",
                               .reason = "somebody else has made 2 virtual functions"}};
}

Family Function() {
  constexpr char kGpu[] = "pci-0000-66-00-0";
  return {.name = "function",
          .board = "mixed-small",
          .card = "0000:66:00.0",
          .claims = {{.name = "WholeByVfio",
                      .wishes = {{.device = kGpu, .access = Access::kVfio}},
                      .in_cdi = {"/dev/vfio/vfio"}},
                     {.name = "WholeByKernel",
                      .wishes = {{.device = kGpu}},
                      .in_cdi = {"/dev/dri/renderD128"}},
                     {.name = "TwoCards",
                      .wishes = {{.device = kGpu, .access = Access::kVfio},
                                 {.device = "pci-0000-17-00-0-vf0", .access = Access::kVfio}}}},
          .node = "/dev/dri/renderD128"};
}

Family Xe() {
  constexpr int64_t kGiB = int64_t{1} << 30;
  const std::string gpu = "pci-0000-3a-00-0";
  const std::vector<Wish> other{{.device = gpu + "-vf1"}};
  const Wish share{.device = gpu, .share = {{"memory", 10 * kGiB}}};
  const Wish vfio_share{.device = gpu, .access = Access::kVfio, .share = {{"memory", 5 * kGiB}}};
  const std::vector<Wish> other_share{{.device = gpu, .share = {{"memory", 12 * kGiB}}}};
  hal::AcceleratorPolicy shares;
  shares.shares = true;
  hal::AcceleratorPolicy fixed = shares;
  fixed.vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  return {.name = "xe",
          .board = "xe:vfs=4",
          .card = "0000:3a:00.0",
          .claims =
              {
                  {.name = "WholeByVfio",
                   .wishes = {{.device = gpu, .access = Access::kVfio}},
                   .in_cdi = {"/dev/vfio/vfio"}},
                  {.name = "FirstVfByKernel",
                   .wishes = {{.device = gpu + "-vf0"}},
                   .in_cdi = {"/dev/dri/card10", "/dev/dri/renderD130"}},
                  {.name = "SecondVfByVfio",
                   .wishes = {{.device = gpu + "-vf0", .access = Access::kVfio}},
                   .other = other},
                  {.name = "FirstShare",
                   .wishes = {share},
                   .policy = shares,
                   .in_cdi = {"/dev/dri/renderD130"}},
                  {.name = "SecondShare",
                   .wishes = {share},
                   .other = other_share,
                   .policy = shares,
                   .in_cdi = {"/dev/dri/renderD131"}},
                  {.name = "SecondShareByVfio",
                   .wishes = {vfio_share},
                   .other = other_share,
                   .policy = shares},
                  {.name = "ShareOfVfsThatStay",
                   .wishes = {share},
                   .other = other_share,
                   .policy = fixed},
              },
          .meddling =
              Meddling{.path = "/sys/bus/pci/devices/0000:3a:00.0/sriov_admin/vf3/profile/"
                               "vram_quota",
                       .value = "1073741824",
                       .reason = "somebody else has given 1073741824 bytes of its memory to vf2"},
          .node = "/dev/dri/renderD128"};
}

}  // namespace

std::span<const Family> AllFamilies() {
  static const std::vector<Family> families{Sriov(), Xe(), Function()};
  return families;
}

}  // namespace drapci::test
