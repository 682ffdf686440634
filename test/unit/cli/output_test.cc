#include "plugin/cli/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace drapci::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

v1::ListDevicesResponse Node() {
  v1::ListDevicesResponse answer;
  auto* nic = answer.add_accelerators();
  nic->set_name("pci-0000-02-00-0");
  nic->set_address("0000:02:00.0");
  nic->set_driver("igb");
  auto* vf = nic->add_devices();
  vf->set_name("pci-0000-02-00-0-vf0");
  vf->set_profile("vf");
  vf->set_held_by("11111111-2222");
  auto* disk = answer.add_accelerators();
  disk->set_name("pci-0000-03-00-0");
  disk->set_address("0000:03:00.0");
  disk->set_unusable("a mounted file system (/) is on it");
  return answer;
}

TEST(DevicesTable, HasALineForEachDeviceAndForACardThatOffersNone) {
  EXPECT_EQ(
      RenderDevices(Node(), Format::kTable),
      "NAME                   PROFILE   ADDRESS        DRIVER   STATE      HELD-BY         REASON\n"
      "pci-0000-02-00-0-vf0   vf        -              -        held       11111111-2222   -\n"
      "pci-0000-03-00-0       -         0000:03:00.0   -        unusable   -               a "
      "mounted file "
      "system (/) is on it\n");
}

TEST(DevicesTable, SaysSoWhenThereIsNothing) {
  EXPECT_EQ(RenderDevices({}, Format::kTable), "No devices found.\n");
  EXPECT_EQ(json::parse(RenderDevices({}, Format::kJson))["accelerators"], json::array());
}

TEST(DevicesTable, IsWiderOnDemand) {
  EXPECT_THAT(RenderDevices(Node(), Format::kWide), HasSubstr("IOMMU"));
}

TEST(DevicesTable, NamesTheClaimsThatShareADevice) {
  v1::ListDevicesResponse answer;
  auto* nic = answer.add_accelerators();
  nic->set_name("pci-0000-02-00-0");
  nic->set_address("0000:02:00.0");
  auto* pf = nic->add_devices();
  pf->set_name("pci-0000-02-00-0");
  pf->set_profile("function");
  (*pf->mutable_capacities())["bandwidth"] = "1G";
  EXPECT_THAT(RenderDevices(answer, Format::kTable), HasSubstr("free"));
  pf->add_shared_by("u-1");
  pf->add_shared_by("u-2");
  EXPECT_THAT(RenderDevices(answer, Format::kTable), HasSubstr("shared   u-1,u-2"));
  EXPECT_THAT(RenderDevice(answer, "pci-0000-02-00-0", Format::kTable),
              HasSubstr("Capacities:\n  bandwidth  1G\n"));
}

TEST(ClaimsTable, ShowsWhatAShareTakes) {
  v1::ListClaimsResponse answer;
  auto* claim = answer.add_claims();
  claim->set_name("mine");
  auto* share = claim->add_devices();
  share->set_device("pci-0000-02-00-0");
  (*share->mutable_share())["vfs"] = "1";
  (*share->mutable_share())["bandwidth"] = "200M";
  claim->add_devices()->set_device("pci-0000-03-00-0");
  EXPECT_THAT(RenderClaims(answer, Format::kTable),
              HasSubstr("pci-0000-02-00-0 bandwidth=200M vfs=1,pci-0000-03-00-0"));
  const json claims = json::parse(RenderClaims(answer, Format::kJson));
  EXPECT_EQ(claims["claims"][0]["devices"][0]["share"]["bandwidth"], "200M");
}

TEST(PlanText, MarksAStepWhoseRefusalIsNoFailure) {
  v1::PlanResponse answer;
  answer.add_steps()->set_advisory(true);
  EXPECT_THAT(RenderPlan(answer, Format::kTable), HasSubstr("(advisory)"));
}

TEST(PlanText, NumbersTheStepsAndShowsTheSpecification) {
  v1::PlanResponse answer;
  auto* step = answer.add_steps();
  step->set_setting("sriov.vfs");
  step->set_target("0000:02:00.0");
  step->set_before("0 autoprobe=1");
  step->set_want("8 autoprobe=1");
  step->set_shared(true);
  answer.set_cdi_spec(R"({"cdiVersion":"0.3.0"})");
  const std::string text = RenderPlan(answer, Format::kTable);
  EXPECT_THAT(
      text, HasSubstr("  1. sriov.vfs 0000:02:00.0: 0 autoprobe=1 -> 8 autoprobe=1   (shared)\n"));
  EXPECT_THAT(text, HasSubstr("\"cdiVersion\": \"0.3.0\""));
  EXPECT_EQ(json::parse(RenderPlan(answer, Format::kJson))["cdiSpec"]["cdiVersion"], "0.3.0");
}

TEST(PlanText, SaysThatNothingHasToBeDone) {
  EXPECT_THAT(RenderPlan({}, Format::kTable), HasSubstr("Steps: none"));
}

TEST(VerifyText, HasALineForEachDifference) {
  v1::VerifyResponse answer;
  auto* difference = answer.add_differences();
  difference->set_claim_uid("u-1");
  difference->set_subject("pci.driver 0000:02:00.0/vf0");
  difference->set_text("is igbvf, should be vfio-pci");
  answer.add_differences()->set_subject("stray.json");
  EXPECT_EQ(RenderVerify(answer, Format::kTable),
            "claim u-1: pci.driver 0000:02:00.0/vf0: is igbvf, should be vfio-pci\nstray.json: \n");
}

TEST(VerifyText, SaysWhatWasCheckedWhenAllIsWell) {
  v1::VerifyResponse answer;
  answer.set_claims_checked(1);
  EXPECT_EQ(RenderVerify(answer, Format::kTable),
            "1 claim checked: journal, hardware and CDI agree\n");
}

TEST(UnprepareText, TellsReleasedFromUnknown) {
  v1::UnprepareResponse answer;
  EXPECT_EQ(RenderUnprepared(answer, "x\n", Format::kTable), "nothing is held by x?\n");
  answer.set_uid("u-1");
  EXPECT_EQ(RenderUnprepared(answer, "x", Format::kTable), "claim u-1 released\n");
}

TEST(VersionText, ShowsItsOwnWithoutADaemon) {
  EXPECT_EQ(RenderVersion("0.1.0", std::nullopt, Format::kTable), "drapci 0.1.0\n");
  EXPECT_EQ(json::parse(RenderVersion("0.1.0", std::nullopt, Format::kJson))["daemon"], nullptr);
}

}  // namespace
}  // namespace drapci::cli
