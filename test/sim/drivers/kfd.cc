#include "test/sim/drivers/kfd.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/parse.h"
#include "test/sim/drivers/amdgpu.h"

namespace drapci::sim {
namespace {

constexpr unsigned kMajor = 2047;
constexpr unsigned kCpus = 2;

std::vector<const AmdgpuModel::KfdNode*> Nodes(Kernel::Impl& kernel) {
  std::vector<const AmdgpuModel::KfdNode*> nodes;
  for (const auto& [address, function] : kernel.functions) {
    const auto* model = dynamic_cast<const AmdgpuModel*>(function->model.get());
    if (model == nullptr) continue;
    for (const auto& node : model->nodes()) nodes.push_back(&node);
  }
  std::ranges::sort(nodes, {}, &AmdgpuModel::KfdNode::order);
  return nodes;
}

}  // namespace

void MakeKfd(Kernel::Impl& kernel) {
  if (kernel.nodes.contains("/dev/kfd")) return;
  // kfd_chardev.c kfd_chardev_init.
  kernel.MakeChild("/sys/devices/virtual/kfd", {.path = "kfd",
                                                .subsystem = "kfd",
                                                .devname = "kfd",
                                                .type = 'c',
                                                .major = kMajor,
                                                .minor = 0,
                                                .permissions = 0660,
                                                .files = {}});
  kernel.tree.MakeDirectory(fmt::format("{}/proc", kKfdDir));
  WriteKfdTopology(kernel);
}

void WriteKfdTopology(Kernel::Impl& kernel) {
  const std::string topology = fmt::format("{}/topology", kKfdDir);
  Tree& tree = kernel.tree;
  uint64_t generation = 0;
  if (const auto file = tree.Find(topology + "/generation_id")) {
    generation = ParseInt<uint64_t>(Trim((*file)->show().value_or(""))).value_or(0);
  }
  tree.MakeText(topology + "/generation_id", fmt::format("{}\n", generation + 1));
  tree.MakeText(topology + "/system_properties",
                "platform_oem 35498446626881\nplatform_id 71791775140929\nplatform_rev 2\n");
  tree.Remove(topology + "/nodes");
  unsigned number = 0;
  const auto add = [&](unsigned gpu_id, std::string properties, std::string memory) {
    const std::string dir = fmt::format("{}/nodes/{}", topology, number++);
    tree.MakeText(dir + "/gpu_id", fmt::format("{}\n", gpu_id));
    tree.MakeText(dir + "/name", gpu_id == 0 ? "\n" : "ip discovery\n");
    tree.MakeText(dir + "/properties", std::move(properties));
    tree.MakeText(dir + "/mem_banks/0/properties", std::move(memory));
  };
  for (unsigned cpu = 0; cpu < kCpus; ++cpu) {
    add(0, "cpu_cores_count 112\nsimd_count 0\nlocation_id 0\ndomain 0\ndrm_render_minor 0\n",
        "heap_type 0\nsize_in_bytes 811299241984\nflags 0\nwidth 64\nmem_clk_max 4800\n");
  }
  for (const auto* node : Nodes(kernel)) add(node->gpu_id, node->properties, node->memory);
}

uint64_t NextKfdOrder(Kernel::Impl& kernel) {
  const auto nodes = Nodes(kernel);
  return nodes.empty() ? 1 : nodes.back()->order + 1;
}

unsigned FreeGpuId(Kernel::Impl& kernel, unsigned wanted) {
  // kfd_generate_gpu_id: a hash of 16 bits, never 0, the next one where it is taken.
  const auto nodes = Nodes(kernel);
  for (unsigned id = wanted % 0xffff + 1;; id = id % 0xffff + 1) {
    if (std::ranges::find(nodes, id, &AmdgpuModel::KfdNode::gpu_id) == nodes.end()) return id;
  }
}

}  // namespace drapci::sim
