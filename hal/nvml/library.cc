#include "hal/nvml/library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <mutex>

namespace drapci::hal::nvml {
namespace {

// The first of `names` that the library exports.
template <class Function, class... Names>
Function* Resolve(void* library, Names... names) {
  void* found = nullptr;
  ((found = found ? found : ::dlsym(library, names)), ...);
  return reinterpret_cast<Function*>(found);
}

Functions ResolveAll(void* library) {
  Functions functions;
#define DRAPCI_NVML_RESOLVE(field, signature, ...) \
  functions.field = Resolve<signature>(library, __VA_ARGS__);
  DRAPCI_NVML_FUNCTIONS(DRAPCI_NVML_RESOLVE)
#undef DRAPCI_NVML_RESOLVE
  return functions;
}

// A node whose GPUs are all elsewhere (vfio) has a library as well: no GPU is no failure, where
// the driver knows the flag for it.
Return Initialize(const Functions& functions) {
  if (functions.InitWithFlags) return functions.InitWithFlags(kInitNoGpus);
  return functions.Init ? functions.Init() : kFunctionNotFound;
}

}  // namespace

Result<> Session::Check(Return code, std::string_view context) {
  if (code == kSuccess) return {};
  // After a reload the driver is not always so clear: then not even its version can be had.
  char version[kTextSize];
  if (AsksForNewInit(code) ||
      (code == kUnknown && Call(&Functions::SystemGetDriverVersion, static_cast<char*>(version),
                                uint32_t{sizeof(version)}) != kSuccess)) {
    stale_ = true;
  }
  return Fail(ErrorOf(code, context));
}

Result<Device> Session::Find(const PciAddress& gpu) {
  Device device = nullptr;
  const std::string bus_id = gpu.ToString();
  const Return code = Call(&Functions::DeviceGetHandleByPciBusId, bus_id.c_str(), &device);
  if (code == kNotFound) stale_ = true;  // the library counts GPUs when it is initialized
  DRAPCI_CHECK(Check(code, fmt::format("GPU {}", bus_id)));
  return device;
}

void Library::Release() {
  std::unique_lock lock(mutex_);
  Close();
}

Result<> Library::Ensure(uint64_t stale) {
  {
    std::shared_lock lock(mutex_);
    if (handle_ && opened_ != stale) return {};
  }
  std::unique_lock lock(mutex_);
  if (handle_ && opened_ != stale) return {};
  Close();
  return Open();
}

Result<> Library::Open() {
  // Loaded anew each time: after an update of the driver the file is another one.
  void* handle = ::dlopen(path_.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!handle) {
    const char* why = ::dlerror();
    return Fail(Code::kUnsupported,
                fmt::format("NVML cannot be loaded: {}; install NVIDIA's driver, or say where its "
                            "libnvidia-ml.so.1 is",
                            why ? why : path_));
  }
  functions_ = ResolveAll(handle);
  if (const Return code = Initialize(functions_); code != kSuccess) {
    ::dlclose(handle);
    return Fail(ErrorOf(code, fmt::format("initializing {}", path_)));
  }
  handle_ = handle;
  ++opened_;
  return {};
}

void Library::Close() {
  if (!handle_) return;
  if (functions_.Shutdown) functions_.Shutdown();
  functions_ = {};
  ::dlclose(std::exchange(handle_, nullptr));
}

}  // namespace drapci::hal::nvml
