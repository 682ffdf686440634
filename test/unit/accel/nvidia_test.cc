#include "hal/accel/nvidia.h"

#include "hal/accel/nvidia_nodes.h"
#include "hal/accel/nvidia_settings.h"
#include "hal/accel/pci_accelerator.h"
#include "test/sim/nvml/simulated_gpus.h"
#include "test/unit/accel/board_machine.h"
#include "test/unit/accel/look.h"

namespace drapci::hal {
namespace {

using test::At;
using test::Look;
using test::Texts;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::SizeIs;

constexpr char kGpu[] = "0000:1b:00.0";
constexpr char kPart[] = "1g-10gb-3";
constexpr char kTarget[] = "0000:1b:00.0/1g-10gb-3";
constexpr char kMade[] = "profile=19 at=3:1 compute=1";
const std::set<std::string> kOurs = {"nvidia.mig_mode 0000:1b:00.0",
                                     "nvidia.gpu_instance 0000:1b:00.0/1g-10gb-3"};

class NvidiaFamily : public test::BoardMachine {
 protected:
  NvidiaFamily() { Start("dgx-h100"); }

  void Start(const std::string& board) {
    gpus_.reset();
    Load(board);
    gpus_ = std::make_unique<sim::SimulatedGpus>(machine_->kernel);
    machine_->host.nvml = gpus_.get();
  }
  const Part* Find(const Description& now, std::string_view name) {
    const auto part = FindPart(now, "gpu", name);
    return part ? *part : nullptr;
  }
  Setting& Named(std::string_view name) { return BoardMachine::Find(name); }
  // Plans and makes a part.
  Result<> Make(std::string_view part, const AcceleratorPolicy& policy = {}) {
    const auto gpu = BoardMachine::Make(kGpu, policy);
    DRAPCI_TRY(const Description now, Look(*gpu));
    DRAPCI_TRY(const std::vector<Wanted> plan, gpu->Plan(now, {.part = std::string(part)}));
    return Apply(plan);
  }
  void SwitchOn() {
    gpus_->ChangeGpu(kGpu, [](sim::nvml::Gpu& gpu) { gpu.mig = gpu.mig_pending = true; });
  }
  void Open(int pid, const std::string& program, const std::string& node) {
    const std::string process = "/proc/" + std::to_string(pid);
    machine_->kernel.SetFile(process + "/comm", program + "\n");
    machine_->kernel.SetLink(process + "/fd/5", node);
  }
  void FailNext(std::string_view call, int64_t code) {
    gpus_->Change([&](sim::nvml::State& state) { sim::nvml::FailNext(state, call, code); });
  }
  MonotonicTime Deadline() const { return machine_->clock.Now() + std::chrono::seconds(30); }

