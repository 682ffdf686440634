#include "test/unit/families/family.h"

#include "test/sim/drivers/dfl.h"

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
          .meddling = Meddling{.writes = {{"/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", "2"}},
                               .reason = "somebody else has made 2 virtual functions"}};
}

// Somebody hands the card to user space.
Meddling ByVfio(const std::string& card, const std::string& driver) {
  return {.writes = {{"/sys/bus/pci/drivers/" + driver + "/unbind", card},
                     {"/sys/bus/pci/devices/" + card + "/driver_override", "vfio-pci"},
                     {"/sys/bus/pci/drivers_probe", card}},
          .reason = "somebody else has bound it to vfio-pci"};
}

Family Function() {
  constexpr char kDisk[] = "pci-0000-18-00-0";
  return {
      .name = "function",
      .board = "mixed-small",
      .card = "0000:18:00.0",
      .claims = {{.name = "WholeByVfio",
                  .wishes = {{.device = kDisk, .access = Access::kVfio}},
                  .in_cdi = {"/dev/vfio/vfio"}},
                 {.name = "WholeByKernel", .wishes = {{.device = kDisk}}, .in_cdi = {"/dev/nvme0"}},
                 {.name = "TwoCards",
                  .wishes = {{.device = kDisk, .access = Access::kVfio},
                             {.device = "pci-0000-17-00-0-vf0", .access = Access::kVfio}}}},
      .meddling = ByVfio("0000:18:00.0", "nvme"),
      .node = "/dev/nvme0n1"};
}

Family Drm() {
  constexpr char kGpu[] = "pci-0000-65-00-0";
  return {.name = "drm",
          .board = "accel",
          .card = "0000:65:00.0",
          .claims = {{.name = "WholeByVfio",
                      .wishes = {{.device = kGpu, .access = Access::kVfio}},
                      .in_cdi = {"/dev/vfio/vfio"}},
                     {.name = "WholeByKernel",
                      .wishes = {{.device = kGpu}},
                      .in_cdi = {"/dev/dri/renderD128"}},
                     {.name = "TwoCards",
                      .wishes = {{.device = kGpu, .access = Access::kVfio},
                                 {.device = "pci-0000-17-00-0"}},
                      .in_cdi = {"/dev/accel/accel1"}}},
          .meddling = ByVfio("0000:65:00.0", "simgpu"),
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
              Meddling{.writes = {{"/sys/bus/pci/devices/0000:3a:00.0/sriov_admin/vf3/profile/"
                                   "vram_quota",
                                   "1073741824"}},
                       .reason = "somebody else has given 1073741824 bytes of its memory to vf2"},
          .node = "/dev/dri/renderD128"};
}

Family AmdGpu() {
  const std::string gpu = "pci-0000-0a-00-0";
  const std::vector<Wish> other{{.device = gpu + "-cpx7"}};
  const int64_t gib = int64_t{1} << 30;
  hal::AcceleratorPolicy shares;
  shares.shares = true;
  return {.name = "amdgpu",
          .board = "mi300x",
          .card = "0000:0a:00.0",
          .claims = {{.name = "FirstPartition",
                      .wishes = {{.device = gpu + "-cpx1"}},
                      .in_cdi = {"/dev/kfd", "/dev/dri/renderD129"}},
                     {.name = "SecondPartition",
                      .wishes = {{.device = gpu + "-cpx1"}},
                      .other = other,
                      .in_cdi = {"/dev/kfd", "/dev/dri/renderD129"}},
                     {.name = "PartitionsOfTwoCards",
                      .wishes = {{.device = gpu + "-dpx1"}, {.device = "pci-0000-1a-00-0-qpx0"}}},
                     {.name = "WholeByKernel",
                      .wishes = {{.device = gpu}},
                      .in_cdi = {"/dev/kfd", "/dev/dri/renderD128"}},
                     {.name = "SecondShare",
                      .wishes = {{.device = gpu, .share = {{"memory", 10 * gib}}}},
                      .other = {{.device = gpu, .share = {{"memory", 20 * gib}}}},
                      .policy = shares,
                      .in_cdi = {"/dev/kfd", "--limit=drm/0000:0a:00.0/vram=10737418240"}},
                     {.name = "WholeByVfio",
                      .wishes = {{.device = gpu, .access = Access::kVfio}},
                      .in_cdi = {"/dev/vfio/vfio"}}},
          .meddling = ByVfio("0000:0a:00.0", "amdgpu"),
          .node = "/dev/dri/renderD128"};
}

