#include "driver/journal.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "test/unit/driver/disk_faults.h"
#include "test/unit/driver/journal_fixture.h"

namespace drapci::driver {
namespace {

TEST_F(JournalTest, KeepsEveryFieldAcrossReopening) {
  const ClaimRecord record = MakeRecord("a-1", "the card was pulled");
  ASSERT_TRUE(Open()->Put(record));
  const std::unique_ptr<Journal> journal = Open();
  EXPECT_EQ(report_, "");
  const auto contents = journal->Load();
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->records.size(), 1u);
  EXPECT_EQ(EncodeRecord(contents->records[0]), EncodeRecord(record));
  EXPECT_TRUE(contents->set_aside.empty());
}

TEST_F(JournalTest, ReplacesTheRecordOfAUid) {
  const auto journal = Open();
  ASSERT_TRUE(journal->Put(MakeRecord("a", "first")));
  ASSERT_TRUE(journal->Put(MakeRecord("a", "second")));
  const auto contents = journal->Load();
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->records.size(), 1u);
  EXPECT_EQ(contents->records[0].trouble, "second");
}

TEST_F(JournalTest, ErasesByUidAndTakesAnUnknownOneForErased) {
  const auto journal = Open();
  ASSERT_TRUE(journal->Put(MakeRecord("a")));
  ASSERT_TRUE(journal->Put(MakeRecord("b")));
  EXPECT_TRUE(journal->Erase("a"));
  EXPECT_TRUE(journal->Erase("never-seen"));
  EXPECT_EQ(Uids(*journal), driver::Uids{"b"});
}

TEST_F(JournalTest, LoadsRecordsInTheOrderOfTheirUids) {
  const auto journal = Open();
  for (const char* uid : {"c", "a", "b"}) ASSERT_TRUE(journal->Put(MakeRecord(uid)));
  const auto contents = journal->Load();
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->records.size(), 3u);
  EXPECT_EQ(contents->records[0].request.uid, "a");
  EXPECT_EQ(contents->records[2].request.uid, "c");
}

TEST_F(JournalTest, RefusesWhatItCouldNotReadBack) {
  const auto journal = Open();
  const Result<> bad_uid = journal->Put(MakeRecord("../etc"));
  ASSERT_FALSE(bad_uid);
  EXPECT_EQ(bad_uid.error().code, Code::kInvalid);
  const Result<> too_long = journal->Put(MakeRecord("a", std::string(kMaxRecordBytes, 'x')));
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code, Code::kInvalid);
  EXPECT_TRUE(Uids(*journal).empty());
}

TEST_F(JournalTest, IsReadableByItsOwnerOnly) {
  const auto journal = Open("new/state");
  ASSERT_TRUE(journal->Put(MakeRecord("a")));
  const auto mode = [&](std::string_view name) {
    struct stat status{};
    EXPECT_EQ(::stat(Path(name).c_str(), &status), 0) << name;
    return status.st_mode & 0777;
  };
  EXPECT_EQ(mode("new/state"), 0700u);
  EXPECT_EQ(mode("new/state/journal.db"), 0600u);
  EXPECT_EQ(mode("new/state/journal.db-wal"), 0600u);
}

TEST_F(JournalTest, RefusesASecondOwnerOfTheDirectory) {
  auto first = Open();
  std::string report;
  const auto second = OpenJournal(Path("state"), report);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kBusy);
  EXPECT_NE(second.error().what.find(Path("state/journal.lock")), std::string::npos);
  EXPECT_NE(second.error().what.find(fmt::format("process {}", ::getpid())), std::string::npos);
  first.reset();
  EXPECT_NE(Open(), nullptr);
}

TEST_F(JournalTest, WritesAheadAndSyncsBeforePutReturns) {
  DiskFaults disk;
  const auto journal = Open();
  for (int i = 0; i < 5; ++i) {
    const int before = disk.syncs();
    ASSERT_TRUE(journal->Put(MakeRecord(fmt::format("a-{}", i))));
    EXPECT_GE(disk.syncs(), before + 1);
  }
  // Bytes 18 and 19 of the header are 2 in WAL mode: https://www.sqlite.org/fileformat2.html
  const std::string header = ReadFile(Path("state/journal.db")).substr(0, 20);
  ASSERT_EQ(header.size(), 20u);
  EXPECT_EQ(header[18], 2);
  EXPECT_EQ(header[19], 2);
}