  std::unique_ptr<sim::SimulatedGpus> gpus_;
};

TEST_F(NvidiaFamily, IsThatOfGpusWhichItsDriverOrNoneHas) {
  PciFunction gpu;
  gpu.vendor = 0x10de;
  gpu.class_code = 0x030200;
  for (const char* driver : {"nvidia", "vfio-pci", ""}) {
    gpu.driver = driver;
    EXPECT_EQ(MatchFamily(gpu)->name, "nvidia") << driver;
  }
  gpu.driver = "nouveau";
  EXPECT_EQ(MatchFamily(gpu)->name, "function");
  gpu.driver = "nvidia";
  gpu.class_code = 0x068000;  // a switch of its own
  EXPECT_EQ(MatchFamily(gpu), nullptr);
  gpu.class_code = 0x040300;  // its sound
  EXPECT_EQ(MatchFamily(gpu)->name, "function");
}

TEST_F(NvidiaFamily, OffersTheWholeAndEveryPlaceOfEveryProfile) {
  const auto gpu = BoardMachine::Make(kGpu);
  const auto now = Look(*gpu);
  ASSERT_TRUE(now) << now.error().what;
  EXPECT_EQ(now->unusable + now->foreign, "");
  EXPECT_THAT(now->parts, SizeIs(1 + 7 + 7 + 4 + 3 + 2 + 1 + 1));
  EXPECT_EQ(now->counters.at("memory-slice-7"), 1);
  EXPECT_EQ(now->counters.at("compute_slices"), 7);
  EXPECT_EQ(now->scale, (Scale{.unit = "memory slices", .size = 8}));
  const Part* part = Find(*now, "3g-40gb-4");
  ASSERT_NE(part, nullptr);
  EXPECT_EQ(part->profile, "3g.40gb");
  EXPECT_EQ(part->extent, (Extent{.start = 4, .size = 4}));
  EXPECT_EQ(part->consumes.at("memory-slice-4"), 1);
  EXPECT_FALSE(part->consumes.contains("memory-slice-3"));
  EXPECT_EQ(part->consumes.at("compute_slices"), 3);
  EXPECT_EQ(part->unusable, "");
  EXPECT_EQ(std::get<int64_t>(part->attributes.at("memory")), int64_t{40448} << 20);
  EXPECT_EQ(std::get<int64_t>(part->attributes.at("multiprocessors")), 60);
  EXPECT_EQ(Find(*now, "")->consumes, now->counters) << "the whole leaves room for no part";
  EXPECT_EQ(std::get<std::string>(now->attributes.at("model")), "NVIDIA H100 80GB HBM3");
}

TEST_F(NvidiaFamily, IsOfferedWholeWithoutTheLibraryOrWhenThatDoesNotKnowTheGpu) {
  gpus_->Change([](sim::nvml::State& state) { state.gpus.erase(state.gpus.begin()); });
  for (int round = 0; round < 2; ++round) {
    const auto gpu = BoardMachine::Make(kGpu);
    const auto now = Look(*gpu);
    ASSERT_TRUE(now) << now.error().what;
    EXPECT_EQ(now->unusable + now->foreign, "");
    EXPECT_THAT(now->parts, SizeIs(1));
    EXPECT_EQ(now->counters, (std::map<std::string, int64_t>{{"functions", 1}}));
    EXPECT_THAT(Texts(gpu->Plan(*now, {.part = ""}).value()),
                ElementsAre("pci.driver 0000:1b:00.0 = kernel shared"));
    machine_->host.nvml = nullptr;
  }
}

TEST_F(NvidiaFamily, SaysWhyALostGpuCannotBeGiven) {
  gpus_->ChangeGpu(kGpu, [](sim::nvml::Gpu& gpu) { gpu.lost = true; });
  const auto now = Look(*BoardMachine::Make(kGpu));
  ASSERT_TRUE(now) << now.error().what;
  EXPECT_THAT(now->unusable, HasSubstr("GPU_IS_LOST"));
}

TEST_F(NvidiaFamily, APartWantsTheModeOnAndTheWholeWantsItOff) {
  const auto gpu = BoardMachine::Make(kGpu);
  const Description now = Look(*gpu).value();
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = kPart}).value()),
              ElementsAre("pci.driver 0000:1b:00.0 = kernel shared",
                          "nvidia.mig_mode 0000:1b:00.0 = enabled shared",
                          "nvidia.gpu_instance 0000:1b:00.0/1g-10gb-3 = " + std::string(kMade) +
                              " shared"));
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = ""}).value()),
              Contains("nvidia.mig_mode 0000:1b:00.0 = disabled shared"));
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = "", .access = Access::kVfio}).value()), SizeIs(1));
  const auto vfio = gpu->Plan(now, {.part = kPart, .access = Access::kVfio});
  ASSERT_FALSE(vfio);
  EXPECT_THAT(vfio.error().what, HasSubstr("no PCI function of its own"));
}

TEST_F(NvidiaFamily, MakesAPartAtItsPlaceAndFindsItThereWhateverItsId) {
  ASSERT_TRUE(Make(kPart));
  const auto first = gpus_->GpuInstances(At(kGpu)).value();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].placement, (MigPlacement{.start = 3, .size = 1}));
  EXPECT_EQ(Probe(kGpuInstanceSetting, kTarget), kMade);
  // Twice is as good as once.
  EXPECT_TRUE(Set(kGpuInstanceSetting, kTarget, kMade));
  EXPECT_EQ(gpus_->GpuInstances(At(kGpu)).value(), first);
  ASSERT_TRUE(Set(kGpuInstanceSetting, kTarget, "none"));
  EXPECT_EQ(Probe(kGpuInstanceSetting, kTarget), "none");
  ASSERT_TRUE(Set(kGpuInstanceSetting, kTarget, kMade));
  EXPECT_NE(gpus_->GpuInstances(At(kGpu)).value().at(0).id, first[0].id);
  EXPECT_EQ(Probe(kGpuInstanceSetting, kTarget), kMade);
  ASSERT_TRUE(Set(kGpuInstanceSetting, kTarget, "none"));
  ASSERT_TRUE(Set(kMigModeSetting, kGpu, "disabled"));
}

