// A little of rtnetlink as the kernel has it (do_setlink() and rtnl_fill_ifinfo() of
// net/core/rtnetlink.c, dev_change_net_namespace() of net/core/dev.c): network namespaces with
// interfaces, their addresses, and the VFs of a PF whose driver behaves like igb.
//
// It is asked through the same seams as the real one: In(namespace) is a hal::Netlink, namespaces()
// the hal::NetworkNamespaces, and Sysfs(...) shows the interfaces of the machine's own namespace in
// /sys. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/os/network_namespaces.h"
#include "hal/os/sysfs.h"

namespace drapci::test {

struct FakeVf {
  std::vector<uint8_t> mac = std::vector<uint8_t>(6);
  uint32_t vlan = 0, qos = 0, min_rate = 0, max_rate = 0;
  uint16_t protocol = 0x8100;
  uint32_t spoof_check = 1, trust = 0, link_state = 0;  // 0xffffffff: the driver does not tell
};

struct FakeInterface {
  std::string name, parent;  // "0000:02:00.0"
  std::vector<uint8_t> mac = {0x52, 0x54, 0, 0, 0, 1};
  uint32_t mtu = 1500, most_mtu = 9216;
  bool up = false, peer = true;  // it has a carrier when it is up and has a peer
  bool live_rename = true;       // kernels from 6.2 on
  std::vector<FakeVf> vfs;
  bool has_vf_calls = true;  // the driver implements ndo_get_vf_config and ndo_set_vf_*
  bool sets_link_state = false;
  uint32_t speed = 1000;                       // Mbit/s
  size_t vfs_listed = 65536;                   // the kernel cuts the list of VFs behind so many
  bool old_rate = false;                       // kernels before 3.16 know IFLA_VF_TX_RATE only
  std::string port;                            // phys_port_name
  std::vector<std::string> alternatives = {};  // other names that it is called by
  std::vector<std::string> addresses = {};     // raw: family, prefix length, address
};

class FakeRtnetlink {
 public:
  FakeRtnetlink();
  ~FakeRtnetlink();

  static constexpr int kOwn = 0;
  int AddNamespace();
  // Its index.
  int Add(FakeInterface interface, int name_space = kOwn);
  void Remove(int index);
  FakeInterface& Get(int index);
  int NamespaceOf(int index) const;
  // The namespace is not found any more. Its interfaces are nowhere until Return().
  void End(int name_space);
  // The kernel gives the interfaces of ended namespaces back: under their names, or as "dev%d".
  void Return();

  hal::Netlink& In(int name_space);
  hal::NetworkNamespaces& namespaces();
  // `base` with the interfaces of kOwn in it, instead of its own.
  std::unique_ptr<hal::Sysfs> Sysfs(hal::Sysfs& base);

  // The next request of this type is refused.
  void Refuse(uint16_t type, int error, std::string text = {});
  // How often all namespaces were listed, and how many requests of `type` there were.
  int lists = 0;
  std::map<uint16_t, int> requests;
  // Called before each request.
  std::function<void(uint16_t type)> before;

  using Answer = Result<std::vector<hal::NetlinkMessage>>;
  Answer Talk(int name_space, std::span<const std::byte> request);

 private:
  friend class FakeNamespaces;
  friend class FakeNetSysfs;
  struct Entry {
    int name_space = kOwn;
    FakeInterface interface;
  };
  struct Namespace {
    UniqueFd fd;
    bool ended = false;
    std::unique_ptr<hal::Netlink> netlink;
  };
  struct Refusal {
    uint16_t type;
    int error;
    std::string text;
  };

  bool IsTaken(int name_space, const std::string& name) const;
  std::string FreeName(int name_space, const std::string& name) const;
  int FindNamespace(int fd) const;
  hal::NetlinkMessage Describe(int index, bool vfs) const;
  Answer GetLinks(int name_space, std::span<const std::byte> request, bool dump);
  Answer SetLink(int name_space, std::span<const std::byte> request);
  Answer RemoveAlternative(int name_space, std::span<const std::byte> request);
  Answer Move(int index, int target, const std::string& name);
  Answer SetVf(FakeInterface& pf, std::span<const std::byte> info);
  Answer AddAddress(int name_space, std::span<const std::byte> request);
  Answer ListAddresses(int name_space);

  std::map<int, Entry> links_;
  std::map<int, Namespace> namespaces_;
  std::deque<Refusal> refusals_;
  std::unique_ptr<hal::NetworkNamespaces> seam_;
  int next_index_ = 2, next_namespace_ = 1;
};

}  // namespace drapci::test
