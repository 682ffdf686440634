// A node with a thousand claims held, on many cards.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "test/node/kubelet/kubelet_fixture.h"

namespace drapci::test {
namespace {

constexpr int kClaims = 1000, kCallers = 8;

class ThousandClaims : public KubeletNode {
 protected:
  void SetUp() override {
    KubeletNode::SetUp();
    const auto functions = PhysicalFunctions();
    for (int i = 0; i < kClaims; ++i) {
      const size_t card = static_cast<size_t>(i) % functions.size();
      claims_.push_back(
          Put({.uid = fmt::format("10000000-0000-4000-8000-{:012}", i),
               .name = fmt::format("claim-{}", i),
               .results = {{.request = "nic",
                            .device = fmt::format("{}-vf{}", DeviceNameOf(functions[card]),
                                                  static_cast<size_t>(i) / functions.size())}}}));
    }
  }

  // Calls `one` for every claim, from several threads at once.
  void ForAll(const std::function<void(KubeletClient<V1>&, const ClaimObject&)>& one) {
    std::atomic<size_t> next = 0;
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&] {
        KubeletClient<V1> kubelet(Service());
        for (size_t n = next++; n < claims_.size(); n = next++) one(kubelet, claims_[n]);
      });
    }
  }

  void PrepareAll() {
    ForAll([](KubeletClient<V1>& kubelet, const ClaimObject& claim) {
      V1::PrepareResponse response;
      const grpc::Status status = kubelet.Prepare({claim}, response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      EXPECT_EQ(response.claims().at(claim.uid).error(), "");
    });
  }

  size_t Listed() const {
    const auto text = node_.CliDone({"claims", "-o", "json"});
    const auto json = nlohmann::json::parse(text.value_or(""), nullptr, false);
    return json.is_object() ? json["claims"].size() : 0;
  }

  std::vector<ClaimObject> claims_;
};

TEST_F(ThousandClaims, AreHeldSurviveACrashAndAreReleased) {
  PrepareAll();
  EXPECT_EQ(Listed(), static_cast<size_t>(kClaims));
  EXPECT_EQ(node_.CdiFiles().size(), static_cast<size_t>(kClaims));
  const auto verified = node_.CliDone({"verify"});
  EXPECT_EQ(verified.value_or(verified ? "" : verified.error().what),
            "1000 claims checked: journal, hardware and CDI agree\n");
  const HardwareImage held = ReadHardware();

  ASSERT_TRUE(node_.Kill());
  const auto started = node_.Start();
  ASSERT_TRUE(started) << started.error().what;
  EXPECT_EQ(Listed(), static_cast<size_t>(kClaims));
  PrepareAll();  // as the kubelet does after its own restart: all answers are there already
  EXPECT_EQ(Differences(held, ReadHardware()), "");

  ForAll([](KubeletClient<V1>& kubelet, const ClaimObject& claim) {
    V1::UnprepareResponse response;
    const grpc::Status status = kubelet.Unprepare({claim}, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.claims().at(claim.uid).error(), "");
  });
}

}  // namespace
}  // namespace drapci::test