Family Dfl() {
  constexpr std::string_view kInterface = "9346116d52125ba64f2b5a6a24da6d4e";  // of the board
  const std::string card = "pci-0000-3b-00-0";
  const hal::ImageRequest sort{.name = "sort.gbs", .digest = {}};
  return {.name = "dfl",
          .board = "dfl-fpga",
          .card = "0000:3b:00.0",
          .claims = {{.name = "SlotWithAnImage",
                      .wishes = {{.device = card + "-slot0", .image = sort}},
                      .in_cdi = {"/dev/dfl-port.0", "331db30c-9885-41ea-9081-f88b8f655caa"}},
                     {.name = "SlotAsItIs",
                      .wishes = {{.device = card + "-slot0"}},
                      .in_cdi = {"/dev/dfl-port.0", "d8424dc4-a4a3-c413-f89e-433683f9040b"}},
                     {.name = "SlotsOfTwoCards",
                      .wishes = {{.device = card + "-slot0", .image = sort},
                                 {.device = "pci-0000-86-00-0-slot1"}},
                      .other = {{.device = "pci-0000-86-00-0-slot0"}},
                      .in_cdi = {"/dev/dfl-port.2"}},
                     {.name = "WholeByVfio",
                      .wishes = {{.device = card, .access = Access::kVfio}},
                      .in_cdi = {"/dev/vfio/vfio"}}},
          .meddling = ByVfio("0000:3b:00.0", "dfl-pci"),
          .node = "/dev/dfl-port.0",
          .images = {{"base.gbs", sim::DflImage(kInterface, "d8424dc4a4a3c413f89e433683f9040b")},
                     {"sort.gbs", sim::DflImage(kInterface, "331db30c988541ea9081f88b8f655caa")}}};
}

Family Idxd() {
  const std::string dsa = "pci-0000-6a-01-0";
  const std::vector<Wish> other{{.device = dsa + "-wq1"}};
  const Wish share{.device = dsa + "-wq5", .share = {{"entries", 4}}};
  const std::vector<Wish> other_share{{.device = dsa + "-wq5", .share = {{"entries", 2}}}};
  hal::AcceleratorPolicy three;
  three.work_queues = {{.shared = false, .size = 64}, {.shared = true, .size = 32}, {}};
  return {
      .name = "idxd",
      .board = "dsa",
      .card = "0000:6a:01.0",
      .claims = {{.name = "FirstQueue",
                  .wishes = {{.device = dsa + "-wq0"}},
                  .in_cdi = {"/dev/dsa/wq0.0"}},
                 {.name = "SecondQueue",
                  .wishes = {{.device = dsa + "-wq0"}},
                  .other = other,
                  .in_cdi = {"/dev/dsa/wq0.0"}},
                 {.name = "FirstShareOfAQueue", .wishes = {share}, .in_cdi = {"/dev/dsa/wq0.5"}},
                 {.name = "SecondShareOfAQueue",
                  .wishes = {share},
                  .other = other_share,
                  .in_cdi = {"/dev/dsa/wq0.5"}},
                 {.name = "QueuesOfThePolicy",
                  .wishes = {{.device = dsa + "-wq0"}, {.device = dsa + "-wq2"}},
                  .policy = three},
                 {.name = "AllQueues",
                  .wishes = {{.device = dsa}},
                  .policy = three,
                  .in_cdi = {"/dev/dsa/wq0.0", "/dev/dsa/wq0.1", "/dev/dsa/wq0.2"}},
                 {.name = "WholeByVfio",
                  .wishes = {{.device = dsa, .access = Access::kVfio}},
                  .in_cdi = {"/dev/vfio/vfio"}}},
      .meddling = Meddling{.writes = {{"/sys/bus/dsa/devices/wq0.3/size", "8"}},
                           .reason = "somebody else has configured wq0.3 (of 8 entries)"}};
}

