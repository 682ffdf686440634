#include "plugin/socket_server.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <thread>

#include "hal/base/unique_fd.h"
#include "plugin/kubelet_service.h"
#include "plugin/proto/pluginregistration.grpc.pb.h"
#include "test/unit/plugin/test_dir.h"

namespace drapci::plugin {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class SocketServerTest : public testing::Test {
 protected:
  Result<std::unique_ptr<SocketServer>> Start(const std::string& path, mode_t mode = 0600,
                                              const std::string& group = "") {
    const auto services = registration_.services();
    return SocketServer::Start(listening_, {.path = path, .mode = mode, .group = group}, services);
  }

  // What GetInfo says on the socket at `path`; the status when it fails.
  static std::string Ask(const std::string& path, const std::string& authority = "") {
    grpc::ChannelArguments arguments;
    if (!authority.empty()) arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, authority);
    auto stub = pluginregistration::Registration::NewStub(
        grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    pluginregistration::PluginInfo info;
    const grpc::Status status = stub->GetInfo(&context, {}, &info);
    return status.ok() ? info.name() : status.error_message();
  }

  // A socket file as a crashed process leaves it.
  static void LeaveStaleSocket(const std::string& path) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const void* untyped = &address;
    ASSERT_EQ(::bind(fd.get(), static_cast<const sockaddr*>(untyped), sizeof address), 0);
  }

  TestDir dir_;
  ListeningSockets listening_{false};
  const std::string path_ = dir_.path() + "/s.sock";
  RegistrationService registration_{"dra.pci", "/endpoint", DraService::Versions()};
};

TEST_F(SocketServerTest, ServesWhateverTheAuthorityIs) {
  const auto server = Start(path_);
  ASSERT_TRUE(server.has_value()) << server.error().what;
  // What grpc-go sends on the plugin's socket, on the registration socket, and oddities.
  for (const char* authority :
       {"", "localhost", "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fx-reg.sock",
        "/var/lib/kubelet/x.sock", "a b"}) {
    EXPECT_EQ(Ask(path_, authority), "dra.pci") << authority;
  }
}

TEST_F(SocketServerTest, GivesTheSocketItsMode) {
  for (const mode_t mode : {mode_t{0600}, mode_t{0660}}) {
    const auto server = Start(path_, mode);
    ASSERT_TRUE(server.has_value()) << server.error().what;
    struct stat status = {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, mode);
  }
}

TEST_F(SocketServerTest, DoesWithoutAGroupThatDoesNotExist) {
  EXPECT_TRUE(Start(path_, 0660, "no-such-group-here").has_value());
}

TEST_F(SocketServerTest, ReplacesASocketThatNobodyServes) {
  LeaveStaleSocket(path_);
  const auto server = Start(path_);
  ASSERT_TRUE(server.has_value()) << server.error().what;
  EXPECT_EQ(Ask(path_), "dra.pci");
}

TEST_F(SocketServerTest, RefusesASocketThatSomebodyServes) {
  const auto first = Start(path_);
  ASSERT_TRUE(first.has_value());
  const auto second = Start(path_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kBusy);
  EXPECT_THAT(second.error().what, HasSubstr(path_));
  EXPECT_EQ(Ask(path_), "dra.pci");
}

TEST_F(SocketServerTest, TellsBeforehandWhetherAPathIsFreeAndChangesNothing) {
  EXPECT_TRUE(listening_.CheckFree({.path = path_}).has_value());
  LeaveStaleSocket(path_);
  EXPECT_TRUE(listening_.CheckFree({.path = path_}).has_value());
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
  const auto server = Start(path_);
  EXPECT_EQ(listening_.CheckFree({.path = path_}).error().code, Code::kBusy);
  EXPECT_EQ(Ask(path_), "dra.pci");
  EXPECT_EQ(listening_.CheckFree({.path = dir_.path() + std::string(200, 'x')}).error().code,
            Code::kInvalid);
}

TEST_F(SocketServerTest, LeavesAFileThatIsNoSocketAlone) {
  dir_.Write("s.sock", "precious");
  const auto server = Start(path_);
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().code, Code::kConflict);
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
}