TEST_F(NvidiaFamily, ACutLeavesAGpuInstanceWithoutAComputeInstanceAtMost) {
  SwitchOn();
  FailNext("nvmlGpuInstanceCreateComputeInstance", 999);
  EXPECT_FALSE(Set(kGpuInstanceSetting, kTarget, kMade));
  const std::string now = Probe(kGpuInstanceSetting, kTarget);
  EXPECT_EQ(now, "profile=19 at=3:1 compute=none");
  const Setting& setting = Named(kGpuInstanceSetting);
  EXPECT_TRUE(setting.Between(now, "none", kMade));
  EXPECT_TRUE(setting.Between("none", "none", kMade));
  EXPECT_FALSE(setting.Between("profile=19 at=3:1 compute=1,1", "none", kMade));
  ASSERT_TRUE(Set(kGpuInstanceSetting, kTarget, kMade));
  ASSERT_TRUE(Set(kGpuInstanceSetting, kTarget, "none"));
  EXPECT_THAT(gpus_->GpuInstances(At(kGpu)).value(), IsEmpty());
}

TEST_F(NvidiaFamily, NamesWhoUsesAPartThatIsToGo) {
  ASSERT_TRUE(Make(kPart));
  machine_->kernel.SetFile("/proc/4711/comm", "train\n");
  gpus_->ChangeGpu(kGpu, [](sim::nvml::Gpu& gpu) {
    gpu.processes.push_back({.pid = 4711,
                             .memory_mib = 512,
                             .gpu_instance = gpu.instances.at(0).id,
                             .compute_instance = gpu.instances.at(0).compute.at(0).id});
  });
  const auto refused = Set(kGpuInstanceSetting, kTarget, "none");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what, HasSubstr("train (pid 4711)"));
  EXPECT_EQ(Probe(kGpuInstanceSetting, kTarget), kMade);
}

TEST_F(NvidiaFamily, LeavesAloneWhatSomebodyElseHasMade) {
  SwitchOn();
  const auto theirs = gpus_->CreateGpuInstance(At(kGpu), 14, {.start = 2, .size = 2});
  ASSERT_TRUE(theirs) << theirs.error().what;
  const Description now = Look(*BoardMachine::Make(kGpu), kOurs).value();
  EXPECT_EQ(now.foreign, "");
  for (const char* part : {"", kPart, "2g-20gb-2", "3g-40gb-0", "7g-80gb-0"}) {
    EXPECT_THAT(Find(now, part)->unusable,
                HasSubstr("somebody else has made a GPU instance 2g.20gb"))
        << part;
  }
  for (const char* part : {"1g-10gb-0", "2g-20gb-4", "3g-40gb-4"}) {
    EXPECT_EQ(Find(now, part)->unusable, "") << part;
  }
  EXPECT_EQ(now.counters.at("compute_slices"), 5);
  EXPECT_EQ(now.counters.at("memory-slice-2"), 0);
  const auto off = Set(kMigModeSetting, kGpu, "disabled");
  ASSERT_FALSE(off);
  EXPECT_EQ(off.error().code, Code::kConflict);
  // The same place and profile, but not by us; then by us.
  ASSERT_TRUE(gpus_->DestroyGpuInstance(At(kGpu), theirs->id));
  ASSERT_TRUE(Set(kGpuInstanceSetting, kTarget, kMade));
  EXPECT_NE(Find(Look(*BoardMachine::Make(kGpu)).value(), kPart)->unusable, "");
  const Description ours = Look(*BoardMachine::Make(kGpu), kOurs).value();
  EXPECT_EQ(Find(ours, kPart)->unusable, "");
  EXPECT_EQ(ours.counters.at("compute_slices"), 7);
}

TEST_F(NvidiaFamily, AModeThatWaitsForAResetIsSomebodyElsesBusiness) {
  gpus_->ChangeGpu(kGpu, [](sim::nvml::Gpu& gpu) { gpu.mig_pending = true; });
  EXPECT_THAT(Look(*BoardMachine::Make(kGpu)).value().foreign, HasSubstr("waits for a reset"));
}

