#include "driver/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "driver/claim.h"

namespace drapci::driver {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr std::string_view kDriver = "dra.pci";

CdiDevice Device(std::string name = "pci-0000-02-00-0-vf3-uid") {
  CdiDevice device{.name = std::move(name), .edits = {}};
  device.edits.environment["DRAPCI_DEVICE"] = "0000:02:00.4";
  return device;
}

std::string Refusal(const CdiDevice& device, Code code = Code::kInvalid) {
  const Result<std::string> spec = CdiSpec(kDriver, {device}, {});
  if (spec) return "accepted";
  EXPECT_EQ(spec.error().code, code);
  return spec.error().what;
}

TEST(Cdi, NamesDevicesFilesAndIds) {
  EXPECT_EQ(CdiDeviceName("pci-0000-02-00-0-vf3", "u-1", ""), "pci-0000-02-00-0-vf3-u-1");
  EXPECT_EQ(CdiDeviceName("pci-0000-02-00-0-vf3", "u-1", "s-2"), "pci-0000-02-00-0-vf3-u-1-s-2");
  EXPECT_EQ(CdiDeviceId(kDriver, "pci-x-u-1"), "dra.pci/claim=pci-x-u-1");
  EXPECT_EQ(CdiFileName(kDriver, "u-1"), "dra.pci-claim-u-1.json");
}

TEST(Cdi, KnowsItsOwnFilesFromOthers) {
  EXPECT_TRUE(IsOurCdiFile(kDriver, CdiFileName(kDriver, "6f2c-1")));
  for (const char* other :
       {"dra.pci-claim-.json", "dra.pci-claim-u.yaml", "dra.pci-claim.json", "other-claim-u.json",
        "dra.pci-claim-a.b.json", ".dra.pci-claim-u.json", "dra.pci-claim-u.json.tmp", ""}) {
    EXPECT_FALSE(IsOurCdiFile(kDriver, other)) << other;
  }
}

TEST(Cdi, WritesTheWholeSpecificationAsPodmanReadsIt) {
  CdiDevice device = Device();
  device.edits.device_nodes = {"/dev/vfio/vfio", "/dev/vfio/17"};
  device.edits.environment["A"] = "x=y z";
  device.edits.mounts = {{"/run/host", "/run/inside", {"ro", "bind"}}, {"/a", "/b", {}}};
  const Result<std::string> spec = CdiSpec(kDriver, {device}, {});
  ASSERT_TRUE(spec) << spec.error().what;
  EXPECT_EQ(*spec, R"({
  "cdiVersion": "0.3.0",
  "kind": "dra.pci/claim",
  "devices": [
    {
      "name": "pci-0000-02-00-0-vf3-uid",
      "containerEdits": {
        "env": [
          "A=x=y z",
          "DRAPCI_DEVICE=0000:02:00.4"
        ],
        "deviceNodes": [
          {
            "path": "/dev/vfio/vfio"
          },
          {
            "path": "/dev/vfio/17"
          }
        ],
        "mounts": [
          {
            "hostPath": "/run/host",
            "containerPath": "/run/inside",
            "options": [
              "ro",
              "bind"
            ]
          },
          {
            "hostPath": "/a",
            "containerPath": "/b"
          }
        ]
      }
    }
  ]
}
)");
}

TEST(Cdi, LeavesOutEmptyFields) {
  const Result<std::string> spec = CdiSpec(kDriver, {Device()}, {});
  ASSERT_TRUE(spec);
  const json edits = json::parse(*spec)["devices"][0]["containerEdits"];
  EXPECT_EQ(edits.size(), 1u);
  EXPECT_TRUE(edits.contains("env"));
}

TEST(Cdi, DeclaresTheLowestVersionThatHoldsTheContent) {
  const auto version = [](const std::vector<CdiDevice>& devices) {
    const Result<std::string> spec = CdiSpec(kDriver, devices, {});
    return spec ? json::parse(*spec)["cdiVersion"].get<std::string>() : spec.error().what;
  };
  EXPECT_EQ(version({Device()}), "0.3.0");
  EXPECT_EQ(version({Device(), Device("0000-begins-with-a-digit")}), "0.5.0");
}

