// Files that commands read and write.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "plugin/cli/failure.h"

namespace drapci::cli {

inline constexpr size_t kMaxFileSize = 1 << 20;  // bytes

// Everything that `fd` has; refused beyond kMaxFileSize. `name` stands for it in errors.
Outcome<std::string> ReadAll(int fd, std::string_view name);

// A new content that waits beside its file, readable by its owner alone, until it is committed.
// What is never committed leaves nothing behind.
class PendingFile {
 public:
  // Writes and syncs `content` under a temporary name in the directory of `path`.
  static Outcome<PendingFile> Write(const std::string& path, std::string_view content);

  PendingFile(PendingFile&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile();

  // Takes the name, in place of what had it.
  Outcome<> Commit();

 private:
  PendingFile(std::string path, std::string temporary)
      : path_(std::move(path)), temporary_(std::move(temporary)) {}

  std::string path_, temporary_;
};

}  // namespace drapci::cli
