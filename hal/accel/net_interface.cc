#include "hal/accel/net_interface.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "hal/base/log.h"
#include "hal/base/parse.h"
#include "hal/os/path.h"
#include "hal/pci/device_nodes.h"
#include "hal/pci/driver_binding.h"

namespace drapci::hal {
namespace {

constexpr int kMostLooks = 4;

std::string File(std::string_view interface, std::string_view name) {
  return fmt::format("/sys/class/net/{}/{}", interface, name);
}

Result<int64_t> ReadNumber(const Sysfs& sysfs, const std::string& path) {
  DRAPCI_TRY(const std::string text, sysfs.Read(path));
  const auto number = ParseInt<int64_t>(Trim(text));
  if (!number) return Fail(Code::kIo, fmt::format("{} reads '{}'", path, text));
  return *number;
}

Result<HomeInterface> Look(const Sysfs& sysfs, const std::string& name) {
  DRAPCI_TRY(const int64_t index, ReadNumber(sysfs, File(name, "ifindex")));
  DRAPCI_TRY(const int64_t mtu, ReadNumber(sysfs, File(name, "mtu")));
  return HomeInterface{.name = name, .index = static_cast<int>(index), .mtu = mtu};
}

// The devices that may be the parent of the function's interface: virtio has one in between.
Result<std::vector<std::string>> Parents(const Sysfs& sysfs, const DevicePlace& place) {
  DRAPCI_TRY(const std::string path, place.Path(sysfs));
  if (place.sf) return std::vector<std::string>{std::string(BaseName(path))};
  DRAPCI_TRY(std::vector<std::string> parents, sysfs.ListDirectories(path));
  std::erase_if(parents, [](const std::string& name) { return !name.starts_with("virtio"); });
  parents.push_back(place.ToString());
  return parents;
}

// Sends it on its way. It may have left by itself meanwhile.
Result<> SendHome(Host& host, const DevicePlace& place, const AwayInterface& away,
                  std::string_view name) {
  DRAPCI_TRY(const UniqueFd own, host.namespaces.Own());
  const std::unique_ptr<Netlink> there = host.namespaces.Enter(away.name_space);
  const int index = away.link.index;
  Result<> sent = SetLinkUp(*there, index, false);
  if (sent) sent = MoveLink(*there, index, own.get(), name);
  if (!sent && sent.error().sys == EEXIST) {
    // The kernel moves first and renames then, unless its present name is taken as well.
    DRAPCI_TRY(const std::optional<HomeInterface> home, FindAtHome(host.sysfs, place));
    if (home) return {};
    sent = MoveLink(*there, index, own.get(), kFreeName);
  }
  if (!sent && sent.error().sys != ENODEV) {
    return Fail(std::move(sent).error().Within(
        fmt::format("bring '{}' of {} home", away.link.name, place.ToString())));
  }
  return {};
}

}  // namespace

Result<std::optional<HomeInterface>> FindAtHome(const Sysfs& sysfs, const DevicePlace& place) {
  // udev renames interfaces just when they appear: what is gone under one name is looked for again.
  for (int look = 1;; ++look) {
    DRAPCI_TRY(std::vector<std::string> names, NetworkInterfaces(sysfs, place));
    if (names.size() > 1) {
      std::erase_if(names, [&](const std::string& name) { return IsRepresentor(sysfs, name); });
    }
    if (names.empty()) return std::nullopt;
    Result<HomeInterface> found = Look(sysfs, names.front());
    if (found) return *std::move(found);
    if (found.error().code != Code::kGone) return Fail(std::move(found).error());
    if (look == kMostLooks) {
      return Fail(Code::kBusy, fmt::format("the network interface of {} changed its name during "
                                           "every attempt to read it",
                                           place.ToString()));
    }
  }
}

bool IsRepresentor(const Sysfs& sysfs, const std::string& interface) {
  const Result<std::string> port = sysfs.Read(File(interface, "phys_port_name"));
  return port && (port->starts_with("pf") || port->starts_with("c"));
}

Result<bool> MayHaveInterface(const Sysfs& sysfs, const DevicePlace& place) {
  if (place.sf) return place.Path(sysfs).has_value();
  DRAPCI_TRY(const DriverBinding now, ReadBinding(sysfs, place.function));
  return !now.driver.empty() && !IsVfioDriver(now.driver);
}

Result<std::optional<AwayInterface>> FindAway(Host& host, const DevicePlace& place) {
  DRAPCI_TRY(const std::vector<std::string> parents, Parents(host.sysfs, place));
  DRAPCI_TRY(std::vector<UniqueFd> all, host.namespaces.List());
  for (UniqueFd& each : all) {
    const auto links = ListLinks(*host.namespaces.Enter(each));
    if (!links) {
      Log(LogLevel::kDebug,
          "looking for the network interface of {} in another network namespace: {}",
          place.ToString(), links.error().what);
      continue;
    }
    const auto link = std::ranges::find_if(*links, [&](const Link& candidate) {
      return std::ranges::find(parents, candidate.parent) != parents.end();
    });
    if (link != links->end()) return AwayInterface{.name_space = std::move(each), .link = *link};
  }
  return std::nullopt;
}

Result<HomeInterface> WaitAtHome(Host& host, const DevicePlace& place, MonotonicTime deadline) {
  Result<std::optional<HomeInterface>> home;
  host.events.WaitUntil(
      [&] {
        home = FindAtHome(host.sysfs, place);
        return !home || home->has_value();
      },
      deadline);
  if (!home) return Fail(std::move(home).error());
  if (*home) return **std::move(home);
  return Fail(Code::kTimeout,
              fmt::format("the network interface of {} did not appear in time", place.ToString()));
}

Result<HomeInterface> BringHome(Host& host, const DevicePlace& place, std::string_view name,
                                MonotonicTime deadline) {
  DRAPCI_TRY(std::optional<HomeInterface> home, FindAtHome(host.sysfs, place));
  if (home) return *std::move(home);
  DRAPCI_TRY(const bool may, MayHaveInterface(host.sysfs, place));
  if (!may) {
    return Fail({Code::kGone, ENODEV,
                 fmt::format("no driver makes a network interface for {}", place.ToString())});
  }
  {
    // Not longer than this: a namespace that somebody holds does not give its interfaces back.
    DRAPCI_TRY(const std::optional<AwayInterface> away, FindAway(host, place));
    if (away) DRAPCI_CHECK(SendHome(host, place, *away, name));
  }
  return WaitAtHome(host, place, deadline);
}

Result<> Rename(Host& host, const HomeInterface& now, std::string_view name) {
  if (now.name == name) return {};
  Result<> renamed = RenameLink(host.netlink, now.index, name);
  if (!renamed && renamed.error().sys == EBUSY) {  // kernels before 6.2
    DRAPCI_CHECK(SetLinkUp(host.netlink, now.index, false));
    renamed = RenameLink(host.netlink, now.index, name);
    DRAPCI_CHECK(SetLinkUp(host.netlink, now.index, true));
  }
  if (!renamed && renamed.error().sys == EEXIST) {
    return Fail({Code::kConflict, EEXIST,
                 fmt::format("'{}' cannot have its name '{}' back, which another network interface "
                             "has now; rename it by hand",
                             now.name, name)});
  }
  return renamed;
}

}  // namespace drapci::hal
