#include "hal/accel/amdgpu.h"

#include <gmock/gmock.h>

#include "hal/accel/amdgpu_kfd.h"
#include "hal/accel/amdgpu_modes.h"
#include "hal/accel/amdgpu_settings.h"
#include "hal/accel/match.h"
#include "test/unit/accel/look.h"
#include "test/unit/pci/machine.h"

namespace drapci::hal {
namespace {

using test::At;
using test::Look;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

constexpr char kGpu[] = "0000:0a:00.0";
constexpr char kOther[] = "0000:1a:00.0";
constexpr char kDir[] = "/sys/bus/pci/devices/0000:0a:00.0";
constexpr int64_t kVram = 206'141'652'992;
const std::set<std::string> kOurs = {"amd.compute_partition 0000:0a:00.0"};

sim::FunctionSpec Gpu(std::string_view address, std::string render,
                      std::map<std::string, std::string> more = {}) {
  sim::FunctionSpec gpu;
  gpu.address = At(address);
  gpu.vendor = 0x1002;
  gpu.device = 0x74a1;
  gpu.class_code = 0x120000;
  gpu.driver = "amdgpu";
  gpu.iommu_group = gpu.address.bus;
  gpu.root_bus = gpu.address.bus;
  gpu.model = {{"xccs", "8"},
               {"vram", std::to_string(kVram)},
               {"product", "AMD Instinct MI300X OAM"},
               {"unique-id", "084cafeae17e7696"},
               {"available-memory", "NPS1, NPS4"},
               {"render", std::move(render)}};
  more.merge(gpu.model);
  gpu.model = std::move(more);
  return gpu;
}

class AmdGpuFamily : public testing::Test {
 protected:
  void Add(std::map<std::string, std::string> more = {}) {
    ASSERT_TRUE(machine_.kernel.AddDriver(sim::VfioPci()));
    ASSERT_TRUE(machine_.kernel.AddFunction(Gpu(kGpu, "128", std::move(more))));
    ASSERT_TRUE(machine_.kernel.AddFunction(Gpu(kOther, "136")));
  }
  std::unique_ptr<Accelerator> Make(std::string_view address = kGpu,
                                    AcceleratorPolicy policy = {}) {
    std::vector<PciFunction> functions = machine_.scanner.Scan().value();
    for (PciFunction& function : functions) {
      if (function.address == At(address)) {
        return MakeAmdGpuAccelerator(host_, std::move(function), policy, "");
      }
    }
    ADD_FAILURE() << address;
    return nullptr;
  }
  static std::vector<std::string> Names(const Description& now) {
    std::vector<std::string> names;
    for (const Part& part : now.parts) names.push_back(part.name);
    return names;
  }
  static const Part& Find(const Description& now, std::string_view name) {
    return **FindPartOf(now, name);
  }
  static Result<const Part*> FindPartOf(const Description& now, std::string_view name) {
    for (const Part& part : now.parts) {
      if (part.name == name) return &part;
    }
    return Fail(Code::kNotFound, std::string(name));
  }
  static std::vector<std::string> Texts(const Result<std::vector<Wanted>>& plan) {
    std::vector<std::string> texts;
    if (!plan) return {plan.error().what};
    for (const Wanted& each : *plan) {
      texts.push_back(each.setting + " " + each.target + " = " + each.value +
                      (each.shared ? " shared" : ""));
    }
    return texts;
  }
  std::string Mode() {
    return machine_.sysfs.Read(std::string(kDir) + "/current_compute_partition").value_or("none");
  }
  void SetMode(std::string_view mode) {
    ASSERT_EQ(machine_.kernel.Write(std::string(kDir) + "/current_compute_partition", mode), 0);
  }
  std::unique_ptr<Accelerator> MakeShared() {
    AcceleratorPolicy policy;
    policy.shares = true;
    return Make(kGpu, policy);
  }
  Result<> Apply(std::string_view mode, std::string_view target = kGpu) {
    return setting().Apply(target, mode, Deadline());
  }
  Setting& setting() { return *settings_.find(kAmdModeSetting)->second; }
  MonotonicTime Deadline() const { return machine_.clock.Now() + std::chrono::seconds(30); }
  Result<ContainerEdits> Edits(std::string part, Access access = Access::kKernel) {
    return Make()->Edits({.part = std::move(part), .access = access}, Deadline());
  }
  void Open(int pid, std::string program, std::string node) {
    const std::string process = "/proc/" + std::to_string(pid);
    machine_.kernel.SetFile(process + "/comm", program + "\n");
    machine_.kernel.SetLink(process + "/fd/5", std::move(node));
  }
  // A process that computes on the first partition of the card.
  void Compute(int pid, std::string program) {
    const auto partitions = ReadAmdPartitions(machine_.sysfs, At(kGpu)).value();
    machine_.kernel.SetFile("/proc/" + std::to_string(pid) + "/comm", program + "\n");
    machine_.kernel.SetFile(
        "/sys/class/kfd/kfd/proc/" + std::to_string(pid) + "/vram_" + partitions.at(0).gpu_id,
        "0\n");
  }

