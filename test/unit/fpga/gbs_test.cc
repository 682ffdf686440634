#include "hal/fpga/gbs.h"

#include <gmock/gmock.h>

#include "test/sim/drivers/dfl.h"

namespace drapci::hal {
namespace {

using testing::HasSubstr;

constexpr std::string_view kInterface = "69528db6eb31577a8c3668f9faa081f6";
constexpr std::string_view kAfu = "d8424dc4a4a3c413f89e433683f9040b";

Result<GbsHeader> Parse(std::string_view file) {
  return ParseGbs(std::as_bytes(std::span(file)).first(std::min(file.size(), kMaxGbsHeader)),
                  file.size());
}

// A file with this metadata and four bytes behind it.
std::string With(std::string_view metadata) {
  std::string file("XeonFPGA\xb7GBSv001");
  for (unsigned shift = 0; shift < 32; shift += 8) {
    file.push_back(static_cast<char>(metadata.size() >> shift & 0xff));
  }
  return file.append(metadata) + "data";
}

std::string Refusal(std::string_view metadata) {
  const auto header = Parse(With(metadata));
  EXPECT_TRUE(header || header.error().code == Code::kInvalid);
  return header ? "accepted" : header.error().what;
}

TEST(Gbs, TellsWhatItMakesAndWhereItFits) {
  const std::string file = sim::DflImage(kInterface, kAfu, 1000);
  const GbsHeader header = Parse(file).value();
  EXPECT_EQ(header.interface_uuid, kInterface);
  EXPECT_EQ(header.afu_uuid, kAfu);
  EXPECT_EQ(header.payload_size, 1000u);
  EXPECT_EQ(header.payload_offset, file.size() - 1000);
}

TEST(Gbs, EveryCutOfAFileIsRefused) {
  const std::string file = sim::DflImage(kInterface, kAfu, 80);
  for (size_t size = 0; size <= file.size() - 80; ++size) {
    EXPECT_FALSE(Parse(std::string_view(file).substr(0, size))) << size;
  }
}

TEST(Gbs, LongMetadataIsRefusedBeforeItIsRead) {
  EXPECT_THAT(Refusal(std::string(kMaxGbsMetadata + 1, ' ')), HasSubstr("8191 are allowed"));
}

TEST(Gbs, AnotherMagicIsRefused) {
  std::string file = sim::DflImage(kInterface, kAfu);
  file[3] = 'm';
  EXPECT_THAT(Parse(file).error().what, HasSubstr("does not begin with"));
}

TEST(Gbs, EveryFieldIsNeeded) {
  EXPECT_THAT(Refusal("{"), HasSubstr("no JSON"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("afu-image is no object"));
  EXPECT_THAT(Refusal(R"({"afu-image":3})"), HasSubstr("afu-image is no object"));
  EXPECT_THAT(Refusal(R"({"afu-image":{"magic-no":1}})"), HasSubstr("magic-no"));
  const std::string image = R"({"afu-image":{"magic-no":488605312,)";
  EXPECT_THAT(Refusal(image + R"("a":1}})"), HasSubstr("exactly one"));
  EXPECT_THAT(Refusal(image + R"("accelerator-clusters":[{},{}]}})"), HasSubstr("exactly one"));
  EXPECT_THAT(Refusal(image + R"("accelerator-clusters":[{}]}})"),
              HasSubstr("afu-image.interface-uuid is no text or missing"));
  EXPECT_THAT(Refusal(image + R"("accelerator-clusters":[{}],"interface-uuid":"x"}})"),
              HasSubstr("afu-image.interface-uuid is no UUID"));
  const std::string fits =
      image + R"("interface-uuid":"69528DB6-eb31-577a-8c36-68f9faa081f6","accelerator-clusters":)";
  EXPECT_THAT(Refusal(fits + "[3]}}"), HasSubstr("clusters[0].accelerator-type-uuid"));
  EXPECT_THAT(Refusal(fits + R"([{"accelerator-type-uuid":"d8424dc4a4a3c413f89e433683f9040b"}]}})"),
              "accepted");
}

TEST(Gbs, AUuidHasTwoSpellings) {
  EXPECT_EQ(ParseUuid("D8424DC4-a4a3-c413-f89e-433683f9040b"), kAfu);
  EXPECT_EQ(ParseUuid(kAfu), kAfu);
  EXPECT_EQ(DashedUuid(kAfu), "d8424dc4-a4a3-c413-f89e-433683f9040b");
  for (const char* wrong :
       {"", "d8424dc4", "d8424dc4a4a3-c413-f89e-433683f9040b-", "g8424dc4a4a3c413f89e433683f9040b",
        "d8424dc4-a4a3-c413-f89e-433683f9040"}) {
    EXPECT_FALSE(ParseUuid(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace drapci::hal
