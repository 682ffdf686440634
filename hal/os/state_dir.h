// A directory whose files change as a whole or not at all.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"

namespace drapci::hal {

// Names are single components: one with '/' or a leading '.' is refused (kInvalid). Any thread; two
// writers of one name must not overlap.
class StateDir {
 public:
  virtual ~StateDir() = default;

  // Temporary name, write, fsync, rename, fsync of the directory. On failure nothing stays behind
  // and the old file is untouched; only when the last fsync fails the new file is there, yet
  // perhaps not durable. The directory is made again when somebody has removed it.
  virtual Result<> Replace(std::string_view name, std::string_view content) = 0;
  // A file that is not there is success.
  virtual Result<> Remove(std::string_view name) = 0;
  virtual Result<std::string> Read(std::string_view name) const = 0;
  // Sorted; temporary files are left out.
  virtual Result<std::vector<std::string>> List() const = 0;
  virtual const std::string& path() const = 0;
};

// Opens (and creates, mode 0755, with its parents) the directory at `path`, and sweeps temporary
// files that a crash has left in it.
Result<std::unique_ptr<StateDir>> OpenStateDir(std::string path);

}  // namespace drapci::hal
