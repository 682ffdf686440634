#include "test/sim/front/run.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "hal/base/log.h"
#include "hal/os/dev_io.h"
#include "hal/os/netlink.h"
#include "test/sim/front/control.h"
#include "test/sim/front/fuse_devices.h"
#include "test/sim/front/fuse_sysfs.h"
#include "test/sim/front/generic_relay.h"
#include "test/sim/front/gpus.h"
#include "test/sim/front/namespaces.h"
#include "test/sim/front/process.h"
#include "test/sim/front/relay.h"
#include "test/sim/front/timer.h"
#include "test/sim/front/udevd.h"
#include "test/sim/front/uevents.h"
#include "test/sim/front/veths.h"

namespace drapci::sim {
namespace {

constexpr const char* kSocket = "/run/drapci-sim/control.sock";
constexpr const char* kRelaySocket = "/run/drapci-sim/route.sock";

void Report(const Result<>& result) {
  if (!result) Log(LogLevel::kError, "drapci-sim: {}", result.error().what);
}

// devtmpfs comes first: when the event arrives, the node is there (or gone).
void Publish(const UeventSocket& socket, const Uevent& event) {
  std::string name = event.Property("DEVNAME");
  if (!name.empty() && event.action == "remove") RemoveNode("/dev/" + name);
  if (!name.empty() && event.action == "add" && event.Property("SYNTH_UUID").empty()) {
    std::string mode = event.Property("DEVMODE");
    Report(
        MakeNode({.path = "/dev/" + name,
                  .type = event.subsystem == "block" ? 'b' : 'c',
                  .major = static_cast<unsigned>(std::atoi(event.Property("MAJOR").c_str())),
                  .minor = static_cast<unsigned>(std::atoi(event.Property("MINOR").c_str())),
                  .permissions =
                      mode.empty() ? 0600U : static_cast<unsigned>(std::stoul(mode, nullptr, 8))}));
  }
  Report(socket.Send(event));
}

struct Machine {
  explicit Machine(bool vfio_cdev)
      : timer([this](uint64_t id) { kernel.RunDeferred(id); }),
        kernel({.wait = [this](Milliseconds time) { timer.Wait(time); },
                .deferred = [this](uint64_t id, Milliseconds time) { timer.Schedule(id, time); },
                .vfio_cdev = vfio_cdev,
                .net_devices = &veths}),
        sysfs(kernel, [this](int pid) { trap.Accepted(pid); }),
        control(kernel, trap),
        relay(kernel, trap, [this] { veths.Sync(); }),
        generic_relay(kernel, trap, [this] { veths.Sync(); }) {
    veths.Follow(kernel);
    sysfs.SetRefresh([this] { veths.Sync(); });
  }

  Timer timer;
  Veths veths;
  Kernel kernel;
  WriteTrap trap;
  FuseSysfs sysfs;
  ControlServer control;
  Relay relay;
  GenericRelay generic_relay;
};

}  // namespace

Result<int> Run(const RunOptions& options) {
  DRAPCI_CHECK(EnterNamespaces());
  if (!options.hostname.empty() &&
      sethostname(options.hostname.data(), options.hostname.size()) != 0) {
    return Fail(Error::FromErrno(errno, "set the host name"));
  }
  DRAPCI_TRY(RealSys real, TakeRealSys());
  BlockSignals();

  auto owned = std::make_unique<Machine>(options.vfio_cdev);
  // Its threads serve until the process ends, which main does with _exit.
  Machine& machine = *owned.release();
  DRAPCI_CHECK(Install(machine.kernel, options.boards));
  MakeMountPoints(machine.kernel, real);
  machine.sysfs.SetRealNetworkClass(std::move(real.net_class));
  DRAPCI_CHECK(machine.sysfs.Mount());
  DRAPCI_CHECK(PutBack(real));
  DRAPCI_CHECK(MakePrivateDev());
  DRAPCI_CHECK(MakePrivateRun());
  for (const DeviceNode& node : machine.kernel.Nodes()) DRAPCI_CHECK(MakeNode(node));
  DRAPCI_TRY(auto environment, ServeGpus(machine.kernel));
  DRAPCI_TRY(UeventSocket opened, UeventSocket::Open());
  auto socket = std::make_unique<UeventSocket>(std::move(opened));
  machine.kernel.OnEvent(
      [&socket = *socket.release()](const Uevent& event) { Publish(socket, event); });
  DRAPCI_CHECK(machine.control.Start(kSocket));
  DRAPCI_CHECK(machine.relay.Start(kRelaySocket));
  DRAPCI_CHECK(
      machine.generic_relay.Start(fmt::format("{}{}", kRelaySocket, hal::kGenericRelaySuffix)));
  // systemd's device library (and libudev on top of it) takes only paths whose file system calls
  // itself sysfs, unless told otherwise (sd-device.c device_set_syspath); FUSE cannot.
  setenv("SYSTEMD_DEVICE_VERIFY_SYSFS", "0", 1);
  if (options.udevd) DRAPCI_CHECK(StartUdevd(machine.kernel));

  environment.emplace_back(kSocketVariable, kSocket);
  environment.emplace_back(hal::kNetlinkRelayVariable, kRelaySocket);
  environment.emplace_back(hal::kDeviceRelayVariable, kDeviceRelay);
  DRAPCI_TRY(pid_t command, Start(options.command, environment));
  int status = WaitFor(command);
  // What still waits in the model is let go, so that nothing that is killed hangs in a write.
  machine.kernel.ClearFaults();
  machine.timer.Stop();
  KillDescendants();
  return status;
}

}  // namespace drapci::sim
