#include "plugin/kube/sd_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <vector>

namespace drapci::plugin::kube {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<SdLoop> NewLoop() {
  auto loop = SdLoop::Start();
  EXPECT_TRUE(loop) << loop.error().what;
  return *std::move(loop);
}

TEST(SdLoopTest, RunsTasksOfAllThreadsInOrderOnOneThread) {
  const auto loop = NewLoop();
  std::vector<int> ran;  // no lock: the loop's thread alone touches it
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 100; ++i) loop->Post([&ran, n = thread * 100 + i] { ran.push_back(n); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(loop->Do([&] {
    EXPECT_EQ(ran.size(), 400);
    for (int thread = 0; thread < 4; ++thread) {
      int last = -1;
      for (const int n : ran) {
        if (n / 100 != thread) continue;
        EXPECT_GT(n, last);
        last = n;
      }
    }
  }));
}

TEST(SdLoopTest, FiresTimersInTheirOrderAndNotBeforeTheirTime) {
  const auto loop = NewLoop();
  std::promise<void> done;
  std::vector<int> fired;
  const auto start = loop->Now();
  loop->Post([&] {
    loop->After(milliseconds(20), [&] {
      fired.push_back(20);
      EXPECT_GE(loop->Now() - start, milliseconds(20));
      done.set_value();
    });
    loop->After(milliseconds(0), [&] { fired.push_back(0); });
    loop->After(milliseconds(-5), [&] { fired.push_back(-5); });
    loop->After(milliseconds(10), [&] { fired.push_back(10); });
  });
  done.get_future().wait();
  EXPECT_EQ(fired, (std::vector{0, -5, 10, 20}));
}

TEST(SdLoopTest, DoesNotFireACancelledTimer) {
  const auto loop = NewLoop();
  std::promise<void> done;
  loop->Post([&] {
    const Loop::TimerId late = loop->After(milliseconds(5), [] { FAIL(); });
    loop->After(milliseconds(1), [&, late] { loop->Cancel(late); });
    Loop::TimerId self = 0;
    loop->After(milliseconds(10), [&] { done.set_value(); });
    self = loop->After(milliseconds(0), [&loop, &self] { loop->Cancel(self); });
    loop->Cancel(self);
    loop->Cancel(self);
    loop->Cancel(0);
  });
  done.get_future().wait();
}

TEST(SdLoopTest, SaysWhenADescriptorIsReadyAndMayForgetItMeanwhile) {
  const auto loop = NewLoop();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd out(ends[0]), in(ends[1]);
  std::promise<uint32_t> ready;
  loop->Do([&] {
    EXPECT_TRUE(loop->SetIo(out.get(), EPOLLIN, [&](uint32_t events) {
      loop->ClearIo(out.get());
      ready.set_value(events);
    }));
  });
  ASSERT_EQ(::write(in.get(), "xy", 2), 2);
  EXPECT_EQ(ready.get_future().get(), EPOLLIN);
  loop->Do([&] { EXPECT_FALSE(loop->SetIo(-1, EPOLLIN, [](uint32_t) {})); });
}

TEST(SdLoopTest, DropsWhatIsPostedAfterItsEndAndWhatHasNotRun) {
  auto loop = NewLoop();
  const auto token = std::make_shared<int>(1);
  loop->Do([&] { loop->After(std::chrono::hours(1), [token] { FAIL(); }); });
  loop->Stop();
  loop->Post([token] { FAIL(); });
  EXPECT_EQ(token.use_count(), 2) << "the timer's";
  EXPECT_FALSE(loop->Do([token] { FAIL(); }));
  loop->Stop();
  loop.reset();
  EXPECT_EQ(token.use_count(), 1);
}

TEST(SdLoopTest, DestroysTasksThatPostAgainWhileTheyGo) {
  struct Poster {
    SdLoop* loop;
    ~Poster() {
      loop->Post([] {});
    }
  };
  for (int round = 0; round < 50; ++round) {
    const auto loop = NewLoop();
    std::thread other([&] {
      for (int i = 0; i < 20; ++i) {
        loop->Post([poster = std::make_shared<Poster>(loop.get())] {});
      }
    });
    loop->Stop();
    other.join();
  }
}

TEST(SdLoopTest, TakesNoSignals) {
  const auto loop = NewLoop();
  sigset_t mask;
  loop->Do([&] { pthread_sigmask(SIG_SETMASK, nullptr, &mask); });
  for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGCHLD}) {
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
  }
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  EXPECT_EQ(sigismember(&own, SIGTERM), 0);
}

}  // namespace
}  // namespace drapci::plugin::kube
