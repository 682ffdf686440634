#include "plugin/cli/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::cli {
namespace {

using testing::HasSubstr;

// How `prepare` of a share fails where there is no daemon.
Failure Refusal(std::vector<std::string> shares) {
  Options options;
  options.socket = "/nonexistent/control.sock";
  ClaimOptions claim;
  claim.name = "mine";
  claim.devices = {"pci-0000-02-00-0"};
  claim.shares = std::move(shares);
  const auto printed = Prepare(options, claim);
  return printed ? Failure{.exit = ExitCode::kDone} : printed.error();
}

TEST(ShareOption, IsRefusedWhenItNamesNoCapacityAndQuantity) {
  for (const std::string share : {"bandwidth", "=200M", "bandwidth=", ""}) {
    EXPECT_EQ(Refusal({share}).exit, ExitCode::kUsage) << share;
    EXPECT_THAT(Refusal({share}).text, HasSubstr("must be CAPACITY=QUANTITY")) << share;
  }
}

TEST(ShareOption, IsRefusedWhenItSaysOneCapacityTwice) {
  EXPECT_EQ(Refusal({"bandwidth=1M", "bandwidth=2M"}).exit, ExitCode::kUsage);
  EXPECT_THAT(Refusal({"bandwidth=1M", "bandwidth=2M"}).text,
              HasSubstr("bandwidth: is given twice"));
}

TEST(ShareOption, LeavesQuantitiesToTheDaemon) {
  EXPECT_EQ(Refusal({"bandwidth=200M", "vfs=1"}).exit, ExitCode::kNoDaemon);
  EXPECT_EQ(Refusal({"bandwidth=a=b"}).exit, ExitCode::kNoDaemon);
}

TEST(MapCommand, IsNoDataAndSaysWhereThatIs) {
  Options options;
  options.socket = "/nonexistent/control.sock";
  options.format = Format::kJson;
  const auto refused = DrawMap(options, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().exit, ExitCode::kUsage);
  EXPECT_THAT(refused.error().text, HasSubstr("drapci devices"));
  options.format = Format::kTable;
  EXPECT_EQ(DrawMap(options, {}).error().exit, ExitCode::kNoDaemon);
}

}  // namespace
}  // namespace drapci::cli
