#include "bench/floors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>

namespace drapci::bench {
namespace {

constexpr int kPages = 64, kRows = 100, kPageSize = 4096;
using Page = std::array<char, kPageSize>;

}  // namespace

Result<DurableFile> DurableFile::Create(const std::string& directory) {
  const std::string path = directory + "/bench-write";
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return Fail(Error::FromErrno(errno, path));
  DurableFile file(std::move(fd));
  for (int i = 0; i < kPages; ++i) file.Write();
  return file;
}

void DurableFile::Write() {
  Page page;
  page.fill('x');
  (void)!pwrite(file_.get(), page.data(), page.size(), off_t{page_++ % kPages} * kPageSize);
  fdatasync(file_.get());
}

void DurableTable::CloseDatabase::operator()(sqlite3* database) const { sqlite3_close(database); }
void DurableTable::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<DurableTable> DurableTable::Create(const std::string& directory) {
  const std::string path = directory + "/bench.db";
  constexpr const char* kSetUp =
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "DROP TABLE IF EXISTS claims;"
      "CREATE TABLE claims(uid TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID;";
  DurableTable table;
  sqlite3* database = nullptr;
  const int opened = sqlite3_open(path.c_str(), &database);
  table.database_.reset(database);
  sqlite3_stmt* statement = nullptr;
  if (opened != SQLITE_OK ||
      sqlite3_exec(database, kSetUp, nullptr, nullptr, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(database, "INSERT OR REPLACE INTO claims VALUES(?, ?)", -1, &statement,
                         nullptr) != SQLITE_OK) {
    return Fail(Code::kIo, fmt::format("{}: {}", path, sqlite3_errmsg(database)));
  }
  table.statement_.reset(statement);
  return table;
}

bool DurableTable::Commit() {
  const std::string uid = fmt::format("uid-{}", row_++ % kRows), record(2048, 'x');
  sqlite3_bind_text(statement_.get(), 1, uid.data(), static_cast<int>(uid.size()), SQLITE_STATIC);
  sqlite3_bind_text(statement_.get(), 2, record.data(), static_cast<int>(record.size()),
                    SQLITE_STATIC);
  const bool done = sqlite3_step(statement_.get()) == SQLITE_DONE;
  sqlite3_reset(statement_.get());
  return done;
}

}  // namespace drapci::bench
