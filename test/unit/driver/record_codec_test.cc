#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "driver/journal.h"

namespace drapci::driver {
namespace {

using nlohmann::json;
using testing::HasSubstr;

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
                             .access = hal::Access::kVfio};
  record.request.devices = {
      device,
      {.request_names = {"gpu"}, .pool = "node", .device = "pci-0000-03-00-0", .share_id = {}}};
  record.state = ClaimState::kPrepared;
  record.holdings = {{.accelerator = "pci-0000-02-00-0",
                      .device = "pci-0000-02-00-0-vf3",
                      .part = "vf3",
                      .consumes = {{"memory", INT64_MAX}, {"vfs", 1}}}};
  record.plan = {{"pci-0000-02-00-0", "sriov.vfs", "0000:02:00.0", "0 autoprobe=1", "8", true},
                 {"pci-0000-02-00-0", "pci.driver", "0000:02:00.0/vf3", "none", "vfio-pci", false}};
  record.answer.devices = {{.request = device,
                            .accelerator = "pci-0000-02-00-0",
                            .part = "vf3",
                            .cdi_ids = {"dra.pci/claim=pci-0000-02-00-0-vf3-x"}}};
  record.cdi_spec = "{\n  \"cdiVersion\": \"0.3.0\"\n}\n";
  record.boot_id = "11111111-2222-3333-4444-555555555555";
  record.trouble = "one line";
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
