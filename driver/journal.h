// The journal: what is held, and what was being done, across any crash.
//
// One SQLite database in WAL mode with synchronous=FULL, one row a claim. Records are our own
// versioned JSON. A write has reached the disk when the call returns; writes of concurrent callers
// share one commit: the first to arrive commits for all that queued meanwhile.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "driver/record.h"
#include "hal/base/result.h"

namespace drapci::driver {

// Any thread.
class Journal {
 public:
  virtual ~Journal() = default;

  struct Contents {
    std::vector<ClaimRecord> records;    // by UID
    std::vector<std::string> set_aside;  // one sentence for each thing that could not be read
  };
  // Everything in it. A record that cannot be decoded is moved to the table `set_aside`, so that
  // the rest can be served.
  virtual Result<Contents> Load() = 0;

  // Inserts or replaces the record of its UID. kExhausted when the disk is full, kDenied when it is
  // read-only; the old record is then untouched.
  virtual Result<> Put(const ClaimRecord& record) = 0;

  // A UID without a record is success.
  virtual Result<> Erase(std::string_view uid) = 0;
};

// Opens or creates `directory`/journal.db (directory mode 0700). A file that is no database, or
// fails SQLite's quick check, is renamed to journal.db.unreadable-<n> and a new one begun; `report`
// then says so. A database written by a newer major format is refused (kUnsupported). Held
// exclusively: a second drapcid on the same directory is refused (kBusy).
Result<std::unique_ptr<Journal>> OpenJournal(const std::string& directory, std::string& report);

// What DecodeRecord() accepts; Put() refuses the rest, so that nothing is stored that could not be
// read.
inline constexpr size_t kMaxRecordBytes = 1 << 20;
Result<> CheckRecord(const ClaimRecord& record);

// The record as versioned JSON, and back; kInvalid names what is wrong. Fields that are not known
// are skipped: a record written by the next version is still read. Pure; fuzzed.
std::string EncodeRecord(const ClaimRecord& record);
Result<ClaimRecord> DecodeRecord(std::string_view json);

}  // namespace drapci::driver
