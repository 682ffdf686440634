// The health streams on a real socket (contract, section 10.4).
#include "plugin/health/health_service.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "plugin/kubelet_sockets.h"
#include "plugin/proto/dra_health_v1.grpc.pb.h"
#include "plugin/proto/dra_health_v1alpha1.grpc.pb.h"
#include "plugin/proto/dra_v1.grpc.pb.h"
#include "plugin/proto/pluginregistration.grpc.pb.h"
#include "test/unit/plugin/fake_manager.h"
#include "test/unit/plugin/test_dir.h"
#include "test/unit/reports/healths.h"

namespace drapci::plugin::health {
namespace {

using driver::Severity;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Lt;
using testing::SizeIs;

constexpr const char* kCard = "pci-0000-02-00-0";
constexpr seconds kPatience{30};

// A stream as the kubelet holds it.
template <class Api, class Request, class Response>
class Stream {
 public:
  explicit Stream(const std::shared_ptr<grpc::Channel>& channel) : stub_(Api::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    reader_ = stub_->NodeWatchResources(&context_, Request());
  }

  // The next answer; empty at the end.
  std::optional<Response> Next() {
    Response response;
    if (!reader_->Read(&response)) return std::nullopt;
    return response;
  }
  // Answers until the devices are in that state; the answer.
  template <class Status>
  std::optional<Response> Until(Status status) {
    while (auto response = Next()) {
      if (response->devices_size() > 0 && response->devices(0).health() == status) return response;
    }
    return std::nullopt;
  }
  void Cancel() { context_.TryCancel(); }
  grpc::Status End() {
    while (Next()) {
    }
    return reader_->Finish();
  }

 private:
  std::unique_ptr<typename Api::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
};
using StreamV1 = Stream<::v1::DRAResourceHealth, ::v1::NodeWatchResourcesRequest,
                        ::v1::NodeWatchResourcesResponse>;
using StreamV1alpha1 = Stream<::v1alpha1::DRAResourceHealth, ::v1alpha1::NodeWatchResourcesRequest,
                              ::v1alpha1::NodeWatchResourcesResponse>;

class HealthServiceTest : public testing::Test {
 protected:
  HealthServiceTest() {
    manager_.health[kCard] = Healthy(clock_.Wall());
    Start();
  }

  void Start() {
    feed_ = std::make_unique<HealthFeed>(manager_, clock_, "node-1", HealthFeed::Looked());
    service_ = std::make_unique<HealthService>(*feed_);
    auto sockets =
        KubeletSockets::Start(listening_, dir_.path(), "dra.pci", preparer_, service_.get());
    ASSERT_TRUE(sockets.has_value()) << sockets.error().what;
    sockets_ = *std::move(sockets);
  }
  void Stop() {
    sockets_->Stop(kPatience);
    sockets_.reset();
    service_.reset();
    feed_.reset();
  }

  std::shared_ptr<grpc::Channel> Dial() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("unix:" + sockets_->paths().service,
                                     grpc::InsecureChannelCredentials(), arguments);
  }
  bool SoonOpen(size_t streams) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (service_->streams() != streams) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  void Break(const std::string& message = "2 fatal errors within 60 s") {
    manager_.SetHealth(kCard, Sick(clock_.Wall(), Severity::kNoExecute, "PcieFatalError", message));
  }
  void Mend() { manager_.SetHealth(kCard, Healthy(clock_.Wall())); }

