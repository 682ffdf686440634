// Connections to a server that the test plays: requests stay open until the test answers them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugin/kube/transport.h"

namespace drapci::plugin::kube {

class FakeServer {
 public:
  struct Request {
    size_t transport = 0;  // which one of those made it came by
    HttpRequest request;
    std::function<void(std::string_view)> data;
    std::function<void(HttpResult)> done;

    std::string Header(std::string_view name) const {
      const std::string start = std::string(name) + ": ";
      for (const std::string& header : request.headers) {
        if (header.starts_with(start)) return header.substr(start.size());
      }
      return "";
    }
  };

  MakeTransport Maker() {
    return [this](const Endpoint& endpoint) -> Result<std::unique_ptr<Transport>> {
      endpoints.push_back(endpoint);
      return std::make_unique<Connection>(*this, endpoints.size() - 1);
    };
  }

  // Answers the oldest open request.
  void Answer(HttpResult result) {
    const auto node = open.extract(open.begin());
    const auto done = std::move(node.mapped().done);
    done(std::move(result));
  }
  void Answer(int status, std::string body, std::string retry_after = "") {
    Answer(HttpResponse{.status = status, .body = std::move(body), .retry_after = retry_after});
  }
  // A piece of a stream, on the oldest open request.
  void Data(std::string_view piece) {
    const auto data = open.begin()->second.data;
    data(piece);
  }
  const Request& oldest() const { return open.begin()->second; }

  std::vector<Endpoint> endpoints;  // of every transport made
  std::map<Transport::Id, Request> open;
  std::vector<HttpRequest> all;
  size_t transports = 0;  // that live now
  size_t cancelled = 0;

 private:
  class Connection : public Transport {
   public:
    Connection(FakeServer& server, size_t number) : server_(server), number_(number) {
      ++server_.transports;
    }
    ~Connection() override {
      --server_.transports;
      std::erase_if(server_.open,
                    [this](const auto& each) { return each.second.transport == number_; });
    }
    Id Send(HttpRequest request, std::function<void(HttpResult)> done) override {
      return Stream(std::move(request), nullptr, std::move(done));
    }
    Id Stream(HttpRequest request, std::function<void(std::string_view)> data,
              std::function<void(HttpResult)> end) override {
      server_.all.push_back(request);
      server_.open[++server_.last_] = {number_, std::move(request), std::move(data),
                                       std::move(end)};
      return server_.last_;
    }
    void Cancel(Id request) override { server_.cancelled += server_.open.erase(request); }

   private:
    FakeServer& server_;
    size_t number_;
  };

  Transport::Id last_ = 0;
};

}  // namespace drapci::plugin::kube
