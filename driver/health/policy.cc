#include "driver/health/policy.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace drapci::driver {
namespace {

using hal::MonotonicTime;
using hal::Reading;
using std::chrono::nanoseconds;
using Kind = HealthRule::Kind;
using Until = HealthRule::Until;
using Latch = CardState::Latch;

constexpr size_t kMaxMessage = 199;
// No card has so many rules on so many instances; what a driver says may be wrong.
constexpr size_t kMaxLatches = 1024;
constexpr size_t kMaxSteps = 64;

// What comes back within this time of its end has not really been away.
constexpr std::chrono::minutes kMemory{15};
constexpr std::chrono::hours kLongestQuiet{1};
constexpr std::chrono::seconds kShortestStretched{10};
constexpr int kMaxReturns = 8;

// One line of ASCII, not too long: it ends up in logs, taints and on terminals.
std::string Line(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > kMaxMessage) {
    text.resize(kMaxMessage - 3);
    text += "...";
  }
  return text;
}

std::string TimeText(hal::WallTime time) {
  return fmt::format("{:%H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

const Reading* FindReading(const Sample& sample, std::string_view signal,
                           std::string_view instance) {
  const auto found = std::ranges::find_if(sample.readings, [&](const Reading& reading) {
    return reading.signal == signal && reading.instance == instance;
  });
  return found == sample.readings.end() ? nullptr : &*found;
}

// Nothing when the card itself is to say the limit and does not.
std::optional<double> LimitOf(const HealthRule& rule, const Reading& reading,
                              const Sample& sample) {
  if (rule.limit_signal.empty()) return rule.limit;
  const Reading* limit = FindReading(sample, rule.limit_signal, reading.instance);
  if (limit == nullptr || !std::isfinite(limit->value)) return std::nullopt;
  return limit->value;
}

std::string Evidence(const HealthRule& rule, const Reading& reading, double limit, double growth) {
  std::string what = reading.signal;
  if (!reading.instance.empty()) what += fmt::format(" of {}", reading.instance);
  switch (rule.kind) {
    case Kind::kAbove: what += fmt::format(" is {:g}, above {:g}", reading.value, limit); break;
    case Kind::kBelow: what += fmt::format(" is {:g}, below {:g}", reading.value, limit); break;
    case Kind::kEquals: what += fmt::format(" is {:g}", reading.value); break;
    case Kind::kIncrease:
      what += fmt::format(" grew by {:g} to {:g} within {} s", growth, reading.value,
                          rule.window.count());
      break;
    case Kind::kOccurs:
      what += fmt::format(" came {:g} times within {} s", growth, rule.window.count());
      break;
    case Kind::kText: break;
  }
  if (rule.hold.count() > 0) what += fmt::format(" for {} s", rule.hold.count());
  if (!reading.text.empty()) what += fmt::format(" ({})", reading.text);
  return Line(fmt::format("{}: {}", rule.meaning, what));
}

// The counter's growth, or the number of occurrences, within the window. A counter that has become
// smaller was started anew, and has grown from nothing since.
double Grow(Latch& latch, const HealthRule& rule, double value, MonotonicTime now, bool& grew) {
  double step = 1;
  if (rule.kind == Kind::kIncrease) {
    step = !latch.last ? 0 : value < *latch.last ? value : value - *latch.last;
    latch.last = value;
  }
  grew = step > 0;
  if (grew) latch.steps.emplace_back(now, step);
  while (!latch.steps.empty() && now - latch.steps.front().first >= rule.window) {
    latch.steps.pop_front();
  }
  if (latch.steps.size() > kMaxSteps) {
    // Counted as if it had come a little later.
    const double oldest = latch.steps.front().second;
    latch.steps.pop_front();
    latch.steps.front().second += oldest;
  }
  double growth = 0;
  for (const auto& [when, size] : latch.steps) growth += size;
  return growth;
}

bool Crosses(const HealthRule& rule, const Reading& reading, double limit, bool active) {
  const double margin = active ? rule.margin : 0;
  switch (rule.kind) {
    case Kind::kAbove: return reading.value > limit - margin;
    case Kind::kBelow: return reading.value < limit + margin;
    case Kind::kEquals: return reading.value == limit;
    case Kind::kText: return reading.text.find(rule.text) != std::string::npos;
    case Kind::kIncrease:
    case Kind::kOccurs: break;
  }
  return false;
}

bool IsStale(const CardState::Source& source, MonotonicTime now) {
  return now >= (source.read ? source.read->at + source.valid : source.expected);
}

// A source that has come and gone must answer for a while before it is relied on again.
nanoseconds Probation(const CardState::Source& source) {
  const int returns = source.damper.returns();
  return returns == 0 ? nanoseconds(0)
                      : std::min<nanoseconds>(source.valid * (1 << (returns - 1)), kLongestQuiet);
}

void CheckStale(std::string_view name, CardState::Source& source, Moment now,
                std::vector<HealthNote>& notes) {
  if (IsStale(source, now.at)) {
    source.back.reset();
    if (source.stale) return;
    source.stale = now;
    source.damper.Began(now.at);
    const std::string since = source.read ? "since " + TimeText(source.read->wall) : "at all";
    source.stale_text = Line(fmt::format(
        "{} has not answered {}: {}", name, since,
        source.failure.empty() ? "the reading is held up in the kernel" : source.failure));
    notes.push_back({now, HealthNote::Kind::kFound, std::string(name), source.stale_text});
    return;
  }
  if (!source.stale) return;
  if (!source.back) source.back = source.read->at;
  if (now.at - *source.back < Probation(source)) return;
  source.stale.reset();
  source.back.reset();
  source.damper.Ended(now.at);
  notes.push_back({now, HealthNote::Kind::kRecovered, std::string(name),
                   fmt::format("{} answers again", name)});
}

// The answer that would have shown that it goes on has come, or never will.
bool IsSilent(const CardState& state, const HealthRule& rule, const Latch& latch) {
  const auto source = state.sources.find(rule.source);
  if (source == state.sources.end()) return true;
  return source->second.read && source->second.read->at > latch.last_bad;
}

}  // namespace

const char* NameOf(HealthNote::Kind kind) {
  switch (kind) {
    case HealthNote::Kind::kCrossed: return "crossed";
    case HealthNote::Kind::kFound: return "found";
    case HealthNote::Kind::kRecovered: return "recovered";
    case HealthNote::Kind::kState: return "state";
  }
  return "state";
}

nanoseconds Damper::Stretch(nanoseconds quiet) const {
  if (returns_ == 0) return quiet;
  const nanoseconds longest = std::max<nanoseconds>(quiet, kLongestQuiet);
  return std::min(longest, std::max<nanoseconds>(quiet, kShortestStretched) * (1 << returns_));
}

void Damper::Began(MonotonicTime now) {
  const bool soon = ended_ && now - *ended_ < kMemory;
  returns_ = soon ? std::min(returns_ + 1, kMaxReturns) : 0;
  ended_.reset();
}

void CardState::Expect(std::string_view source, nanoseconds valid, MonotonicTime now) {
  const auto [known, fresh] = sources.try_emplace(std::string(source));
  known->second.valid = valid;
  if (fresh) known->second.expected = now + valid;
}

void CardState::Forget(std::string_view source) {
  if (const auto known = sources.find(source); known != sources.end()) sources.erase(known);
}

bool HealthPolicy::StandsOn(std::string_view family, std::string_view source) const {
  return std::ranges::any_of(rules_, [&](const HealthRule& rule) {
    return rule.severity != Severity::kNote && rule.source == source &&
           (rule.family.empty() || rule.family == family);
  });
}

const HealthRule* HealthPolicy::Find(std::string_view name) const {
  const auto rule = std::ranges::find(rules_, name, &HealthRule::name);
  return rule == rules_.end() ? nullptr : &*rule;
}

void HealthPolicy::Lift(CardState& state, const Until* until, size_t count,
                        std::string_view why) const {
  for (auto& [key, latch] : state.latches) {
    const HealthRule* rule = Find(key.first);
    if (latch.active &&
        (rule == nullptr || std::find(until, until + count, rule->until) != until + count)) {
      latch.lifted = why;
    }
  }
}

void HealthPolicy::Rebound(CardState& state) const {
  constexpr std::array kLifted{Until::kRebind};
  Lift(state, kLifted.data(), kLifted.size(), "its driver was started anew");
}

void HealthPolicy::Replugged(CardState& state) const {
  constexpr std::array kLifted{Until::kQuiet, Until::kRebind, Until::kReplug};
  Lift(state, kLifted.data(), kLifted.size(), "the card was put in anew");
  // Counters of a new device begin anew.
  for (auto& [key, latch] : state.latches) latch.last.reset();
}

void HealthPolicy::Absolved(CardState& state) const {
  constexpr std::array kLifted{Until::kQuiet, Until::kRebind, Until::kReplug, Until::kOperator};
  Lift(state, kLifted.data(), kLifted.size(), "an operator said so");
}

void HealthPolicy::Weigh(CardState& state, const HealthRule& rule, const Reading& reading,
                         const Sample& sample, std::vector<HealthNote>& notes) const {
  const auto limit = LimitOf(rule, reading, sample);
  if (!limit || !std::isfinite(reading.value)) return;
  const std::pair key(rule.name, reading.instance);
  auto known = state.latches.find(key);
  const bool counts = rule.kind == Kind::kIncrease || rule.kind == Kind::kOccurs;
  if (known == state.latches.end()) {
    // Only what has something to remember takes room.
    if (!counts && !Crosses(rule, reading, *limit, false)) return;
    if (state.latches.size() >= kMaxLatches) return;
    known = state.latches.try_emplace(key).first;
  }
  Latch& latch = known->second;
  const MonotonicTime at = sample.taken.at;
  double growth = 0;
  bool bad = false;
  if (counts) {
    bool grew = false;
    growth = Grow(latch, rule, reading.value, at, grew);
    bad = grew && (latch.active || growth >= *limit);
  } else {
    bad = Crosses(rule, reading, *limit, latch.active);
  }
  if (!bad) {
    latch.bad = false;
    latch.bad_since.reset();
    return;
  }
  const std::string evidence = Evidence(rule, reading, *limit, growth);
  if (!latch.bad) notes.push_back({sample.taken, HealthNote::Kind::kCrossed, rule.name, evidence});
  latch.bad = true;
  latch.last_bad = at;
  if (!latch.bad_since) latch.bad_since = sample.taken;
  if (latch.active || at - latch.bad_since->at < rule.hold) return;
  latch.active = true;
  latch.since = sample.taken;
  latch.message = evidence;
  latch.damper.Began(at);
  notes.push_back({sample.taken, HealthNote::Kind::kFound, rule.name, evidence});
}

void HealthPolicy::Take(CardState& state, const Sample& sample,
                        std::vector<HealthNote>& notes) const {
  const bool event = sample.source == kEventSource;
  const auto source = state.sources.find(sample.source);
  if (!event) {
    if (source == state.sources.end()) return;  // taken off meanwhile
    source->second.failure = sample.failure;
    source->second.gone = sample.gone;
    if (!sample.failure.empty() || sample.gone) return;
    source->second.read = sample.taken;
    if (sample.readings.empty()) return;  // the card sleeps: what was so still is
  }
  for (const HealthRule& rule : rules_) {
    if (rule.source != sample.source || (!rule.family.empty() && rule.family != state.family)) {
      continue;
    }
    for (const Reading& reading : sample.readings) {
      if (reading.signal == rule.signal && rule.Matches(state.family, reading.instance)) {
        Weigh(state, rule, reading, sample, notes);
      }
    }
    const auto first = state.latches.lower_bound({rule.name, {}});
    for (auto latch = first; latch != state.latches.end() && latch->first.first == rule.name;
         ++latch) {
      // An event is over as soon as it has been told, but a state that came by event holds until
      // its end is told. What is not there any more says nothing more.
      const bool absent = FindReading(sample, rule.signal, latch->first.second) == nullptr;
      if (rule.kind == Kind::kOccurs || (absent && !event)) {
        latch->second.bad = false;
        latch->second.bad_since.reset();
      }
    }
  }
}

Judgement HealthPolicy::Judge(CardState& state, std::span<const Sample> samples, Moment now) const {
  Judgement out;
  const auto sooner = [&out](MonotonicTime when) {
    if (!out.next || when < *out.next) out.next = when;
  };
  for (const Sample& sample : samples) Take(state, sample, out.notes);

  // Which sources the verdict stands on, and how they are.
  const CardState::Source *oldest = nullptr, *stale = nullptr;
  bool unread = false, gone = state.gone;
  for (auto& [name, source] : state.sources) {
    gone |= source.gone;
    if (!StandsOn(state.family, name)) continue;
    CheckStale(name, source, now, out.notes);
    if (!IsStale(source, now.at))
      sooner(source.read ? source.read->at + source.valid : source.expected);
    unread |= !source.read;
    if (source.stale && (stale == nullptr || source.stale->at < stale->stale->at)) stale = &source;
    if (source.read &&
        (oldest == nullptr || source.read->at + source.valid < oldest->read->at + oldest->valid)) {
      oldest = &source;
    }
  }

  Health& health = out.health;
  for (auto& [key, latch] : state.latches) {
    const HealthRule* rule = Find(key.first);
    if (!latch.active || rule == nullptr) continue;
    if (rule->source != kEventSource && !state.sources.contains(rule->source)) latch.bad = false;
    const nanoseconds quiet = latch.damper.Stretch(rule->quiet);
    const bool over =
        rule->until == Until::kQuiet && !latch.bad && now.at - latch.last_bad >= quiet;
    if (!latch.lifted.empty() || (over && IsSilent(state, *rule, latch))) {
      const std::string why =
          latch.lifted.empty()
              ? fmt::format("nothing more for {} s",
                            std::chrono::duration_cast<std::chrono::seconds>(quiet).count())
              : latch.lifted;
      out.notes.push_back({now, HealthNote::Kind::kRecovered, rule->name, why});
      latch.active = latch.bad = false;
      latch.bad_since.reset();
      latch.lifted.clear();
      latch.steps.clear();
      latch.damper.Ended(now.at);
      continue;
    }
    if (rule->until == Until::kQuiet && !latch.bad && !over) sooner(latch.last_bad + quiet);
    // One finding a rule: that of the instance which was first.
    const auto told = std::ranges::find(health.findings, rule->name, &Finding::rule);
    if (told == health.findings.end()) {
      health.findings.push_back({.rule = rule->name,
                                 .reason = rule->reason,
                                 .message = latch.message,
                                 .severity = rule->severity,
                                 .since = latch.since.wall});
    } else if (latch.since.wall < told->since) {
      told->message = latch.message;
      told->since = latch.since.wall;
    }
  }
  std::ranges::sort(health.findings, [](const Finding& a, const Finding& b) {
    return std::tie(b.severity, a.since, a.rule) < std::tie(a.severity, b.since, b.rule);
  });

  const bool grave =
      !health.findings.empty() && health.findings.front().severity != Severity::kNote;
  if (gone) {
    health.state = HealthState::kUnhealthy;
    health.reason = "Gone";
    health.message = "the card does not answer any more: it was pulled, or has fallen off the bus";
  } else if (!grave && stale != nullptr) {
    health.state = HealthState::kUnknown;
    health.reason = "TelemetryStale";
    health.message = stale->stale_text;
  } else if (!grave && unread) {
    health.state = HealthState::kUnknown;
    health.reason = "NotMeasured";
    health.message = "not all that can be measured of it has been read yet";
  } else if (!grave && oldest == nullptr) {
    health.state = HealthState::kUnknown;
    health.reason = "NoTelemetry";
    health.message = "there is nothing to tell its condition by";
  } else {
    health.state = grave ? HealthState::kUnhealthy : HealthState::kHealthy;
    health.reason = "Healthy";
    health.message = "every rule is kept";
    if (!health.findings.empty()) {
      health.reason = health.findings.front().reason;
      health.message = health.findings.front().message;
    }
  }
  if (oldest != nullptr && !unread) {
    health.measured = oldest->read->wall;
    health.valid_for = std::chrono::ceil<std::chrono::seconds>(oldest->valid);
  } else {
    health.measured = unread ? hal::WallTime() : now.wall;
  }
  const Health& before = state.health;
  const bool same_state = before.state == health.state && before.reason == health.reason;
  health.since = same_state && before.since != hal::WallTime() ? before.since : now.wall;
  out.changed = !health.Says(before);
  if (out.changed && !same_state) {
    out.notes.push_back(
        {now,
         HealthNote::Kind::kState,
         {},
         fmt::format("{} ({}): {}", NameOf(health.state), health.reason, health.message)});
  }
  state.health = health;
  return out;
}

}  // namespace drapci::driver
