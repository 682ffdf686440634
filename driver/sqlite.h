// The little of SQLite that the journal needs, with Result<> for errors.
//
// Not thread-safe: one thread at a time, which may be a different one each time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hal/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace drapci::driver {

// A prepared statement, kept and used again.
class SqliteStatement {
 public:
  // `index` counts from 1. The text must live until Run() or Reset().
  void Bind(int index, std::string_view text);
  void Bind(int index, int64_t number);

  // Steps once: true when there is a row. On error, and after the last row, the statement is reset.
  Result<bool> Step();
  // Steps a statement that has no rows, then forgets what was bound.
  Result<> Run();
  void Reset();

  // Of the current row; valid until the next Step() or Reset().
  std::string_view ColumnText(int column);
  int64_t ColumnInt(int column);

 private:
  friend class SqliteDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  SqliteStatement(const std::string& path, sqlite3_stmt* statement)
      : path_(&path), statement_(statement) {}

  const std::string* path_;  // the database's
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteDatabase {
 public:
  // Opens or creates `path`. No SQLite call waits for another process: what is locked is kBusy.
  static Result<std::unique_ptr<SqliteDatabase>> Open(std::string path);

  Result<> Execute(const char* sql);
  Result<SqliteStatement> Prepare(std::string_view sql);
  // The first column of the first row; empty without rows.
  Result<std::string> Query(std::string_view sql);

  // Ends a transaction that an error has left open.
  void RollBackIfOpen();
  bool IsReadOnly() const;
  // Whether closing leaves the write-ahead log as it is, instead of moving it into the database.
  void KeepLogOnClose(bool keep);
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit SqliteDatabase(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
};

// Whether `error` says that the file is no (sound) SQLite database.
bool IsDamage(const Error& error);

}  // namespace drapci::driver
