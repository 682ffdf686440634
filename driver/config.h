// /etc/drapci/config.yaml: strict, with every error of the file in one run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "driver/health/rule.h"
#include "hal/accel/accelerator.h"
#include "hal/base/log.h"
#include "hal/base/result.h"
#include "hal/pci/function.h"

namespace drapci::driver {

// One rule of `accelerators:`. The first rule that matches a function decides its policy.
struct AcceleratorRule {
  std::optional<hal::PciAddress> address;
  std::optional<uint16_t> vendor, device;
  // A prefix of base, sub and programming class: "class: 0x02", "0x0200" or "0x020000".
  std::optional<uint32_t> class_code, class_mask;
  hal::AcceleratorPolicy policy;
  bool Matches(const hal::PciFunction& function) const;
};

// How a network interface gets into its container.
enum class NetworkDevices {
  kHook,  // by drapci-hook, started by the container runtime
  kCdi,   // by the runtime itself (CDI 1.1 netDevices); it gives no addresses
  kNone,  // not at all: interfaces stay in the host's namespace
};
extern const char* const kDefaultHook;  // where it is installed

struct Config {
  std::string driver_name = "dra.pci";
  std::string node_name;  // empty: the host's name
  std::string state_dir = "/var/lib/drapci";
  std::string cdi_dir = "/var/run/cdi";
  std::string control_socket = "/run/drapci/control.sock";
  std::string control_group = "drapci";  // of the socket, mode 0660; ignored when absent
  // Where metrics can be read: a unix socket's path, IP:PORT of loopback, or "off"; empty:
  // metrics.sock beside the control socket.
  std::string metrics;
  std::string kubelet_root = "/var/lib/kubelet";
  std::string claim_dir;     // claims by file, NAMESPACE/NAME.{json,yaml}; empty: none
  std::string nvml_library;  // of NVIDIA's driver; empty: as the loader finds it
  std::string image_dir = "/var/lib/drapci/images";  // bitstreams for FPGA slots, root's alone
  bool standalone = false;                           // no kubelet sockets
  LogLevel log_level = LogLevel::kInfo;
  int step_timeout_seconds = 30;  // deadline of one step
  std::vector<AcceleratorRule> accelerators;
  HealthConfig health;

  NetworkDevices network_devices = NetworkDevices::kHook;
  std::string hook = kDefaultHook;  // the program

  struct Kubernetes {
    std::string kubeconfig;     // empty: none, unless the daemon runs in a pod
    std::string context;        // empty: the file's current one
    bool watch_claims = false;  // keep a cache of all claims; binding conditions need it
    bool claim_status = true;   // write status.devices
    bool device_metadata = false;
    int collect_after_seconds = 600;  // how long a claim must be seen gone; 0: never collected
  };
  Kubernetes kubernetes;

  hal::AcceleratorPolicy PolicyFor(const hal::PciFunction& function) const;
};

struct ConfigError {
  int line = 0;      // from 1; 0: the file as a whole
  std::string text;  // what is wrong and what is allowed
};

// Either a configuration, or every error found. Pure; fuzzed. Never throws.
std::expected<Config, std::vector<ConfigError>> ParseConfig(std::string_view yaml);

}  // namespace drapci::driver
