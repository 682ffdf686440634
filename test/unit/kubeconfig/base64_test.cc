#include "plugin/kube/base64.h"

#include <gtest/gtest.h>

namespace drapci::plugin::kube {
namespace {

TEST(Base64Test, DecodesTheVectorsOfRfc4648) {
  EXPECT_EQ(DecodeBase64(""), "");
  EXPECT_EQ(DecodeBase64("Zg=="), "f");
  EXPECT_EQ(DecodeBase64("Zm8="), "fo");
  EXPECT_EQ(DecodeBase64("Zm9v"), "foo");
  EXPECT_EQ(DecodeBase64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(DecodeBase64("+/8="), "\xfb\xff");
}

TEST(Base64Test, SkipsLineBreaksAsKubectlDoes) {
  EXPECT_EQ(DecodeBase64("Zm9v\r\nYmFy\n"), "foobar");
}

TEST(Base64Test, RefusesWhatIsNotQuiteBase64) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Z===", "====", "Zm9v Ymfy",
                           "Zm9v=", "Zh==", "Zm9=v", "-_8=", "Zm9\xc3", "=Zm9"}) {
    EXPECT_FALSE(DecodeBase64(text)) << text;
  }
}

TEST(Base64Test, KeepsTheTwoAlphabetsApart) {
  EXPECT_EQ(DecodeBase64Url("-_8"), "\xfb\xff");
  EXPECT_FALSE(DecodeBase64Url("+/8"));
  EXPECT_FALSE(DecodeBase64Url("-_8="));
}

}  // namespace
}  // namespace drapci::plugin::kube
