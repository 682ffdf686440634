// The bitstreams that claims may ask for: GBS files in one directory that root alone may change.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "hal/fpga/gbs.h"

namespace drapci::hal {

// 1 to 64 of a-z, 0-9, '.', '_' and '-', no '.' in front.
bool IsImageName(std::string_view name);
// 64 hexadecimal digits in lower case: SHA-256.
bool IsImageDigest(std::string_view text);

struct Image {
  std::string name;    // of its file
  std::string digest;  // SHA-256 of the whole file
  GbsHeader header;
  bool operator==(const Image&) const = default;
};

// An image in memory, so that nobody can change it between check and use.
struct LoadedImage {
  Image image;
  std::unique_ptr<std::byte[]> bytes;  // the whole file
  std::span<const std::byte> payload() const {
    return {bytes.get() + image.header.payload_offset, image.header.payload_size};
  }
};

// Directory and files have to belong to root and be writable by nobody else; links are not
// followed. Nothing is kept but digests of files that have not changed since. Any thread.
class ImageStore {
 public:
  // `owner`: whom to trust instead of root, in tests.
  explicit ImageStore(std::string directory, uid_t owner = 0)
      : directory_(std::move(directory)), owner_(owner) {}

  // kNotFound when there is none of that name, kDenied when somebody else may change it, kInvalid
  // when it is no image.
  Result<Image> Find(std::string_view name) const;
  // Those that make this AFU, by name. What is no image, or not to be trusted, is passed over, as
  // is a directory that does not exist.
  std::vector<Image> FindAfu(std::string_view afu_uuid) const;
  // kNotFound also when the file of that name has another digest now.
  Result<LoadedImage> Load(std::string_view name, std::string_view digest) const;

  const std::string& directory() const { return directory_; }

 private:
  // What tells whether a file has been changed: device, inode, size, time of the last change.
  using Identity = std::tuple<dev_t, ino_t, off_t, time_t, long>;
  struct File {
    UniqueFd fd;
    uint64_t size = 0;
    Identity identity;
  };
  Result<UniqueFd> OpenDirectory() const;
  Result<File> Open(int directory, std::string_view name) const;
  Result<Image> Read(int directory, std::string_view name) const;

  const std::string directory_;
  const uid_t owner_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::pair<Identity, Image>, std::less<>> known_;
};

}  // namespace drapci::hal
