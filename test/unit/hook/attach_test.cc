#include "plugin/hook/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "hal/net/devlink.h"
#include "hal/net/link.h"
#include "test/sim/board/board.h"
#include "test/sim/fake_host.h"

namespace drapci::plugin {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The kernel of a container, which refuses requests of one type.
class RefusingNetlink : public hal::Netlink {
 public:
  RefusingNetlink(std::unique_ptr<hal::Netlink> kernel, uint16_t type, int error)
      : kernel_(std::move(kernel)), type_(type), error_(error) {}
  Result<std::vector<hal::NetlinkMessage>> Talk(int protocol,
                                                std::span<const std::byte> request) override {
    nlmsghdr header{};
    std::memcpy(&header, request.data(), std::min(sizeof header, request.size()));
    if (header.nlmsg_type == type_) return Fail(Error::FromErrno(error_, "netlink"));
    return kernel_->Talk(protocol, request);
  }

 private:
  std::unique_ptr<hal::Netlink> kernel_;
  uint16_t type_;
  int error_;
};

class Namespaces : public hal::NetworkNamespaces {
 public:
  explicit Namespaces(hal::NetworkNamespaces& all) : all_(all) {}
  Result<std::vector<UniqueFd>> List() override { return all_.List(); }
  Result<UniqueFd> Own() override { return all_.Own(); }
  std::unique_ptr<hal::Netlink> Enter(const UniqueFd& name_space) override {
    return std::make_unique<RefusingNetlink>(all_.Enter(name_space), refused_type, error);
  }
  uint16_t refused_type = 0;
  int error = 0;

 private:
  hal::NetworkNamespaces& all_;
};

// A card with two VFs, whose first one a container is to have.
class Attaching : public testing::Test {
 protected:
  Attaching() {
    EXPECT_TRUE(machine_.kernel.AddFunction(sim::SriovNic("0000:02:00.0", 4)));
    EXPECT_EQ(machine_.kernel.Write("/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", "2"), 0);
    machine_.kernel.ResetWrites();
  }

  Result<> Attach(const Attachment& wish) { return plugin::Attach(host_, container_, wish); }
  sim::Interface Vf() const {
    for (const sim::Interface& each : machine_.kernel.Interfaces()) {
      if (each.function == wish_.function) return each;
    }
    return {};
  }
  uint64_t Number(const UniqueFd& name_space) const {
    return machine_.namespaces.Find(name_space.get()).value();
  }
  bool IsInContainer() const { return Vf().name_space == Number(container_); }
  bool IsAtHome() const { return Vf().name_space == sim::kHomeNamespace; }
  std::vector<std::string> Addresses() {
    const auto inside = machine_.namespaces.Enter(container_);
    return hal::ListAddresses(*inside, Vf().index).value_or(std::vector<std::string>{"?"});
  }
  void MoveTo(const UniqueFd& name_space, const std::string& name) {
    ASSERT_EQ(
        machine_.kernel.ChangeInterface(Vf().id, {.name_space = Number(name_space), .name = name}),
        0);
  }

