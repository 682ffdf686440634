// The driver's values as messages of the control service.
#pragma once

#include "driver/health/monitor.h"
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
void Convert(const driver::Health& from, v1::CardHealth& to);
void Convert(const driver::HealthChange& from, v1::Event& to);
void Convert(const driver::HealthReport& from, v1::ExplainHealthResponse& to);

// "2026-03-01T12:00:00.250Z"; empty for a time that never was.
std::string TimeText(hal::WallTime time);

// "8.0 GT/s x16"; empty when the link is down or unknown.
std::string LinkText(const hal::PcieCapability& pcie);

}  // namespace drapci::plugin
