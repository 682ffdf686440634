#include "plugin/kube/token_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drapci::plugin::kube {
namespace {

using testing::HasSubstr;
using testing::Not;

// {"alg":"RS256"}
constexpr std::string_view kHeader = "eyJhbGciOiJSUzI1NiJ9";

std::string Base64Url(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) text.push_back(kAlphabet[bits >> (held - 6) & 63]);
  }
  if (held > 0) text.push_back(kAlphabet[bits << (6 - held) & 63]);
  return text;
}

Result<TokenFacts> Read(std::string_view payload) {
  return ReadTokenFacts(std::string(kHeader) + "." + Base64Url(payload) + ".c2ln");
}

TEST(TokenFactsTest, ReadsANodeBoundToken) {
  const auto facts = Read(
      R"({"aud":["https://kubernetes"],"exp":1800000000,"sub":"system:serviceaccount:drapci:drapci",)"
      R"("kubernetes.io":{"namespace":"drapci","node":{"name":"worker-1","uid":"1"}}})");
  ASSERT_TRUE(facts) << facts.error().what;
  EXPECT_EQ(facts->subject, "system:serviceaccount:drapci:drapci");
  EXPECT_EQ(facts->expires->time_since_epoch().count(), 1800000000);
  EXPECT_EQ(facts->node, "worker-1");
  EXPECT_EQ(facts->pod, "");
}

TEST(TokenFactsTest, ReadsThePodOfAPodBoundToken) {
  const auto facts = Read(
      R"({"sub":"a","kubernetes.io":{"pod":{"name":"p","uid":"1"},"node":{"name":"n","uid":"2"}}})");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->pod, "p");
  EXPECT_EQ(facts->node, "n");
  EXPECT_FALSE(facts->expires);
}

TEST(TokenFactsTest, RefusesWhatIsNoTokenWithoutRepeatingIt) {
  for (const std::string& token :
       {std::string(), std::string("s3cret"), std::string("s3cret.s3cret"),
        std::string("s3cret.s3cret.s3cret"), std::string(kHeader) + ".." + "c2ln",
        std::string(kHeader) + "." + Base64Url("[1]") + ".c2ln", std::string(1 << 17, 'a'),
        std::string(kHeader) + "." + Base64Url(R"({"sub":"s3cret"})") + ".c2ln\n"}) {
    const auto facts = ReadTokenFacts(token);
    ASSERT_FALSE(facts) << token;
    EXPECT_EQ(facts.error().code, Code::kInvalid);
    EXPECT_THAT(facts.error().what, Not(HasSubstr("s3cret")));
  }
}

TEST(TokenFactsTest, RefusesAPayloadThatSaysNothingUseful) {
  EXPECT_THAT(Read("{}").error().what, HasSubstr("sub"));
  EXPECT_THAT(Read(R"({"sub":7})").error().what, HasSubstr("sub"));
  for (const char* exp : {"-1", "1e300", "\"soon\"", "[]", "true"}) {
    EXPECT_THAT(Read(std::string(R"({"sub":"a","exp":)") + exp + "}").error().what,
                HasSubstr("exp"))
        << exp;
  }
}

TEST(TokenFactsTest, TakesAnOddlyShapedBindingForNone) {
  for (const char* bound : {"null", "7", "[]", R"({"node":"n"})", R"({"node":{"name":7}})"}) {
    const auto facts = Read(std::string(R"({"sub":"a","kubernetes.io":)") + bound + "}");
    ASSERT_TRUE(facts) << bound;
    EXPECT_EQ(facts->node, "");
  }
}

}  // namespace
}  // namespace drapci::plugin::kube
