// The slices' part of an API server, behind FakeApi: stores, lists, watches, refuses and drops as
// the real one does.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "plugin/slices/model.h"
#include "plugin/slices/reconcile.h"
#include "test/unit/kube/fake_api.h"
#include "test/unit/kube/fake_loop.h"

namespace drapci::plugin::slices {

class SliceServer {
 public:
  explicit SliceServer(kube::FakeLoop& loop);

  kube::FakeApi api;
  Features gates;  // what it keeps
  std::string minor = "36";
  std::string node_uid = "node-uid";  // empty: there is no such node
  bool away = false;                  // no call is answered
  bool watches_lag = false;           // events wait for Flush()
  // Answers a call in the server's stead, where it returns something; asked before it acts.
  std::function<std::optional<kube::ApiResult>(const kube::ApiRequest&)> fault;
  // Changes what is stored, as an admission webhook would.
  std::function<void(nlohmann::json&)> webhook;

  // What others do.
  void Delete(const std::string& name);
  void DeleteAll();
  void Edit(const std::string& name, const std::function<void(nlohmann::json&)>& edit);
  std::string Add(const nlohmann::json& object);
  void Flush();
  // Every watch ends; a list is needed to go on, since the history is gone.
  void Restart();

  std::vector<StoredSlice> Stored() const;
  // The devices that a scheduler sees.
  size_t devices() const;
  // The calls that have changed something.
  size_t writes() const { return writes_; }

 private:
  kube::ApiResult Answer(const kube::ApiRequest& request);
  kube::ApiResult Create(nlohmann::json object, bool dry_run);
  kube::ApiResult Update(const std::string& name, nlohmann::json object);
  kube::ApiResult Remove(const std::string& name, const std::string& options);
  void Store(nlohmann::json object, const char* event);
  void Drop(nlohmann::json& object) const;
  void Tell(const char* type, const nlohmann::json& object);

  kube::FakeLoop& loop_;
  std::map<std::string, nlohmann::json> objects_;
  std::deque<std::string> events_;
  uint64_t version_ = 100, serial_ = 0;
  size_t writes_ = 0;
};

}  // namespace drapci::plugin::slices
