#include "test/sim/drivers/amdgpu.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cerrno>

#include "hal/base/parse.h"
#include "test/sim/drivers/dmem.h"
#include "test/sim/drivers/kfd.h"

namespace drapci::sim {
namespace {

constexpr unsigned kDrmMajor = 2046;
constexpr unsigned kFirstRender = 128;  // DRM_MINOR_RENDER
// amdgpu_xcp_drv.c MAX_XCP_PLATFORM_DEVICE, of the whole machine.
constexpr unsigned kMostPlatformDevices = 64;
constexpr unsigned kPlatformDevices = 7;  // of one card, amdgpu_xcp.h MAX_XCP - 1
constexpr std::string_view kModes[] = {"SPX", "DPX", "TPX", "QPX", "CPX"};
constexpr std::string_view kPlatform = "/sys/devices/platform";

// A primary or a render node.
ChildDevice DrmDevice(std::string_view kind, unsigned number, unsigned minor) {
  const std::string name = fmt::format("{}{}", kind, number);
  return {.path = "drm/" + name,
          .subsystem = "drm",
          .devname = "dri/" + name,
          .type = 'c',
          .major = kDrmMajor,
          .minor = minor,
          .permissions = 0660,
          .files = {}};
}

std::vector<ChildDevice> DrmDevices(unsigned render) {
  const unsigned card = render - kFirstRender;
  return {DrmDevice("card", card, card), DrmDevice("renderD", render, render)};
}

}  // namespace

unsigned AmdgpuModel::Xccs() const { return static_cast<unsigned>(GivenNumber("xccs", 8)); }

unsigned AmdgpuModel::Domains() const {
  return ParseInt<unsigned>(registers().at("memory").substr(3)).value_or(1);
}

unsigned AmdgpuModel::Partitions(std::string_view mode) const {
  constexpr unsigned kCounts[] = {1, 2, 3, 4};
  const auto at = std::ranges::find(kModes, mode) - std::begin(kModes);
  return static_cast<size_t>(at) < std::size(kCounts) ? kCounts[at] : Xccs();
}

// aqua_vanjaram.c __aqua_vanjaram_is_valid_mode and __aqua_vanjaram_get_px_mode_info.
bool AmdgpuModel::IsValid(std::string_view mode) const {
  const unsigned domains = Domains(), xccs = Xccs();
  if (mode == "SPX") return domains == 1;
  if (mode == "DPX") return domains <= 2 && xccs % 4 == 0;
  if (mode == "TPX") return (domains == 1 || domains == 4) && xccs % 3 == 0;
  if (mode == "QPX") return (domains == 1 || domains == 4) && xccs / 4 >= 2;
  return xccs > 1 && (domains == 1 || domains == 4) && xccs % domains == 0;
}

// aqua_vanjaram.c __aqua_vanjaram_get_auto_mode.
std::string AmdgpuModel::AutoMode() const {
  const unsigned domains = Domains();
  if (domains == 1) return "SPX";
  if (domains == Xccs()) return "CPX";
  return domains == 2 ? "DPX" : "QPX";
}

// amdgpu_gfx.c amdgpu_gfx_get_available_compute_partition.
std::string AmdgpuModel::AvailableModes() const {
  switch (Xccs()) {
    case 8: return "SPX, DPX, QPX, CPX";
    case 6: return "SPX, TPX, CPX";
    case 4: return "SPX, DPX, CPX";
    case 2: return "SPX, CPX";
    default: return "Not supported";
  }
}

void AmdgpuModel::MakeFile(const std::string& name, std::string content) {
  files_.push_back(name);
  tree().MakeText(function().dir + "/" + name, std::move(content));
}

void AmdgpuModel::Bound() {
  registers().emplace("memory", Given("memory", "NPS1"));
  if (const auto request = registers().find("requested memory"); request != registers().end()) {
    registers()["memory"] = request->second;
    registers().erase("requested memory");
  }
  MakeFile("mem_info_vram_total", fmt::format("{}\n", GivenNumber("vram", 0)));
  // amdgpu_vram_mgr_init: one region for the whole card, whatever its partitions.
  if (Given("dmem", "yes") != "no") {
    RegisterDmem(kernel(), function(), "vram", GivenNumber("vram", 0));
  }
  MakeFile("mem_info_vram_used", "297795584\n");
  MakeFile("unique_id", Given("unique-id", "") + "\n");
  MakeFile("product_name", Given("product", "") + "\n");
  MakeOwnNodes();
  MakeKfd(kernel());
  mode_ = Given("mode", "auto");  // the module's parameter user_partt_mode
  if (mode_ == "auto") mode_ = AutoMode();
  if (Given("partitions", "true") == "true") {
    MakePartitionFiles();
    for (unsigned index = 1; index <= kPlatformDevices; ++index) MakePlatformDevice(index);
  }
  MakeRasFiles();
  AddNodes();
}

// amdgpu_ras.c amdgpu_ras_sysfs_create and amdgpu_ras_sysfs_add_bad_page_node; the driver counts
// anew each time that it is bound.
void AmdgpuModel::MakeRasFiles() {
  const std::string blocks = Given("ras", "umc sdma gfx mmhub xgmi_wafl");
  if (blocks.empty()) return;
  for (const std::string_view block : Split(blocks, ' ')) {
    MakeFile(fmt::format("ras/{}_err_count", block), "ue: 0\nce: 0\n");
  }
  MakeFile("ras/gpu_vram_bad_pages", "");
  MakeFile("pcie_replay_count", "0\n");
  files_.emplace_back("ras");
}

void AmdgpuModel::Unbound() {
  UnregisterDmem(function());
  nodes_.clear();
  WriteKfdTopology(kernel());
  for (const PlatformDevice& device : platform_) {
    const std::string dir = fmt::format("{}/{}", kPlatform, device.name);
    for (const ChildDevice& child : device.children) kernel().RemoveChild(dir, child);
    tree().Remove("/sys/bus/platform/devices/" + device.name);
    tree().Remove(dir);
  }
  platform_.clear();
  for (const std::string& name : files_) tree().Remove(function().dir + "/" + name);
  files_.clear();
}

void AmdgpuModel::MakeOwnNodes() {
  for (ChildDevice& child :
       DrmDevices(static_cast<unsigned>(GivenNumber("render", kFirstRender)))) {
    kernel().MakeChild(function().dir, child);
    function().live_children.push_back(std::move(child));
  }
}

// amdgpu_xcp_drv.c amdgpu_xcp_drm_dev_alloc: made with the driver, in whatever mode the card is.
void AmdgpuModel::MakePlatformDevice(unsigned index) {
  for (unsigned number = 0; number < kMostPlatformDevices; ++number) {
    const std::string name = fmt::format("amdgpu_xcp_{}", number);
    const std::string dir = fmt::format("{}/{}", kPlatform, name);
    if (tree().Find(dir)) continue;
    tree().MakeText(dir + "/uevent", "DRIVER=amdgpu_xcp_drv\nMODALIAS=platform:" + name + "\n");
    tree().MakeLinkTo(dir + "/subsystem", "/sys/bus/platform");
    tree().MakeLinkTo("/sys/bus/platform/devices/" + name, dir);
    const auto render = static_cast<unsigned>(GivenNumber("render", kFirstRender)) + index;
    PlatformDevice& device =
        platform_.emplace_back(PlatformDevice{.name = name, .children = DrmDevices(render)});
    for (const ChildDevice& child : device.children) kernel().MakeChild(dir, child);
    return;
  }
}

void AmdgpuModel::MakePartitionFiles() {
  const std::string& dir = function().dir;
  const bool in_reset = Given("in-reset", "false") == "true";
  const auto make = [&](const std::string& name, unsigned mode, Tree::Show show,
                        Tree::Store store) {
    files_.push_back(name);
    tree().MakeFile(dir + "/" + name, mode, std::move(show), std::move(store));
  };
  MakeFile("available_compute_partition", AvailableModes() + "\n");
  // amdgpu_gfx_get_current_compute_partition: "reject requests while in reset".
  make(
      "current_compute_partition", 0644,
      [this, in_reset]() -> std::expected<std::string, int> {
        if (in_reset) return std::unexpected(EPERM);
        return mode_ + "\n";
      },
      [this](std::string_view value, size_t) { return StoreMode(value); });
  const std::string available = Given("available-memory", "");
  make(
      "current_memory_partition", available.empty() ? 0444 : 0644,
      [this] { return registers().at("memory") + "\n"; },
      [this](std::string_view value, size_t) { return StoreMemory(value); });
  if (!available.empty()) MakeFile("available_memory_partition", available + "\n");
  const std::string alloc = Given("alloc", "");
  if (!alloc.empty()) MakeFile("compute_partition_mem_alloc_mode", alloc + "\n");
}

// amdgpu_gfx.c amdgpu_gfx_set_compute_partition: a name's first letters, in any case.
int AmdgpuModel::StoreMode(std::string_view value) {
  const auto mode = std::ranges::find_if(kModes, [&](std::string_view name) {
    return value.size() >= name.size() && strncasecmp(name.data(), value.data(), name.size()) == 0;
  });
  if (mode == std::end(kModes)) return EINVAL;
  const unsigned xccs = Xccs();
  if (xccs % 2 != 0) return EINVAL;
  if (*mode == "DPX" && xccs % 4 != 0) return EINVAL;
  if (*mode == "TPX" && xccs != 6) return EINVAL;
  if (*mode == "QPX" && xccs != 8) return EINVAL;
  if (Given("in-reset", "false") == "true") return EPERM;
  const auto self = function().model;  // the driver may be taken away while this waits
  if (!kernel().LockDevice(address())) return ENODEV;
  const int error = kernel().Get(address())->model == self ? SwitchTo(std::string(*mode)) : ENODEV;
  kernel().UnlockDevice(address());
  return error;
}

// amdgpu_xcp.c amdgpu_xcp_switch_partition_mode, aqua_vanjaram.c
// aqua_vanjaram_switch_partition_mode.
int AmdgpuModel::SwitchTo(const std::string& mode) {
  if (mode == mode_) return 0;
  if (!IsValid(mode)) return EINVAL;
  // kfd_device.c kgd2kfd_check_and_lock_kfd.
  if (HasProcesses()) return EBUSY;
  nodes_.clear();
  WriteKfdTopology(kernel());  // amdgpu_amdkfd_device_fini_sw
  kernel().Sleep(Milliseconds(GivenNumber("switch-ms", 2000)));
  const Function* now = kernel().Get(address());
  if (now == nullptr || now->model.get() != this) return ENODEV;
  mode_ = mode;
  if (Given("kfd-fails-in", "") == mode) return EIO;  // "If KFD init failed, return failure"
  AddNodes();
  return 0;
}

// amdgpu_gmc.c current_memory_partition_store: kept, and done when the driver is loaded again.
int AmdgpuModel::StoreMemory(std::string_view value) {
  const std::string wanted(Line(value));
  const std::string available = Given("available-memory", "");
  const auto names = Split(available, ',');
  if (std::ranges::none_of(names, [&](std::string_view name) { return Trim(name) == wanted; })) {
    return EINVAL;
  }
  if (wanted != registers().at("memory")) registers()["requested memory"] = wanted;
  return 0;
}

bool AmdgpuModel::HasProcesses() const {
  const auto processes = tree().Find(fmt::format("{}/proc", kKfdDir));
  if (!processes) return false;
  return std::ranges::any_of((*processes)->children, [&](const auto& process) {
    return std::ranges::any_of(nodes_, [&](const KfdNode& node) {
      return process.second->children.contains(fmt::format("vram_{}", node.gpu_id));
    });
  });
}

// kfd_topology.c kfd_topology_add_device, for each partition.
void AmdgpuModel::AddNodes() {
  const unsigned count = Partitions(mode_);
  const uint64_t vram = GivenNumber("vram", 0);
  // amdgpu_amdkfd.c amdgpu_amdkfd_xcp_memory_size.
  const uint64_t memory = Given("alloc", "CAPPING") == "ALL" ? vram / Domains() : vram / count;
  for (unsigned index = 0; index < count; ++index) {
    const unsigned hash = (unsigned{address().bus} * 8 + address().device) * 131 + index * 17;
    KfdNode node{.order = NextKfdOrder(kernel()),
                 .gpu_id = FreeGpuId(kernel(), hash),
                 .properties = Properties(index, count),
                 .memory = fmt::format("heap_type 1\nsize_in_bytes {}\nflags 0\nwidth 8192\n"
                                       "mem_clk_max 1300\n",
                                       memory)};
    nodes_.push_back(std::move(node));
  }
  WriteKfdTopology(kernel());
}

// kfd_topology.c node_show; the values of a real card but for what partitions change.
std::string AmdgpuModel::Properties(unsigned index, unsigned count) const {
  const unsigned xccs = Xccs() / count;
  const uint64_t place =
      uint64_t{address().bus} << 8 | uint64_t{address().device} << 3 | uint64_t{address().function};
  const bool high = Given("location", "low") == "high";
  const uint64_t location = place | uint64_t{index} << (high ? 28 : 0);
  const uint64_t render = GivenNumber("render", kFirstRender) + index;
  const Function& card = function();
  std::string text =
      fmt::format("cpu_cores_count 0\nsimd_count {}\nmem_banks_count 1\n", 152 * xccs);
  text += "caches_count 46\nio_links_count 32\np2p_links_count 1\ncpu_core_id_base 0\n";
  text += "simd_id_base 2147487744\nmax_waves_per_simd 8\nlds_size_in_kb 64\nnum_gws 64\n";
  text += "wave_front_size 64\narray_count 4\nsimd_arrays_per_engine 1\ncu_per_simd_array 10\n";
  text += fmt::format("gfx_target_version {}\nvendor_id {}\ndevice_id {}\n",
                      GivenNumber("target", 90402), card.spec.vendor, card.spec.device);
  text += fmt::format("location_id {}\ndomain {}\ndrm_render_minor {}\n", location,
                      address().domain, render);
  text += fmt::format("hive_id 0\nnum_cp_queues 24\nunique_id {}\nnum_xcc {}\n",
                      ParseHex<uint64_t>(Given("unique-id", "0")).value_or(0), xccs);
  return text + "max_engine_clk_ccompute 3800\n";
}

std::unique_ptr<DriverModel> MakeAmdgpuModel(Kernel::Impl& kernel, const PciAddress& address) {
  return std::make_unique<AmdgpuModel>(kernel, address);
}

}  // namespace drapci::sim
