#include "test/sim/drivers/drm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "hal/base/parse.h"

namespace drapci::sim {
namespace {

static_assert(sizeof(DrmVersionRequest) == 64);
constexpr std::string_view kCompute = "/dev/accel/accel";

// drm_ioctl.c drm_copy_field: as much as there is room for, and how much there is.
int CopyField(const std::string& text, uint64_t& length, uint64_t to, CallerMemory& memory) {
  const size_t room = std::min<size_t>(length, text.size());
  length = text.size();
  if (room == 0 || to == 0) return 0;
  const auto bytes = std::as_bytes(std::span(text.data(), room));
  return memory.Write(to, bytes) ? 0 : -EFAULT;
}

// habanalabs also has a node to watch the card by (accel_controlD0), for any number of users.
bool IsCompute(std::string_view node) {
  return node.starts_with(kCompute) && ParseInt<int>(node.substr(kCompute.size()));
}

}  // namespace

// Documentation/ABI/testing/sysfs-driver-habanalabs
void DrmModel::Bound() {
  users_ = 0;
  if (GivenNumber("one-user", 0) == 0) return;
  const std::string& dir = function().dir;
  tree().MakeText(dir + "/device_type", Given("product", "GAUDI2") + "\n");
  tree().MakeText(dir + "/status", "Operational\n");
  tree().MakeFile(dir + "/hard_reset_cnt", 0444, [this] { return fmt::format("{}\n", resets_); },
                  {});
}

void DrmModel::Unbound() {
  for (const char* name : {"device_type", "status", "hard_reset_cnt"}) {
    tree().Remove(fmt::format("{}/{}", function().dir, name));
  }
}

// habanalabs_drv.c hl_device_open: EBUSY while there is a user
int DrmModel::Open(std::string_view node, bool) {
  if (!IsCompute(node) || GivenNumber("one-user", 0) == 0) return 0;
  if (users_ > 0) return -EBUSY;
  ++users_;
  return 0;
}

// context.c, device.c hl_device_release: reset_upon_device_release
void DrmModel::Closed(std::string_view node) {
  if (!IsCompute(node) || users_ == 0) return;
  --users_;
  ++resets_;
}

// drm_ioctl.c drm_ioctl: a number that neither the core nor the driver knows is EINVAL
int DrmModel::Ioctl(std::string_view node, unsigned long request, uint64_t argument,
                    CallerMemory& memory) {
  // Other nodes of the driver are none of DRM's.
  if (!node.starts_with("/dev/dri/") && !IsCompute(node)) return -ENOTTY;
  return request == kDrmVersion ? Version(argument, memory) : -EINVAL;
}

// drm_ioctl.c drm_version
int DrmModel::Version(uint64_t argument, CallerMemory& memory) const {
  DrmVersionRequest version;
  const auto bytes = std::as_writable_bytes(std::span(&version, 1));
  if (!memory.Read(argument, bytes)) return -EFAULT;
  const std::string given = Given("version", "1.0.0");
  const std::vector<std::string_view> numbers = Split(given, '.');
  const auto number = [&](size_t at) {
    return at < numbers.size() ? ParseInt<int32_t>(numbers[at]).value_or(0) : 0;
  };
  version.major = number(0);
  version.minor = number(1);
  version.patch = number(2);
  const std::string name = Given("drm", function().driver);
  for (const int error : {CopyField(name, version.name_len, version.name, memory),
                          CopyField("0", version.date_len, version.date, memory),  // since 6.14
                          CopyField(name, version.desc_len, version.desc, memory)}) {
    if (error != 0) return error;
  }
  return memory.Write(argument, bytes) ? 0 : -EFAULT;
}

std::unique_ptr<DriverModel> MakeDrmModel(Kernel::Impl& kernel, const PciAddress& address) {
  return std::make_unique<DrmModel>(kernel, address);
}

}  // namespace drapci::sim
