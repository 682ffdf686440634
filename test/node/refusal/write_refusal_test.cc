// Every hardware write of every plan, refused with every errno that the kernel may give.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "test/node/refusal/refusal_fixture.h"

namespace drapci::test {
namespace {

using testing::HasSubstr;

using Errors = std::map<std::string, int>;
const Errors kErrors{{"EBUSY", EBUSY},   {"EINVAL", EINVAL}, {"EIO", EIO},
                     {"ENODEV", ENODEV}, {"ENOSPC", ENOSPC}, {"EACCES", EACCES}};
// Of rtnetlink.
const Errors kNetworkErrors{
    {"EBUSY", EBUSY}, {"EINVAL", EINVAL}, {"EOPNOTSUPP", EOPNOTSUPP}, {"EPERM", EPERM}};

struct Tally {
  int writes = 0, refused = 0, absorbed = 0;
};

class EveryWrite : public RefusalNode {
 protected:
  using RefusalNode::RefusalNode;
  void SetUp() override {
    RefusalNode::SetUp();
    const auto started = node_.Start();
    ASSERT_TRUE(started) << started.error().what;
  }

  // The writes of a command that nobody refuses.
  std::vector<HardwareWrite> WritesOf(const std::vector<std::string>& arguments) {
    EXPECT_TRUE(inject_.Clear());
    Done(arguments);
    return inject_.Writes().value_or(std::vector<HardwareWrite>());
  }

  // The refused write as it was made this time: number `n` of the log.
  HardwareWrite Refusing(int n) {
    const auto writes = inject_.Writes();
    return writes && static_cast<int>(writes->size()) > n ? (*writes)[static_cast<size_t>(n)]
                                                          : HardwareWrite{};
  }

  void ExpectReply(const std::string& reply, const HardwareWrite& write, const std::string& name) {
    if (!write.path.starts_with("/net/")) {  // what rtnetlink changes has no path
      EXPECT_THAT(reply, HasSubstr(write.path.substr(write.path.rfind('/') + 1)));
      EXPECT_THAT(reply, HasSubstr("/sys/"));
    }
    EXPECT_THAT(reply, HasSubstr(name));
    const auto known = kErrors.find(name);
    EXPECT_THAT(reply, HasSubstr(strerror(known == kErrors.end() ? kNetworkErrors.at(name)
                                                                 : known->second)));
  }