TEST_F(NvidiaFamily, TheModeIsNotSwitchedUnderAnybody) {
  Open(4242, "dcgm-hostengine", "/dev/nvidia0");
  const auto open = Set(kMigModeSetting, kGpu, "enabled");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code, Code::kBusy);
  EXPECT_THAT(open.error().what, HasSubstr("dcgm-hostengine (pid 4242)"));
  machine_->kernel.SetLink("/proc/4242/fd/5", "/dev/null");
  machine_->kernel.SetFile("/proc/4711/comm", "train\n");
  gpus_->ChangeGpu(
      kGpu, [](sim::nvml::Gpu& gpu) { gpu.processes.push_back({.pid = 4711, .memory_mib = 512}); });
  EXPECT_THAT(Set(kMigModeSetting, kGpu, "enabled").error().what, HasSubstr("train (pid 4711)"));
  EXPECT_THAT(gpus_->State().log, Not(Contains(HasSubstr("SetMigMode"))));
  // Whom nobody sees, the driver tells of; the wish is taken back then.
  gpus_->ChangeGpu(kGpu, [](sim::nvml::Gpu& gpu) {
    gpu.processes.clear();
    gpu.clients = {"nvidia-persistenced"};
  });
  EXPECT_EQ(Set(kMigModeSetting, kGpu, "enabled").error().code, Code::kBusy);
  EXPECT_EQ(Probe(kMigModeSetting, kGpu), "disabled");
}

