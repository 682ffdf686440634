// The published tables, through the library and our reading of it.
#include "hal/nvml/profiles.h"

#include <map>

#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using ::testing::ElementsAreArray;
using ::testing::Eq;

struct Row {
  std::string name;
  uint32_t id, slices, max, size;
  std::vector<uint32_t> starts;
  int64_t memory_mib;
};

// One row as text, so that a difference reads well.
std::string Line(const Row& row) {
  return fmt::format("{} id={} slices={} max={} size={} starts={} memory={}", row.name, row.id,
                     row.slices, row.max, row.size, fmt::join(row.starts, ","), row.memory_mib);
}

std::string Line(const GpuInstanceProfile& profile) {
  Row row{profile.name, profile.id,        profile.compute_slices, profile.max_instances, 0,
          {},           profile.memory_mib};
  for (const MigPlacement& place : profile.placements) {
    row.starts.push_back(place.start);
    row.size = place.size;
  }
  return Line(row);
}

// In the order of NVML's indexes: 1, 2, 3, 4, 7 slices, then +me and double memory.
std::vector<Row> SevenSlices(const std::vector<std::string>& gigabytes,
                             const std::vector<int64_t>& mib) {
  return {{"1g." + gigabytes[0], 19, 1, 7, 1, {0, 1, 2, 3, 4, 5, 6}, mib[0]},
          {"2g." + gigabytes[1], 14, 2, 3, 2, {0, 2, 4}, mib[1]},
          {"3g." + gigabytes[2], 9, 3, 2, 4, {0, 4}, mib[2]},
          {"4g." + gigabytes[2], 5, 4, 1, 4, {0}, mib[2]},
          {"7g." + gigabytes[3], 0, 7, 1, 8, {0}, mib[3]},
          {"1g." + gigabytes[0] + "+me", 20, 1, 1, 1, {0, 1, 2, 3, 4, 5, 6}, mib[0]},
          {"1g." + gigabytes[1], 15, 1, 4, 2, {0, 2, 4, 6}, mib[1]}};
}

class ProfilesTest : public NvmlTest {
 protected:
  void ExpectTable(const std::string& model, const std::vector<Row>& table) {
    Start({model});
    nvml_.Release();
    std::vector<std::string> told, published;
    const auto all = nvml_.GpuInstanceProfiles(h100_).value();
    for (const auto& profile : all) {
      told.push_back(Line(profile));
    }
    for (const Row& row : table) published.push_back(Line(row));
    EXPECT_THAT(told, ElementsAreArray(published)) << model;
  }
};

TEST_F(ProfilesTest, AreThePublishedOnesOfA100) {
  ExpectTable("a100-40", SevenSlices({"5gb", "10gb", "20gb", "40gb"}, {4864, 9856, 19968, 40192}));
  ExpectTable("a100-80",
              SevenSlices({"10gb", "20gb", "40gb", "80gb"}, {9856, 19968, 40192, 80384}));
}

TEST_F(ProfilesTest, AreThePublishedOnesOfH100) {
  ExpectTable("h100-80",
              SevenSlices({"10gb", "20gb", "40gb", "80gb"}, {9984, 20096, 40448, 81152}));
}

TEST_F(ProfilesTest, AreThePublishedOnesOfH200) {
  ExpectTable("h200-141",
              SevenSlices({"18gb", "35gb", "71gb", "141gb"}, {18432, 35840, 72704, 144384}));
}

TEST_F(ProfilesTest, AreThePublishedOnesOfA30) {
  ExpectTable("a30", {{"1g.6gb", 14, 1, 4, 1, {0, 1, 2, 3}, 5836},
                      {"2g.12gb", 5, 2, 2, 2, {0, 2}, 11672},
                      {"4g.24gb", 0, 4, 1, 4, {0}, 23344},
                      {"1g.6gb+me", 21, 1, 1, 1, {0, 1, 2, 3}, 5836},
                      {"2g.12gb+me", 6, 2, 1, 2, {0, 2}, 11672}});
}

TEST_F(ProfilesTest, CountEngines) {
  const auto profiles = nvml_.GpuInstanceProfiles(h100_).value();
  const auto& whole = profiles[4];
  EXPECT_EQ(whole.name, "7g.80gb");
  EXPECT_EQ(whole.multiprocessors, 132U);
  EXPECT_EQ(whole.copy_engines, 8U);
  EXPECT_EQ(whole.decoders, 7U);
  EXPECT_EQ(whole.jpeg_engines, 7U);
  EXPECT_EQ(whole.ofa_engines, 1U);
}

TEST_F(ProfilesTest, AreTheSameInEveryVersionOfTheStruct) {
  const auto lines = [&] {
    std::vector<std::string> result;
    const auto all = nvml_.GpuInstanceProfiles(h100_).value();
    for (const auto& p : all) {
      result.push_back(fmt::format("{} SM={} CE={} DEC={} ENC={} JPEG={} OFA={}", Line(p),
                                   p.multiprocessors, p.copy_engines, p.decoders, p.encoders,
                                   p.jpeg_engines, p.ofa_engines));
    }
    return result;
  };
  const auto newest = lines();
  Change([](sim::State& state) { state.newest_struct = 2; });
  EXPECT_EQ(lines(), newest);
  Change([](sim::State& state) {
    state.faults.push_back(
        {.call = "nvmlDeviceGetGpuInstanceProfileInfoV", .count = 1000, .code = 13});
  });
  EXPECT_EQ(lines(), newest);
}

