// The few URLs that a kubeconfig names.
#pragma once

#include <initializer_list>
#include <string_view>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

enum class UserInfo { kRefused, kAllowed };  // "user:password@" before the host

// Whether `url` is SCHEME://HOST[:PORT][/PATH] with one of `schemes`. kInvalid says what is wrong
// without repeating the text: it may hold a password. Pure. Never throws.
Result<> CheckUrl(std::string_view url, std::initializer_list<std::string_view> schemes,
                  UserInfo user_info);

}  // namespace drapci::plugin::kube
