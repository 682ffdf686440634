// What a device says about itself. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "driver/inventory.h"
#include "plugin/slices/model.h"

namespace drapci::plugin::slices {

// The attributes that `device` is published with, at most `limit` of them; those beyond are left
// out in a fixed order, the least useful for a choice first (attributes.cc, kCutFirst). Names
// without a domain belong to the driver's.
//
// What changes with a prepare is not among them: the address and driver of a VF that exists only
// while it is claimed, the number of VFs that exist now.
std::map<std::string, Attribute> AttributesOf(const driver::AcceleratorView& accelerator,
                                              const driver::Device& device, size_t limit);

// At most `limit` bytes of `text`, cut between characters; what is no UTF-8 or no printable
// character becomes '?'.
std::string CutText(std::string_view text, size_t limit);

// Strict semver 2.0.0, which is all that the API takes for a version.
bool IsSemanticVersion(std::string_view text);

// A name that the API takes as a DNS label: lower-case letters, digits and inner dashes.
bool IsDnsLabel(std::string_view text);

}  // namespace drapci::plugin::slices
