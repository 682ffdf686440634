// The server over real sockets.
#include <gtest/gtest.h>
#include <httplib.h>

#include "test/apiserver/http_front.h"

namespace drapci::apiserver {
namespace {

constexpr auto kSlices = "/apis/resource.k8s.io/v1/resourceslices";
constexpr auto kSlice = R"({"metadata":{"generateName":"x-"},"spec":{"driver":"d.io","nodeName":"n",
    "pool":{"name":"n","generation":1,"resourceSliceCount":1}}})";

class HttpFrontTest : public testing::Test {
 protected:
  void SetUp() override {
    port = *front.Start();
    client = std::make_unique<httplib::Client>("127.0.0.1", port);
  }
  void Fault(const std::string& text) {
    ASSERT_EQ(client->Post("/faults", text, "application/json")->status, 200);
  }

  std::unique_ptr<Server> server = *Server::Create({});
  HttpFront front{*server, {}};
  int port = 0;
  std::unique_ptr<httplib::Client> client;
};

TEST_F(HttpFrontTest, AnswersAndKeepsTheConnection) {
  client->set_keep_alive(true);
  EXPECT_EQ(client->Post(kSlices, kSlice, "application/json")->status, 201);
  EXPECT_EQ(client->Get(kSlices)->status, 200);
}

TEST_F(HttpFrontTest, StreamsAWatchUntilItIsClosed) {
  client->Post(kSlices, kSlice, "application/json");
  std::string lines;
  const auto result =
      client->Get(std::string(kSlices) + "?watch=true", [&](const char* data, size_t size) {
        lines.append(data, size);
        if (std::count(lines.begin(), lines.end(), '\n') == 1) {
          httplib::Client("127.0.0.1", port).Post(kSlices, kSlice, "application/json");
        } else {
          server->CloseWatches();
        }
        return true;
      });
  EXPECT_TRUE(result);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

TEST_F(HttpFrontTest, CutsConnectionsWhereAsked) {
  for (const auto* where : {"before", "after-headers", "mid-stream"}) {
    Fault(std::string(R"({"match":{"verb":"list"},"dropConnection":")") + where + "\"}");
    EXPECT_FALSE(client->Get(kSlices)) << where;
    EXPECT_TRUE(client->Get(kSlices)) << where;
  }
}

TEST_F(HttpFrontTest, StopsAndStartsAgainAtTheSamePort) {
  front.Stop();
  HttpFront again(*server, {.port = port});
  EXPECT_EQ(*again.Start(), port);
  EXPECT_EQ(client->Get("/healthz")->body, "ok");
}

}  // namespace
}  // namespace drapci::apiserver