TEST_F(ProfilesTest, AreToldBeforeMigIsOnExceptByOldDrivers) {
  EXPECT_EQ(nvml_.GpuInstanceProfiles(h100_)->size(), 7U);
  Change([](sim::State& state) { state.profiles_need_mig = true; });
  EXPECT_EQ(nvml_.GpuInstanceProfiles(h100_).error().code, Code::kUnsupported);
  SwitchMigOn(h100_);
  EXPECT_EQ(nvml_.GpuInstanceProfiles(h100_)->size(), 7U);
}

TEST_F(ProfilesTest, FailAsAWholeWhenOneCannotBeRead) {
  Change([](sim::State& state) {
    state.faults.push_back({.call = "nvmlDeviceGetGpuInstanceProfileInfoV", .skip = 3, .code = 10});
  });
  EXPECT_EQ(nvml_.GpuInstanceProfiles(h100_).error().code, Code::kTimeout);
}

TEST_F(ProfilesTest, OfComputeInstancesDivideTheirGpuInstance) {
  SwitchMigOn(h100_);
  const auto names = [&](uint32_t profile, MigPlacement place) {
    const auto owner = nvml_.CreateGpuInstance(h100_, profile, place).value();
    std::vector<std::string> told;
    const auto all = nvml_.ComputeInstanceProfiles(h100_, owner.id).value();
    for (const auto& p : all) {
      told.push_back(fmt::format("{} x{}", p.name, p.max_instances));
    }
    EXPECT_TRUE(nvml_.DestroyGpuInstance(h100_, owner.id));
    return told;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(k1g, {0, 1}), (Names{"1g.10gb x1"}));
  EXPECT_EQ(names(k2g, {2, 2}), (Names{"1c.2g.20gb x2", "2g.20gb x1"}));
  EXPECT_EQ(names(k3g, {4, 4}), (Names{"1c.3g.40gb x3", "2c.3g.40gb x1", "3g.40gb x1"}));
  EXPECT_EQ(names(k4g, {0, 4}), (Names{"1c.4g.40gb x4", "2c.4g.40gb x2", "4g.40gb x1"}));
  EXPECT_EQ(names(k7g, {0, 8}), (Names{"1c.7g.80gb x7", "2c.7g.80gb x3", "3c.7g.80gb x2",
                                       "4c.7g.80gb x1", "7g.80gb x1"}));
}

TEST_F(ProfilesTest, OfComputeInstancesAreReadInEveryVersionOfTheStruct) {
  SwitchMigOn(h100_);
  const auto owner = nvml_.CreateGpuInstance(h100_, k2g, {0, 2}).value();
  Change([](sim::State& state) { state.newest_struct = 2; });
  EXPECT_EQ(nvml_.ComputeInstanceProfiles(h100_, owner.id).value()[1].name, "2g.20gb");
  Change([](sim::State& state) {
    state.faults.push_back(
        {.call = "nvmlGpuInstanceGetComputeInstanceProfileInfoV", .count = 1000, .code = 13});
  });
  const auto old = nvml_.ComputeInstanceProfiles(h100_, owner.id).value();
  ASSERT_EQ(old.size(), 2U);
  EXPECT_EQ(old[1].name, "");
  EXPECT_EQ(old[1].compute_slices, 2U);
}

TEST(ProfileNameTest, RoundsTheShareOfMemoryUpToEighths) {
  constexpr int64_t kMib = 1 << 20;
  EXPECT_EQ(nvml::ProfileName(0, 1, 9984, 81559 * kMib), "1g.10gb");
  EXPECT_EQ(nvml::ProfileName(9, 1, 20096, 81559 * kMib), "1g.20gb");
  EXPECT_EQ(nvml::ProfileName(4, 7, 40192, 40960 * kMib), "7g.40gb");
}

TEST(ProfileNameTest, SaysWhatKindOfItsSizeItIs) {
  constexpr int64_t kMib = 1 << 20;
  const std::map<uint32_t, std::string> suffixes = {
      {0, ""},          {7, "+me"},        {8, "+me"},     {9, ""},
      {0xA, "+gfx"},    {0xC, "+gfx"},     {0xD, "-me"},   {0xE, "-me"},
      {0xF, "+me.all"}, {0x10, "+me.all"}, {0x11, "+gfx"}, {0x50, ""}};
  for (const auto& [index, suffix] : suffixes) {
    EXPECT_EQ(nvml::ProfileName(index, 1, 4864, 40960 * kMib), "1g.5gb" + suffix) << index;
  }
}

TEST(ProfileNameTest, DoesNotFallOverNonsense) {
  EXPECT_EQ(nvml::ProfileName(0, 0, 0, 0), "0g.0gb");
}

TEST(ProfileNameTest, LosesTheWordThatSomeDriversPutInFront) {
  EXPECT_EQ(nvml::CleanName("MIG 1g.5gb+me"), "1g.5gb+me");
  EXPECT_EQ(nvml::CleanName("1g.5gb"), "1g.5gb");
}

}  // namespace
}  // namespace drapci::hal
