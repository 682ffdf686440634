#include "plugin/claim_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/plugin/claim_text.h"

namespace drapci::plugin {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::string_view kVf0 = "pci-0000-02-00-0-vf0", kVf1 = "pci-0000-02-00-0-vf1";

driver::ClaimRequest Decoded(const std::string& claim) {
  auto request = DecodeClaim(claim, "dra.pci");
  EXPECT_TRUE(request.has_value()) << request.error().what;
  return request.value_or(driver::ClaimRequest{});
}

// The error, "CODE: TEXT".
std::string Refusal(const std::string& claim) {
  const auto request = DecodeClaim(claim, "dra.pci");
  if (request) return "accepted";
  return fmt::format("{}: {}", CodeName(request.error().code), request.error().what);
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(ClaimJson, TakesIdentityAndDevicesFromTheAllocation) {
  const auto claim = Decoded(ClaimText(ResultText("req", kVf0)));
  EXPECT_EQ(claim.uid, kUid);
  EXPECT_EQ(claim.namespace_name, "default");
  EXPECT_EQ(claim.name, "my-claim");
  ASSERT_THAT(claim.devices, SizeIs(1));
  EXPECT_EQ(claim.devices[0], (driver::DeviceRequest{.request_names = {"req"},
                                                     .pool = "node1",
                                                     .device = std::string(kVf0),
                                                     .share_id = {},
                                                     .admin_access = false,
                                                     .access = hal::Access::kKernel}));
}

TEST(ClaimJson, RefusesAClaimWithoutAllocation) {
  const std::string start =
      R"({"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaim","metadata":{"name":"c"})";
  for (const auto* end : {"}", R"(,"status":{}})", R"(,"status":{"allocation":null}})"}) {
    EXPECT_THAT(Refusal(start + end),
                AllOf(HasSubstr("invalid: claim: status.allocation"), HasSubstr("no devices")));
  }
}

TEST(ClaimJson, SkipsDevicesOfOtherDrivers) {
  const std::string other = R"({"request":"gpu","driver":"gpu.example.com","pool":7,"device":{}})";
  EXPECT_THAT(Decoded(ClaimText(other + "," + ResultText("req", kVf0))).devices, SizeIs(1));
  EXPECT_THAT(Refusal(ClaimText(other)), HasSubstr("has no device of the driver dra.pci"));
}

TEST(ClaimJson, AnswersASubrequestUnderItsRequest) {
  EXPECT_THAT(Decoded(ClaimText(ResultText("req/fast", kVf0))).devices[0].request_names,
              ElementsAre("req"));
}

TEST(ClaimJson, CarriesAdminAccessShareAndConsumedCapacity) {
  const auto claim = Decoded(ClaimText(ResultText(
      "req", kVf0,
      R"(,"adminAccess":true,"shareID":"0f0e","consumedCapacity":{"bandwidth":"10G","vfs":1},"new":[])")));
  EXPECT_TRUE(claim.devices[0].admin_access);
  EXPECT_EQ(claim.devices[0].share_id, "0f0e");
}

TEST(ClaimJson, JoinsTheRequestsOfADeviceThatIsAllocatedTwice) {
  const auto claim = Decoded(ClaimText(ResultText("a", kVf0, R"(,"adminAccess":true)") + "," +
                                       ResultText("b", kVf0, R"(,"adminAccess":true)") + "," +
                                       ResultText("c", kVf1)));
  ASSERT_THAT(claim.devices, SizeIs(2));
  EXPECT_THAT(claim.devices[0].request_names, ElementsAre("a", "b"));
  EXPECT_THAT(claim.devices[1].request_names, ElementsAre("c"));
}

TEST(ClaimJson, KeepsTheSharesOfOneDeviceApart) {
  const auto claim = Decoded(ClaimText(ResultText("a", kVf0, R"(,"shareID":"1")") + "," +
                                       ResultText("a", kVf0, R"(,"shareID":"2")")));
  EXPECT_THAT(claim.devices, SizeIs(2));
}

TEST(ClaimJson, GrantsVfioFromAClass) {
  const auto claim = Decoded(
      ClaimText(ResultText("req", kVf0), ConfigText("FromClass", "[]", AccessText("vfio"))));
  EXPECT_EQ(claim.devices[0].access, hal::Access::kVfio);
}

TEST(ClaimJson, RefusesVfioFromAClaimAndPointsToTheClass) {
  EXPECT_THAT(
      Refusal(
          ClaimText(ResultText("req", kVf0), ConfigText("FromClaim", "[]", AccessText("vfio")))),
      AllOf(
          HasSubstr("denied: claim: status.allocation.devices.config[0].opaque.parameters.driver"),
          HasSubstr("DeviceClass")));
}

TEST(ClaimJson, LetsAClaimRepeatTheVfioThatItsClassHasGranted) {
  const auto claim = Decoded(
      ClaimText(ResultText("req", kVf0), ConfigText("FromClass", "[]", AccessText("vfio")) + "," +
                                             ConfigText("FromClaim", "[]", AccessText("vfio"))));
  EXPECT_EQ(claim.devices[0].access, hal::Access::kVfio);
}

TEST(ClaimJson, LetsAClaimOverruleItsClassWhereverTheyStandInTheList) {
  const std::string of_class = ConfigText("FromClass", "[]", AccessText("vfio"));
  const std::string of_claim = ConfigText("FromClaim", "[]", AccessText("kernel"));
  for (const std::string& configs : {of_class + "," + of_claim, of_claim + "," + of_class}) {
    EXPECT_EQ(Decoded(ClaimText(ResultText("req", kVf0), configs)).devices[0].access,
              hal::Access::kKernel);
  }
}

TEST(ClaimJson, AppliesConfigurationToTheRequestsItNames) {
  const std::string results = ResultText("a", kVf0) + "," + ResultText("b/x", kVf1);
  const auto access = [&](std::string_view requests) {
    const auto claim =
        Decoded(ClaimText(results, ConfigText("FromClass", requests, AccessText("vfio"))));
    return std::pair(claim.devices[0].access == hal::Access::kVfio,
                     claim.devices[1].access == hal::Access::kVfio);
  };
  EXPECT_EQ(access("[]"), std::pair(true, true));
  EXPECT_EQ(access("null"), std::pair(true, true));
  EXPECT_EQ(access(R"(["a"])"), std::pair(true, false));
  EXPECT_EQ(access(R"(["b"])"), std::pair(false, true));
  EXPECT_EQ(access(R"(["b/x"])"), std::pair(false, true));
  EXPECT_EQ(access(R"(["b/y"])"), std::pair(false, false));
  EXPECT_EQ(access(R"(["a","b/x"])"), std::pair(true, true));
}

TEST(ClaimJson, SkipsConfigurationOfOtherDrivers) {
  EXPECT_THAT(Decoded(ClaimText(ResultText("req", kVf0),
                                ConfigText("FromClaim", "[]", R"([1,2])", "gpu.example.com")))
                  .devices,
              SizeIs(1));
}

TEST(ClaimJson, NamesTheFieldOfABadConfiguration) {
  const auto refusal = [](std::string_view parameters) {
    return Refusal(ClaimText(ResultText("req", kVf0), ConfigText("FromClass", "[]", parameters)));
  };
  const std::string at = "claim: status.allocation.devices.config[0].opaque.parameters";
  EXPECT_THAT(refusal(R"({"apiVersion":"config.dra.pci/v1alpha1","kind":"Acess"})"),
              HasSubstr(at + ".kind: 'Acess' is unknown; allowed is AccessConfig"));
  EXPECT_THAT(refusal(R"({"apiVersion":"config.dra.pci/v2","kind":"AccessConfig"})"),
              HasSubstr(at + ".apiVersion: is 'config.dra.pci/v2'"));
  EXPECT_THAT(
      refusal(R"({"apiVersion":"config.dra.pci/v1alpha1","kind":"AccessConfig","drivr":"vfio"})"),
      HasSubstr(at + ".drivr: unknown field; allowed are apiVersion, kind, driver"));
  EXPECT_THAT(refusal(AccessText("uio")), HasSubstr(at + ".driver: 'uio' is unknown"));
  EXPECT_THAT(refusal(R"({"apiVersion":"config.dra.pci/v1alpha1","kind":"AccessConfig"})"),
              HasSubstr(at + ".driver: is missing"));
  EXPECT_THAT(refusal(R"("text")"), HasSubstr(at + ": must be an object, is a string"));
  EXPECT_THAT(refusal("null"), HasSubstr(at + ": is missing"));
}

TEST(ClaimJson, RefusesAnUnknownConfigurationSource) {
  EXPECT_THAT(Refusal(ClaimText(ResultText("req", kVf0),
                                ConfigText("FromFriend", "[]", AccessText("kernel")))),
              HasSubstr("config[0].source: is 'FromFriend'; allowed are FromClass, FromClaim"));
}

TEST(ClaimJson, RefusesOneDeviceWithTwoKindsOfAccess) {
  EXPECT_THAT(Refusal(ClaimText(ResultText("a", kVf0) + "," + ResultText("b", kVf0),
                                ConfigText("FromClass", R"(["a"])", AccessText("vfio")))),
              HasSubstr("is allocated twice"));
}

TEST(ClaimJson, NamesTheFieldOfAWrongType) {
  const std::string at = "invalid: claim: status.allocation.devices.results";
  EXPECT_THAT(Refusal(ClaimText("5")), HasSubstr(at + "[0]: must be an object, is a number"));
  EXPECT_THAT(Refusal(Replaced(ClaimText(ResultText("r", kVf0)), R"("node1")", "1")),
              HasSubstr(at + "[0].pool: must be a string, is a number"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", kVf0, R"(,"adminAccess":"yes")"))),
              HasSubstr(at + "[0].adminAccess: must be true or false, is a string"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", kVf0, R"(,"consumedCapacity":{"b":true})"))),
              HasSubstr(at + "[0].consumedCapacity['b']: must be a quantity"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", kVf0, R"(,"consumedCapacity":[])"))),
              HasSubstr(at + "[0].consumedCapacity: must be an object"));
}

TEST(ClaimJson, RefusesNamesThatCouldLeaveADirectoryOrBreakALine) {
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", "../../etc"))),
              HasSubstr("results[0].device: '../../etc'"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", R"(a\nb)"))),
              HasSubstr("results[0].device: 'a b'"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", kVf0, R"(,"shareID":"../x")"))),
              HasSubstr("results[0].shareID"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", kVf0), "", "../../uid")),
              HasSubstr("metadata.uid"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", ""))), HasSubstr("results[0].device: is missing"));
}

TEST(ClaimJson, RefusesAnotherKindOfObject) {
  EXPECT_THAT(Refusal(Replaced(ClaimText(ResultText("r", kVf0)), "resource.k8s.io/v1",
                               "resource.k8s.io/v1alpha3")),
              HasSubstr("is a resource.k8s.io/v1alpha3 ResourceClaim; must be"));
  EXPECT_THAT(Refusal("{}"), HasSubstr("must be a resource.k8s.io/v1 ResourceClaim"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("claim: must be an object, is an array"));
}

TEST(ClaimJson, RefusesMoreThanItIsWillingToHold) {
  std::string results = ResultText("r", kVf0);
  for (size_t i = 0; i < driver::kMaxDevicesPerClaim; ++i) results += "," + ResultText("r", kVf0);
  EXPECT_THAT(Refusal(ClaimText(results)), HasSubstr("has 33 entries, at most 32 are allowed"));
  EXPECT_THAT(Refusal(ClaimText(ResultText("r", std::string(64, 'd')))),
              HasSubstr("has 64 characters, at most 63"));
  EXPECT_THAT(Refusal(std::string((1 << 20) + 1, ' ')), HasSubstr("1048577 bytes long"));
  EXPECT_THAT(Refusal(std::string(100000, '[')),
              testing::AnyOf(HasSubstr("deep"), HasSubstr("no JSON")));
  EXPECT_THAT(Refusal(std::string(40, '[') + std::string(40, ']')),
              HasSubstr("nested more than 32 deep"));
}

TEST(ClaimJson, RefusesAKeyThatIsThereTwice) {
  EXPECT_THAT(Refusal(Replaced(ClaimText(ResultText("r", kVf0)), R"("status")",
                               R"("status":{"allocation":null},"status")")),
              HasSubstr("has the key 'status' twice"));
}

TEST(ClaimJson, SaysWhereTheJsonBreaks) {
  EXPECT_THAT(Refusal(R"({"apiVersion":)"), AllOf(HasSubstr("is no JSON: parse error at line 1"),
                                                  testing::Not(HasSubstr("exception"))));
  // The parser would quote the bytes; a reply must stay valid UTF-8.
  for (const char c : Refusal("{\"a\":\"\xff\xfe\"}")) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

}  // namespace
}  // namespace drapci::plugin
