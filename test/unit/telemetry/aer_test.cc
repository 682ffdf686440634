#include "hal/telemetry/aer.h"

#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

class AerTest : public TelemetryTest {
 protected:
  void Count(std::string_view severity, std::string_view name, unsigned count) {
    ASSERT_TRUE(machine_.kernel.AddAerErrors(At(kCard), severity, name, count));
  }
};

TEST_F(AerTest, TellsTheCountersOfTheCardAndOfItsRootPort) {
  Plug();
  Make(MakeAerReader);
  Count("correctable", "RxErr", 3);
  Count("correctable", "BadTLP", 1);
  Count("nonfatal", "UnsupReq", 2);
  EXPECT_THAT(Read(), ElementsAre("aer_correctable = 4 (RxErr 3, BadTLP 1)",
                                  "aer_nonfatal = 2 (UnsupReq 2)", "aer_fatal = 0",
                                  "aer_correctable/root port = 4 (0000:00:01.0)",
                                  "aer_nonfatal/root port = 2 (0000:00:01.0)",
                                  "aer_fatal/root port = 0 (0000:00:01.0)"));
}

TEST_F(AerTest, IsReadWhileTheCardSleeps) {
  Plug();
  Make(MakeAerReader);
  Inject({"sleep", std::string(kCard), "on"});
  EXPECT_EQ(Read().size(), 6U) << "these counters are the kernel's";
}

TEST_F(AerTest, BeginsAnewWhenTheCardWasPulledAndPutBack) {
  Plug();
  Make(MakeAerReader);
  Count("fatal", "DLP", 5);
  EXPECT_THAT(Read(), Contains("aer_fatal = 5 (DLP 5)"));
  ASSERT_TRUE(machine_.kernel.Unplug(At(kCard)));
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error gone")));
  ASSERT_TRUE(machine_.kernel.Plug(At(kCard)));
  EXPECT_THAT(Read(), Contains("aer_fatal = 0"));
}

TEST_F(AerTest, TellsTheRootPortsCountersOfACardThatHasNone) {
  Plug([](sim::FunctionSpec& card) { card.aer = false; });
  Make(MakeAerReader);
  EXPECT_THAT(Read(),
              ElementsAre(StartsWith("aer_correctable/root port"),
                          StartsWith("aer_nonfatal/root port"), StartsWith("aer_fatal/root port")));
}

TEST_F(AerTest, IsNoSourceOfACardWithoutCountersOnTheRootBus) {
  sim::FunctionSpec card = sim::Plain("0000:6a:01.0");
  card.aer = false;
  ASSERT_TRUE(machine_.kernel.AddFunction(card));
  EXPECT_EQ(MakeAerReader(machine_.host, Scan("0000:6a:01.0")), nullptr);
}

TEST_F(AerTest, FailsWhenACounterCannotBeReadOrSaysNothing) {
  Plug();
  Make(MakeAerReader);
  Set("aer_dev_nonfatal", "gibberish\n");
  EXPECT_THAT(Read(), ElementsAre(testing::HasSubstr("'gibberish' is no counter")));
  FailReads("aer_dev_correctable", EIO);
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error io")));
}

TEST(AerCounts, TakeNamesThatAreNotKnownAndATotalWithoutNames) {
  EXPECT_EQ(ParseAerCounts("IDECheck 2\ndev_fatal_errs_bit[29] 1\nTOTAL_ERR_FATAL 3\n"),
            (AerCounts{3, "IDECheck 2, dev_fatal_errs_bit[29] 1"}));
  // The link was down: a report whose kind nobody could read.
  EXPECT_EQ(ParseAerCounts("Undefined 0\nDLP 0\nTOTAL_ERR_FATAL 1"), (AerCounts{1, ""}));
}

TEST(AerCounts, AreRefusedWithoutATotalOrWithWhatIsNoCounter) {
  for (const char* text : {"", "RxErr 1\n", "RxErr -1\nTOTAL_ERR_COR 1", "TOTAL_ERR_COR",
                           "TOTAL_ERR_COR 99999999999999999999", "TOTAL_ERR_COR 1 "}) {
    EXPECT_FALSE(ParseAerCounts(text)) << text;
  }
}

TEST(AerCounts, NameAtMostALineOfPrintableCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += fmt::format("Some\x1b[31mError{} 1\n", i);
  const auto counts = ParseAerCounts(text + "TOTAL_ERR_COR 100");
  ASSERT_TRUE(counts);
  EXPECT_LT(counts->named.size(), 200U);
  EXPECT_THAT(counts->named, testing::Not(Contains('\x1b')));
}

}  // namespace
}  // namespace drapci::hal
