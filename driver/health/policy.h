// What the measured values of one card mean: pure, with the time as an argument, so that a list of
// recorded samples gives the same verdicts again.
//
// Not for use by several threads at once. Nothing here fails.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "driver/health/health.h"
#include "driver/health/rule.h"
#include "hal/telemetry/reader.h"

namespace drapci::driver {

// A point in time: `at` for what lasts, `wall` for what people are told.
struct Moment {
  hal::MonotonicTime at;
  hal::WallTime wall;
  bool operator==(const Moment&) const = default;
};

// What one look at one source has brought.
struct Sample {
  std::string source;
  Moment taken;  // when the look began: nothing in it is older
  std::vector<hal::Reading> readings = {};
  std::string failure = {};  // why there is no answer; empty: there is one
  bool gone = false;         // there is none because the card is not there
};

// One thing that has happened, for people who ask why.
struct HealthNote {
  Moment when;
  enum class Kind { kCrossed, kFound, kRecovered, kState };
  Kind kind = Kind::kState;
  std::string rule = {};  // empty: the card as a whole
  std::string text;       // one sentence
};
const char* NameOf(HealthNote::Kind kind);

// How long something that comes and goes must stay away before it counts as gone: doubled with
// each return.
class Damper {
 public:
  std::chrono::nanoseconds Stretch(std::chrono::nanoseconds quiet) const;
  void Began(hal::MonotonicTime now);
  void Ended(hal::MonotonicTime now) { ended_ = now; }
  int returns() const { return returns_; }

 private:
  int returns_ = 0;
  std::optional<hal::MonotonicTime> ended_;
};

// What is remembered of one card between two judgements.
struct CardState {
  struct Source {
    std::chrono::nanoseconds valid{};  // for how long an answer counts as current
    hal::MonotonicTime expected;       // without any answer, it is missed from then on
    std::optional<Moment> read;        // the newest answer
    std::string failure;               // of the newest look, when it failed
    bool gone = false;                 // that is what it says
    std::optional<Moment> stale;       // since when
    std::string stale_text;
    std::optional<hal::MonotonicTime> back;  // stale, but answering again since
    Damper damper;
  };
  // One rule on one instance.
  struct Latch {
    bool bad = false;  // by the newest value
    std::optional<Moment> bad_since;
    hal::MonotonicTime last_bad;
    bool active = false;
    std::string lifted;  // why it ends with the next judgement, whatever was measured
    Moment since;
    std::string message;
    Damper damper;
    std::optional<double> last;                               // kIncrease: the newest value
    std::deque<std::pair<hal::MonotonicTime, double>> steps;  // and its growth of late
  };
  std::string family;
  bool gone = false;
  std::map<std::string, Source, std::less<>> sources;
  std::map<std::pair<std::string, std::string>, Latch> latches;  // rule, instance
  Health health;

  // The card has this source, whose first answer is due at once. One that is known already goes on.
  void Expect(std::string_view source, std::chrono::nanoseconds valid, hal::MonotonicTime now);
  // The card has it no more: what it said last is not held against the card much longer.
  void Forget(std::string_view source);
};

struct Judgement {
  Health health;
  bool changed = false;  // the verdict is another one than before
  std::vector<HealthNote> notes;
  // Without any new sample, nothing else would come out before then.
  std::optional<hal::MonotonicTime> next;
};

class HealthPolicy {
 public:
  explicit HealthPolicy(std::vector<HealthRule> rules) : rules_(std::move(rules)) {}

  // `samples` in the order in which they were taken.
  Judgement Judge(CardState& state, std::span<const Sample> samples, Moment now) const;

  // The driver was bound anew; the card was put in anew; a person says that it is well.
  void Rebound(CardState& state) const;
  void Replugged(CardState& state) const;
  void Absolved(CardState& state) const;

  const std::vector<HealthRule>& rules() const { return rules_; }
  // Whether a verdict on cards of this family stands on the source.
  bool StandsOn(std::string_view family, std::string_view source) const;

 private:
  const HealthRule* Find(std::string_view name) const;
  void Lift(CardState& state, const HealthRule::Until* until, size_t count,
            std::string_view why) const;
  void Take(CardState& state, const Sample& sample, std::vector<HealthNote>& notes) const;
  void Weigh(CardState& state, const HealthRule& rule, const hal::Reading& reading,
             const Sample& sample, std::vector<HealthNote>& notes) const;

  std::vector<HealthRule> rules_;
};

}  // namespace drapci::driver