  TestDir dir_;
  hal::SystemClock clock_;
  FakeManager manager_;
  ClaimPreparer preparer_{manager_, nullptr, "dra.pci", "node-1", nullptr};
  ListeningSockets listening_{false};
  std::unique_ptr<HealthFeed> feed_;
  std::unique_ptr<HealthService> service_;
  std::unique_ptr<KubeletSockets> sockets_;
};

TEST_F(HealthServiceTest, IsAdvertisedAfterThePluginInBothVersionsTheNewerFirst) {
  auto stub = pluginregistration::Registration::NewStub(grpc::CreateChannel(
      "unix:" + sockets_->paths().registration, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  pluginregistration::PluginInfo info;
  ASSERT_TRUE(stub->GetInfo(&context, {}, &info).ok());
  EXPECT_THAT(info.supported_versions(),
              ElementsAre("v1.DRAPlugin", "v1beta1.DRAPlugin", "v1.DRAResourceHealth",
                          "v1alpha1.DRAResourceHealth"));
}

TEST_F(HealthServiceTest, TellsEveryDeviceAtOnce) {
  StreamV1 stream(Dial());
  const auto first = stream.Next();
  ASSERT_TRUE(first);
  ASSERT_EQ(first->devices_size(), 8);
  const ::v1::DeviceHealth& device = first->devices(3);
  EXPECT_EQ(device.device().pool_name(), std::string("node-1/") + kCard);
  EXPECT_EQ(device.device().device_name(), std::string(kCard) + "-vf3");
  EXPECT_EQ(device.health(), ::v1::HEALTHY);
  EXPECT_GT(device.last_updated_time(), 1'600'000'000);
  EXPECT_EQ(device.health_check_timeout_seconds(), 30);
  EXPECT_EQ(device.message(), "");
}

TEST_F(HealthServiceTest, TellsThatACardTurnsUnhealthyAndWellAgain) {
  StreamV1 stream(Dial());
  ASSERT_TRUE(stream.Until(::v1::HEALTHY));
  Break();
  const auto broken = stream.Until(::v1::UNHEALTHY);
  ASSERT_TRUE(broken);
  for (const auto& device : broken->devices()) {
    EXPECT_EQ(device.health(), ::v1::UNHEALTHY);
    EXPECT_EQ(device.message(), "PcieFatalError: 2 fatal errors within 60 s");
  }
  Mend();
  const auto mended = stream.Until(::v1::HEALTHY);
  ASSERT_TRUE(mended);
  EXPECT_EQ(mended->devices(0).message(), "");
}

TEST_F(HealthServiceTest, ServesAKubeletThatKnowsTheOlderVersionOnlyBesideOneThatKnowsBoth) {
  StreamV1alpha1 old_stream(Dial());
  StreamV1 new_stream(Dial());
  ASSERT_TRUE(old_stream.Until(::v1alpha1::HEALTHY));
  ASSERT_TRUE(new_stream.Until(::v1::HEALTHY));
  Break();
  const auto old_news = old_stream.Until(::v1alpha1::UNHEALTHY);
  const auto new_news = new_stream.Until(::v1::UNHEALTHY);
  ASSERT_TRUE(old_news && new_news);
  EXPECT_EQ(old_news->SerializeAsString(), new_news->SerializeAsString());
}

TEST_F(HealthServiceTest, EndsItsStreamsWhenItStopsAndTellsAllAgainAfterARestart) {
  {
    StreamV1 stream(Dial());
    ASSERT_TRUE(stream.Next());
    const auto begin = std::chrono::steady_clock::now();
    std::thread stopping([this] { Stop(); });
    EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::UNAVAILABLE);
    stopping.join();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience / 2);
  }
  Break();
  Start();
  StreamV1 again(Dial());
  const auto first = again.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->devices(0).health(), ::v1::UNHEALTHY);
}

TEST_F(HealthServiceTest, TellsAllToAStreamThatIsOpenedAgainAfterItsConnectionDropped) {
  auto channel = Dial();
  auto stream = std::make_unique<StreamV1>(channel);
  ASSERT_TRUE(stream->Next());
  stream->Cancel();
  stream.reset();
  channel.reset();
  ASSERT_TRUE(SoonOpen(0));
  StreamV1 again(Dial());
  const auto first = again.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->devices_size(), 8);
}

TEST_F(HealthServiceTest, LetsAStreamThatIsCancelledGoAtOnce) {
  const auto channel = Dial();
  StreamV1 one(channel), two(channel);
  ASSERT_TRUE(one.Next());
  ASSERT_TRUE(two.Next());
  one.Cancel();
  EXPECT_TRUE(SoonOpen(1));
  Break();
  EXPECT_TRUE(two.Until(::v1::UNHEALTHY));
}

