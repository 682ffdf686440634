#include "hal/nvml/codes.h"

#include "test/unit/nvml/machine.h"

namespace drapci::hal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Expected {
  nvml::Return returned;
  Code code;
  const char* name;
};

class CodesTest : public NvmlTest, public ::testing::WithParamInterface<Expected> {};

TEST_P(CodesTest, ReachesTheCallerAsItsCodeWithNameAndMeaningInOneLine) {
  const auto& [returned, code, name] = GetParam();
  // Twice: some of them are worth a second try.
  FailNext("nvmlDeviceGetName", returned);
  FailNext("nvmlDeviceGetName", returned);
  const auto refused = nvml_.Gpu(h100_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, code);
  EXPECT_THAT(refused.error().what, HasSubstr(name));
  EXPECT_THAT(refused.error().what, HasSubstr("0000:18:00.0: name: "));
  EXPECT_THAT(refused.error().what, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    All, CodesTest,
    ::testing::Values(Expected{1, Code::kIo, "NVML_ERROR_UNINITIALIZED (1)"},
                      Expected{2, Code::kInvalid, "NVML_ERROR_INVALID_ARGUMENT (2)"},
                      Expected{3, Code::kUnsupported, "NVML_ERROR_NOT_SUPPORTED (3)"},
                      Expected{4, Code::kDenied, "NVML_ERROR_NO_PERMISSION (4)"},
                      Expected{5, Code::kInternal, "NVML_ERROR_ALREADY_INITIALIZED (5)"},
                      Expected{6, Code::kNotFound, "NVML_ERROR_NOT_FOUND (6)"},
                      Expected{7, Code::kInternal, "NVML_ERROR_INSUFFICIENT_SIZE (7)"},
                      Expected{8, Code::kIo, "NVML_ERROR_INSUFFICIENT_POWER (8)"},
                      Expected{9, Code::kUnsupported, "NVML_ERROR_DRIVER_NOT_LOADED (9)"},
                      Expected{10, Code::kTimeout, "NVML_ERROR_TIMEOUT (10)"},
                      Expected{11, Code::kIo, "NVML_ERROR_IRQ_ISSUE (11)"},
                      Expected{12, Code::kUnsupported, "NVML_ERROR_LIBRARY_NOT_FOUND (12)"},
                      Expected{13, Code::kUnsupported, "NVML_ERROR_FUNCTION_NOT_FOUND (13)"},
                      Expected{14, Code::kIo, "NVML_ERROR_CORRUPTED_INFOROM (14)"},
                      Expected{15, Code::kGone, "NVML_ERROR_GPU_IS_LOST (15)"},
                      Expected{16, Code::kIo, "NVML_ERROR_RESET_REQUIRED (16)"},
                      Expected{17, Code::kDenied, "NVML_ERROR_OPERATING_SYSTEM (17)"},
                      Expected{18, Code::kUnsupported, "NVML_ERROR_LIB_RM_VERSION_MISMATCH (18)"},
                      Expected{19, Code::kBusy, "NVML_ERROR_IN_USE (19)"},
                      Expected{20, Code::kExhausted, "NVML_ERROR_MEMORY (20)"},
                      Expected{21, Code::kUnsupported, "NVML_ERROR_NO_DATA (21)"},
                      Expected{22, Code::kUnsupported, "NVML_ERROR_VGPU_ECC_NOT_SUPPORTED (22)"},
                      Expected{23, Code::kConflict, "NVML_ERROR_INSUFFICIENT_RESOURCES (23)"},
                      Expected{24, Code::kUnsupported, "NVML_ERROR_FREQ_NOT_SUPPORTED (24)"},
                      Expected{25, Code::kUnsupported, "NVML_ERROR_ARGUMENT_VERSION_MISMATCH (25)"},
                      Expected{26, Code::kUnsupported, "NVML_ERROR_DEPRECATED (26)"},
                      Expected{27, Code::kBusy, "NVML_ERROR_NOT_READY (27)"},
                      Expected{28, Code::kNotFound, "NVML_ERROR_GPU_NOT_FOUND (28)"},
                      Expected{29, Code::kConflict, "NVML_ERROR_INVALID_STATE (29)"},
                      Expected{30, Code::kUnsupported, "NVML_ERROR_RESET_TYPE_NOT_SUPPORTED (30)"},
                      Expected{77, Code::kIo, "NVML error 77: a code that is not known"},
                      Expected{999, Code::kIo, "NVML_ERROR_UNKNOWN (999)"}));

}  // namespace
}  // namespace drapci::hal
