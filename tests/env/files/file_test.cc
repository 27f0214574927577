// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_test.cc - opening page files, and gets that cannot be granted.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "os/syscalls.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

class FileTest : public ::testing::Test {
 protected:
  absl::Status OpenAnother(const std::string& name, uint32_t page_size) {
    FileOptions options;
    options.page_size = page_size;
    return both_.env->OpenFile(name, options).status();
  }

  TempHome home_;
  test::Opened both_ = *OpenBoth(home_.path());
};

TEST_F(FileTest, OtherPageSizeInProcessIsRefused) {
  EXPECT_THAT(
      OpenAnother("pages.db", 8192),
      Fails(StatusCode::kInvalidArgument, "open file", home_.Below("pages.db"),
            "8192", "4096", "all handles must agree"));
  EXPECT_THAT(OpenAnother("pages.db", 4096), IsOk());
}

TEST_F(FileTest, RefusedPageSizeIsInThePayload) {
  const absl::Status refused = OpenAnother("pages.db", 8192);
  ASSERT_TRUE(refused.GetPayload(kPageSizePayload).has_value());
  EXPECT_EQ(*refused.GetPayload(kPageSizePayload), "4096");
}

TEST_F(FileTest, PageSizeZeroIsThatOfTheFile) {
  ASSERT_THAT(PutText(*both_.file, 0, "here"), IsOk());
  const auto open = [&] {
    return both_.env->OpenFile("pages.db", {.page_size = 0});
  };
  EXPECT_EQ((*open())->Stats().page_size, 4096u);
  // The region knows a closed file too.
  both_.file.reset();
  auto again = open();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(GetText(**again, 0), "here");
}

TEST_F(FileTest, PageSizeZeroNeedsKnownFile) {
  test::MakeFile(home_.Below("other.db"), std::string(4096, 'x'));
  for (const char* name : {"other.db", "none.db"}) {
    EXPECT_THAT(both_.env->OpenFile(name, {.page_size = 0, .create = true}),
                Fails(StatusCode::kInvalidArgument, name,
                      "does not know the file"));
  }
  EXPECT_THAT(test::FilesIn(home_.path()),
              testing::Not(testing::Contains("none.db")));
}

TEST_F(FileTest, AnotherProcesssPageSizeIsRefused) {
  ASSERT_THAT(PutText(*both_.file, 0, "here"), IsOk());
  Child other([&](Channel&) -> std::string {
    EXPECT_THAT(OpenBoth(home_.path(), SmallEnv(), "pages.db", 512),
                Fails(StatusCode::kInvalidArgument, "open file",
                      home_.Below("pages.db"), "512", "4096",
                      "all handles must agree"));
    return GetText(*OpenBoth(home_.path())->file, 0);
  });
  EXPECT_EQ(other.End(), "here");
}

TEST_F(FileTest, LastCloseAllowsOtherPageSize) {
  ASSERT_THAT(PutText(*both_.file, 1, "ab"), IsOk());
  ASSERT_THAT(both_.file->Close(), IsOk());
  auto file = *both_.env->OpenFile("pages.db", {.page_size = 512});
  EXPECT_EQ(file->page_count(), 16u);
  EXPECT_EQ(GetText(*file, 0), "");
  // 4096 bytes hold the text 1365 times and a part of it.
  EXPECT_EQ((*file->Get(8)).data()[0], std::byte{'a'});
}

TEST_F(FileTest, FileOfOddSizeIsRefused) {
  test::MakeFile(home_.Below("odd.db"), std::string(4096 + 512, 'x'));
  EXPECT_THAT(
      OpenAnother("odd.db", 4096),
      Fails(StatusCode::kInvalidArgument, "open file", home_.Below("odd.db"),
            "4608", "not a multiple of the page size 4096"));
  EXPECT_THAT(OpenAnother("odd.db", 512), IsOk());
}

TEST_F(FileTest, MissingFileWithoutCreateIsNotFound) {
  EXPECT_THAT(OpenAnother("none.db", 4096),
              Fails(StatusCode::kNotFound, home_.Below("none.db"),
                    "FileOptions::create"));
  EXPECT_FALSE(fs::exists(home_.Below("none.db")));
}

TEST_F(FileTest, IrregularFileIsRefusedAtOnce) {
  fs::create_directory(home_.Below("directory"));
  ASSERT_EQ(::mkfifo(home_.Below("fifo").c_str(), 0600), 0);
  for (const bool read_only : {false, true}) {
    FileOptions options;
    options.read_only = read_only;
    for (const char* name : {"directory", "fifo", "/dev/null"}) {
      EXPECT_THAT(both_.env->OpenFile(name, options),
                  Fails(StatusCode::kInvalidArgument, "open", name,
                        "not a regular file"));
    }
  }
}