TEST(Cdi, HoldsEveryDeviceInItsOrder) {
  const Result<std::string> spec = CdiSpec(kDriver, {Device("b"), Device("a")}, {});
  ASSERT_TRUE(spec);
  const json devices = json::parse(*spec)["devices"];
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0]["name"], "b");
  EXPECT_EQ(devices[1]["name"], "a");
}

TEST(Cdi, RefusesADeviceWithoutEdits) {
  EXPECT_THAT(Refusal({.name = "a", .edits = {}}, Code::kInternal), HasSubstr("no edits"));
  const Result<std::string> empty = CdiSpec(kDriver, {}, {});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, Code::kInternal);
}

TEST(Cdi, RefusesNamesThatReadersRefuse) {
  for (const char* name : {"", "-a", "a-", "a/b", "a b", "a=b", ".a", "\xc3\xa4"}) {
    EXPECT_THAT(Refusal(Device(name)), HasSubstr("no CDI device name")) << name;
  }
  for (const char* name : {"a", "a.b:c_d-e", "A0"}) EXPECT_EQ(Refusal(Device(name)), "accepted");
  for (const char* vendor : {"", "0dra.pci", "dra.pci.", "dra/pci", "dra pci"}) {
    EXPECT_FALSE(CdiSpec(vendor, {Device()}, {})) << vendor;
  }
  EXPECT_FALSE(CdiSpec(kDriver, {Device("a"), Device("a")}, {}));
}

TEST(Cdi, RefusesEnvironmentThatWouldChangeTheFilesMeaning) {
  using Pair = std::pair<std::string, std::string>;
  for (const auto& [name, value] :
       {Pair{"", "x"}, Pair{"A=B", "x"}, Pair{"A\n", "x"}, Pair{"A", "x\nB=y"},
        Pair{"A", std::string("x\0y", 3)}, Pair{"A", "\xff"}, Pair{"\xff", "x"}}) {
    CdiDevice device = Device();
    device.edits.environment[name] = value;
    EXPECT_THAT(Refusal(device), HasSubstr("environment variable")) << name;
  }
}

TEST(Cdi, RefusesPathsThatCouldLeadElsewhere) {
  for (const std::string& path :
       {std::string("dev/x"), std::string(), std::string("/dev/../etc/shadow"), std::string("/.."),
        std::string("/a\nb"), std::string("/a\0b", 4), std::string("/\xff")}) {
    CdiDevice node = Device(), from = Device(), to = Device();
    node.edits.device_nodes = {path};
    from.edits.mounts = {{path, "/x", {}}};
    to.edits.mounts = {{"/x", path, {}}};
    for (const CdiDevice& device : {node, from, to}) {
      EXPECT_THAT(Refusal(device), HasSubstr("must be absolute")) << path;
    }
  }
}

TEST(Cdi, RefusesMountOptionsThatWouldBeMore) {
  for (const char* option : {"", "ro,suid", "ro\n", "\xff"}) {
    CdiDevice device = Device();
    device.edits.mounts = {{"/a", "/b", {option}}};
    EXPECT_THAT(Refusal(device), HasSubstr("no mount option")) << option;
  }
}

// A device whose interface moves into the container as net1.
CdiDevice WithInterface(std::vector<std::string> addresses = {"10.0.0.2/24", "fd00::2/64"}) {
  CdiDevice device = Device();
  device.edits.interfaces = {{.address = "0000:02:10.6",
                              .host_name = "enp2s0v3",
                              .mac = "02:00:00:00:00:01",
                              .name = "net1",
                              .mtu = 9000,
                              .addresses = std::move(addresses)}};
  return device;
}

constexpr CdiInterfaces ByHook() { return {NetworkDevices::kHook, "/usr/libexec/drapci-hook"}; }
constexpr CdiInterfaces ByCdi() { return {NetworkDevices::kCdi, {}}; }

