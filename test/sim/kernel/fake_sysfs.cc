#include "test/sim/kernel/fake_sysfs.h"

#include <fmt/format.h>

namespace drapci::sim {
namespace {

std::unexpected<Error> Failed(int error, std::string_view operation, std::string_view path) {
  return Fail(Error::FromErrno(error, fmt::format("{} {}", operation, path)));
}

}  // namespace

Result<std::string> FakeSysfs::Read(std::string_view path) const {
  auto text = kernel_.Read(path);
  if (!text) return Failed(text.error(), "read", path);
  if (text->ends_with('\n')) text->pop_back();
  return *std::move(text);
}

Result<> FakeSysfs::Write(std::string_view path, std::string_view value) {
  int error = kernel_.Write(path, value);
  if (error == 0) return {};
  std::string_view shown = value.substr(0, value.find('\n'));
  return Fail(Error::FromErrno(error, fmt::format("write '{}' to {}", shown, path)));
}

Result<std::vector<std::string>> FakeSysfs::List(std::string_view path) const {
  auto names = kernel_.List(path);
  if (!names) return Failed(names.error(), "list", path);
  return *std::move(names);
}

Result<std::string> FakeSysfs::ReadLink(std::string_view path) const {
  auto target = kernel_.ReadLink(path);
  if (!target) return Failed(target.error(), "readlink", path);
  return *std::move(target);
}

Result<std::string> FakeSysfs::Resolve(std::string_view path) const {
  auto resolved = kernel_.Resolve(path);
  if (!resolved) return Failed(resolved.error(), "resolve", path);
  return *std::move(resolved);
}

bool FakeSysfs::Exists(std::string_view path) const {
  return kernel_.Stat(path, /*follow=*/true).has_value();
}

}  // namespace drapci::sim
