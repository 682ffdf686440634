#include "plugin/claims/metadata.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "plugin/text.h"
#include "test/unit/claims/claims.h"
#include "test/unit/plugin/fake_manager.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin::claims {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Contract 10.5.
class MetadataTest : public testing::Test {
 protected:
  std::string FileOf(const std::string& request = "req") const {
    return fmt::format("{}/metadata/{}/{}/metadata.json", dir_.path(), kUid, request);
  }
  std::string SpecOf(const std::string& request = "req") const {
    return fmt::format("{}/cdi/dra.pci_metadata_{}_{}.json", dir_.path(), kUid, request);
  }
  static std::string Read(const std::string& path) { return ReadFile(path, 1 << 20).value_or(""); }
  // The objects of a file.
  static std::vector<json> Objects(const std::string& text) {
    std::vector<json> objects;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) objects.push_back(json::parse(line));
    return objects;
  }
  json Newest(const std::string& request = "req") const {
    const auto objects = Objects(Read(FileOf(request)));
    return objects.empty() ? json() : objects[0];
  }
  Result<std::vector<MetadataFiles::RequestId>> Write(const driver::ClaimRecord& record,
                                                      const MetadataClaim& claim = {}) {
    return files_.Write(record, claim, *snapshot_);
  }
  size_t Files() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path())) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  TestDir dir_;
  FakeManager manager_;
  std::shared_ptr<const driver::Snapshot> snapshot_ = manager_.CurrentSnapshot();
  MetadataFiles files_{dir_.path() + "/metadata", dir_.path() + "/cdi", "dra.pci"};
};

TEST_F(MetadataTest, WritesEveryVersionNewestFirst) {
  ASSERT_TRUE(Write(Record()).has_value());
  const auto objects = Objects(Read(FileOf()));
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_EQ(objects[0]["apiVersion"], "metadata.resource.k8s.io/v1beta1");
  EXPECT_EQ(objects[1]["apiVersion"], "metadata.resource.k8s.io/v1alpha1");
  EXPECT_EQ(objects[0]["requests"], objects[1]["requests"]);
}

TEST_F(MetadataTest, DescribesTheDeviceAsTheSlicesDo) {  // with metadata
  ASSERT_TRUE(Write(Record()).has_value());
  const json object = Newest();
  EXPECT_EQ(object["kind"], "DeviceMetadata");
  EXPECT_EQ(
      object["metadata"],
      (json{{"name", "my-claim"}, {"namespace", "default"}, {"uid", kUid}, {"generation", 1}}));
  EXPECT_FALSE(object.contains("podClaimName"));
  ASSERT_THAT(object["requests"], SizeIs(1));
  EXPECT_EQ(object["requests"][0]["name"], "req");
  const json device = object["requests"][0]["devices"][0];
  EXPECT_EQ(device["driver"], "dra.pci");
  EXPECT_EQ(device["pool"], "node1-pci-0000-02-00-0");
  EXPECT_EQ(device["name"], "pci-0000-02-00-0-vf0");
  EXPECT_FALSE(device["attributes"].empty());
  EXPECT_LE(device["attributes"].size(), 32u);
  for (const auto& [name, attribute] : device["attributes"].items()) {
    EXPECT_EQ(attribute.size(), 1u) << name;
  }
}

TEST_F(MetadataTest, MountsTheFileWhereAClaimOfItsOwnIsLookedFor) {
  const auto ids = Write(Record());
  ASSERT_TRUE(ids.has_value()) << ids.error().what;
  ASSERT_THAT(*ids, SizeIs(1));
  EXPECT_EQ((*ids)[0].request, "req");
  EXPECT_EQ((*ids)[0].cdi_id, fmt::format("dra.pci/metadata={}_req", kUid));
  const std::string path =
      "/var/run/kubernetes.io/dra-device-attributes/resourceclaims/my-claim/req/"
      "dra.pci-metadata.json";
  json mount;
  mount["hostPath"] = FileOf();
  mount["containerPath"] = path;
  mount["options"] = {"ro", "bind"};
  json device;
  device["name"] = fmt::format("{}_req", kUid);
  device["containerEdits"]["mounts"].push_back(mount);
  json spec;
  spec["cdiVersion"] = "0.5.0";
  spec["kind"] = "dra.pci/metadata";
  spec["devices"].push_back(device);
  EXPECT_EQ(json::parse(Read(SpecOf())), spec);
}

