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

constexpr std::string_view kPf = "pci-0000-02-00-0";
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
  // It takes nothing of the device.
  EXPECT_THAT(claim.devices[0].share, SizeIs(0));
}

TEST(ClaimJson, TakesConsumedCapacityAsTheShare) {
  const auto claim = Decoded(ClaimText(ResultText(
      "req", kPf,
      R"(,"shareID":"a671734a-e8e5-11e4-8fde-42010af09327",)"
      R"("consumedCapacity":{"bandwidth":"200M","dra.pci/vfs":1,"other.io/x":"1500m"})")));
  EXPECT_EQ(claim.devices[0].share_id, "a671734a-e8e5-11e4-8fde-42010af09327");
  EXPECT_THAT(claim.devices[0].share,
              ElementsAre(testing::Pair("bandwidth", 200'000'000), testing::Pair("other.io/x", 2),
                          testing::Pair("vfs", 1)));
}

TEST(ClaimJson, ChecksConsumedCapacityWithoutAShareAndLeavesItOut) {
  EXPECT_THAT(Decoded(ClaimText(ResultText("r", kPf, R"(,"consumedCapacity":{"bandwidth":"1G"})")))
                  .devices[0]
                  .share,
              SizeIs(0));
  EXPECT_THAT(
      Refusal(ClaimText(ResultText("r", kPf, R"(,"consumedCapacity":{"bandwidth":"fast"})"))),
      HasSubstr("consumedCapacity['bandwidth']: 'fast' is no quantity"));
}

TEST(ClaimJson, NamesTheCapacityThatIsWrong) {
  const auto refusal = [](std::string_view capacity) {
    return Refusal(ClaimText(ResultText(
        "r", kPf, fmt::format(R"(,"shareID":"s","consumedCapacity":{{{}}})", capacity))));
  };
  EXPECT_THAT(refusal(R"("bandwidth":"-1")"),
              HasSubstr("consumedCapacity['bandwidth']: is -1; nothing is less than 0"));
  EXPECT_THAT(refusal(R"("bandwidth":"10E")"), HasSubstr("'10E' is no quantity"));
  EXPECT_THAT(refusal(R"("bandwidth":1e300)"), HasSubstr("is no quantity"));
  EXPECT_THAT(refusal(R"("bandwidth":1,"dra.pci/bandwidth":1)"),
              HasSubstr("consumedCapacity: has bandwidth twice, with dra.pci/ and without"));
  for (const auto* name : {"", "/x", "a/", "1st", "a b", "../x", "A.B/x", "a/b/c",
                           "a23456789012345678901234567890123"}) {
    EXPECT_THAT(refusal(fmt::format(R"("{}":1)", name)), HasSubstr("is no name of a capacity"))
        << name;
  }
}

// Contract 10.2 case 15.
TEST(ClaimJson, AnswersAnExtendedResourceUnderItsRequest) {
  const auto claim = Decoded(ClaimText(ResultText("container-0-request-0", kVf0) + "," +
                                       ResultText("container-1-request-0", kVf1)));
  ASSERT_THAT(claim.devices, SizeIs(2));
  EXPECT_THAT(claim.devices[0].request_names, ElementsAre("container-0-request-0"));
  EXPECT_THAT(claim.devices[1].request_names, ElementsAre("container-1-request-0"));
}

TEST(ClaimJson, PassesOverFieldsThatConcernOthers) {
  const auto claim = Decoded(ClaimText(
      ResultText("req", kVf0,
                 R"(,"skipNodeOperations":["*"],"tolerations":[{"operator":"Exists"}],)"
                 R"("bindingConditions":["dra.pci/prepared"],"bindingFailureConditions":["x"])")));
  EXPECT_EQ(claim.devices[0], Decoded(ClaimText(ResultText("req", kVf0))).devices[0]);
}

// Contract 10.5 case 7.
TEST(ClaimJson, KnowsWhatThePodCallsAClaimMadeFromATemplate) {
  const auto annotated = [](std::string_view name) {
    return Replaced(ClaimText(ResultText("r", kVf0)), R"("generation")",
                    fmt::format(R"("annotations":{{"resource.kubernetes.io/pod-claim-name":"{}"}},)"
                                R"("generation")",
                                name));
  };
  EXPECT_EQ(Decoded(annotated("nic")).alias, "nic");
  EXPECT_EQ(Decoded(ClaimText(ResultText("r", kVf0))).alias, "");
  for (const auto* name : {"..", "a/b", "A"}) {
    EXPECT_THAT(Refusal(annotated(name)),
                HasSubstr("metadata.annotations.resource.kubernetes.io/pod-claim-name"));
  }
}