TEST_F(SocketServerTest, RefusesAPathBeyondTheSystemsLimitByNameAndLimit) {
  const std::string directory = dir_.path() + "/";
  const std::string fits = directory + std::string(kMaxSocketPath - directory.size(), 'x');
  const auto server = Start(fits);
  ASSERT_TRUE(server.has_value()) << server.error().what;
  EXPECT_EQ(Ask(fits), "dra.pci");
  EXPECT_THAT(Start(fits + "x").error().what,
              AllOf(HasSubstr(fits + "x"), HasSubstr("108"), HasSubstr("107")));
  EXPECT_EQ(Start("relative.sock").error().code, Code::kInvalid);
}

TEST_F(SocketServerTest, NamesTheReasonWhenItCannotListen) {
  const auto server = Start(dir_.path() + "/missing/s.sock");
  ASSERT_FALSE(server.has_value());
  EXPECT_THAT(server.error().what, AllOf(HasSubstr("/missing/s.sock"), HasSubstr("ENOENT")));
}

TEST_F(SocketServerTest, ServesPathsThatAreNoPlainUri) {
  const std::string path = dir_.path() + "/a b%41?#.sock";
  const auto server = Start(path);
  ASSERT_TRUE(server.has_value()) << server.error().what;
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

TEST_F(SocketServerTest, TakesItsFileAwayWhenItStops) {
  Start(path_).value()->Stop(std::chrono::seconds(1));
  EXPECT_NE(::access(path_.c_str(), F_OK), 0);
}

TEST(MakeDirectories, MakesParentsAndKeepsWhatIsThere) {
  const TestDir dir;
  ASSERT_TRUE(MakeDirectories(dir.path() + "/a/b/c", 0750).has_value());
  ASSERT_TRUE(MakeDirectories(dir.path() + "/a/b", 0700).has_value());
  struct stat status = {};
  ASSERT_EQ(::stat((dir.path() + "/a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, mode_t{0750});
  dir.Write("file", "");
  EXPECT_THAT(MakeDirectories(dir.path() + "/file/x", 0755).error().what, HasSubstr("ENOTDIR"));
}

TEST_F(SocketServerTest, TakesItsFileAlongUnlessItIsKeptForTheNextDaemon) {
  struct stat status = {};
  ASSERT_TRUE(Start(path_).has_value());
  EXPECT_NE(::lstat(path_.c_str(), &status), 0);

  ListeningSockets kept(true);
  const auto services = registration_.services();
  ASSERT_TRUE(SocketServer::Start(kept, {.path = path_}, services).has_value());
  EXPECT_EQ(::lstat(path_.c_str(), &status), 0);

  auto server = SocketServer::Start(kept, {.path = path_}, services);
  ASSERT_TRUE(server.has_value()) << server.error().what;
  kept.KeepNoMore();
  server->reset();
  EXPECT_NE(::lstat(path_.c_str(), &status), 0);
}

TEST_F(SocketServerTest, SendsCallersAwayBeforeItStopsServing) {
  auto server = Start(path_);
  ASSERT_TRUE(server.has_value()) << server.error().what;
  auto channel = grpc::CreateChannel("unix:" + path_, grpc::InsecureChannelCredentials());
  auto stub = pluginregistration::Registration::NewStub(channel);
  std::atomic<bool> stop = false;
  std::atomic<int> served = 0;
  // Calls without a pause, as on a node that is busy; what comes after the server is gone may fail
  // to connect.
  std::string failure;
  std::jthread caller([&] {
    while (!stop) {
      grpc::ClientContext context;
      pluginregistration::PluginInfo info;
      const grpc::Status status = stub->GetInfo(&context, {}, &info);
      if (status.ok()) {
        ++served;
      } else if (status.error_code() != grpc::StatusCode::UNAVAILABLE) {
        failure = status.error_message();
        return;
      } else {
        return;
      }
    }
  });
  while (served < 100) std::this_thread::yield();
  (*server)->Stop(std::chrono::seconds(5));
  stop = true;
  caller.join();
  EXPECT_EQ(failure, "");
}

}  // namespace
}  // namespace drapci::plugin
