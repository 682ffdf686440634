// Feature gates of the API server, with the default that each Kubernetes version gives them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "hal/base/result.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

class Gates {
 public:
  // The gates of Kubernetes 1.`minor`, changed by `changes`. kInvalid for a version that is not
  // imitated and for a gate that the version does not have, or has locked.
  static Result<Gates> Of(int minor, const std::map<std::string, bool>& changes);

  // "A=true,B=false"
  static Result<std::map<std::string, bool>> Parse(std::string_view text);

  bool On(std::string_view gate) const;  // false for gates that the version does not have
  int minor() const { return minor_; }

 private:
  int minor_ = 0;
  std::map<std::string, bool, std::less<>> on_;
};

}  // namespace drapci::apiserver
