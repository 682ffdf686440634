// Real network interfaces for the model's: veth pairs. One end is the interface, in the machine's
// network namespace; the other one stays in a namespace that nobody else can reach, up, so that
// there is a carrier.
//
// What real programs do to an interface (rename, move, bring up) is heard on one rtnetlink socket
// in the hidden namespace, which listens to all namespaces that hold an end; Sync() tells the
// model. A veth dies with its namespace, hardware does not: the model makes it again.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "hal/base/unique_fd.h"
#include "test/sim/front/route_socket.h"
#include "test/sim/kernel/kernel.h"

namespace drapci::sim {

// Locks: sync_mutex_, then the model's, then table_mutex_ or request_mutex_. Any thread.
class Veths : public NetDevices {
 public:
  // `kernel` is told of changes, from the first interface on. Call before there is one.
  void Follow(Kernel& kernel) { kernel_ = &kernel; }
  // Tells the model all that has happened to its interfaces until now.
  void Sync();

  std::optional<Interface> Make(const Interface& wanted) override;
  void Remove(std::span<const int> ids) override;
  void SetCarrier(int id, bool on) override;

 private:
  using Messages = std::vector<hal::NetlinkMessage>;
  struct End {
    bool made = false;
    std::string name;  // as last heard
  };

  Result<> Open();
  Result<> OpenHidden();
  Result<Messages> Talk(const RouteRequest& request);
  Result<Interface> Locate(int id);
  void Hear(std::span<const std::byte> datagram, std::optional<int> name_space,
            std::set<int>& touched);
  std::set<int> Drain();

  Kernel* kernel_ = nullptr;
  bool refused_ = false;  // there can be none here
  std::atomic<bool> open_ = false;
  UniqueFd machine_, hidden_, monitor_;
  std::mutex sync_mutex_, table_mutex_, request_mutex_;
  std::optional<RouteSocket> socket_;   // in the hidden namespace
  std::optional<RouteSocket> at_home_;  // in the machine's; for Make only
  std::map<int, End> table_;            // by id
  unsigned next_group_ = 1;
};

}  // namespace drapci::sim
