// A simulated machine with a manager on it, whose every change can be cut off at any point: what a
// power cut leaves is what the next Boot() finds.
#pragma once

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "driver/node_manager.h"
#include "test/sim/devlink/genetlink.h"
#include "test/sim/fake_host.h"

namespace drapci::driver {

// Counts changes; after `left` more, nothing changes any more.
class Fuse {
 public:
  // Whether the change may happen. One more is spent.
  bool Spend() {
    ++spent_;
    if (left_ < 0) return true;
    if (left_ == 0) return false;
    --left_;
    return true;
  }
  void BlowAfter(int changes) { left_ = changes; }
  void Mend() { left_ = -1; }
  bool blown() const { return left_ == 0; }
  int spent() const { return spent_; }

 private:
  std::atomic<int> left_ = -1;
  std::atomic<int> spent_ = 0;
};

class FusedSysfs : public hal::Sysfs {
 public:
  FusedSysfs(hal::Sysfs& inner, Fuse& fuse) : inner_(inner), fuse_(fuse) {}
  Result<std::string> Read(std::string_view path) const override {
    return path == "/proc/sys/kernel/random/boot_id" ? Result<std::string>("boot-1")
                                                     : inner_.Read(path);
  }
  Result<> Write(std::string_view path, std::string_view value) override {
    if (!fuse_.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    return inner_.Write(path, value);
  }
  Result<std::vector<std::string>> List(std::string_view path) const override {
    return inner_.List(path);
  }
  Result<std::string> ReadLink(std::string_view path) const override {
    return inner_.ReadLink(path);
  }
  Result<std::string> Resolve(std::string_view path) const override { return inner_.Resolve(path); }
  bool Exists(std::string_view path) const override { return inner_.Exists(path); }

 private:
  hal::Sysfs& inner_;
  Fuse& fuse_;
};

// What asks passes; what changes something is spent.
class FusedNetlink : public hal::Netlink {
 public:
  FusedNetlink(hal::Netlink& inner, Fuse& fuse) : inner_(inner), fuse_(fuse) {}
  FusedNetlink(std::unique_ptr<hal::Netlink> owned, Fuse& fuse)
      : owned_(std::move(owned)), inner_(*owned_), fuse_(fuse) {}
  Result<std::vector<hal::NetlinkMessage>> Talk(int protocol,
                                                std::span<const std::byte> request) override {
    if (!Asks(protocol, request) && !fuse_.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    return inner_.Talk(protocol, request);
  }

 private:
  static bool Asks(int protocol, std::span<const std::byte> request) {
    nlmsghdr header{};
    std::memcpy(&header, request.data(), std::min(sizeof header, request.size()));
    // rtnetlink has four types for each object: new, delete, get, set.
    if (protocol == NETLINK_ROUTE) return header.nlmsg_type % 4 == RTM_GETLINK % 4;
    return protocol != NETLINK_GENERIC || !sim::ChangesDevlink(request);  // else: RDMA's mode
  }

  std::unique_ptr<hal::Netlink> owned_;
  hal::Netlink& inner_;
  Fuse& fuse_;
};

class FusedNamespaces : public hal::NetworkNamespaces {
 public:
  FusedNamespaces(hal::NetworkNamespaces& inner, Fuse& fuse) : inner_(inner), fuse_(fuse) {}
  Result<std::vector<UniqueFd>> List() override { return inner_.List(); }
  Result<UniqueFd> Own() override { return inner_.Own(); }
  std::unique_ptr<hal::Netlink> Enter(const UniqueFd& name_space) override {
    return std::make_unique<FusedNetlink>(inner_.Enter(name_space), fuse_);
  }

