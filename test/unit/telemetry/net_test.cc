// What comes by netlink: drops of VFs, drm-ras, devlink's reporters.
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "hal/net/drm_ras.h"
#include "hal/net/vf_counters.h"
#include "test/unit/telemetry/machine.h"

namespace drapci::hal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::StartsWith;

const std::string kNic = "0000:02:00.0";

class NetTest : public TelemetryTest {};

TEST_F(NetTest, TellsWhatTheInterfaceHasDropped) {
  LoadBoard("sriov-nic:enable-ms=0");
  Make(MakeNetReader, kNic);
  Inject({"net-drops", kNic, "rx_dropped", "5"});
  Inject({"net-drops", kNic, "rx_dropped", "2"});
  Inject({"net-drops", kNic, "tx_errors", "1"});
  EXPECT_THAT(Read(), IsSupersetOf({"net_rx_dropped/enp2s0 = 7", "net_tx_errors/enp2s0 = 1"}));
}

TEST_F(NetTest, TellsWhatThePfsDriverHasCountedOfItsVfs) {
  LoadBoard("sriov-nic:enable-ms=0");
  Make(MakeNetReader, kNic);
  ASSERT_EQ(machine_.kernel.Write(PathOf("sriov_numvfs", kNic), "2"), 0);
  EXPECT_THAT(Read(), IsSupersetOf({"net_rx_dropped/vf0 = 0", "net_tx_dropped/vf1 = 0"}));
}

TEST_F(NetTest, DoesNotWakeTheCardAndIsNoSourceOfOthers) {
  LoadBoard("sriov-nic");
  Make(MakeNetReader, kNic);
  Inject({"sleep", kNic, "on"});
  EXPECT_THAT(Read(), IsEmpty());
  EXPECT_EQ(MakeNetReader(machine_.host, Scan("0000:00:02.0")), nullptr);
}

class DevlinkTest : public TelemetryTest {
 protected:
  static constexpr const char* kSmartNic = "0000:03:00.0";
};

TEST_F(DevlinkTest, TellsTheReportersOfTheCard) {
  LoadBoard("smartnic");
  Make(MakeDevlinkReader, kSmartNic);
  EXPECT_THAT(Read(), IsSupersetOf({"devlink_reporter/fw_fatal = 0", "devlink_errors/fw_fatal = 0",
                                    "devlink_recoveries/tx = 0"}));
  Inject({"reporter", kSmartNic, "fw_fatal", "error"});
  EXPECT_THAT(Read(),
              IsSupersetOf({"devlink_reporter/fw_fatal = 1", "devlink_errors/fw_fatal = 1"}));
  Inject({"reporter", kSmartNic, "fw_fatal", "healthy"});
  EXPECT_THAT(Read(), IsSupersetOf({"devlink_reporter/fw_fatal = 0", "devlink_errors/fw_fatal = 1",
                                    "devlink_recoveries/fw_fatal = 1"}));
}

TEST_F(DevlinkTest, SaysNothingWhileTheDriverIsAwayAndIsNoSourceWithoutOne) {
  LoadBoard("smartnic");
  Make(MakeDevlinkReader, kSmartNic);
  ASSERT_EQ(machine_.kernel.Write("/sys/bus/pci/drivers/mlx5_core/unbind", kSmartNic), 0);
  EXPECT_THAT(Read(), IsEmpty());
  EXPECT_EQ(MakeDevlinkReader(machine_.host, Scan(kSmartNic)), nullptr);
  ASSERT_TRUE(machine_.kernel.Unplug(At(kSmartNic)));
  EXPECT_THAT(Read(), testing::AnyOf(IsEmpty(), ElementsAre(StartsWith("error gone"))));
}

// --- Messages by hand

using Bytes = std::vector<std::byte>;

