// The inside of Publisher: publisher_talk.cc asks and listens, publisher.cc compares and writes.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/kube/backoff.h"
#include "plugin/kube/reflector.h"
#include "plugin/slices/gates.h"
#include "plugin/slices/mirror.h"
#include "plugin/slices/publisher.h"
#include "plugin/slices/round.h"
#include "plugin/slices/schedule.h"

namespace drapci::plugin::slices {

inline constexpr std::string_view kCollection = "/apis/resource.k8s.io/v1/resourceslices";

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
        backoff_(std::chrono::milliseconds(500), std::chrono::milliseconds(60'000), random_()),
        ask_backoff_(std::chrono::milliseconds(500), std::chrono::milliseconds(30'000), random_()) {
  }
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
  void Call(kube::ApiRequest request, std::function<void(kube::ApiResult)> done);
  void List();
  void Listed(const std::vector<std::string>& objects);
  void Told(kube::Reflector::Change change, const std::string& object);
  std::optional<StoredSlice> Ours(const std::string& object) const;
  void Ask(Question& question);
  void AskAgain();
  void Answered(Question& question, const kube::ApiResult& result);
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
  void Finished(const Write& write, const SliceContent& sent, const kube::ApiResult& result);
  void Accept(const SliceContent& sent, StoredSlice answer);
  void Refused(const Write& write, const kube::ApiFailure& failure);
  void Probe(const Features& features);
  void Probed(const Features& features, const kube::ApiResult& result);
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
  Features round_uses_;

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

}  // namespace drapci::plugin::slices
