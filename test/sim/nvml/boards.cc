#include "test/sim/nvml/boards.h"

#include <fmt/format.h>

#include <array>

namespace drapci::sim::nvml {
namespace {

// Where the instances of a profile can lie.
struct Layout {
  uint32_t index, id, slices, max, size;
  std::vector<uint32_t> starts;
  std::string suffix;
};

// All GPUs of seven compute and eight memory slices (NVIDIA MIG user guide, supported profiles).
const std::vector<Layout>& SevenSlices() {
  static const std::vector<Layout> layouts = {
      {0, 19, 1, 7, 1, {0, 1, 2, 3, 4, 5, 6}, ""},
      {7, 20, 1, 1, 1, {0, 1, 2, 3, 4, 5, 6}, "+me"},
      {9, 15, 1, 4, 2, {0, 2, 4, 6}, ""},
      {1, 14, 2, 3, 2, {0, 2, 4}, ""},
      {2, 9, 3, 2, 4, {0, 4}, ""},
      {3, 5, 4, 1, 4, {0}, ""},
      {4, 0, 7, 1, 8, {0}, ""},
  };
  return layouts;
}

// A30: four of each.
const std::vector<Layout>& FourSlices() {
  static const std::vector<Layout> layouts = {
      {0, 14, 1, 4, 1, {0, 1, 2, 3}, ""}, {7, 21, 1, 1, 1, {0, 1, 2, 3}, "+me"},
      {1, 5, 2, 2, 2, {0, 2}, ""},        {8, 6, 2, 1, 2, {0, 2}, "+me"},
      {4, 0, 4, 1, 4, {0}, ""},
  };
  return layouts;
}

// What differs between boards: a row for each layout.
struct Sizes {
  std::string gigabytes;  // in the name of the profile
  int64_t memory_mib;
  uint32_t multiprocessors, copy_engines, decoders, jpegs, ofas;
};

struct Board {
  std::string_view model, name;
  int64_t memory_mib;
  bool needs_reset;
  const std::vector<Layout>& layouts;
  std::vector<Sizes> sizes;
};

const std::vector<Board>& Boards() {
  static const std::vector<Board> boards = {
      {"a30",
       "NVIDIA A30",
       24576,
       true,
       FourSlices(),
       {{"6", 5836, 14, 1, 0, 0, 0},
        {"6", 5836, 14, 1, 1, 1, 1},
        {"12", 11672, 28, 2, 2, 0, 0},
        {"12", 11672, 28, 2, 2, 1, 1},
        {"24", 23344, 56, 4, 4, 1, 1}}},
      {"a100-40",
       "NVIDIA A100-SXM4-40GB",
       40960,
       true,
       SevenSlices(),
       {{"5", 4864, 14, 1, 0, 0, 0},
        {"5", 4864, 14, 1, 1, 1, 1},
        {"10", 9856, 14, 1, 1, 0, 0},
        {"10", 9856, 28, 2, 1, 0, 0},
        {"20", 19968, 42, 3, 2, 0, 0},
        {"20", 19968, 56, 4, 2, 0, 0},
        {"40", 40192, 98, 7, 5, 1, 1}}},
      {"a100-80",
       "NVIDIA A100-SXM4-80GB",
       81920,
       true,
       SevenSlices(),
       {{"10", 9856, 14, 1, 0, 0, 0},
        {"10", 9856, 14, 1, 1, 1, 1},
        {"20", 19968, 14, 1, 1, 0, 0},
        {"20", 19968, 28, 2, 1, 0, 0},
        {"40", 40192, 42, 3, 2, 0, 0},
        {"40", 40192, 56, 4, 2, 0, 0},
        {"80", 80384, 98, 7, 5, 1, 1}}},
      {"h100-80",
       "NVIDIA H100 80GB HBM3",
       81559,
       false,
       SevenSlices(),
       {{"10", 9984, 16, 1, 1, 1, 0},
        {"10", 9984, 16, 1, 1, 1, 1},
        {"20", 20096, 26, 1, 1, 1, 0},
        {"20", 20096, 32, 2, 2, 2, 0},
        {"40", 40448, 60, 3, 3, 3, 0},
        {"40", 40448, 64, 4, 4, 4, 0},
        {"80", 81152, 132, 8, 7, 7, 1}}},
      {"h200-141",
       "NVIDIA H200",
       144384,
       false,
       SevenSlices(),
       {{"18", 18432, 16, 1, 1, 0, 0},
        {"18", 18432, 16, 1, 1, 1, 1},
        {"35", 35840, 16, 1, 1, 0, 0},
        {"35", 35840, 32, 2, 1, 0, 0},
        {"71", 72704, 48, 3, 2, 0, 0},
        {"71", 72704, 64, 4, 2, 0, 0},
        {"141", 144384, 112, 7, 5, 0, 0}}},
  };
  return boards;
}

Profile MakeProfile(const Layout& layout, const Sizes& sizes) {
  return {.index = layout.index,
          .id = layout.id,
          .name = fmt::format("{}g.{}gb{}", layout.slices, sizes.gigabytes, layout.suffix),
          .slices = layout.slices,
          .memory_mib = sizes.memory_mib,
          .max = layout.max,
          .size = layout.size,
          .starts = layout.starts,
          .multiprocessors = sizes.multiprocessors,
          .copy_engines = sizes.copy_engines,
          .decoders = sizes.decoders,
          .encoders = 0,
          .jpegs = sizes.jpegs,
          .ofas = sizes.ofas,
          .media = layout.suffix == "+me" ? 1U : 0U};
}

}  // namespace

std::vector<std::string> Models() {
  std::vector<std::string> models;
  for (const Board& board : Boards()) models.emplace_back(board.model);
  return models;
}

Result<Gpu> MakeGpu(std::string_view model, std::string_view address, uint32_t minor) {
  for (const Board& board : Boards()) {
    if (board.model != model) continue;
    Gpu gpu{.address = std::string(address),
            .model = std::string(model),
            .name = std::string(board.name),
            .uuid = fmt::format("GPU-{:08x}-ab1e-4000-8000-{:012x}", 0x5ccf2a00U + minor,
                                std::hash<std::string_view>{}(address) & 0xffffffffffffU),
            .serial = fmt::format("16{:011}", minor + 1)};
    gpu.minor = minor;
    gpu.memory_mib = board.memory_mib;
    gpu.mig_capable = true;
    gpu.mig_needs_reset = board.needs_reset;
    gpu.compute_slices = board.layouts.back().slices;
    gpu.memory_slices = board.layouts.back().size;
    gpu.media_units = 1;
    for (size_t i = 0; i < board.layouts.size(); ++i) {
      gpu.profiles.push_back(MakeProfile(board.layouts[i], board.sizes[i]));
    }
    return gpu;
  }
  return Fail(Code::kInvalid, fmt::format("no GPU of the model '{}' is known; known are: {}", model,
                                          fmt::join(Models(), ", ")));
}

}  // namespace drapci::sim::nvml
