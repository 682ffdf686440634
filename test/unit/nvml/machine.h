// A machine with GPUs for one test: a state file of the stand-in library, and the library loaded as
// drapci loads NVIDIA's.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "hal/nvml/system_nvml.h"
#include "test/sim/nvml/boards.h"
#include "test/sim/nvml/state.h"

namespace drapci::hal {

namespace sim = drapci::sim::nvml;

inline constexpr const char* kStandIn = DRAPCI_SIM_NVML_LIBRARY;
inline constexpr const char* kOldStandIn = DRAPCI_SIM_NVML_OLD_LIBRARY;

inline PciAddress At(std::string_view text) { return PciAddress::Parse(text).value(); }

class NvmlTest : public ::testing::Test {
 protected:
  NvmlTest() {
    std::string pattern = ::testing::TempDir() + "drapci-nvml-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    file_ = sim::StateFile(directory_ + "/state.json");
    ::setenv(sim::kStateVariable, file_.path().c_str(), 1);
    Start({"h100-80", "a100-40"});
  }
  ~NvmlTest() override {
    nvml_.Release();
    std::filesystem::remove_all(directory_);
  }

  // Begins anew with GPUs of `models`, at 0000:18:00.0, 0000:19:00.0, ...
  void Start(const std::vector<std::string>& models) {
    sim::State state;
    state.capabilities = directory_ + "/proc-driver";
    uint32_t minor = 0;
    for (const std::string& model : models) {
      auto gpu = sim::MakeGpu(model, fmt::format("0000:{:x}:00.0", 0x18 + minor), minor);
      ASSERT_TRUE(gpu);
      state.gpus.push_back(*std::move(gpu));
      ++minor;
    }
    const auto made = file_.Create(state);
    ASSERT_TRUE(made) << made.error().what;
  }

  void Change(const std::function<void(sim::State&)>& change) {
    const auto changed = file_.Change(change);
    ASSERT_TRUE(changed) << changed.error().what;
  }
  void ChangeGpu(const PciAddress& gpu, const std::function<void(sim::Gpu&)>& change) {
    Change([&](sim::State& state) { change(*sim::FindGpu(state, gpu.ToString())); });
  }
  void FailNext(std::string_view call, int64_t code) {
    Change([&](sim::State& state) { sim::FailNext(state, call, code); });
  }
  sim::State State() const { return file_.Read().value(); }
  sim::Gpu GpuState(const PciAddress& gpu) const {
    auto state = State();
    return *sim::FindGpu(state, gpu.ToString());
  }
  void SwitchMigOn(const PciAddress& gpu) {
    ChangeGpu(gpu, [](sim::Gpu& state) { state.mig = state.mig_pending = true; });
  }

  std::string directory_;
  sim::StateFile file_{""};
  SystemNvml nvml_{kStandIn};
  const PciAddress h100_ = At("0000:18:00.0"), a100_ = At("0000:19:00.0");
  static constexpr uint32_t k1g = 19, k1gMe = 20, k1gDouble = 15, k2g = 14, k3g = 9, k4g = 5,
                            k7g = 0;  // ids of profiles
};

}  // namespace drapci::hal
