#include "plugin/daemon/systemd_job.h"

#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string_view>

#include "hal/base/log.h"

namespace drapci::plugin {
namespace {

constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr uint64_t kPatience = 1'000'000;  // microseconds

struct Close {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
  void operator()(char* text) const { std::free(text); }  // NOLINT: from sd-bus
};
using Bus = std::unique_ptr<sd_bus, Close>;
using Message = std::unique_ptr<sd_bus_message, Close>;
using Text = std::unique_ptr<char, Close>;

// The socket that systemctl speaks to as root (systemd, src/shared/bus-util.c).
Bus Connect() {
  sd_bus* raw = nullptr;
  if (sd_bus_new(&raw) < 0) return nullptr;
  Bus bus(raw);
  if (sd_bus_set_address(raw, "unix:path=/run/systemd/private") < 0) return nullptr;
  if (sd_bus_set_method_call_timeout(raw, kPatience) < 0 || sd_bus_start(raw) < 0) return nullptr;
  return bus;
}

// "restart", "stop"; empty when there is no job.
Text JobType(sd_bus* bus) {
  sd_bus_message* raw = nullptr;
  if (sd_bus_call_method(bus, kSystemd, "/org/freedesktop/systemd1",
                         "org.freedesktop.systemd1.Manager", "GetUnitByPID", nullptr, &raw, "u",
                         static_cast<uint32_t>(::getpid())) < 0) {
    return nullptr;
  }
  const Message reply(raw);
  const char* unit = nullptr;
  if (sd_bus_message_read(raw, "o", &unit) < 0) return nullptr;
  if (sd_bus_get_property(bus, kSystemd, unit, "org.freedesktop.systemd1.Unit", "Job", nullptr,
                          &raw, "(uo)") < 0) {
    return nullptr;
  }
  const Message property(raw);
  uint32_t id = 0;
  const char* job = nullptr;
  if (sd_bus_message_read(raw, "(uo)", &id, &job) < 0 || id == 0) return nullptr;
  char* type = nullptr;
  if (sd_bus_get_property_string(bus, kSystemd, job, "org.freedesktop.systemd1.Job", "JobType",
                                 nullptr, &type) < 0) {
    return nullptr;
  }
  return Text(type);
}

}  // namespace

bool IsRestart() {
  const Bus bus = Connect();
  if (bus == nullptr) return false;
  const Text type = JobType(bus.get());
  if (type == nullptr) return false;
  Log(LogLevel::kDebug, "systemd's job for this service: {}", type.get());
  return std::string_view(type.get()).contains("restart");
}

}  // namespace drapci::plugin
