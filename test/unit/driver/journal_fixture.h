// Directories and records for the tests of the journal.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>

#include "driver/journal.h"
#include "driver/sqlite_journal.h"

namespace drapci::driver {

inline ClaimRecord MakeRecord(std::string uid, std::string trouble = "") {
  ClaimRecord record;
  record.request = {
      .uid = std::move(uid), .namespace_name = "default", .name = "claim", .devices = {}};
  record.request.devices.push_back(
      {.request_names = {"nic"}, .pool = "node", .device = "pci-0000-02-00-0-vf3", .share_id = {}});
  record.plan.push_back({.accelerator = "pci-0000-02-00-0",
                         .setting = "pci.driver",
                         .target = "0000:02:00.0/vf3",
                         .before = "none",
                         .want = "vfio-pci"});
  record.trouble = std::move(trouble);
  return record;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteFile(const std::string& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
}

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    std::string name = testing::TempDir() + "/drapci-journal-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) root_ = name;
  }
  ~JournalTest() override { std::filesystem::remove_all(root_); }

  std::string Path(std::string_view name) const { return fmt::format("{}/{}", root_, name); }

  // The journal in directory `name`, or null and a failed test.
  std::unique_ptr<Journal> Open(std::string_view name = "state") {
    Result<std::unique_ptr<Journal>> journal = OpenJournal(Path(name), report_);
    if (journal) return *std::move(journal);
    ADD_FAILURE() << journal.error().what;
    return nullptr;
  }

  static std::set<std::string> Uids(Journal& journal) {
    const Result<Journal::Contents> contents = journal.Load();
    std::set<std::string> uids;
    if (!contents) {
      ADD_FAILURE() << contents.error().what;
      return uids;
    }
    for (const ClaimRecord& record : contents->records) uids.insert(record.request.uid);
    return uids;
  }

  // What a power cut at this moment would leave of directory `from`.
  void CopyCrashImage(std::string_view from, std::string_view to) const {
    std::filesystem::remove_all(Path(to));
    std::filesystem::create_directories(Path(to));
    for (const char* file : {"journal.db", "journal.db-wal"}) {
      const std::string source = fmt::format("{}/{}", Path(from), file);
      if (std::filesystem::exists(source)) {
        std::filesystem::copy_file(source, fmt::format("{}/{}", Path(to), file));
      }
    }
  }

  std::string root_;
  std::string report_;
};

using Uids = std::set<std::string>;

}  // namespace drapci::driver
