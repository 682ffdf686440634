// Answers of a daemon with cards to draw.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "plugin/proto/control.pb.h"

namespace drapci::cli {

struct Node {
  v1::ListDevicesResponse devices;
  v1::ListClaimsResponse claims;

  v1::Accelerator& Add(const std::string& name, const std::string& family,
                       const std::string& driver) {
    v1::Accelerator& card = *devices.add_accelerators();
    card.set_name(name);
    card.set_family(family);
    card.set_vendor_name("Example");
    card.set_device_name("Card 1");
    card.set_driver(driver);
    return card;
  }

  v1::Claim& Claim(const std::string& uid, const std::string& name) {
    v1::Claim& claim = *claims.add_claims();
    claim.set_uid(uid);
    claim.set_namespace_("team");
    claim.set_name(name);
    claim.set_state("prepared");
    return claim;
  }
};

inline v1::Device& AddDevice(v1::Accelerator& card, const std::string& part,
                             const std::string& profile) {
  v1::Device& device = *card.add_devices();
  device.set_name(part.empty() ? card.name() : card.name() + "-" + part);
  device.set_profile(profile);
  return device;
}

inline void SetCounter(v1::Accelerator& card, const std::string& name, int64_t total,
                       int64_t used) {
  v1::Counter& counter = *card.add_counters();
  counter.set_name(name);
  counter.set_total(total);
  counter.set_used(used);
}

inline void SetExtent(v1::Device& device, int start, int size) {
  device.mutable_extent()->set_start(start);
  device.mutable_extent()->set_size(size);
}

inline v1::Accelerator& AddSriov(Node& node, int vfs,
                                 const std::string& name = "pci-0000-02-00-0") {
  v1::Accelerator& card = node.Add(name, "sriov", "igb");
  card.mutable_scale()->set_unit("vfs");
  card.mutable_scale()->set_size(vfs);
  SetCounter(card, "vfs", vfs, 0);
  (*AddDevice(card, "", "function").mutable_consumes())["vfs"] = vfs;
  for (int vf = 0; vf < vfs; ++vf) {
    v1::Device& device = AddDevice(card, fmt::format("vf{}", vf), "vf");
    SetExtent(device, vf, 1);
    (*device.mutable_consumes())["vfs"] = 1;
  }
  return card;
}

// Device number `index` of the card goes to the claim.
inline void Hold(v1::Accelerator& card, int index, v1::Claim& claim) {
  v1::Device& device = *card.mutable_devices(index);
  device.set_held_by(claim.uid());
  v1::Holding& holding = *claim.add_holdings();
  holding.set_accelerator(card.name());
  holding.set_device(device.name());
  if (device.name() != card.name()) holding.set_part(device.name().substr(card.name().size() + 1));
  *holding.mutable_consumes() = device.consumes();
  for (auto& counter : *card.mutable_counters()) {
    const auto amount = device.consumes().find(counter.name());
    if (amount != device.consumes().end()) counter.set_used(counter.used() + amount->second);
  }
  if (device.name() == card.name()) {
    for (auto& other : *card.mutable_devices()) {
      if (&other != &device) other.set_excluded("the whole is held");
    }
  } else {
    card.mutable_devices(0)->set_excluded("a part is held");
  }
}

// Seven compute slices and eight memory slices, as a GPU that is cut up has them.
inline v1::Accelerator& AddGpu(Node& node, const std::string& name = "pci-0000-1b-00-0") {
  v1::Accelerator& card = node.Add(name, "mig", "nvidia");
  card.set_numa_node(1);
  card.mutable_scale()->set_unit("memory slices");
  card.mutable_scale()->set_size(8);
  SetCounter(card, "compute", 7, 0);
  SetCounter(card, "memory", 80LL << 30, 0);
  const auto add = [&](const std::string& profile, int start, int size, int compute) {
    v1::Device& device =
        start < 0 ? AddDevice(card, "", profile)
                  : AddDevice(card, fmt::format("{}-{}", profile.substr(0, 2), start), profile);
    if (start >= 0) SetExtent(device, start, size);
    (*device.mutable_consumes())["compute"] = compute;
    (*device.mutable_consumes())["memory"] = int64_t{size} * (10LL << 30);
  };
  add("gpu", -1, 8, 7);
  for (int start = 0; start < 7; ++start) add("1g.10gb", start, 1, 1);
  for (int start = 0; start < 6; start += 2) add("2g.20gb", start, 2, 2);
  for (int start = 0; start < 8; start += 4) add("3g.40gb", start, 4, 3);
  return card;
}

// A network card that is given in shares, `taken` of them of 100 Mbit/s for each claim.
inline v1::Accelerator& AddShared(Node& node, const std::vector<v1::Claim*>& claims,
                                  const std::string& name = "pci-0000-03-00-0") {
  constexpr int64_t kShare = 100'000'000;
  const auto count = static_cast<int64_t>(claims.size());
  v1::Accelerator& card = node.Add(name, "sriov", "ice");
  card.mutable_scale()->set_unit("vfs");
  card.mutable_scale()->set_size(4);
  SetCounter(card, "bandwidth", 10 * kShare, count * kShare);
  SetCounter(card, "vfs", 4, count);
  v1::Device& whole = AddDevice(card, "", "share");
  (*whole.mutable_capacities())["bandwidth"] = "1G";
  (*whole.mutable_capacities())["vfs"] = "4";
  for (int vf = 0; vf < 4; ++vf) {
    v1::SharePart& part = *card.add_share_parts();
    part.set_name(fmt::format("vf{}", vf));
    part.mutable_extent()->set_start(vf);
    part.mutable_extent()->set_size(1);
  }
  for (size_t i = 0; i < claims.size(); ++i) {
    whole.add_shared_by(claims[i]->uid());
    v1::Holding& holding = *claims[i]->add_holdings();
    holding.set_accelerator(name);
    holding.set_device(name);
    holding.set_part(fmt::format("vf{}", i));
    holding.set_share_id("s");
    (*holding.mutable_consumes())["bandwidth"] = kShare;
    (*holding.mutable_consumes())["vfs"] = 1;
  }
  return card;
}

}  // namespace drapci::cli
