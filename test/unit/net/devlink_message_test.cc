// What devlink's messages are taken for, whatever is in them.
#include "hal/net/devlink_message.h"

#include <gmock/gmock.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>

#include "hal/net/message.h"
#include "hal/net/rdma.h"

namespace drapci::hal {
namespace {

using testing::HasSubstr;

constexpr uint16_t kFamily = 0x17;
const DevlinkDevice kDevice{"pci", "0000:03:00.0"};

// An answer of the kernel's: its requests look the same.
class Answer : public Request {
 public:
  explicit Answer(uint8_t command)
      : Request(kFamily, 0, genlmsghdr{.cmd = command, .version = 1, .reserved = 0}) {
    PutText(DEVLINK_ATTR_BUS_NAME, kDevice.bus);
    PutText(DEVLINK_ATTR_DEV_NAME, kDevice.name);
  }
};

// Answers every request with the same.
class Scripted : public Netlink {
 public:
  Result<std::vector<NetlinkMessage>> Talk(int protocol, std::span<const std::byte>) override {
    EXPECT_EQ(protocol, NETLINK_GENERIC);
    if (next < answers.size()) return answers[next++];
    return Fail(Error::FromErrno(ENODEV, "netlink"));
  }
  std::vector<Result<std::vector<NetlinkMessage>>> answers;
  size_t next = 0;
};

NetlinkMessage Family() {
  Request answer(GENL_ID_CTRL, 0,
                 genlmsghdr{.cmd = CTRL_CMD_NEWFAMILY, .version = 2, .reserved = 0});
  answer.Put(CTRL_ATTR_FAMILY_ID, kFamily);
  return answer.Take();
}

TEST(DevlinkMessageTest, TakesAPortForWhatItIs) {
  Answer answer(DEVLINK_CMD_PORT_NEW);
  answer.Put(DEVLINK_ATTR_PORT_INDEX, uint32_t{7});
  answer.Put(DEVLINK_ATTR_PORT_FLAVOUR, uint16_t{DEVLINK_PORT_FLAVOUR_PCI_SF});
  answer.Put(DEVLINK_ATTR_PORT_PCI_SF_NUMBER, uint32_t{88});
  answer.Put(DEVLINK_ATTR_PORT_EXTERNAL, uint8_t{1});
  answer.Put(DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, uint32_t{2});
  const auto port = ParseDevlinkPort(answer.Take());
  ASSERT_TRUE(port);
  EXPECT_EQ(port->index, 7U);
  EXPECT_EQ(port->flavour, PortFlavour::kPciSf);
  EXPECT_EQ(port->sf, 88U);
  EXPECT_EQ(port->controller, 2U);
  EXPECT_TRUE(port->external);
  EXPECT_EQ(port->hw_addr, std::nullopt);
}

TEST(DevlinkMessageTest, SkipsWhatItDoesNotKnowAndWhatIsTooShort) {
  Answer answer(DEVLINK_CMD_PORT_NEW);
  answer.Put(DEVLINK_ATTR_PORT_FLAVOUR, uint16_t{99});
  answer.Put(DEVLINK_ATTR_PORT_NETDEV_IFINDEX, uint32_t{0xffffffff});
  answer.Put(DEVLINK_ATTR_PORT_PCI_VF_NUMBER, uint8_t{1});
  answer.Put(uint16_t{4000}, uint32_t{1});
  nlattr* function = answer.Open(DEVLINK_ATTR_PORT_FUNCTION);
  answer.Put(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, std::array<uint8_t, 20>{});  // of InfiniBand
  answer.Close(function);
  EXPECT_FALSE(ParseDevlinkPort(answer.Take())) << "without an index";
  answer.Put(DEVLINK_ATTR_PORT_INDEX, uint32_t{1});
  const auto port = ParseDevlinkPort(answer.Take());
  ASSERT_TRUE(port);
  EXPECT_EQ(*port, DevlinkPort{.index = 1});
}

TEST(DevlinkMessageTest, TakesNoPieceOfAMessageForMore) {
  Answer answer(DEVLINK_CMD_HEALTH_REPORTER_GET);
  nlattr* reporter = answer.Open(DEVLINK_ATTR_HEALTH_REPORTER);
  answer.PutText(DEVLINK_ATTR_HEALTH_REPORTER_NAME, "fw");
  answer.Put(DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT, uint64_t{3});
  answer.Close(reporter);
  const NetlinkMessage whole = answer.Take();
  ASSERT_TRUE(ParseHealthReporter(whole));
  EXPECT_EQ(ParseHealthReporter(whole)->errors, 3U);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseHealthReporter(std::span(whole).first(size))) << size;
  }
  EXPECT_FALSE(ParseFamily({}));
  EXPECT_FALSE(ParseEswitch({}));
  EXPECT_FALSE(ParseRdmaSystem({}));
  EXPECT_EQ(ParseDevlinkInfo({}), DevlinkInfo());
}