TEST_F(HealthServiceTest, ServesManyStreamsAndRefusesThoseBeyondItsLimit) {
  const auto channel = Dial();
  std::vector<std::unique_ptr<StreamV1>> streams;
  for (int i = 0; i < 64; ++i) {
    streams.push_back(std::make_unique<StreamV1>(channel));
    ASSERT_TRUE(streams.back()->Next()) << i;
  }
  EXPECT_EQ(StreamV1(channel).End().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  Break();
  for (const auto& stream : streams) EXPECT_TRUE(stream->Until(::v1::UNHEALTHY));
  streams.pop_back();
  // The place is free again.
  ASSERT_TRUE(SoonOpen(63));
  EXPECT_TRUE(StreamV1(channel).Next());
}

TEST_F(HealthServiceTest, RepeatsItselfBeforeTheTimeoutOnlyWhileItIsMeasured) {
  driver::Health health = Healthy(clock_.Wall());
  health.valid_for = seconds(3);
  manager_.SetHealth(kCard, health);
  StreamV1 stream(Dial());
  const auto first = stream.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->devices(0).health(), ::v1::HEALTHY);
  EXPECT_EQ(first->devices(0).health_check_timeout_seconds(), 3);
  const auto second = stream.Next();  // half of the time later, without any change
  ASSERT_TRUE(second);
  EXPECT_EQ(second->devices(0).health(), ::v1::HEALTHY);
  // Nobody measures any more: the repetition must not hide it.
  const auto lapsed = stream.Until(::v1::UNKNOWN);
  ASSERT_TRUE(lapsed);
  EXPECT_THAT(lapsed->devices(0).message(), HasSubstr("NotMeasured"));
}

TEST_F(HealthServiceTest, MakesFewAnswersOfManyChanges) {
  StreamV1 stream(Dial());
  ASSERT_TRUE(stream.Next());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) i % 2 == 0 ? Break(fmt::format("error {}", i)) : Mend();
  Break("the last");
  int answers = 0;
  for (bool last = false; !last;) {
    const auto answer = stream.Next();
    ASSERT_TRUE(answer);
    ++answers;
    last = answer->devices(0).message() == "PcieFatalError: the last";
  }
  // At most one in 200 ms, whatever happens.
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  EXPECT_LE(answers, 2 + took.count() / 200);
}

TEST_F(HealthServiceTest, CutsALongMessage) {
  Break(std::string(3000, 'x') + "\xc3");
  StreamV1 stream(Dial());
  const auto first = stream.Next();
  ASSERT_TRUE(first);
  EXPECT_THAT(first->devices(0).message(), SizeIs(1024));
}

TEST_F(HealthServiceTest, GoesOnWhileClaimsArePreparedAndReleased) {
  const auto channel = Dial();
  auto stub = ::k8s::io::kubelet::pkg::apis::dra::v1::DRAPlugin::NewStub(channel);
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::thread kubelet([&] {
    while (!stop) {
      grpc::ClientContext context;
      ::k8s::io::kubelet::pkg::apis::dra::v1::NodeUnprepareResourcesRequest request;
      ::k8s::io::kubelet::pkg::apis::dra::v1::NodeUnprepareResourcesResponse response;
      request.add_claims()->set_uid("uid-1");
      EXPECT_TRUE(stub->NodeUnprepareResources(&context, request, &response).ok());
      ++calls;
    }
  });
  StreamV1 stream(channel);
  for (int i = 0; i < 3; ++i) {
    Break();
    EXPECT_TRUE(stream.Until(::v1::UNHEALTHY));
    Mend();
    EXPECT_TRUE(stream.Until(::v1::HEALTHY));
  }
  stop = true;
  kubelet.join();
  EXPECT_GT(calls, 0);
}

}  // namespace
}  // namespace drapci::plugin::health
