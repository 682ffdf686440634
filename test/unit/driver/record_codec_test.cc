#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "driver/journal.h"

namespace drapci::driver {
namespace {

using nlohmann::json;
using testing::HasSubstr;

hal::NetworkRequest FullNetwork() {
  return {.vf = {.mac = "02:11:22:33:44:55",
                 .vlan = 0,
                 .qos = 7,
                 .service_vlan = false,
                 .min_rate = 0,
                 .max_rate = 200,
                 .spoof_check = false,
                 .trust = true,
                 .link_state = hal::VfSettings::LinkState::kDisable},
          .interface = "net1",
          .mtu = 9000,
          .addresses = {"10.0.0.2/24", "fd00::2/64"},
          .stay = true,
          .advisory_rate = true};
}

ClaimRecord FullRecord() {
  ClaimRecord record;
  record.request.uid = "6f2c1f60-1c1e-4e4e-9b1e-000000000001";
  record.request.namespace_name = "default";
  record.request.name = "claim";
  const DeviceRequest device{.request_names = {"nic", "nic/alt"},
                             .pool = "node",
                             .device = "pci-0000-02-00-0-vf3",
                             .share_id = "a671734a-e8e5-11e4-8fde-42010af09327",
                             .admin_access = true,
                             .access = hal::Access::kVfio,
                             .share = {{"bandwidth", 200'000'000}, {"memory", INT64_MAX}},
                             .network = FullNetwork(),
                             .image = hal::ImageRequest{.name = "nlb.gbs", .digest = "00ff"}};
  record.request.alias = "nic";
  record.request.devices = {
      device,
      {.request_names = {"gpu"}, .pool = "node", .device = "pci-0000-03-00-0", .share_id = {}}};
  record.state = ClaimState::kPrepared;
  record.holdings = {{.accelerator = "pci-0000-02-00-0",
                      .device = "pci-0000-02-00-0-vf3",
                      .part = "vf3",
                      .share_id = "a671734a-e8e5-11e4-8fde-42010af09327",
                      .consumes = {{"memory", INT64_MAX}, {"vfs", 1}}}};
  record.plan = {
      {"pci-0000-02-00-0", "sriov.vfs", "0000:02:00.0", "0 autoprobe=1", "8", true},
      {"pci-0000-02-00-0", "pci.driver", "0000:02:00.0/vf3", "none", "vfio-pci", false, true}};
  record.answer.devices = {{.request = device,
                            .accelerator = "pci-0000-02-00-0",
                            .part = "vf3",
                            .address = "0000:02:10.6",
                            .interfaces = {{.address = "0000:02:10.6",
                                            .host_name = "ens2v3",
                                            .mac = "02:11:22:33:44:55",
                                            .name = "net1",
                                            .mtu = 1500,
                                            .addresses = {"10.0.0.2/24"}},
                                           {.address = "0000:02:10.7", .host_name = "x"}},
                            .cdi_ids = {"dra.pci/claim=pci-0000-02-00-0-vf3-x"}}};
  record.cdi_spec = "{\n  \"cdiVersion\": \"0.3.0\"\n}\n";
  record.boot_id = "11111111-2222-3333-4444-555555555555";
  record.trouble = "one line";
  record.prepared_at = 1'795'000'000;
  record.standing = true;
  return record;
}

void ExpectEqual(const ClaimRecord& a, const ClaimRecord& b) {
  EXPECT_EQ(a.request, b.request);
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.holdings, b.holdings);
  EXPECT_EQ(a.plan, b.plan);
  EXPECT_EQ(a.answer, b.answer);
  EXPECT_EQ(a.cdi_spec, b.cdi_spec);
  EXPECT_EQ(a.boot_id, b.boot_id);
  EXPECT_EQ(a.trouble, b.trouble);
  EXPECT_EQ(a.prepared_at, b.prepared_at);
  EXPECT_EQ(a.standing, b.standing);
}

std::string Refusal(const std::string& text) {
  const Result<ClaimRecord> record = DecodeRecord(text);
  if (record) return "accepted";
  EXPECT_EQ(record.error().code, Code::kInvalid);
  EXPECT_EQ(record.error().what.find('\n'), std::string::npos);
  return record.error().what;
}

TEST(RecordCodec, EveryFieldComesBack) {
  for (const ClaimState state :
       {ClaimState::kPreparing, ClaimState::kPrepared, ClaimState::kUnpreparing}) {
    ClaimRecord record = FullRecord();
    record.state = state;
    const Result<ClaimRecord> back = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(back) << back.error().what;
    ExpectEqual(*back, record);
  }
}

TEST(RecordCodec, TheLeastRecordComesBack) {
  ClaimRecord record;
  record.request.uid = "a";
  const Result<ClaimRecord> back = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(back) << back.error().what;
  ExpectEqual(*back, record);
}

TEST(RecordCodec, EveryStateOfAnInterfaceComesBack) {
  using LinkState = hal::VfSettings::LinkState;
  ClaimRecord record = FullRecord();
  std::vector<hal::NetworkRequest> requests(5);
  requests[1].vf.link_state = LinkState::kAuto;
  requests[2].vf.link_state = LinkState::kEnable;
  requests[3].vf.service_vlan = true;
  requests[3].vf.spoof_check = true;
  requests[4].vf.trust = false;
  for (const hal::NetworkRequest& request : requests) {
    record.request.devices[0].network = request;
    const Result<ClaimRecord> back = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(back) << back.error().what;
    ExpectEqual(*back, record);
  }
}

// As version 0.1.0 wrote it: a node is updated while claims are held.
TEST(RecordCodec, ReadsARecordOfTheVersionBefore) {
  const Result<ClaimRecord> record = DecodeRecord(
      R"({"version":1,"uid":"u-1","namespace":"default","name":"nic","state":"prepared",)"
      R"("devices":[{"requests":["nic"],"pool":"node","device":"pci-0000-02-00-0-vf3","access":"kernel"}],)"
      R"("holdings":[{"accelerator":"pci-0000-02-00-0","device":"pci-0000-02-00-0-vf3","part":"vf3",)"
      R"("consumes":[{"counter":"vfs","amount":1}]}],)"
      R"("plan":[{"accelerator":"pci-0000-02-00-0","setting":"sriov.vfs","target":"0000:02:00.0",)"
      R"("before":"0 autoprobe=1","want":"8 autoprobe=1","shared":true}],)"
      R"("answer":[{"request":{"requests":["nic"],"pool":"node","device":"pci-0000-02-00-0-vf3",)"
      R"("access":"kernel"},"accelerator":"pci-0000-02-00-0","part":"vf3",)"
      R"("cdiIDs":["dra.pci/claim=pci-0000-02-00-0-vf3-u-1"]}],"cdiSpec":"{}","bootID":"b"})");
  ASSERT_TRUE(record) << record.error().what;
  ClaimRecord expected;
  expected.request = {
      .uid = "u-1",
      .namespace_name = "default",
      .name = "nic",
      .devices = {{.request_names = {"nic"}, .pool = "node", .device = "pci-0000-02-00-0-vf3"}}};
  expected.state = ClaimState::kPrepared;
  expected.holdings = {{.accelerator = "pci-0000-02-00-0",
                        .device = "pci-0000-02-00-0-vf3",
                        .part = "vf3",
                        .consumes = {{"vfs", 1}}}};
  expected.plan = {
      {"pci-0000-02-00-0", "sriov.vfs", "0000:02:00.0", "0 autoprobe=1", "8 autoprobe=1", true}};
  expected.answer.devices = {{.request = expected.request.devices[0],
                              .accelerator = "pci-0000-02-00-0",
                              .part = "vf3",
                              .cdi_ids = {"dra.pci/claim=pci-0000-02-00-0-vf3-u-1"}}};
  expected.cdi_spec = "{}";
  expected.boot_id = "b";
  ExpectEqual(*record, expected);
}

TEST(RecordCodec, ARecordThatUsesNothingNewReadsLikeOneOfTheVersionBefore) {
  ClaimRecord record = FullRecord();
  record.request.alias.clear();
  record.prepared_at = 0;
  record.holdings[0].share_id.clear();
  record.plan[1].advisory = false;
  record.request.devices.erase(record.request.devices.begin());
  record.answer.devices = {{.request = record.request.devices[0]}};
  const std::string text = EncodeRecord(record);
  for (const char* key : {"alias", "preparedAt", "shareID", "share\"", "network", "image",
                          "address", "interfaces", "advisory"}) {
    EXPECT_EQ(text.find(fmt::format("\"{}", key)), std::string::npos) << key << " in " << text;
  }
}

TEST(RecordCodec, BytesThatAreNoTextComeBackUnchanged) {
  ClaimRecord record = FullRecord();
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
  record.plan[0].before = every_byte;
  record.plan[0].want = std::string("a\0b", 3);
  record.request.name = "\xed\xa0\x80";
  record.trouble = "zwölf \xf0\x9f\x92\xa5";
  const Result<ClaimRecord> back = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(back) << back.error().what;
  ExpectEqual(*back, record);
}

TEST(RecordCodec, TheTextIsStable) {
  ClaimRecord record;
  record.request.uid = "a-1";
  record.request.name = "n";
  record.plan = {{"acc", "s", "t", "0", "1", false}};
  EXPECT_EQ(
      EncodeRecord(record),
      R"({"version":1,"uid":"a-1","namespace":"","name":"n","state":"preparing","devices":[],)"
      R"("holdings":[],"plan":[{"accelerator":"acc","setting":"s","target":"t","before":"0","want":"1"}]})");
}

TEST(RecordCodec, FieldsOfTheNextVersionAreSkipped) {
  json text = json::parse(EncodeRecord(FullRecord()));
  text["colour"] = {{"deep", {1, 2, {{"x", nullptr}}}}};
  text["plan"][0]["hint"] = 5;
  text["devices"][0]["qos"] = "gold";
  text["answer"][0]["request"]["more"] = true;
  const Result<ClaimRecord> back = DecodeRecord(text.dump());
  ASSERT_TRUE(back) << back.error().what;
  ExpectEqual(*back, FullRecord());
}

TEST(RecordCodec, AMissingMandatoryFieldIsNamed) {
  const json full = json::parse(EncodeRecord(FullRecord()));
  const json step = full["plan"][1], device = full["devices"][1], prepared = full["answer"][0];
  for (const char* key :
       {"version", "uid", "namespace", "name", "state", "devices", "holdings", "plan"}) {
    json text = full;
    text.erase(key);
    EXPECT_THAT(Refusal(text.dump()), HasSubstr(fmt::format("record.{} is missing", key)));
  }
  for (const char* key : {"accelerator", "setting", "target", "before", "want"}) {
    json text = full;
    text["plan"][1].erase(key);
    EXPECT_THAT(Refusal(text.dump()), HasSubstr(fmt::format("record.plan[1].{} is missing", key)));
  }
  for (const char* key : {"accelerator", "device", "part", "consumes"}) {
    json text = full;
    text["holdings"][0].erase(key);
    EXPECT_THAT(Refusal(text.dump()),
                HasSubstr(fmt::format("record.holdings[0].{} is missing", key)));
  }
  for (const char* key : {"requests", "pool", "device", "access"}) {
    json text = full;
    text["devices"][1].erase(key);
    EXPECT_THAT(Refusal(text.dump()),
                HasSubstr(fmt::format("record.devices[1].{} is missing", key)));
  }
  for (const char* key : {"request", "accelerator", "part", "cdiIDs"}) {
    json text = full;
    text["answer"][0].erase(key);
    EXPECT_THAT(Refusal(text.dump()),
                HasSubstr(fmt::format("record.answer[0].{} is missing", key)));
  }
}

TEST(RecordCodec, AWrongTypeIsNamed) {
  const json full = json::parse(EncodeRecord(FullRecord()));
  for (const auto& [key, value] : full.items()) {
    json text = full;
    text[key] = {{"wrong", 1}};
    EXPECT_THAT(Refusal(text.dump()), HasSubstr("record." + key)) << value;
  }
  json text = full;
  text["devices"][0] = 3;
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.devices[0] is no object"));
  text = full;
  text["devices"][0]["requests"][1] = 3;
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.devices[0].requests"));
}

TEST(RecordCodec, AnAmountThatNoCounterCanHoldIsRefused) {
  json text = json::parse(EncodeRecord(FullRecord()));
  for (const json& amount : {json(-1), json(1.5), json(UINT64_MAX), json("1")}) {
    text["holdings"][0]["consumes"][0]["amount"] = amount;
    EXPECT_THAT(Refusal(text.dump()), HasSubstr("consumes[0].amount is no amount")) << amount;
  }
  ClaimRecord record = FullRecord();
  record.holdings[0].consumes["vfs"] = -1;
  EXPECT_FALSE(CheckRecord(record));
}

TEST(RecordCodec, AWrongFieldOfAnInterfaceIsNamed) {
  const json full = json::parse(EncodeRecord(FullRecord()));
  const json device = full["devices"][0];
  for (const auto& [key, value] : device["network"].items()) {
    json text = full;
    text["devices"][0]["network"][key] = {{"wrong", 1}};
    EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.devices[0].network." + key)) << value;
  }
  const std::vector<std::tuple<std::string, json, std::string>> cases = {
      {"/devices/0/image", 5, "record.devices[0].image is no object"},
      {"/devices/0/image/name", 5, "record.devices[0].image.name"},
      {"/devices/0/image/sha256", 5, "record.devices[0].image.sha256"},
      {"/devices/0/network", 5, "record.devices[0].network is no object"},
      {"/devices/0/network/vlan", -1, "network.vlan is not 0 to 2147483647"},
      {"/devices/0/network/qos", int64_t{1} << 40, "network.qos is not 0 to"},
      {"/devices/0/network/linkState", "up", "network.linkState is 'up', which is unknown"},
      {"/devices/0/share", 5, "record.devices[0].share is no list"},
      {"/devices/0/share/1/amount", -1, "record.devices[0].share[1].amount is no amount"},
      {"/devices/0/share/1/capacity", 7, "record.devices[0].share[1].capacity is no text"},
      {"/answer/0/interfaces/1", 1, "record.answer[0].interfaces[1] is no object"},
      {"/answer/0/interfaces/0/addresses/0", 1, "record.answer[0].interfaces[0].addresses"},
      {"/answer/0/request/network/mtu", "x", "record.answer[0].request.network.mtu"},
      {"/holdings/0/shareID", 1, "record.holdings[0].shareID is no text"},
      {"/plan/1/advisory", 1, "record.plan[1].advisory is neither"},
  };
  for (const auto& [pointer, value, refusal] : cases) {
    json text = full;
    text[json::json_pointer(pointer)] = value;
    EXPECT_THAT(Refusal(text.dump()), HasSubstr(refusal));
  }
}

TEST(RecordCodec, UnknownWordsAreRefused) {
  json text = json::parse(EncodeRecord(FullRecord()));
  text["state"] = "resting";
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.state is 'resting'"));
  text = json::parse(EncodeRecord(FullRecord()));
  text["devices"][0]["access"] = "root";
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.devices[0].access is 'root'"));
  text = json::parse(EncodeRecord(FullRecord()));
  text["version"] = 2;
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.version is 2; this driver reads 1"));
}

TEST(RecordCodec, AUidThatCouldLeaveItsDirectoryIsRefused) {
  json text = json::parse(EncodeRecord(FullRecord()));
  for (const std::string& uid :
       {std::string("../../etc/passwd"), std::string(), std::string(65, 'a'),
        std::string("a\0b", 3), std::string("a.b")}) {
    text["uid"] = uid;
    EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.uid"));
  }
}

TEST(RecordCodec, HostileTextIsRefusedWithinBounds) {
  EXPECT_THAT(Refusal(""), HasSubstr("no JSON object"));
  EXPECT_THAT(Refusal("null"), HasSubstr("no JSON object"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("is no object"));
  EXPECT_THAT(Refusal(std::string(kMaxRecordBytes + 1, ' ')), HasSubstr("at most"));
  EXPECT_THAT(Refusal(std::string(1'000'000, '[')), HasSubstr("no JSON object"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  EXPECT_THAT(Refusal(deep), HasSubstr("no JSON object"));
  EXPECT_THAT(Refusal("{\"a\":" + std::string(50, '[') + std::string(50, ']') + "}"),
              HasSubstr("nested at most"));
  std::string many;
  while (many.size() < kMaxRecordBytes - 100) many += "{\"a\":1},";
  EXPECT_THAT(Refusal("[" + many + "1]"), HasSubstr("is no object"));
  EXPECT_THAT(Refusal(R"({"a":"\\\"[[[[[[[[[[[[[[[[[[[[","b":{}})"),
              HasSubstr("version is missing"));
  json text = json::parse(EncodeRecord(FullRecord()));
  text["plan"] = std::vector<int>(5000, 1);
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.plan is no list of at most 4096"));
  text = json::parse(EncodeRecord(FullRecord()));
  text["name"] = {{"hex", "0g"}};
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.name is no text"));
  text["version"] = 1e300;
  EXPECT_THAT(Refusal(text.dump()), HasSubstr("record.version is no amount"));
}

TEST(RecordCodec, CheckRecordRefusesWhatDecodeWouldRefuse) {
  ClaimRecord record = FullRecord();
  EXPECT_TRUE(CheckRecord(record));
  record.plan.resize(4097);
  EXPECT_FALSE(CheckRecord(record));
  EXPECT_FALSE(DecodeRecord(EncodeRecord(record)));
  record = FullRecord();
  record.answer.devices[0].cdi_ids.resize(4097);
  EXPECT_FALSE(CheckRecord(record));
  EXPECT_FALSE(DecodeRecord(EncodeRecord(record)));
  const std::vector<void (*)(ClaimRecord&)> faults = {
      [](ClaimRecord& r) { r.request.devices[0].share["bandwidth"] = -1; },
      [](ClaimRecord& r) { r.request.devices[0].request_names.resize(4097); },
      [](ClaimRecord& r) { r.request.devices[0].network->vf.max_rate = -1; },
      [](ClaimRecord& r) { r.request.devices[0].network->addresses.resize(4097); },
      [](ClaimRecord& r) { r.answer.devices[0].request.network->mtu = -1; },
      [](ClaimRecord& r) { r.answer.devices[0].interfaces.resize(4097); },
      [](ClaimRecord& r) { r.answer.devices[0].interfaces[0].mtu = -1; },
  };
  for (size_t i = 0; i < faults.size(); ++i) {
    record = FullRecord();
    faults[i](record);
    EXPECT_FALSE(CheckRecord(record)) << i;
    EXPECT_FALSE(DecodeRecord(EncodeRecord(record))) << i;
  }
}

TEST(RecordCodec, EveryTruncationIsRefused) {
  const std::string text = EncodeRecord(FullRecord());
  for (size_t length = 0; length < text.size(); ++length) {
    ASSERT_FALSE(DecodeRecord(std::string_view(text).substr(0, length))) << length;
  }
}

TEST(RecordCodec, EveryChangedByteIsAnswered) {
  const std::string text = EncodeRecord(FullRecord());
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char byte : {'\0', '"', '{', '\xff'}) {
      std::string changed = text;
      changed[at] = byte;
      const Result<ClaimRecord> record = DecodeRecord(changed);
      if (record) {
        EXPECT_TRUE(DecodeRecord(EncodeRecord(*record))) << at;
      }
    }
  }
}

TEST(Step, PrintsAsOneLineForPeople) {
  const Step step{.accelerator = "pci-0000-02-00-0",
                  .setting = "pci.driver",
                  .target = "0000:02:00.0/vf3",
                  .before = "none",
                  .want = "vfio-pci override=vfio-pci"};
  EXPECT_EQ(step.ToString(), "pci.driver 0000:02:00.0/vf3: none -> vfio-pci override=vfio-pci");
}

}  // namespace
}  // namespace drapci::driver
