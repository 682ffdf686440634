#include "plugin/claims/metadata.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "driver/claim.h"
#include "hal/base/unique_fd.h"
#include "hal/os/state_dir.h"
#include "plugin/json.h"
#include "plugin/text.h"

namespace drapci::plugin::claims {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFileName = "metadata.json";
constexpr std::string_view kContainerDirectory = "/var/run/kubernetes.io/dra-device-attributes";

// What becomes part of a path: one component, neither hidden nor "..".
Result<> CheckComponent(std::string_view what, std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!text.empty() && text.size() <= 253 && alnum(text.front()) && alnum(text.back()) &&
      std::ranges::all_of(text, [&](char c) { return alnum(c) || c == '-' || c == '.'; })) {
    return {};
  }
  return Fail(Code::kInvalid,
              fmt::format("{} '{}': must be lower case letters, digits, '-' and '.', a letter or "
                          "digit at both ends",
                          what, Printable(text, 100)));
}

// Of the file as it is; nothing when it is none of ours.
std::optional<int64_t> GenerationOf(std::string_view text) {
  const auto first = ParseJson(text.substr(0, text.find('\n')));
  if (!first || !first->is_object()) return std::nullopt;
  const auto metadata = first->find("metadata");
  if (metadata == first->end() || !metadata->is_object()) return std::nullopt;
  const auto generation = metadata->find("generation");
  if (generation == metadata->end() || !generation->is_number_integer()) return std::nullopt;
  return generation->get<int64_t>();
}

// The same inode: containers have it mounted. A reader may see both texts mixed for a moment.
Result<> Overwrite(const std::string& path, std::string_view text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return Fail(Error::FromErrno(errno, "open " + path));
  size_t at = 0;
  while (at < text.size()) {
    const ssize_t count =
        ::pwrite(file.get(), text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Fail(Error::FromErrno(errno, "write " + path));
    at += static_cast<size_t>(count);
  }
  if (::ftruncate(file.get(), static_cast<off_t>(text.size())) != 0) {
    return Fail(Error::FromErrno(errno, "truncate " + path));
  }
  return {};
}

std::vector<std::string> RequestsOf(const driver::ClaimRecord& record) {
  std::vector<std::string> requests;
  for (const driver::PreparedDevice& device : record.answer.devices) {
    for (const std::string& request : device.request.request_names) {
      if (std::ranges::find(requests, request) == requests.end()) requests.push_back(request);
    }
  }
  return requests;
}

}  // namespace

MetadataFiles::MetadataFiles(std::string directory, std::string cdi_directory,
                             std::string driver_name)
    : directory_(std::move(directory)),
      cdi_directory_(std::move(cdi_directory)),
      driver_name_(std::move(driver_name)) {
  if (auto opened = hal::OpenStateDir(cdi_directory_)) cdi_ = *std::move(opened);
}

MetadataFiles::~MetadataFiles() = default;

// Not opened for each call: opening sweeps temporary files, and others write to that directory too.
Result<hal::StateDir*> MetadataFiles::CdiDirectory() const {
  if (cdi_ != nullptr) return cdi_.get();
  return Fail(Code::kIo,
              fmt::format("the CDI directory {} could not be opened at the start", cdi_directory_));
}

std::string MetadataFiles::DirectoryOf(std::string_view uid, std::string_view request) const {
  return fmt::format("{}/{}/{}", directory_, uid, request);
}

Result<> MetadataFiles::WriteFile(const driver::ClaimRecord& record, const std::string& request,
                                  const MetadataClaim& claim, const driver::Snapshot& snapshot) {
  const auto text = [&](int64_t generation) {
    return MetadataText(driver_name_, record, request, claim, snapshot, generation);
  };
  const std::string directory = DirectoryOf(record.request.uid, request);
  const std::string path = fmt::format("{}/{}", directory, kFileName);
  const auto before = ReadFile(path, kMaxJsonBytes);
  if (!before && before.error().code == Code::kNotFound) {
    DRAPCI_TRY(const std::string first, text(1));
    DRAPCI_TRY(const auto files, hal::OpenStateDir(directory));
    return files->Replace(kFileName, first);
  }
  const int64_t generation = before ? GenerationOf(*before).value_or(0) : 0;
  DRAPCI_TRY(const std::string same, text(generation));
  if (before && *before == same) return {};
  DRAPCI_TRY(const std::string next, text(generation + 1));
  return Overwrite(path, next);
}

