// A node with a bit of everything, a thousand random claims, and everything that can go wrong
// meanwhile. DRAPCI_SEED chooses other claims and other accidents.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <latch>
#include <random>
#include <regex>

#include "hal/accel/match.h"
#include "hal/base/parse.h"
#include "test/sim/drivers/dfl.h"
#include "test/unit/families/family_world.h"

namespace drapci::test {
namespace {

using driver::ClaimRecord;
using driver::DeviceRequest;
using ::testing::IsEmpty;

constexpr int kClaims = 1000 / kEvery, kCallers = 8;
// What claims of slots ask for: no card takes all.
const std::vector<std::string> kImages{"one.gbs", "two.gbs", "none.gbs"};

// Of every kind of card, some are offered as they are and some as the operator can say.
driver::Config MixedConfig() {
  driver::Config config;
  config.hook = "/hook";
  const auto with = [&](const char* address) -> hal::AcceleratorPolicy& {
    driver::AcceleratorRule& rule = config.accelerators.emplace_back();
    rule.address = hal::PciAddress::Parse(address);
    return rule.policy;
  };
  for (const char* nic : {"0000:17:00.0", "0000:1f:00.0", "0000:6d:00.0"}) with(nic).shares = true;
  with("0000:1b:00.0").vf_count = 3;
  with("0000:23:00.0").vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  with("0000:3a:00.0").shares = true;
  hal::AcceleratorPolicy& xe = with("0000:ba:00.0");
  xe.shares = true;
  xe.vfs = hal::AcceleratorPolicy::Vfs::kFixed;
  with("0000:8a:00.0").allow_reset = true;
  with("0000:f2:01.0").work_queues = {{.shared = false, .size = 64}, {.shared = true, .size = 32}};
  with("0000:f3:00.0").services = "dc";
  return config;
}

// For each of the cards with slots: what it has at boot, and something else.
std::map<std::string, std::string> Images() {
  constexpr std::string_view kOne = "9346116d52125ba64f2b5a6a24da6d4e";
  constexpr std::string_view kTwo = "69528db6eb31577a8c3668f9faa081f6";
  return {{"one-base.gbs", sim::DflImage(kOne, "d8424dc4a4a3c413f89e433683f9040b")},
          {"one.gbs", sim::DflImage(kOne, "331db30c988541ea9081f88b8f655caa")},
          {"two-base.gbs", sim::DflImage(kTwo, "56e203e9864f49a7b94b12284c31e02b")},
          {"two.gbs", sim::DflImage(kTwo, "5ac10ee5988541ea9081f88b8f655caa")}};
}

class Mixed : public testing::Test {
 protected:
  Mixed()
      : world_(MixedConfig(), [](sim::Kernel& kernel) { Insert(kernel, "mixed"); }),
        gpus_(world_.machine.kernel, [this] { return MayChangeGpu(); }),
        images_(image_dir_.path(), ::getuid()) {
    world_.host.nvml = &gpus_;
    ::umask(022);
    for (const auto& [name, content] : Images()) image_dir_.Put(name, content);
    world_.host.images = &images_;
    if (const char* seed = std::getenv("DRAPCI_SEED")) {
      random_.seed(ParseInt<unsigned>(seed).value_or(1));
    }
  }

  ~Mixed() override { world_.manager.reset(); }

