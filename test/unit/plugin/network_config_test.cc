#include "plugin/network_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/device_config.h"

namespace drapci::plugin {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using LinkState = hal::VfSettings::LinkState;

// NetworkConfig with these members.
std::string Text(std::string_view members) {
  return fmt::format(R"({{"apiVersion":"config.dra.pci/v1alpha1","kind":"NetworkConfig"{}{}}})",
                     members.empty() ? "" : ",", members);
}

NetworkConfig Decoded(std::string_view members) {
  const auto config = DecodeDeviceConfig(Text(members), "config");
  EXPECT_TRUE(config && config->network) << (config ? "" : config.error().what);
  return config && config->network ? *config->network : NetworkConfig();
}

std::string Refusal(std::string_view members) {
  const auto config = DecodeDeviceConfig(Text(members), "config");
  if (config) return "accepted";
  return fmt::format("{}: {}", CodeName(config.error().code), config.error().what);
}

// What is left of the configurations laid over each other in this order, or the refusal.
struct Layer {
  ConfigSource source;
  std::string members;
};
std::string Laid(std::initializer_list<Layer> layers, DeviceConfig& config) {
  for (const Layer& layer : layers) {
    const auto from = DecodeDeviceConfig(Text(layer.members), "config");
    EXPECT_TRUE(from) << from.error().what;
    if (auto done = ApplyDeviceConfig(*from, layer.source, "config", config); !done) {
      return fmt::format("{}: {}", CodeName(done.error().code), done.error().what);
    }
  }
  return "";
}
std::string Laid(std::initializer_list<Layer> layers) {
  DeviceConfig config;
  return Laid(layers, config);
}

TEST(NetworkConfig, ReadsEveryField) {
  const NetworkConfig config = Decoded(
      R"("mac":"02:11:22:AA:bb:55","vlan":100,"vlanQos":3,"vlanProtocol":"802.1ad",)"
      R"("minRate":"50M","maxRate":"0.2G","spoofCheck":false,"trust":true,"linkState":"enable",)"
      R"("mtu":9000,"interface":"net1","addresses":["10.0.0.2/24","fd00::2/64"],)"
      R"("namespace":"host","bandwidth":"advisory")");
  EXPECT_EQ(config.vf, (hal::VfSettings{.mac = "02:11:22:aa:bb:55",
                                        .vlan = 100,
                                        .qos = 3,
                                        .service_vlan = true,
                                        .min_rate = 50,
                                        .max_rate = 200,
                                        .spoof_check = false,
                                        .trust = true,
                                        .link_state = LinkState::kEnable}));
  const hal::NetworkRequest request = ToNetworkRequest(config);
  EXPECT_EQ(request.vf, config.vf);
  EXPECT_EQ(request.interface, "net1");
  EXPECT_EQ(request.mtu, 9000);
  EXPECT_THAT(request.addresses, ElementsAre("10.0.0.2/24", "fd00::2/64"));
  EXPECT_TRUE(request.stay);
  EXPECT_TRUE(request.advisory_rate);
}

TEST(NetworkConfig, AsksForNothingWhenItSaysNothing) {
  EXPECT_EQ(Decoded(""), NetworkConfig());
  EXPECT_EQ(Decoded(R"("mac":null,"addresses":null)"), NetworkConfig());
  EXPECT_EQ(ToNetworkRequest(NetworkConfig()), hal::NetworkRequest());
}

TEST(NetworkConfig, RoundsARateUpToWholeMegabits) {
  EXPECT_EQ(Decoded(R"("maxRate":"1")").vf.max_rate, 1);
  EXPECT_EQ(Decoded(R"("maxRate":1000001)").vf.max_rate, 2);
  EXPECT_EQ(Decoded(R"("maxRate":"0")").vf.max_rate, 0);
  EXPECT_EQ(Decoded(R"("maxRate":"4294967295M")").vf.max_rate, 4294967295);
}

TEST(NetworkConfig, NamesTheFieldThatIsWrong) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"("vlans":1)", "config.vlans: unknown field; allowed are apiVersion, kind, mac, vlan"},
      {R"("mac":1)", "config.mac: must be a string, is a number"},
      {R"("mac":"02:11:22:33:44")", "config.mac: '02:11:22:33:44' is no address"},
      {R"("mac":"03:11:22:33:44:55")", "config.mac: 03:11:22:33:44:55 is a multicast address"},
      {R"("mac":"ff:ff:ff:ff:ff:ff")", "config.mac: ff:ff:ff:ff:ff:ff is a multicast address"},
      {R"("mac":"00:00:00:00:00:00")", "config.mac: 00:00:00:00:00:00 is all zero"},
      {R"("vlan":4095)", "config.vlan: must be a whole number, 0 to 4094"},
      {R"("vlan":-1)", "config.vlan: must be a whole number, 0 to 4094"},
      {R"("vlan":"5")", "config.vlan: must be a whole number, 0 to 4094"},
      {R"("vlan":1.5)", "config.vlan: must be a whole number, 0 to 4094"},
      {R"("vlan":18446744073709551615)", "config.vlan: must be a whole number, 0 to 4094"},
      {R"("vlanQos":8)", "config.vlanQos: must be a whole number, 0 to 7"},
      {R"("vlanProtocol":"802.1x")",
       "config.vlanProtocol: '802.1x' is unknown; allowed are 802.1Q"},
      {R"("minRate":"1x")", "config.minRate: '1x' is no quantity"},
      {R"("maxRate":-1)", "config.maxRate: must be 0 (none) to 4294967295M"},
      {R"("maxRate":"4294967296M")", "config.maxRate: must be 0 (none) to 4294967295M"},
      {R"("maxRate":true)", "config.maxRate: must be a quantity"},
      {R"("minRate":"2M","maxRate":"1M")", "config.minRate: is above maxRate"},
      {R"("spoofCheck":"on")", "config.spoofCheck: must be true or false"},
      {R"("trust":1)", "config.trust: must be true or false"},
      {R"("linkState":"up")",
       "config.linkState: 'up' is unknown; allowed are auto, enable, disable"},
      {R"("mtu":67)", "config.mtu: must be a whole number, 68 to 65535"},
      {R"("mtu":65536)", "config.mtu: must be a whole number, 68 to 65535"},
      {R"("interface":"")", "config.interface: '' is no name of an interface"},
      {R"("interface":"a/b")", "config.interface: 'a/b' is no name of an interface"},
      {R"("interface":"0123456789abcdef")", "is no name of an interface: 1 to 15 characters"},
      {R"("interface":"..")", "config.interface: '..' is no name of an interface"},
      {R"("interface":"a\u0007b")", "config.interface: 'a?b' "},
      {R"("interface":"lo")", "config.interface: every container has an interface 'lo'"},
      {R"("addresses":"10.0.0.2/24")", "config.addresses: must be an array, is a string"},
      {R"("addresses":["10.0.0.2"])", "config.addresses[0]: '10.0.0.2' is no address"},
      {R"("addresses":["10.0.0.2/24","10.0.0.2/24"])", "config.addresses[1]: 10.0.0.2/24 is there"},
      {R"("namespace":"pod")", "config.namespace: 'pod' is unknown; allowed are container, host"},
      {R"("bandwidth":"best")",
       "config.bandwidth: 'best' is unknown; allowed are enforced, advisory"},
  };
  for (const auto& [members, refusal] : cases) {
    EXPECT_THAT(Refusal(members), HasSubstr(fmt::format("{}", refusal))) << members;
    EXPECT_THAT(Refusal(members), HasSubstr("invalid: ")) << members;
  }
}