TEST(CdiInterface, IsACallOfTheHookBeforeTheContainerStarts) {
  const Result<std::string> spec = CdiSpec(kDriver, {WithInterface()}, ByHook());
  ASSERT_TRUE(spec) << spec.error().what;
  const json document = json::parse(*spec);
  EXPECT_EQ(document["cdiVersion"], "0.3.0") << "hooks are as old as CDI";
  EXPECT_EQ(document["devices"][0]["containerEdits"]["hooks"], json::parse(R"([{
    "hookName": "createRuntime",
    "path": "/usr/libexec/drapci-hook",
    "args": ["drapci-hook", "--function=0000:02:10.6", "--name=net1", "--mtu=9000",
             "--address=10.0.0.2/24", "--address=fd00::2/64"]
  }])"));
  EXPECT_FALSE(document["devices"][0]["containerEdits"].contains("netDevices"));
}

TEST(CdiInterface, IsOneCallForEach) {
  CdiDevice device = WithInterface();
  device.edits.interfaces.push_back({.address = "0000:02:11.0",
                                     .host_name = "enp2s0v4",
                                     .mac = {},
                                     .name = "net2",
                                     .mtu = {},
                                     .addresses = {}});
  const Result<std::string> spec = CdiSpec(kDriver, {device}, ByHook());
  ASSERT_TRUE(spec) << spec.error().what;
  const json hooks = json::parse(*spec)["devices"][0]["containerEdits"]["hooks"];
  ASSERT_EQ(hooks.size(), 2U);
  EXPECT_EQ(hooks[1]["args"], json({"drapci-hook", "--function=0000:02:11.0", "--name=net2"}));
}

TEST(CdiInterface, WithANameLikeAnOptionIsNone) {
  CdiDevice device = WithInterface({});
  device.edits.interfaces[0].name = "--version";
  const Result<std::string> spec = CdiSpec(kDriver, {device}, ByHook());
  ASSERT_TRUE(spec) << spec.error().what;
  EXPECT_EQ(json::parse(*spec)["devices"][0]["containerEdits"]["hooks"][0]["args"][2],
            "--name=--version");
}

TEST(CdiInterface, CanBeTheRuntimesBusiness) {
  const Result<std::string> spec = CdiSpec(kDriver, {WithInterface({})}, ByCdi());
  ASSERT_TRUE(spec) << spec.error().what;
  const json document = json::parse(*spec);
  EXPECT_EQ(document["cdiVersion"], "1.1.0") << "older readers refuse netDevices";
  EXPECT_EQ(document["devices"][0]["containerEdits"]["netDevices"],
            json::parse(R"([{"hostInterfaceName": "enp2s0v3", "name": "net1"}])"));
  EXPECT_FALSE(document["devices"][0]["containerEdits"].contains("hooks"));
}

TEST(CdiInterface, RaisesTheVersionOnlyWhereThereIsOne) {
  for (const CdiInterfaces& how : {ByHook(), ByCdi(), CdiInterfaces()}) {
    const Result<std::string> spec = CdiSpec(kDriver, {Device()}, how);
    ASSERT_TRUE(spec);
    EXPECT_EQ(json::parse(*spec)["cdiVersion"], "0.3.0");
  }
}

TEST(CdiInterface, HasAddressesOnlyByTheHook) {
  for (const CdiInterfaces& how : {ByCdi(), CdiInterfaces()}) {
    const Result<std::string> spec = CdiSpec(kDriver, {WithInterface()}, how);
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().code, Code::kUnsupported);
    EXPECT_THAT(spec.error().what, HasSubstr("enp2s0v3"));
    EXPECT_THAT(spec.error().what, HasSubstr("networkDevices: hook"));
  }
}

TEST(CdiInterface, StaysInTheHostUnderItsOwnNameOnly) {
  EXPECT_THAT(Refusal(WithInterface({}), Code::kUnsupported),
              HasSubstr("enp2s0v3 cannot become net1"));
  CdiDevice device = WithInterface({});
  device.edits.interfaces[0].name = "enp2s0v3";
  const Result<std::string> spec = CdiSpec(kDriver, {device}, {});
  ASSERT_TRUE(spec) << spec.error().what;
  EXPECT_EQ(json::parse(*spec)["devices"][0]["containerEdits"].size(), 1U) << "the environment";
}

