#include "plugin/kube/server_url.h"

#include <gtest/gtest.h>

namespace drapci::plugin::kube {
namespace {

TEST(ServerUrlTest, TakesUrlsApart) {
  const auto url = ServerUrl::Parse("https://api.example:6443/prefix/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "api.example");
  EXPECT_EQ(url->port, "6443");
  EXPECT_EQ(url->base_path, "/prefix");
  EXPECT_EQ(url->Authority(), "api.example:6443");
}

TEST(ServerUrlTest, KeepsTheBracketsOfAnAddress) {
  const auto url = ServerUrl::Parse("https://[fd00::1]:6443");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "[fd00::1]");
  EXPECT_EQ(url->port, "6443");
  EXPECT_EQ(ServerUrl::Parse("https://[fd00::1]")->PortOrDefault(), "443");
  EXPECT_EQ(ServerUrl::Parse("http://h")->PortOrDefault(), "80");
}

TEST(ServerUrlTest, KnowsThisMachine) {
  for (const char* here : {"http://localhost:1", "http://127.0.0.1:1", "https://[::1]:1"}) {
    EXPECT_TRUE(ServerUrl::Parse(here)->IsLoopback()) << here;
  }
  EXPECT_FALSE(ServerUrl::Parse("http://10.0.0.1")->IsLoopback());
}

TEST(ServerUrlTest, RefusesEverythingElse) {
  for (const char* bad :
       {"", "h", "ftp://h", "https://", "https://:6443", "https://h:", "https://h:x", "https://h:0",
        "https://h:65536", "https://u@h", "https://h?x", "https://h h", "https://h\r\n",
        "https://[::1", "https:///path"}) {
    EXPECT_FALSE(ServerUrl::Parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace drapci::plugin::kube
