#include "driver/sqlite_journal.h"

#include <fmt/format.h>

#include <utility>

#include "driver/text.h"

namespace drapci::driver {

int64_t RecordChecksum(std::string_view uid, std::string_view record) {
  constexpr uint64_t kOffsetBasis = 0xcbf29ce484222325, kPrime = 0x100000001b3;
  uint64_t sum = kOffsetBasis;
  for (const std::string_view text : {uid, std::string_view("\0", 1), record}) {
    for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * kPrime;
  }
  return static_cast<int64_t>(sum);
}

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::Make(std::unique_ptr<SqliteDatabase> database,
                                                           UniqueFd lock) {
  DRAPCI_TRY(SqliteStatement begin, database->Prepare("BEGIN IMMEDIATE"));
  DRAPCI_TRY(SqliteStatement commit, database->Prepare("COMMIT"));
  DRAPCI_TRY(SqliteStatement put,
             database->Prepare("INSERT OR REPLACE INTO claim(uid, record, checksum) "
                               "VALUES(?1, ?2, ?3)"));
  DRAPCI_TRY(SqliteStatement erase, database->Prepare("DELETE FROM claim WHERE uid = ?1"));
  return std::unique_ptr<SqliteJournal>(new SqliteJournal(std::move(database), std::move(lock),
                                                          std::move(begin), std::move(commit),
                                                          std::move(put), std::move(erase)));
}

SqliteJournal::SqliteJournal(std::unique_ptr<SqliteDatabase> database, UniqueFd lock,
                             SqliteStatement begin, SqliteStatement commit, SqliteStatement put,
                             SqliteStatement erase)
    : lock_(std::move(lock)),
      database_(std::move(database)),
      begin_(std::move(begin)),
      commit_(std::move(commit)),
      put_(std::move(put)),
      erase_(std::move(erase)) {}

Result<> SqliteJournal::Put(const ClaimRecord& record) {
  DRAPCI_CHECK(CheckRecord(record));
  const std::string text = EncodeRecord(record);
  if (text.size() > kMaxRecordBytes) {
    return Fail(Code::kInvalid, fmt::format("the record of claim {} has {} bytes; at most {} fit",
                                            record.request.uid, text.size(), kMaxRecordBytes));
  }
  return Submit({.uid = record.request.uid, .record = &text, .outcome = {}});
}

Result<> SqliteJournal::Erase(std::string_view uid) {
  return Submit({.uid = uid, .record = nullptr, .outcome = {}});
}

Result<> SqliteJournal::Submit(Write write) {
  std::unique_lock lock(mutex_);
  queue_.push_back(&write);
  while (!write.done) {
    if (leading_) {
      changed_.wait(lock);
      continue;
    }
    leading_ = true;
    const std::vector<Write*> batch = std::exchange(queue_, {});
    lock.unlock();
    Commit(batch);
    lock.lock();
    for (Write* done : batch) done->done = true;
    leading_ = false;
    changed_.notify_all();
  }
  return std::move(write.outcome);
}

void SqliteJournal::Commit(const std::vector<Write*>& batch) {
  const Result<> together = Transaction([&]() -> Result<> {
    for (const Write* write : batch) DRAPCI_CHECK(Apply(*write));
    return {};
  });
  for (Write* write : batch) {
    const bool alone = !together && batch.size() > 1;
    write->outcome = alone ? Transaction([&] { return Apply(*write); }) : together;
  }
}

Result<> SqliteJournal::Apply(const Write& write) {
  if (write.record == nullptr) {
    erase_.Bind(1, write.uid);
    return erase_.Run();
  }
  put_.Bind(1, write.uid);
  put_.Bind(2, *write.record);
  put_.Bind(3, RecordChecksum(write.uid, *write.record));
  return put_.Run();
}

Result<> SqliteJournal::Transaction(const std::function<Result<>()>& body) {
  Result<> outcome = begin_.Run();
  if (outcome) outcome = body();
  if (outcome) outcome = commit_.Run();
  if (!outcome) {
    database_->RollBackIfOpen();
    return outcome;
  }
  const std::lock_guard lock(mutex_);
  ++commits_;
  return outcome;
}

Result<Journal::Contents> SqliteJournal::Load() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !leading_; });
    leading_ = true;
  }
  Result<Contents> contents = ReadAll();
  {
    const std::lock_guard lock(mutex_);
    leading_ = false;
  }
  changed_.notify_all();
  return contents;
}

Result<Journal::Contents> SqliteJournal::ReadAll() {
  struct Bad {
    std::string uid, reason;
  };
  Contents contents;
  std::vector<Bad> bad;
  DRAPCI_TRY(SqliteStatement rows,
             database_->Prepare("SELECT uid, record, checksum FROM claim ORDER BY uid"));
  while (true) {
    DRAPCI_TRY(const bool row, rows.Step());
    if (!row) break;
    const std::string uid(rows.ColumnText(0));
    const std::string_view text = rows.ColumnText(1);
    Result<ClaimRecord> record = DecodeRecord(text);
    if (rows.ColumnInt(2) != RecordChecksum(uid, text)) {
      record = Fail(Code::kInvalid, "its checksum does not match");
    }
    if (record && record->request.uid != uid) {
      record = Fail(Code::kInvalid,
                    fmt::format("record.uid is {}, another claim's", Quoted(record->request.uid)));
    }
    if (record) {
      contents.records.push_back(*std::move(record));
    } else {
      bad.push_back({.uid = uid, .reason = record.error().what});
    }
  }
  if (bad.empty()) return contents;

  DRAPCI_TRY(SqliteStatement copy, database_->Prepare("INSERT INTO set_aside(uid, record, reason) "
                                                      "SELECT uid, record, ?2 FROM claim "
                                                      "WHERE uid = ?1"));
  const Result<> moved = Transaction([&]() -> Result<> {
    for (const Bad& entry : bad) {
      copy.Bind(1, entry.uid);
      copy.Bind(2, entry.reason);
      DRAPCI_CHECK(copy.Run());
      erase_.Bind(1, entry.uid);
      DRAPCI_CHECK(erase_.Run());
    }
    return {};
  });
  if (!moved) return Fail(moved.error());
  for (const Bad& entry : bad) {
    contents.set_aside.push_back(
        fmt::format("the record of claim {} was moved to the table set_aside of {}: {}",
                    Quoted(entry.uid), database_->path(), entry.reason));
  }
  return contents;
}

SqliteJournal::Stats SqliteJournal::stats() const {
  const std::lock_guard lock(mutex_);
  return {.commits = commits_, .waiting = queue_.size()};
}

}  // namespace drapci::driver
