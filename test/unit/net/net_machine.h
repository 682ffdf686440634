// A machine with an SR-IOV NIC whose interfaces answer rtnetlink: what the tests of the network
// settings have in common.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "test/unit/net/fake_rtnetlink.h"
#include "test/unit/pci/machine.h"

namespace drapci::test {

// Runs what is to happen later, one thing at a time, where the code under test waits for it; when
// nothing is left, the deadline passes.
class LaterEvents : public hal::DeviceEvents {
 public:
  explicit LaterEvents(sim::FakeClock& clock) : clock_(clock) {}
  void Listen(std::function<void(const hal::DeviceEvent&)>) override {}
  bool WaitUntil(const std::function<bool()>& done, hal::MonotonicTime deadline) override {
    while (!done()) {
      if (later.empty()) {
        if (const auto now = clock_.Now(); now < deadline) clock_.Advance(deadline - now);
        return done();
      }
      const auto next = std::move(later.front());
      later.pop_front();
      next();
    }
    return true;
  }
  std::string Source() const override { return "kernel"; }

  std::deque<std::function<void()>> later;

 private:
  sim::FakeClock& clock_;
};

// The NIC at 0000:02:00.0 (igb) is "enp2s0"; its three VFs are bound to igbvf, and VF 1 is
// "enp2s0v1".
class NetMachine : public NicMachine {
 protected:
  NetMachine() {
    MakeVfs(3);
    FakeInterface pf{.name = "enp2s0", .parent = std::string(kNic), .up = true};
    pf.vfs.resize(3);
    pf_ = kernel_.Add(std::move(pf));
    vf_ = kernel_.Add({.name = "enp2s0v1", .parent = kVf, .up = true});
    machine_.kernel.ResetWrites();
  }

  static constexpr char kVf[] = "0000:02:10.2";
  static constexpr char kVfPlace[] = "0000:02:00.0/vf1";

  FakeInterface& Pf() { return kernel_.Get(pf_); }
  FakeInterface& VfLink() { return kernel_.Get(vf_); }
  FakeVf& Vf() { return Pf().vfs.at(1); }
  void Unbind(std::string_view address) {
    Store(At(address).SysfsPath() + "/driver/unbind", address);
  }
  // Moves the VF's interface away, as a container's network is set up.
  int TakeAway(const std::string& name) {
    const int away = kernel_.AddNamespace();
    kernel_.Remove(vf_);
    vf_ = kernel_.Add({.name = name, .parent = kVf, .up = true}, away);
    return away;
  }

  FakeRtnetlink kernel_;
  int pf_ = 0, vf_ = 0;
  LaterEvents events_{machine_.clock};
  const std::unique_ptr<hal::Sysfs> sysfs_ = kernel_.Sysfs(machine_.sysfs);
  hal::Host net_host_{.sysfs = *sysfs_,
                      .dev = machine_.dev,
                      .netlink = kernel_.In(FakeRtnetlink::kOwn),
                      .namespaces = kernel_.namespaces(),
                      .events = events_,
                      .clock = machine_.clock};
};

}  // namespace drapci::test