// The kernel has a queue of its own here, which has to come back.
Family Iaa() {
  const std::string iaa = "pci-0000-6a-02-0";
  return {.name = "idxd",
          .board = "dsa",
          .card = "0000:6a:02.0",
          .claims = {{.name = "KernelsQueueOfIaa",
                      .wishes = {{.device = iaa + "-wq0"}},
                      .in_cdi = {"/dev/iax/wq0.0"}}}};
}

Family Qat() {
  const std::string qat = "pci-0000-6b-00-0";
  const Wish vf{.device = qat + "-vf0", .access = Access::kVfio};
  const std::vector<Wish> other{{.device = qat + "-vf1", .access = Access::kVfio}};
  hal::AcceleratorPolicy compression;
  compression.services = "dc";
  hal::AcceleratorPolicy fixed = compression;
  fixed.vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  return {.name = "qat",
          .board = "qat",
          .card = "0000:6b:00.0",
          .claims = {{.name = "FirstVf", .wishes = {vf}, .in_cdi = {"/dev/vfio/vfio"}},
                     {.name = "SecondVf", .wishes = {vf}, .other = other},
                     {.name = "FirstVfWithServices", .wishes = {vf}, .policy = compression},
                     {.name = "SecondVfWithServices",
                      .wishes = {vf},
                      .other = other,
                      .policy = compression},
                     {.name = "VfThatStays", .wishes = {vf}, .other = other, .policy = fixed},
                     {.name = "WholeByVfio",
                      .wishes = {{.device = qat, .access = Access::kVfio}},
                      .in_cdi = {"/dev/vfio/vfio"}}},
          .meddling = Meddling{.writes = {{"/sys/bus/pci/devices/0000:6b:00.0/sriov_numvfs", "2"}},
                               .reason = "somebody else has made 16 virtual functions"}};
}

Family Nvidia() {
  const std::string gpu = "pci-0000-1b-00-0";
  const std::vector<Wish> other{{.device = gpu + "-1g-10gb-6"}};
  const int64_t gib = int64_t{1} << 30;
  hal::AcceleratorPolicy shares;
  shares.shares = true;
  return {.name = "nvidia",
          .board = "dgx-h100",
          .card = "0000:1b:00.0",
          .claims = {{.name = "FirstPartition",
                      .wishes = {{.device = gpu + "-3g-40gb-0"}},
                      .in_cdi = {"/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-caps/nvidia-cap",
                                 "NVIDIA_VISIBLE_DEVICES=void",
                                 "DRAPCI_UUID_PCI_0000_1B_00_0_3G_40GB_0=MIG-"}},
                     {.name = "SecondPartition",
                      .wishes = {{.device = gpu + "-1g-10gb-5"}},
                      .other = other,
                      .in_cdi = {"/dev/nvidia-caps/nvidia-cap"}},
                     {.name = "PartitionsOfTwoGpus",
                      .wishes = {{.device = gpu + "-1g-10gb-me-6"},
                                 {.device = gpu + "-2g-20gb-4"},
                                 {.device = "pci-0000-43-00-0-7g-80gb-0"}}},
                     {.name = "WholeByKernel",
                      .wishes = {{.device = gpu}},
                      .in_cdi = {"/dev/nvidia0", "/dev/nvidia-uvm"}},
                     {.name = "WholeByVfio",
                      .wishes = {{.device = gpu, .access = Access::kVfio}},
                      .in_cdi = {"/dev/vfio/vfio"}},
                     {.name = "SecondShare",
                      .wishes = {{.device = gpu, .share = {{"memory", 10 * gib}}}},
                      .other = {{.device = gpu, .share = {{"memory", 20 * gib}}}},
                      .policy = shares,
                      .in_cdi = {"/dev/nvidia0"}}},
          .meddling = ByVfio("0000:1b:00.0", "nvidia"),
          .node = "/dev/nvidia0"};
}

