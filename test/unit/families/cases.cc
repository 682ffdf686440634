// Families times claims, and the table of what was seen.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "test/unit/families/family.h"

namespace drapci::test {
namespace {

std::map<std::string, std::map<std::string, int>>& Counts() {
  static std::map<std::string, std::map<std::string, int>> counts;
  return counts;
}

class Table : public testing::Environment {
 public:
  void TearDown() override {
    std::vector<std::string> columns;
    for (const auto& [family, row] : Counts()) {
      for (const auto& [column, count] : row) {
        if (std::ranges::find(columns, column) == columns.end()) columns.push_back(column);
      }
    }
    std::ranges::sort(columns);
    std::string text = fmt::format("{:<12}", "family");
    for (const std::string& column : columns) text += fmt::format("  {}", column);
    text += "\n";
    for (const auto& [family, row] : Counts()) {
      text += fmt::format("{:<12}", family);
      for (const std::string& column : columns) {
        const auto found = row.find(column);
        text += fmt::format("  {:>{}}", found == row.end() ? 0 : found->second, column.size());
      }
      text += "\n";
    }
    std::fputs(text.c_str(), stdout);
  }
};

[[maybe_unused]] const auto* const kTable = testing::AddGlobalTestEnvironment(new Table);

}  // namespace

std::vector<FamilyCase> AllCases() {
  std::vector<FamilyCase> cases;
  for (const Family& family : AllFamilies()) {
    for (const FamilyClaim& claim : family.claims) {
      cases.push_back({.family = &family, .claim = &claim});
    }
  }
  return cases;
}

std::string NameOf(const FamilyCase& each) { return each.family->name + "_" + each.claim->name; }

void PrintTo(const FamilyCase& each, std::ostream* out) { *out << NameOf(each); }

void Count(const Family& family, const std::string& column, int more) {
  Counts()[family.name][column] += more;
}

}  // namespace drapci::test
