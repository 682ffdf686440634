// An API server that the test plays: `answer` is asked for every call, watches are fed by hand.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plugin/kube/api.h"
#include "plugin/kube/loop.h"

namespace drapci::plugin::kube {

class FakeApi : public Api {
 public:
  explicit FakeApi(Loop& loop) : loop_(loop) {}

  CallId Call(ApiRequest request, std::function<void(ApiResult)> done) override {
    const CallId id = ++last_;
    open_[id] = true;
    calls.push_back(request);
    loop_.Post([this, id, request = std::move(request), done = std::move(done)] {
      if (open_.erase(id) != 0) done(answer(request));
    });
    return id;
  }
  CallId Watch(ApiRequest request, std::chrono::milliseconds,
               std::function<void(std::string_view)> event,
               std::function<void(ApiFailure)> end) override {
    watches[++last_] = {std::move(request), std::move(event), std::move(end)};
    return last_;
  }
  void Cancel(CallId call) override {
    open_.erase(call);
    watches.erase(call);
  }

  // The calls that change something.
  std::vector<ApiRequest> Writes() const {
    std::vector<ApiRequest> writes;
    for (const ApiRequest& call : calls) {
      if (call.method != "GET") writes.push_back(call);
    }
    return writes;
  }
  static ApiResult Failure(int status, Code code, std::string reason) {
    ApiFailure failure;
    failure.status = status;
    failure.reason = reason;
    failure.error = {.code = code, .sys = 0, .what = std::move(reason)};
    return std::unexpected(std::move(failure));
  }

  struct OpenWatch {
    ApiRequest request;
    std::function<void(std::string_view)> event;
    std::function<void(ApiFailure)> end;
  };
  std::function<ApiResult(const ApiRequest&)> answer;
  std::vector<ApiRequest> calls;
  std::map<CallId, OpenWatch> watches;

 private:
  Loop& loop_;
  CallId last_ = 0;
  std::map<CallId, bool> open_;
};

}  // namespace drapci::plugin::kube
