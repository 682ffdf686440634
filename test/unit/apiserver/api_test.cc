// Versions, conflicts, lists, watches, deletes, faults, restarts.
#include <gtest/gtest.h>

#include "test/unit/apiserver/harness.h"

namespace drapci::apiserver {
namespace {

TEST(WriteTest, AGeneratedNameIsCutTo58AndHasFiveMore) {
  Harness harness;
  json slice = Slice();
  slice["metadata"]["generateName"] = std::string(70, 'a');
  EXPECT_EQ(harness.Post(kSlices, slice).name().size(), 63U);
}

TEST(WriteTest, ANameIsTakenOnce) {
  Harness harness;
  json slice = Slice();
  slice["metadata"]["name"] = "s";
  EXPECT_EQ(harness.Post(kSlices, slice).status, 201);
  EXPECT_EQ(harness.Post(kSlices, slice).reason(), "AlreadyExists");
}

TEST(WriteTest, AnOldVersionConflicts) {
  Harness harness;
  const auto made = harness.Post(kSlices, Slice());
  json slice = made.body;
  slice["spec"]["devices"][0]["name"] = "d1";
  const auto changed = harness.Put(kSlices + "/" + made.name(), slice);
  EXPECT_EQ(changed.body["metadata"]["generation"], 2);
  slice["spec"]["devices"][0]["name"] = "d2";
  EXPECT_EQ(harness.Put(kSlices + "/" + made.name(), slice).reason(), "Conflict");
  EXPECT_EQ(harness.Put(kSlices + "/gone", slice).status, 404);
}

TEST(WriteTest, NothingNewIsNotWritten) {
  Harness harness;
  const auto made = harness.Post(kSlices, Slice());
  EXPECT_EQ(harness.Put(kSlices + "/" + made.name(), made.body).version(), made.version());
}

TEST(WriteTest, DeleteHonoursPreconditions) {
  Harness harness;
  const auto made = harness.Post(kSlices, Slice());
  const std::string path = kSlices + "/" + made.name();
  EXPECT_EQ(harness.Delete(path, R"({"preconditions":{"uid":"x"}})").reason(), "Conflict");
  EXPECT_EQ(harness.Delete(path, R"({"preconditions":{"resourceVersion":"999"}})").status, 409);
  EXPECT_EQ(harness.Delete(path).status, 200);
  EXPECT_EQ(harness.Delete(path).status, 404);
}

TEST(ListTest, SelectsByFieldAndRefusesFieldsThatThereAreNot) {
  Harness harness;
  harness.Post(kSlices, Slice());
  const auto count = [&](const std::string& selector) {
    return harness.Get(kSlices + "?fieldSelector=" + selector).body["items"].size();
  };
  EXPECT_EQ(count("spec.driver%3Dgpu.example.com%2Cspec.nodeName%3Dnode1"), 1U);
  EXPECT_EQ(count("spec.nodeName%3Dnode2"), 0U);
  EXPECT_EQ(harness.Get(kSlices + "?fieldSelector=spec.pool.name%3Dnode1").status, 400);
  Harness newer(37);
  EXPECT_EQ(newer.Get(kSlices + "?fieldSelector=spec.pool.name%3Dnode1").status, 200);
}

TEST(ListTest, PagesShowOneVersionUntilItIsTooOld) {
  Harness harness;
  for (int i = 0; i < 3; ++i) harness.Post(kSlices, Slice());
  const auto first = harness.Get(kSlices + "?limit=2");
  EXPECT_EQ(first.body["items"].size(), 2U);
  harness.Delete(kSlices);
  const std::string rest =
      kSlices + "?limit=2&continue=" + first.body["metadata"]["continue"].get<std::string>();
  EXPECT_EQ(harness.Get(rest).body["items"].size(), 1U);
  harness.Post("/compact", {});
  EXPECT_EQ(harness.Get(rest).reason(), "Expired");
}

TEST(WatchTest, GoesOnFromAVersion) {
  Harness harness;
  const auto made = harness.Post(kSlices, Slice());
  const auto watch = harness.Get(kSlices + "?watch=true&resourceVersion=" + made.version());
  EXPECT_TRUE(Harness::Take(watch).empty());
  harness.Post(kSlices, Slice());
  harness.Delete(kSlices + "/" + made.name());
  const auto events = Harness::Take(watch);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["type"], "ADDED");
  EXPECT_EQ(events[1]["type"], "DELETED");
  const auto again = harness.Get(kSlices + "?watch=true&resourceVersion=" + made.version());
  EXPECT_EQ(Harness::Take(again), events);
}

TEST(WatchTest, SeesOnlyWhatIsSelected) {
  Harness harness;
  const auto watch = harness.Get(kSlices + "?watch=1&fieldSelector=spec.nodeName%3Dnode2");
  harness.Post(kSlices, Slice());
  EXPECT_TRUE(Harness::Take(watch).empty());
}

TEST(WatchTest, AnOldVersionIsGone) {
  Harness harness;
  harness.options.history = 2;
  harness.Start();
  for (int i = 0; i < 5; ++i) harness.Post(kSlices, Slice());
  const auto watch = harness.Get(kSlices + "?watch=true&resourceVersion=2");
  const auto events = Harness::Take(watch);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["type"], "ERROR");
  EXPECT_EQ(events[0]["object"]["code"], 410);
  EXPECT_TRUE(watch.raw.watch->ended());
}

