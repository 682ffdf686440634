// The rules of amdgpu's compute partitions, broken on purpose.
#include <gmock/gmock.h>

#include "hal/base/parse.h"
#include "test/sim/board/board.h"
#include "test/unit/sim/machine.h"

namespace drapci::sim {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kGpu[] = "/sys/bus/pci/devices/0000:0a:00.0";
constexpr char kOther[] = "/sys/bus/pci/devices/0000:1a:00.0";
constexpr char kKfd[] = "/sys/class/kfd/kfd";

class Amdgpu : public testing::Test {
 protected:
  void Load(const std::string& parameters = "") {
    const std::string board = parameters.empty() ? "mi300x" : "mi300x:" + parameters;
    const auto loaded = LoadBoard(board, DRAPCI_SIM_BOARD_DIR);
    ASSERT_TRUE(loaded) << loaded.error().what;
    const auto put = Install(machine_.kernel, {*loaded});
    ASSERT_TRUE(put) << put.error().what;
  }
  std::string Read(const std::string& path) {
    return machine_.sysfs.Read(path).value_or("<unreadable>");
  }
  int SetMode(std::string_view value, const std::string& gpu = kGpu) {
    return machine_.kernel.Write(gpu + "/current_compute_partition", value);
  }
  std::string Mode(const std::string& gpu = kGpu) {
    return Read(gpu + "/current_compute_partition");
  }
  int Generation() {
    return ParseInt<int>(Read(std::string(kKfd) + "/topology/generation_id")).value_or(-1);
  }
  // "node location minor" of each node of a bus, in the order of nodes.
  std::vector<std::string> Nodes(unsigned bus) {
    std::vector<std::string> found;
    for (int node = 0; node < 80; ++node) {
      const std::string dir = std::string(kKfd) + "/topology/nodes/" + std::to_string(node);
      const std::string text = Read(dir + "/properties");
      const auto value = [&](std::string_view key) {
        for (const auto line : Split(text, '\n')) {
          if (line.starts_with(key)) return std::string(line.substr(key.size() + 1));
        }
        return std::string();
      };
      const auto location = ParseInt<unsigned>(value("location_id")).value_or(0);
      if ((location >> 8 & 0xff) != bus) continue;
      found.push_back(std::to_string(node) + " " + std::to_string(location) + " " +
                      value("drm_render_minor"));
    }
    return found;
  }
  // A process that computes on the node.
  void Compute(int pid, const std::string& node) {
    const std::string id = Read(std::string(kKfd) + "/topology/nodes/" + node + "/gpu_id");
    machine_.kernel.SetFile(std::string(kKfd) + "/proc/" + std::to_string(pid) + "/vram_" + id,
                            "0\n");
  }

