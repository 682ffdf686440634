#include "plugin/slices/publisher.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hal/base/log.h"
#include "plugin/slices/limits.h"
#include "plugin/slices/publisher_impl.h"

namespace drapci::plugin::slices {
namespace {

using kube::ApiFailure;
using kube::ApiRequest;
using kube::ApiResult;

constexpr std::string_view kWarn = "fieldValidation=Warn";
constexpr size_t kWritesSideBySide = 8;
constexpr int kRoundsInARow = 5;  // without coming to rest, before slowing down

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
constexpr Features kNoFeatures{.partitionable = false,
                               .consumable = false,
                               .taints = false,
                               .binding = false,
                               .note_taints = false};

}  // namespace

void Publisher::Impl::Act() {
  if (!Ready()) return;  // comes again when it is
  if (!Idle()) return;   // looks again at its end
  std::vector<Write> writes = Compare();
  if (writes.empty()) {
    rounds_ = conflicts_ = 0;
    backoff_.Reset();
    write_failure_.clear();
    wanted_.clear();
    return;
  }
  round_uses_ = kNoFeatures;
  for (const Write& write : writes) {
    if (write.kind != Write::Kind::kDelete) {
      round_uses_ = Union(round_uses_, Used(ContentOf(write)));
    }
  }
  // What is there already is not replaced by what the server may drop half of; where nothing is
  // yet, the first answer tells as well.
  if (!mirror_.All().empty() && gates_.Unproven(round_uses_)) return Probe(round_uses_);
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
    rejected_[write.pool] = {
        .pool = pool == wanted_.end() ? Pool{.name = write.pool, .slices = {}} : *pool,
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
                     .binding = !on.binding,
                     .note_taints = false};  // told by the version alone
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
  all.reserve(impossible_.size() + rejected_.size() + 2);
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
