// What the journal makes of crashes, full and broken disks, and damaged files.
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>

#include "test/unit/driver/disk_faults.h"
#include "test/unit/driver/journal_fixture.h"

namespace drapci::driver {
namespace {

// Runs `sql` on the database, as another program would.
void RunSql(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

TEST_F(JournalTest, EveryAcknowledgedPutSurvivesAKill) {
  constexpr int kPuts = 30;
  int acknowledged[2];
  ASSERT_EQ(::pipe(acknowledged), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string report;
    const auto journal = OpenJournal(Path("state"), report);
    for (int i = 0; journal && i < kPuts; ++i) {
      if (!(*journal)->Put(MakeRecord(fmt::format("a-{}", i)))) ::_exit(1);
      if (::write(acknowledged[1], "!", 1) != 1) ::_exit(1);
    }
    ::pause();
    ::_exit(1);
  }
  ::close(acknowledged[1]);
  char mark = 0;
  for (int i = 0; i < kPuts; ++i) ASSERT_EQ(::read(acknowledged[0], &mark, 1), 1);
  ::close(acknowledged[0]);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));

  const auto journal = Open();
  EXPECT_EQ(report_, "");
  EXPECT_EQ(Uids(*journal).size(), size_t{kPuts});
}

TEST_F(JournalTest, ATornLogLosesNothingButItsUnfinishedEnd) {
  DiskFaults disk;
  disk.SkipSyncs();
  const auto journal = Open();
  ASSERT_TRUE(journal->Put(MakeRecord("a")));
  const std::string log = Path("state/journal.db-wal");
  const auto after_a = std::filesystem::file_size(log);
  ASSERT_TRUE(journal->Put(MakeRecord("b")));
  const auto after_b = std::filesystem::file_size(log);
  ASSERT_GT(after_b, after_a);
  for (auto length = after_b; length >= after_a; length -= 61) {
    CopyCrashImage("state", "torn");
    std::filesystem::resize_file(Path("torn/journal.db-wal"), length);
    const auto torn = Open("torn");
    ASSERT_NE(torn, nullptr);
    ASSERT_EQ(report_, "");
    ASSERT_EQ(Uids(*torn), (length == after_b ? driver::Uids{"a", "b"} : driver::Uids{"a"}))
        << length;
  }
}

TEST_F(JournalTest, ALogCutAtAnyLengthOpensWithAPrefixOfWhatWasWritten) {
  DiskFaults disk;
  disk.SkipSyncs();
  const auto journal = Open();
  for (const char* uid : {"a", "b", "c"}) ASSERT_TRUE(journal->Put(MakeRecord(uid)));
  const auto size = std::filesystem::file_size(Path("state/journal.db-wal"));
  for (uintmax_t length = 0; length <= size; length += 997) {
    CopyCrashImage("state", "torn");
    std::filesystem::resize_file(Path("torn/journal.db-wal"), length);
    const auto torn = Open("torn");
    ASSERT_NE(torn, nullptr);
    ASSERT_EQ(report_, "") << length;
    const auto uids = Uids(*torn);
    ASSERT_TRUE(uids == driver::Uids() || uids == driver::Uids{"a"} ||
                uids == (driver::Uids{"a", "b"}) || uids == (driver::Uids{"a", "b", "c"}))
        << length;
  }
}

TEST_F(JournalTest, RandomBytesOverTheFileNeverYieldAChangedRecord) {
  DiskFaults disk;
  disk.SkipSyncs();
  constexpr int kRecords = 20;
  constexpr unsigned kTries = 200;
  std::map<std::string, std::string> written;
  {
    const auto journal = Open();
    for (int i = 0; i < kRecords; ++i) {
      const ClaimRecord record = MakeRecord(fmt::format("a-{}", i), std::string(700, 'x'));
      ASSERT_TRUE(journal->Put(record));
      written[record.request.uid] = EncodeRecord(record);
    }
  }
  const std::string sound = ReadFile(Path("state/journal.db"));
  std::mt19937 random(1);
  int noticed = 0;
  for (unsigned i = 0; i < kTries; ++i) {
    std::string bytes = sound;
    const size_t length = 1 + random() % (i % 2 == 0 ? 8 : 5000);
    const size_t start = random() % bytes.size();
    for (size_t at = start; at < std::min(start + length, bytes.size()); ++at) {
      bytes[at] = static_cast<char>(random());
    }
    std::filesystem::remove_all(Path("hit"));
    std::filesystem::create_directories(Path("hit"));
    WriteFile(Path("hit/journal.db"), bytes);
    const auto opened = OpenJournal(Path("hit"), report_);
    if (!opened) {
      // The bytes may have hit the format's version.
      ASSERT_EQ(opened.error().code, Code::kUnsupported) << opened.error().what;
      ++noticed;
      continue;
    }
    const auto contents = (*opened)->Load();
    if (!contents || !report_.empty() || !contents->set_aside.empty()) ++noticed;
    if (!contents) continue;
    for (const ClaimRecord& record : contents->records) {
      ASSERT_EQ(EncodeRecord(record), written[record.request.uid]);
    }
    if (report_.empty()) {
      ASSERT_EQ(contents->records.size() + contents->set_aside.size(), size_t{kRecords});
    }
    ASSERT_TRUE((*opened)->Put(MakeRecord("new")));
  }
  EXPECT_GT(noticed, int{kTries} / 4);  // the rest hit unused space
}

TEST_F(JournalTest, ABadRecordIsSetAsideAndTheOthersServed) {
  {
    const auto journal = Open();
    for (const char* uid : {"a", "b", "c", "d"}) ASSERT_TRUE(journal->Put(MakeRecord(uid)));
  }
  const std::string future = R"({"version":2})";
  const std::string path = Path("state/journal.db");
  RunSql(path, "UPDATE claim SET record = replace(record, 'vfio-pci', 'vfio-pcx') WHERE uid = 'b'");
  RunSql(path, fmt::format("UPDATE claim SET record = '{}', checksum = {} WHERE uid = 'c'", future,
                           RecordChecksum("c", future)));
  {
    const auto journal = Open();
    EXPECT_EQ(report_, "");
    const auto contents = journal->Load();
    ASSERT_TRUE(contents);
    ASSERT_EQ(contents->set_aside.size(), 2u);
    EXPECT_NE(contents->set_aside[0].find("'b'"), std::string::npos);
    EXPECT_NE(contents->set_aside[0].find("checksum"), std::string::npos);
    EXPECT_NE(contents->set_aside[1].find("'c'"), std::string::npos);
    EXPECT_NE(contents->set_aside[1].find("version"), std::string::npos);
    EXPECT_EQ(contents->records.size(), 2u);
  }
  const auto journal = Open();
  const auto contents = journal->Load();
  ASSERT_TRUE(contents);
  EXPECT_TRUE(contents->set_aside.empty());
  EXPECT_EQ(Uids(*journal), (driver::Uids{"a", "d"}));
}

TEST_F(JournalTest, ARecordUnderAnotherClaimsUidIsSetAside) {
  const std::string text = EncodeRecord(MakeRecord("other"));
  ASSERT_TRUE(Open()->Put(MakeRecord("a")));
  RunSql(Path("state/journal.db"), fmt::format("UPDATE claim SET record = '{}', checksum = {}",
                                               text, RecordChecksum("a", text)));
  const auto contents = Open()->Load();
  ASSERT_TRUE(contents);
  EXPECT_TRUE(contents->records.empty());
  EXPECT_EQ(contents->set_aside.size(), 1u);
}

TEST_F(JournalTest, AFileThatIsNoDatabaseIsMovedAwayEachUnderItsOwnName) {
  std::filesystem::create_directories(Path("state"));
  for (int n = 1; n <= 2; ++n) {
    const std::string content = fmt::format("this is no database, {}", n) + std::string(5000, '.');
    WriteFile(Path("state/journal.db"), content);
    const auto journal = Open();
    ASSERT_NE(journal, nullptr);
    const std::string moved = Path(fmt::format("state/journal.db.unreadable-{}", n));
    EXPECT_NE(report_.find(moved), std::string::npos) << report_;
    EXPECT_EQ(ReadFile(moved), content);
    EXPECT_TRUE(journal->Put(MakeRecord("a")));
  }
}

TEST_F(JournalTest, AnotherProgramsDatabaseIsMovedAway) {
  std::filesystem::create_directories(Path("state"));
  RunSql(Path("state/journal.db"), "CREATE TABLE claim(uid, record)");
  EXPECT_NE(Open(), nullptr);
  EXPECT_NE(report_.find("not a journal of drapci"), std::string::npos) << report_;
}

TEST_F(JournalTest, AJournalWithoutItsTablesIsMovedAway) {
  ASSERT_TRUE(Open()->Put(MakeRecord("a")));
  RunSql(Path("state/journal.db"), "DROP TABLE claim");
  EXPECT_TRUE(Uids(*Open()).empty());
  EXPECT_NE(report_.find("unreadable-1"), std::string::npos) << report_;
}

TEST_F(JournalTest, ALogWhoseDatabaseIsLostIsKeptAndReported) {
  const auto journal = Open();
  ASSERT_TRUE(journal->Put(MakeRecord("a")));
  CopyCrashImage("state", "lost");
  std::filesystem::remove(Path("lost/journal.db"));
  EXPECT_NE(Open("lost"), nullptr);
  EXPECT_NE(report_.find("missing"), std::string::npos) << report_;
  EXPECT_TRUE(std::filesystem::exists(Path("lost/journal.db.unreadable-1-wal")));
}

TEST_F(JournalTest, ANewerMajorFormatIsRefusedAndLeftAsItIs) {
  ASSERT_TRUE(Open()->Put(MakeRecord("a")));
  RunSql(Path("state/journal.db"), "PRAGMA user_version=2003");
  const std::string before = ReadFile(Path("state/journal.db"));
  const auto opened = OpenJournal(Path("state"), report_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kUnsupported);
  EXPECT_NE(opened.error().what.find("2.3"), std::string::npos) << opened.error().what;
  EXPECT_EQ(ReadFile(Path("state/journal.db")), before);
}

TEST_F(JournalTest, ANewerMinorFormatIsRead) {
  ASSERT_TRUE(Open()->Put(MakeRecord("a")));
  RunSql(Path("state/journal.db"), "PRAGMA user_version=1007; CREATE TABLE later(thing TEXT)");
  EXPECT_EQ(Uids(*Open()), driver::Uids{"a"});
  EXPECT_EQ(report_, "");
}

TEST_F(JournalTest, AFullDiskRefusesThePutAndKeepsTheOldRecord) {
  DiskFaults disk;
  const auto journal = Open();
  ASSERT_TRUE(journal->Put(MakeRecord("a", "old")));
  disk.FailWrites(ENOSPC);
  const int before = disk.writes();
  const Result<> refused = journal->Put(MakeRecord("a", "new"));
  ASSERT_GT(disk.writes(), before);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  EXPECT_EQ(refused.error().sys, ENOSPC);
  EXPECT_NE(refused.error().what.find(Path("state/journal.db")), std::string::npos);
  EXPECT_NE(refused.error().what.find("ENOSPC"), std::string::npos);
  EXPECT_EQ(journal->Load()->records.at(0).trouble, "old");
  disk.FailWrites(0);
  EXPECT_TRUE(journal->Put(MakeRecord("a", "new")));
  EXPECT_EQ(journal->Load()->records.at(0).trouble, "new");
}

TEST_F(JournalTest, ABrokenDiskIsReportedWithItsErrno) {
  const std::pair<int, Code> expected[] = {
      {EIO, Code::kIo}, {EROFS, Code::kDenied}, {EDQUOT, Code::kExhausted}};
  DiskFaults disk;
  const auto journal = Open();
  ASSERT_TRUE(journal->Put(MakeRecord("a", "old")));
  for (const auto& [sys, code] : expected) {
    disk.FailWrites(sys);
    const Result<> refused = journal->Put(MakeRecord("a", "new"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code) << refused.error().what;
    EXPECT_EQ(refused.error().sys, sys);
    EXPECT_NE(refused.error().what.find(ErrnoName(sys)), std::string::npos);
    EXPECT_EQ(refused.error().what.find('\n'), std::string::npos);
    disk.FailWrites(0);
    EXPECT_EQ(journal->Load()->records.at(0).trouble, "old");
  }
}

// In a child, since root may write everywhere: the child gives root up.
int OpenAsNobody(const std::string& directory, int expect_sys) {
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::getuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(2);
    std::string report;
    const auto journal = OpenJournal(directory, report);
    const bool right = !journal && journal.error().code == Code::kDenied &&
                       journal.error().sys == expect_sys &&
                       journal.error().what.find(directory) != std::string::npos;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(JournalTest, ADirectoryThatCannotBeWrittenIsDenied) {
  namespace fs = std::filesystem;
  ASSERT_TRUE(Open()->Put(MakeRecord("a")));
  fs::permissions(root_, fs::perms{0755});
  fs::permissions(Path("state"), fs::perms{0555});
  for (const char* file : {"state/journal.db", "state/journal.lock"}) {
    fs::permissions(Path(file), fs::perms{0444});
  }
  EXPECT_EQ(OpenAsNobody(Path("state"), EACCES), 0);
  // The lock file can be had, the database cannot.
  fs::permissions(Path("state/journal.lock"), fs::perms{0666});
  EXPECT_EQ(OpenAsNobody(Path("state"), EACCES), 0);
  fs::permissions(Path("state"), fs::perms{0755});
}

}  // namespace
}  // namespace drapci::driver
