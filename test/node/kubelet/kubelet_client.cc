#include "test/node/kubelet/kubelet_client.h"

#include <sys/un.h>

namespace drapci::test {
namespace {

Result<> ToResult(const grpc::Status& status) {
  if (status.ok()) return {};
  const Code code = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ? Code::kTimeout
                    : status.error_code() == grpc::StatusCode::UNAVAILABLE     ? Code::kBusy
                                                                               : Code::kIo;
  return Fail(code, status.error_message());
}

// The answer to `claim` alone.
template <class Response>
auto OnlyAnswer(const Response& response, const ClaimObject& claim)
    -> Result<typename std::decay_t<decltype(response.claims())>::mapped_type> {
  const auto found = response.claims().find(claim.uid);
  if (found == response.claims().end() || response.claims().size() != 1)
    return Fail(Code::kIo, "no answer for " + claim.name);
  if (!found->second.error().empty()) return Fail(Code::kIo, found->second.error());
  return found->second;
}

}  // namespace

std::shared_ptr<grpc::Channel> Dial(const std::string& socket, const std::string& authority) {
  grpc::ChannelArguments arguments;
  // Each Dial is a connection of its own, as those of several processes are.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!authority.empty()) arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, authority);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

UniqueFd RawSocket(const std::string& path, int (*attach)(int, const sockaddr*, socklen_t)) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (attach(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fd.Reset();
  return fd;
}

Result<std::string> PrepareOn(const std::shared_ptr<grpc::Channel>& channel,
                              const ClaimObject& claim, std::chrono::milliseconds deadline) {
  V1::PrepareResponse response;
  DRAPCI_CHECK(ToResult(KubeletClient<V1>(channel).Prepare({claim}, response, deadline)));
  DRAPCI_TRY(const auto answer, OnlyAnswer(response, claim));
  return answer.SerializeAsString();
}

Result<> UnprepareOn(const std::shared_ptr<grpc::Channel>& channel, const ClaimObject& claim,
                     std::chrono::milliseconds deadline) {
  V1::UnprepareResponse response;
  DRAPCI_CHECK(ToResult(KubeletClient<V1>(channel).Unprepare({claim}, response, deadline)));
  DRAPCI_TRY(const auto answer, OnlyAnswer(response, claim));
  return {};
}

}  // namespace drapci::test
