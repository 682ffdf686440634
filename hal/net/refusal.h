// What the kernel says when it refuses a netlink request, as an error of one line.
#pragma once

#include <string_view>

#include "hal/base/result.h"

namespace drapci::hal {

// "WHAT: EINVAL (Invalid argument): the kernel's own text", of an error of Netlink::Talk. Pure.
Error RefusalOf(const Error& error, std::string_view what);

}  // namespace drapci::hal