TEST(WatchTest, SendsBookmarksAndEndsInTime) {
  Harness harness;
  const auto watch =
      harness.Get(kSlices + "?watch=true&allowWatchBookmarks=true&timeoutSeconds=100");
  harness.now += 60;
  harness.server->Tick();
  EXPECT_EQ(Harness::Take(watch).at(0)["type"], "BOOKMARK");
  EXPECT_FALSE(watch.raw.watch->ended());
  harness.now += 40;
  harness.server->Tick();
  EXPECT_TRUE(watch.raw.watch->ended());
}

TEST(FaultTest, AnswersSoOftenAndThenNoMore) {
  Harness harness;
  harness.Post("/faults", {{"match", {{"method", "POST"}, {"pathPrefix", "/apis/"}}},
                           {"status", 429},
                           {"retryAfter", 7}});
  const auto refused = harness.Post(kSlices, Slice());
  EXPECT_EQ(refused.reason(), "TooManyRequests");
  EXPECT_EQ(refused.raw.headers.at(0), std::pair(std::string("Retry-After"), std::string("7")));
  EXPECT_EQ(harness.Post(kSlices, Slice()).status, 201);
}

TEST(FaultTest, ALostAnswerLeavesTheWriteDone) {
  Harness harness;
  harness.Post("/faults", {{"match", {{"verb", "create"}}}, {"status", 504}, {"apply", true}});
  EXPECT_EQ(harness.Post(kSlices, Slice()).status, 504);
  EXPECT_EQ(harness.Get(kSlices).body["items"].size(), 1U);
}

TEST(FaultTest, AnUnknownFieldIsNamed) {
  Harness harness;
  EXPECT_EQ(harness.Post("/faults", {{"stauts", 500}}).body["message"], "unknown field \"stauts\"");
}

TEST(CounterTest, CountsCallsAndBytesOfTheApiOnly) {
  Harness harness;
  harness.Post(kSlices, Slice());
  harness.Get(kSlices);
  EXPECT_EQ(harness.server->Calls("create", "resourceslices"), 1U);
  EXPECT_EQ(harness.server->Writes(), 1U);
  const json counters = harness.Get("/counters").body;
  EXPECT_EQ(counters["total"]["calls"], 2);
  EXPECT_EQ(counters["total"]["bytesIn"], Slice().dump().size());
  harness.Post("/counters/reset", {});
  EXPECT_EQ(harness.server->Writes(), 0U);
}

TEST(RestartTest, KeepsObjectsAndForgetsEvents) {
  Harness harness;
  const auto made = harness.Post(kSlices, Slice());
  const auto last = harness.Post(kSlices, Slice());
  const std::string dump = harness.server->Dump();
  harness.Start();
  ASSERT_TRUE(harness.server->Restore(dump));
  EXPECT_EQ(harness.Get(kSlices + "/" + made.name()).body, made.body);
  const std::string watch = kSlices + "?watch=true&resourceVersion=";
  EXPECT_TRUE(Harness::Take(harness.Get(watch + last.version())).empty());
  EXPECT_EQ(Harness::Take(harness.Get(watch + made.version())).at(0)["type"], "ERROR");
  EXPECT_NE(harness.Post(kSlices, Slice()).name(), made.name());
}

TEST(EventTest, MustBeComplete) {
  Harness harness;
  const std::string path = "/apis/events.k8s.io/v1/namespaces/default/events";
  json event = {{"metadata", {{"generateName", "e."}}},
                {"eventTime", "2026-01-01T00:00:00.000000Z"},
                {"reportingController", "drapci"},
                {"reportingInstance", "node1"},
                {"action", "Prepare"},
                {"reason", "Failed"},
                {"type", "Warning"},
                {"regarding", {{"kind", "ResourceClaim"}, {"namespace", "default"}}}};
  EXPECT_EQ(harness.Post(path, event).status, 201);
  event.erase("action");
  EXPECT_EQ(harness.Post(path, event).cause(), "action: FieldValueRequired");
}

}  // namespace
}  // namespace drapci::apiserver