TEST(DevlinkMessageTest, NeedsToBeToldWhetherARateIsOfALeafOrANode) {
  Answer node(DEVLINK_CMD_RATE_NEW);
  node.PutText(DEVLINK_ATTR_RATE_NODE_NAME, "tenant");
  EXPECT_FALSE(ParseDevlinkRate(node.Take()));
  node.Put(DEVLINK_ATTR_RATE_TYPE, uint16_t{DEVLINK_RATE_TYPE_NODE});
  EXPECT_EQ(ParseDevlinkRate(node.Take())->node, "tenant");
  node.Put(DEVLINK_ATTR_PORT_INDEX, uint32_t{1});
  EXPECT_FALSE(ParseDevlinkRate(node.Take())) << "it is not both";
}

TEST(DevlinkTest, IsNotThereWhereTheKernelKnowsNoSuchFamily) {
  Scripted netlink;
  netlink.answers = {Fail(Error::FromErrno(ENOENT, "netlink")), std::vector<NetlinkMessage>(),
                     Fail(Error::FromErrno(EPERM, "netlink"))};
  EXPECT_EQ(Devlink::Open(netlink).error().code, Code::kUnsupported);
  EXPECT_EQ(Devlink::Open(netlink).error().code, Code::kUnsupported);
  EXPECT_EQ(Devlink::Open(netlink).error().code, Code::kDenied);
}

TEST(DevlinkTest, LeavesOutWhatADumpTellsOfOtherDevices) {
  Answer other(DEVLINK_CMD_PORT_NEW), own(DEVLINK_CMD_PORT_NEW);
  other.PutText(DEVLINK_ATTR_DEV_NAME, "0000:03:00.1");
  for (Answer* each : {&other, &own}) each->Put(DEVLINK_ATTR_PORT_INDEX, uint32_t{1});
  Scripted netlink;
  netlink.answers = {std::vector<NetlinkMessage>{Family()},
                     std::vector<NetlinkMessage>{other.Take(), own.Take()}};
  const auto devlink = Devlink::Open(netlink);
  ASSERT_TRUE(devlink);
  EXPECT_EQ(devlink->Ports(kDevice)->size(), 1U);
}

TEST(DevlinkTest, TellsTheKernelsWordsAndElseWhatTheErrnoMeans) {
  Scripted netlink;
  netlink.answers = {std::vector<NetlinkMessage>{Family()},
                     Fail(Error::FromErrno(EBUSY, "netlink: E-Switch is busy")),
                     Fail(Error::FromErrno(EBUSY, "netlink"))};
  const auto devlink = Devlink::Open(netlink);
  ASSERT_TRUE(devlink);
  EXPECT_EQ(devlink->SetEswitch(kDevice, EswitchMode::kLegacy).error().what,
            "eswitch mode legacy of pci/0000:03:00.0: EBUSY (Device or resource busy): E-Switch is "
            "busy");
  EXPECT_THAT(devlink->SetEswitch(kDevice, EswitchMode::kLegacy).error().what,
              HasSubstr("; it is in use"));
  EXPECT_THAT(devlink->SetEswitch(kDevice, EswitchMode::kLegacy).error().what,
              HasSubstr("there is no such devlink device or port"));
}

}  // namespace
}  // namespace drapci::hal
