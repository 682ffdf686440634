#include "driver/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <utility>

#include "driver/sqlite.h"
#include "driver/sqlite_journal.h"
#include "driver/text.h"
#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

// "PRAGMA application_id": this SQLite file is a journal of drapci ("drpj").
constexpr std::string_view kApplicationId = "1685221482";
// "PRAGMA user_version": major * 1000 + minor. A new minor adds what an older driver may ignore.
constexpr int kFormat = 1000;
constexpr int kMinorsPerMajor = 1000;

Error ErrnoError(std::string_view action, std::string_view path) {
  return Error::FromErrno(errno, fmt::format("{}: {}", path, action));
}

Result<> SyncDirectory(const std::string& path) {
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return Fail(ErrnoError("fsync", path));
  return {};
}

Result<> MakeDirectory(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::filesystem::create_directories(parent, error);
  if (error) return Fail(Error::FromErrno(error.value(), parent.string() + ": create"));
  if (::mkdir(path.c_str(), 0700) == 0) return SyncDirectory(parent);
  if (errno != EEXIST) return Fail(ErrnoError("create", path));
  return {};
}

Result<UniqueFd> Lock(const std::string& directory) {
  const std::string path = directory + "/journal.lock";
  UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return Fail(ErrnoError("open", path));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
    // For the message below; the lock itself is the kernel's.
    const std::string pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(lock.get(), 0) == 0) {
      [[maybe_unused]] const ssize_t written = ::pwrite(lock.get(), pid.data(), pid.size(), 0);
    }
    return lock;
  }
  if (errno != EWOULDBLOCK) return Fail(ErrnoError("lock", path));
  std::array<char, 16> buffer{};
  const ssize_t length = ::pread(lock.get(), buffer.data(), buffer.size(), 0);
  const std::string_view text(buffer.data(), length > 0 ? static_cast<size_t>(length) : 0);
  const std::optional<int> pid = ParseInt<int>(Trim(text));
  return Fail(Error{Code::kBusy, EBUSY,
                    fmt::format("{}: held by another drapcid{}; stop that one or give this one "
                                "another state directory",
                                path, pid ? fmt::format(" (process {})", *pid) : "")});
}

// Moves the database and its side files away; the new name of the database.
Result<std::string> SetAside(const std::string& database) {
  constexpr std::array kSideFiles{"", "-wal", "-shm", "-journal"};
  std::error_code error;
  const auto exists = [&](const std::string& path) {
    return std::filesystem::symlink_status(path, error).type() !=
           std::filesystem::file_type::not_found;
  };
  std::string target;
  for (int n = 1; target.empty(); ++n) {
    target = fmt::format("{}.unreadable-{}", database, n);
    for (const char* suffix : kSideFiles) {
      if (exists(target + suffix)) {
        target.clear();
        break;
      }
    }
  }
  for (const char* suffix : kSideFiles) {
    const std::string from = database + suffix;
    if (::rename(from.c_str(), (target + suffix).c_str()) != 0 && errno != ENOENT) {
      return Fail(ErrnoError("set aside", from));
    }
  }
  DRAPCI_CHECK(SyncDirectory(std::filesystem::path(database).parent_path()));
  return target;
}

// SQLite would begin anew and drop a log whose database has been lost.
bool LogWithoutDatabase(const std::string& database) {
  struct stat status{};
  const bool has_database = ::stat(database.c_str(), &status) == 0 && status.st_size > 0;
  return !has_database && ::stat((database + "-wal").c_str(), &status) == 0 && status.st_size > 0;
}

// Created here and not by SQLite, which would make it as open as the umask allows.
Result<> CreateFile(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file) return SyncDirectory(std::filesystem::path(path).parent_path());
  if (errno != EEXIST) return Fail(ErrnoError("create", path));
  return {};
}

Error Damage(const std::string& path, std::string_view what) {
  return Error::FromErrno(EUCLEAN, fmt::format("{}: {}", path, what));
}

