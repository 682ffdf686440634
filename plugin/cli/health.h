// The condition of cards, in words. Pure: an answer of the daemon in, text out.
#pragma once

#include <string>

#include "plugin/cli/output.h"
#include "plugin/proto/control.pb.h"

namespace drapci::cli {

// NAME STATE REASON SINCE MESSAGE, a line for each card; wide: what else is held against it.
std::string RenderHealth(const v1::GetHealthResponse& answer, Format format);

// What was measured, and which sample crossed which rule when.
std::string RenderExplanation(const v1::ExplainHealthResponse& answer, Format format);

// TIME CARD EVENT RULE TEXT: one line.
std::string RenderEvent(const v1::Event& event, Format format);

// "Unhealthy (PcieFatalError): PCI Express reports fatal errors: ..."
std::string HealthText(const v1::CardHealth& health);

}  // namespace drapci::cli
