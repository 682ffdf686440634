#include "plugin/cli/map_svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "plugin/cli/svg.h"
#include "test/unit/cli/map_cards.h"

namespace drapci::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// What is wrong with `text` as XML of elements, attributes in double quotes and the five named or
// numbered entities; empty: it is well-formed.
std::string WrongXml(std::string_view text) {
  std::vector<std::string> open;
  const auto wrong_text = [](std::string_view run, std::string_view forbidden) {
    for (size_t i = 0; i < run.size(); ++i) {
      if (forbidden.contains(run[i])) return true;
      if (run[i] != '&') continue;
      const std::string_view rest = run.substr(i);
      bool known = false;
      for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}) {
        known = known || rest.starts_with(entity);
      }
      if (!known) return true;
    }
    return false;
  };
  bool rooted = false;
  while (!text.empty()) {
    const size_t start = std::min(text.find('<'), text.size());
    const std::string_view run = text.substr(0, start);
    if (wrong_text(run, "<>")) return fmt::format("text: {}", run);
    if (open.empty() && run.find_first_not_of(" \n") != std::string_view::npos) {
      return fmt::format("text outside: {}", run);
    }
    text.remove_prefix(start);
    if (text.empty()) break;
    // The end of the tag is not within an attribute.
    size_t end = 0;
    bool quoted = false;
    while (end < text.size() && (quoted || text[end] != '>')) quoted ^= text[end++] == '"';
    if (end == text.size()) return "a tag without end";
    std::string_view tag = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return fmt::format("end of {}", tag);
      open.pop_back();
      continue;
    }
    const bool closed = tag.ends_with('/');
    if (closed) tag.remove_suffix(1);
    const size_t name = std::min(tag.find_first_of(" \n"), tag.size());
    if (open.empty() && std::exchange(rooted, true)) return "a second root";
    if (!closed) open.emplace_back(tag.substr(0, name));
    tag.remove_prefix(name);
    while (tag.find_first_not_of(" \n") != std::string_view::npos) {
      tag.remove_prefix(tag.find_first_not_of(" \n"));
      const size_t equals = tag.find("=\"");
      const size_t close = equals == std::string_view::npos ? equals : tag.find('"', equals + 2);
      if (close == std::string_view::npos) return fmt::format("attribute: {}", tag);
      if (tag.substr(0, equals).find_first_not_of("abcdefghijklmnopqrstuvwxyzTUB-0123456789") !=
          std::string_view::npos) {
        return fmt::format("name of attribute: {}", tag);
      }
      if (wrong_text(tag.substr(equals + 2, close - equals - 2), "<")) {
        return fmt::format("value: {}", tag);
      }
      tag.remove_prefix(close + 1);
    }
  }
  return open.empty() ? rooted ? "" : "nothing" : fmt::format("{} is open", open.back());
}

std::string Draw(const Node& node) { return MapAsSvg(MakeMap(node.devices, node.claims)); }

TEST(XmlCheck, SeesWhatIsNotWellFormed) {
  EXPECT_EQ(WrongXml("<a b=\"1\"><c/>x &amp; y</a>\n"), "");
  for (const char* wrong : {"<a>", "<a></b>", "<a>&</a>", "<a b=1/>", "<a b=\"<\"/>", "<a/><b/>",
                            "x", "<a/>x", "<a b=\"1/>"}) {
    EXPECT_NE(WrongXml(wrong), "") << wrong;
  }
}

TEST(MapSvgTest, IsAWellFormedPageForEveryKindOfCard) {
  Node node;
  v1::Claim& claim = node.Claim("u-1", "alpha");
  v1::Claim& share = node.Claim("u-2", "share");
  share.set_trouble("EBUSY");
  Hold(AddSriov(node, 256), 5, claim);
  Hold(AddGpu(node), 11, claim);
  AddShared(node, {&share});
  AddSriov(node, 8, "pci-0000-08-00-0").set_gone(true);
  node.Add("pci-0000-07-00-0", "function", "nvme").set_unusable("mounted on /");
  const std::string page = Draw(node);
  EXPECT_EQ(WrongXml(page), "");
  EXPECT_THAT(page, HasSubstr("<title>A team/alpha: vf4</title>"));
  EXPECT_THAT(page, HasSubstr("gone: the card has been removed"));
  EXPECT_THAT(page, HasSubstr("100M of 1G"));
}

TEST(MapSvgTest, LoadsNothingFromElsewhere) {
  Node node;
  AddGpu(node);
  const std::string page = Draw(node);
  for (const char* outside : {"href", "<script", "@import", "<image", "<foreignObject"}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
}

TEST(MapSvgTest, TakesNoMarkupFromNames) {
  Node node;
  v1::Accelerator& card = AddSriov(node, 2, "pci\"><script>alert(1)</script>");
  card.set_device_name("a & b </text>");
  card.set_foreign("]]> <!-- 'x' \x1b[2J \xff");
  Hold(card, 1, node.Claim("u-1", "<b onload=\"x\">&amp;\x01"));
  const std::string page = Draw(node);
  EXPECT_EQ(WrongXml(page), "");
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  EXPECT_THAT(page, Not(HasSubstr("\x01")));
  EXPECT_THAT(page, HasSubstr("team/&lt;b onload=&quot;x&quot;&gt;&amp;amp;?"));
}

TEST(MapSvgTest, PutsFortyCardsOnOnePage) {
  Node node;
  for (int i = 0; i < 40; ++i) AddSriov(node, 8, fmt::format("pci-0000-{:02x}-00-0", i));
  const std::string page = Draw(node);
  EXPECT_EQ(WrongXml(page), "");
  size_t cards = 0;
  for (size_t at = page.find("class=\"card\""); at != std::string::npos;
       at = page.find("class=\"card\"", at + 1)) {
    ++cards;
  }
  EXPECT_EQ(cards, 40u);
}

TEST(MapSvgTest, OfNoCardsSaysSo) {
  EXPECT_EQ(WrongXml(MapAsSvg(Map())), "");
  EXPECT_THAT(MapAsSvg(Map()), HasSubstr("No devices found."));
}

TEST(SvgText, IsWrappedAtBlanksAndCutWhereThereAreNone) {
  EXPECT_THAT(Wrap("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(Wrap("", 0), ElementsAre(""));
  EXPECT_EQ(Cut("abcdef", 4), "ab..");
  EXPECT_EQ(Cut("abcdef", 1), "a");
}

}  // namespace
}  // namespace drapci::cli