  FakeHost machine_;
};

TEST_F(Amdgpu, TheMachineStartsWithOneNodeForEachCardBehindThoseOfItsProcessors) {
  Load();
  EXPECT_EQ(Mode(), "SPX");
  EXPECT_EQ(Read(std::string(kGpu) + "/available_compute_partition"), "SPX, DPX, QPX, CPX");
  EXPECT_EQ(Read(std::string(kGpu) + "/current_memory_partition"), "NPS1");
  EXPECT_THAT(Nodes(0x0a), ElementsAre("2 2560 128"));
  EXPECT_THAT(Nodes(0x1a), ElementsAre("3 6656 136"));
  EXPECT_EQ(Read(std::string(kKfd) + "/topology/nodes/0/gpu_id"), "0");
}

TEST_F(Amdgpu, AModeChangeMakesTheNodesAnewAndTakesSeconds) {
  Load();
  const int generation = Generation();
  const auto start = machine_.clock.Now();
  const size_t events = machine_.events.Seen().size();
  EXPECT_EQ(SetMode("QPX\n"), 0);
  EXPECT_EQ(machine_.clock.Now() - start, std::chrono::seconds(2));
  EXPECT_EQ(Mode(), "QPX");
  EXPECT_GT(Generation(), generation);
  // Behind the nodes of all others.
  EXPECT_THAT(Nodes(0x0a), ElementsAre("9 2560 128", "10 2561 129", "11 2562 130", "12 2563 131"));
  EXPECT_THAT(Nodes(0x1a), ElementsAre("2 6656 136"));
  EXPECT_THAT(machine_.events.Seen(), SizeIs(events)) << "no uevent tells of it";
}

TEST_F(Amdgpu, PartitionsMayBeNamedInTheHighestBitsOfTheirLocation) {
  Load("location=high");
  EXPECT_EQ(SetMode("DPX"), 0);
  EXPECT_THAT(Nodes(0x0a), ElementsAre("9 2560 128", "10 268438016 129"));
}

TEST_F(Amdgpu, AModeIsNamedInAnyCaseAndTheOneThatIsThereChangesNothing) {
  Load();
  EXPECT_EQ(SetMode("cpx"), 0);
  EXPECT_EQ(Mode(), "CPX");
  const int generation = Generation();
  Compute(4242, "9");
  EXPECT_EQ(SetMode("CPX"), 0);
  EXPECT_EQ(Generation(), generation);
}

TEST_F(Amdgpu, AModeThatTheCardDoesNotHaveIsRefused) {
  Load();
  for (const char* mode : {"TPX", "XPX", "S", "1"}) EXPECT_EQ(SetMode(mode), EINVAL) << mode;
  EXPECT_EQ(Mode(), "SPX");
}

TEST_F(Amdgpu, AModeThatDoesNotGoWithTheMemoryIsRefused) {
  Load("memory=NPS4");
  EXPECT_EQ(Mode(), "QPX") << "the driver's choice";
  EXPECT_EQ(SetMode("SPX"), EINVAL);
  EXPECT_EQ(SetMode("DPX"), EINVAL);
  EXPECT_EQ(SetMode("CPX"), 0);
}

TEST_F(Amdgpu, AProcessOnTheCardForbidsAChangeAndOneOnAnotherDoesNot) {
  Load();
  Compute(4242, "2");
  const int generation = Generation();
  EXPECT_EQ(SetMode("CPX"), EBUSY);
  EXPECT_EQ(Generation(), generation);
  EXPECT_EQ(SetMode("CPX", kOther), 0);
}

TEST_F(Amdgpu, KfdThatDoesNotStartIsAnIoErrorInTheNewMode) {
  Load("kfd-fails-in=CPX");
  EXPECT_EQ(SetMode("CPX"), EIO);
  EXPECT_EQ(Mode(), "CPX");
  EXPECT_THAT(Nodes(0x0a), IsEmpty());
  EXPECT_EQ(SetMode("SPX"), 0);
  EXPECT_THAT(Nodes(0x0a), SizeIs(1));
}

TEST_F(Amdgpu, ACardInResetTellsAndTakesNothing) {
  Board board = LoadBoard("mi300x", DRAPCI_SIM_BOARD_DIR).value();
  for (FunctionSpec& function : board.functions) {
    if (!function.model.empty()) function.model["in-reset"] = "true";
  }
  ASSERT_TRUE(Install(machine_.kernel, {board}));
  EXPECT_EQ(SetMode("CPX"), EPERM);
  EXPECT_EQ(machine_.kernel.Read(std::string(kGpu) + "/current_compute_partition").error(), EPERM);
}

TEST_F(Amdgpu, TheNodesOfAllPartitionsAreThereInEveryModeBelowPlatformDevices) {
  Load();
  EXPECT_THAT(machine_.sysfs.List("/sys/bus/platform/devices").value(), SizeIs(56));
  EXPECT_EQ(machine_.sysfs.Resolve("/sys/class/drm/renderD129").value(),
            "/sys/devices/platform/amdgpu_xcp_0/drm/renderD129");
  EXPECT_EQ(machine_.sysfs.Resolve("/sys/class/drm/renderD136").value(),
            "/sys/devices/pci0000:10/0000:10:01.1/0000:1a:00.0/drm/renderD136");
  EXPECT_TRUE(machine_.dev.Stat("/dev/dri/renderD191"));
  EXPECT_TRUE(machine_.dev.Stat("/dev/kfd"));
}

TEST_F(Amdgpu, MemoryIsDividedAnewWhenTheDriverIsLoadedAgain) {
  Load();
  const std::string file = std::string(kGpu) + "/current_memory_partition";
  EXPECT_EQ(machine_.kernel.Write(file, "NPS2"), EINVAL);
  EXPECT_EQ(machine_.kernel.Write(file, "NPS4"), 0);
  EXPECT_EQ(Read(file), "NPS1");
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/amdgpu/unbind", "0000:0a:00.0"), 0);
  EXPECT_EQ(Read(file), "<unreadable>");
  EXPECT_THAT(Nodes(0x0a), IsEmpty());
  EXPECT_FALSE(machine_.dev.Stat("/dev/dri/renderD129"));
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/amdgpu/bind", "0000:0a:00.0"), 0);
  EXPECT_EQ(Read(file), "NPS4");
  EXPECT_EQ(Mode(), "QPX");
}

TEST_F(Amdgpu, OlderKernelsTellTheDivisionOfMemoryAndTakeNoOther) {
  Load("available-memory=");
  EXPECT_EQ(machine_.kernel.Write(std::string(kGpu) + "/current_memory_partition", "NPS4"), EACCES);
  EXPECT_FALSE(machine_.sysfs.Exists(std::string(kGpu) + "/available_memory_partition"));
  EXPECT_EQ(machine_.kernel.Write(std::string(kGpu) + "/available_compute_partition", "CPX"),
            EACCES);
}

TEST_F(Amdgpu, ACardThatIsPulledTakesItsNodesAlong) {
  Load();
  EXPECT_EQ(SetMode("CPX"), 0);
  ASSERT_TRUE(machine_.kernel.Unplug(At("0000:0a:00.0")));
  EXPECT_THAT(Nodes(0x0a), IsEmpty());
  EXPECT_THAT(Nodes(0x1a), ElementsAre("2 6656 136"));
  EXPECT_FALSE(machine_.dev.Stat("/dev/dri/renderD129"));
  EXPECT_EQ(SetMode("SPX"), ENOENT);
}

}  // namespace
}  // namespace drapci::sim
