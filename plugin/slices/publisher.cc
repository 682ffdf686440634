#include "plugin/slices/publisher.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <utility>

#include "hal/base/log.h"
#include "plugin/json.h"
#include "plugin/kube/backoff.h"
#include "plugin/kube/reflector.h"
#include "plugin/slices/gates.h"
#include "plugin/slices/limits.h"
#include "plugin/slices/mirror.h"
#include "plugin/slices/round.h"
#include "plugin/slices/schedule.h"

namespace drapci::plugin::slices {
namespace {

using kube::ApiFailure;
using kube::ApiRequest;
using kube::ApiResult;
using std::chrono::milliseconds;

constexpr std::string_view kCollection = "/apis/resource.k8s.io/v1/resourceslices";
constexpr std::string_view kWarn = "fieldValidation=Warn";
constexpr size_t kWritesSideBySide = 8;
constexpr int kAttempts = 3;      // to learn of node and version, before going on without
constexpr int kRoundsInARow = 5;  // without coming to rest, before slowing down
constexpr auto kUnseen = std::chrono::minutes(1);
constexpr auto kRecheck = std::chrono::hours(1);

bool SamePool(const Pool& one, const Pool& other) {
  return one.name == other.name && std::ranges::equal(one.slices, other.slices, SameContent);
}

Features Union(Features one, const Features& other) {
  one.partitionable |= other.partitionable;
  one.consumable |= other.consumable;
  one.taints |= other.taints;
  one.binding |= other.binding;
  return one;
}
constexpr Features kNoFeatures{
    .partitionable = false, .consumable = false, .taints = false, .binding = false};

}  // namespace

class Publisher::Impl {
 public:
  Impl(kube::Loop& loop, kube::Api& api, Owner owner, Inventory inventory, uint64_t seed)
      : loop_(loop),
        api_(api),
        owner_(std::move(owner)),
        inventory_(std::move(inventory)),
        random_(seed),
        schedule_(
            loop, [this] { Act(); }, random_()),
        backoff_(milliseconds(500), milliseconds(60'000), random_()),
        ask_backoff_(milliseconds(500), milliseconds(30'000), random_()) {}
  ~Impl() {
    for (const kube::Api::CallId call : calls_) api_.Cancel(call);
    loop_.Cancel(recheck_timer_);
    loop_.Cancel(unseen_timer_);
    for (Question* question : {&node_, &version_}) loop_.Cancel(question->timer);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Start() {
    started_ = true;
    node_.known = !owner_.node_uid.empty();
    List();
    if (!node_.known) Ask(node_);
    Ask(version_);
    ArmRecheck();
  }
  void Changed() {
    if (started_) schedule_.Changed();
  }

  const PublisherCounts& counts() const { return counts_; }
  std::string trouble() const;
  std::vector<std::string> dropped() const { return gates_.Dropped(); }
  std::vector<std::string> Slices() const;

 private:
  // Something to know before the first write, without which it can be done, too.
  struct Question {
    std::string path;
    bool known = false, asking = false;
    int failures = 0;
    kube::Loop::TimerId timer = 0;
  };

  // ---- Talking ----
  void Call(ApiRequest request, std::function<void(ApiResult)> done);
  void List();
  void Listed(const std::vector<std::string>& objects);
  void Told(kube::Reflector::Change change, const std::string& object);
  std::optional<StoredSlice> Ours(const std::string& object) const;
  void Ask(Question& question);
  void AskAgain();
  void Answered(Question& question, const ApiResult& result);
  void ArmRecheck();
  void ArmUnseen();
  void AskUnseen();

  // ---- Comparing and writing ----
  bool Ready() const { return listed_ && node_.known && version_.known; }
  bool Idle() const { return round_.done() && !probing_; }
  void Act();
  std::vector<Write> Compare();
  std::vector<Pool> Wanted();
  std::vector<StoredSlice> Stored() const;
  void Pump();
  void Send(const Write& write);
  void Finished(const Write& write, const SliceContent& sent, const ApiResult& result);
  void Accept(const SliceContent& sent, StoredSlice answer);
  void Refused(const Write& write, const ApiFailure& failure);
  void Probe(const Features& features);
  void Probed(const Features& features, const ApiResult& result);
  void ProbeWhatIsOff();
  void TellDropped();

  const SliceContent& ContentOf(const Write& write) const {
    return std::ranges::find(wanted_, write.pool, &Pool::name)->slices[write.index];
  }

  kube::Loop& loop_;
  kube::Api& api_;
  Owner owner_;
  const Inventory inventory_;
  std::mt19937_64 random_;
  Schedule schedule_;
  kube::Backoff backoff_, ask_backoff_;
  std::unique_ptr<kube::Reflector> reflector_;
  std::set<kube::Api::CallId> calls_;
  kube::Loop::TimerId recheck_timer_ = 0, unseen_timer_ = 0;

  Gates gates_;
  Mirror mirror_;
  PublisherCounts counts_;
  Question node_, version_{.path = "/version"};
  bool started_ = false;
  bool listed_ = false;      // since the last call of List()
  bool heard_ = false;       // ever listed
  bool unanswered_ = false;  // the last failure was no answer at all
  bool probing_ = false;
  int conflicts_ = 0, rounds_ = 0;

  std::vector<Pool> wanted_;  // what the round is about
  Round round_;
  Features round_uses_ = kNoFeatures;

  // Pools that are not written, why.
  std::map<std::string, std::string> impossible_;
  struct Rejection {
    Pool pool;
    std::string why;
  };
  std::map<std::string, Rejection> rejected_;
  // What the server stores otherwise than it was sent, for no reason known here, by name.
  struct Alteration {
    SliceContent sent;
    StoredSlice answered;
  };
  std::map<std::string, Alteration> altered_;
  std::string write_failure_, list_failure_;
  std::set<std::string> told_;
};

// ---- Talking ----

void Publisher::Impl::Call(ApiRequest request, std::function<void(ApiResult)> done) {
  // `done` never comes from within Call(), so the id is there by then.
  auto id = std::make_shared<kube::Api::CallId>(0);
  *id = api_.Call(std::move(request), [this, id, done = std::move(done)](ApiResult result) {
    calls_.erase(*id);
    done(std::move(result));
  });
  calls_.insert(*id);
}

void Publisher::Impl::List() {
  listed_ = false;
  const std::string selector =
      fmt::format("spec.driver={},spec.nodeName={}", owner_.driver_name, owner_.node_name);
  reflector_ = std::make_unique<kube::Reflector>(
      loop_, api_,
      kube::Reflector::Source{.path = std::string(kCollection),
                              .selector = "fieldSelector=" + kube::EncodeQuery(selector)},
      kube::Reflector::Listener{
          .listed = [this](const std::vector<std::string>& objects) { Listed(objects); },
          .changed = [this](kube::Reflector::Change change,
                            const std::string& object) { Told(change, object); },
          .failed = [this](const ApiFailure& failure) { list_failure_ = failure.error.what; }},
      random_());
  reflector_->Start();
}

std::optional<StoredSlice> Publisher::Impl::Ours(const std::string& object) const {
  auto slice = DecodeSlice(object);
  if (!slice) {
    Log(LogLevel::kWarning, "the API server lists a ResourceSlice that cannot be read: {}",
        slice.error().what);
    return std::nullopt;
  }
  // The selector says so already; what is somebody else's must never be deleted.
  if (slice->driver != owner_.driver_name || slice->node != owner_.node_name) return std::nullopt;
  return *std::move(slice);
}

void Publisher::Impl::Listed(const std::vector<std::string>& objects) {
  ++counts_.reads;
  list_failure_.clear();
  std::vector<StoredSlice> slices;
  for (const std::string& object : objects) {
    if (auto slice = Ours(object)) {
      gates_.Seen(Used(slice->content));
      slices.push_back(*std::move(slice));
    }
  }
  const Mirror::News news = mirror_.Listed(std::move(slices));
  listed_ = true;
  if (std::exchange(unanswered_, false)) {
    schedule_.Unblock();
    backoff_.Reset();
  }
  AskAgain();
  if (std::exchange(heard_, true) && news == Mirror::News::kDeleted) {
    schedule_.Wiped();
  } else {
    schedule_.Now();
  }
}

void Publisher::Impl::Told(kube::Reflector::Change change, const std::string& object) {
  auto slice = Ours(object);
  if (!slice) return;
  switch (mirror_.Told(change, *std::move(slice))) {
    case Mirror::News::kNone: return;
    case Mirror::News::kChanged: return schedule_.Disturbed();
    case Mirror::News::kDeleted: return schedule_.Wiped();
  }
}

void Publisher::Impl::Ask(Question& question) {
  if (question.asking) return;
  question.asking = true;
  loop_.Cancel(std::exchange(question.timer, 0));
  ++counts_.reads;
  ApiRequest request;
  request.path =
      &question == &node_ ? "/api/v1/nodes/" + kube::EncodeQuery(owner_.node_name) : question.path;
  Call(std::move(request), [this, &question](const ApiResult& result) {
    question.asking = false;
    const bool first = !question.known;
    Answered(question, result);
    if (first && question.known && Ready()) schedule_.Now();
  });
}

void Publisher::Impl::Answered(Question& question, const ApiResult& result) {
  if (!result) {
    const ApiFailure& failure = result.error();
    const bool final = !failure.Retryable() || failure.status == 403;
    // Without any answer nothing can be written, either: the next list asks again.
    if (failure.status == 0 && !listed_) return;
    if (!final && ++question.failures < kAttempts) {
      question.timer =
          loop_.After(ask_backoff_.Next(failure.retry_after), [this, &question] { Ask(question); });
      return;
    }
    if (&question == &node_ && !question.known) {
      Log(LogLevel::kWarning,
          "the slices will not go with the node, since its UID is not known: {}",
          failure.error.what);
    }
    question.known = true;
    return;
  }
  question.known = true;
  question.failures = 0;
  if (&question == &version_) {
    if (!gates_.SetVersion(*result)) return;
    rejected_.clear();  // another server may think otherwise
    TellDropped();
    ProbeWhatIsOff();
    if (Ready()) schedule_.Now();
    return;
  }
  const auto document = ParseJson(*result);
  if (!document) return;
  if (auto uid = JsonField(*document, "")["metadata"]["uid"].Text()) {
    owner_.node_uid = *std::move(uid);
  }
}

// After a list: what is not known yet, and what may have changed with the server.
void Publisher::Impl::AskAgain() {
  if (!node_.known) Ask(node_);
  if (!version_.known || (heard_ && (!gates_.all_on() || !rejected_.empty()))) Ask(version_);
}

void Publisher::Impl::ArmRecheck() {
  // Not all nodes in the same second.
  const auto spread = std::uniform_int_distribution<int64_t>(0, 360)(random_);
  recheck_timer_ = loop_.After(kRecheck + std::chrono::seconds(spread), [this] {
    ArmRecheck();
    if (owner_.node_uid.empty()) Ask(node_);
    if (gates_.all_on() && rejected_.empty()) return;
    Ask(version_);
    ProbeWhatIsOff();
  });
}

void Publisher::Impl::ArmUnseen() {
  loop_.Cancel(unseen_timer_);
  unseen_timer_ = loop_.After(kUnseen, [this] { AskUnseen(); });
}

// A watch that tells nothing of a write after so long has missed it, or it is gone.
void Publisher::Impl::AskUnseen() {
  const auto name = mirror_.Unseen(loop_.Now(), kUnseen);
  if (!name) return;
  ++counts_.reads;
  ApiRequest request;
  request.path = fmt::format("{}/{}", kCollection, *name);
  Call(std::move(request), [this, name = *name](const ApiResult& result) {
    ArmUnseen();
    if (!result && result.error().status != 404) return;
    Mirror::News news = Mirror::News::kNone;
    if (!result) news = mirror_.Asked(name, std::nullopt);
    if (auto slice = result ? Ours(*result) : std::nullopt) news = mirror_.Asked(name, slice);
    if (news != Mirror::News::kNone) schedule_.Now();
  });
}

// ---- Comparing and writing ----

void Publisher::Impl::Act() {
  if (!Ready()) return;  // comes again when it is
  if (!Idle()) return;  // looks again at its end
  std::vector<Write> writes = Compare();
  if (writes.empty()) {
    rounds_ = conflicts_ = 0;
    backoff_.Reset();
    write_failure_.clear();
    wanted_.clear();
    return;
  }
  round_uses_ = kNoFeatures;
  std::set<std::string> known_pools;
  for (const StoredSlice& slice : mirror_.All()) known_pools.insert(slice.pool);
  Features risky = kNoFeatures;
  for (const Write& write : writes) {
    if (write.kind == Write::Kind::kDelete) continue;
    const Features used = Used(ContentOf(write));
    round_uses_ = Union(round_uses_, used);
    if (known_pools.contains(write.pool)) risky = Union(risky, used);
  }
  // What is there already is not replaced by what the server may drop half of.
  if (gates_.Unproven(risky)) return Probe(risky);
  if (++rounds_ > kRoundsInARow) {
    rounds_ = 0;
    write_failure_ = "the slices do not stay as they were written";
    return schedule_.Block(backoff_.Next());
  }
  schedule_.Acted();
  round_ = Round(std::move(writes));
  Pump();
}

std::vector<Write> Publisher::Impl::Compare() {
  wanted_ = Wanted();
  return Reconcile(owner_, wanted_, Stored());
}

// The pools that can be written.
std::vector<Pool> Publisher::Impl::Wanted() {
  std::map<std::string, Rejection> rejected = std::move(rejected_);
  rejected_.clear();
  impossible_.clear();
  std::vector<Pool> wanted;
  for (Pool& pool : inventory_(gates_.features())) {
    const auto before = rejected.find(pool.name);
    if (const Result<> check = CheckPool(pool); !check) {
      impossible_.emplace(pool.name, check.error().what);
    } else if (before != rejected.end() && SamePool(before->second.pool, pool)) {
      rejected_.insert(rejected.extract(before));
    } else {
      wanted.push_back(std::move(pool));
    }
  }
  for (const auto& [pool, why] : impossible_) {
    if (told_.insert(why).second) Log(LogLevel::kError, "not published: {}", why);
  }
  return wanted;
}

// Without the pools that are left as they are.
std::vector<StoredSlice> Publisher::Impl::Stored() const {
  std::vector<StoredSlice> stored = mirror_.All();
  std::erase_if(stored, [this](const StoredSlice& slice) {
    return impossible_.contains(slice.pool) || rejected_.contains(slice.pool);
  });
  for (StoredSlice& slice : stored) {
    const auto altered = altered_.find(slice.name);
    if (altered == altered_.end()) continue;
    const StoredSlice& answered = altered->second.answered;
    if (slice.foreign != answered.foreign || !SameContent(slice.content, answered.content))
      continue;
    slice.content = altered->second.sent;
    slice.foreign = false;
  }
  return stored;
}

void Publisher::Impl::Pump() {
  for (;;) {
    // The first answer tells whether the server keeps what the others are about to say.
    const size_t limit = gates_.Unproven(round_uses_) ? 1 : kWritesSideBySide;
    if (round_.under_way() >= limit) return;
    const auto write = round_.Next();
    if (!write) break;
    Send(*write);
  }
  if (!round_.done()) return;
  ArmUnseen();
  // Now it should all be there; if not, this is the next round.
  schedule_.Now();
}

void Publisher::Impl::Send(const Write& write) {
  ApiRequest request;
  request.body = write.body;
  request.path = kCollection;
  SliceContent sent;
  if (write.kind == Write::Kind::kDelete) {
    request.method = "DELETE";
    request.path += "/" + write.stored->name;
    mirror_.BeginDelete(*write.stored);
  } else {
    sent = ContentOf(write);
    request.query = kWarn;
    request.method = "POST";
    if (write.kind == Write::Kind::kUpdate) {
      request.method = "PUT";
      request.path += "/" + write.stored->name;
    }
    mirror_.Begin();
  }
  Call(std::move(request), [this, write, sent = std::move(sent)](const ApiResult& result) {
    Finished(write, sent, result);
    round_.Finished(write.pool);
    Pump();
  });
}

void Publisher::Impl::Finished(const Write& write, const SliceContent& sent,
                               const ApiResult& result) {
  if (write.kind == Write::Kind::kDelete) {
    if (result || result.error().status == 404) {
      counts_.deletes += result ? 1 : 0;
      altered_.erase(write.stored->name);
      return mirror_.Deleted(*write.stored);
    }
    mirror_.DeleteFailed(*write.stored);
    return Refused(write, result.error());
  }
  if (!result) {
    mirror_.Failed();
    return Refused(write, result.error());
  }
  ++(write.kind == Write::Kind::kUpdate ? counts_.updates : counts_.creates);
  auto answer = DecodeSlice(*result);
  if (!answer) {
    mirror_.Failed();
    ApiFailure unreadable;
    unreadable.status = 409;  // what is there now is only known from a new list
    unreadable.error = std::move(answer).error().Within("the answer to a write");
    return Refused(write, unreadable);
  }
  Accept(sent, *std::move(answer));
}

void Publisher::Impl::Accept(const SliceContent& sent, StoredSlice answer) {
  altered_.erase(answer.name);
  if (gates_.Learn(Used(sent), Kept(sent, answer.content))) {
    TellDropped();
    round_.DropAll();  // the inventory is another one now
  } else if (answer.foreign || !SameContent(sent, answer.content)) {
    altered_.emplace(answer.name, Alteration{.sent = sent, .answered = answer});
    const std::string what = fmt::format(
        "the API server stores slices of pool {} otherwise than they were sent; an "
        "admission webhook or policy may change them",
        answer.pool);
    if (told_.insert(what).second) Log(LogLevel::kWarning, "{}", what);
  }
  mirror_.Written(std::move(answer), loop_.Now());
}

void Publisher::Impl::Refused(const Write& write, const ApiFailure& failure) {
  ++counts_.failures;
  write_failure_ = failure.error.what;
  const int status = failure.status;
  if (status == 404 || status == 409 || status == 410) {
    round_.DropAll();
    // Somebody was quicker: look again at once, and ever later when that does not help.
    if (conflicts_++ > 0) schedule_.Block(backoff_.Next(failure.retry_after));
    if (listed_) List();
  } else if (failure.Retryable()) {
    round_.DropAll();
    unanswered_ = status == 0;
    schedule_.Block(backoff_.Next(failure.retry_after));
  } else {
    Log(LogLevel::kError, "the API server refuses pool {}: {}", write.pool, failure.error.what);
    round_.Drop(write.pool);
    const auto pool = std::ranges::find(wanted_, write.pool, &Pool::name);
    rejected_[write.pool] = {.pool = pool == wanted_.end() ? Pool{.name = write.pool, .slices = {}} : *pool,
                             .why = failure.error.what};
  }
}

void Publisher::Impl::Probe(const Features& features) {
  probing_ = true;
  ++counts_.probes;
  ApiRequest request;
  request.method = "POST";
  request.path = kCollection;
  request.query = fmt::format("dryRun=All&{}", kWarn);
  request.body = EncodeSlice(owner_, owner_.node_name, 0, 1, 0,
                             Gates::Probe(features, owner_.driver_name), nullptr);
  Call(std::move(request), [this, features](const ApiResult& result) {
    probing_ = false;
    Probed(features, result);
    if (Ready()) schedule_.Now();
  });
}

void Publisher::Impl::Probed(const Features& features, const ApiResult& result) {
  const SliceContent sent = Gates::Probe(features, owner_.driver_name);
  if (!result) {
    ++counts_.failures;
    const ApiFailure& failure = result.error();
    if (failure.Retryable() || failure.status == 404) {
      write_failure_ = failure.error.what;
      unanswered_ = failure.status == 0;
      return schedule_.Block(backoff_.Next(failure.retry_after));
    }
    // It does not even take them.
    gates_.Learn(features, kNoFeatures);
    return TellDropped();
  }
  const auto answer = DecodeSlice(*result);
  const Features kept = answer ? Kept(sent, answer->content) : kNoFeatures;
  gates_.Learn(features, kept);
  TellDropped();
}

void Publisher::Impl::ProbeWhatIsOff() {
  if (!Idle() || gates_.all_on()) return;
  const Features on = gates_.features();
  const Features off{.partitionable = !on.partitionable && !gates_.too_old(),
                     .consumable = !on.consumable,
                     .taints = !on.taints,
                     .binding = !on.binding};
  if (off != kNoFeatures) Probe(off);
}

void Publisher::Impl::TellDropped() {
  for (const std::string& what : gates_.Dropped()) {
    if (told_.insert(what).second) Log(LogLevel::kWarning, "{}", what);
  }
}

// ---- What people see ----

std::string Publisher::Impl::trouble() const {
  if (!started_) return "publishing has not begun";
  std::vector<std::string> all;
  for (const auto& [pool, why] : impossible_) all.push_back(why);
  for (const auto& [pool, rejection] : rejected_) all.push_back(rejection.why);
  if (!write_failure_.empty()) all.push_back(write_failure_);
  if (!list_failure_.empty() && !reflector_->current()) all.push_back(list_failure_);
  if (all.empty() && !heard_) return "the API server has not answered yet";
  if (all.empty() && !Idle()) return "the slices are being written";
  return fmt::format("{}", fmt::join(all, "; "));
}

std::vector<std::string> Publisher::Impl::Slices() const {
  if (!heard_) return Preview(owner_, inventory_(gates_.features()));
  std::vector<std::string> slices;
  for (const StoredSlice& slice : mirror_.All()) {
    slices.push_back(EncodeSlice(owner_, slice.pool, slice.generation,
                                 static_cast<size_t>(std::max<int64_t>(slice.slice_count, 0)), 0,
                                 slice.content, &slice));
  }
  return slices;
}

Publisher::Publisher(kube::Loop& loop, kube::Api& api, Owner owner, Inventory inventory,
                     uint64_t seed)
    : impl_(std::make_unique<Impl>(loop, api, std::move(owner), std::move(inventory), seed)) {}
Publisher::~Publisher() = default;
void Publisher::Start() { impl_->Start(); }
void Publisher::Changed() { impl_->Changed(); }
const PublisherCounts& Publisher::counts() const { return impl_->counts(); }
std::string Publisher::trouble() const { return impl_->trouble(); }
std::vector<std::string> Publisher::dropped() const { return impl_->dropped(); }
std::vector<std::string> Publisher::Slices() const { return impl_->Slices(); }

std::vector<std::string> Preview(const Owner& owner, const std::vector<Pool>& pools) {
  std::vector<std::string> slices;
  for (const Pool& pool : pools) {
    for (size_t index = 0; index < pool.slices.size(); ++index) {
      slices.push_back(
          EncodeSlice(owner, pool.name, 1, pool.slices.size(), index, pool.slices[index], nullptr));
    }
  }
  return slices;
}

}  // namespace drapci::plugin::slices
