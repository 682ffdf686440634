// A node with a running daemon and claims in files, for tests that speak as the kubelet.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "test/node/kubelet/kubelet_client.h"
#include "test/node/support/hardware.h"
#include "test/node/support/node.h"

namespace drapci::test {

// Every test begins with a daemon on an untouched card, and ends by checking that hardware, CDI
// directory and journal are as before.
class KubeletNode : public testing::Test {
 protected:
  // `config`: the daemon's configuration file.
  explicit KubeletNode(const std::string& config = "");
  void SetUp() override;
  void TearDown() override;

  // A claim for VF `vf` of the card, written where the daemon looks for it.
  ClaimObject VfClaim(int vf, const std::string& request = "nic");
  ClaimObject Put(ClaimObject claim);
  std::string CardName() const { return card_; }
  std::shared_ptr<grpc::Channel> Service() const {
    return Dial(ServiceSocket(scratch_.kubelet_root));
  }
  void Restart();
  // `drapci-sim inject ARGUMENTS...`
  void Inject(std::vector<std::string> arguments);
  // Whether the claim is soon in that state, as `drapci claims` names it.
  bool IsSoon(const ClaimObject& claim, const std::string& state) const;

  Scratch scratch_;
  Node node_;
  std::string card_;  // "pci-0000-02-00-0"

 private:
  HardwareImage before_;
};

// Starts a daemon that must end with the exit code of a failure; the last line of its log.
std::string RefusalOf(const Node& node);

}  // namespace drapci::test
