// What the work of a prepare cannot cost less than.
#pragma once

#include <memory>
#include <string>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"

struct sqlite3;
struct sqlite3_stmt;

namespace drapci::bench {

// A file of fixed size in which pages are made durable.
class DurableFile {
 public:
  static Result<DurableFile> Create(const std::string& directory);
  // One page of 4 KiB and fdatasync(2).
  void Write();

 private:
  explicit DurableFile(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
  int page_ = 0;
};

// A SQLite database in WAL mode with synchronous=FULL, as the journal is.
class DurableTable {
 public:
  static Result<DurableTable> Create(const std::string& directory);
  // Commits an upsert of 2 KiB; false when that failed.
  bool Commit();

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int row_ = 0;
};

}  // namespace drapci::bench
