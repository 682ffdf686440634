// The driver's values as messages of the control service.
#pragma once

#include "driver/manager.h"
#include "plugin/proto/control.pb.h"

namespace drapci::plugin {

// Accelerator without its devices, then each device.
void Convert(const driver::AcceleratorView& from, v1::Accelerator& to);
void Convert(const driver::Device& from, v1::Device& to);
void Convert(const driver::Step& from, v1::Step& to);
void Convert(const driver::PreparedDevice& from, v1::PreparedDevice& to);
void Convert(const driver::Holding& from, v1::Holding& to);
void Convert(const driver::ClaimRecord& from, v1::Claim& to);
void Convert(const driver::Difference& from, v1::Difference& to);

// "8.0 GT/s x16"; empty when the link is down or unknown.
std::string LinkText(const hal::PcieCapability& pcie);

}  // namespace drapci::plugin
