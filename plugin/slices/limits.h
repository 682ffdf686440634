// What the API server would refuse, or take and then have nothing allocated from. Pure.
#pragma once

#include "hal/base/result.h"
#include "plugin/slices/model.h"

namespace drapci::plugin::slices {

// kInvalid, naming pool, device and field, when `pool` breaks a rule or a limit of the API, has a
// name twice, or a device that takes from a counter that does not exist. Such a pool is not
// written: in part it would be wrong, and repeating it could not help.
Result<> CheckPool(const Pool& pool);

}  // namespace drapci::plugin::slices
