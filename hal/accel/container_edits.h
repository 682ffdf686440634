// What a container must be given to use a part; written into a CDI specification by driver/cdi.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace drapci::hal {

struct ContainerMount {
  std::string host_path, container_path;
  std::vector<std::string> options;  // "ro", "bind", ...
  bool operator==(const ContainerMount&) const = default;
};

// A network interface that moves into the container.
struct ContainerInterface {
  std::string address;         // of its PCI function, "0000:02:10.6", or place: "0000:03:00.0/sf3"
  std::string host_name, mac;  // now
  std::string name;            // in the container
  std::optional<int64_t> mtu;
  std::vector<std::string> addresses;  // "10.0.0.2/24"
  bool operator==(const ContainerInterface&) const = default;
};

// The most of a card's memory that the container may have: written to its control group by
// drapci-hook, once it has one.
struct MemoryLimit {
  std::string region;  // as the controller of device memory calls it: "drm/0000:03:00.0/vram0"
  int64_t bytes = 0;
  bool operator==(const MemoryLimit&) const = default;
};

struct ContainerEdits {
  std::string address;                    // of the PCI function
  std::vector<std::string> device_nodes;  // absolute, the same inside and outside
  std::map<std::string, std::string> environment;
  std::vector<ContainerMount> mounts;
  std::vector<ContainerInterface> interfaces;
  std::vector<MemoryLimit> memory_limits;
  bool operator==(const ContainerEdits&) const = default;
};

}  // namespace drapci::hal
