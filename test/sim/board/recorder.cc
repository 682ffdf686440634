#include "test/sim/board/recorder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>

#include "hal/base/unique_fd.h"

namespace drapci::sim {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMost = 4096;  // configuration space; text attributes are shorter

// Content that is large, slow or changes the device when read.
bool SkipsContent(const std::string& name) {
  return name.starts_with("resource") ? name != "resource"
                                      : name == "rom" || name == "vpd" || name == "uevent_seqnum";
}

std::string ReadAttribute(const fs::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return "";
  std::string text(kMost, '\0');
  ssize_t got = pread(fd.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

void CopyDirectory(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    fs::path target = to / entry.path().filename();
    std::error_code ignored;
    if (entry.is_symlink(ignored)) {
      fs::create_symlink(fs::read_symlink(entry.path(), ignored), target, ignored);
    } else if (entry.is_directory(ignored)) {
      CopyDirectory(entry.path(), target);
    } else {
      std::string name = entry.path().filename();
      if (SkipsContent(name)) continue;
      std::ofstream(target) << ReadAttribute(entry.path());
      fs::permissions(target, entry.status(ignored).permissions(), ignored);
    }
  }
}

}  // namespace

Result<int> Record(const std::string& out) {
  int count = 0;
  try {
    if (fs::exists(out)) return Fail(Code::kConflict, out + " exists; name a new directory");
    fs::path root(out);
    fs::create_directories(root / "sys/bus/pci/devices");
    std::set<fs::path> copied;  // a bridge's directory holds what is below it
    for (const auto& entry : fs::directory_iterator("/sys/bus/pci/devices")) {
      fs::path real = fs::canonical(entry.path());
      fs::create_symlink(fs::read_symlink(entry.path()),
                         root / "sys/bus/pci/devices" / entry.path().filename());
      ++count;
      copied.insert(real);
    }
    fs::path last;
    for (const fs::path& real : copied) {
      bool inside = !last.empty() && real.string().starts_with(last.string() + "/");
      if (inside) continue;
      last = real;
      CopyDirectory(real, root / real.relative_path());
    }
  } catch (const fs::filesystem_error& error) {
    return Fail(Error::FromErrno(error.code().value(), fmt::format("record to {}", out)));
  }
  return count;
}

}  // namespace drapci::sim
