// The verbs of the API on the store: get, list, watch, create, update, patch, delete. Knows no
// faults and no counters (server.h). Not locked: its owner does that.
#pragma once

#include <memory>
#include <random>
#include <string>

#include "test/apiserver/apply.h"
#include "test/apiserver/authorize.h"
#include "test/apiserver/gates.h"
#include "test/apiserver/resources.h"
#include "test/apiserver/store.h"
#include "test/apiserver/types.h"
#include "test/apiserver/watch.h"

namespace drapci::apiserver {

// One request, understood.
struct Call {
  const Request& request;
  Target target;
  std::string verb;
  User user;
};

class Api {
 public:
  Api(const Options& options, Gates gates);

  Response Serve(const Call& call);

  void Tick() { watches_.Tick(Now(), store_.version()); }
  void CloseWatches() { watches_.CloseAll(); }
  bool Restore(const json& dump);

  Store& store() { return store_; }
  const Gates& gates() const { return gates_; }
  Authorization& authorization() { return authorization_; }
  size_t watch_count() const { return watches_.size(); }

  // Writes an object past every rule, as the scheduler and tests do; watches see it.
  void Write(const Resource& resource, const Key& key, json object);
  std::string NewUid();
  int64_t Now() const;

 private:
  struct Body;  // see api_body.h

  Answer<Response> Dispatch(const Call& call);
  Answer<Selector> SelectorOf(const Call& call) const;

  Answer<Response> Get(const Call& call);
  Answer<Response> List(const Call& call, const Selector& selector);
  Answer<Response> OpenWatch(const Call& call, const Selector& selector);
  Answer<Response> Create(const Call& call);
  Answer<Response> Put(const Call& call);
  Answer<Response> Patch(const Call& call);
  Answer<Response> Apply(const Call& call, const Object& old);
  Answer<Response> Delete(const Call& call);
  Answer<Response> DeleteCollection(const Call& call, const Selector& selector);

  Answer<Object> Find(const Target& target) const;
  Answer<Body> Decoded(const Call& call, json object) const;
  Answer<Body> BodyOf(const Call& call) const;
  Answer<Response> Update(const Call& call, const Object& old, Body body, bool applied);
  Answer<Object> RemoveObject(const Call& call, const Object& old);
  Answer<> CheckNew(const Call& call, const json& object) const;
  Answer<> CheckChange(const Call& call, const json& old, const json& object) const;
  void FillTaintTimes(json& slice) const;
  void Publish(const Event& event) { watches_.Publish(event); }
  std::string NewSuffix();
  Manager ManagerOf(const Call& call) const;

  Gates gates_;
  Authorization authorization_;
  std::function<int64_t()> now_;
  std::mt19937_64 random_;
  uint64_t seed_;
  Store store_;
  Watches watches_;
};

}  // namespace drapci::apiserver
