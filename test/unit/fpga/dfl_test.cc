#include "hal/fpga/dfl.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "hal/fpga/gbs.h"
#include "test/sim/drivers/dfl.h"
#include "test/unit/fpga/card.h"

namespace drapci::hal {
namespace {

using test::kAfu, test::kInterface, test::kOtherAfu;
using testing::HasSubstr;

class Dfl : public test::FpgaMachine {
 protected:
  DflCard Card() { return FindDfl(machine_.sysfs, card_).value().value(); }
  Result<> Program(int port, std::string_view bits) {
    return ProgramSlot(machine_.dev, Card(), port, std::as_bytes(std::span(bits)));
  }
  std::optional<std::string> Afu(int port) {
    const DflCard card = Card();
    return ReadAfuId(machine_.sysfs, *card.Port(port)).value();
  }
};

TEST_F(Dfl, FindsTheEngineAndThePorts) {
  const DflCard card = Card();
  EXPECT_EQ(card.fme_node, "/dev/dfl-fme.0");
  EXPECT_EQ(card.ports_num, 2);
  ASSERT_EQ(card.ports.size(), 2u);
  EXPECT_EQ(card.Port(1)->node, "/dev/dfl-port.1");
  EXPECT_EQ(card.Port(2), nullptr);
  EXPECT_EQ(card.compat_id, kInterface);
  EXPECT_EQ(card.manager.name, "DFL FME FPGA Manager");
  EXPECT_EQ(Afu(0), kAfu);
}

TEST_F(Dfl, NothingIsThereUnderAnotherDriver) {
  Store("/sys/bus/pci/drivers/dfl-pci/unbind", test::kCard);
  EXPECT_FALSE(FindDfl(machine_.sysfs, card_).value());
  ASSERT_TRUE(machine_.kernel.Unplug(card_));
  EXPECT_EQ(FindDfl(machine_.sysfs, card_).error().code, Code::kGone);
}

TEST_F(Dfl, ProgramsOneSlot) {
  ASSERT_TRUE(Program(1, sim::DflBitstream(kInterface, kOtherAfu)));
  EXPECT_EQ(Afu(0), kAfu);
  EXPECT_EQ(Afu(1), kOtherAfu);
  EXPECT_EQ(Card().manager.state, "operating");
}

TEST_F(Dfl, SaysWhatAFailureMeans) {
  EXPECT_THAT(Program(0, "nonsense").error().what, HasSubstr("EIO"));
  EXPECT_THAT(Program(0, "nonsense").error().what, HasSubstr("the card refuses the bitstream"));
  EXPECT_EQ(Card().manager.state, "write complete error");
  EXPECT_EQ(Card().manager.status, "reconfig CRC error");
  EXPECT_FALSE(Afu(0));
  const std::string good = sim::DflBitstream(kInterface, kOtherAfu);
  const std::pair<int, const char*> refusals[] = {{EBUSY, "by somebody else"},
                                                  {ETIMEDOUT, "did not finish"},
                                                  {ENODEV, "has gone"},
                                                  {EINVAL, "cannot be programmed"}};
  for (const auto& [error, text] : refusals) {
    machine_.kernel.faults().FailWrite("/dev/dfl-fme.0", error);
    const auto refused = Program(1, good);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().sys, error);
    EXPECT_THAT(refused.error().what, HasSubstr(text));
  }
  EXPECT_EQ(Program(7, good).error().sys, EINVAL);
  EXPECT_EQ(Program(1, "").error().code, Code::kInvalid);
}

TEST_F(Dfl, APortIsOpenedAlone) {
  const DflPort port = *Card().Port(0);
  {
    const UniqueFd held = OpenPortAlone(machine_.dev, port).value();
    EXPECT_EQ(machine_.dev.Open(port.node, O_RDWR).error().sys, EBUSY);
    EXPECT_TRUE(ResetPort(machine_.dev, held));
  }
  const auto shared = machine_.dev.Open(port.node, O_RDWR);
  ASSERT_TRUE(shared);
  EXPECT_EQ(OpenPortAlone(machine_.dev, port).error().code, Code::kBusy);
}

TEST_F(Dfl, PortsAreReleasedAndAssigned) {
  const DflCard card = Card();
  ASSERT_TRUE(ReleasePort(machine_.dev, card, 1));
  EXPECT_EQ(Card().ports.size(), 1u);
  EXPECT_EQ(Card().ports_num, 2);
  EXPECT_EQ(ReleasePort(machine_.dev, card, 1).error().code, Code::kBusy);
  EXPECT_EQ(ReleasePort(machine_.dev, card, 5).error().code, Code::kGone);
  ASSERT_TRUE(AssignPort(machine_.dev, card, 1));
  EXPECT_EQ(Card().ports.size(), 2u);
  EXPECT_THAT(AssignPort(machine_.dev, card, 1).error().what, HasSubstr("or it is so already"));
}

TEST_F(Dfl, NonsenseInSysfsIsNoPort) {
  machine_.kernel.SetFile(Card().Port(1)->dir + "/id", "many\n");
  EXPECT_EQ(Card().ports.size(), 1u);
  machine_.kernel.SetFile(Card().Port(0)->dir + "/afu_id", "xyz\n");
  EXPECT_EQ(ReadAfuId(machine_.sysfs, *Card().Port(0)).error().code, Code::kIo);
}

}  // namespace
}  // namespace drapci::hal