TEST_F(JournalTest, WritersThatWaitShareOneCommit) {
  constexpr size_t kWriters = 16;
  DiskFaults disk;
  const auto opened = Open();
  auto& journal = dynamic_cast<SqliteJournal&>(*opened);
  // The first to commit waits in its sync until all others queue behind it.
  disk.OnSync([&] {
    while (journal.stats().commits == 0 && journal.stats().waiting < kWriters - 1) {
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> writers;
  std::atomic<int> failed = 0;
  for (size_t i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      if (!journal.Put(MakeRecord(fmt::format("w-{}", i)))) ++failed;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(journal.stats().commits, 2u);
  EXPECT_EQ(Uids(journal).size(), kWriters);
}

TEST_F(JournalTest, KeepsEveryPutOfManyThreads) {
  constexpr int kThreads = 16, kEach = 25;
  {
    const auto journal = Open();
    std::vector<std::thread> writers;
    std::atomic<int> failed = 0;
    for (int i = 0; i < kThreads; ++i) {
      writers.emplace_back([&, i] {
        for (int j = 0; j < kEach; ++j) {
          if (!journal->Put(MakeRecord(fmt::format("w-{}-{}", i, j)))) ++failed;
          if (j % 5 == 4 && !journal->Erase(fmt::format("w-{}-{}", i, j))) ++failed;
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(failed, 0);
  }
  EXPECT_EQ(Uids(*Open()).size(), size_t{kThreads * kEach * 4 / 5});
}

TEST_F(JournalTest, OneWriteThatCannotBeDoesNotFailThoseBesideIt) {
  DiskFaults disk;
  const auto opened = Open();
  auto& journal = dynamic_cast<SqliteJournal&>(*opened);
  disk.LimitFileSize(300'000);
  disk.OnSync([&] {
    while (journal.stats().commits == 0 && journal.stats().waiting < 3) std::this_thread::yield();
  });
  const int syncs_before = disk.syncs();
  std::vector<Result<>> outcomes(4);
  std::vector<std::thread> writers;
  writers.emplace_back([&] { outcomes[0] = journal.Put(MakeRecord("first")); });
  // They begin when the first is committing, and it waits for them: they are the second batch.
  for (size_t i = 1; i < outcomes.size(); ++i) {
    writers.emplace_back([&, i] {
      while (disk.syncs() == syncs_before) std::this_thread::yield();
      const size_t size = i == 2 ? 600'000 : 10;
      outcomes[i] = journal.Put(MakeRecord(fmt::format("w-{}", i), std::string(size, 'x')));
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(outcomes[0]);
  EXPECT_TRUE(outcomes[1]);
  EXPECT_TRUE(outcomes[3]);
  ASSERT_FALSE(outcomes[2]);
  EXPECT_EQ(outcomes[2].error().code, Code::kExhausted);
  EXPECT_EQ(Uids(journal), (driver::Uids{"first", "w-1", "w-3"}));
}

TEST_F(JournalTest, ItsLogDoesNotGrowWithoutBound) {
  constexpr int kPuts = 4000;
  constexpr uintmax_t kBound = 9'000'000;
  DiskFaults disk;
  disk.SkipSyncs();
  const auto journal = Open();
  const std::string padding(8000, 'x');
  uintmax_t largest = 0;
  for (int i = 0; i < kPuts; ++i) {
    ASSERT_TRUE(journal->Put(MakeRecord(fmt::format("a-{}", i % 10), padding)));
    largest = std::max(largest, std::filesystem::file_size(Path("state/journal.db-wal")));
  }
  EXPECT_LT(largest, kBound);
  EXPECT_LT(std::filesystem::file_size(Path("state/journal.db")), kBound);
}

}  // namespace
}  // namespace drapci::driver
