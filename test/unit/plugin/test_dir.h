// A directory of one test's own, gone when the test is.
#pragma once

#include <string>
#include <string_view>

namespace drapci::plugin {

class TestDir {
 public:
  TestDir();
  ~TestDir();
  TestDir(const TestDir&) = delete;
  TestDir& operator=(const TestDir&) = delete;

  const std::string& path() const { return path_; }
  // Writes a file at `name` below it, with its directories; its path.
  std::string Write(std::string_view name, std::string_view text) const;

 private:
  std::string path_;
};

}  // namespace drapci::plugin
