// Registration and lifetime (contract section 10.1, cases 1 to 6): kubelets that restart, calls
// that fail, connections that break.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>

#include "test/node/kubelet/kubelet_fixture.h"
#include "test/node/kubelet/plugin_manager.h"

namespace drapci::test {
namespace {

namespace fs = std::filesystem;
using pluginregistration::PluginInfo;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// The daemon answers nothing while this exists; who connects waits in the socket's backlog.
class Stopped {
 public:
  explicit Stopped(pid_t pid) : pid_(pid) {
    siginfo_t info;
    kill(pid, SIGSTOP);
    waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED);  // all its threads
  }
  ~Stopped() { kill(pid_, SIGCONT); }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;

 private:
  const pid_t pid_;
};

class Lifetime : public KubeletNode {
 protected:
  // As a kubelet that has just been started does.
  Plugin Registered() const {
    const PluginManager kubelet(scratch_.kubelet_root);
    EXPECT_THAT(kubelet.Sockets(), ElementsAre(socket_));
    auto plugin = kubelet.Register(socket_);
    EXPECT_TRUE(plugin) << plugin.error().what;
    return plugin.value_or(Plugin{});
  }
  // It can be registered, and a claim be prepared and released.
  void ExpectItWorks() {
    const Plugin plugin = Registered();
    ExpectItServes(plugin.service);
  }
  void ExpectItServes(const std::shared_ptr<grpc::Channel>& service) {
    const ClaimObject claim = VfClaim(0);
    const auto prepared = PrepareOn(service, claim);
    EXPECT_TRUE(prepared) << prepared.error().what;
    const auto released = UnprepareOn(service, claim);
    EXPECT_TRUE(released) << released.error().what;
  }
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(scratch_.log).rdbuf();
    return text.str();
  }

  const std::string socket_ = RegistrationSocket(scratch_.kubelet_root);
  const std::string service_ = ServiceSocket(scratch_.kubelet_root);
};

// Contract 10.1 case 1.
TEST_F(Lifetime, GivesTheSameRegistrationAndAnswersToAKubeletThatRestarts) {
  const pid_t pid = node_.pid();
  const ClaimObject claim = VfClaim(0);
  std::string info, answer;
  for (int life = 0; life < 3; ++life) {
    const Plugin plugin = Registered();
    const auto prepared = PrepareOn(plugin.service, claim);
    ASSERT_TRUE(prepared) << prepared.error().what;
    if (life == 0) {
      info = plugin.info.SerializeAsString();
      answer = *prepared;
    }
    EXPECT_EQ(plugin.info.SerializeAsString(), info);
    EXPECT_EQ(*prepared, answer);
  }
  EXPECT_TRUE(UnprepareOn(Registered().service, claim));
  EXPECT_EQ(node_.pid(), pid);
}

// Contract 10.1 case 1.
TEST_F(Lifetime, IsSeenToGoAndToComeBackByAKubeletThatStays) {
  PluginManager kubelet(scratch_.kubelet_root);
  const auto first = kubelet.Register(socket_);
  ASSERT_TRUE(first) << first.error().what;
  for (const bool crash : {false, true}) {
    const auto ended = crash ? node_.Kill() : node_.Stop();
    ASSERT_TRUE(ended) << ended.error().what;
    const auto started = node_.Start();
    ASSERT_TRUE(started) << started.error().what;
    EXPECT_THAT(kubelet.Events(), ElementsAre("-dra.pci-reg.sock", "+dra.pci-reg.sock"));
    const auto again = kubelet.Register(socket_);
    ASSERT_TRUE(again) << again.error().what;
    EXPECT_EQ(again->info.SerializeAsString(), first->info.SerializeAsString());
    ExpectItServes(again->service);
  }
}

