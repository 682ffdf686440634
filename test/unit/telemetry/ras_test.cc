#include "hal/telemetry/ras.h"

#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

const std::string kGpu = "0000:0a:00.0";

class RasTest : public TelemetryTest {
 protected:
  void SetUp() override {
    LoadBoard("mi300x");
    Make(MakeRasReader, kGpu);
  }
};

TEST_F(RasTest, CountsTheErrorsOfEachBlock) {
  EXPECT_THAT(Read(), IsSupersetOf({"ras_uncorrected/umc = 0", "ras_corrected/umc = 0",
                                    "ras_corrected/sdma = 0", "pcie_replays = 0",
                                    "ras_bad_pages/retired = 0"}));
  Inject({"ras", kGpu, "umc", "ce", "7"});
  Inject({"ras", kGpu, "umc", "ue", "1"});
  Inject({"ras", kGpu, "umc", "ce", "3"});
  EXPECT_THAT(Read(), IsSupersetOf({"ras_uncorrected/umc = 1", "ras_corrected/umc = 10",
                                    "ras_corrected/gfx = 0"}));
}

TEST_F(RasTest, BeginsAnewWithTheDriver) {
  Inject({"ras", kGpu, "gfx", "ue", "2"});
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/amdgpu/unbind", kGpu), 0);
  EXPECT_THAT(Read(), IsEmpty());
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/amdgpu/bind", kGpu), 0);
  EXPECT_THAT(Read(), Contains("ras_uncorrected/gfx = 0"));
}

TEST_F(RasTest, DoesNotWakeTheCard) {
  FailReads("ras/umc_err_count", EIO);
  Inject({"sleep", kGpu, "on"});
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(RasTest, TakesACardInResetForNoSampleAndAnErrorForOne) {
  FailReads("ras/umc_err_count", EPERM);
  EXPECT_THAT(Read(), Not(Contains(HasSubstr("/umc"))));
  machine_.kernel.ClearFaults();
  FailReads("ras/umc_err_count", EIO);
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error io")));
}

TEST(RasCounts, TakeDeferredErrorsAndPassOverOtherLines) {
  EXPECT_EQ(ParseRasCounts("ue: 1\nce: 2\nde: 3\npoison: yes\n"), (RasCounts{1, 2, 3}));
  EXPECT_EQ(ParseRasCounts(""), RasCounts{});
}

TEST(RasCounts, AreRefusedWhenTheyAreNoNumbers) {
  for (const char* text : {"ue: many", "ue", "ce: -1"}) EXPECT_FALSE(ParseRasCounts(text)) << text;
}

TEST(BadPages, AreCountedByWhatHasBecomeOfThem) {
  const auto pages = ParseBadPages(
      "0x00000001 : 0x00001000 : R\n0x00000002 : 0x00001000 : P\n"
      "0x00000003 : 0x00001000 : R\n0x00000004 : 0x00001000 : F\n");
  EXPECT_EQ(pages, (BadPages{2, 1, 1}));
  EXPECT_FALSE(ParseBadPages("0x00000001 : 0x00001000 : Q\n"));
}

}  // namespace
}  // namespace drapci::hal
