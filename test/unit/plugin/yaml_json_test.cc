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
  EXPECT_THAT(Json("a: 1\nb: [1,\n"), HasSubstr("error: line "));
  EXPECT_THAT(Json("a: 1\nb: 2\na: 3\n"), HasSubstr("error: line 3: "));
}

TEST(YamlJson, RefusesSeveralDocumentsAndNone) {
  EXPECT_THAT(Json("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_EQ(Json(""), "error: is empty");
}

// yaml-cpp 0.7 finds documents without end in a text that begins with a comma.
TEST(YamlJson, ComesToAnEndWhereTheLibraryDoesNot) {
  EXPECT_THAT(Json(",\"a\":1}"), HasSubstr("error: "));
}

TEST(YamlJson, RefusesAliases) {
  EXPECT_THAT(Json("a: &x [1]\nb: [*x, *x]\n"), HasSubstr("error: line 1"));
}

TEST(YamlJson, RefusesDeepNesting) {
  EXPECT_THAT(Json(std::string(40, '[') + std::string(40, ']')), HasSubstr("error: "));
  EXPECT_THAT(Json(std::string(100000, '[')), HasSubstr("error: "));
}

}  // namespace
}  // namespace drapci::plugin
