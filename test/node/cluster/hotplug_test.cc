// Cards that come and go, from the kernel's event to the published slice. Runs on a board with 64
// accelerators below two ports.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libudev.h>
#include <poll.h>

#include <map>
#include <memory>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

const std::vector<std::string> kPorts = {"0000:00:01.0", "0000:00:02.0"};
constexpr size_t kCards = 64;

// What the kernel says of PCI functions, as the daemon hears it where there is no udevd.
class Events {
 public:
  Events()
      : udev_(udev_new(), udev_unref),
        monitor_(udev_monitor_new_from_netlink(udev_.get(), "kernel"), udev_monitor_unref) {
    udev_monitor_filter_add_match_subsystem_devtype(monitor_.get(), "pci", nullptr);
    udev_monitor_set_receive_buffer_size(monitor_.get(), 1 << 24);
    EXPECT_EQ(udev_monitor_enable_receiving(monitor_.get()), 0);
  }

  // Until `count` events of `action` have come; when the last one did.
  Time Await(const std::string& action, size_t count) {
    Time last;
    for (size_t seen = 0; seen < count;) {
      pollfd waiting{.fd = udev_monitor_get_fd(monitor_.get()), .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 20'000) <= 0) {
        ADD_FAILURE() << "only " << seen << " events of " << count;
        return last;
      }
      const std::unique_ptr<udev_device, decltype(&udev_device_unref)> device(
          udev_monitor_receive_device(monitor_.get()), udev_device_unref);
      if (device == nullptr || udev_device_get_action(device.get()) != action) continue;
      ++seen;
      last = std::chrono::steady_clock::now();
    }
    return last;
  }

 private:
  const std::unique_ptr<udev, decltype(&udev_unref)> udev_;
  const std::unique_ptr<udev_monitor, decltype(&udev_monitor_unref)> monitor_;
};

class Hotplug : public ClusterNode {
 protected:
  // Both ports at once, as when a chassis is connected.
  void Both(const std::string& command) {
    std::string script;
    for (const std::string& port : kPorts) {
      script += fmt::format("{} inject {} {} & ", node_.programs().sim, command, port);
    }
    const auto done = RunCommand({"bash", "-c", script + "wait"});
    ASSERT_TRUE(done && done->code == 0);
  }
  size_t Listed() const { return api_.Devices().size(); }
};

TEST_F(Hotplug, OfManyCardsAtOnceIsPublishedOnce) {
  StartDaemon();
  ASSERT_TRUE(Published());
  ASSERT_EQ(Listed(), kCards);
  const size_t slices = api_.Slices().size();
  Both("unplug");
  ASSERT_TRUE(Soon([this] { return Listed() == 0; }));
  ASSERT_TRUE(Settled());
  api_.Reset();
  Events events;
  Both("plug");
  const Time last = events.Await("add", kCards + kPorts.size());
  ASSERT_TRUE(Soon([this] { return Listed() == kCards; }));
  const auto took =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - last);
  ASSERT_TRUE(Settled());
  fmt::print("{} cards: {} API writes for {} slices; published {} ms after the last event\n",
             kCards, api_.Writes(), slices, took.count());
  EXPECT_LE(api_.SliceWrites(), slices + 1);  // the pool that stood empty is written anew
}

}  // namespace
}  // namespace drapci::test