  sim::FakeHost machine_;
  UniqueFd container_ = machine_.namespaces.Make();
  Namespaces namespaces_{machine_.namespaces};
  // Happens while the hook waits; then the wait ends.
  std::function<void()> meanwhile_;
  int waits_ = 0;
  HookHost host_{.sysfs = machine_.sysfs,
                 .netlink = machine_.netlink,
                 .namespaces = namespaces_,
                 .wait_for_link = [this](const std::function<bool()>& done) {
                   if (done()) return true;
                   ++waits_;
                   if (meanwhile_) meanwhile_();
                   return done();
                 }};
  const Attachment wish_{.function = *hal::PciAddress::Parse("0000:02:10.0"),
                         .name = "net1",
                         .mtu = 1400,
                         .addresses = {"10.0.0.2/24", "fd00::2/64"}};
};

TEST_F(Attaching, MovesNamesAndAddressesTheInterfaceAndBringsItUp) {
  const auto done = Attach(wish_);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_TRUE(IsInContainer());
  EXPECT_EQ(Vf().name, "net1");
  EXPECT_EQ(Vf().mtu, 1400U);
  EXPECT_TRUE(Vf().up);
  EXPECT_THAT(Addresses(), ElementsAre("10.0.0.2/24", "fd00::2/64"));
  EXPECT_EQ(waits_, 0);
}

TEST_F(Attaching, LeavesTheMtuAloneUnlessOneIsWished) {
  ASSERT_TRUE(Attach({.function = wish_.function, .name = "net1", .mtu = {}, .addresses = {}}));
  EXPECT_EQ(Vf().mtu, 1500U);
  EXPECT_TRUE(Vf().up);
  EXPECT_THAT(Addresses(), IsEmpty());
}

TEST_F(Attaching, RepeatedChangesNothing) {
  ASSERT_TRUE(Attach(wish_));
  const sim::Interface first = Vf();
  const auto addresses = Addresses();
  machine_.kernel.ResetWrites();
  ASSERT_TRUE(Attach(wish_)) << "another container of the same pod";
  EXPECT_EQ(Vf(), first);
  EXPECT_EQ(Addresses(), addresses);
  EXPECT_THAT(machine_.kernel.Writes(), IsEmpty());
}

TEST_F(Attaching, MovesTheInterfaceOfASubFunction) {
  const auto board = sim::LoadBoard("smartnic", DRAPCI_SIM_BOARD_DIR);
  ASSERT_TRUE(board) << board.error().what;
  ASSERT_TRUE(sim::Install(machine_.kernel, {*board}));
  const auto device = hal::DevlinkDevice::Of(*hal::PciAddress::Parse("0000:03:00.0"));
  const auto devlink = hal::Devlink::Open(machine_.netlink);
  ASSERT_TRUE(devlink);
  ASSERT_TRUE(devlink->SetEswitch(device, hal::EswitchMode::kSwitchdev));
  for (const uint32_t index : {0U, 3U}) {
    const auto port = devlink->AddSubFunction(device, 0, hal::kFirstSfNumber + index);
    ASSERT_TRUE(port) << port.error().what;
    ASSERT_TRUE(devlink->SetActive(device, port->index, true));
  }
  machine_.kernel.RunDeferred();
  Attachment wish = wish_;
  wish.function = *hal::DevicePlace::Parse("0000:03:00.0/sf3");
  for (int time = 0; time < 2; ++time) {
    const auto done = Attach(wish);
    ASSERT_TRUE(done) << done.error().what;
    int inside = 0;
    for (const sim::Interface& each : machine_.kernel.Interfaces()) {
      if (each.name_space != Number(container_)) continue;
      ++inside;
      EXPECT_EQ(each.below, "mlx5_core.sf.3");
      EXPECT_EQ(each.name, "net1");
    }
    EXPECT_EQ(inside, 1);
  }
}

TEST_F(Attaching, FinishesWhatAnInterruptedHookHasBegun) {
  MoveTo(container_, "net1");
  ASSERT_TRUE(Attach(wish_));
  EXPECT_EQ(Vf().mtu, 1400U);
  EXPECT_TRUE(Vf().up);
  EXPECT_THAT(Addresses(), ElementsAre("10.0.0.2/24", "fd00::2/64"));
}

TEST_F(Attaching, WaitsForAnInterfaceThatIsOnItsWayHome) {
  const UniqueFd before = machine_.namespaces.Make();
  MoveTo(before, "net1");
  meanwhile_ = [&] { machine_.namespaces.End(before); };
  const auto done = Attach(wish_);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(waits_, 1);
  EXPECT_TRUE(IsInContainer());
  EXPECT_EQ(Vf().name, "net1");
  EXPECT_TRUE(Vf().up);
}

TEST_F(Attaching, TakesNoInterfaceFromAnotherContainer) {
  const UniqueFd other = machine_.namespaces.Make();
  MoveTo(other, "net1");
  machine_.kernel.ResetWrites();
  const auto refused = Attach(wish_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_THAT(refused.error().what,
              AllOf(HasSubstr("0000:02:10.0"), HasSubstr("another container")));
  EXPECT_EQ(waits_, 1);
  EXPECT_EQ(Vf().name_space, Number(other));
  EXPECT_THAT(machine_.kernel.Writes(), IsEmpty());
}

TEST_F(Attaching, IsRefusedWhereTheContainerHasSuchAName) {
  for (const sim::Interface& each : machine_.kernel.Interfaces()) {
    if (each.function.ToString() != "0000:02:10.2") continue;
    ASSERT_EQ(machine_.kernel.ChangeInterface(each.id,
                                              {.name_space = Number(container_), .name = "net1"}),
              0);
  }
  const auto refused = Attach(wish_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, AllOf(HasSubstr("EEXIST"), HasSubstr("net1")));
  EXPECT_TRUE(IsAtHome());
}

TEST_F(Attaching, ReportsWhatTheKernelRefusesAndSucceedsWhenItIsRepeated) {
  for (const char* part : {"netns", "mtu", "up"}) {
    for (const int error : {EPERM, EBUSY, EINVAL, EOPNOTSUPP}) {
      SCOPED_TRACE(std::string(part) + " " + ErrnoName(error));
      const UniqueFd fresh = machine_.namespaces.Make();
      machine_.kernel.faults().FailWrite(std::string("/net/0000:02:10.0/") + part, error, 1);
      const auto refused = plugin::Attach(host_, fresh, wish_);
      ASSERT_FALSE(refused);
      EXPECT_THAT(refused.error().what, HasSubstr(ErrnoName(error)));
      const auto done = plugin::Attach(host_, fresh, wish_);
      ASSERT_TRUE(done) << done.error().what;
      EXPECT_EQ(Vf().name_space, Number(fresh));
      EXPECT_TRUE(Vf().up);
      machine_.namespaces.End(fresh);
      ASSERT_EQ(machine_.kernel.ChangeInterface(Vf().id, {.mtu = 1500}), 0);
    }
  }
}

TEST_F(Attaching, ReportsAnAddressThatTheKernelRefuses) {
  namespaces_.refused_type = RTM_NEWADDR;
  for (const int error : {EPERM, EINVAL, ENOBUFS}) {
    namespaces_.error = error;
    const auto refused = Attach(wish_);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().what, AllOf(HasSubstr("10.0.0.2/24"), HasSubstr(ErrnoName(error))));
  }
  namespaces_.refused_type = 0;
  ASSERT_TRUE(Attach(wish_));
  EXPECT_THAT(Addresses(), ElementsAre("10.0.0.2/24", "fd00::2/64"));
}

TEST_F(Attaching, OfAFunctionWithoutAnInterfaceIsRefused) {
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/igbvf/unbind", "0000:02:10.0"), 0);
  const auto refused = Attach(wish_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
}

}  // namespace
}  // namespace drapci::plugin