// A network card whose switch is put into another mode for the first VF.
Family SmartNic() {
  const std::string nic = "pci-0000-03-00-0";
  const std::vector<Wish> other{{.device = nic + "-vf1"}};
  hal::NetworkRequest network;
  network.vf.mac = "02:00:00:00:00:07";
  network.vf.min_rate = 100;
  network.vf.max_rate = 200;
  network.interface = "net1";
  hal::AcceleratorPolicy switchdev;
  switchdev.eswitch_mode = "switchdev";
  hal::AcceleratorPolicy with_sfs = switchdev;
  with_sfs.sub_functions = 3;
  hal::AcceleratorPolicy fixed = switchdev;
  fixed.vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  hal::AcceleratorPolicy shares = switchdev;
  shares.shares = true;
  shares.bandwidth = 1'000'000'000;
  return {.name = "smartnic",
          .board = "smartnic",
          .card = "0000:03:00.0",
          .claims = {{.name = "WholeByVfio",
                      .wishes = {{.device = nic, .access = Access::kVfio}},
                      .in_cdi = {"/dev/vfio/vfio"}},
                     {.name = "FirstVfOfASwitch",
                      .wishes = {{.device = nic + "-vf0"}},
                      .policy = switchdev,
                      .in_cdi = {"/dev/infiniband/uverbs10", "rocep3s0v0"}},
                     {.name = "FirstVfWithAddressAndRate",
                      .wishes = {{.device = nic + "-vf0", .network = network}},
                      .policy = switchdev,
                      .in_cdi = {"net1"}},
                     {.name = "SecondVfWithAddressAndRate",
                      .wishes = {{.device = nic + "-vf0", .network = network}},
                      .other = other,
                      .policy = switchdev},
                     {.name = "VfOfASwitchThatStays",
                      .wishes = {{.device = nic + "-vf0", .network = network}},
                      .other = other,
                      .policy = fixed},
                     {.name = "SecondShareOfASwitch",
                      .wishes = {{.device = nic, .share = {{"bandwidth", 200'000'000}}}},
                      .other = {{.device = nic, .share = {{"bandwidth", 300'000'000}}}},
                      .policy = shares},
                     {.name = "FirstSubFunction",
                      .wishes = {{.device = nic + "-sf0"}},
                      .policy = with_sfs,
                      .in_cdi = {"mlx5_core.sf.2", "0000:03:00.0/sf0", "/dev/infiniband/uverbs100",
                                 "rocep3s0s500"}},
                     {.name = "SecondSubFunctionWithAddressAndRate",
                      .wishes = {{.device = nic + "-sf2", .network = network}},
                      .other = {{.device = nic + "-sf0"}},
                      .policy = with_sfs,
                      .in_cdi = {"net1"}},
                     {.name = "SubFunctionBesideAVf",
                      .wishes = {{.device = nic + "-sf1"}},
                      .other = other,
                      .policy = with_sfs},
                     {.name = "VfByVfio",
                      .wishes = {{.device = nic + "-vf0", .access = Access::kVfio}},
                      .policy = switchdev,
                      .in_cdi = {"/dev/vfio/vfio"}},
                     {.name = "WholeByKernel",
                      .wishes = {{.device = nic}},
                      .in_cdi = {"/dev/infiniband/uverbs0"}}},
          .meddling = Meddling{.writes = {{"/sys/bus/pci/devices/0000:03:00.0/sriov_numvfs", "2"}},
                               .reason = "somebody else has made 2 virtual functions"},
          .node = "/dev/infiniband/uverbs0",
          .state = {"/sys/kernel/debug/devlink"}};
}

}  // namespace

std::span<const Family> AllFamilies() {
  static const std::vector<Family> families{Sriov(), AmdGpu(), Xe(),  Dfl(),      Idxd(),    Iaa(),
                                            Qat(),   Nvidia(), Drm(), Function(), SmartNic()};
  return families;
}

}  // namespace drapci::test
