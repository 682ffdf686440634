#include "plugin/yaml_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::plugin {
namespace {

using testing::HasSubstr;

std::string Json(std::string_view yaml) {
  const auto json = YamlToJson(yaml);
  return json ? *json : "error: " + json.error().what;
}

TEST(YamlJson, GivesPlainScalarsTheirTypeAndKeepsQuotedOnesText) {
  EXPECT_EQ(Json("{a: 1, b: '1', c: true, d: \"true\", e: 1.5, f: null, g: ~, h: word, i: -7}"),
            R"({"a":1,"b":"1","c":true,"d":"true","e":1.5,"f":null,"g":null,"h":"word","i":-7})");
}

TEST(YamlJson, ReadsJsonAsItIs) {
  EXPECT_EQ(Json(R"({"a":[{"b":"x"},[]],"c":{}})"), R"({"a":[{"b":"x"},[]],"c":{}})");
}

TEST(YamlJson, ReadsListsOfMaps) { EXPECT_EQ(Json("x:\n- a: 1\n- b\n"), R"({"x":[{"a":1},"b"]})"); }

TEST(YamlJson, NamesTheLineOfAnError) {
  EXPECT_THAT(Json("a: 1\nb: [1,\n"), HasSubstr("is no YAML: line"));
  EXPECT_THAT(Json("a: 1\nb: 2\na: 3\n"), HasSubstr("line 3: the key 'a' appears twice"));
  EXPECT_THAT(Json("a: 1\n? [x]\n: 2\n"), HasSubstr("a key must be text"));
}

TEST(YamlJson, RefusesSeveralDocumentsAndNone) {
  EXPECT_THAT(Json("a: 1\n---\nb: 2\n"), HasSubstr("holds 2 YAML documents"));
  EXPECT_THAT(Json(""), HasSubstr("holds 0 YAML documents"));
}

TEST(YamlJson, RefusesAliasesThatUnfoldWithoutEnd) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) bomb += (j > 0 ? ",*a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(Json(bomb), HasSubstr("holds more than 65536 values"));
}

TEST(YamlJson, RefusesDeepNesting) {
  EXPECT_THAT(Json(std::string(40, '[') + std::string(40, ']')),
              HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(Json(std::string(100000, '[')), HasSubstr("is no YAML"));
}

}  // namespace
}  // namespace drapci::plugin