TEST(NetworkConfig, TakesAsManyAddressesAsAClaimCanTell) {
  const auto list = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += fmt::format(R"({}"10.0.0.{}/24")", i == 0 ? "" : ",", i + 1);
    }
    return fmt::format(R"("addresses":[{}])", text);
  };
  EXPECT_EQ(Decoded(list(16)).addresses->size(), 16u);
  EXPECT_THAT(Refusal(list(17)), HasSubstr("config.addresses: has 17 entries, at most 16"));
}

// What a claim's author must not decide: field by field.
constexpr std::pair<std::string_view, std::string_view> kReserved[] = {
    {"vlan", R"("vlan":5)"},
    {"vlan", R"("vlan":0)"},
    {"vlanQos", R"("vlanQos":1)"},
    {"vlanProtocol", R"("vlanProtocol":"802.1Q")"},
    {"minRate", R"("minRate":"1M")"},
    {"spoofCheck", R"("spoofCheck":false)"},
    {"trust", R"("trust":true)"},
    {"linkState", R"("linkState":"enable")"},
    {"namespace", R"("namespace":"host")"},
    {"bandwidth", R"("bandwidth":"advisory")"},
};

TEST(NetworkConfig, RefusesAClaimWhatOnlyItsClassMayGrant) {
  for (const auto& [field, members] : kReserved) {
    const std::string text(members);
    EXPECT_THAT(Laid({{ConfigSource::kClaim, text}}),
                AllOf(HasSubstr(fmt::format("denied: config.{}: ", field)),
                      HasSubstr("has to be set in the DeviceClass")));
    EXPECT_EQ(Laid({{ConfigSource::kClass, text}}), "") << text;
    EXPECT_EQ(Laid({{ConfigSource::kOperator, text}}), "") << text;
  }
}

