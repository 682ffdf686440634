#include "plugin/cli/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "plugin/cli/yaml.h"
#include "plugin/proto/control.pb.h"

namespace drapci::cli {
namespace {

v1::Accelerator Card() {
  v1::Accelerator card;
  card.set_name("pci-0000-02-00-0");
  card.set_class_code("020000");
  auto* counter = card.add_counters();
  counter->set_name("vfs");
  counter->set_total(1LL << 60);
  auto* device = card.add_devices();
  (*device->mutable_consumes())["z"] = 1;
  (*device->mutable_consumes())["a"] = 2;
  auto* attribute = device->add_attributes();
  attribute->set_name("vendor");
  attribute->set_string_value("8086");
  attribute = device->add_attributes();
  attribute->set_name("vfioOnly");
  attribute->set_bool_value(false);
  return card;
}

TEST(Json, KeepsTheOrderOfTheProtoFileAndEveryField) {
  const auto json = ToJson(Card());
  EXPECT_EQ(json.begin().key(), "name");
  EXPECT_EQ(json["numaNode"], 0);
  EXPECT_EQ(json["gone"], false);
  EXPECT_EQ(json["foreign"], "");
}

TEST(Json, WritesInt64AsANumber) {
  EXPECT_EQ(ToJson(Card())["counters"][0]["total"].dump(), "1152921504606846976");
}

TEST(Json, WritesMapsSortedAndAttributesAsOneObject) {
  const auto device = ToJson(Card())["devices"][0];
  EXPECT_EQ(device["consumes"].dump(), R"({"a":2,"z":1})");
  EXPECT_EQ(device["attributes"].dump(), R"({"vendor":"8086","vfioOnly":false})");
}

TEST(Yaml, QuotesTextsThatAnotherReaderWouldTakeForSomethingElse) {
  EXPECT_EQ(
      JsonToYaml(
          R"({"a":"020000","b":"no","c":"1e3","d":"igb","e":"","f":"a: b","g":null,"h":7,"i":"~","j":"0x10"})"),
      "a: \"020000\"\n"
      "b: \"no\"\n"
      "c: \"1e3\"\n"
      "d: igb\n"
      "e: \"\"\n"
      "f: \"a: b\"\n"
      "g: null\n"
      "h: 7\n"
      "i: \"~\"\n"
      "j: \"0x10\"\n");
}

TEST(Yaml, NestsListsAndObjects) {
  EXPECT_EQ(
      JsonToYaml(
          R"({"claims":[{"uid":"u-1","devices":[{"device":"x"},{"device":"y"}]},{"uid":"u-2","devices":[]}]})"),
      "claims:\n"
      "- uid: u-1\n"
      "  devices:\n"
      "  - device: x\n"
      "  - device: \"y\"\n"
      "- uid: u-2\n"
      "  devices: []\n");
}

TEST(Yaml, WritesControlCharactersAsEscapes) {
  EXPECT_EQ(JsonToYaml(R"({"a":"x\u001b[2J"})"), "a: \"x\\u001b[2J\"\n");
}

}  // namespace
}  // namespace drapci::cli