TEST_F(FileTest, PseudoFileIsRefusedByName) {
  for (const std::string name : {"/maps", "/mem"}) {
    const auto file =
        both_.env->OpenFile("/proc/self" + name, {.read_only = true});
    ASSERT_FALSE(file.ok());
    EXPECT_THAT(std::string(file.status().message()),
                ::testing::HasSubstr(name));
  }
}

TEST_F(FileTest, TheEnvironmentsOwnFilesAreRefused) {
  for (const char* name : {"__db.001", "__db.register", "./__db.002"}) {
    EXPECT_THAT(both_.env->OpenFile(name, {.page_size = 512, .create = true}),
                Fails(StatusCode::kInvalidArgument, "open file", name,
                      "belongs to the environment"));
  }
}

TEST_F(FileTest, GetPastEndNamesFileAndSize) {
  ASSERT_THAT(PutText(*both_.file, 2, "last"), IsOk());
  for (const PageNo page : {PageNo{3}, PageNo{1000}, kMaxPageNo}) {
    EXPECT_THAT(both_.file->Get(page),
                Fails(StatusCode::kNotFound, absl::StrCat("get page ", page),
                      home_.Below("pages.db"), "has 3 pages", "create"));
    EXPECT_THAT(both_.file->GetForUpdate(page),
                Fails(StatusCode::kNotFound, "has 3 pages"));
  }
  EXPECT_EQ(both_.file->page_count(), 3u);
}

TEST_F(FileTest, ImpossiblePageNumbersAreInvalid) {
  for (const PageNo page : {kMaxPageNo + 1, ~PageNo{0}}) {
    EXPECT_THAT(both_.file->Get(page),
                Fails(StatusCode::kInvalidArgument, "page numbers end at"));
    EXPECT_THAT(both_.file->GetForUpdate(page, {.create = true}),
                Fails(StatusCode::kInvalidArgument, "page numbers end at"));
  }
  EXPECT_EQ(both_.file->page_count(), 0u);
}

TEST_F(FileTest, EmptyFileHasNoLastPage) {
  EXPECT_THAT(both_.file->Last(),
              Fails(StatusCode::kNotFound, home_.Below("pages.db"), "empty"));
}

TEST_F(FileTest, ReadOnlyFileRefusesChanges) {
  ASSERT_THAT(PutText(*both_.file, 0, "old"), IsOk());
  ASSERT_THAT(both_.Close(), IsOk());
  ASSERT_EQ(::chmod(home_.Below("pages.db").c_str(), 0400), 0);
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  FileOptions options;
  options.read_only = true;
  auto file = *env->OpenFile("pages.db", options);
  EXPECT_EQ(GetText(*file, 0), "old");
  for (const absl::Status& status :
       {file->GetForUpdate(0).status(), file->New().status(), file->Sync()}) {
    EXPECT_THAT(status,
                Fails(StatusCode::kPermissionDenied, home_.Below("pages.db"),
                      "FileOptions::read_only"));
  }
  EXPECT_THAT(file->Get(1, {.create = true}),
              Fails(StatusCode::kNotFound, "has 1 pages"));
  EXPECT_EQ(file->page_count(), 1u);
  EXPECT_THAT(file->Close(), IsOk());
  EXPECT_THAT(env->Close(), IsOk());
}

TEST_F(FileTest, ReadOnlyHandleSeesWritersChanges) {
  ASSERT_THAT(PutText(*both_.file, 0, "one"), IsOk());
  FileOptions options;
  options.read_only = true;
  auto reader = *both_.env->OpenFile("pages.db", options);
  EXPECT_EQ(GetText(*reader, 0), "one");
  ASSERT_THAT(PutText(*both_.file, 0, "two"), IsOk());
  EXPECT_EQ(GetText(*reader, 0), "two");
}

TEST_F(FileTest, WaitForOwnPageIsRefused) {
  ASSERT_THAT(PutText(*both_.file, 7, "x"), IsOk());
  auto refused = [&](const char* how) {
    return Fails(StatusCode::kFailedPrecondition, "page 7",
                 home_.Below("pages.db"), how, "put it first");
  };
  {
    auto held = *both_.file->GetForUpdate(7);
    EXPECT_THAT(both_.file->Get(7), refused("for update"));
    EXPECT_THAT(both_.file->Get(7, {.latch = Latch::kNone}),
                refused("for update"));
    EXPECT_THAT(both_.file->GetForUpdate(7), refused("for update"));
    EXPECT_THAT(both_.file->Sync(), refused("for update"));
    EXPECT_THAT(both_.env->Sync(), refused("for update"));
  }
  {
    const auto held = *both_.file->Get(7);
    EXPECT_THAT(both_.file->GetForUpdate(7), refused("to read"));
    EXPECT_THAT(both_.file->Get(7), IsOk());
    EXPECT_THAT(both_.file->Get(7, {.latch = Latch::kNone}), IsOk());
  }
  EXPECT_THAT(both_.file->GetForUpdate(7), IsOk());
}

