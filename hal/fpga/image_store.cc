#include "hal/fpga/image_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gcrypt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "hal/os/path.h"

namespace drapci::hal {
namespace {

constexpr size_t kMaxNameLength = 64, kDigestSize = 32;
constexpr uint64_t kMaxFileSize = kMaxGbsHeader + kMaxGbsPayload;
constexpr size_t kMaxImages = 4096;  // files that are looked at in one listing
constexpr size_t kPiece = 1 << 20;
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

// SHA-256 by libgcrypt, which libsystemd brings along.
class Sha256 {
 public:
  Sha256() {
    [[maybe_unused]] static const bool ready = [] {
      if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) return true;
      gcry_check_version(nullptr);
      gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
      gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
      return true;
    }();
    if (gcry_md_open(&state_, GCRY_MD_SHA256, 0) != 0) state_ = nullptr;
  }
  ~Sha256() { gcry_md_close(state_); }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Add(std::span<const std::byte> bytes) {
    if (state_ != nullptr) gcry_md_write(state_, bytes.data(), bytes.size());
  }
  Result<std::string> Finish() {
    const unsigned char* digest =
        state_ != nullptr ? gcry_md_read(state_, GCRY_MD_SHA256) : nullptr;
    if (digest == nullptr) return Fail(Code::kUnsupported, "libgcrypt refuses SHA-256");
    std::string text;
    for (size_t i = 0; i < kDigestSize; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  gcry_md_hd_t state_ = nullptr;
};

// Fills `into` from `offset` on; kConflict when the file ends before.
Result<> ReadFully(int fd, std::span<std::byte> into, uint64_t offset, std::string_view name) {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(Error::FromErrno(errno, fmt::format("read image {}", name)));
    if (got == 0) return Fail(Code::kConflict, fmt::format("image {} is being changed", name));
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return {};
}

Result<std::string> DigestOf(int fd, uint64_t size, std::string_view name) {
  Sha256 sha;
  const auto piece = std::make_unique_for_overwrite<std::byte[]>(kPiece);
  for (uint64_t at = 0; at < size;) {
    const std::span<std::byte> bytes(piece.get(), std::min<uint64_t>(kPiece, size - at));
    DRAPCI_CHECK(ReadFully(fd, bytes, at, name));
    sha.Add(bytes);
    at += bytes.size();
  }
  return sha.Finish();
}

Result<> CheckTrusted(const struct stat& info, uid_t owner, std::string_view what) {
  if (info.st_uid != owner) {
    return Fail(Code::kDenied,
                fmt::format("{} belongs to user {}, not to {}: chown it", what, info.st_uid,
                            owner == 0 ? "root" : fmt::format("user {}", owner)));
  }
  if ((info.st_mode & kOthersWrite) != 0) {
    return Fail(Code::kDenied,
                fmt::format("{} may be changed by others than its owner: chmod go-w it", what));
  }
  return {};
}

}  // namespace

bool IsImageName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

bool IsImageDigest(std::string_view text) {
  return text.size() == 2 * kDigestSize && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<UniqueFd> ImageStore::OpenDirectory() const {
  DRAPCI_TRY(const std::string checked, CheckedPath(directory_));
  UniqueFd fd(::open(checked.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno == ENOENT) {
    return Fail(Code::kNotFound, fmt::format("there is no directory of images {}", directory_));
  }
  if (!fd) return Fail(Error::FromErrno(errno, fmt::format("open {}", directory_)));
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) {
    return Fail(Error::FromErrno(errno, fmt::format("look at {}", directory_)));
  }
  DRAPCI_CHECK(CheckTrusted(info, owner_, directory_));
  return fd;
}

Result<ImageStore::File> ImageStore::Open(int directory, std::string_view name) const {
  const std::string path = fmt::format("{}/{}", directory_, name);
  if (!IsImageName(name)) {
    return Fail(Code::kInvalid, "an image's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'");
  }
  // A FIFO would block, a terminal become ours.
  File file{.fd = UniqueFd(::openat(directory, std::string(name).c_str(),
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)),
            .size = 0,
            .identity = {}};
  if (!file.fd && errno == ENOENT) {
    return Fail(Code::kNotFound, fmt::format("there is no image '{}' in {}", name, directory_));
  }
  if (!file.fd && errno == ELOOP) {
    return Fail(Code::kDenied, fmt::format("{} is a link: images are plain files", path));
  }
  if (!file.fd) return Fail(Error::FromErrno(errno, fmt::format("open {}", path)));
  struct stat info = {};
  if (::fstat(file.fd.get(), &info) != 0) {
    return Fail(Error::FromErrno(errno, fmt::format("look at {}", path)));
  }
  if (!S_ISREG(info.st_mode)) return Fail(Code::kDenied, fmt::format("{} is no plain file", path));
  DRAPCI_CHECK(CheckTrusted(info, owner_, path));
  file.size = static_cast<uint64_t>(info.st_size);
  file.identity = {info.st_dev, info.st_ino, info.st_size, info.st_ctim.tv_sec,
                   info.st_ctim.tv_nsec};
  return file;
}

Result<Image> ImageStore::Read(int directory, std::string_view name) const {
  DRAPCI_TRY(const File file, Open(directory, name));
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(name);
    if (known != known_.end() && known->second.first == file.identity) return known->second.second;
  }
  const size_t start_size = std::min<uint64_t>(file.size, kMaxGbsHeader);
  const auto start = std::make_unique_for_overwrite<std::byte[]>(start_size);
  DRAPCI_CHECK(ReadFully(file.fd.get(), {start.get(), start_size}, 0, name));
  auto header = ParseGbs({start.get(), start_size}, file.size);
  if (!header) {
    return Fail(std::move(header).error().Within(fmt::format("{}/{}", directory_, name)));
  }
  DRAPCI_TRY(std::string digest, DigestOf(file.fd.get(), file.size, name));
  Image image{.name = std::string(name), .digest = std::move(digest), .header = *header};
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMaxImages) known_.clear();
  known_.insert_or_assign(image.name, std::pair(file.identity, image));
  return image;
}

Result<Image> ImageStore::Find(std::string_view name) const {
  DRAPCI_TRY(const UniqueFd directory, OpenDirectory());
  return Read(directory.get(), name);
}

std::vector<Image> ImageStore::FindAfu(std::string_view afu_uuid) const {
  std::vector<Image> images;
  auto directory = OpenDirectory();
  if (!directory) return images;
  const int fd = ::dup(directory->get());
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fd >= 0 ? ::fdopendir(fd) : nullptr,
                                                    ::closedir);
  if (listing == nullptr) {
    if (fd >= 0) ::close(fd);
    return images;
  }
  for (size_t seen = 0; seen < kMaxImages; ++seen) {
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    if (!IsImageName(entry->d_name)) continue;
    auto image = Read(directory->get(), entry->d_name);
    if (image && image->header.afu_uuid == afu_uuid) images.push_back(*std::move(image));
  }
  std::ranges::sort(images, {}, &Image::name);
  return images;
}