TEST_F(MetadataTest, MountsTheFileWhereAPodsOwnClaimIsLookedFor) {  // pod-claim-name annotation
  driver::ClaimRecord record = Record();
  record.request.alias = "gpu";
  ASSERT_TRUE(Write(record).has_value());
  EXPECT_EQ(Newest()["podClaimName"], "gpu");
  EXPECT_THAT(Read(SpecOf()),
              HasSubstr("/dra-device-attributes/resourceclaimtemplates/gpu/req/dra.pci-metadata"));
}

TEST_F(MetadataTest, TakesThePodsNameAndTheSubrequestFromTheClaim) {  // subrequest
  json claim = Claim();
  claim["metadata"]["annotations"]["resource.kubernetes.io/pod-claim-name"] = "gpu";
  claim["status"]["allocation"]["devices"]["results"][0]["request"] = "req/big";
  const auto told = MetadataClaimOf(claim.dump(), "dra.pci");
  ASSERT_TRUE(told.has_value()) << told.error().what;
  const auto ids = Write(Record(), *told);
  ASSERT_TRUE(ids.has_value());
  EXPECT_EQ((*ids)[0].request, "req");
  EXPECT_EQ(Newest()["podClaimName"], "gpu");
  EXPECT_EQ(Newest()["requests"][0]["name"], "req/big");
}

TEST_F(MetadataTest, WritesOneFileForEachRequest) {  // several requests
  driver::ClaimRequest request = Request();
  request.devices.push_back(request.devices[0]);
  request.devices.push_back(request.devices[0]);
  request.devices[1].device = "pci-0000-02-00-0-vf1";
  request.devices[2].device = "pci-0000-02-00-0-vf2";
  request.devices[2].request_names = {"other", "req"};
  const auto ids = Write(Record(request));
  ASSERT_TRUE(ids.has_value());
  ASSERT_THAT(*ids, SizeIs(2));
  EXPECT_THAT(Newest("req")["requests"][0]["devices"], SizeIs(3));
  EXPECT_THAT(Newest("other")["requests"][0]["devices"], SizeIs(1));
  EXPECT_EQ(Files(), 4u);
}

TEST_F(MetadataTest, TellsWhatTheInterfaceGot) {  // network data
  driver::ClaimRecord record = Record();
  record.answer.devices[0].interfaces = {{.address = "0000:02:10.0",
                                          .host_name = "enp2s16",
                                          .mac = "02:11:22:33:44:55",
                                          .name = "net1",
                                          .mtu = {},
                                          .addresses = {"10.0.0.2/24"}}};
  ASSERT_TRUE(Write(record).has_value());
  EXPECT_EQ(Newest()["requests"][0]["devices"][0]["networkData"],
            json::parse(R"({"interfaceName": "net1", "ips": ["10.0.0.2/24"],
                            "hardwareAddress": "02:11:22:33:44:55"})"));
}