  sim::FakeHost machine_;
  Host& host_ = machine_.host;
  const SettingTable settings_ = MakeSettings(host_);
};

TEST_F(AmdGpuFamily, IsThatOfEveryAmdGpuWhateverItsDriverIs) {
  PciFunction gpu;
  gpu.vendor = 0x1002;
  gpu.class_code = 0x120000;
  for (const char* driver : {"amdgpu", "vfio-pci", ""}) {
    gpu.driver = driver;
    EXPECT_EQ(MatchFamily(gpu)->name, "amdgpu") << driver;
  }
  gpu.class_code = 0x030000;
  EXPECT_EQ(MatchFamily(gpu)->name, "amdgpu");
  gpu.class_code = 0x040300;  // its sound
  EXPECT_EQ(MatchFamily(gpu)->name, "function");
  gpu.class_code = 0x120000;
  gpu.driver = "gim";
  gpu.sriov_total = 8;
  EXPECT_EQ(MatchFamily(gpu)->name, "sriov");
}

TEST_F(AmdGpuFamily, OffersTheWholeAndThePartitionsOfAllModes) {
  Add();
  const Description now = Look(*Make()).value();
  EXPECT_THAT(Names(now), ElementsAre("", "dpx0", "dpx1", "qpx0", "qpx1", "qpx2", "qpx3", "cpx0",
                                      "cpx1", "cpx2", "cpx3", "cpx4", "cpx5", "cpx6", "cpx7"));
  EXPECT_EQ(now.scale, (Scale{.unit = "xccs", .size = 8}));
  EXPECT_EQ(now.counters.at("xccs"), 8);
  EXPECT_EQ(now.counters.at("memory"), kVram);
  EXPECT_EQ(now.foreign + now.unusable, "");
  const Part& part = Find(now, "qpx3");
  EXPECT_EQ(part.profile, "qpx");
  EXPECT_EQ(part.extent, (Extent{.start = 6, .size = 2}));
  EXPECT_EQ(part.consumes.at("xccs"), 2);
  EXPECT_EQ(part.consumes.at("memory"), kVram / 4);
  EXPECT_EQ(part.unusable, "");
  EXPECT_EQ(part.attributes.at("model"), AttributeValue("AMD Instinct MI300X OAM"));
  EXPECT_EQ(part.attributes.at("compute_partition"), AttributeValue("QPX"));
  EXPECT_EQ(part.attributes.at("memory_partition"), AttributeValue("NPS1"));
  EXPECT_EQ(part.attributes.at("gfx_target"), AttributeValue("gfx942"));
  EXPECT_EQ(part.attributes.at("memory"), AttributeValue(kVram / 4));
  EXPECT_EQ(part.attributes.at("partition"), AttributeValue(int64_t{3}));
  EXPECT_EQ(part.attributes.at("gpu"), AttributeValue(kGpu));
  const Part& whole = Find(now, "");
  EXPECT_EQ(whole.profile, "function");
  EXPECT_THAT(whole.consumes, ElementsAre(Pair("memory", kVram), Pair("xccs", 8)));
}

// Every set of parts that fits into the stock is one of a single mode.
TEST_F(AmdGpuFamily, TheStockNeverGoesToTwoModesAndAllPartitionsOfOneFit) {
  for (const char* xccs : {"8", "6", "4"}) {
    sim::FakeHost machine;
    ASSERT_TRUE(machine.kernel.AddFunction(Gpu(kGpu, "128", {{"xccs", xccs}})));
    const auto gpu =
        MakeAmdGpuAccelerator(machine.host, machine.scanner.Scan().value().front(), {}, "");
    const Description now = Look(*gpu).value();
    const size_t count = now.parts.size();
    ASSERT_LT(count, 16u);
    for (unsigned set = 1; set < 1u << count; ++set) {
      std::map<std::string, int64_t> taken;
      std::set<std::string> profiles;
      for (size_t i = 0; i < count; ++i) {
        if ((set >> i & 1) == 0) continue;
        profiles.insert(now.parts[i].profile);
        for (const auto& [counter, amount] : now.parts[i].consumes) taken[counter] += amount;
      }
      const bool fits = std::ranges::all_of(taken, [&](const auto& counter) {
        return counter.second <= now.counters.at(counter.first);
      });
      ASSERT_EQ(fits, profiles.size() == 1) << xccs << " XCCs, set " << set;
    }
  }
}

TEST_F(AmdGpuFamily, OffersOnlyModesThatGoWithTheDivisionOfTheMemory) {
  Add({{"memory", "NPS4"}});
  const Description now = Look(*Make()).value();
  EXPECT_THAT(Names(now), SizeIs(1 + 4 + 8));
  EXPECT_THAT(Names(now), Not(Contains("dpx0")));
  EXPECT_EQ(Find(now, "cpx0").attributes.at("memory"), AttributeValue(kVram / 8));
}

TEST_F(AmdGpuFamily, MemoryThatPartitionsShareIsNotDivided) {
  Add({{"memory", "NPS4"}, {"alloc", "ALL"}});
  const Description now = Look(*Make()).value();
  EXPECT_FALSE(now.counters.contains("memory"));
  EXPECT_FALSE(Find(now, "cpx0").consumes.contains("memory"));
  EXPECT_EQ(Find(now, "cpx0").attributes.at("memory"), AttributeValue(kVram / 4));
}

TEST_F(AmdGpuFamily, APartitionWantsItsModeAndTheWholeWantsOne) {
  Add();
  const auto gpu = Make();
  const Description now = Look(*gpu).value();
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = "cpx3"})),
              ElementsAre("amd.compute_partition 0000:0a:00.0 = CPX shared"));
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = ""})),
              ElementsAre("pci.driver 0000:0a:00.0 = kernel shared",
                          "amd.compute_partition 0000:0a:00.0 = SPX shared"));
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = "", .access = Access::kVfio})),
              ElementsAre("pci.driver 0000:0a:00.0 = vfio-pci override=vfio-pci shared"));
  EXPECT_EQ(gpu->Plan(now, {.part = "tpx0"}).error().code, Code::kNotFound);
}

