#include "test/unit/families/family_world.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <regex>
#include <set>

#include "hal/accel/match.h"
#include "test/sim/board/board.h"

namespace drapci::test {
namespace {

driver::Config ConfigOf(const FamilyCase& with) {
  driver::Config config;
  config.hook = "/hook";
  driver::AcceleratorRule rule;
  rule.address = hal::PciAddress::Parse(with.family->card);
  rule.policy = with.claim->policy;
  config.accelerators.push_back(rule);
  return config;
}

driver::ClaimRequest ClaimOf(const std::string& uid, const std::vector<Wish>& wishes) {
  driver::ClaimRequest claim{
      .uid = uid, .namespace_name = "ns", .name = uid, .alias = {}, .devices = {}};
  for (const Wish& wish : wishes) {
    driver::DeviceRequest device{
        .request_names = {"r"}, .pool = "pool", .device = wish.device, .share_id = {}};
    device.access = wish.access;
    device.network = wish.network;
    device.share = wish.share;
    device.image = wish.image;
    if (!wish.share.empty()) device.share_id = "share-of-" + uid;
    claim.devices.push_back(std::move(device));
  }
  return claim;
}

// Handed out by the kernel in the order of asking, or no state of the card.
bool IsPassing(std::string_view name) {
  constexpr std::string_view kPassing[] = {"fpga_manager", "uevent", "config",   "dev",
                                           "ifindex",      "iflink", "vfio-dev", "resource",
                                           "power",        "net"};
  return std::ranges::find(kPassing, name) != std::end(kPassing);
}

const sim::Board& Load(const std::string& board) {
  static std::map<std::string, sim::Board> loaded;
  if (!loaded.contains(board)) {
    auto read = sim::LoadBoard(board, DRAPCI_SIM_BOARD_DIR);
    EXPECT_TRUE(read) << read.error().what;
    loaded.emplace(board, std::move(read).value_or(sim::Board()));
  }
  return loaded.at(board);
}

void Install(sim::Kernel& kernel, const sim::Board& board) {
  const auto installed = sim::Install(kernel, {board});
  ASSERT_TRUE(installed) << installed.error().what;
}

// Of the board only the cards that the case is about, and the bridges: thousands of machines are
// made.
void InsertCardsOf(sim::Kernel& kernel, const FamilyCase& with) {
  std::set<std::string> cards;
  for (const std::vector<Wish>* wishes : {&with.claim->wishes, &with.claim->other}) {
    for (const Wish& wish : *wishes) cards.insert(wish.device);
  }
  sim::Board board = Load(with.family->board);
  std::erase_if(board.functions, [&](const sim::FunctionSpec& spec) {
    if (spec.class_code >> 16 == 0x06 || spec.address.ToString() == with.family->card) return false;
    const std::string name = hal::AcceleratorName(spec.address);
    return std::ranges::none_of(cards, [&](const std::string& device) {
      return device == name || device.starts_with(name + "-");
    });
  });
  Install(kernel, board);
}

}  // namespace

void Insert(sim::Kernel& kernel, const std::string& board) { Install(kernel, Load(board)); }

std::string AttributesBelow(sim::Kernel& kernel, const std::string& dir) {
  std::string text;
  const auto names = kernel.List(dir);
  if (!names) return text;
  for (const std::string& name : *names) {
    if (IsPassing(name) || hal::PciAddress::Parse(name)) continue;
    const std::string path = fmt::format("{}/{}", dir, name);
    const auto status = kernel.Stat(path, false);
    if (!status) continue;
    if (status->type == sim::FileType::kDirectory) text += AttributesBelow(kernel, path);
    if (status->type != sim::FileType::kFile || (status->mode & 0444) == 0) continue;
    const auto value = kernel.Read(path);
    text += fmt::format("{}={}\n", path, value ? *value : fmt::format("errno {}", value.error()));
  }
  return text;
}

FamilyWorld::FamilyWorld(const FamilyCase& with)
    : World(ConfigOf(with), [&](sim::Kernel& kernel) { InsertCardsOf(kernel, with); }),
      case_(with),
      images_(image_dir_.path(), ::getuid()) {
  ::umask(022);
  for (const auto& [name, content] : with.family->images) image_dir_.Put(name, content);
  host.images = &images_;
  const std::vector<sim::FunctionSpec> specs = machine.kernel.Specs();
  if (std::ranges::none_of(specs, [](const auto& spec) { return spec.model.contains("nvml"); })) {
    return;
  }
  gpus = std::make_unique<sim::SimulatedGpus>(machine.kernel, [this] { return MayChangeGpu(); });
  host.nvml = gpus.get();
}

Result<> FamilyWorld::MayChangeGpu() {
  if (!fuse.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
  if (gpu_calls++ == refused_gpu_call) return Fail(Code::kIo, "the GPU refuses this call");
  return {};
}

void FamilyWorld::Begin() {
  Boot();
  if (case_.claim->other.empty()) return;
  const auto prepared = Prepare(ClaimOf("other", case_.claim->other));
  ASSERT_TRUE(prepared) << prepared.error().what;
}

Result<driver::PreparedClaim> FamilyWorld::PrepareIt() {
  return Prepare(ClaimOf("a", case_.claim->wishes));
}

Result<driver::Manager::DryRun> FamilyWorld::PlanIt() {
  std::promise<Result<driver::Manager::DryRun>> promise;
  manager->DryPrepare(ClaimOf("a", case_.claim->wishes),
                      [&](auto result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

std::vector<std::string> FamilyWorld::NodesOfIt() {
  // Of all cards of a driver, or of all users of VFIO.
  constexpr std::string_view kCommon[] = {"/dev/vfio/vfio",  "/dev/iommu",
                                          "/dev/kfd",        "/dev/nvidiactl",
                                          "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"};
  std::vector<std::string> nodes;
  const std::vector<std::string> files = machine.state.List().value();
  for (const std::string& name : files) {
    const std::string text = machine.state.Read(name).value();
    static const std::regex kPath("\"path\": *\"(/dev/[^\"]+)\"");
    for (std::sregex_iterator at(text.begin(), text.end(), kPath), end; at != end; ++at) {
      const std::string node = (*at)[1];
      if (!name.contains("other") && std::ranges::find(kCommon, node) == std::end(kCommon)) {
        nodes.push_back(node);
      }
    }
  }
  return nodes;
}

std::string FamilyWorld::State() {
  std::string text = Hardware();
  const auto card = hal::PciAddress::Parse(case_.family->card);
  if (const auto dir = machine.kernel.Resolve(card->SysfsPath())) {
    text += AttributesBelow(machine.kernel, *dir);
  }
  for (const std::string& dir : case_.family->state) text += AttributesBelow(machine.kernel, dir);
  if (gpus) text += gpus->Dump();
  return text;
}

}  // namespace drapci::test