Result<> SetUp(SqliteDatabase& database) {
  // EXCLUSIVE keeps the index of the log in memory and other processes out; it must come first.
  DRAPCI_CHECK(database.Execute("PRAGMA locking_mode=EXCLUSIVE"));
  DRAPCI_CHECK(database.Execute("PRAGMA trusted_schema=OFF"));
  DRAPCI_CHECK(database.Execute("PRAGMA cell_size_check=ON"));
  DRAPCI_CHECK(database.Execute("PRAGMA mmap_size=0"));      // an I/O error, not SIGBUS
  DRAPCI_CHECK(database.Execute("PRAGMA cache_size=-512"));  // KiB
  DRAPCI_TRY(const std::string mode, database.Query("PRAGMA journal_mode=WAL"));
  if (mode != "wal") {
    return Fail(Code::kUnsupported,
                fmt::format("{}: the file system allows no write-ahead log (journal mode {})",
                            database.path(), mode));
  }
  DRAPCI_CHECK(database.Execute("PRAGMA synchronous=FULL"));
  DRAPCI_CHECK(database.Execute("PRAGMA wal_autocheckpoint=1000"));     // pages, so about 4 MiB
  DRAPCI_CHECK(database.Execute("PRAGMA journal_size_limit=8388608"));  // cut back to, in bytes
  return {};
}

Result<> CreateTables(SqliteDatabase& database) {
  // STRICT and WITHOUT ROWID: the quick check then covers types and order, and there is no index
  // that could disagree with the table.
  const std::string sql = fmt::format(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE claim(uid TEXT PRIMARY KEY, record TEXT NOT NULL, checksum INTEGER NOT NULL)"
      " STRICT, WITHOUT ROWID;"
      "CREATE TABLE set_aside(uid TEXT, record TEXT, reason TEXT) STRICT;"
      "PRAGMA application_id={};"
      "PRAGMA user_version={};"
      "COMMIT",
      kApplicationId, kFormat);
  Result<> made = database.Execute(sql.c_str());
  if (!made) database.RollBackIfOpen();
  return made;
}

// Damage() when this is no sound journal.
Result<> CheckFormat(SqliteDatabase& database) {
  DRAPCI_TRY(const std::string application, database.Query("PRAGMA application_id"));
  DRAPCI_TRY(const std::string format, database.Query("PRAGMA user_version"));
  if (application != kApplicationId) {
    DRAPCI_TRY(const std::string things, database.Query("SELECT count(*) FROM sqlite_schema"));
    if (things == "0") return CreateTables(database);
    return Fail(Damage(database.path(), "not a journal of drapci"));
  }
  const int version = ParseInt<int>(format).value_or(0);
  if (version >= kFormat + kMinorsPerMajor) {
    return Fail(Code::kUnsupported,
                fmt::format("{}: written by a newer drapcid (format {}.{}, this one reads {}.x); "
                            "run that version, or unprepare all claims with it first",
                            database.path(), version / kMinorsPerMajor, version % kMinorsPerMajor,
                            kFormat / kMinorsPerMajor));
  }
  if (version < kFormat) return Fail(Damage(database.path(), "unknown format " + format));
  DRAPCI_TRY(const std::string check, database.Query("PRAGMA quick_check(1)"));
  if (check != "ok") return Fail(Damage(database.path(), "quick check: " + check));
  return {};
}

Result<std::unique_ptr<Journal>> TryOpen(const std::string& path, UniqueFd& lock) {
  DRAPCI_CHECK(CreateFile(path));
  DRAPCI_TRY(std::unique_ptr<SqliteDatabase> database, SqliteDatabase::Open(path));
  database->KeepLogOnClose(true);  // a damaged one is set aside as it was found
  if (database->IsReadOnly()) {
    return Fail(Error::FromErrno(EACCES, path + ": open for writing"));
  }
  DRAPCI_CHECK(SetUp(*database));
  DRAPCI_CHECK(CheckFormat(*database));
  for (const char* table :
       {"SELECT uid, record, checksum FROM claim", "SELECT uid, record, reason FROM set_aside"}) {
    if (!database->Prepare(table)) return Fail(Damage(path, "not the tables of a journal"));
  }
  database->KeepLogOnClose(false);
  DRAPCI_TRY(std::unique_ptr<Journal> journal,
             SqliteJournal::Make(std::move(database), std::move(lock)));
  return journal;
}

}  // namespace

Result<std::unique_ptr<Journal>> OpenJournal(const std::string& directory, std::string& report) {
  report.clear();
  DRAPCI_CHECK(MakeDirectory(directory));
  DRAPCI_TRY(UniqueFd lock, Lock(directory));
  const std::string path = directory + "/journal.db";
  std::string damage;
  if (LogWithoutDatabase(path)) {
    damage = path + ": missing, though its log is there";
  } else {
    Result<std::unique_ptr<Journal>> journal = TryOpen(path, lock);
    if (journal || !IsDamage(journal.error())) return journal;
    damage = journal.error().what;
  }
  DRAPCI_TRY(const std::string moved, SetAside(path));
  report = fmt::format("{}; moved to {} and a new journal begun: what was held is not known",
                       damage, moved);
  return TryOpen(path, lock);
}

}  // namespace drapci::driver