TEST_F(AmdGpuFamily, APartitionCannotBeHadThroughVfioOrAsNetworkCard) {
  Add();
  const auto gpu = Make();
  const Description now = Look(*gpu).value();
  const auto vfio = gpu->Plan(now, {.part = "cpx3", .access = Access::kVfio});
  EXPECT_EQ(vfio.error().code, Code::kUnsupported);
  EXPECT_THAT(vfio.error().what, HasSubstr("no PCI function of its own"));
  PartRequest request{.part = "cpx3"};
  request.network = NetworkRequest();
  EXPECT_TRUE(gpu->Plan(now, request));
  request.network->mtu = 1400;
  EXPECT_THAT(gpu->Plan(now, request).error().what, HasSubstr("no network card"));
}

TEST_F(AmdGpuFamily, AModeThatClaimsHaveForbidsPartitionsOfOthers) {
  Add();
  SetMode("CPX");
  const auto gpu = Make();
  const Description held = Look(*gpu, kOurs).value();
  EXPECT_EQ(held.foreign, "");
  EXPECT_TRUE(gpu->Plan(held, {.part = "cpx0"}));
  const auto other = gpu->Plan(held, {.part = "dpx1"});
  EXPECT_EQ(other.error().code, Code::kConflict);
  EXPECT_THAT(other.error().what, HasSubstr("is in mode CPX for other claims, and dpx1 needs DPX"));
  EXPECT_THAT(other.error().what, HasSubstr("unprepare"));
  EXPECT_THAT(gpu->Plan(held, {.part = ""}).error().what, HasSubstr("the whole card needs SPX"));
}

TEST_F(AmdGpuFamily, AModeThatSomebodyElseHasSetIsLikeAnyOther) {
  Add();
  SetMode("CPX");
  const auto gpu = Make();
  const Description found = Look(*gpu).value();
  EXPECT_EQ(found.foreign, "");
  EXPECT_THAT(Texts(gpu->Plan(found, {.part = "dpx1"})),
              ElementsAre("amd.compute_partition 0000:0a:00.0 = DPX shared"));
}