TEST_F(NvidiaFamily, AModeThatNeedsAResetIsTakenBackUnlessTheOperatorAllowsOne) {
  Start("dgx-h100:gpu=a100-80");
  const auto refused = Make(kPart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_THAT(refused.error().what, HasSubstr("allowReset"));
  EXPECT_EQ(gpus_->GetMigMode(At(kGpu)).value(), MigMode{});
  AcceleratorPolicy policy;
  policy.allow_reset = true;
  const auto made = Make(kPart, policy);
  ASSERT_TRUE(made) << made.error().what;
  EXPECT_EQ(Probe(kMigModeSetting, kGpu), "enabled");
  EXPECT_EQ(Probe(kGpuInstanceSetting, kTarget), kMade);
  const Setting& mode = Named(kMigModeSetting);
  EXPECT_EQ(mode.Before("disabled", "enabled reset"), "disabled reset");
  EXPECT_TRUE(mode.Satisfies("enabled", "enabled reset"));
  EXPECT_FALSE(mode.Satisfies("disabled pending", "disabled"));
}

TEST_F(NvidiaFamily, AContainerGetsTheNodesOfItsInstancesAndNoOthers) {
  ASSERT_TRUE(Make(kPart));
  ASSERT_TRUE(Make("1g-10gb-6"));
  const auto edits = BoardMachine::Make(kGpu)->Edits({.part = kPart}, Deadline());
  ASSERT_TRUE(edits) << edits.error().what;
  const auto instance = gpus_->GpuInstances(At(kGpu)).value().at(0);
  const uint32_t cap = 3 + 9 * instance.id;  // GPU 0
  EXPECT_THAT(edits->device_nodes,
              testing::UnorderedElementsAre(
                  "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools",
                  "/dev/nvidia-caps/nvidia-cap" + std::to_string(cap),
                  "/dev/nvidia-caps/nvidia-cap" + std::to_string(cap + 1)));
  EXPECT_EQ(edits->environment.at("NVIDIA_VISIBLE_DEVICES"), "void");
  EXPECT_EQ(edits->environment.at("DRAPCI_UUID_PCI_0000_1B_00_0_1G_10GB_3"),
            gpus_->MigDevices(At(kGpu)).value().at(0).uuid);
}

TEST_F(NvidiaFamily, AContainerGetsTheWholeGpu) {
  const auto edits = BoardMachine::Make("0000:43:00.0")->Edits({.part = ""}, Deadline());
  ASSERT_TRUE(edits) << edits.error().what;
  EXPECT_THAT(edits->device_nodes, IsSupersetOf({"/dev/nvidia1", "/dev/nvidiactl"}));
  EXPECT_THAT(edits->device_nodes, Not(Contains("/dev/nvidia0")));
}

TEST_F(NvidiaFamily, SaysWhoMakesANodeThatIsMissing) {
  ASSERT_TRUE(Make(kPart));
  const auto instance = gpus_->GpuInstances(At(kGpu)).value().at(0);
  machine_->kernel.SetFile(
      "/proc/driver/nvidia/capabilities/gpu0/mig/gi" + std::to_string(instance.id) + "/access",
      "DeviceFileMinor: 4000\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
  const auto edits = BoardMachine::Make(kGpu)->Edits({.part = kPart}, Deadline());
  ASSERT_FALSE(edits);
  EXPECT_EQ(edits.error().code, Code::kTimeout);
  EXPECT_THAT(edits.error().what, HasSubstr("nvidia-modprobe"));
  EXPECT_THAT(edits.error().what, HasSubstr("/dev/nvidia-caps/nvidia-cap4000"));
}

TEST_F(NvidiaFamily, TheDriverIsNotTakenFromUnderAnybody) {
  Open(4242, "nvidia-persiste", "/dev/nvidia0");
  const auto refused = Set("pci.driver", kGpu, "vfio-pci override=vfio-pci");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("nvidia-persiste (pid 4242)"));
}

TEST_F(NvidiaFamily, StillCountsItsSlicesWhileItsDriverIsAway) {
  const auto gpu = BoardMachine::Make(kGpu);
  const Description before = Look(*gpu).value();
  ASSERT_TRUE(Set("pci.driver", kGpu, "vfio-pci override=vfio-pci"));
  const Description now = Look(*gpu, {"pci.driver 0000:1b:00.0"}).value();
  EXPECT_EQ(now.counters, before.counters);
  EXPECT_EQ(now.foreign + now.unusable + Find(now, "")->unusable, "");
  EXPECT_THAT(Find(now, kPart)->unusable, HasSubstr("away"));
}

TEST_F(NvidiaFamily, SharesAreOfTheWholeAndNobodyIsHeldToThem) {
  AcceleratorPolicy policy;
  policy.shares = true;
  const auto gpu = BoardMachine::Make(kGpu, policy);
  const Description now = Look(*gpu).value();
  ASSERT_THAT(now.parts, SizeIs(1));
  const Capacity& memory = now.parts[0].capacities.at("memory");
  EXPECT_FALSE(memory.enforced);
  EXPECT_EQ(memory.value, int64_t{81559} << 20);
  EXPECT_EQ(now.counters.at("memory"), memory.value);
  EXPECT_THAT(now.parts[0].share_parts, IsEmpty());
  EXPECT_THAT(Texts(gpu->Plan(now, {.part = "", .share = {{"memory", 1 << 30}}}).value()),
              Contains("nvidia.mig_mode 0000:1b:00.0 = disabled shared"));
  EXPECT_FALSE(
      gpu->Plan(now, {.part = "", .access = Access::kVfio, .share = {{"memory", 1 << 30}}}));
}

TEST_F(NvidiaFamily, OldDriversOfferPartsWhileTheModeIsOn) {
  gpus_->Change([](sim::nvml::State& state) { state.profiles_need_mig = true; });
  const auto gpu = BoardMachine::Make(kGpu);
  EXPECT_THAT(Look(*gpu).value().parts, SizeIs(1));
  SwitchOn();
  EXPECT_THAT(Look(*gpu).value().parts, SizeIs(26));
}

TEST_F(NvidiaFamily, TargetsAndValuesThatAreNoneAreRefused) {
  SwitchOn();
  for (const char* target : {"", "0000:1b:00.0", "0000:1b:00.0/", "0000:1b:00.0/9g-1gb-0", "x/y"}) {
    EXPECT_FALSE(Named(kGpuInstanceSetting).Probe(target)) << target;
  }
  for (const char* value : {"", "profile=19", "profile=19 at=3 compute=1",
                            "profile=x at=3:1 compute=1", "profile=19 at=3:1 compute=",
                            "profile=19 at=3:1 compute=1,", "profile=14 at=2:2 compute=2"}) {
    EXPECT_FALSE(Set(kGpuInstanceSetting, kTarget, value)) << value;
  }
  EXPECT_FALSE(Set(kMigModeSetting, kGpu, "on"));
  EXPECT_EQ(Named(kMigModeSetting).Probe("0000:77:00.0").error().code, Code::kGone);
  const GpuInstanceValue value{
      .profile_id = 9, .place = {.start = 4, .size = 4}, .compute = {1, 2}};
  EXPECT_EQ(ParseGpuInstance(FormatGpuInstance(value)), std::optional(std::optional(value)));
}

}  // namespace
}  // namespace drapci::hal
