#include "driver/health/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>

#include "driver/health/reader_pool.h"
#include "hal/pci/topology.h"
#include "hal/telemetry/events.h"

namespace drapci::driver {
namespace {

using hal::MonotonicTime;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// An answer counts as current until the third one after it is due.
constexpr int kMargin = 3;
constexpr seconds kShortestValid{5};
// Sources of a card are looked for anew after its driver has come or gone, not more often.
constexpr seconds kRemakePause{1};
// A card whose sources are held up gets no more threads than these.
constexpr size_t kMostInFlight = 4;
constexpr size_t kMaxNotes = 256;    // of each card
constexpr size_t kMaxChanges = 512;  // of all
constexpr size_t kMaxDeparted = 64;
constexpr size_t kMaxInbox = 1024;
constexpr MonotonicTime kNever = MonotonicTime::max();

// One source of one card.
struct Look {
  std::string card;
  size_t source = 0;
  hal::PciFunction function;
  std::unique_ptr<hal::TelemetryReader> reader;  // of the task that is in flight alone
  bool made = false;                             // likewise
  bool queued = false, running = false;
  bool dropped = false;  // nobody waits for its answer any more
  MonotonicTime due, started;
  bool gone = false;  // the look before said so
};

struct Card {
  MonitoredCard about;
  CardState state;
  std::vector<std::shared_ptr<Look>> looks;                   // by source; null: has none
  std::map<std::string, std::vector<hal::Reading>> readings;  // the newest, by source
  std::vector<Sample> inbox;
  std::deque<HealthNote> notes;
  MonotonicTime judge_at = kNever;
  bool dirty = true;
  bool remake = false;
  MonotonicTime remade;
};

template <class T>
void Keep(std::deque<T>& ring, T item, size_t most) {
  ring.push_back(std::move(item));
  if (ring.size() > most) ring.pop_front();
}

bool IsBoundAnew(const Sample& sample) {
  return sample.source == kEventSource &&
         std::ranges::find(sample.readings, "driver_bound", &hal::Reading::signal) !=
             sample.readings.end();
}

}  // namespace

struct HealthMonitor::Core : std::enable_shared_from_this<HealthMonitor::Core> {
  Core(hal::Host& its_host, const HealthConfig& config,
       std::span<const hal::TelemetrySource> its_sources, Wiring its_wiring)
      : host(its_host),
        sources(its_sources),
        wiring(std::move(its_wiring)),
        policy(config.rules),
        pool(its_host.clock) {
    for (const hal::TelemetrySource& source : sources) {
      const auto other = config.periods.find(source.name);
      periods.push_back(other == config.periods.end() ? nanoseconds(source.period)
                                                      : nanoseconds(other->second));
    }
  }

  Moment Now() const { return {host.clock.Now(), host.clock.Wall()}; }
  nanoseconds Valid(size_t source) const {
    return std::max<nanoseconds>(periods[source] * kMargin, kShortestValid);
  }
  // All that have one period are read together: the machine wakes up once.
  MonotonicTime NextDue(size_t source, MonotonicTime now) const {
    const nanoseconds since_start = now.time_since_epoch();
    return MonotonicTime((since_start / periods[source] + 1) * periods[source]);
  }

  void Run();
  void Carry(const std::shared_ptr<Look>& look);
  void Answer(Look& look, Moment taken, const Result<std::vector<hal::Reading>>& answer);

  // With `mutex` held.
  void Follow(std::vector<MonitoredCard> now_there);
  void Arrive(MonitoredCard about);
  void Begin(Card& card);
  void Drop(Card& card);
  MonotonicTime SubmitDue();
  struct Verdict {
    std::string card;
    std::optional<Health> health;
  };
  std::vector<Verdict> Judge();
  void Note(Card& card, HealthNote note);