TEST_F(AmdGpuFamily, TheWholeIsGivenAsFoundWhereItCannotBeOne) {
  Add({{"memory", "NPS4"}});
  const auto gpu = Make();
  EXPECT_THAT(Texts(gpu->Plan(Look(*gpu).value(), {.part = ""})),
              Contains("amd.compute_partition 0000:0a:00.0 = QPX shared"));
  EXPECT_THAT(Edits("")->device_nodes,
              ElementsAre("/dev/dri/card0", "/dev/dri/card1", "/dev/dri/card2", "/dev/dri/card3",
                          "/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/dri/renderD130",
                          "/dev/dri/renderD131", "/dev/kfd"));
}

TEST_F(AmdGpuFamily, AContainerGetsTheNodesOfItsPartition) {
  for (const char* location : {"low", "high"}) {
    sim::FakeHost machine;
    ASSERT_TRUE(machine.kernel.AddFunction(Gpu(kOther, "136")));
    ASSERT_TRUE(machine.kernel.AddFunction(Gpu(kGpu, "128", {{"location", location}})));
    ASSERT_EQ(machine.kernel.Write(std::string(kDir) + "/current_compute_partition", "CPX"), 0);
    const auto gpu =
        MakeAmdGpuAccelerator(machine.host, machine.scanner.Scan().value().front(), {}, "");
    const auto edits = gpu->Edits({.part = "cpx5"}, machine.clock.Now());
    ASSERT_TRUE(edits) << edits.error().what;
    EXPECT_THAT(edits->device_nodes,
                ElementsAre("/dev/dri/card5", "/dev/dri/renderD133", "/dev/kfd"));
    EXPECT_THAT(edits->environment, ElementsAre(Pair("DRAPCI_DEVICE_PCI_0000_0A_00_0_CPX5", kGpu)));
    EXPECT_THAT(gpu->Edits({.part = "cpx0"}, machine.clock.Now())->device_nodes,
                ElementsAre("/dev/dri/card0", "/dev/dri/renderD128", "/dev/kfd"));
  }
}

TEST_F(AmdGpuFamily, AContainerGetsNothingOfAnotherMode) {
  Add();
  EXPECT_THAT(Edits("cpx0").error().what, HasSubstr("in mode SPX"));
  EXPECT_EQ(Edits("nonsense").error().code, Code::kNotFound);
  EXPECT_THAT(Edits("")->device_nodes,
              ElementsAre("/dev/dri/card0", "/dev/dri/renderD128", "/dev/kfd"));
}

TEST_F(AmdGpuFamily, ANodeThatIsNotThePartitionsIsNotGiven) {
  Add();
  SetMode("DPX");
  // As if the topology had changed after it was read.
  const AmdPartition stale{.index = 1, .render_minor = 136};
  const auto nodes = AmdPartitionNodes(machine_.sysfs, At(kGpu), stale);
  EXPECT_EQ(nodes.error().code, Code::kConflict);
  EXPECT_THAT(nodes.error().what, HasSubstr("renderD136"));
  const AmdPartition none{.index = 1, .render_minor = 999};
  EXPECT_EQ(AmdPartitionNodes(machine_.sysfs, At(kGpu), none).error().code, Code::kUnsupported);
}

TEST_F(AmdGpuFamily, OlderKernelsAndOtherCardsAreGivenWhole) {
  Add({{"partitions", "false"}});
  const auto gpu = Make();
  const Description now = Look(*gpu).value();
  EXPECT_THAT(Names(now), ElementsAre(""));
  EXPECT_EQ(now.unusable, "");
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = ""})),
              ElementsAre("pci.driver 0000:0a:00.0 = kernel shared"));
  EXPECT_THAT(Edits("")->device_nodes,
              ElementsAre("/dev/dri/card0", "/dev/dri/renderD128", "/dev/kfd"));
  EXPECT_EQ(setting().Probe(kGpu).error().code, Code::kGone);
}

TEST_F(AmdGpuFamily, ACardWithoutItsDriverIsGivenWhole) {
  Add();
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/amdgpu/unbind", kGpu), 0);
  const auto gpu = Make();
  EXPECT_THAT(Names(Look(*gpu).value()), ElementsAre(""));
  EXPECT_TRUE(gpu->Plan(Look(*gpu).value(), {.part = "", .access = Access::kVfio}));
}

