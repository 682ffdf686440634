#include "hal/accel/xe.h"

#include <gmock/gmock.h>

#include "hal/accel/xe_memory.h"
#include "test/unit/accel/look.h"
#include "test/unit/accel/xe_machine.h"

namespace drapci::hal {
namespace {

using test::At;
using test::Look;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr int64_t kMiB = int64_t{1} << 20, kGiB = int64_t{1} << 30;
const std::set<std::string> kOurs = {"sriov.vfs 0000:3a:00.0", "xe.pool 0000:3a:00.0"};

AcceleratorPolicy Shares(AcceleratorPolicy::Vfs vfs = AcceleratorPolicy::Vfs::kOnDemand) {
  AcceleratorPolicy policy;
  policy.vfs = vfs;
  policy.shares = true;
  return policy;
}

PartRequest Share(const std::string& part, int64_t memory) {
  PartRequest request;
  request.part = part;
  request.share = {{"memory", memory}, {"vfs", 1}};
  return request;
}

class XeFamily : public test::XeMachine {};

std::vector<std::string> Texts(const std::vector<Wanted>& plan) {
  std::vector<std::string> texts;
  for (const Wanted& wanted : plan) {
    texts.push_back(wanted.setting + " " + wanted.target + " = " + wanted.value +
                    (wanted.shared ? " shared" : "") +
                    (wanted.initially.empty() ? "" : " initially " + wanted.initially));
  }
  return texts;
}

TEST_F(XeFamily, OffersTheGpuAndItsVfsWithTheMemoryThatTheyHave) {
  const Description now = Look(*Make()).value();
  ASSERT_THAT(now.parts, SizeIs(13));
  EXPECT_EQ(now.foreign, "");
  EXPECT_THAT(now.counters, ElementsAre(Pair("vfs", 12)));
  EXPECT_EQ(now.attributes.at("memory"), AttributeValue(int64_t{25669140480}));
  EXPECT_EQ(now.attributes.at("memory_from"), AttributeValue("dmem"));
  EXPECT_EQ(now.attributes.at("memory_quotas"), AttributeValue(true));
  EXPECT_EQ(now.parts[0].attributes.at("memory"), AttributeValue(int64_t{25669140480}));
  EXPECT_EQ(now.parts[12].attributes.at("memory"), AttributeValue(kGiB));
}

TEST_F(XeFamily, SaysWhatTheDriverHasGivenToVfsThatThereAre) {
  ASSERT_EQ(MakeVfs(2), 0);
  ASSERT_EQ(Store(kPf + "/sriov_admin/vf2/profile/vram_quota", std::to_string(6 * kGiB)), 0);
  const Description now = Look(*Make(), kOurs).value();
  EXPECT_EQ(now.parts[1].attributes.at("memory"), AttributeValue(4 * kGiB));
  EXPECT_EQ(now.parts[2].attributes.at("memory"), AttributeValue(6 * kGiB));
}

TEST_F(XeFamily, AVfWithoutASharePlansLikeAnyVf) {
  const auto gpu = Make();
  EXPECT_THAT(Texts(gpu->Plan(Look(*gpu).value(), {.part = "vf3"}).value()),
              ElementsAre("sriov.vfs 0000:3a:00.0 = vfs=12 autoprobe=1 shared",
                          "pci.driver 0000:3a:00.0/vf3 = kernel initially none"));
}

TEST_F(XeFamily, ASharedGpuHasItsMemoryToDivide) {
  const Description now = Look(*Make(Shares())).value();
  const Part& shared = now.parts.front();
  const Capacity& memory = shared.capacities.at("memory");
  EXPECT_EQ(memory.value, 23 * kGiB);
  EXPECT_EQ(memory.min, 2 * kMiB);
  EXPECT_EQ(memory.step, 2 * kMiB);
  EXPECT_EQ(memory.default_share, 23 * kGiB / 12 / (2 * kMiB) * (2 * kMiB));
  EXPECT_TRUE(memory.enforced);
  EXPECT_THAT(now.counters, UnorderedElementsAre(Pair("vfs", 12), Pair("memory", 23 * kGiB)));
  EXPECT_THAT(shared.share_parts, SizeIs(12));
}

TEST_F(XeFamily, AShareOfTenGibibytesIsAVfWithAQuotaOfTen) {
  const auto gpu = Make(Shares());
  const auto plan = gpu->Plan(Look(*gpu).value(), Share("vf3", 10 * kGiB)).value();
  EXPECT_THAT(Texts(plan),
              ElementsAre("sriov.vfs 0000:3a:00.0 = vfs=12 autoprobe=1 shared",
                          "xe.pool 0000:3a:00.0 = none shared",
                          "xe.vf 0000:3a:00.0/vf3 = vram=10737418240 exec=20 preempt=40000 "
                          "initially vram=0 exec=0 preempt=0",
                          "pci.driver 0000:3a:00.0/vf3 = kernel initially none"));
  const auto applied = Apply(plan);
  ASSERT_TRUE(applied) << applied.error().what;
  EXPECT_EQ(machine_->sysfs.Read(kPf + "/sriov_admin/vf4/profile/vram_quota").value(),
            "10737418240");
  EXPECT_EQ(machine_->sysfs.Read(kPf + "/sriov_admin/vf3/profile/vram_quota").value(), "0");
}

TEST_F(XeFamily, SharesFitBesideEachOtherUpToTheLast) {
  const auto gpu = Make(Shares());
  for (const auto& [part, size] : {std::pair("vf0", 10), {"vf1", 10}, {"vf2", 3}}) {
    const Description now = Look(*gpu, kOurs).value();
    const auto applied = Apply(gpu->Plan(now, Share(part, size * kGiB)).value());
    ASSERT_TRUE(applied) << applied.error().what;
  }
  EXPECT_EQ(Probe("xe.vf", kCard + "/vf0"), "vram=10737418240 exec=20 preempt=40000");
  EXPECT_EQ(Probe("xe.vf", kCard + "/vf2"), "vram=3221225472 exec=6 preempt=16000");
  const auto full = Set("xe.vf", kCard + "/vf3", "vram=2147483648");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::kExhausted);
  EXPECT_THAT(full.error().what, HasSubstr("the GPU has less memory left"));
}

TEST_F(XeFamily, AVfComesWithItsOwnNodes) {
  const auto gpu = Make(Shares());
  ASSERT_TRUE(Apply(gpu->Plan(Look(*gpu).value(), Share("vf0", kGiB)).value()));
  const auto edits = gpu->Edits(Share("vf0", kGiB), machine_->clock.Now()).value();
  EXPECT_THAT(edits.device_nodes, ElementsAre("/dev/dri/card10", "/dev/dri/renderD130"));
}

TEST_F(XeFamily, KernelsWithoutQuotasDivideFairlyAndSaySo) {
  for (const char* board : {"xe:sriov-admin=6.19", "xe:sriov-admin=none"}) {
    Load(board);
    const auto gpu = Make(Shares());
    const Description now = Look(*gpu).value();
    EXPECT_EQ(now.attributes.at("memory_quotas"), AttributeValue(false));
    EXPECT_THAT(now.parts.front().capacities, ElementsAre(Pair("vfs", testing::_)));
    PartRequest share{.part = "vf0", .share = {{"vfs", 1}}};
    EXPECT_THAT(gpu->Plan(now, share).value(), SizeIs(2));
  }
  const auto refused = Set("xe.vf", kCard + "/vf0", "vram=1");
  EXPECT_EQ(refused.error().code, Code::kGone);
  ASSERT_EQ(MakeVfsWithoutDriver(1), 0);
  EXPECT_THAT(Set("xe.vf", kCard + "/vf0", "vram=2097152").error().what, HasSubstr("Linux 7.0"));
  EXPECT_THAT(Find("xe.pool").Probe(kCard).error().what, HasSubstr("vram_quota"));
  EXPECT_EQ(Probe("xe.vf", kCard + "/vf0"), "none");
}

TEST_F(XeFamily, TheBarTellsTheMemoryWhereNothingElseDoes) {
  Load("xe:dmem=no");
  const Description now = Look(*Make(Shares())).value();
  EXPECT_EQ(now.attributes.at("memory"), AttributeValue(24 * kGiB));
  EXPECT_EQ(now.attributes.at("memory_from"), AttributeValue("bar"));
  EXPECT_EQ(now.parts.front().capacities.at("memory").value, 23 * kGiB);
}

TEST_F(XeFamily, HostileSizesAreNoMemory) {
  const auto read = [&](const std::string& text) {
    machine_->kernel.SetFile("/sys/fs/cgroup/dmem.capacity", text);
    return ReadXeMemory(machine_->sysfs, At(kCard))->from;
  };
  EXPECT_EQ(read("drm/0000:3a:00.0/vram0 1073741824\n"), "dmem");
  EXPECT_EQ(read("drm/0000:3a:00.0/vram0 99999999999999999999\n"), "bar");
  EXPECT_EQ(read("drm/0000:3a:00.0/vram0 9223372036854775807\n"), "bar");
  EXPECT_EQ(read("drm/0000:3a:00.0/vram0 -5\ndrm/0000:3a:00.0/vram1\n"), "bar");
  EXPECT_EQ(read("drm/0000:ba:00.0/vram0 1073741824\n"), "bar");
}

TEST_F(XeFamily, TilesGiveTheirPagesTogether) {
  machine_->kernel.SetDirectory(machine_->sysfs.Resolve(kPf).value() + "/tile1");
  EXPECT_EQ(XeQuotaStep(machine_->sysfs, At(kCard)), 4 * kMiB);
  EXPECT_EQ(Look(*Make(Shares()))->parts.front().capacities.at("memory").step, 4 * kMiB);
}

TEST_F(XeFamily, AQuotaSetByHandBeforeThereAreVfsIsForeign) {
  ASSERT_EQ(Store(kPf + "/sriov_admin/vf3/profile/vram_quota", std::to_string(kGiB)), 0);
  EXPECT_THAT(Look(*Make())->foreign, HasSubstr("1073741824 bytes of its memory to vf2"));
  EXPECT_EQ(Look(*Make(), kOurs)->foreign, "");
  EXPECT_EQ(Look(*Make(Shares(AcceleratorPolicy::Vfs::kExisting)))->foreign, "");
}

}  // namespace
}  // namespace drapci::hal
