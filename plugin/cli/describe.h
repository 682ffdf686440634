// One accelerator or device, in words.
#pragma once

#include <string>
#include <string_view>

#include "plugin/proto/control.pb.h"

namespace drapci::cli {

struct DeviceSummary {
  std::string name, profile, address, driver;
  std::string state;    // "free", "held", "shared", "excluded", "unusable", "foreign", "gone"
  std::string held_by;  // UID of the claim, or those of the claims that share it
  std::string reason;   // why it cannot be given; empty when it can
};

// `device` null: the accelerator itself, which offers nothing.
DeviceSummary Summarize(const v1::Accelerator& accelerator, const v1::Device* device);

// "Intel Corporation 82576 Virtual Function"; the ids where pci.ids has no name.
std::string Model(const v1::Accelerator& accelerator);

// The full description of the accelerator, or of its device called `name`.
std::string Describe(const v1::Accelerator& accelerator, std::string_view name);

}  // namespace drapci::cli
