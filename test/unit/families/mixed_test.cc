// A node with a bit of everything, a thousand random claims, and everything that can go wrong
// meanwhile. DRAPCI_SEED chooses other claims and other accidents.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <latch>
#include <random>

#include "hal/accel/match.h"
#include "hal/base/parse.h"
#include "test/unit/families/family_world.h"

namespace drapci::test {
namespace {

using driver::ClaimRecord;
using driver::DeviceRequest;
using ::testing::IsEmpty;

constexpr int kClaims = 1000, kCallers = 8;

driver::Config MixedConfig() {
  driver::Config config;
  config.hook = "/hook";
  driver::AcceleratorRule shared;  // one of the network cards is given in shares
  shared.address = hal::PciAddress::Parse("0000:17:00.0");
  shared.policy.shares = true;
  shared.policy.bandwidth = 1'000'000'000;
  config.accelerators.push_back(shared);
  return config;
}

class Mixed : public testing::Test {
 protected:
  Mixed() : world_(MixedConfig(), [](sim::Kernel& kernel) { Insert(kernel, "mixed-small"); }) {
    if (const char* seed = std::getenv("DRAPCI_SEED")) {
      random_.seed(ParseInt<unsigned>(seed).value_or(1));
    }
  }

  int Roll(int sides) { return std::uniform_int_distribution<>(0, sides - 1)(random_); }
  template <class Items>
  const auto& Choose(const Items& items) {
    return items[static_cast<size_t>(Roll(static_cast<int>(items.size())))];
  }

  DeviceRequest RandomDevice(const driver::Snapshot& snapshot) {
    const driver::AcceleratorView& accelerator = Choose(snapshot.accelerators);
    DeviceRequest wish{.request_names = {"r"}, .pool = accelerator.name, .device = "none"};
    if (accelerator.devices.empty()) return wish;
    const driver::Device& device = Choose(accelerator.devices);
    wish.device = device.name;
    if (Roll(3) == 0) wish.access = hal::Access::kVfio;
    if (device.part.capacities.empty()) return wish;
    wish.share_id = fmt::format("share-{}", next_);
    for (const auto& [name, capacity] : device.part.capacities) {
      const int64_t most = capacity.max.value_or(capacity.value);
      const int64_t steps = (most - capacity.min) / std::max<int64_t>(capacity.step, 1);
      wish.share[name] = capacity.min + capacity.step * Roll(static_cast<int>(steps / 4 + 1));
    }
    return wish;
  }

  // Eight callers at once, each with a new claim or the end of an old one.
  void Round() {
    const auto snapshot = world_.manager->CurrentSnapshot();
    std::vector<std::string> held;
    for (const ClaimRecord& record : world_.manager->Claims()) {
      if (!record.standing) held.push_back(record.request.uid);
    }
    std::latch answered(kCallers);
    for (int caller = 0; caller < kCallers; ++caller) {
      if (!held.empty() && Roll(2) == 0) {
        world_.manager->Unprepare(Choose(held), [&](const Result<>& result) {
          ++(result ? released_ : refused_);
          answered.count_down();
        });
        continue;
      }
      const std::string uid = fmt::format("claim-{}", next_++);
      driver::ClaimRequest claim{
          .uid = uid, .namespace_name = "ns", .name = uid, .alias = {}, .devices = {}};
      for (int devices = 1 + Roll(3); devices > 0; --devices) {
        claim.devices.push_back(RandomDevice(*snapshot));
      }
      world_.manager->Prepare(std::move(claim), [&](const auto& result) {
        ++(result ? prepared_ : refused_);
        answered.count_down();
      });
    }
    answered.wait();
  }

  // Something goes wrong in the coming round.
  void Provoke() {
    sim::Kernel& kernel = world_.machine.kernel;
    switch (Roll(10)) {
      case 0: world_.fuse.BlowAfter(Roll(40)); break;
      case 1:
      case 2:
        kernel.faults().FailWrite("*", Choose(std::vector{EIO, EBUSY, EINVAL, ENODEV}), 1);
        break;
      case 3: {
        const auto& accelerators = world_.manager->CurrentSnapshot()->accelerators;
        pulled_.push_back(Choose(accelerators).function.address);
        std::ignore = kernel.Unplug(pulled_.back());
        break;
      }
      default: break;
    }
  }
  // And is over: a dead daemon starts, what was pulled comes back.
  void Recover() {
    world_.machine.kernel.ClearFaults();
    if (Roll(3) == 0) {
      for (const hal::PciAddress& card : pulled_) std::ignore = world_.machine.kernel.Plug(card);
      pulled_.clear();
    }
    if (world_.fuse.blown()) {
      ++deaths_;
      world_.Boot();
    }
    // A kubelet asks again for what was refused.
    for (const ClaimRecord& record : world_.manager->Claims()) {
      if (record.state == driver::ClaimState::kPrepared) continue;
      const auto released = world_.Unprepare(record.request.uid);
      EXPECT_TRUE(released) << released.error().what;
    }
  }

  // What does not agree, but for what is held of a card that is out.
  std::vector<std::string> Differences() {
    std::vector<std::string> lines = world_.Verify();
    std::erase_if(lines, [&](const std::string& line) {
      return std::ranges::any_of(pulled_, [&](const hal::PciAddress& card) {
        return line.contains(card.ToString()) || line.contains(hal::AcceleratorName(card));
      });
    });
    return lines;
  }

  void ExpectNothingGivenTwice() {
    std::map<std::string, std::map<std::string, int64_t>> used;
    std::map<std::string, int> keys;
    for (const ClaimRecord& record : world_.manager->Claims()) {
      if (record.standing) continue;
      for (const driver::Holding& holding : record.holdings) {
        EXPECT_EQ(++keys[holding.Key()], 1) << holding.Key();
        for (const auto& [counter, amount] : holding.consumes) {
          used[holding.accelerator][counter] += amount;
        }
      }
    }
    for (const auto& accelerator : world_.manager->CurrentSnapshot()->accelerators) {
      for (const auto& [counter, amount] : used[accelerator.name]) {
        const auto stock = accelerator.description.counters.find(counter);
        ASSERT_NE(stock, accelerator.description.counters.end())
            << accelerator.name << " has no " << counter;
        EXPECT_LE(amount, stock->second) << accelerator.name << " " << counter;
      }
    }
  }

  driver::World world_;
  std::mt19937 random_{1};
  int next_ = 0;
  std::atomic<int> prepared_ = 0, released_ = 0, refused_ = 0;
  int deaths_ = 0;
  std::vector<hal::PciAddress> pulled_;
};

TEST_F(Mixed, AThousandRandomClaimsLeaveNothingBehind) {
  world_.Boot();
  const std::string before = world_.Hardware();
  for (int round = 0; next_ < kClaims; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    Provoke();
    Round();
    Recover();
    ASSERT_THAT(Differences(), IsEmpty());
    ExpectNothingGivenTwice();
    if (HasFailure()) return;
  }
  for (const hal::PciAddress& card : pulled_) ASSERT_TRUE(world_.machine.kernel.Plug(card));
  pulled_.clear();
  for (const ClaimRecord& record : world_.manager->Claims()) {
    if (record.standing) continue;
    const auto released = world_.Unprepare(record.request.uid);
    EXPECT_TRUE(released) << released.error().what;
  }
  EXPECT_THAT(world_.Verify(), IsEmpty());
  EXPECT_EQ(world_.Hardware(), before);
  fmt::print("{} claims prepared, {} released, {} refused; {} deaths of the daemon\n",
             prepared_.load(), released_.load(), refused_.load(), deaths_);
}

}  // namespace
}  // namespace drapci::test
