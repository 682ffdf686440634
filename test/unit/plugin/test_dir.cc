#include "test/unit/plugin/test_dir.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace drapci::plugin {

TestDir::TestDir() {
  // Short, whatever TMPDIR is: a socket's path has little room.
  std::string path = "/tmp/drapci.XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  path_ = path;
}

TestDir::~TestDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestDir::Write(std::string_view name, std::string_view text) const {
  const std::filesystem::path file = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
  return file.string();
}

}  // namespace drapci::plugin