void Append(Bytes& bytes, const void* data, size_t size) {
  const auto* from = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), from, from + size);
  bytes.resize(MNL_ALIGN(bytes.size()));
}
Bytes Attribute(uint16_t type, const void* data, size_t size) {
  Bytes bytes;
  const nlattr head{.nla_len = static_cast<uint16_t>(MNL_ATTR_HDRLEN + size), .nla_type = type};
  Append(bytes, &head, sizeof head);
  Append(bytes, data, size);
  return bytes;
}
Bytes Attribute(uint16_t type, uint32_t value) { return Attribute(type, &value, sizeof value); }
Bytes Attribute(uint16_t type, const std::string& text) {
  return Attribute(type, text.c_str(), text.size() + 1);
}
Bytes Attribute(uint16_t type, const Bytes& inside) {
  return Attribute(type, inside.data(), inside.size());
}
Bytes Join(const std::vector<Bytes>& parts) {
  Bytes whole;
  for (const Bytes& part : parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}
template <class Fixed>
Bytes Message(uint16_t type, const Fixed& fixed, const std::vector<Bytes>& attributes) {
  const Bytes body = Join(attributes);
  Bytes bytes;
  const nlmsghdr head{
      .nlmsg_len = static_cast<uint32_t>(sizeof head + MNL_ALIGN(sizeof fixed) + body.size()),
      .nlmsg_type = type};
  Append(bytes, &head, sizeof head);
  Append(bytes, &fixed, sizeof fixed);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

TEST(VfCountersMessage, IsTakenApart) {
  const uint64_t drops = 1234567890123;
  const ifla_vf_mac mac{.vf = 3, .mac = {}};
  const Bytes stats = Attribute(IFLA_VF_STATS, Attribute(IFLA_VF_STATS_TX_DROPPED, &drops, 8));
  const Bytes info = Join({Attribute(IFLA_VF_MAC, &mac, sizeof mac), stats});
  const Bytes message = Message(RTM_NEWLINK, ifinfomsg{},
                                {Attribute(IFLA_VFINFO_LIST, Attribute(IFLA_VF_INFO, info))});
  EXPECT_THAT(ParseVfCounters(message), ElementsAre(std::pair(3, VfCounters{0, drops})));
  for (size_t size = 0; size < message.size(); ++size) {
    ParseVfCounters(std::span(message).first(size));  // cut short: no more than is there
  }
}

// A kernel whose GPU at 0000:01:00.0 has registered two nodes with drm-ras.
class DrmRasTest : public TelemetryTest {
 protected:
  static constexpr uint16_t kFamily = 0x21;

  void SetUp() override {
    Plug([](sim::FunctionSpec& card) {
      card.driver = "xe";
      card.children = {{.path = "drm/card0", .subsystem = "drm"}};
    });
    machine_.netlink.on_talk = [this](int, std::span<const std::byte> request) {
      return Answer(request);
    };
  }

  std::optional<Result<std::vector<NetlinkMessage>>> Answer(std::span<const std::byte> request) {
    uint16_t type = 0;
    std::memcpy(&type, request.data() + offsetof(nlmsghdr, nlmsg_type), sizeof type);
    const auto command = std::to_integer<uint8_t>(request[sizeof(nlmsghdr)]);
    using Messages = std::vector<NetlinkMessage>;
    const genlmsghdr head{};
    if (type == GENL_ID_CTRL) {
      if (!has_family) return Fail(Error::FromErrno(ENOENT, "netlink"));
      const uint16_t id = kFamily;
      return Messages{Message(type, head, {Attribute(CTRL_ATTR_FAMILY_ID, &id, sizeof id)})};
    }
    if (type != kFamily) return std::nullopt;
    if (error != 0) return Fail(Error::FromErrno(error, "netlink"));
    if (command == 1) {
      const auto node = [&](uint32_t id, const char* device, const char* name) {
        return Message(type, head,
                       {Attribute(1, id), Attribute(2, std::string(device)),
                        Attribute(3, std::string(name)), Attribute(4, 1U)});
      };
      return Messages{node(5, "0000:01:00.0", "correctable-errors"),
                      node(6, "0000:01:00.0", "uncorrectable-errors"),
                      node(7, "0000:99:00.0", "uncorrectable-errors")};
    }
    const auto node = std::to_integer<uint32_t>(request[sizeof(nlmsghdr) + GENL_HDRLEN + 4]);
    return Messages{Message(
        type, head,
        {Attribute(2, 3U), Attribute(3, std::string("device-memory")), Attribute(4, node * 10)})};
  }

  bool has_family = true;
  int error = 0;
};

TEST_F(DrmRasTest, TellsTheCountersOfItsOwnCard) {
  Make(MakeDrmRasReader);
  EXPECT_THAT(Read(), ElementsAre("ras_corrected/device-memory = 50",
                                  "ras_uncorrected/device-memory = 60"));
}

TEST_F(DrmRasTest, DoesNotWakeTheCardAndFailsWithoutTheRight) {
  Make(MakeDrmRasReader);
  error = EPERM;
  EXPECT_THAT(Read(), ElementsAre(StartsWith("error denied")));
  Inject({"sleep", std::string(kCard), "on"});
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(DrmRasTest, IsNoSourceOfAnOlderKernel) {
  has_family = false;
  EXPECT_EQ(MakeDrmRasReader(machine_.host, Scan()), nullptr);
}

TEST(DrmRasMessage, CutShortIsNoNodeAndNoCounter) {
  const Bytes node =
      Message(0x21, genlmsghdr{}, {Attribute(1, 4U), Attribute(2, std::string("x"))});
  EXPECT_TRUE(ParseDrmRasNode(node));
  for (size_t size = 0; size + 4 < node.size(); ++size) {
    EXPECT_FALSE(ParseDrmRasNode(std::span(node).first(size)));
    EXPECT_FALSE(ParseDrmRasCounter(std::span(node).first(size)));
  }
}

}  // namespace
}  // namespace drapci::hal
