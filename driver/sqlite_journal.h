// The journal on SQLite; see journal.h for what it promises.
//
// Group commit: a writer queues what it wants and waits. When nobody is committing, the first
// waiter takes the whole queue, commits it as one transaction and wakes the others; what arrives
// meanwhile makes the next one. A transaction that fails is tried again write by write, so that
// each caller gets the outcome of its own write.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "driver/journal.h"
#include "driver/sqlite.h"
#include "hal/base/unique_fd.h"

namespace drapci::driver {

// FNV-1a over UID and record, kept beside each record: SQLite does not notice a changed byte in a
// text.
int64_t RecordChecksum(std::string_view uid, std::string_view record);

class SqliteJournal : public Journal {
 public:
  // `lock` is held for as long as the journal lives. The database is open and has its tables.
  static Result<std::unique_ptr<SqliteJournal>> Make(std::unique_ptr<SqliteDatabase> database,
                                                     UniqueFd lock);

  Result<Contents> Load() override;
  Result<> Put(const ClaimRecord& record) override;
  Result<> Erase(std::string_view uid) override;

  struct Stats {
    uint64_t commits = 0;  // transactions that reached the disk
    size_t waiting = 0;    // writes queued behind the one being committed
  };
  Stats stats() const;

 private:
  struct Write {
    std::string_view uid;
    const std::string* record;  // null: erase
    Result<> outcome;
    bool done = false;
  };

  SqliteJournal(std::unique_ptr<SqliteDatabase> database, UniqueFd lock, SqliteStatement begin,
                SqliteStatement commit, SqliteStatement put, SqliteStatement erase);

  Result<> Submit(Write write);
  // The three below run on the one thread that has `leading_`.
  void Commit(const std::vector<Write*>& batch);
  Result<> Apply(const Write& write);
  Result<> Transaction(const std::function<Result<>()>& body);
  Result<Contents> ReadAll();

  const UniqueFd lock_;
  const std::unique_ptr<SqliteDatabase> database_;
  SqliteStatement begin_, commit_, put_, erase_;  // after `database_`: to be finalized before it

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Write*> queue_;
  bool leading_ = false;  // a thread is using the database
  uint64_t commits_ = 0;
};

}  // namespace drapci::driver
