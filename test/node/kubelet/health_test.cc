// The health streams of a running daemon (contract section 10.4), while the simulated card counts
// errors.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "test/node/kubelet/kubelet_fixture.h"
#include "test/node/kubelet/plugin_manager.h"

namespace drapci::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

enum : int { kUnknown, kHealthy, kUnhealthy };

// Fatal errors count for two seconds.
constexpr const char* kQuick =
    "health:\n"
    "  periods: {aer: 1s}\n"
    "  rules:\n"
    "  - {name: aer-fatal, within: 2s, quiet: 1s}\n"
    "  - {name: aer-root-port, enabled: false}\n";

class Health : public KubeletNode {
 protected:
  Health() : KubeletNode(kQuick) {}

  Plugin Registered() const {
    const PluginManager kubelet(scratch_.kubelet_root);
    auto plugin = kubelet.Register(RegistrationSocket(scratch_.kubelet_root));
    EXPECT_TRUE(plugin) << plugin.error().what;
    return plugin.value_or(Plugin{});
  }
  std::string Address() const {  // "pci-0000-02-00-0"
    return fmt::format("{}:{}:{}.{}", card_.substr(4, 4), card_.substr(9, 2), card_.substr(12, 2),
                       card_.substr(15, 1));
  }
  void Break() { Inject({"aer", Address(), "fatal", "DLP"}); }
  std::string Vf() const { return card_ + "-vf0"; }
};

TEST_F(Health, IsToldOfEveryDeviceAndTurnsWithTheCardsErrors) {
  const Plugin plugin = Registered();
  EXPECT_THAT(plugin.info.supported_versions(), Contains("v1.DRAResourceHealth"));
  EXPECT_THAT(plugin.info.supported_versions(), Contains("v1alpha1.DRAResourceHealth"));
  HealthStream<HealthV1> stream(plugin.service);
  ASSERT_TRUE(stream.Until(card_, kHealthy));
  EXPECT_EQ(stream.last().devices_size(), 9);
  const auto begin = std::chrono::steady_clock::now();
  Break();
  ASSERT_TRUE(stream.Until(Vf(), kUnhealthy));
  const auto took = std::chrono::steady_clock::now() - begin;
  fmt::print("from the error to the stream: {} ms, of which reading takes up to 1000\n",
             std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  EXPECT_THAT(stream.Find(Vf())->message(), HasSubstr("PcieFatalError"));
  EXPECT_GT(stream.Find(Vf())->last_updated_time(), 1'600'000'000);
  EXPECT_GT(stream.Find(Vf())->health_check_timeout_seconds(), 0);
  EXPECT_TRUE(stream.Until(Vf(), kHealthy));
}

TEST_F(Health, IsServedToKubeletsThatKnowTheOlderVersionOnly) {
  const Plugin plugin = Registered();
  HealthStream<HealthV1alpha1> old_stream(plugin.service);
  HealthStream<HealthV1> new_stream(plugin.service);
  ASSERT_TRUE(old_stream.Until(card_, kHealthy));
  ASSERT_TRUE(new_stream.Until(card_, kHealthy));
  Break();
  EXPECT_TRUE(old_stream.Until(card_, kUnhealthy));
  EXPECT_TRUE(new_stream.Until(card_, kUnhealthy));
}

TEST_F(Health, IsToldAnewAfterTheDaemonHasRestarted) {
  {
    HealthStream<HealthV1> stream(Registered().service);
    ASSERT_TRUE(stream.Until(card_, kHealthy));
    std::thread restart([this] { Restart(); });
    EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::UNAVAILABLE);
    restart.join();
  }
  HealthStream<HealthV1> again(Registered().service);
  ASSERT_TRUE(again.Next());
  EXPECT_EQ(again.last().devices_size(), 9);  // all of them at once, known or not
  EXPECT_TRUE(again.Until(card_, kHealthy));
}

TEST_F(Health, IsToldAnewOnAStreamThatIsOpenedAfterAConnectionDropped) {
  for (int life = 0; life < 5; ++life) {
    const Plugin plugin = Registered();
    HealthStream<HealthV1> stream(plugin.service);
    ASSERT_TRUE(stream.Until(card_, kHealthy));
    stream.Cancel();
  }
  HealthStream<HealthV1> stream(Registered().service);
  ASSERT_TRUE(stream.Next());
  EXPECT_EQ(stream.last().devices_size(), 9);
}

TEST_F(Health, IsToldOnTheConnectionThatPreparesClaimsMeanwhile) {
  const Plugin plugin = Registered();
  std::atomic<bool> stop = false;
  int calls = 0;
  std::thread kubelet([&] {
    const ClaimObject claim = VfClaim(0);
    for (; !stop; ++calls) {
      const auto prepared = PrepareOn(plugin.service, claim);
      EXPECT_TRUE(prepared) << prepared.error().what;
      const auto released = UnprepareOn(plugin.service, claim);
      EXPECT_TRUE(released) << released.error().what;
    }
  });
  HealthStream<HealthV1> stream(plugin.service);
  EXPECT_TRUE(stream.Until(card_, kHealthy));
  Break();
  EXPECT_TRUE(stream.Until(Vf(), kUnhealthy));
  EXPECT_TRUE(stream.Until(Vf(), kHealthy));
  stop = true;
  kubelet.join();
  EXPECT_GT(calls, 0);
  fmt::print("{} claims were prepared and released meanwhile\n", calls);
}

TEST_F(Health, IsNothingThatAKubeletWithoutItHearsOf) {
  const Plugin plugin = Registered();
  const ClaimObject claim = VfClaim(0);
  EXPECT_TRUE(PrepareOn(plugin.service, claim));
  Break();
  EXPECT_TRUE(UnprepareOn(plugin.service, claim));
  EXPECT_EQ(Connections(ServiceSocket(scratch_.kubelet_root)).size(), 1U);
}

TEST_F(Health, StaysUnhealthyForAHeldDeviceWhoseCardIsPulled) {
  const Plugin plugin = Registered();
  const ClaimObject claim = VfClaim(0);
  ASSERT_TRUE(PrepareOn(plugin.service, claim));
  HealthStream<HealthV1> stream(plugin.service);
  ASSERT_TRUE(stream.Until(Vf(), kHealthy));
  Inject({"unplug", Address()});
  EXPECT_TRUE(stream.Until(Vf(), kUnhealthy));
  EXPECT_THAT(stream.Find(Vf())->message(), HasSubstr("Gone"));
  Inject({"plug", Address()});
  EXPECT_TRUE(Soon([&] { return UnprepareOn(plugin.service, claim).has_value(); }));
}

}  // namespace
}  // namespace drapci::test
