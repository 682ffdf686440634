// A small file whose text is read anew when it changes: a token, a certificate, a key.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

class CachedFile {
 public:
  // Looks at `path` and reads it when it is another file than before or was written to, or in any
  // case with `anew`. On failure the text stays what it was. Blocks only as long as the disk does.
  Result<> Refresh(const std::string& path, bool anew);

  bool loaded() const { return !path_.empty(); }
  const std::string& text() const { return text_; }

 private:
  using Identity = std::array<int64_t, 6>;

  std::string path_;
  Identity identity_{};
  std::string text_;
};

}  // namespace drapci::plugin::kube