  hal::Host& host;
  const std::span<const hal::TelemetrySource> sources;
  const Wiring wiring;
  const HealthPolicy policy;
  std::vector<nanoseconds> periods;  // by source
  ReaderPool pool;
  Listeners listeners;

  mutable std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false, cards_changed = true, poked = false;
  std::map<std::string, Card> cards;
  std::deque<std::pair<MonitoredCard, CardState>> departed;
  std::vector<std::string> left;                       // to be told
  std::set<std::pair<std::string, size_t>> in_flight;  // card, source
  size_t queued = 0;
  std::deque<HealthChange> changes;
  uint64_t last_change = 0;
  MonitorStats stats;
};

void HealthMonitor::Core::Note(Card& card, HealthNote note) {
  if (note.kind != HealthNote::Kind::kCrossed) {
    Keep(changes, {.number = ++last_change, .card = card.about.name, .note = note}, kMaxChanges);
  }
  Keep(card.notes, std::move(note), kMaxNotes);
}

void HealthMonitor::Core::Drop(Card& card) {
  for (auto& look : card.looks) {
    if (look != nullptr) look->dropped = true;
  }
  card.looks.assign(sources.size(), nullptr);
}

void HealthMonitor::Core::Begin(Card& card) {
  Drop(card);
  const MonotonicTime now = host.clock.Now();
  const MonotonicTime due = std::max(now, card.remade + kRemakePause);
  card.remade = due;
  card.remake = false;
  for (size_t i = 0; i < sources.size(); ++i) {
    card.state.Expect(sources[i].name, Valid(i), due);
    card.looks[i] = std::make_shared<Look>();
    card.looks[i]->card = card.about.name;
    card.looks[i]->source = i;
    card.looks[i]->function = card.about.function;
    card.looks[i]->due = due;
  }
}

void HealthMonitor::Core::Arrive(MonitoredCard about) {
  Card& card = cards[about.name];
  card.about = std::move(about);
  card.state.family = card.about.family;
  const auto before = std::ranges::find_if(departed, [&](const auto& other) {
    return other.first.name == card.about.name &&
           hal::SameIdentity(other.first.identity, card.about.identity);
  });
  if (before != departed.end()) {
    card.state = std::move(before->second);
    card.state.sources.clear();
    card.state.gone = false;
    policy.Replugged(card.state);
    departed.erase(before);
  }
  if (card.about.gone) {  // known from the journal alone
    card.state.gone = true;
    Drop(card);
    return;
  }
  Note(card, {Now(), HealthNote::Kind::kState, {}, "the card is there"});
  Begin(card);
}

void HealthMonitor::Core::Follow(std::vector<MonitoredCard> now_there) {
  std::set<std::string> names;
  for (MonitoredCard& about : now_there) {
    names.insert(about.name);
    const auto known = cards.find(about.name);
    if (known == cards.end()) {
      Arrive(std::move(about));
      continue;
    }
    Card& card = known->second;
    const bool other = !about.gone && !hal::SameIdentity(card.about.identity, about.identity);
    const bool back = card.about.gone && !about.gone;
    const bool pulled = !card.about.gone && about.gone;
    const bool driver = card.about.function.driver != about.function.driver;
    if (pulled) about.function = card.about.function;
    if (about.family.empty()) about.family = card.about.family;
    if (about.gone) about.identity = card.about.identity;
    card.about = std::move(about);
    if (other) card.state = CardState{.family = card.about.family};
    if (pulled) {
      Drop(card);
      card.state.sources.clear();
      card.state.gone = true;
      card.dirty = true;
    } else if (other || back) {
      if (back) policy.Replugged(card.state);
      card.state.gone = false;
      Begin(card);
      card.dirty = true;
    } else if (driver && !card.about.gone) {
      card.remake = true;
    }
  }
  for (auto card = cards.begin(); card != cards.end();) {
    if (names.contains(card->first)) {
      ++card;
      continue;
    }
    Drop(card->second);
    Note(card->second, {Now(), HealthNote::Kind::kState, {}, "the card is not there any more"});
    left.push_back(card->first);
    Keep(departed, {std::move(card->second.about), std::move(card->second.state)}, kMaxDeparted);
    card = cards.erase(card);
  }
}

// When the next one is due.
MonotonicTime HealthMonitor::Core::SubmitDue() {
  const MonotonicTime now = host.clock.Now();
  MonotonicTime next = kNever;
  for (auto& [name, card] : cards) {
    if (card.remake) Begin(card);
    const auto first = in_flight.lower_bound({name, 0});
    auto last = first;
    while (last != in_flight.end() && last->first == name) ++last;
    auto busy = static_cast<size_t>(std::distance(first, last));
    const bool held_up = std::ranges::any_of(card.looks, [now](const auto& look) {
      return look != nullptr && look->running && now - look->started >= ReaderPool::kHeldUp;
    });
    for (auto& look : card.looks) {
      if (look == nullptr || look->queued) continue;
      if (look->due > now) {
        next = std::min(next, look->due);
        continue;
      }
      // An older one on the same source does not come back; or too many of the card's do not.
      if (in_flight.contains({name, look->source}) || (held_up && busy >= kMostInFlight)) continue;
      look->queued = true;
      ++queued;
      ++busy;
      in_flight.emplace(name, look->source);
      pool.Submit([core = shared_from_this(), look] { core->Carry(look); });
    }
  }
  if (const auto tend = pool.Tend()) next = std::min(next, *tend);
  return next;
}

// On a thread of the pool; the core may have been left behind meanwhile.
void HealthMonitor::Core::Carry(const std::shared_ptr<Look>& look) {
  Moment taken;
  {
    const std::lock_guard lock(mutex);
    --queued;
    if (stopping || look->dropped) {
      in_flight.erase({look->card, look->source});
      poked = true;
      wake.notify_one();
      return;
    }
    taken = Now();
    look->started = taken.at;
    look->running = true;
  }
  if (!look->made) {
    look->reader = sources[look->source].make(host, look->function);
    look->made = true;
  }
  Result<std::vector<hal::Reading>> answer;
  if (look->reader != nullptr) answer = look->reader->Read();
  const std::lock_guard lock(mutex);
  in_flight.erase({look->card, look->source});
  look->queued = look->running = false;
  if (stopping) return;
  if (!look->dropped) Answer(*look, taken, answer);
  // The last one of a burst has the cards judged, once.
  if (queued == 0) {
    poked = true;
    wake.notify_one();
  }
}

void HealthMonitor::Core::Answer(Look& look, Moment taken,
                                 const Result<std::vector<hal::Reading>>& answer) {
  Card& card = cards.find(look.card)->second;
  const MonotonicTime now = host.clock.Now();
  const std::string name = sources[look.source].name;
  if (look.reader == nullptr) {
    card.state.Forget(name);
    card.readings.erase(name);
    card.dirty = true;
    card.looks[look.source] = nullptr;  // the last owner is the task
    return;
  }
  ++stats.looks;
  look.due = NextDue(look.source, now);
  Sample sample{.source = name, .taken = taken};
  if (answer) {
    look.gone = false;
    sample.readings = *answer;
    if (!answer->empty()) card.readings[name] = *answer;
  } else {
    ++stats.failures;
    sample.failure = answer.error().what;
    if (answer.error().code == Code::kGone) {
      // What it read may have been the driver's, and have gone with it: it is looked for once more.
      sample.gone = look.gone;
      if (!look.gone) look.due = now;
      look.gone = true;
      look.made = false;
    }
  }
  if (card.inbox.size() < kMaxInbox) card.inbox.push_back(std::move(sample));
  card.dirty = true;
}

std::vector<HealthMonitor::Core::Verdict> HealthMonitor::Core::Judge() {
  std::vector<Verdict> verdicts;
  for (const std::string& name : left) verdicts.push_back({.card = name, .health = std::nullopt});
  left.clear();
  const Moment now = Now();
  for (auto& [name, card] : cards) {
    if (!card.dirty && card.judge_at > now.at) continue;
    card.dirty = false;
    std::vector<Sample> samples;
    samples.swap(card.inbox);
    // They are nearly in order; those of one moment stay as they came.
    const auto taken_at = [](const Sample& sample) { return sample.taken.at; };
    for (auto next = samples.begin(); next != samples.end(); ++next) {
      const auto place =
          std::ranges::upper_bound(samples.begin(), next, taken_at(*next), {}, taken_at);
      std::rotate(place, next, std::next(next));
    }
    if (std::ranges::any_of(samples, IsBoundAnew)) policy.Rebound(card.state);
    Judgement judged = policy.Judge(card.state, samples, now);
    card.judge_at = judged.next.value_or(kNever);
    const bool complete = judged.health.reason != "NotMeasured";
    uint64_t told = 0;
    for (HealthNote& note : judged.notes) {
      if (note.kind == HealthNote::Kind::kState && !complete) continue;
      if (note.kind != HealthNote::Kind::kCrossed) ++told;
      Note(card, std::move(note));
    }
    if (!complete) continue;
    if (judged.changed) {
      ++stats.changes;
      if (told > 1) stats.suppressed += told - 1;
    }
    verdicts.push_back({.card = name, .health = std::move(judged.health)});
  }
  return verdicts;
}

void HealthMonitor::Core::Run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    if (std::exchange(cards_changed, false)) {
      lock.unlock();
      std::vector<MonitoredCard> now_there = wiring.cards();
      lock.lock();
      Follow(std::move(now_there));
    }
    MonotonicTime next = SubmitDue();
    const uint64_t before = last_change;
    const std::vector<Verdict> verdicts = Judge();
    if (!verdicts.empty()) {
      const bool changed = last_change != before;
      lock.unlock();
      for (const auto& [card, health] : verdicts) {
        wiring.publish(card, health ? &*health : nullptr);
      }
      if (changed) listeners.Tell();
      lock.lock();
    }
    for (const auto& [name, card] : cards) next = std::min(next, card.judge_at);
    const auto ready = [this] { return stopping || cards_changed || poked; };
    if (next == kNever) {
      wake.wait(lock, ready);
    } else {
      wake.wait_for(lock, next - host.clock.Now(), ready);
    }
    poked = false;
  }
}

