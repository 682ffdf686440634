// A ResourceClaim (resource.k8s.io/v1) as the driver understands it.
#pragma once

#include <string_view>

#include "driver/claim.h"
#include "hal/base/result.h"

namespace drapci::plugin {

// Reads the claim's identity (of a template's claim, the pod's name for it too), and of
// `status.allocation` what concerns `driver_name`:
//  - results of other drivers, and their opaque configuration, are skipped without a look, and so
//    are fields that are not known (skipNodeOperations, tolerations, ...);
//  - a result's request "req/sub" is answered under the name "req", as containers ask for it;
//  - results that name one device and share twice (adminAccess) become one device with both
//    requests;
//  - configuration counts in the order of the list, that of classes before that of claims; it
//    applies to all requests when it names none, to "req" and all its subrequests, or to "req/sub"
//    alone;
//  - consumedCapacity, with a shareID, is the share: our own capacities by their plain name
//    ("bandwidth" for "dra.pci/bandwidth"), rounded up to whole numbers. Without one it is checked
//    for its form only;
//  - adminAccess looks on: it takes no share and configures no network interface.
// A claim without a UID gets an empty one: the caller says whether that will do. An allocation
// whose node selector names other nodes than `node_name` is kConflict; an empty name fits every
// selector.
//
// The claim's author is not trusted: kInvalid names the field that is wrong, kDenied the
// configuration that only a DeviceClass may ask for; a claim that is not allocated, or not to this
// driver, is kInvalid. Pure; fuzzed. Never throws.
Result<driver::ClaimRequest> DecodeClaim(std::string_view json, std::string_view driver_name,
                                         std::string_view node_name = "");

}  // namespace drapci::plugin