// The claim with this node selector, read on node `node`.
std::string OnNode(std::string_view selector, std::string_view node) {
  const std::string claim = Replaced(ClaimText(ResultText("r", kVf0)), R"("nodeSelector":null)",
                                     fmt::format(R"("nodeSelector":{})", selector));
  const auto request = DecodeClaim(claim, "dra.pci", node);
  if (request) return "accepted";
  return fmt::format("{}: {}", CodeName(request.error().code), request.error().what);
}

std::string Term(std::string_view names, std::string_view op = "In") {
  return fmt::format(
      R"({{"matchFields":[{{"key":"metadata.name","operator":"{}","values":[{}]}}]}})", op, names);
}

TEST(ClaimJson, RefusesAClaimThatIsAllocatedForAnotherNode) {
  const std::string other = fmt::format(R"({{"nodeSelectorTerms":[{}]}})", Term(R"("node2")"));
  EXPECT_EQ(
      OnNode(other, "node1"),
      "conflict: claim: status.allocation.nodeSelector: the claim is allocated for node node2; "
      "this is node node1");
  EXPECT_EQ(OnNode(other, "node2"), "accepted");
  EXPECT_EQ(OnNode(other, ""), "accepted");
  EXPECT_THAT(
      OnNode(fmt::format(R"({{"nodeSelectorTerms":[{},{}]}})", Term(R"("a")"), Term(R"("b")")),
             "node1"),
      HasSubstr("conflict: "));
}

TEST(ClaimJson, AcceptsANodeSelectorThatMayFit) {
  const std::string labels =
      R"({"matchExpressions":[{"key":"zone","operator":"In","values":["z"]}]})";
  for (const std::string& terms :
       {std::string(), labels, Term(R"("x","node1")"), Term(R"("x")") + "," + labels,
        Term(R"("x")") + "," + Term(R"("node1")"), Term(R"("node1")", "NotIn"), Term("")}) {
    EXPECT_EQ(OnNode(fmt::format(R"({{"nodeSelectorTerms":[{}]}})", terms), "node1"), "accepted")
        << terms;
  }
  EXPECT_EQ(OnNode("{}", "node1"), "accepted");
  EXPECT_THAT(OnNode("[]", "node1"), HasSubstr("invalid: claim: status.allocation.nodeSelector"));
  EXPECT_THAT(OnNode(R"({"nodeSelectorTerms":[7]})", "node1"),
              HasSubstr("nodeSelectorTerms[0]: must be an object"));
  EXPECT_THAT(OnNode(fmt::format(R"({{"nodeSelectorTerms":[{}]}})", Term("1")), "node1"),
              HasSubstr("matchFields[0].values[0]: must be a string"));
}

TEST(ClaimJson, ConfiguresTheInterfaceOfTheRequestsThatAreNamed) {
  const std::string network =
      R"({"apiVersion":"config.dra.pci/v1alpha1","kind":"NetworkConfig","interface":"net1"})";
  const auto claim = Decoded(ClaimText(ResultText("a", kVf0) + "," + ResultText("b", kVf1),
                                       ConfigText("FromClaim", R"(["a"])", network)));
  EXPECT_EQ(claim.devices[0].network->interface, "net1");
  EXPECT_FALSE(claim.devices[1].network);
  EXPECT_THAT(Refusal(ClaimText(ResultText("a", kVf0) + "," + ResultText("b", kVf1),
                                ConfigText("FromClaim", "[]", network))),
              HasSubstr("invalid: claim: status.allocation.devices.config: two devices ask for the "
                        "interface name net1"));
  EXPECT_THAT(
      Refusal(
          ClaimText(ResultText("a", kVf0), ConfigText("FromClaim", "[]",
                                                      R"({"apiVersion":"config.dra.pci/v1alpha1",)"
                                                      R"("kind":"NetworkConfig","trust":true})"))),
      HasSubstr("denied: claim: status.allocation.devices.config[0].opaque.parameters.trust: "));
}

TEST(ClaimJson, RefusesOneShareWithTwoAmounts) {
  EXPECT_THAT(
      Refusal(ClaimText(
          ResultText("a", kPf, R"(,"shareID":"1","consumedCapacity":{"bandwidth":1})") + "," +
          ResultText("b", kPf, R"(,"shareID":"1","consumedCapacity":{"bandwidth":2})"))),
      HasSubstr("is allocated twice, with different shares"));
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

// Contract 10.2 case 10.
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
  EXPECT_THAT(
      refusal(R"({"apiVersion":"config.dra.pci/v1alpha1","kind":"Acess"})"),
      HasSubstr(at +
                ".kind: 'Acess' is unknown; allowed are AccessConfig, NetworkConfig, FpgaConfig"));
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