TEST(CdiInterface, IsMovedByAHookWithAPlainPath) {
  for (const char* path : {"", "drapci-hook", "/usr/../tmp/hook", "/hook\n", "/\xff"}) {
    const Result<std::string> spec =
        CdiSpec(kDriver, {WithInterface()}, {NetworkDevices::kHook, path});
    ASSERT_FALSE(spec) << path;
    EXPECT_EQ(spec.error().code, Code::kInvalid);
    EXPECT_TRUE(CdiSpec(kDriver, {Device()}, {NetworkDevices::kHook, path})) << "it is not needed";
  }
}

TEST(CdiInterface, WithAHostileNameMakesNoFile) {
  for (const std::string& name :
       {std::string(), std::string("../etc"), std::string("a b"), std::string("a\nb"),
        std::string("a\0b", 3), std::string("\xff"), std::string("sixteen-bytes-xx")}) {
    for (const CdiInterfaces& how : {ByHook(), ByCdi()}) {
      CdiDevice inside = WithInterface({}), outside = WithInterface({});
      inside.edits.interfaces[0].name = name;
      outside.edits.interfaces[0].host_name = name;
      for (const CdiDevice& device : {inside, outside}) {
        const Result<std::string> spec = CdiSpec(kDriver, {device}, how);
        ASSERT_FALSE(spec) << name;
        EXPECT_EQ(spec.error().code, Code::kInvalid) << name;
      }
    }
  }
}

TEST(CdiMemoryLimit, IsACallOfTheHookWhateverInterfacesNeed) {
  CdiDevice device = Device();
  device.edits.memory_limits = {{"drm/0000:03:00.0/vram0", 5 << 20},
                                {"drm/0000:03:00.0/vram1", 5 << 20}};
  for (const NetworkDevices how :
       {NetworkDevices::kHook, NetworkDevices::kCdi, NetworkDevices::kNone}) {
    const Result<std::string> spec = CdiSpec(kDriver, {device}, {how, "/usr/libexec/drapci-hook"});
    ASSERT_TRUE(spec) << spec.error().what;
    EXPECT_EQ(json::parse(*spec)["devices"][0]["containerEdits"]["hooks"], json::parse(R"([{
      "hookName": "createRuntime",
      "path": "/usr/libexec/drapci-hook",
      "args": ["drapci-hook", "--limit=drm/0000:03:00.0/vram0=5242880",
               "--limit=drm/0000:03:00.0/vram1=5242880"]}])"));
  }
}

TEST(CdiMemoryLimit, ThatIsNoneMakesNoFile) {
  CdiDevice device = Device();
  const auto refused = [&](hal::MemoryLimit limit, const std::string& hook) {
    device.edits.memory_limits = {std::move(limit)};
    return !CdiSpec(kDriver, {device}, {NetworkDevices::kHook, hook}).has_value();
  };
  EXPECT_TRUE(refused({"vram", 1}, ""));
  EXPECT_TRUE(refused({"vram", 0}, "/hook"));
  EXPECT_TRUE(refused({"", 1}, "/hook"));
  EXPECT_TRUE(refused({"a\nb", 1}, "/hook"));
}

TEST(Claim, AUidIsOneFileNameComponent) {
  EXPECT_TRUE(IsValidUid("6f2c1f60-1c1e-4e4e-9b1e-000000000001"));
  EXPECT_TRUE(IsValidUid(std::string(kMaxUidLength, 'a')));
  for (const std::string& uid :
       {std::string(), std::string(kMaxUidLength + 1, 'a'), std::string("a/b"), std::string(".."),
        std::string("a b"), std::string("a\0", 2), std::string("\xc3\xa4"), std::string("a_b")}) {
    EXPECT_FALSE(IsValidUid(uid)) << uid;
  }
}

}  // namespace
}  // namespace drapci::driver