TEST(NetworkConfig, LetsAClaimRepeatWhatItsClassHasGranted) {
  for (const auto& [field, members] : kReserved) {
    const std::string text(members);
    EXPECT_EQ(Laid({{ConfigSource::kClass, text}, {ConfigSource::kClaim, text}}), "") << text;
  }
  EXPECT_THAT(Laid({{ConfigSource::kClass, R"("vlan":5)"}, {ConfigSource::kClaim, R"("vlan":6)"}}),
              HasSubstr("denied: config.vlan: "));
}

TEST(NetworkConfig, LetsAClaimDecideWhatConcernsItAlone) {
  DeviceConfig config;
  EXPECT_EQ(Laid({{ConfigSource::kClaim,
                   R"("mac":"02:00:00:00:00:01","maxRate":"10M","spoofCheck":true,"trust":false,)"
                   R"("mtu":1400,"interface":"net1","addresses":["10.0.0.2/24"],)"
                   R"("namespace":"container","bandwidth":"enforced")"}},
                 config),
            "");
  EXPECT_EQ(config.network->vf.max_rate, 10);
  EXPECT_EQ(config.network->interface, "net1");
}

TEST(NetworkConfig, LetsAClaimLowerTheLimitOfItsClassButNotRaiseIt) {
  const Layer limit{ConfigSource::kClass, R"("maxRate":"100M")"};
  DeviceConfig config;
  EXPECT_EQ(Laid({limit, {ConfigSource::kClaim, R"("maxRate":"50M")"}}, config), "");
  EXPECT_EQ(config.network->vf.max_rate, 50);
  for (const auto* more : {R"("maxRate":"101M")", R"("maxRate":0)"}) {
    EXPECT_THAT(Laid({limit, {ConfigSource::kClaim, more}}),
                HasSubstr("denied: config.maxRate: is above the limit of 100M"));
  }
}

TEST(NetworkConfig, LaysLaterEntriesOverEarlierOnesFieldByField) {
  DeviceConfig config;
  EXPECT_EQ(Laid({{ConfigSource::kClass, R"("vlan":5,"mtu":9000,"trust":true)"},
                  {ConfigSource::kClass, R"("vlan":6,"addresses":["10.0.0.2/24"])"},
                  {ConfigSource::kClaim, R"("mtu":1500,"trust":false,"addresses":[])"}},
                 config),
            "");
  EXPECT_EQ(config.network->vf.vlan, 6);
  EXPECT_EQ(config.network->vf.trust, false);
  EXPECT_EQ(config.network->mtu, 1500);
  EXPECT_TRUE(config.network->addresses->empty());
}

TEST(NetworkConfig, GoesTogetherWithAccess) {
  DeviceConfig config;
  const auto vfio = DecodeDeviceConfig(
      R"({"apiVersion":"config.dra.pci/v1alpha1","kind":"AccessConfig","driver":"vfio"})", "c");
  ASSERT_TRUE(vfio);
  ASSERT_TRUE(ApplyDeviceConfig(*vfio, ConfigSource::kClass, "c", config));
  EXPECT_EQ(Laid({{ConfigSource::kClass, R"("vlan":5)"}}, config), "");
  driver::DeviceRequest device;
  ConfigureRequest(config, device);
  EXPECT_EQ(device.access, hal::Access::kVfio);
  EXPECT_EQ(device.network->vf.vlan, 5);
}

TEST(NetworkConfig, ConfiguresNothingForOneWhoOnlyLooksOn) {
  DeviceConfig config;
  EXPECT_EQ(Laid({{ConfigSource::kClass, R"("mtu":9000)"}}, config), "");
  driver::DeviceRequest device;
  device.admin_access = true;
  ConfigureRequest(config, device);
  EXPECT_FALSE(device.network);
}

TEST(NetworkConfig, RefusesTwoInterfacesThatCannotBeInOnePod) {
  const auto check = [](std::string_view members) {
    DeviceConfig config;
    EXPECT_EQ(Laid({{ConfigSource::kOperator, std::string(members)}}, config), "");
    std::vector<driver::DeviceRequest> devices(2);
    for (auto& device : devices) ConfigureRequest(config, device);
    const auto apart = CheckInterfaces(devices);
    return apart ? "" : apart.error().what;
  };
  EXPECT_THAT(check(R"("interface":"net1")"),
              HasSubstr("two devices ask for the interface name net1"));
  EXPECT_THAT(check(R"("addresses":["10.0.0.2/24"])"), HasSubstr("the address 10.0.0.2/24"));
  EXPECT_THAT(check(R"("mac":"02:00:00:00:00:01","namespace":"host")"), HasSubstr("the MAC 02:"));
  EXPECT_EQ(check(R"("mtu":1500)"), "");
  EXPECT_EQ(check(R"("interface":"net1","namespace":"host")"), "");
}

}  // namespace
}  // namespace drapci::plugin
