// The HTTP library keeps its sockets to itself; faults and a quick stop need them.
#pragma once

#include <string>

namespace drapci::apiserver {

// Shuts down this process's connections to the local TCP port `port` whose peer has `peer_port`
// (0: whatever peer). The library then sees their end and closes them.
void ShutDownConnections(int port, int peer_port);

}  // namespace drapci::apiserver