// Deferred metadata; an update increments the generation.
TEST_F(MetadataTest, ChangesAFileInPlaceAndCountsItsGenerationUp) {
  driver::ClaimRecord record = Record();
  record.answer.devices[0].interfaces = {{.address = "",
                                          .host_name = "",
                                          .mac = "",
                                          .name = "net1",
                                          .mtu = {},
                                          .addresses = {"10.0.0.2/24", "10.0.0.3/24"}}};
  ASSERT_TRUE(Write(record).has_value());
  struct stat before = {}, after = {};
  ASSERT_EQ(::stat(FileOf().c_str(), &before), 0);
  record.answer.devices[0].interfaces[0].addresses.clear();  // shorter than before
  ASSERT_TRUE(Write(record).has_value());
  ASSERT_EQ(::stat(FileOf().c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(Newest()["metadata"]["generation"], 2);
  EXPECT_THAT(Objects(Read(FileOf())), SizeIs(2));
}

TEST_F(MetadataTest, WritesNothingWhenNothingHasChanged) {
  ASSERT_TRUE(Write(Record()).has_value());
  const auto when = std::filesystem::last_write_time(FileOf());
  ASSERT_TRUE(Write(Record()).has_value());
  EXPECT_EQ(Newest()["metadata"]["generation"], 1);
  EXPECT_EQ(std::filesystem::last_write_time(FileOf()), when);
}

TEST_F(MetadataTest, MakesTheMountAgainWhenTheCdiDirectoryWasEmptied) {
  ASSERT_TRUE(Write(Record()).has_value());
  std::filesystem::remove_all(dir_.path() + "/cdi");
  ASSERT_TRUE(Write(Record()).has_value());
  EXPECT_THAT(Read(SpecOf()), HasSubstr("dra.pci/metadata"));
}

TEST_F(MetadataTest, WritesOverAFileThatSomebodyHasBroken) {
  ASSERT_TRUE(Write(Record()).has_value());
  std::ofstream(FileOf()) << "{\"metadata\":7}";
  ASSERT_TRUE(Write(Record()).has_value());
  EXPECT_EQ(Newest()["metadata"]["generation"], 1);
}

TEST_F(MetadataTest, RemovesItsFilesAndNobodyElses) {  // clean-up
  ASSERT_TRUE(Write(Record()).has_value());
  driver::ClaimRecord other = Record(Request(kOtherUid));
  ASSERT_TRUE(Write(other).has_value());
  dir_.Write("cdi/dra.pci-claim-" + std::string(kUid) + ".json", "{}");
  ASSERT_TRUE(files_.Remove(kUid).has_value());
  EXPECT_EQ(Files(), 3u);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/metadata/" + kUid));
  EXPECT_TRUE(files_.Remove(kUid).has_value());  // idempotent
  EXPECT_EQ(Files(), 3u);
}

TEST_F(MetadataTest, HasNothingToRemoveOfAnUnknownClaim) {
  EXPECT_TRUE(files_.Remove(kUid).has_value());
  std::filesystem::remove_all(dir_.path() + "/cdi");
  EXPECT_TRUE(files_.Remove(kUid).has_value());
  EXPECT_EQ(files_.Remove("../x").error().code, Code::kInvalid);
}

TEST_F(MetadataTest, RefusesAClaimThatIsNotPreparedAndARequestThatIsUnknown) {
  driver::ClaimRecord unprepared = Record();
  unprepared.answer.devices.clear();
  EXPECT_EQ(Write(unprepared).error().code, Code::kNotFound);
  EXPECT_EQ(MetadataText("dra.pci", Record(), "none", {}, *snapshot_, 1).error().code,
            Code::kNotFound);
}

TEST_F(MetadataTest, RefusesNamesThatWouldLeaveTheirDirectory) {
  for (const char* name : {"..", ".", "a/b", "", "-a", "A"}) {
    driver::ClaimRecord record = Record();
    record.answer.devices[0].request.request_names = {name};
    EXPECT_EQ(Write(record).error().code, Code::kInvalid) << name;
  }
  driver::ClaimRecord record = Record();
  record.request.alias = "..";
  EXPECT_EQ(Write(record).error().code, Code::kInvalid);
  record = Record(Request("a/b"));
  EXPECT_EQ(Write(record).error().code, Code::kInvalid);
}

TEST_F(MetadataTest, DescribesADeviceThatIsGoneByItsNames) {
  driver::ClaimRecord record = Record();
  record.answer.devices[0].request.device = "pci-0000-09-00-0";
  ASSERT_TRUE(Write(record).has_value());
  EXPECT_FALSE(Newest()["requests"][0]["devices"][0].contains("attributes"));
}

TEST_F(MetadataTest, SaysWhichFileCannotBeWritten) {
  dir_.Write("metadata", "a file where the directory should be");
  const auto written = Write(Record());
  ASSERT_FALSE(written.has_value());
  EXPECT_THAT(written.error().what, HasSubstr(dir_.path() + "/metadata"));
}

}  // namespace
}  // namespace drapci::plugin::claims
