// The connection to drapcid's control socket.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "plugin/cli/failure.h"
#include "plugin/proto/control.grpc.pb.h"

namespace drapci::cli {

class Client {
 public:
  // Connects at once, so that the reason of a failure is the kernel's own: ENOENT and ECONNREFUSED
  // are "no daemon", EACCES is a refusal. `timeout` bounds each call.
  static Outcome<Client> Connect(const std::string& socket_path, std::chrono::seconds timeout);

  // Client.Call(&v1::Control::Stub::ListDevices, request)
  template <class Request, class Response>
  Outcome<Response> Call(grpc::Status (v1::Control::Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                         const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    Response response;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (!status.ok()) return std::unexpected(Explain(status));
    return response;
  }

  // Each message of a stream, until it ends or `on_each` returns false. `endless`: it may go on for
  // ever, and no deadline ends it.
  template <class Request, class Response>
  Outcome<> Stream(std::unique_ptr<grpc::ClientReader<Response>> (v1::Control::Stub::*method)(
                       grpc::ClientContext*, const Request&),
                   const Request& request, bool endless,
                   const std::function<bool(const Response&)>& on_each) {
    grpc::ClientContext context;
    if (!endless) context.set_deadline(std::chrono::system_clock::now() + timeout_);
    const auto reader = (stub_.get()->*method)(&context, request);
    Response response;
    bool wanted = true;
    while (wanted && reader->Read(&response)) wanted = on_each(response);
    if (!wanted) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (wanted && !status.ok()) return std::unexpected(Explain(status));
    return {};
  }

 private:
  Failure Explain(const grpc::Status& status) const;

  std::string socket_path_;
  std::chrono::seconds timeout_{};
  std::unique_ptr<v1::Control::Stub> stub_;
};

}  // namespace drapci::cli
