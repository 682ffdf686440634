#include "plugin/cli/slices.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace drapci::cli {
namespace {

v1::GetSlicesResponse Answer() {
  v1::GetSlicesResponse answer;
  answer.add_slices(R"({"kind":"ResourceSlice","spec":{"nodeName":"node1","devices":[]}})");
  answer.set_trouble("no answer\x1b[2J");
  answer.add_dropped("DRADeviceTaints is off");
  return answer;
}

TEST(RenderSlices, PrintsYamlDocumentsWithWhatIsWrongAsComments) {
  const char* const expected =
      "# no answer?[2J\n"
      "# DRADeviceTaints is off\n"
      "---\n"
      "kind: ResourceSlice\n"
      "spec:\n"
      "  nodeName: node1\n"
      "  devices: []\n";
  EXPECT_EQ(RenderSlices(Answer(), Format::kTable), expected);
  EXPECT_EQ(RenderSlices(Answer(), Format::kYaml), expected);
}

TEST(RenderSlices, PrintsAListAsJson) {
  const auto list = nlohmann::json::parse(RenderSlices(Answer(), Format::kJson));
  EXPECT_EQ(list["kind"], "List");
  EXPECT_EQ(list["items"].size(), 1U);
  EXPECT_EQ(list["dropped"][0], "DRADeviceTaints is off");
}

TEST(RenderSlices, LeavesOutWhatCannotBeRead) {
  v1::GetSlicesResponse answer;
  answer.add_slices("{");
  EXPECT_TRUE(nlohmann::json::parse(RenderSlices(answer, Format::kJson))["items"].empty());
  EXPECT_EQ(RenderSlices(answer, Format::kYaml), "");
}

}  // namespace
}  // namespace drapci::cli
