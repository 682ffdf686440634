// Who may say what in opaque configuration.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <type_traits>

#include "hal/base/result.h"

namespace drapci::plugin {

// Who wrote a configuration. A claim's author may be anybody with a namespace; a DeviceClass is
// written by the cluster's administrator, and the control socket is open to root and the drapci
// group alone.
enum class ConfigSource { kClaim, kClass, kOperator };

// Lays one configuration over another, field by field. Pure.
class ConfigOverlay {
 public:
  // `where` names the place of the configuration in errors.
  ConfigOverlay(ConfigSource source, std::string_view where) : source_(source), where_(where) {}

  bool by_claim() const { return source_ == ConfigSource::kClaim; }

  // What anybody may ask for.
  template <class T>
  static void Lay(const std::optional<T>& from, std::optional<T>& to) {
    if (from) to = from;
  }

  // What counts only from a class or an operator: kDenied when a claim asks for it and the same has
  // not been granted before. With `only`, that value alone is reserved. `why` reads on from the
  // field: "reaches beyond the device".
  template <class T>
  Result<> LayReserved(std::string_view field, std::string_view why, const std::optional<T>& from,
                       std::optional<T>& to,
                       std::optional<std::type_identity_t<T>> only = std::nullopt) const {
    const bool reserved = from && (!only || *from == *only);
    if (by_claim() && reserved && from != to) return Deny(field, why);
    Lay(from, to);
    return {};
  }

  std::unexpected<Error> Deny(std::string_view field, std::string_view why) const {
    return Fail(Code::kDenied,
                fmt::format("{}.{}: {}, so it has to be set in the DeviceClass; a claim alone "
                            "cannot ask for it",
                            where_, field, why));
  }

 private:
  ConfigSource source_;
  std::string_view where_;
};

}  // namespace drapci::plugin
