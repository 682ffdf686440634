#include "plugin/slices/mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::plugin::slices {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Change = kube::Reflector::Change;
using News = Mirror::News;

StoredSlice Slice(std::string name, std::string version, std::string uid = "") {
  StoredSlice slice;
  slice.uid = uid.empty() ? "uid-" + name : std::move(uid);
  slice.name = std::move(name);
  slice.resource_version = std::move(version);
  return slice;
}

class MirrorTest : public ::testing::Test {
 protected:
  std::vector<std::string> Versions() const {
    std::vector<std::string> versions;
    for (const StoredSlice& slice : mirror_.All()) {
      versions.push_back(slice.name + " " + slice.resource_version);
    }
    return versions;
  }
  void Write(StoredSlice slice) {
    mirror_.Begin();
    mirror_.Written(std::move(slice), now_);
  }

  Mirror mirror_;
  hal::MonotonicTime now_{};
};

TEST_F(MirrorTest, HasAWriteBeforeTheWatchTellsOfIt) {
  Write(Slice("a", "1"));
  EXPECT_THAT(Versions(), ElementsAre("a 1"));
  EXPECT_EQ(mirror_.Told(Change::kAdded, Slice("a", "1")), News::kNone);
}

TEST_F(MirrorTest, TakesNoNoticeOfVersionsThatItHasReplaced) {
  mirror_.Listed({Slice("a", "1")});
  Write(Slice("a", "2"));
  Write(Slice("a", "3"));
  EXPECT_EQ(mirror_.Told(Change::kModified, Slice("a", "2")), News::kNone);
  EXPECT_THAT(Versions(), ElementsAre("a 3"));
  EXPECT_EQ(mirror_.Told(Change::kModified, Slice("a", "3")), News::kNone);
  EXPECT_EQ(mirror_.Told(Change::kModified, Slice("a", "9")), News::kChanged);
  EXPECT_THAT(Versions(), ElementsAre("a 9"));
}

TEST_F(MirrorTest, TakesNoNoticeOfAnAnswerThatTheWatchHasOvertaken) {
  mirror_.Listed({Slice("a", "1")});
  mirror_.Begin();
  mirror_.Told(Change::kModified, Slice("a", "2"));
  mirror_.Told(Change::kModified, Slice("a", "3"));
  mirror_.Written(Slice("a", "2"), now_);
  EXPECT_THAT(Versions(), ElementsAre("a 3"));
  mirror_.Begin();
  mirror_.Told(Change::kAdded, Slice("b", "4"));
  mirror_.Told(Change::kDeleted, Slice("b", "5"));
  mirror_.Written(Slice("b", "4"), now_);
  EXPECT_THAT(Versions(), ElementsAre("a 3"));
}

TEST_F(MirrorTest, KeepsAWriteThatAnOlderListDoesNotHave) {
  mirror_.Listed({Slice("a", "1")});
  Write(Slice("a", "2"));
  Write(Slice("b", "3"));
  EXPECT_EQ(mirror_.Listed({Slice("a", "1")}), News::kNone);
  EXPECT_THAT(Versions(), ElementsAre("a 2", "b 3"));
}

TEST_F(MirrorTest, TellsOwnDeletionsFromOthers) {
  mirror_.Listed({Slice("a", "1"), Slice("b", "1")});
  mirror_.BeginDelete(Slice("a", "1"));
  EXPECT_EQ(mirror_.Told(Change::kDeleted, Slice("a", "2")), News::kNone);
  mirror_.Deleted(Slice("a", "1"));
  EXPECT_EQ(mirror_.Told(Change::kDeleted, Slice("b", "3")), News::kDeleted);
  EXPECT_THAT(Versions(), IsEmpty());
}

TEST_F(MirrorTest, DoesNotSeeADeletedSliceAgainInAnOlderList) {
  mirror_.Listed({Slice("a", "1")});
  mirror_.BeginDelete(Slice("a", "1"));
  mirror_.Deleted(Slice("a", "1"));
  EXPECT_EQ(mirror_.Listed({Slice("a", "1")}), News::kNone);
  EXPECT_EQ(mirror_.Told(Change::kModified, Slice("a", "1")), News::kNone);
  EXPECT_THAT(Versions(), IsEmpty());
}

TEST_F(MirrorTest, FindsInAListWhatWasDeletedMeanwhile) {
  mirror_.Listed({Slice("a", "1"), Slice("b", "1")});
  EXPECT_EQ(mirror_.Listed({Slice("a", "1")}), News::kDeleted);
  EXPECT_EQ(mirror_.Listed({Slice("a", "2")}), News::kChanged);
}

TEST_F(MirrorTest, NamesAWriteThatNoWatchTellsOf) {
  Write(Slice("a", "1"));
  EXPECT_EQ(mirror_.Unseen(now_ + seconds(59), seconds(60)), std::nullopt);
  EXPECT_EQ(mirror_.Unseen(now_ + seconds(60), seconds(60)), "a");
  EXPECT_EQ(mirror_.Asked("a", std::nullopt), News::kDeleted);
  EXPECT_THAT(Versions(), IsEmpty());
}

}  // namespace
}  // namespace drapci::plugin::slices
