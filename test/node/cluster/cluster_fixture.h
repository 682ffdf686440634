// A node of a cluster: the daemon with an API server and a kubelet.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "test/node/cluster/api_server.h"
#include "test/node/kubelet/kubelet_client.h"
#include "test/node/support/hardware.h"
#include "test/node/support/node.h"

namespace drapci::test {

// Every test begins with an API server that knows the node, and ends by checking that hardware, CDI
// directory and journal are as before.
class ClusterNode : public testing::Test {
 protected:
  // `config` goes into the daemon's configuration (YAML, top level), `kubernetes` into its section
  // of that name ("claimStatus: false, collectAfter: 1s"), `server` to the API server's command
  // line.
  explicit ClusterNode(std::string config = "", std::string kubernetes = "",
                       std::vector<std::string> server = {});
  void SetUp() override;  // the server runs, the daemon does not yet
  void TearDown() override;

  // Writes the configuration and starts the daemon.
  void StartDaemon();
  void StopDaemon();
  void RestartDaemon();

  // The slices are there, complete. False when not soon.
  bool Published();
  // The daemon says that the server has all that it publishes. False when not soon.
  bool Settled();
  // `drapci slices -o json`
  Json ShownSlices() const;

  // The scheduler allocates, the kubelet knows it by the result.
  ClaimObject Allocated(const std::string& name, const Json& requests,
                        const Json& config = Json::array());
  // What the kubelet is told: the devices, or the claim's error text.
  struct Answer {
    V1::PrepareResponse response;
    std::string error;  // of the call, or of the claim
    std::vector<std::string> cdi_ids;
  };
  Answer Prepare(const ClaimObject& claim,
                 std::chrono::milliseconds deadline = std::chrono::seconds(45));
  std::string Unprepare(const ClaimObject& claim);  // the error; empty: done
  // The request of one device by name, for Allocated().
  static Json Of(const std::string& device);

  // An opaque configuration of ours for all requests, from "FromClass" or "FromClaim".
  static Json Opaque(const std::string& kind, Json parameters, const std::string& source);
  // The condition of the claim's first device in its status; an empty object while there is none.
  Json Condition(const std::string& claim, const std::string& type);

  const std::string& card() const { return card_; }  // "pci-0000-02-00-0"
  std::string address() const { return address_; }   // "0000:02:00.0"
  std::string DaemonLog() const;
  // `drapci-sim inject ARGUMENTS...`
  void Inject(std::vector<std::string> arguments);

  Scratch scratch_;
  ApiServer api_;
  Node node_;
  bool held_at_end_ = false;  // a test that leaves claims on purpose
  // What the end is compared with, from now on.
  void RememberHardware() { before_ = ReadHardware(); }
  // Those that a shared card keeps.
  void RemoveVfs() const;

 private:
  const std::string config_, kubernetes_;
  std::string card_, address_;
  HardwareImage before_;
};

// The same with the first card given in shares of 1 Gbit/s. Its VFs are there all the time.
class SharedNode : public ClusterNode {
 protected:
  SharedNode();
  void SetUp() override;  // the daemon runs and has published
  void TearDown() override;
};

}  // namespace drapci::test
