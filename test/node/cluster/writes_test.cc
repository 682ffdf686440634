// How many times a node writes to the API server, event by event, counted by the server. On a board
// with eight cards of eight VFs each. The hour of idle is in test/unit/slices, under fake time.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/node/cluster/cluster_fixture.h"

namespace drapci::test {
namespace {

class Writes : public ClusterNode {
 protected:
  // Does `event`, waits until `seen`, and until nothing more is written.
  void Count(const std::string& what, size_t slices, int others, const std::function<void()>& event,
             const std::function<bool()>& seen) {
    if (api_.running()) api_.Reset();
    event();
    EXPECT_TRUE(Soon(seen)) << what;
    EXPECT_TRUE(Settled());
    const int writes = api_.Writes();
    EXPECT_FALSE(Soon([&] { return api_.Writes() > writes; }, std::chrono::milliseconds(400)));
    EXPECT_EQ(api_.SliceWrites(), slices) << what;
    EXPECT_EQ(api_.Writes() - static_cast<int>(api_.SliceWrites()), others) << what;
    fmt::print("{:<34} {:>7} {:>7} {:>7} {:>7}\n", what, api_.Calls("create resourceslices"),
               api_.Calls("update resourceslices"), api_.Calls("delete resourceslices"),
               api_.Writes() - static_cast<int>(api_.SliceWrites()));
  }
  bool Watching() { return api_.Calls("watch resourceslices") >= 1; }
};

TEST_F(Writes, AreTheFewestThatEachEventNeeds) {
  fmt::print("{:<34} {:>7} {:>7} {:>7} {:>7}\n", "API writes of", "create", "update", "delete",
             "others");
  const auto start = [this] { StartDaemon(); };
  const auto present = [this] { return api_.Device(card()).has_value(); };
  const auto absent = [this] { return !api_.Device(card()).has_value(); };
  Count("the start of eight cards", 16, 0, start, present);
  Count("a card pulled", 2, 0, [this] { Inject({"unplug", address()}); }, absent);
  Count("a card plugged", 2, 0, [this] { Inject({"plug", address()}); }, present);
  Count("a quick restart", 0, 0, [this] { RestartDaemon(); }, [this] { return Watching(); });
  Count(
      "a restart of the API server", 0, 0,
      [this] {
        api_.Stop();
        ASSERT_TRUE(api_.Start());
      },
      [this] { return Watching(); });

  const ClaimObject claim = Allocated("c", Of(card() + "-vf0"));
  const auto status = [this] { return Condition("c", "Ready").value("status", "") == "True"; };
  Count("a prepare (its status)", 0, 1, [&] { EXPECT_EQ(Prepare(claim).error, ""); }, status);
  const auto others = [this] { return api_.Writes() - static_cast<int>(api_.SliceWrites()); };
  const auto tainted = [this, &others] {
    const auto vf = api_.Device(card() + "-vf0");
    return vf && !vf->value("taints", Json::array()).empty() && others() >= 2;
  };
  // The claim's condition and an Event on the node go with it.
  Count(
      "a taint: a card pulled while held", 1, 2, [this] { Inject({"unplug", address()}); },
      tainted);
  Count(
      "its end: the card plugged again", 1, 2, [this] { Inject({"plug", address()}); },
      [&] { return present() && others() >= 2; });
  Count("an unprepare", 0, 0, [&] { EXPECT_EQ(Unprepare(claim), ""); }, [] { return true; });
  Count(
      "two idle seconds", 0, 0,
      [this] { EXPECT_FALSE(Soon([this] { return api_.Writes() > 0; }, std::chrono::seconds(2))); },
      [] { return true; });
  fmt::print("an hour of idle: 0, see PublisherTest.CountsTheWritesOfEachEvent\n");
}

}  // namespace
}  // namespace drapci::test
