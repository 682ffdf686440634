// A daemon on a simulated card whose writes can be refused.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/node/refusal/inject.h"
#include "test/node/support/hardware.h"
#include "test/node/support/node.h"

namespace drapci::test {

// One claim beside others that are held; the operation on it is what is refused.
struct Scenario {
  std::string name;
  std::vector<ClaimSpec> held;
  ClaimSpec claim;
};
std::vector<Scenario> Scenarios(const std::string& card);
// With network settings of a VF and of a whole card.
std::vector<Scenario> NetworkScenarios(const std::string& card, const Scratch& scratch);
// On a card that is given in shares.
std::vector<Scenario> ShareScenarios(const std::string& card);

class RefusalNode : public testing::Test {
 protected:
  RefusalNode() : RefusalNode("") {}
  explicit RefusalNode(const std::string& config);  // the daemon's configuration
  void SetUp() override;
  void TearDown() override;  // nothing held, all as before, daemon stops in order

  void Done(const std::vector<std::string>& arguments);  // the command succeeds
  // The command fails with exit code 1 and one line, which is returned.
  std::string Refused(const std::vector<std::string>& arguments);
  void ExpectClean();  // `drapci verify`
  std::vector<std::string> PrepareOf(const ClaimSpec& claim) const {
    return node_.PrepareArguments(claim);
  }
  static std::vector<std::string> UnprepareOf(const ClaimSpec& claim) {
    return {"unprepare", claim.name};
  }

  Scratch scratch_;
  Node node_;
  Injector inject_;
  std::string card_;
  HardwareImage before_;
};

}  // namespace drapci::test