HealthMonitor::HealthMonitor(hal::Host& host, HealthConfig config,
                             std::span<const hal::TelemetrySource> sources, Wiring wiring)
    : config_(std::move(config)),
      core_(std::make_shared<Core>(host, config_, sources, std::move(wiring))) {}

HealthMonitor::~HealthMonitor() { Stop(); }

void HealthMonitor::Start() {
  scheduler_ = std::thread([core = core_] { core->Run(); });
}

size_t HealthMonitor::Stop(std::chrono::milliseconds patience) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->stopping = true;
  }
  core_->wake.notify_all();
  if (scheduler_.joinable()) scheduler_.join();
  return core_->pool.Close(patience);
}

void HealthMonitor::CardsChanged() {
  {
    const std::lock_guard lock(core_->mutex);
    core_->cards_changed = true;
  }
  core_->wake.notify_one();
}

void HealthMonitor::Poke() {
  {
    const std::lock_guard lock(core_->mutex);
    core_->poked = true;
  }
  core_->wake.notify_one();
}

void HealthMonitor::OnEvent(const hal::DeviceEvent& event) {
  const auto function = hal::FunctionOfPath(event.devpath);
  if (!function) return;
  const auto told = hal::ReadEvent(event);
  // Its driver has come or gone, or a device of its driver's: sources come and go with it.
  const bool remake =
      event.action == "bind" || event.action == "unbind" ||
      (event.action == "add" && (event.subsystem == "hwmon" || event.subsystem == "drm"));
  if (!told && !remake) return;
  {
    const std::lock_guard lock(core_->mutex);
    const auto card = std::ranges::find_if(core_->cards, [&](const auto& known) {
      return known.second.about.function.address == *function;
    });
    if (card == core_->cards.end() || card->second.about.gone) return;
    if (remake) card->second.remake = true;
    if (told && card->second.inbox.size() < kMaxInbox) {
      ++core_->stats.events;
      card->second.inbox.push_back(
          {.source = std::string(kEventSource), .taken = core_->Now(), .readings = told->readings});
      card->second.dirty = true;
    }
    core_->poked = true;
  }
  core_->wake.notify_one();
}

