#include "driver/health/monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "test/sim/fake_host.h"
#include "test/unit/health/card.h"

namespace drapci::driver {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// What fake sources say, by "SOURCE ADDRESS". Any thread.
struct Sensors {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Result<std::vector<hal::Reading>>> answers;
  std::set<std::string> absent, held;  // "SOURCE ADDRESS"
  std::map<std::string, int> looks, made;
  int waiting = 0;

  Result<std::vector<hal::Reading>> Ask(const std::string& key) {
    std::unique_lock lock(mutex);
    ++looks[key];
    changed.notify_all();
    if (held.contains(key)) {
      ++waiting;
      changed.wait(lock, [&] { return !held.contains(key); });
      --waiting;
      changed.notify_all();
    }
    const auto answer = answers.find(key);
    if (answer != answers.end()) return answer->second;
    return std::vector<hal::Reading>{Value("aer_fatal", 0), Value("temperature_margin", 50)};
  }
};

std::shared_ptr<Sensors> g_sensors;  // sources are plain functions

class FakeReader : public hal::TelemetryReader {
 public:
  FakeReader(std::shared_ptr<Sensors> sensors, std::string key)
      : sensors_(std::move(sensors)), key_(std::move(key)) {}
  Result<std::vector<hal::Reading>> Read() override { return sensors_->Ask(key_); }

 private:
  const std::shared_ptr<Sensors> sensors_;
  const std::string key_;
};

std::unique_ptr<hal::TelemetryReader> Make(const char* source, const hal::PciFunction& function) {
  const std::string key = source + std::string(" ") + function.address.ToString();
  const std::lock_guard lock(g_sensors->mutex);
  ++g_sensors->made[key];
  if (g_sensors->absent.contains(key)) return nullptr;
  return std::make_unique<FakeReader>(g_sensors, key);
}

const hal::TelemetrySource kSources[] = {
    {"aer", 5s, [](hal::Host&, const hal::PciFunction& f) { return Make("aer", f); }},
    {"hwmon", 10s, [](hal::Host&, const hal::PciFunction& f) { return Make("hwmon", f); }},
};

MonitoredCard CardAt(int slot, const std::string& identity = "1111:2222") {
  MonitoredCard card;
  card.function.address = *hal::PciAddress::Parse("0000:0" + std::to_string(slot) + ":00.0");
  card.name = "pci-0000-0" + std::to_string(slot) + "-00-0";
  card.family = "sriov";
  card.identity = identity;
  return card;
}

class HealthMonitorTest : public testing::Test {
 protected:
  HealthMonitorTest() { g_sensors = std::make_shared<Sensors>(); }
  ~HealthMonitorTest() override { Release(); }

  void Start(std::vector<MonitoredCard> cards, HealthConfig config = Quick()) {
    cards_ = std::move(cards);
    monitor_ = std::make_unique<HealthMonitor>(
        machine_.host, std::move(config), kSources,
        HealthMonitor::Wiring{.cards =
                                  [this] {
                                    const std::lock_guard lock(mutex_);
                                    return cards_;
                                  },
                              .publish =
                                  [this](const std::string& card, const Health* health) {
                                    const std::lock_guard lock(mutex_);
                                    ++published_;
                                    if (health == nullptr) {
                                      health_.erase(card);
                                    } else {
                                      if (!health_[card].Says(*health)) ++verdicts_[card];
                                      health_[card] = *health;
                                    }
                                    told_.notify_all();
                                  }});
    monitor_->Start();
  }
  static HealthConfig Quick() {
    HealthConfig config;
    for (HealthRule& rule : config.rules) rule.hold = 0s;
    return config;
  }
  void SetCards(std::vector<MonitoredCard> cards) {
    {
      const std::lock_guard lock(mutex_);
      cards_ = std::move(cards);
    }
    monitor_->CardsChanged();
  }
  void Answer(const std::string& key, std::vector<hal::Reading> readings) {
    const std::lock_guard lock(g_sensors->mutex);
    g_sensors->answers.insert_or_assign(key, std::move(readings));
  }
  void Refuse(const std::string& key, Code code) {
    const std::lock_guard lock(g_sensors->mutex);
    g_sensors->answers.insert_or_assign(key,
                                        Fail(Error{.code = code, .sys = 0, .what = "refused"}));
  }
  void Hold(const std::string& key) {
    const std::lock_guard lock(g_sensors->mutex);
    g_sensors->held.insert(key);
  }
  void Release() {
    const std::lock_guard lock(g_sensors->mutex);
    g_sensors->held.clear();
    g_sensors->changed.notify_all();
  }
  bool Waiting(int count) {
    std::unique_lock lock(g_sensors->mutex);
    return g_sensors->changed.wait_for(lock, 10s, [&] { return g_sensors->waiting == count; });
  }
  int Looks(const std::string& key) {
    const std::lock_guard lock(g_sensors->mutex);
    return g_sensors->looks[key];
  }
  // Until the card's verdict has this reason.
  bool Becomes(const std::string& card, const std::string& reason) {
    std::unique_lock lock(mutex_);
    return told_.wait_for(lock, 10s, [&] {
      const auto known = health_.find(card);
      return reason.empty() ? known == health_.end()
                            : known != health_.end() && known->second.reason == reason;
    });
  }
  // Lets time pass in steps that the card in slot 9, which always answers, keeps up with.
  void Pass(std::chrono::seconds time) {
    for (auto passed = 0s; passed < time; passed += 5s) {
      machine_.clock.Advance(5s);
      const hal::WallTime now = machine_.clock.Wall();
      monitor_->Poke();
      std::unique_lock lock(mutex_);
      ASSERT_TRUE(
          told_.wait_for(lock, 10s, [&] { return health_[CardAt(9).name].measured == now; }));
    }
  }
  Health HealthOf(const std::string& card) {
    const std::lock_guard lock(mutex_);
    return health_[card];
  }
  int Verdicts(const std::string& card) {
    const std::lock_guard lock(mutex_);
    return verdicts_[card];
  }

