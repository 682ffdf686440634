#include "driver/claim.h"

#include <algorithm>
#include <string_view>

namespace drapci::driver {

bool IsValidUid(std::string_view uid) {
  return !uid.empty() && uid.size() <= kMaxUidLength && std::ranges::all_of(uid, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace drapci::driver