TEST_F(FileTest, TimedOutWaitNamesHoldersPid) {
  ASSERT_THAT(PutText(*both_.file, 7, "x"), IsOk());
  for (const bool for_update : {true, false}) {
    Child holder([&](Channel& parent) -> std::string {
      auto there = *OpenBoth(home_.path());
      absl::StatusOr<WritePage> write;
      absl::StatusOr<ReadPage> read;
      if (for_update) {
        write = there.file->GetForUpdate(7);
      } else {
        read = there.file->Get(7);
      }
      parent.Say("held");
      return parent.Hear();
    });
    ASSERT_EQ(holder.Hear(), "held");
    const std::string pid = absl::StrCat("process ", holder.pid(), " (");
    for (const absl::Duration wait :
         {absl::ZeroDuration(), absl::Milliseconds(20)}) {
      GetOptions options;
      options.wait = wait;
      EXPECT_THAT(both_.file->GetForUpdate(7, options),
                  Fails(StatusCode::kDeadlineExceeded, "page 7", pid,
                        "wait longer"));
      if (!for_update) continue;
      EXPECT_THAT(both_.file->Get(7, options),
                  Fails(StatusCode::kDeadlineExceeded, "page 7", pid));
      SyncOptions sync;
      sync.wait = wait;
      EXPECT_THAT(both_.env->Sync(sync),
                  Fails(StatusCode::kDeadlineExceeded, "page 7", pid));
    }
    holder.Say("put");
    EXPECT_EQ(holder.End(), "put");
    EXPECT_THAT(both_.file->GetForUpdate(7), IsOk());
  }
}

TEST_F(FileTest, ATimedOutWriterLeavesReadersAlone) {
  ASSERT_THAT(PutText(*both_.file, 0, "x"), IsOk());
  auto held = *both_.file->Get(0);
  std::thread([&] {
    GetOptions options;
    options.wait = absl::ZeroDuration();
    EXPECT_THAT(both_.file->GetForUpdate(0, options),
                Fails(StatusCode::kDeadlineExceeded));
    EXPECT_EQ(GetText(*both_.file, 0), "x");
  }).join();
  held.Put();
  EXPECT_THAT(PutText(*both_.file, 0, "y"), IsOk());
}

TEST_F(FileTest, LastLivingProcessWritesFileBack) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(PutText(*both_.file, 1, "dead"), IsOk());
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  ASSERT_THAT(PutText(*both_.file, 0, "put"), IsOk());
  EXPECT_THAT(both_.file->Close(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "put");
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 1), "dead");
  EXPECT_THAT(OpenAnother("pages.db", 8192), IsOk());
}

// An open coincides with the write-back of the previous close.
TEST_F(FileTest, RepeatedOpenWriteCloseLosesNothing) {
  EXPECT_THAT(both_.file->Close(), IsOk());
  constexpr int kRounds = 200;
  std::vector<std::unique_ptr<Child>> children;
  for (PageNo page = 0; page < 3; ++page) {
    children.push_back(std::make_unique<Child>([&](Channel&) -> std::string {
      for (int round = 0; round < kRounds; ++round) {
        auto file = both_.env->OpenFile("pages.db");
        if (!file.ok()) return file.status().ToString();
        const std::string text = absl::StrCat("round ", round);
        for (PageNo i = 0; i < 3; ++i) {
          EXPECT_THAT(PutText(**file, page + 3 * i, text), IsOk());
        }
        const absl::Status closed = (*file)->Close();
        if (!closed.ok()) return closed.ToString();
      }
      return "done";
    }));
  }
  for (auto& child : children) EXPECT_EQ(child->End(), "done");
  for (PageNo page = 0; page < 9; ++page) {
    EXPECT_EQ(test::DiskText(home_.Below("pages.db"), page),
              absl::StrCat("round ", kRounds - 1));
  }
}