  Result<> MayChangeGpu() {
    if (!world_.fuse.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    if (refuse_gpu_call_.exchange(false)) return Fail(Code::kIo, "the GPU refuses this call");
    return {};
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
    if (device.part.profile == "slot" && Roll(3) != 0) {
      wish.image = hal::ImageRequest{.name = Choose(kImages), .digest = {}};
    }
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
    switch (Roll(11)) {
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
      case 4: refuse_gpu_call_ = true; break;
      default: break;
    }
  }
  // And is over: a dead daemon starts, what was pulled comes back.
  void Recover() {
    world_.machine.kernel.ClearFaults();
    refuse_gpu_call_ = false;
    std::set<std::string> back;
    if (Roll(3) == 0) {
      for (const hal::PciAddress& card : std::exchange(pulled_, {})) {
        std::ignore = world_.machine.kernel.Plug(card);
        back.insert(hal::AcceleratorName(card));
      }
    }
    if (world_.fuse.blown()) {
      ++deaths_;
      world_.Boot();
    } else {
      ASSERT_TRUE(world_.manager->Look());  // the events of what was pulled and plugged
      world_.manager->Settle();
    }
    // A kubelet asks again for what was refused. Who held a card that was out has lost it.
    for (const ClaimRecord& record : world_.manager->Claims()) {
      const bool lost = std::ranges::any_of(record.holdings, [&](const driver::Holding& holding) {
        return back.contains(holding.accelerator);
      });
      if (record.standing || (record.state == driver::ClaimState::kPrepared && !lost)) continue;
      const auto released = world_.Unprepare(record.request.uid);
      if (released || TakeOut(record, released.error().what)) continue;
      ADD_FAILURE() << released.error().what;
    }
  }
  // A slot whose programming has failed waits for its operator, who takes out the card.
  bool TakeOut(const ClaimRecord& record, const std::string& why) {
    if (!why.contains("held in reset since a programming has failed")) return false;
    for (const driver::Step& step : record.plan) {
      const auto card = hal::PciAddress::Parse(step.target.substr(0, step.target.find('/')));
      if (!card || !why.contains(step.target + " has the image")) continue;
      pulled_.push_back(*card);
      return world_.machine.kernel.Unplug(*card).has_value();
    }
    return false;
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

  // Of all the cards, in an order and with names that do not tell in which order they were plugged.
  std::string State() {
    sim::Kernel& kernel = world_.machine.kernel;
    std::string attributes;
    for (const hal::PciAddress& address : kernel.Functions()) {
      if (const auto dir = kernel.Resolve(address.SysfsPath())) {
        attributes += AttributesBelow(kernel, *dir);
      }
    }
    static const std::regex kNumber(
        "([/= ](dsa|iax|wq|engine|group|region|br|fpga|dfl-[a-z-]+\\.))[0-9]+");
    attributes = std::regex_replace(attributes, kNumber, "$1");
    std::vector<std::string_view> lines = Split(attributes, '\n');
    std::ranges::sort(lines);
    return fmt::format("{}{}{}", world_.Hardware(), gpus_.Dump(), fmt::join(lines, "\n"));
  }

  void ExpectNothingGivenTwice() {
    std::map<std::string, std::map<std::string, int64_t>> used;
    std::map<std::string, int> keys, holders;
    for (const ClaimRecord& record : world_.manager->Claims()) {
      if (record.standing) continue;
      for (const driver::Holding& holding : record.holdings) {
        EXPECT_EQ(++keys[holding.Key()], 1) << holding.Key();
        ++holders[holding.accelerator];
        for (const auto& [counter, amount] : holding.consumes) {
          used[holding.accelerator][counter] += amount;
        }
      }
    }
    for (const auto& accelerator : world_.manager->CurrentSnapshot()->accelerators) {
      if (holders.contains(accelerator.name)) ++held_[accelerator.family];
      if (accelerator.gone) continue;
      // Without its own driver many a card cannot say what it has. Then it is given as a whole.
      const auto& attributes = accelerator.description.attributes;
      const auto driver = attributes.find("driver");
      if (driver != attributes.end() &&
          driver->second != hal::AttributeValue(accelerator.home_driver)) {
        EXPECT_LE(holders[accelerator.name], 1) << accelerator.name;
        continue;
      }
      for (const auto& [counter, amount] : used[accelerator.name]) {
        const auto stock = accelerator.description.counters.find(counter);
        ASSERT_NE(stock, accelerator.description.counters.end())
            << accelerator.name << " has no " << counter;
        EXPECT_LE(amount, stock->second) << accelerator.name << " " << counter;
      }
    }
  }

  driver::World world_;
  sim::SimulatedGpus gpus_;
  std::atomic<bool> refuse_gpu_call_ = false;
  const TemporaryDirectory image_dir_;
  hal::ImageStore images_;
  std::mt19937 random_{1};
  int next_ = 0;
  std::atomic<int> prepared_ = 0, released_ = 0, refused_ = 0;
  int deaths_ = 0;
  std::map<std::string, int> held_;  // by family, in how many rounds
  std::vector<hal::PciAddress> pulled_;
};

TEST_F(Mixed, AThousandRandomClaimsLeaveNothingBehind) {
  world_.Boot();
  const std::string before = State();
  for (int round = 0; next_ < kClaims; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    Provoke();
    Round();
    Recover();
    ASSERT_THAT(Differences(), IsEmpty());
    ExpectNothingGivenTwice();
    if (HasFailure()) return;
  }
  world_.fuse.Mend();
  for (const hal::PciAddress& card : pulled_) std::ignore = world_.machine.kernel.Plug(card);
  pulled_.clear();
  ASSERT_TRUE(world_.manager->Look());
  world_.manager->Settle();
  for (const ClaimRecord& record : world_.manager->Claims()) {
    if (record.standing) continue;
    const auto released = world_.Unprepare(record.request.uid);
    EXPECT_TRUE(released) << released.error().what;
  }
  EXPECT_THAT(world_.Verify(), IsEmpty());
  EXPECT_EQ(State(), before);
  for (const char* family :
       {"amdgpu", "dfl", "drm", "function", "idxd", "nvidia", "qat", "sriov", "xe"}) {
    if (kEvery == 1) {
      EXPECT_GT(held_[family], 0) << family;
    }
  }
  fmt::print("{} claims prepared, {} released, {} refused; {} deaths of the daemon\n",
             prepared_.load(), released_.load(), refused_.load(), deaths_);
}

}  // namespace
}  // namespace drapci::test