TEST_F(AmdGpuFamily, ABriefLookDecidesLikeAFullOne) {
  Add();
  SetMode("QPX");
  for (const std::set<std::string>& ours : {std::set<std::string>(), kOurs}) {
    const auto gpu = Make();
    const Description full = Look(*gpu, ours).value();
    const Description brief = gpu->Describe(ours, Accelerator::Detail::kBrief).value();
    EXPECT_EQ(brief.counters, full.counters);
    EXPECT_EQ(Names(brief), Names(full));
    for (const Part& part : full.parts) {
      EXPECT_EQ(Find(brief, part.name).consumes, part.consumes);
      EXPECT_EQ(Texts(gpu->Plan(brief, {.part = part.name})),
                Texts(gpu->Plan(full, {.part = part.name})));
    }
  }
}

TEST_F(AmdGpuFamily, TheModeIsSetAndSetAgainAndPutBack) {
  Add();
  EXPECT_EQ(setting().Probe(kGpu).value(), "SPX");
  ASSERT_TRUE(Apply("CPX"));
  EXPECT_EQ(Mode(), "CPX");
  Compute(4242, "python3");
  ASSERT_TRUE(Apply("CPX")) << "what is there already needs no change";
  machine_.kernel.SetLink("/sys/class/kfd/kfd/proc/4242", "/nowhere");
  ASSERT_TRUE(Apply("SPX"));
  EXPECT_EQ(Mode(), "SPX");
}

TEST_F(AmdGpuFamily, ACardInUseIsRefusedBeforeItIsTouchedAndTheUserIsNamed) {
  Add();
  SetMode("DPX");
  machine_.kernel.ResetWrites();
  Compute(4242, "python3");
  auto refused = Apply("CPX");
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("from mode DPX to CPX"));
  EXPECT_THAT(refused.error().what, HasSubstr("python3 (pid 4242)"));
  machine_.kernel.SetLink("/sys/class/kfd/kfd/proc/4242", "/nowhere");
  Open(77, "exporter", "/dev/dri/renderD129");  // of the second partition
  EXPECT_THAT(Apply("CPX").error().what, HasSubstr("exporter (pid 77)"));
  Open(77, "exporter", "/dev/dri/renderD136");  // of another card
  EXPECT_TRUE(Apply("CPX"));
}

TEST_F(AmdGpuFamily, TheDriverIsNotTakenFromUnderAUserOfAPartition) {
  Add();
  SetMode("DPX");
  Open(77, "exporter", "/dev/dri/renderD129");
  Setting& driver = *settings_.find("pci.driver")->second;
  const auto refused = driver.Apply(kGpu, "vfio-pci override=vfio-pci", Deadline());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("exporter (pid 77)"));
  EXPECT_EQ(machine_.kernel.State(At(kGpu))->driver, "amdgpu");
}

TEST_F(AmdGpuFamily, RefusalsOfTheKernelAreExplainedWithTheirErrno) {
  Add();
  const std::string file = std::string(kDir) + "/current_compute_partition";
  const std::pair<int, const char*> cases[] = {{EBUSY, "a process computes on it"},
                                               {EPERM, "being reset"},
                                               {EINVAL, "with its memory in NPS1"},
                                               {EIO, "KFD does not start"}};
  for (const auto& [error, text] : cases) {
    machine_.kernel.faults().FailWrite("*/current_compute_partition", error, 1);
    const auto refused = Apply("CPX");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().what, HasSubstr(text));
    EXPECT_THAT(refused.error().what, HasSubstr(ErrnoName(error)));
    EXPECT_THAT(refused.error().what, HasSubstr(file));
  }
  EXPECT_EQ(Apply("XPX").error().code, Code::kInvalid);
  EXPECT_EQ(Apply("CPX", "0a:00.0").error().code, Code::kInvalid);
  EXPECT_EQ(Apply("CPX", "0000:0b:00.0").error().code, Code::kGone);
}

TEST_F(AmdGpuFamily, AModeInWhichKfdDoesNotStartIsLeftAgain) {
  Add({{"kfd-fails-in", "CPX"}});
  EXPECT_THAT(Apply("CPX").error().what, HasSubstr("KFD does not start"));
  EXPECT_THAT(Edits("cpx0").error().what, HasSubstr("KFD knows no partition 0"));
  EXPECT_TRUE(setting().Between("CPX", "SPX", "CPX"));
  EXPECT_TRUE(Apply("SPX"));
  EXPECT_TRUE(Edits(""));
}

TEST_F(AmdGpuFamily, AThirdModeIsSomebodyElses) {
  Add();
  EXPECT_FALSE(setting().Between("QPX", "SPX", "CPX"));
  EXPECT_TRUE(setting().Between("UNKNOWN", "SPX", "CPX"));
}