// A dead process's pages are written back while the file is opened.
class WrittenFileTest : public FileTest {
 protected:
  // Starts the write of eight pages, all beyond the end of the file. The write
  // stops before the system call, or after it if `in_file`, until `goes_on_`.
  void BeginWrite(bool in_file) {
    EXPECT_THAT(both_.file->Close(), IsOk());
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto file = *both_.env->OpenFile("pages.db");
                for (PageNo page = 0; page < 8; ++page) {
                  EXPECT_THAT(PutText(*file, page, "put"), IsOk());
                }
                ::raise(SIGKILL);
                return "";
              }),
              test::kKilled);
    EXPECT_THAT(both_.env->FailCheck(), IsOk());
    writes_ = goes_on_ = false;
    in_file_ = in_file;
    os::Sys().pwritev = [](int fd, const iovec* parts, int count, off_t at) {
      auto write = [&] {
        return os::RealSyscalls().pwritev(fd, parts, count, at);
      };
      const ssize_t written = in_file_ ? write() : 0;
      writes_ = true;
      for (int i = 0; i < 5000 && !goes_on_; ++i) ::usleep(1000);
      return in_file_ ? written : write();
    };
    writer_ = std::thread([this] { EXPECT_THAT(both_.env->Sync(), IsOk()); });
    while (!writes_) ::usleep(1000);
  }
  // Opens the file. The write continues when the open waits, or is done
  // already.
  absl::StatusOr<std::unique_ptr<MPoolFile>> OpenMeanwhile(bool waits) {
    if (waits) {
      os::Sys().nanosleep = [](const timespec* time, timespec* rest) {
        goes_on_ = true;
        return os::RealSyscalls().nanosleep(time, rest);
      };
    }
    auto file = both_.env->OpenFile("pages.db");
    goes_on_ = true;
    writer_.join();
    os::Sys() = os::RealSyscalls();
    return file;
  }

 private:
  static std::atomic<bool> in_file_, writes_, goes_on_;
  std::thread writer_;
};
std::atomic<bool> WrittenFileTest::in_file_;
std::atomic<bool> WrittenFileTest::writes_;
std::atomic<bool> WrittenFileTest::goes_on_;

TEST_F(WrittenFileTest, PagesWrittenDuringOpenAreSeen) {
  BeginWrite(/*in_file=*/false);
  EXPECT_EQ(::chmod(home_.Below("pages.db").c_str(), 0640), 0);
  const auto file = OpenMeanwhile(/*waits=*/true);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->page_count(), 8u);
  EXPECT_EQ(GetText(**file, 7), "put");
  EXPECT_EQ((*file)->New()->number(), 8u);
}

TEST_F(WrittenFileTest, PoolsOwnWriteIsNoForeignChange) {
  BeginWrite(/*in_file=*/true);
  const auto file = OpenMeanwhile(/*waits=*/false);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->page_count(), 8u);
  EXPECT_EQ(GetText(**file, 7), "put");
}

#ifdef MPOOL_STEPS
// Each closer sees the other's handle and leaves the pages to it.
TEST_F(FileTest, SimultaneousClosesLeaveNothingUnwritten) {
  ASSERT_THAT(PutText(*both_.file, 0, "parent"), IsOk());
  Child other([&](Channel& parent) -> std::string {
    EXPECT_THAT(PutText(*both_.file, 1, "child"), IsOk());
    os::CallAtStep("mpool.file.close", [&] {
      parent.Say("closes");
      parent.Hear();
    });
    return both_.file->Close().ToString();
  });
  ASSERT_EQ(other.Hear(), "closes");
  static std::atomic<int> sleeps;
  sleeps = 0;
  os::Sys().futex = [](uint32_t* word, int op, uint32_t value,
                       const timespec* timeout) {
    ++sleeps;
    return os::RealSyscalls().futex(word, op, value, timeout);
  };
  std::thread closer([&] { EXPECT_THAT(both_.file->Close(), IsOk()); });
  // The other closer has seen this handle and waits for its latch.
  while (sleeps == 0) ::usleep(1000);
  other.Say("go");
  EXPECT_EQ(other.End(), "OK");
  closer.join();
  os::Sys() = os::RealSyscalls();
  const std::string path = home_.Below("pages.db");
  EXPECT_EQ(test::DiskText(path, 0), "parent");
  EXPECT_EQ(test::DiskText(path, 1), "child");
}

TEST_F(FileTest, DeathDuringPageSizeChangeKeepsCount) {
  for (const char* step :
       {"mpool.file.renewed", "mpool.file.uncounted", "mpool.file.sized"}) {
    for (const uint32_t next : {4096u, 8192u}) {
      const TempHome home;
      auto both = *OpenBoth(home.path());
      for (PageNo page = 0; page < 16; ++page) {
        ASSERT_THAT(PutText(*both.file, page, "x"), IsOk());
      }
      ASSERT_THAT(both.file->Close(), IsOk());
      EXPECT_EQ(test::InChild([&]() -> std::string {
                  auto env = *DbEnv::Open(home.path(), SmallEnv());
                  os::KillAtStep(step, 1);
                  return env->OpenFile("pages.db", {.page_size = 8192})
                      .status()
                      .ToString();
                }),
                test::kKilled);
      auto file = both.env->OpenFile("pages.db", {.page_size = next});
      ASSERT_THAT(file, IsOk());
      EXPECT_EQ((*file)->page_count(), 16 * 4096 / next) << step;
      EXPECT_EQ((*file)->New()->number(), 16 * 4096 / next) << step;
    }
  }
}
#endif

}  // namespace
}  // namespace mpool