// Contract 10.1 case 2.
TEST_F(Lifetime, IsRegisteredLaterWhenGetInfoHadNoAnswerAtFirst) {
  const pid_t pid = node_.pid();
  const auto channel = Dial(socket_);
  ASSERT_TRUE(channel->WaitForConnected(In(std::chrono::seconds(10))));
  PluginInfo info;
  {
    const Stopped stopped(pid);
    EXPECT_EQ(GetInfo(channel, info).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  ExpectItWorks();
  EXPECT_EQ(node_.pid(), pid);
}

// Contract 10.1 case 2.
TEST_F(Lifetime, IsRegisteredLaterWhenConnectionsBrokeOffInTheMiddleOfGetInfo) {
  // The HTTP/2 preface, empty settings, and the head of a frame that never comes (RFC 9113).
  using std::string_view_literals::operator""sv;
  constexpr auto kBegun =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\x40\1\4\0\0\0\1"sv;
  for (size_t length = 0; length <= kBegun.size(); length += 7) {
    const UniqueFd caller = RawSocket(socket_, connect);
    ASSERT_TRUE(caller);
    ASSERT_EQ(send(caller.get(), kBegun.data(), length, MSG_NOSIGNAL),
              static_cast<ssize_t>(length));
  }
  ExpectItWorks();
  EXPECT_TRUE(Soon([this] { return Connections(socket_).empty(); })) << "they are let go";
}

// Contract 10.1 case 3.
TEST_F(Lifetime, IsRegisteredLaterWhenNotifyRegistrationStatusHadNoAnswerAtFirst) {
  const pid_t pid = node_.pid();
  const auto channel = Dial(socket_);
  PluginInfo info;
  ASSERT_TRUE(channel->WaitForConnected(In(std::chrono::seconds(10))));
  ASSERT_TRUE(GetInfo(channel, info).ok());
  {
    const Stopped stopped(pid);
    EXPECT_EQ(NotifyStatus(channel, "", std::chrono::milliseconds(500)).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  ExpectItWorks();
  EXPECT_EQ(node_.pid(), pid);
}

// Contract 10.1 case 4.
TEST_F(Lifetime, ServesClaimsFromTheMomentThatItsRegistrationAppears) {
  ASSERT_TRUE(node_.Stop());
  PluginManager kubelet(scratch_.kubelet_root);
  Result<> started;
  std::jthread starter([&] { started = node_.Start(); });
  EXPECT_THAT(kubelet.AwaitEvents(), ElementsAre("+dra.pci-reg.sock"));
  EXPECT_TRUE(RawSocket(service_, connect)) << "the kubelet's next step would fail";
  starter.join();
  ASSERT_TRUE(started) << started.error().what;
  const auto plugin = kubelet.Register(socket_);
  ASSERT_TRUE(plugin) << plugin.error().what;
  EXPECT_EQ(plugin->info.endpoint(), service_) << "two sockets, none of them in common";
  ExpectItServes(plugin->service);
}

// Contract 10.1 case 4.
TEST_F(Lifetime, BecomesFunctionalForAKubeletThatDialedTheServiceTooEarly) {
  ASSERT_TRUE(node_.Stop());
  const auto service = Dial(service_, "localhost");
  const ClaimObject claim = VfClaim(0);
  const auto early = PrepareOn(service, claim);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Code::kBusy) << early.error().what;
  const auto started = node_.Start();
  ASSERT_TRUE(started) << started.error().what;
  ASSERT_TRUE(service->WaitForConnected(In(std::chrono::seconds(60))));
  ExpectItServes(service);
}

// Contract 10.1 case 5.
TEST_F(Lifetime, IsFunctionalAgainWhenTheServiceConnectionHasDropped) {
  const Plugin plugin = Registered();
  const ClaimObject claim = VfClaim(1);
  const auto first = PrepareOn(plugin.service, claim);
  ASSERT_TRUE(first) << first.error().what;
  ASSERT_TRUE(node_.Kill());
  const auto gone = PrepareOn(plugin.service, claim);
  ASSERT_FALSE(gone) << "who could have answered?";
  EXPECT_EQ(gone.error().code, Code::kBusy) << gone.error().what;
  const auto started = node_.Start();
  ASSERT_TRUE(started) << started.error().what;
  // A kubelet connects anew by itself, to the same endpoint.
  ASSERT_TRUE(plugin.service->WaitForConnected(In(std::chrono::seconds(60))));
  EXPECT_EQ(PrepareOn(plugin.service, claim).value_or("an error"), *first);
  EXPECT_TRUE(UnprepareOn(plugin.service, claim));
}

// Contract 10.1 case 5.
TEST_F(Lifetime, LogsWhyItCannotServeAndServesAgainWhenItCan) {
  const Plugin plugin = Registered();
  rlimit usual{};
  ASSERT_EQ(prlimit(node_.pid(), RLIMIT_NOFILE, nullptr, &usual), 0);
  struct Trouble {
    rlim_t descriptors;
    const char *doing, *why;
  };
  // Without descriptors accept4(2) fails; with fewer than it is given, poll(2) does.
  for (const Trouble& trouble : {Trouble{8, "accepting a caller on ", ": EMFILE"},
                                 Trouble{1, "waiting for callers on ", ": EINVAL"}}) {
    const rlimit few{.rlim_cur = trouble.descriptors, .rlim_max = usual.rlim_max};
    for (const std::string& path : {socket_, service_}) {
      ASSERT_EQ(prlimit(node_.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
      const UniqueFd caller = RawSocket(path, connect);
      ASSERT_TRUE(caller);
      EXPECT_TRUE(Soon([&] { return Log().contains(trouble.doing + path + trouble.why); }))
          << Log();
      ASSERT_EQ(prlimit(node_.pid(), RLIMIT_NOFILE, &usual, nullptr), 0);
    }
    ExpectItWorks();
  }
}

// A daemon that starts while something is in the way of its sockets.
class ServeError : public Lifetime {
 protected:
  void SetUp() override {
    Lifetime::SetUp();
    ASSERT_TRUE(node_.Stop());
  }
  // Nothing is left of the failure: it starts and works.
  void ExpectItStarts() {
    const auto started = node_.Start();
    ASSERT_TRUE(started) << started.error().what;
    ExpectItWorks();
  }
};

// Contract 10.1 case 5.
TEST_F(ServeError, EndsTheDaemonWithALineThatNamesADirectoryInTheWay) {
  for (const std::string& path : {service_, socket_}) {
    PluginManager kubelet(scratch_.kubelet_root);
    fs::create_directory(path);
    EXPECT_THAT(RefusalOf(node_),
                AllOf(HasSubstr("drapcid cannot start: " + path), HasSubstr("remove")));
    EXPECT_THAT(kubelet.Sockets(), IsEmpty()) << "the kubelet must not find half a driver";
    EXPECT_TRUE(fs::is_directory(path));
    fs::remove(path);
  }
  EXPECT_FALSE(fs::exists(service_));
  ExpectItStarts();
}

// Contract 10.1 case 5.
TEST_F(ServeError, EndsTheDaemonWithALineThatNamesAPathThatIsNoDirectory) {
  const std::string registry = scratch_.kubelet_root + "/plugins_registry";
  fs::remove(registry);
  std::ofstream(registry) << "no directory";
  EXPECT_THAT(RefusalOf(node_), AllOf(HasSubstr(socket_), HasSubstr("ENOTDIR")));
  EXPECT_FALSE(fs::exists(service_)) << "what was served before the failure is not left behind";
  fs::remove(registry);
  ExpectItStarts();
}

// Contract 10.1 case 5.
TEST_F(ServeError, EndsTheDaemonWithALineThatNamesASocketThatSomebodyElseServes) {
  UniqueFd other = RawSocket(service_, bind);
  ASSERT_TRUE(other);
  ASSERT_EQ(listen(other.get(), 8), 0);
  EXPECT_THAT(RefusalOf(node_), AllOf(HasSubstr(service_), HasSubstr("another process")));
  EXPECT_TRUE(RawSocket(service_, connect)) << "it belongs to the other";
  other.Reset();
  ExpectItStarts();
}

// Contract 10.1 case 6.
TEST_F(Lifetime, UsesOneConnectionForPrepareAndUnprepare) {
  const Plugin plugin = Registered();
  const ClaimObject a = VfClaim(0), b = VfClaim(1);
  ASSERT_TRUE(PrepareOn(plugin.service, a));
  const auto connections = Connections(service_);
  EXPECT_THAT(connections, SizeIs(1));
  for (int round = 0; round < 10; ++round) {
    std::jthread beside([&] { EXPECT_TRUE(PrepareOn(plugin.service, b)); });
    EXPECT_TRUE(PrepareOn(plugin.service, a));
    beside.join();
    EXPECT_TRUE(UnprepareOn(plugin.service, b));
    EXPECT_EQ(Connections(service_), connections) << "the daemon must not end it either";
  }
  EXPECT_TRUE(UnprepareOn(plugin.service, a));
  EXPECT_EQ(Connections(service_), connections);
}

}  // namespace
}  // namespace drapci::test