Result<> HealthMonitor::Absolve(const std::string& card) {
  {
    const std::lock_guard lock(core_->mutex);
    const auto known = core_->cards.find(card);
    if (known == core_->cards.end()) {
      return Fail(Code::kNotFound, fmt::format("{}: no such card is watched", card));
    }
    core_->policy.Absolved(known->second.state);
    known->second.dirty = core_->poked = true;
  }
  core_->wake.notify_one();
  return {};
}

Result<HealthReport> HealthMonitor::Explain(const std::string& card) const {
  const std::lock_guard lock(core_->mutex);
  const auto known = core_->cards.find(card);
  if (known == core_->cards.end()) {
    return Fail(Code::kNotFound, fmt::format("{}: no such card is watched", card));
  }
  const Card& found = known->second;
  HealthReport report{.card = card, .health = found.state.health};
  const MonotonicTime now = core_->host.clock.Now();
  for (const auto& look : found.looks) {
    if (look == nullptr) continue;
    HealthReport::Source& source = report.sources.emplace_back();
    source.name = core_->sources[look->source].name;
    source.period =
        std::chrono::duration_cast<std::chrono::milliseconds>(core_->periods[look->source]);
    source.held_up = core_->in_flight.contains({card, look->source}) &&
                     now - (look->running ? look->started : look->due) >= ReaderPool::kHeldUp;
    if (const auto state = found.state.sources.find(source.name);
        state != found.state.sources.end()) {
      if (state->second.read) source.read = state->second.read->wall;
      source.failure = state->second.failure;
    }
    if (const auto readings = found.readings.find(source.name); readings != found.readings.end()) {
      source.readings = readings->second;
    }
  }
  report.notes.assign(found.notes.begin(), found.notes.end());
  return report;
}

