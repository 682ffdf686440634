#include "test/node/kubelet/kubelet_client.h"

namespace drapci::test {

std::shared_ptr<grpc::Channel> Dial(const std::string& socket, const std::string& authority) {
  grpc::ChannelArguments arguments;
  // Each Dial is a connection of its own, as those of several processes are.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!authority.empty()) arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, authority);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace drapci::test
