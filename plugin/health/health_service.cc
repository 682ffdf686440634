#include "plugin/health/health_service.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <set>

#include "hal/base/log.h"
#include "plugin/proto/dra_health_v1.grpc.pb.h"
#include "plugin/proto/dra_health_v1alpha1.grpc.pb.h"

namespace drapci::plugin::health {
namespace {

// A kubelet opens one for each endpoint; whoever opens more than this has lost count.
constexpr size_t kMaxStreams = 64;
// Below what the kubelet's gRPC takes (4 MiB).
constexpr size_t kMaxBytes = 3 << 20;

::v1::HealthStatus StatusOf(driver::HealthState state) {
  switch (state) {
    case driver::HealthState::kHealthy: return ::v1::HEALTHY;
    case driver::HealthState::kUnhealthy: return ::v1::UNHEALTHY;
    case driver::HealthState::kUnknown: break;
  }
  return ::v1::UNKNOWN;
}

// The bytes are the same in both packages.
grpc::ByteBuffer Encode(const HealthReport& report) {
  ::v1::NodeWatchResourcesResponse response;
  for (const DeviceHealth& from : report.devices) {
    ::v1::DeviceHealth& device = *response.add_devices();
    device.mutable_device()->set_pool_name(from.pool);
    device.mutable_device()->set_device_name(from.device);
    device.set_health(StatusOf(from.state));
    device.set_last_updated_time(from.measured);
    device.set_health_check_timeout_seconds(from.timeout.count());
    device.set_message(from.message);
  }
  if (response.ByteSizeLong() > kMaxBytes) {
    for (::v1::DeviceHealth& device : *response.mutable_devices()) device.clear_message();
  }
  const grpc::Slice bytes(response.SerializeAsString());
  return {&bytes, 1};
}

}  // namespace

class HealthService::Hub {
 public:
  class Stream;

  explicit Hub(HealthFeed& feed) : feed_(feed) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open();
  void Left(Stream* stream);
  void Send(const HealthReport& report);
  void Close();
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return streams_.size();
  }

 private:
  HealthFeed& feed_;
  mutable std::mutex mutex_;
  std::set<Stream*> streams_;
  bool closed_ = false, crowd_told_ = false;
};

// gRPC's own threads call On...(); it deletes itself when gRPC has done with it.
class HealthService::Hub::Stream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit Stream(Hub& hub) : hub_(hub) {}

  // Only the newest of what waits is worth being sent.
  void Offer(const grpc::ByteBuffer& bytes) {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    if (writing_) {
      next_ = bytes;
    } else {
      Write(bytes);
    }
  }

  void End(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    Finish(status);
  }

 private:
  void Write(const grpc::ByteBuffer& bytes) {
    current_ = bytes;  // must live until it is written
    writing_ = true;
    StartWrite(&current_);
  }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (ok && !finished_ && next_) Write(*std::exchange(next_, std::nullopt));
    }
    if (!ok) End(grpc::Status::CANCELLED);
  }
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override {
    hub_.Left(this);
    delete this;
  }

  Hub& hub_;
  std::mutex mutex_;
  grpc::ByteBuffer current_;
  std::optional<grpc::ByteBuffer> next_;
  bool writing_ = false, finished_ = false;
};

grpc::ServerWriteReactor<grpc::ByteBuffer>* HealthService::Hub::Open() {
  auto* stream = new Stream(*this);
  const std::lock_guard lock(mutex_);
  if (closed_) {
    stream->End({grpc::StatusCode::UNAVAILABLE, "drapcid stops"});
    return stream;
  }
  if (streams_.size() >= kMaxStreams) {
    if (!std::exchange(crowd_told_, true)) {
      Log(LogLevel::kWarning, "{} health streams are open, more are refused", streams_.size());
    }
    stream->End({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many health streams"});
    return stream;
  }
  streams_.insert(stream);
  feed_.Want();
  return stream;
}

void HealthService::Hub::Left(Stream* stream) {
  const std::lock_guard lock(mutex_);
  if (streams_.erase(stream) > 0) feed_.WantNoMore();
}

void HealthService::Hub::Send(const HealthReport& report) {
  const std::lock_guard lock(mutex_);
  if (streams_.empty()) return;
  const grpc::ByteBuffer bytes = Encode(report);
  for (Stream* stream : streams_) stream->Offer(bytes);
}

void HealthService::Hub::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Stream* stream : streams_) stream->End({grpc::StatusCode::UNAVAILABLE, "drapcid stops"});
}

namespace {

// Requests are empty in both packages, and answers are bytes.
template <class Api, class Hub>
class Watch final
    : public Api::template WithRawCallbackMethod_NodeWatchResources<typename Api::Service> {
 public:
  explicit Watch(Hub& hub) : hub_(hub) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* NodeWatchResources(grpc::CallbackServerContext*,
                                                                 const grpc::ByteBuffer*) override {
    return hub_.Open();
  }

 private:
  Hub& hub_;
};

}  // namespace

HealthService::HealthService(HealthFeed& feed) : feed_(feed), hub_(std::make_unique<Hub>(feed)) {
  services_.push_back(std::make_unique<Watch<::v1::DRAResourceHealth, Hub>>(*hub_));
  services_.push_back(std::make_unique<Watch<::v1alpha1::DRAResourceHealth, Hub>>(*hub_));
  feed_.SendTo([hub = hub_.get()](const HealthReport& report) { hub->Send(report); });
}

HealthService::~HealthService() { feed_.SendToNobody(); }

std::vector<grpc::Service*> HealthService::services() {
  std::vector<grpc::Service*> services;
  for (const auto& service : services_) services.push_back(service.get());
  return services;
}

std::vector<std::string> HealthService::Versions() {
  return {"v1.DRAResourceHealth", "v1alpha1.DRAResourceHealth"};
}

void HealthService::Close() { hub_->Close(); }
size_t HealthService::streams() const { return hub_->size(); }

}  // namespace drapci::plugin::health