Result<LoadedImage> ImageStore::Load(std::string_view name, std::string_view digest) const {
  DRAPCI_TRY(const UniqueFd directory, OpenDirectory());
  DRAPCI_TRY(const File file, Open(directory.get(), name));
  if (file.size > kMaxFileSize) {
    return Fail(Code::kInvalid, fmt::format("image {} has {} bytes, {} are allowed", name,
                                            file.size, kMaxFileSize));
  }
  LoadedImage loaded{.image = {.name = std::string(name), .digest = {}, .header = {}},
                     .bytes = std::make_unique_for_overwrite<std::byte[]>(file.size)};
  const std::span<std::byte> bytes(loaded.bytes.get(), file.size);
  DRAPCI_CHECK(ReadFully(file.fd.get(), bytes, 0, name));
  Sha256 sha;
  sha.Add(bytes);
  DRAPCI_TRY(loaded.image.digest, sha.Finish());
  if (loaded.image.digest != digest) {
    return Fail(Code::kNotFound,
                fmt::format("image '{}' is another one now: its SHA-256 is {} and no longer {}",
                            name, loaded.image.digest, digest));
  }
  const auto start = bytes.first(std::min<uint64_t>(file.size, kMaxGbsHeader));
  DRAPCI_TRY(loaded.image.header, ParseGbs(start, file.size));
  return loaded;
}

}  // namespace drapci::hal