TEST(AmdModes, AreReadAsTheKernelPrintsThem) {
  EXPECT_THAT(ParseAmdModes("CPX, SPX, XYZ, CPX"), ElementsAre(AmdMode::kSpx, AmdMode::kCpx));
  EXPECT_THAT(ParseAmdModes("Not supported"), SizeIs(0));
  EXPECT_EQ(ParseAmdMemoryDomains("NPS4"), 4);
  for (const char* text : {"", "NPS", "NPS0", "NPS-1", "4", "NPS999999999999"}) {
    EXPECT_EQ(ParseAmdMemoryDomains(text), 0) << text;
  }
  EXPECT_EQ(AmdTargetName(90402), "gfx942");
  EXPECT_EQ(AmdTargetName(90010), "gfx90a");
}

TEST(AmdModes, HaveAsManyPartitionsAsFitTheXccs) {
  EXPECT_EQ(AmdPartitions(AmdMode::kCpx, 6), 6);
  EXPECT_EQ(AmdPartitions(AmdMode::kTpx, 6), 3);
  EXPECT_EQ(AmdPartitions(AmdMode::kQpx, 6), 0);
  EXPECT_EQ(AmdPartitions(AmdMode::kDpx, 1), 0);
  EXPECT_EQ(AmdPartitions(AmdMode::kCpx, 0), 0);
  EXPECT_EQ(AmdPartitions(AmdMode::kCpx, 65), 0);
  EXPECT_EQ(AmdXccsFrom(ParseAmdModes("SPX, TPX, CPX")), 6);
}

TEST(AmdModes, PlacesHaveOneSpelling) {
  EXPECT_EQ(AmdPlace::Parse("cpx7")->ToString(), "cpx7");
  for (const char* text : {"", "cpx", "cpx07", "CPX7", "cpx-1", "cpx64", "xpx0", "cp", "cpx7 "}) {
    EXPECT_FALSE(AmdPlace::Parse(text)) << text;
  }
}

TEST_F(AmdGpuFamily, IsSharedByMemoryThatTheKernelHoldsContainersTo) {
  Add();
  const auto gpu = MakeShared();
  const Description now = Look(*gpu, kOurs).value();
  ASSERT_THAT(Names(now), ElementsAre(""));
  const Capacity& memory = now.parts[0].capacities.at("memory");
  EXPECT_EQ(memory.value, kVram / (1 << 20) * (1 << 20));
  EXPECT_TRUE(memory.enforced);
  EXPECT_EQ(now.parts[0].attributes.at("enforced_by"), AttributeValue("dmem"));
  const PartRequest share{.part = "", .share = {{"memory", 1 << 30}}};
  EXPECT_THAT(Texts(gpu->Plan(now, share)),
              ElementsAre("pci.driver 0000:0a:00.0 = kernel shared",
                          "amd.compute_partition 0000:0a:00.0 = SPX shared"));
  const auto edits = gpu->Edits(share, Deadline());
  ASSERT_TRUE(edits) << edits.error().what;
  EXPECT_THAT(edits->memory_limits,
              ElementsAre(MemoryLimit{.region = "drm/0000:0a:00.0/vram", .bytes = 1 << 30}));
  EXPECT_THAT(edits->device_nodes,
              ElementsAre("/dev/dri/card0", "/dev/dri/renderD128", "/dev/kfd"));
  EXPECT_THAT(Make()->Edits({.part = ""}, Deadline())->memory_limits, SizeIs(0));
}

TEST_F(AmdGpuFamily, IsSharedWithoutTheControllerAndSaysThatNobodyIsHeldToIt) {
  Add({{"dmem", "no"}});
  const auto gpu = MakeShared();
  const Description now = Look(*gpu).value();
  EXPECT_FALSE(now.parts[0].capacities.at("memory").enforced);
  EXPECT_FALSE(now.parts[0].attributes.contains("enforced_by"));
  const auto edits = gpu->Edits({.part = "", .share = {{"memory", 1 << 30}}}, Deadline());
  ASSERT_TRUE(edits) << edits.error().what;
  EXPECT_THAT(edits->memory_limits, SizeIs(0));
}

TEST_F(AmdGpuFamily, GivesNoShareThroughVfio) {
  Add();
  const auto gpu = MakeShared();
  PartRequest share{.part = "", .access = Access::kVfio, .share = {{"memory", 1 << 30}}};
  EXPECT_EQ(gpu->Plan(Look(*gpu).value(), share).error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace drapci::hal
