#include "hal/os/netlink.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "test/unit/os/netlink_bytes.h"

namespace drapci::hal {
namespace {

using test::Bytes;
using test::Message;

constexpr uint16_t kAckFlags = 0x100, kAckWithText = 0x300;  // NLM_F_CAPPED, NLM_F_ACK_TLVS

// nlmsgerr: the error and the header of the request.
Bytes Refusal(int error, uint32_t request_length = 32) {
  Bytes bytes;
  bytes.U32(static_cast<uint32_t>(error)).U32(request_length).U16(16).U16(5).U32(1).U32(0);
  return bytes;
}

Result<bool> Add(const std::vector<std::byte>& datagram) {
  NetlinkReply reply(1, 77);
  return reply.Add(datagram);
}

TEST(NetlinkReply, CollectsADumpUntilItsEnd) {
  NetlinkReply reply(1, 77);
  const auto first = Message(24, NLM_F_MULTI, Bytes().U32(0x11).get());
  const auto second = Message(24, NLM_F_MULTI, Bytes().U32(0x22).get());
  EXPECT_EQ(reply.Add(Bytes().Add(first).Add(second).get()), false);
  EXPECT_EQ(reply.Add(Message(NLMSG_DONE, NLM_F_MULTI, Bytes().U32(0).get())), true);
  EXPECT_EQ(reply.TakeMessages(), (std::vector<NetlinkMessage>{first, second}));
  EXPECT_FALSE(reply.interrupted());
}

TEST(NetlinkReply, AnAcknowledgementEndsARequest) {
  EXPECT_EQ(Add(Message(NLMSG_ERROR, kAckFlags, Refusal(0).get())), true);
}

TEST(NetlinkReply, ARefusalHasItsErrno) {
  const Error error = Add(Message(NLMSG_ERROR, kAckFlags, Refusal(-EOPNOTSUPP).get())).error();
  EXPECT_EQ(error.sys, EOPNOTSUPP);
  EXPECT_EQ(error.code, Code::kUnsupported);
}

TEST(NetlinkReply, ARefusalRepeatsTheKernelsWords) {
  const auto payload = Refusal(-EINVAL).U16(4 + 12).U16(1).Text("Bad VF rate").get();
  const Error error = Add(Message(NLMSG_ERROR, kAckWithText, payload)).error();
  EXPECT_EQ(error.what, "netlink: Bad VF rate: EINVAL (Invalid argument)");
}

TEST(NetlinkReply, TheKernelsWordsComeAfterTheRefusedMessageWhereItIsRepeated) {
  const auto payload = Refusal(-EPERM, 24)
                           .U32(0xdead)
                           .U32(0xbeef)  // 8 bytes of the request
                           .U16(8)
                           .U16(2)
                           .U32(40)  // NLMSGERR_ATTR_OFFS
                           .U16(4 + 3)
                           .U16(1)
                           .Text("no")
                           .get();
  const Error error = Add(Message(NLMSG_ERROR, NLM_F_ACK_TLVS, payload)).error();
  EXPECT_EQ(error.what, "netlink: no: EPERM (Operation not permitted)");
}

TEST(NetlinkReply, BrokenAttributesOfARefusalAreIgnored) {
  for (uint16_t length : {0, 3, 200}) {
    const auto payload = Refusal(-EPERM).U16(length).U16(1).Text("no").get();
    EXPECT_EQ(Add(Message(NLMSG_ERROR, kAckWithText, payload)).error().what,
              "netlink: EPERM (Operation not permitted)");
  }
  EXPECT_EQ(
      Add(Message(NLMSG_ERROR, NLM_F_ACK_TLVS, Refusal(-EPERM, 0xffffffff).get())).error().sys,
      EPERM);
}

TEST(NetlinkReply, ADumpCanEndWithAnError) {
  const auto payload = Bytes().U32(static_cast<uint32_t>(-EBUSY)).get();
  EXPECT_EQ(Add(Message(NLMSG_DONE, NLM_F_MULTI, payload)).error().code, Code::kBusy);
}

TEST(NetlinkReply, TellsThatADumpWasInterrupted) {
  NetlinkReply reply(1, 77);
  ASSERT_EQ(reply.Add(Message(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, Bytes().U32(0).get())),
            true);
  EXPECT_TRUE(reply.interrupted());
}

TEST(NetlinkReply, RefusesTheAnswerToAnotherRequest) {
  const auto payload = Bytes().U32(0).get();
  EXPECT_EQ(Add(Message(NLMSG_DONE, 0, payload, /*sequence=*/2)).error().sys, EBADMSG);
  EXPECT_EQ(Add(Message(NLMSG_DONE, 0, payload, 1, /*port=*/78)).error().sys, EBADMSG);
}

TEST(NetlinkReply, RefusesWhatIsCutShort) {
  const auto whole = Message(24, NLM_F_MULTI, Bytes().U32(0x11).get());
  for (size_t length = 1; length < whole.size(); ++length) {
    const Result<bool> added = Add({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)});
    ASSERT_FALSE(added) << length;
    EXPECT_EQ(added.error().sys, EBADMSG);
  }
  EXPECT_EQ(Add(Message(NLMSG_ERROR, 0, Bytes().U32(0).get())).error().sys, EBADMSG);
  EXPECT_EQ(Add(Bytes().U32(8).U16(24).U16(0).U32(1).U32(77).get()).error().sys, EBADMSG);
}

// The kernel of the machine that runs the test: RTM_GETLINK of an index that nobody has, and of
// all.
std::vector<std::byte> LinkRequest(uint16_t flags, uint32_t index) {
  return Message(RTM_GETLINK, flags, Bytes().U8({0, 0}).U16(0).U32(index).U32(0).U32(0).get());
}

TEST(KernelNetlink, GivesTheKernelsRefusal) {
  KernelNetlink netlink;
  const auto answer = netlink.Talk(NETLINK_ROUTE, LinkRequest(NLM_F_REQUEST, 0x7ffffff0));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().sys, ENODEV);
  EXPECT_EQ(answer.error().code, Code::kGone);
}

TEST(KernelNetlink, DumpsEveryInterface) {
  KernelNetlink netlink;
  const auto answer = netlink.Talk(NETLINK_ROUTE, LinkRequest(NLM_F_REQUEST | NLM_F_DUMP, 0));
  ASSERT_TRUE(answer) << answer.error().what;
  ASSERT_FALSE(answer->empty());  // there is always a loopback interface
  nlmsghdr header = {};
  std::memcpy(&header, answer->front().data(), sizeof header);
  EXPECT_EQ(header.nlmsg_type, RTM_NEWLINK);
  EXPECT_EQ(header.nlmsg_len, answer->front().size());
}

TEST(KernelNetlink, RefusesARequestThatLiesAboutItsLength) {
  KernelNetlink netlink;
  auto request = LinkRequest(NLM_F_REQUEST, 1);
  request.pop_back();
  EXPECT_EQ(netlink.Talk(NETLINK_ROUTE, request).error().code, Code::kInternal);
  EXPECT_EQ(netlink.Talk(NETLINK_ROUTE, {}).error().code, Code::kInternal);
}

}  // namespace
}  // namespace drapci::hal