 private:
  hal::NetworkNamespaces& inner_;
  Fuse& fuse_;
};

class FusedStateDir : public hal::StateDir {
 public:
  FusedStateDir(hal::StateDir& inner, Fuse& fuse) : inner_(inner), fuse_(fuse) {}
  Result<> Replace(std::string_view name, std::string_view content) override {
    if (!fuse_.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    return inner_.Replace(name, content);
  }
  Result<> Remove(std::string_view name) override {
    if (!fuse_.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    return inner_.Remove(name);
  }
  Result<std::string> Read(std::string_view name) const override { return inner_.Read(name); }
  Result<std::vector<std::string>> List() const override { return inner_.List(); }
  const std::string& path() const override { return inner_.path(); }

 private:
  hal::StateDir& inner_;
  Fuse& fuse_;
};

// A journal in memory that goes through the real encoding.
class MemoryJournal : public Journal {
 public:
  explicit MemoryJournal(Fuse& fuse) : fuse_(fuse) {}
  Result<Contents> Load() override {
    Contents contents;
    for (const auto& [uid, text] : records_) {
      auto record = DecodeRecord(text);
      if (record) {
        contents.records.push_back(*std::move(record));
      } else {
        contents.set_aside.push_back(record.error().what);
      }
    }
    return contents;
  }
  Result<> Put(const ClaimRecord& record) override {
    if (error_ != 0) return Fail(Error::FromErrno(error_, "journal.db"));
    if (!fuse_.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    const std::lock_guard lock(mutex_);
    records_.insert_or_assign(record.request.uid, EncodeRecord(record));
    return {};
  }
  Result<> Erase(std::string_view uid) override {
    if (error_ != 0) return Fail(Error::FromErrno(error_, "journal.db"));
    if (!fuse_.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    const std::lock_guard lock(mutex_);
    records_.erase(std::string(uid));
    return {};
  }
  void FailWith(int error) { error_ = error; }
  size_t size() const { return records_.size(); }

 private:
  Fuse& fuse_;
  std::atomic<int> error_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::string> records_;
};

// The dev nodes' ioctls: each may change something.
class FusedDevIo : public hal::DevIo {
 public:
  FusedDevIo(hal::DevIo& inner, Fuse& fuse) : inner_(inner), fuse_(fuse) {}
  Result<hal::NodeInfo> Stat(std::string_view path) const override { return inner_.Stat(path); }
  Result<UniqueFd> Open(std::string_view path, int flags) override {
    return inner_.Open(path, flags);
  }
  Result<int> Ioctl(int fd, unsigned long request, void* argument) override {
    if (!fuse_.Spend()) return Fail(Error::FromErrno(EIO, "power cut"));
    return inner_.Ioctl(fd, request, argument);
  }

 private:
  hal::DevIo& inner_;
  Fuse& fuse_;
};

// The cards of most tests: a network card with four VFs and a disk.
inline void InsertNicAndDisk(sim::Kernel& kernel) {
  EXPECT_TRUE(kernel.AddDriver(sim::VfioPci()));
  EXPECT_TRUE(kernel.AddFunction(sim::SriovNic("0000:02:00.0", 4)));
  EXPECT_TRUE(kernel.AddFunction(sim::Nvme("0000:03:00.0")));
}

struct World {
  explicit World(Config with = {},
                 const std::function<void(sim::Kernel&)>& insert_cards = InsertNicAndDisk)
      : config(std::move(with)),
        sysfs(machine.sysfs, fuse),
        cdi(machine.state, fuse),
        journal(fuse),
        netlink(machine.netlink, fuse),
        namespaces(machine.namespaces, fuse),
        dev(machine.dev, fuse),
        host{sysfs, dev, netlink, namespaces, machine.events, machine.clock} {
    // Where no hook is installed, as on the machine that builds.
    host.drm = &machine.drm;
    if (config.hook == kDefaultHook) config.network_devices = NetworkDevices::kNone;
    machine.kernel.SetFile("/proc/self/mountinfo", "");
    machine.kernel.SetFile("/proc/swaps", "");
    insert_cards(machine.kernel);
  }

  // The daemon starts: the fuse is whole again, the journal and the hardware are as they were left.
  void Boot(std::string boot_id = "boot-1") {
    manager.reset();
    fuse.Mend();
    manager = std::make_unique<NodeManager>(host, machine.scanner, config, journal, cdi,
                                            std::move(boot_id));
    const auto recovered = manager->Recover();
    ASSERT_TRUE(recovered) << recovered.error().what;
  }

  Result<PreparedClaim> Prepare(std::string uid, std::vector<std::string> devices,
                                hal::Access access = hal::Access::kKernel) {
    ClaimRequest request{.uid = uid, .namespace_name = "ns", .name = uid, .devices = {}};
    for (std::string& device : devices) {
      request.devices.push_back({.request_names = {"r"},
                                 .pool = "pool",
                                 .device = std::move(device),
                                 .share_id = {},
                                 .admin_access = false,
                                 .access = access});
    }
    return Prepare(std::move(request));
  }
  Result<PreparedClaim> Prepare(ClaimRequest request) {
    std::promise<Result<PreparedClaim>> promise;
    manager->Prepare(std::move(request),
                     [&](Result<PreparedClaim> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }
  // One share of `device`, in a claim of its own.
  Result<PreparedClaim> PrepareShare(std::string uid, std::string device,
                                     std::map<std::string, int64_t> share) {
    DeviceRequest wish{.request_names = {"r"}, .pool = "pool", .device = std::move(device)};
    wish.share_id = "share-of-" + uid;
    wish.share = std::move(share);
    return Prepare({.uid = uid,
                    .namespace_name = "ns",
                    .name = uid,
                    .alias = {},
                    .devices = {std::move(wish)}});
  }
  Result<> Unprepare(std::string uid) {
    std::promise<Result<>> promise;
    manager->Unprepare(std::move(uid), [&](Result<> result) { promise.set_value(result); });
    return promise.get_future().get();
  }
  std::vector<std::string> Verify() {
    std::promise<std::vector<std::string>> promise;
    manager->Verify([&](Result<std::vector<Difference>> result) {
      std::vector<std::string> lines;
      for (const Difference& each : *result) {
        lines.push_back(each.claim_uid + " " + each.subject + ": " + each.text);
      }
      promise.set_value(std::move(lines));
    });
    return promise.get_future().get();
  }

  std::string Driver(std::string_view address) {
    const auto state = machine.kernel.State(*hal::PciAddress::Parse(address));
    return state ? state->driver : "absent";
  }
  // Everything about the hardware that a claim may have changed, as one text.
  std::string Hardware() {
    std::string text;
    for (const hal::PciAddress& address : machine.kernel.Functions()) {
      const auto state = machine.kernel.State(address);
      if (!state) continue;
      text += address.ToString() + " " + state->driver + " " + state->driver_override + " " +
              std::to_string(state->vfs);
      if (const auto probe = machine.sysfs.Read(address.SysfsPath() + "/sriov_drivers_autoprobe")) {
        text += " autoprobe=" + *probe;
      }
      text += "\n";
      const auto vfs = machine.kernel.VfSettings(address).value_or(std::vector<sim::VfNet>());
      for (unsigned i = 0; i < vfs.size(); ++i) text += sim::ShowVf(i, vfs[i]);
    }
    for (const sim::Interface& each : machine.kernel.Interfaces()) {
      text += each.function.ToString() + " " + each.name + " in " +
              std::to_string(each.name_space) + " mtu " + std::to_string(each.mtu) +
              (each.up ? " up\n" : " down\n");
    }
    return text;
  }

  Config config;
  Fuse fuse;
  sim::FakeHost machine;
  FusedSysfs sysfs;
  FusedStateDir cdi;
  MemoryJournal journal;
  FusedNetlink netlink;
  FusedNamespaces namespaces;
  FusedDevIo dev;
  hal::Host host;
  std::unique_ptr<NodeManager> manager;
};

inline constexpr char kNic[] = "pci-0000-02-00-0";
inline constexpr char kVf0[] = "pci-0000-02-00-0-vf0";
inline constexpr char kVf1[] = "pci-0000-02-00-0-vf1";
inline constexpr char kNvme[] = "pci-0000-03-00-0";

}  // namespace drapci::driver
