#include "plugin/text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include "hal/base/unique_fd.h"

namespace drapci::plugin {

std::string Printable(std::string_view text, size_t limit) {
  constexpr std::string_view kCut = "...";
  const bool cut = text.size() > limit;
  if (cut) text = text.substr(0, limit > kCut.size() ? limit - kCut.size() : 0);
  std::string line(text);
  for (char& c : line) {
    if (c < 0x20 || c > 0x7e) c = c == '\n' || c == '\t' ? ' ' : '?';
  }
  if (cut) line += kCut;
  return line;
}

std::string OneLine(const Error& error) { return Printable(error.what, 1024); }

std::string StableHash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

Result<std::string> ReadFile(const std::string& path, size_t limit) {
  // O_NONBLOCK: a FIFO of that name must not hang the daemon.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) {
    Error error = Error::FromErrno(errno, path);
    if (error.sys == ENOENT) error.code = Code::kNotFound;
    return Fail(std::move(error));
  }
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return Fail(Error::FromErrno(errno, path));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kInvalid, path + ": is not a regular file");
  std::string text;
  text.resize(limit + 1);
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0) return Fail(Error::FromErrno(errno, path));
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > limit) {
    return Fail(Code::kInvalid, fmt::format("{}: is larger than {} bytes", path, limit));
  }
  text.resize(size);
  return text;
}

}  // namespace drapci::plugin
