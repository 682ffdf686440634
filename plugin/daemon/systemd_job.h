// Why systemd stops us.
#pragma once

namespace drapci::plugin {

// Whether the daemon is being stopped to be started again (`systemctl restart`). Asks systemd over
// its own socket, which needs no message bus; false when systemd does not know us. Waits for at
// most a second.
bool IsRestart();

}  // namespace drapci::plugin