std::vector<HealthChange> HealthMonitor::Changes(uint64_t after) const {
  const std::lock_guard lock(core_->mutex);
  std::vector<HealthChange> out;
  for (const HealthChange& change : core_->changes) {
    if (change.number > after) out.push_back(change);
  }
  return out;
}

Listeners::Token HealthMonitor::Listen(std::function<void()> changed) {
  return core_->listeners.Listen(std::move(changed));
}

std::map<std::string, std::vector<hal::Reading>> HealthMonitor::Readings() const {
  const std::lock_guard lock(core_->mutex);
  std::map<std::string, std::vector<hal::Reading>> out;
  for (const auto& [name, card] : core_->cards) {
    auto& all = out[name];
    for (const auto& [source, readings] : card.readings) {
      all.insert(all.end(), readings.begin(), readings.end());
    }
  }
  return out;
}

MonitorStats HealthMonitor::stats() const {
  const std::lock_guard lock(core_->mutex);
  MonitorStats stats = core_->stats;
  stats.cards = core_->cards.size();
  for (const auto& [name, card] : core_->cards) {
    stats.sources += static_cast<size_t>(
        std::ranges::count_if(card.looks, [](const auto& look) { return look != nullptr; }));
  }
  const ReaderPool::Count count = core_->pool.Counts();
  stats.threads = count.threads;
  stats.held_up = count.held_up;
  return stats;
}

}  // namespace drapci::driver