  sim::FakeHost machine_;
  std::mutex mutex_;
  std::condition_variable told_;
  std::vector<MonitoredCard> cards_;
  std::map<std::string, Health> health_;
  std::map<std::string, int> verdicts_;
  int published_ = 0;
  std::unique_ptr<HealthMonitor> monitor_;
};

TEST_F(HealthMonitorTest, TellsACardOnceAllItsSourcesHaveAnswered) {
  Start({CardAt(1), CardAt(2)});
  EXPECT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  EXPECT_TRUE(Becomes(CardAt(2).name, "Healthy"));
  EXPECT_EQ(Verdicts(CardAt(1).name), 1);
  EXPECT_EQ(HealthOf(CardAt(1).name).measured, machine_.clock.Wall());
  EXPECT_EQ(monitor_->stats().sources, 4u);
}

TEST_F(HealthMonitorTest, ReadsEachSourceAtItsPeriodAndTellsNothingNew) {
  Start({CardAt(9)});
  ASSERT_TRUE(Becomes(CardAt(9).name, "Healthy"));
  Pass(100s);
  EXPECT_EQ(Looks("aer 0000:09:00.0"), 21);
  EXPECT_EQ(Looks("hwmon 0000:09:00.0"), 11);
  EXPECT_EQ(Verdicts(CardAt(9).name), 1);
  EXPECT_EQ(monitor_->stats().changes, 1u);
}

TEST_F(HealthMonitorTest, APeriodOfTheConfigurationGoesBeforeTheSourcesOwn) {
  HealthConfig config = Quick();
  config.periods["hwmon"] = 50s;
  Start({CardAt(9)}, config);
  ASSERT_TRUE(Becomes(CardAt(9).name, "Healthy"));
  for (int i = 0; i < 20; ++i) {
    machine_.clock.Advance(5s);
    monitor_->Poke();
  }
  ASSERT_TRUE(Becomes(CardAt(9).name, "Healthy"));
  EXPECT_LE(Looks("hwmon 0000:09:00.0"), 3);
}

TEST_F(HealthMonitorTest, ASourceThatBlocksStopsNoOtherAndMakesItsCardUnknown) {
  Start({CardAt(1), CardAt(9)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  ASSERT_TRUE(Becomes(CardAt(9).name, "Healthy"));
  Hold("hwmon 0000:01:00.0");
  Pass(60s);
  EXPECT_TRUE(Waiting(1)) << "at most one is in flight";
  EXPECT_TRUE(Becomes(CardAt(1).name, "TelemetryStale"));
  EXPECT_THAT(HealthOf(CardAt(1).name).message, HasSubstr("hwmon has not answered since"));
  EXPECT_EQ(HealthOf(CardAt(9).name).state, HealthState::kHealthy);
  EXPECT_EQ(HealthOf(CardAt(9).name).since + 60s, machine_.clock.Wall());
  EXPECT_GE(Looks("aer 0000:01:00.0"), 12) << "its other sources go on";
  const auto report = monitor_->Explain(CardAt(1).name);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->sources[1].held_up);
  EXPECT_GE(monitor_->stats().held_up, 1u);
  Release();
  ASSERT_TRUE(Waiting(0));
  Pass(15s);
  EXPECT_TRUE(Becomes(CardAt(1).name, "Healthy"));
}

TEST_F(HealthMonitorTest, ManySourcesThatBlockTakeABoundedNumberOfThreads) {
  std::vector<MonitoredCard> cards{CardAt(9)};
  for (int slot = 1; slot < 9; ++slot) {
    cards.push_back(CardAt(slot));
    for (const char* source : {"aer", "hwmon"}) {
      Hold(source + std::string(" ") + CardAt(slot).function.address.ToString());
    }
  }
  Start(cards);
  for (int round = 0; round < 40 && HealthOf(CardAt(9).name).reason != "Healthy"; ++round) {
    machine_.clock.Advance(1s);
    monitor_->Poke();
    std::unique_lock lock(mutex_);
    told_.wait_for(lock, 100ms, [&] { return health_[CardAt(9).name].reason == "Healthy"; });
  }
  EXPECT_TRUE(Becomes(CardAt(9).name, "Healthy"));
  EXPECT_LE(monitor_->stats().threads, 18u);
}

TEST_F(HealthMonitorTest, StoppingWaitsForNothingThatDoesNotComeBack) {
  Start({CardAt(1)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  Hold("aer 0000:01:00.0");
  machine_.clock.Advance(5s);
  monitor_->Poke();
  ASSERT_TRUE(Waiting(1));
  EXPECT_EQ(monitor_->Stop(10ms), 1u);
  monitor_.reset();
  Release();
  EXPECT_TRUE(Waiting(0));
}

TEST_F(HealthMonitorTest, CardsComeAndGo) {
  Start({CardAt(1)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  SetCards({CardAt(1), CardAt(2)});
  EXPECT_TRUE(Becomes(CardAt(2).name, "Healthy"));
  MonitoredCard pulled = CardAt(2);
  pulled.gone = true;
  SetCards({CardAt(1), pulled});
  EXPECT_TRUE(Becomes(CardAt(2).name, "Gone"));
  EXPECT_EQ(HealthOf(CardAt(2).name).state, HealthState::kUnhealthy);
  machine_.clock.Advance(1s);
  SetCards({CardAt(1), CardAt(2)});
  EXPECT_TRUE(Becomes(CardAt(2).name, "Healthy"));
  SetCards({CardAt(1)});
  EXPECT_TRUE(Becomes(CardAt(2).name, ""));
}

TEST_F(HealthMonitorTest, WhatOnlyAnOperatorMayLiftOutlastsAReplugOfTheSameCard) {
  HealthConfig config = Quick();
  for (HealthRule& rule : config.rules) {
    if (rule.name == "aer-fatal") rule.until = HealthRule::Until::kOperator;
  }
  Start({CardAt(1)}, config);
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  Answer("aer 0000:01:00.0", {Value("aer_fatal", 1)});
  machine_.clock.Advance(5s);
  monitor_->Poke();
  ASSERT_TRUE(Becomes(CardAt(1).name, "PcieFatalError"));
  SetCards({});
  ASSERT_TRUE(Becomes(CardAt(1).name, ""));
  machine_.clock.Advance(5s);
  SetCards({CardAt(1)});
  EXPECT_TRUE(Becomes(CardAt(1).name, "PcieFatalError"));
  EXPECT_TRUE(monitor_->Absolve(CardAt(1).name));
  EXPECT_TRUE(Becomes(CardAt(1).name, "Healthy"));

  SetCards({});
  ASSERT_TRUE(Becomes(CardAt(1).name, ""));
  machine_.clock.Advance(5s);
  SetCards({CardAt(1, "3333:4444")});
  EXPECT_TRUE(Becomes(CardAt(1).name, "Healthy")) << "another card in the slot";
  EXPECT_FALSE(monitor_->Absolve("pci-0000-77-00-0"));
}

TEST_F(HealthMonitorTest, ManyFindingsOfOneRoundAreOneChange) {
  Start({CardAt(1)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  Answer("aer 0000:01:00.0", {Value("aer_fatal", 1), Value("aer_nonfatal", 0)});
  Answer("hwmon 0000:01:00.0",
         {Value("temperature_margin", -1, "edge"), Value("temperature_margin", -2, "mem"),
          Value("sensor_alarm", 1, "fan1 fault")});
  machine_.clock.Advance(10s);
  monitor_->Poke();
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(told_.wait_for(lock, 10s, [&] {
    return health_[CardAt(1).name].findings.size() == 4;  // fatal, overheated, hot, alarm
  }));
  EXPECT_LE(verdicts_[CardAt(1).name], 3) << "two at most: of each source when they race";
  lock.unlock();
  EXPECT_GE(monitor_->stats().suppressed, 2u);
}

TEST_F(HealthMonitorTest, EventsOfTheKernelAreJudgedAtOnce) {
  Start({CardAt(1)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  hal::DeviceEvent event{.action = "change",
                         .subsystem = "pci",
                         .devpath = "/devices/pci0000:00/0000:00:01.0/0000:01:00.0"};
  event.properties = {{"ERROR_EVENT", "FAILED_RECOVERY"}, {"DEVICE_ONLINE", "0"}};
  monitor_->OnEvent(event);
  EXPECT_TRUE(Becomes(CardAt(1).name, "PcieRecoveryFailed"));
  EXPECT_EQ(HealthOf(CardAt(1).name).findings.front().severity, Severity::kNoExecute);
  event.properties = {{"DRIVER", "igb"}};
  event.action = "bind";
  monitor_->OnEvent(event);
  for (int i = 0; i < 7; ++i) {
    machine_.clock.Advance(5s);
    monitor_->Poke();
  }
  EXPECT_TRUE(Becomes(CardAt(1).name, "Healthy"));
}

TEST_F(HealthMonitorTest, ABoundDriverHasItsSourcesLookedForAnew) {
  g_sensors->absent.insert("hwmon 0000:01:00.0");
  Start({CardAt(1)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  EXPECT_EQ(monitor_->stats().sources, 1u);
  {
    const std::lock_guard lock(g_sensors->mutex);
    g_sensors->absent.clear();
  }
  Answer("hwmon 0000:01:00.0", {Value("temperature_margin", -1)});
  machine_.clock.Advance(5s);
  monitor_->OnEvent({.action = "add",
                     .subsystem = "hwmon",
                     .devpath = "/devices/pci0000:00/0000:01:00.0/hwmon/hwmon3"});
  EXPECT_TRUE(Becomes(CardAt(1).name, "Overheated"));
}

TEST_F(HealthMonitorTest, ACardThatTwoLooksDoNotFindIsGone) {
  Start({CardAt(1)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  Refuse("aer 0000:01:00.0", Code::kGone);
  machine_.clock.Advance(5s);
  monitor_->Poke();
  EXPECT_TRUE(Becomes(CardAt(1).name, "Gone"));
}

TEST_F(HealthMonitorTest, ExplainsWhichSampleCrossedWhichRuleWhen) {
  Start({CardAt(1)});
  ASSERT_TRUE(Becomes(CardAt(1).name, "Healthy"));
  Answer("aer 0000:01:00.0", {Value("aer_fatal", 2, "", "DLP 2")});
  machine_.clock.Advance(5s);
  monitor_->Poke();
  ASSERT_TRUE(Becomes(CardAt(1).name, "PcieFatalError"));
  const auto report = monitor_->Explain(CardAt(1).name);
  ASSERT_TRUE(report);
  const auto crossed =
      std::ranges::find(report->notes, HealthNote::Kind::kCrossed, &HealthNote::kind);
  ASSERT_NE(crossed, report->notes.end());
  EXPECT_EQ(crossed->rule, "aer-fatal");
  EXPECT_EQ(crossed->when.wall, machine_.clock.Wall());
  EXPECT_THAT(crossed->text, HasSubstr("grew by 2 to 2"));
  ASSERT_EQ(report->sources.size(), 2u);
  EXPECT_EQ(report->sources[0].readings.front().text, "DLP 2");
  EXPECT_FALSE(monitor_->Explain("nothing"));

  const auto changes = monitor_->Changes(0);
  ASSERT_FALSE(changes.empty());
  EXPECT_EQ(changes.back().number, changes.size());
  EXPECT_THAT(monitor_->Changes(changes.back().number), IsEmpty());
}

}  // namespace
}  // namespace drapci::driver
