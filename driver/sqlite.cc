#include "driver/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>

namespace drapci::driver {
namespace {

// EUCLEAN ("Structure needs cleaning") is what file systems say of their own damage.
constexpr int kDamaged = EUCLEAN;

struct Meaning {
  Code code;
  int sys;
  std::string_view advice;
};

// https://www.sqlite.org/rescode.html. SQLite keeps errno for its I/O and open errors only; ENOSPC
// of a write becomes SQLITE_FULL.
Meaning MeaningOf(int result, int sys) {
  switch (result & 0xff) {
    case SQLITE_FULL: return {Code::kExhausted, ENOSPC, "free space on this file system"};
    case SQLITE_READONLY: return {Code::kDenied, EROFS, "make file and directory writable"};
    case SQLITE_PERM:
    case SQLITE_AUTH: return {Code::kDenied, EACCES, "make file and directory writable"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return {Code::kBusy, EBUSY, "close the other program that has it open"};
    case SQLITE_NOMEM: return {Code::kExhausted, ENOMEM, ""};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return {Code::kIo, kDamaged, "restore it or move it away"};
    case SQLITE_TOOBIG: return {Code::kInvalid, EFBIG, ""};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
      const int known = sys != 0 ? sys : EIO;
      return {CodeFromErrno(known), known, ""};
    }
    default: return {Code::kInternal, 0, ""};
  }
}

// "PATH: ACTION: disk full: ENOSPC (No space left on device); free space on this file system"
// `sys` is errno after the call, which was 0 before it: sqlite3_system_errno() misses what happens
// inside a COMMIT.
Error MakeError(sqlite3* database, int result, int sys, std::string_view path,
                std::string_view action) {
  const Meaning meaning = MeaningOf(result, sys);
  const char* message = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(result);
  std::string text = fmt::format("{}: {}: {}", path, action, message);
  if (meaning.sys != 0) text = Error::FromErrno(meaning.sys, text).what;
  if (!meaning.advice.empty()) text += fmt::format("; {}", meaning.advice);
  return {.code = meaning.code, .sys = meaning.sys, .what = std::move(text)};
}

}  // namespace

bool IsDamage(const Error& error) { return error.sys == kDamaged; }

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void SqliteStatement::Bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

void SqliteStatement::Bind(int index, int64_t number) {
  sqlite3_bind_int64(statement_.get(), index, number);
}

Result<bool> SqliteStatement::Step() {
  errno = 0;
  const int result = sqlite3_step(statement_.get());
  const int sys = errno;
  if (result == SQLITE_ROW) return true;
  Result<bool> outcome = false;
  if (result != SQLITE_DONE) {
    outcome = Fail(MakeError(sqlite3_db_handle(statement_.get()), result, sys, *path_,
                             sqlite3_sql(statement_.get())));
  }
  Reset();
  return outcome;
}

Result<> SqliteStatement::Run() {
  DRAPCI_TRY([[maybe_unused]] const bool row, Step());
  Reset();
  return {};
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::string_view SqliteStatement::ColumnText(int column) {
  const void* text = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (text == nullptr) return {};
  return {static_cast<const char*>(text), static_cast<size_t>(size)};
}

int64_t SqliteStatement::ColumnInt(int column) {
  return sqlite3_column_int64(statement_.get(), column);
}

void SqliteDatabase::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(std::string path) {
  std::unique_ptr<SqliteDatabase> opened(new SqliteDatabase(std::move(path)));
  sqlite3* database = nullptr;
  // NOMUTEX: the caller lets one thread in at a time.
  errno = 0;
  const int result = sqlite3_open_v2(
      opened->path_.c_str(), &database,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  opened->database_.reset(database);
  if (result != SQLITE_OK) return Fail(MakeError(database, result, errno, opened->path_, "open"));
  return opened;
}

Result<> SqliteDatabase::Execute(const char* sql) {
  errno = 0;
  const int result = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (result == SQLITE_OK) return {};
  return Fail(MakeError(database_.get(), result, errno, path_, sql));
}

Result<SqliteStatement> SqliteDatabase::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  errno = 0;
  const int result = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return Fail(MakeError(database_.get(), result, errno, path_, sql));
  return SqliteStatement(path_, statement);
}

Result<std::string> SqliteDatabase::Query(std::string_view sql) {
  DRAPCI_TRY(SqliteStatement statement, Prepare(sql));
  DRAPCI_TRY(const bool row, statement.Step());
  return row ? std::string(statement.ColumnText(0)) : std::string();
}

void SqliteDatabase::RollBackIfOpen() {
  if (sqlite3_get_autocommit(database_.get()) != 0) return;
  // An error here means that SQLite has rolled back by itself.
  sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void SqliteDatabase::KeepLogOnClose(bool keep) {
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

bool SqliteDatabase::IsReadOnly() const {
  return sqlite3_db_readonly(database_.get(), "main") != 0;
}

}  // namespace drapci::driver
