#include "plugin/hook/container_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace drapci::plugin {
namespace {

using testing::HasSubstr;

TEST(ContainerState, NamesTheProcessThatHoldsTheNamespaces) {
  EXPECT_EQ(ContainerProcess(R"({"ociVersion":"1.0.2","id":"c","status":"creating","pid":4242,
                                 "bundle":"/run/c","annotations":{"pid":"7"}})"),
            4242);
  EXPECT_EQ(ContainerProcess(R"({"pid":2147483647})"), 2147483647);
}

TEST(ContainerState, WithoutAProcessIsRefused) {
  for (const std::string& text : {std::string(),
                                  std::string("null"),
                                  std::string("42"),
                                  std::string("[{\"pid\":1}]"),
                                  std::string("{}"),
                                  std::string(R"({"pid":null})"),
                                  std::string(R"({"pid":"42"})"),
                                  std::string(R"({"pid":0})"),
                                  std::string(R"({"pid":-1})"),
                                  std::string(R"({"pid":1.5})"),
                                  std::string(R"({"pid":true})"),
                                  std::string(R"({"pid":[1]})"),
                                  std::string(R"({"pid":2147483648})"),
                                  std::string(R"({"pid":18446744073709551615})"),
                                  std::string(R"({"pid":99999999999999999999999})"),
                                  std::string(R"({"PID":1})"),
                                  std::string(R"({"pid":1)"),
                                  std::string(R"({"pid":1}})"),
                                  std::string("\0{\"pid\":1}", 10),
                                  std::string("{\"id\":\"\xff\"}"),
                                  std::string("{\"pid\":1,\"\xff\":")}) {
    const auto process = ContainerProcess(text);
    ASSERT_FALSE(process) << text;
    EXPECT_EQ(process.error().code, Code::kInvalid) << text;
    EXPECT_THAT(process.error().what, HasSubstr("createRuntime")) << text;
  }
}

TEST(ContainerState, MayBeNestedAsDeeplyAsTheSenderLikes) {
  const std::string deep(100'000, '[');
  EXPECT_FALSE(ContainerProcess(deep));
  EXPECT_FALSE(ContainerProcess(R"({"a":)" + deep));
  std::string closed =
      R"({"a":)" + std::string(10'000, '[') + std::string(10'000, ']') + R"(,"pid":7})";
  EXPECT_EQ(ContainerProcess(closed), 7);
}

}  // namespace
}  // namespace drapci::plugin
