#include "hal/os/state_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "test/unit/os/temporary_directory.h"

namespace drapci::hal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StateDirTest : public testing::Test {
 protected:
  std::vector<std::string> Everything() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }

  test::TemporaryDirectory parent_;
  const std::string path_ = parent_ / "var/cdi";
  const std::unique_ptr<StateDir> dir_ = OpenStateDir(path_).value();
};

TEST_F(StateDirTest, OpeningMakesTheDirectoryAndItsParents) {
  EXPECT_TRUE(std::filesystem::is_directory(path_));
  EXPECT_EQ(dir_->path(), path_);
  EXPECT_TRUE(OpenStateDir(path_ + "/"));
}

TEST_F(StateDirTest, ReplaceGivesNewContentAndLeavesNothingElse) {
  ASSERT_TRUE(dir_->Replace("a.json", "one"));
  ASSERT_TRUE(dir_->Replace("a.json", "three"));
  EXPECT_EQ(dir_->Read("a.json"), "three");
  EXPECT_THAT(Everything(), ElementsAre("a.json"));
}

TEST_F(StateDirTest, RemoveIsIdempotent) {
  ASSERT_TRUE(dir_->Replace("a", ""));
  EXPECT_TRUE(dir_->Remove("a"));
  EXPECT_TRUE(dir_->Remove("a"));
  EXPECT_EQ(dir_->Read("a").error().sys, ENOENT);
}

TEST_F(StateDirTest, NamesThatAreNoPlainFileNamesAreRefused) {
  for (const std::string name : {"", ".", "..", "a/b", "../a", ".hidden", "/etc/passwd"}) {
    EXPECT_EQ(dir_->Replace(name, "x").error().code, Code::kInvalid) << name;
    EXPECT_EQ(dir_->Remove(name).error().code, Code::kInvalid) << name;
    EXPECT_EQ(dir_->Read(name).error().code, Code::kInvalid) << name;
  }
  EXPECT_EQ(dir_->Replace(std::string(251, 'a'), "x").error().code, Code::kInvalid);
  EXPECT_TRUE(dir_->Replace(std::string(250, 'a'), "x"));
}

TEST_F(StateDirTest, ListIsSortedAndWithoutHiddenFiles) {
  ASSERT_TRUE(dir_->Replace("b", ""));
  ASSERT_TRUE(dir_->Replace("a", ""));
  parent_.Put("var/cdi/.tmp-c", "half");
  EXPECT_THAT(dir_->List().value(), ElementsAre("a", "b"));
}

TEST_F(StateDirTest, OpeningSweepsWhatACrashHasLeft) {
  parent_.Put("var/cdi/.tmp-c", "half");
  parent_.Put("var/cdi/.keep", "somebody else's");
  parent_.Put("var/cdi/a", "whole");
  ASSERT_TRUE(OpenStateDir(path_));
  EXPECT_THAT(Everything(), ElementsAre(".keep", "a"));
}

TEST_F(StateDirTest, AFailedWriteKeepsTheOldFileAndLeavesNothingBehind) {
  ASSERT_TRUE(dir_->Replace("a", "old"));
  // Files may not grow beyond 4 KiB in this process for a moment: write(2) fails with EFBIG.
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 4096;
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Result<> replaced = dir_->Replace("a", std::string(100'000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().sys, EFBIG);
  EXPECT_TRUE(replaced.error().what.contains(path_ + "/a: EFBIG")) << replaced.error().what;
  EXPECT_EQ(dir_->Read("a"), "old");
  EXPECT_THAT(Everything(), ElementsAre("a"));
}

TEST_F(StateDirTest, AFailedRenameLeavesNothingBehind) {
  std::filesystem::create_directories(path_ + "/a/full");
  const Result<> replaced = dir_->Replace("a", "x");
  ASSERT_FALSE(replaced);
  EXPECT_TRUE(replaced.error().what.contains(path_ + "/a: E")) << replaced.error().what;
  EXPECT_THAT(Everything(), ElementsAre("a"));
}

TEST_F(StateDirTest, ALinkInPlaceOfTheTemporaryFileIsNotFollowed) {
  parent_.Put("victim", "precious");
  parent_.Link("var/cdi/.tmp-a", parent_ / "victim");
  EXPECT_EQ(dir_->Replace("a", "x").error().sys, ELOOP);
  EXPECT_EQ(parent_.Get("victim"), "precious");
}

TEST_F(StateDirTest, ADirectoryThatWasRemovedIsMadeAgain) {
  std::filesystem::remove_all(path_);
  EXPECT_EQ(dir_->List().error().code, Code::kGone);
  EXPECT_TRUE(dir_->Remove("a"));
  ASSERT_TRUE(dir_->Replace("a", "again"));
  EXPECT_EQ(dir_->Read("a"), "again");
}

TEST_F(StateDirTest, ErrorsOfTheDirectoryNameIt) {
  parent_.Put("file", "");
  const auto opened = OpenStateDir(parent_ / "file/below");
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().what.contains(parent_ / "file")) << opened.error().what;
  EXPECT_EQ(opened.error().sys, ENOTDIR);
  EXPECT_EQ(OpenStateDir("").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace drapci::hal