  void RefuseAll(const std::vector<Scenario>& scenarios, const Errors& errors);
  void TryPrepare(const Scenario& scenario, int n, const std::string& error, Tally& tally);
  void TryUnprepare(const Scenario& scenario, int n, const std::string& error, Tally& tally);
  HardwareImage without_, with_;
};

void EveryWrite::TryPrepare(const Scenario& scenario, int n, const std::string& error,
                            Tally& tally) {
  ASSERT_TRUE(inject_.Clear());
  ASSERT_TRUE(inject_.FailWrite(n, error));
  const auto finished = node_.Cli(PrepareOf(scenario.claim));
  ASSERT_TRUE(finished);
  const HardwareWrite write = Refusing(n);
  ASSERT_TRUE(inject_.Clear());
  SCOPED_TRACE(fmt::format("{} to {}", write.value, write.path));
  const std::string state = node_.ClaimState(scenario.claim.name).value_or("?");
  if (finished->code == 0) {
    ++tally.absorbed;  // the daemon found another way; then everything must be as it should
    EXPECT_EQ(state, "prepared");
    EXPECT_EQ(Differences(with_, ReadHardware()), "");
    Done(UnprepareOf(scenario.claim));
  } else {
    ++tally.refused;
    EXPECT_EQ(finished->code, 1);
    ExpectReply(finished->err, write, error);
    EXPECT_EQ(state, "") << "a refused claim holds nothing";
  }
  EXPECT_EQ(Differences(without_, ReadHardware()), "");
  EXPECT_EQ(node_.CdiFiles().size(), scenario.held.size());
  ExpectClean();
}

void EveryWrite::TryUnprepare(const Scenario& scenario, int n, const std::string& error,
                              Tally& tally) {
  Done(PrepareOf(scenario.claim));
  ASSERT_TRUE(inject_.Clear());
  ASSERT_TRUE(inject_.FailWrite(n, error));
  const auto finished = node_.Cli(UnprepareOf(scenario.claim));
  ASSERT_TRUE(finished);
  const HardwareWrite write = Refusing(n);
  ASSERT_TRUE(inject_.Clear());
  SCOPED_TRACE(fmt::format("{} to {}", write.value, write.path));
  if (finished->code == 0) {
    ++tally.absorbed;
  } else {
    ++tally.refused;
    EXPECT_EQ(finished->code, 1);
    ExpectReply(finished->err, write, error);
    EXPECT_NE(node_.ClaimState(scenario.claim.name).value_or("?"), "")
        << "what is not undone must stay listed";
    // The kubelet's next try.
    Done(UnprepareOf(scenario.claim));
  }
  EXPECT_EQ(node_.ClaimState(scenario.claim.name).value_or("?"), "");
  EXPECT_EQ(Differences(without_, ReadHardware()), "");
  EXPECT_EQ(node_.CdiFiles().size(), scenario.held.size());
  ExpectClean();
}

void EveryWrite::RefuseAll(const std::vector<Scenario>& scenarios, const Errors& errors) {
  Tally prepares, unprepares;
  for (const Scenario& scenario : scenarios) {
    for (const ClaimSpec& claim : scenario.held) Done(PrepareOf(claim));
    without_ = ReadHardware();
    const auto prepare_writes = WritesOf(PrepareOf(scenario.claim));
    with_ = ReadHardware();
    const auto unprepare_writes = WritesOf(UnprepareOf(scenario.claim));
    ASSERT_FALSE(prepare_writes.empty());
    ASSERT_FALSE(unprepare_writes.empty());
    prepares.writes += static_cast<int>(prepare_writes.size());
    unprepares.writes += static_cast<int>(unprepare_writes.size());
    for (const auto& [error, number] : errors) {
      for (int n = 0; n < static_cast<int>(prepare_writes.size()); ++n) {
        SCOPED_TRACE(
            fmt::format("prepare {}: write {} refused with {}", scenario.name, n + 1, error));
        TryPrepare(scenario, n, error, prepares);
      }
      for (int n = 0; n < static_cast<int>(unprepare_writes.size()); ++n) {
        SCOPED_TRACE(
            fmt::format("unprepare {}: write {} refused with {}", scenario.name, n + 1, error));
        TryUnprepare(scenario, n, error, unprepares);
      }
    }
    for (const ClaimSpec& claim : scenario.held) Done(UnprepareOf(claim));
  }
  for (const auto& [verb, tally] :
       std::map<std::string, Tally>{{"prepare", prepares}, {"unprepare", unprepares}}) {
    fmt::print("refused writes: {}: {} writes x {} errnos: {} reported, {} got round\n", verb,
               tally.writes, errors.size(), tally.refused, tally.absorbed);
    EXPECT_GT(tally.refused, tally.absorbed);
  }
}

TEST_F(EveryWrite, OfPrepareAndUnprepareThatIsRefusedIsReportedAndLeavesNothingBehind) {
  RefuseAll(Scenarios(card_), kErrors);
}

// The hook is not called here; that it can be is enough for a claim to ask for an address.
class EveryNetworkChange : public EveryWrite {
 protected:
  EveryNetworkChange() : EveryWrite("hook: /bin/true\n") {}
};

TEST_F(EveryNetworkChange, OfPrepareAndUnprepareThatIsRefusedIsReportedAndUndone) {
  RefuseAll(NetworkScenarios(card_, scratch_), kNetworkErrors);
}

class EveryChangeOfAShare : public EveryWrite {
 protected:
  EveryChangeOfAShare()
      : EveryWrite("accelerators: [{match: {}, shares: true, bandwidth: 1G}]\n") {}
};

TEST_F(EveryChangeOfAShare, ThatIsRefusedIsReportedAndUndone) {
  RefuseAll(ShareScenarios(card_), kNetworkErrors);
}

}  // namespace
}  // namespace drapci::test
