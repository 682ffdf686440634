#include "hal/nvml/codes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace drapci::hal::nvml {
namespace {

struct Row {
  Return code;
  Code means;
  std::string_view name, text;
};

constexpr auto kRows = std::to_array<Row>({
    {1, Code::kIo, "UNINITIALIZED", "the library was not initialized"},
    {2, Code::kInvalid, "INVALID_ARGUMENT", "the library does not take this argument"},
    {3, Code::kUnsupported, "NOT_SUPPORTED", "not with this GPU in its present mode"},
    {4, Code::kDenied, "NO_PERMISSION", "needs root, or the capability mig/config"},
    {5, Code::kInternal, "ALREADY_INITIALIZED", "initialized twice"},
    {6, Code::kNotFound, "NOT_FOUND", "the driver knows no such thing"},
    {7, Code::kInternal, "INSUFFICIENT_SIZE", "the list grew each time that it was asked for"},
    {8, Code::kIo, "INSUFFICIENT_POWER", "a power cable of the board is not attached"},
    {9, Code::kUnsupported, "DRIVER_NOT_LOADED", "load the nvidia kernel module"},
    {10, Code::kTimeout, "TIMEOUT", "the driver did not answer in time"},
    {11, Code::kIo, "IRQ_ISSUE", "the kernel has trouble with the GPU's interrupt"},
    {12, Code::kUnsupported, "LIBRARY_NOT_FOUND", "a library of the driver is missing"},
    {13, Code::kUnsupported, "FUNCTION_NOT_FOUND", "the driver is too old for this; update it"},
    {14, Code::kIo, "CORRUPTED_INFOROM", "the board's information memory is damaged"},
    {15, Code::kGone, "GPU_IS_LOST", "the GPU has fallen off the bus; it needs a reset"},
    {16, Code::kIo, "RESET_REQUIRED", "the GPU must be reset before it can be used again"},
    {17, Code::kDenied, "OPERATING_SYSTEM", "a cgroup or the system forbids the device"},
    {18, Code::kUnsupported, "LIB_RM_VERSION_MISMATCH",
     "library and kernel module are of different versions; load the module anew, or reboot"},
    {19, Code::kBusy, "IN_USE", "somebody uses it, or it has instances"},
    {20, Code::kExhausted, "MEMORY", "out of memory"},
    {21, Code::kUnsupported, "NO_DATA", "nothing known"},
    {22, Code::kUnsupported, "VGPU_ECC_NOT_SUPPORTED", "not with ECC"},
    {23, Code::kConflict, "INSUFFICIENT_RESOURCES",
     "something lies there already, or none of this kind is left"},
    {24, Code::kUnsupported, "FREQ_NOT_SUPPORTED", "no such frequency"},
    {25, Code::kUnsupported, "ARGUMENT_VERSION_MISMATCH",
     "the driver speaks no version of this that is known here"},
    {26, Code::kUnsupported, "DEPRECATED", "no longer offered by this driver"},
    {27, Code::kBusy, "NOT_READY", "the system is not ready for it yet"},
    {28, Code::kNotFound, "GPU_NOT_FOUND", "no such GPU"},
    {29, Code::kConflict, "INVALID_STATE", "not in the state that it is in"},
    {30, Code::kUnsupported, "RESET_TYPE_NOT_SUPPORTED", "no such reset"},
    {999, Code::kIo, "UNKNOWN", "the driver failed; see the kernel log for NVRM"},
});

const Row* Find(Return code) {
  const auto* row = std::ranges::find(kRows, code, &Row::code);
  return row == kRows.end() ? nullptr : row;
}

}  // namespace

std::string ReturnName(Return code) {
  const Row* row = Find(code);
  return row ? fmt::format("NVML_ERROR_{} ({})", row->name, code)
             : fmt::format("NVML error {}", code);
}

Error ErrorOf(Return code, std::string_view context) {
  const Row* row = Find(code);
  return {.code = row ? row->means : Code::kIo,
          .what = fmt::format("{}: {}: {}", context, ReturnName(code),
                              row ? row->text : "a code that is not known here")};
}

bool AsksForNewInit(Return code) {
  return code == kUninitialized || code == kDriverNotLoaded || code == kLibraryMismatch;
}

}  // namespace drapci::hal::nvml
