// What the commands print. Pure: an answer of the daemon in, text out, ending in a newline.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "plugin/proto/control.pb.h"

namespace drapci::cli {

enum class Format { kTable, kWide, kJson, kYaml };
std::optional<Format> ParseFormat(std::string_view text);

// One line for each device: NAME PROFILE ADDRESS DRIVER STATE HELD-BY REASON. An accelerator that
// offers no device has a line of its own. STATE is free, held, shared (by the claims in HELD-BY;
// there may be room for more), excluded (free, but no room beside what is held), unusable, foreign
// or gone.
std::string RenderDevices(const v1::ListDevicesResponse& answer, Format format);

// All that is known of `name`, an accelerator or one of its devices. `answer` was asked for it
// alone.
std::string RenderDevice(const v1::ListDevicesResponse& answer, std::string_view name,
                         Format format);

// NAMESPACE NAME UID STATE DEVICES TROUBLE; a share among DEVICES is followed by what it takes:
// "pci-0000-02-00-0 bandwidth=200M".
std::string RenderClaims(const v1::ListClaimsResponse& answer, Format format);

// The steps in order, the devices and the CDI specification.
std::string RenderPlan(const v1::PlanResponse& answer, Format format);

std::string RenderPrepared(const v1::PrepareResponse& answer, Format format);
std::string RenderUnprepared(const v1::UnprepareResponse& answer, std::string_view asked,
                             Format format);

// A line for each difference, or one line saying that there is none.
std::string RenderVerify(const v1::VerifyResponse& answer, Format format);

// `daemon` is empty when none answers.
std::string RenderVersion(std::string_view own, const std::optional<v1::GetVersionResponse>& daemon,
                          Format format);

}  // namespace drapci::cli