Result<> MetadataFiles::WriteSpec(const driver::ClaimRecord& record, const std::string& request,
                                  const MetadataClaim& claim) {
  const std::string& uid = record.request.uid;
  const std::string& pod_claim_name =
      claim.pod_claim_name.empty() ? record.request.alias : claim.pod_claim_name;
  const bool from_template = !pod_claim_name.empty();
  const std::string& name = from_template ? pod_claim_name : record.request.name;
  DRAPCI_CHECK(CheckComponent("claim", name));
  const Json mount{
      {"hostPath", fmt::format("{}/{}", DirectoryOf(uid, request), kFileName)},
      {"containerPath", fmt::format("{}/{}/{}/{}/{}-metadata.json", kContainerDirectory,
                                    from_template ? "resourceclaimtemplates" : "resourceclaims",
                                    name, request, driver_name_)},
      {"options", Json::array({"ro", "bind"})}};
  const Json device{{"name", fmt::format("{}_{}", uid, request)},
                    {"containerEdits", {{"mounts", Json::array({mount})}}}};
  const Json spec{{"cdiVersion", "0.5.0"},
                  {"kind", driver_name_ + "/metadata"},
                  {"devices", Json::array({device})}};
  const std::string file = fmt::format("{}_metadata_{}_{}.json", driver_name_, uid, request);
  const std::string text = spec.dump(2) + "\n";
  DRAPCI_TRY(hal::StateDir * files, CdiDirectory());
  // Runtimes read the directory anew after every change in it.
  if (const auto before = files->Read(file); before && *before == text) return {};
  return files->Replace(file, text);
}

Result<std::vector<MetadataFiles::RequestId>> MetadataFiles::Write(
    const driver::ClaimRecord& record, const MetadataClaim& claim,
    const driver::Snapshot& snapshot) {
  const std::string& uid = record.request.uid;
  if (!driver::IsValidUid(uid)) {
    return Fail(Code::kInvalid, fmt::format("'{}' is no claim UID", Printable(uid, 100)));
  }
  const std::vector<std::string> requests = RequestsOf(record);
  if (requests.empty()) {
    return Fail(Code::kNotFound, fmt::format("claim {} is not prepared", uid));
  }
  std::vector<RequestId> ids;
  for (const std::string& request : requests) {
    DRAPCI_CHECK(CheckComponent("request", request));
    // The file first: a runtime must never find a mount without it.
    DRAPCI_CHECK(WriteFile(record, request, claim, snapshot));
    DRAPCI_CHECK(WriteSpec(record, request, claim));
    ids.push_back({.request = request,
                   .cdi_id = fmt::format("{}/metadata={}_{}", driver_name_, uid, request)});
  }
  return ids;
}

Result<> MetadataFiles::Remove(std::string_view uid) {
  if (!driver::IsValidUid(uid)) {
    return Fail(Code::kInvalid, fmt::format("'{}' is no claim UID", Printable(uid, 100)));
  }
  // The specs first: a runtime must never find a mount without its file.
  const std::string prefix = fmt::format("{}_metadata_{}_", driver_name_, uid);
  DRAPCI_TRY(hal::StateDir * files, CdiDirectory());
  const auto names = files->List();
  if (!names && names.error().sys != ENOENT) return Fail(names.error());
  for (const std::string& name : names.value_or(std::vector<std::string>())) {
    if (name.starts_with(prefix) && name.ends_with(".json")) DRAPCI_CHECK(files->Remove(name));
  }
  const std::string directory = fmt::format("{}/{}", directory_, uid);
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  if (error) return Fail(Error::FromErrno(error.value(), "remove " + directory));
  return {};
}

}  // namespace drapci::plugin::claims
