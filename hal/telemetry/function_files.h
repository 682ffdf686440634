// The files of one PCI function, read as telemetry reads them: what a kernel lacks, and what a busy
// device does not tell now, is nothing; only what ought to answer and does not is an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"
#include "hal/os/sysfs.h"
#include "hal/pci/address.h"

namespace drapci::hal {

// Any thread.
class FunctionFiles {
 public:
  // `sysfs` must outlive it.
  FunctionFiles(const Sysfs& sysfs, const PciAddress& address)
      : sysfs_(sysfs), directory_(address.SysfsPath()) {}

  // Whether a read that touches the hardware would wake it (Documentation/power/runtime_pm.rst).
  bool Sleeps() const;

  // A file below the function's directory. Nothing: there is none, or it has no value now (EAGAIN,
  // ENODATA, EBUSY, EPERM, EACCES, EOPNOTSUPP). kGone: the function itself is gone.
  Result<std::optional<std::string>> Text(std::string_view name) const;
  // As a number; an error that shows the text when it is none.
  Result<std::optional<int64_t>> Number(std::string_view name) const;

  bool Has(std::string_view name) const { return sysfs_.Exists(PathOf(name)); }
  // The names in a directory below that begin with `prefix`, at most 256; none where there is none.
  std::vector<std::string> List(std::string_view name, std::string_view prefix) const;

  // What a failed read of a file means, where the error is not taken as Text() takes it: kGone when
  // the function itself is gone.
  bool IsGone() const { return !sysfs_.Exists(directory_); }
  std::string PathOf(std::string_view name) const;  // of "": the function's directory
  const Sysfs& sysfs() const { return sysfs_; }

 private:
  const Sysfs& sysfs_;
  std::string directory_;
};

// `text` as one line of printable characters, cut at 199 bytes.
std::string OneLine(std::string_view text);

// What a file of that text should not have said: kIo, "NAME: 'TEXT' is no WHAT".
std::unexpected<Error> FailToParse(std::string_view name, std::string_view text,
                                   std::string_view what);

// The addresses of the functions that `address` is reached by, from the root port down to itself.
// Empty when it is gone.
std::vector<PciAddress> WayTo(const Sysfs& sysfs, const PciAddress& address);

}  // namespace drapci::hal
