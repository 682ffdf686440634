// What a container must be given to use a part; written into a CDI specification by driver/cdi.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace drapci::hal {

struct ContainerMount {
  std::string host_path, container_path;
  std::vector<std::string> options;  // "ro", "bind", ...
  bool operator==(const ContainerMount&) const = default;
};

struct ContainerEdits {
  std::vector<std::string> device_nodes;  // absolute, the same inside and outside
  std::map<std::string, std::string> environment;
  std::vector<ContainerMount> mounts;
  bool operator==(const ContainerEdits&) const = default;
};

}  // namespace drapci::hal
