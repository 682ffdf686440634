// The kernel's text attributes: /sys, and the few files of /proc that drapci reads.
//
// Rules kept in this one place (Documentation/filesystems/sysfs.rst, fs/kernfs/file.c):
//  - a write is one open, one write(2) of the whole value, one close: the attribute sees exactly
//  one
//    store, and its errno is the one of that write(2);
//  - a zero-length write does nothing and succeeds, so clearing an attribute is writing "\n";
//  - ENOENT before, and ENODEV after a device went away both mean "gone" (Code::kGone);
//  - mode bits bind root as well (EACCES).
// Writes may block for seconds while a driver works (sriov_numvfs, unbind): call from a lane, never
// from a gRPC or event thread. Every method may be called from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"

namespace drapci::hal {

class Sysfs {
 public:
  virtual ~Sysfs() = default;

  // The text of the attribute without its last newline. `path` is absolute
  // ("/sys/bus/pci/devices/0000:02:00.0/vendor"). A text too long to be an attribute (4 MiB) is an
  // error (EFBIG), never cut.
  virtual Result<std::string> Read(std::string_view path) const = 0;

  // The first `count` bytes of a binary attribute, fewer where it is shorter, as they are. Reads no
  // more than these: each byte of configuration space is asked from the card. The default cuts what
  // Read() gives.
  virtual Result<std::string> ReadBytes(std::string_view path, size_t count) const;

  // One store of `value`. The error names path, value and errno.
  virtual Result<> Write(std::string_view path, std::string_view value) = 0;

  // Names in a directory, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> List(std::string_view path) const = 0;

  // The names in a directory that are directories themselves (links are not), sorted. The default
  // asks List() and ReadLink(); the kernel tells it with the listing.
  virtual Result<std::vector<std::string>> ListDirectories(std::string_view path) const;

  // The text of a symbolic link.
  virtual Result<std::string> ReadLink(std::string_view path) const = 0;

  // The absolute path with every link resolved: the place of a device in the topology.
  virtual Result<std::string> Resolve(std::string_view path) const = 0;

  virtual bool Exists(std::string_view path) const = 0;
};

// The machine's own files. Only absolute paths without ".." are accepted (kInvalid).
class KernelSysfs : public Sysfs {
 public:
  Result<std::string> Read(std::string_view path) const override;
  Result<std::string> ReadBytes(std::string_view path, size_t count) const override;
  Result<> Write(std::string_view path, std::string_view value) override;
  Result<std::vector<std::string>> List(std::string_view path) const override;
  Result<std::vector<std::string>> ListDirectories(std::string_view path) const override;
  Result<std::string> ReadLink(std::string_view path) const override;
  Result<std::string> Resolve(std::string_view path) const override;
  bool Exists(std::string_view path) const override;
};

// The last component of a link's target ("igb" for "../../../bus/pci/drivers/igb"), or an empty
// text when the link does not exist.
Result<std::string> LinkName(const Sysfs& sysfs, std::string_view path);

}  // namespace drapci::hal
