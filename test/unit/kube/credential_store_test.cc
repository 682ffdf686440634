#include "plugin/kube/credential_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin::kube {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class CredentialStoreTest : public testing::Test {
 protected:
  CredentialStoreTest() {
    credentials_.server = "https://api:6443";
    credentials_.token.file = dir_.Write("token", "one\n");
  }
  std::string Token(hal::MonotonicTime now) {
    const auto access = store_.Get(now);
    return access ? (*access)->token : access.error().what;
  }

  TestDir dir_;
  Credentials credentials_;
  int asked_ = 0;
  CredentialStore store_{[this]() -> Result<Credentials> {
    ++asked_;
    return credentials_;
  }};
  const hal::MonotonicTime start_{seconds(1000)};
};

TEST_F(CredentialStoreTest, SeesAtOnceThatATokenFileIsReplaced) {
  EXPECT_EQ(Token(start_), "one");
  const std::string other = dir_.Write("other", "two");
  std::filesystem::rename(other, credentials_.token.file);
  EXPECT_EQ(Token(start_), "two");
}

TEST_F(CredentialStoreTest, SeesThatATokenFileIsWrittenOver) {
  EXPECT_EQ(Token(start_), "one");
  dir_.Write("token", "longer");
  EXPECT_EQ(Token(start_), "longer");
}

TEST_F(CredentialStoreTest, ReadsTheSourceAnewOnceAMinuteAndWhenInDoubt) {
  Token(start_);
  Token(start_ + seconds(59));
  EXPECT_EQ(asked_, 1);
  Token(start_ + seconds(60));
  EXPECT_EQ(asked_, 2);
  Token(start_ + seconds(61));
  EXPECT_EQ(asked_, 2);
  store_.Doubt();
  Token(start_ + seconds(62));
  EXPECT_EQ(asked_, 3);
}

TEST_F(CredentialStoreTest, KeepsWhatItHasWhileAFileIsAway) {
  EXPECT_EQ(Token(start_), "one");
  std::filesystem::remove(credentials_.token.file);
  EXPECT_EQ(Token(start_), "one");
  EXPECT_EQ(Token(start_ + seconds(120)), "one");
  dir_.Write("token", "two");
  EXPECT_EQ(Token(start_ + seconds(120)), "two");
}

TEST_F(CredentialStoreTest, SaysWhichFileIsMissing) {
  credentials_.client_key.file = dir_.path() + "/none.key";
  EXPECT_THAT(Token(start_), HasSubstr("none.key: ENOENT"));
  dir_.Write("none.key", "KEY");
  EXPECT_EQ(Token(start_), "one");
  EXPECT_EQ((*store_.Get(start_))->endpoint.client_key, "KEY");
}

TEST_F(CredentialStoreTest, RefusesATokenThatWouldEndTheHeader) {
  for (const char* bad : {"a\r\nX-Remote-User: root", "a b", "", "\x01"}) {
    dir_.Write("token", bad);
    CredentialStore store([this]() -> Result<Credentials> { return credentials_; });
    const auto access = store.Get(start_);
    ASSERT_FALSE(access) << bad;
    EXPECT_THAT(access.error().what, HasSubstr("/token: is not one word"));
    EXPECT_THAT(access.error().what, Not(HasSubstr("root")));
  }
}

TEST_F(CredentialStoreTest, RefusesWhatIsNoSmallFile) {
  const std::string fifo = dir_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  credentials_.token.file = fifo;
  EXPECT_THAT(Token(start_), HasSubstr("no regular file"));
  store_.Doubt();
  credentials_.token.file = dir_.Write("large", std::string(2 << 20, 'x'));
  EXPECT_THAT(Token(start_), HasSubstr("larger than"));
}

TEST_F(CredentialStoreTest, WorksWithoutAToken) {
  credentials_.token = {};
  EXPECT_EQ(Token(start_), "");
}

}  // namespace
}  // namespace drapci::plugin::kube
