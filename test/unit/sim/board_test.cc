#include "test/sim/board/board.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "test/sim/fake_host.h"

namespace drapci::sim {
namespace {

using testing::HasSubstr;

constexpr const char* kSmall = R"(
parameters: {vfs: 2}
drivers:
  - {name: igb, ids: ["8086:10c9"], sriov: true}
functions:
  - address: 0000:02:00.0
    id: 8086:10c9
    class: 0x020000
    driver: igb
    sriov: {total: "${vfs}", offset: 128, stride: 2, vf-device: 10ca}
)";

Result<Board> LoadShipped(std::string_view argument) {
  return LoadBoard(argument, DRAPCI_SIM_BOARD_DIR);
}

TEST(Board, ReadsWhatAFileSays) {
  auto board = ParseBoard(kSmall, "b.yaml", {});
  ASSERT_TRUE(board) << board.error().what;
  ASSERT_EQ(board->functions.size(), 1U);
  EXPECT_EQ(board->functions[0].vendor, 0x8086);
  EXPECT_EQ(board->functions[0].class_code, 0x020000U);
  EXPECT_EQ(board->functions[0].sriov->total, 2U);
}

TEST(Board, TakesParameters) {
  EXPECT_EQ(ParseBoard(kSmall, "b.yaml", {{"vfs", "16"}})->functions[0].sriov->total, 16U);
  EXPECT_THAT(ParseBoard(kSmall, "b.yaml", {{"fvs", "16"}}).error().what,
              HasSubstr("b.yaml: no parameter is called 'fvs'; allowed: vfs"));
}

TEST(Board, NamesFileLineAndWhatIsAllowedForAllErrorsAtOnce) {
  auto board = ParseBoard("functions:\n  - addres: x\n    id: 1\n", "b.yaml", {});
  ASSERT_FALSE(board);
  EXPECT_THAT(board.error().what, HasSubstr("b.yaml:2: unknown key 'addres'; allowed: address"));
  EXPECT_THAT(board.error().what, HasSubstr("b.yaml:3: 'id' takes two hexadecimal ids"));
}

TEST(Board, TellsWhereTheYamlIsBroken) {
  EXPECT_THAT(ParseBoard("a: b\n  c: [", "b.yaml", {}).error().what,
              testing::StartsWith("b.yaml:"));
}

TEST(Board, RefusesOverlappingAddresses) {
  FakeHost machine;
  Board board = ParseBoard(kSmall, "b.yaml", {}).value();
  EXPECT_EQ(Install(machine.kernel, {board, board}).error().code, Code::kConflict);
}

TEST(Board, RefusesAFunctionBelowNothing) {
  FakeHost machine;
  auto board = ParseBoard(
      "functions: [{address: 0000:02:00.0, id: 1:2, class: 0x020000, parent: 0000:00:09.0}]", "b",
      {});
  ASSERT_TRUE(board) << board.error().what;
  EXPECT_THAT(Install(machine.kernel, {*board}).error().what, HasSubstr("0000:00:09.0"));
}

class ShippedBoard : public testing::TestWithParam<const char*> {};

TEST_P(ShippedBoard, BuildsAMachineWhoseDriversAreBound) {
  auto board = LoadShipped(GetParam());
  ASSERT_TRUE(board) << board.error().what;
  FakeHost machine;
  auto installed = Install(machine.kernel, {*board});
  ASSERT_TRUE(installed) << installed.error().what;
  for (const FunctionSpec& spec : machine.kernel.Specs()) {
    EXPECT_EQ(machine.kernel.State(spec.address)->driver, spec.driver) << spec.address.ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShippedBoard,
                         testing::Values("sriov-nic", "nvme", "mixed-small", "xe"));

TEST(ShippedBoards, TakeTheNumberOfVfs) {
  EXPECT_EQ(LoadShipped("sriov-nic:vfs=8")->functions[1].sriov->total, 8U);
}

TEST(ShippedBoards, AreNotFoundUnderAWrongName) {
  EXPECT_EQ(LoadShipped("nope").error().code, Code::kNotFound);
  EXPECT_EQ(LoadShipped("nvme:vfs").error().code, Code::kInvalid);
}

// A tree as `drapci-sim record` leaves it.
struct RecordedTree : testing::Test {
  RecordedTree() {
    std::filesystem::remove_all(root);
    std::filesystem::create_directories(dir / "net/eth7");
    std::filesystem::create_directories(root / "sys/bus/pci/devices");
    std::filesystem::create_symlink("../../../devices/pci0000:00/0000:00:03.0",
                                    root / "sys/bus/pci/devices/0000:00:03.0");
    std::filesystem::create_symlink("../../../bus/pci/drivers/e1000", dir / "driver");
    std::filesystem::create_symlink("../../../../../class/net", dir / "net/eth7/subsystem");
    Put("vendor", "0x8086\n");
    Put("device", "0x100e\n");
    Put("class", "0x020000\n");
    Put("label", "Onboard\n");
    Put("sriov_totalvfs", "4\n");
    Put("sriov_numvfs", "0\n");
    Put("sriov_vf_device", "10ca\n");
    Put("net/eth7/address", "52:54:00:00:00:07\n");
    Put("net/eth7/uevent", "INTERFACE=eth7\n");
  }
  ~RecordedTree() override { std::filesystem::remove_all(root); }
  void Put(const std::string& name, const std::string& content) const {
    std::ofstream(dir / name) << content;
  }
  std::filesystem::path root = testing::TempDir() + "/sim-tree";
  std::filesystem::path dir = root / "sys/devices/pci0000:00/0000:00:03.0";
};

TEST_F(RecordedTree, BecomesABoardThatBehaves) {
  auto board = LoadBoard("tree:" + root.string(), "");
  ASSERT_TRUE(board) << board.error().what;
  FakeHost machine;
  ASSERT_TRUE(Install(machine.kernel, {*board}));
  const std::string card = "/sys/bus/pci/devices/0000:00:03.0";
  EXPECT_EQ(machine.sysfs.Read(card + "/label").value(), "Onboard");
  EXPECT_EQ(machine.sysfs.Read(card + "/net/eth7/address").value(), "52:54:00:00:00:07");
  EXPECT_EQ(machine.sysfs.Resolve(card + "/driver").value(), "/sys/bus/pci/drivers/e1000");
  EXPECT_EQ(machine.kernel.Write(card + "/sriov_numvfs", "5"), ERANGE);
  EXPECT_EQ(machine.kernel.Write(card + "/sriov_numvfs", "2"), 0);
  EXPECT_TRUE(machine.sysfs.Exists(card + "/virtfn1"));
}

TEST_F(RecordedTree, IsRefusedWhenItIsNone) {
  EXPECT_EQ(LoadBoard("tree:/nonexistent", "").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace drapci::sim
