// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// changed_file_test.cc - other programs change page files while no process is
// attached. The next process finds the pool as it was left, without the pages
// that no longer match the file.

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
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
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

constexpr PageNo kPages = 8;
constexpr size_t kPageBytes = 4096;

std::string PageWith(std::string_view text) {
  std::string page(kPageBytes, 0);
  test::Fill(std::as_writable_bytes(std::span(page)), text);
  return page;
}

struct stat InfoOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info;
}

bool operator<(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

void SetTimeOfChange(const std::string& path, const timespec& mtime) {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, mtime};
  EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

// Each change puts "new" on page 0. The changes differ in the metadata that
// reveals them.
struct Change {
  const char* name;
  std::function<void(const std::string& path)> make;
};

const std::vector<Change> kChanges = {
    {"OfAllTimes",
     [](const std::string& path) {
       test::Overwrite(path, 0, PageWith("new"));
     }},
    {"WithAnOlderMtime",
     [](const std::string& path) {
       test::Overwrite(path, 0, PageWith("new"));
       SetTimeOfChange(path, {.tv_sec = 1, .tv_nsec = 0});
     }},
    {"OfTheCtimeAlone",
     [](const std::string& path) {
       const struct stat before = InfoOf(path);
       test::Overwrite(path, 0, PageWith("new"));
       SetTimeOfChange(path, before.st_mtim);
       const struct stat after = InfoOf(path);
       EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
       EXPECT_EQ(after.st_size, before.st_size);
     }},
    {"OfTheSizeToo",
     [](const std::string& path) {
       const struct stat before = InfoOf(path);
       test::Overwrite(path, 0, PageWith("new"));
       test::Overwrite(path, static_cast<uint64_t>(before.st_size),
                       PageWith("old"));
       SetTimeOfChange(path, before.st_mtim);
     }},
};

class ChangedFileTest
    : public ::testing::TestWithParam<std::tuple<Change, Backing>> {
 protected:
  ChangedFileTest() : path_(home_.Below("pages.db")) {}

  EnvOptions options() const { return SmallEnv(std::get<1>(GetParam())); }

  // Leaves "old" on all pages, in the pool and on disk, with no process
  // attached.
  void LeaveClean(bool by_death) {
    Child child([&](Channel& parent) -> std::string {
      auto both = *OpenBoth(home_.path(), options());
      PutAll(*both.file, "old");
      EXPECT_THAT(both.file->Sync(), IsOk());
      if (!by_death) return both.Close().ToString();
      parent.Say("put");
      return parent.Hear();
    });
    ASSERT_EQ(child.Hear(), by_death ? "put" : "OK");
    ASSERT_EQ(child.Kill(), by_death ? test::kKilled : "OK");
  }
  // Leaves "put" on all pages in the pool and "old" on disk.
  void LeaveDirty() {
    Child child([&](Channel& parent) {
      auto both = *OpenBoth(home_.path(), options());
      PutAll(*both.file, "old");
      EXPECT_THAT(both.file->Sync(), IsOk());
      PutAll(*both.file, "put");
      parent.Say("put");
      return parent.Hear();
    });
    ASSERT_EQ(child.Hear(), "put");
    ASSERT_EQ(child.Kill(), test::kKilled);
  }
  static void PutAll(MPoolFile& file, const std::string& text) {
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_THAT(PutText(file, page, text), IsOk());
    }
  }
  // Waits for the next tick. The clock of the file system advances only every
  // few milliseconds.
  void AwaitTick() {
    const std::string probe = home_.Below("probe");
    do {
      test::MakeFile(probe, "x");
    } while (!(InfoOf(path_).st_ctim < InfoOf(probe).st_ctim));
    fs::remove(probe);
  }
  void MakeChange() {
    AwaitTick();
    std::get<0>(GetParam()).make(path_);
  }

  TempHome home_;
  const std::string path_;
};
INSTANTIATE_TEST_SUITE_P(
    All, ChangedFileTest,
    ::testing::Combine(::testing::ValuesIn(kChanges),
                       ::testing::Values(Backing::kPosixShm, Backing::kFile)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) +
             (std::get<1>(test.param) == Backing::kFile ? "InFile" : "InShm");
    });

TEST_P(ChangedFileTest, IsReadAgainIfAllWasWritten) {
  for (const bool by_death : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(LeaveClean(by_death));
    MakeChange();
    auto both = OpenBoth(home_.path(), options());
    ASSERT_THAT(both, IsOk());
    EXPECT_EQ(GetText(*both->file, 0), "new");
    for (PageNo page = 1; page < both->file->page_count(); ++page) {
      EXPECT_EQ(GetText(*both->file, page), "old") << page;
    }
    EXPECT_EQ(both->file->page_count(), fs::file_size(path_) / kPageBytes);
    EXPECT_THAT(both->Close(), IsOk());
    EXPECT_EQ(DiskText(path_, 0), "new");
  }
}

TEST_P(ChangedFileTest, FileOfOnlyDeadIsRead) {
  auto env = *DbEnv::Open(home_.path(), options());
  ASSERT_NO_FATAL_FAILURE(LeaveClean(/*by_death=*/true));
  MakeChange();
  auto file = env->OpenFile("pages.db");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(GetText(**file, 0), "new");
  EXPECT_EQ(GetText(**file, 1), "old");
}

// The changes that rewrite the file in place, without rename, link or chmod.
class RewrittenFileTest : public ChangedFileTest {};
INSTANTIATE_TEST_SUITE_P(
    All, RewrittenFileTest,
    ::testing::Combine(::testing::Values(kChanges[0], kChanges[1],
                                         kChanges[3]),
                       ::testing::Values(Backing::kPosixShm, Backing::kFile)));

TEST_P(RewrittenFileTest, UnwrittenPagesRefuseFileByName) {
  ASSERT_NO_FATAL_FAILURE(LeaveDirty());
  MakeChange();
  const std::string before = test::BytesOf(path_);
  auto env = *DbEnv::Open(home_.path(), options());
  EXPECT_THAT(env->OpenFile("pages.db"),
              Fails(StatusCode::kFailedPrecondition, "open file", path_,
                    "changed by others", "8 of its pages are dirty",
                    "mpool forget"));
  EXPECT_EQ(env->Stats().frames_dirty, kPages);
  EXPECT_EQ(test::BytesOf(path_), before);
  // Sync, Close and Remove do not overwrite the changed page either.
  EXPECT_THAT(env->Sync(), Fails(StatusCode::kFailedPrecondition, path_,
                                 "changed by others"));
  EXPECT_THAT(env->Close(), Fails(StatusCode::kFailedPrecondition, path_));
  env = nullptr;
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, path_, "8 of them"));
  EXPECT_EQ(test::BytesOf(path_), before);
  EXPECT_THAT(DbEnv::Remove(home_.path(), /*force=*/true), IsOk());
  EXPECT_EQ(test::BytesOf(path_), before);
}

// The bytes of the file are unchanged, but its ctime is not.
class MovedFileTest : public ChangedFileTest {};
INSTANTIATE_TEST_SUITE_P(
    All, MovedFileTest,
    ::testing::Combine(
        ::testing::Values(
            Change{"Renamed",
                   [](const std::string& path) {
                     fs::rename(path, path + ".moved");
                   }},
            Change{"Linked",
                   [](const std::string& path) {
                     fs::create_hard_link(path, path + ".moved");
                   }},
            Change{"OfOtherMode",
                   [](const std::string& path) {
                     fs::create_symlink(path, path + ".moved");
                     ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
                   }}),
        ::testing::Values(Backing::kPosixShm, Backing::kFile)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) +
             (std::get<1>(test.param) == Backing::kFile ? "InFile" : "InShm");
    });

TEST_P(MovedFileTest, KeepsItsUnwrittenPages) {
  ASSERT_NO_FATAL_FAILURE(LeaveDirty());
  MakeChange();
  auto both = OpenBoth(home_.path(), options(), "pages.db.moved");
  ASSERT_THAT(both, IsOk());
  for (PageNo page = 0; page < kPages; ++page) {
    EXPECT_EQ(GetText(*both->file, page), "put");
  }
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_EQ(DiskText(path_ + ".moved", 0), "put");
}

#ifdef MPOOL_STEPS
// One kill in the middle of a write must not stop the detection of changes for
// good.
class UnseenWriteTest : public ChangedFileTest {
 protected:
  void WriteUnseen() {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto both = *OpenBoth(home_.path(), options());
                PutAll(*both.file, "old");
                os::KillAtStep("mpool.write.see", 1);
                return both.file->Sync().ToString();
              }),
              test::kKilled);
  }
};
INSTANTIATE_TEST_SUITE_P(
    All, UnseenWriteTest,
    ::testing::Combine(::testing::Values(kChanges[0]),
                       ::testing::Values(Backing::kPosixShm, Backing::kFile)));

TEST_P(UnseenWriteTest, UnseenWriteIsForgivenOnce) {
  WriteUnseen();
  {
    auto both = OpenBoth(home_.path(), options());
    ASSERT_THAT(both, IsOk());
    EXPECT_EQ(GetText(*both->file, 0), "old");
    EXPECT_THAT(both->Close(), IsOk());
  }
  ASSERT_NO_FATAL_FAILURE(LeaveDirty());
  MakeChange();
  auto env = *DbEnv::Open(home_.path(), options());
  EXPECT_THAT(env->OpenFile("pages.db"),
              Fails(StatusCode::kFailedPrecondition, "changed by others"));
}

// Another process is attached all the time, so no process adopts the region.
TEST_P(UnseenWriteTest, UnseenWriteIsForgivenBesideSurvivor) {
  auto env = *DbEnv::Open(home_.path(), options());
  WriteUnseen();
  ASSERT_NO_FATAL_FAILURE(LeaveDirty());
  MakeChange();
  EXPECT_THAT(env->OpenFile("pages.db"),
              Fails(StatusCode::kFailedPrecondition, "changed by others"));
}
#endif

// The file is unchanged. These tests are the counterpart of the ones above.
class UnchangedFileTest : public ChangedFileTest {};
INSTANTIATE_TEST_SUITE_P(
    Shared, UnchangedFileTest,
    ::testing::Combine(::testing::Values(Change{"None", nullptr}),
                       ::testing::Values(Backing::kPosixShm, Backing::kFile)));

TEST_P(UnchangedFileTest, IsNotReadAgain) {
  for (const bool by_death : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(LeaveClean(by_death));
    auto both = *OpenBoth(home_.path(), options());
    const uint64_t read_before = both.env->Stats().pages_read;
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_EQ(GetText(*both.file, page), "old");
    }
    EXPECT_EQ(both.env->Stats().pages_read, read_before);
    EXPECT_THAT(both.Close(), IsOk());
  }
}

TEST_P(UnchangedFileTest, AdopterWritesUnwrittenPages) {
  ASSERT_NO_FATAL_FAILURE(LeaveDirty());
  auto env = *DbEnv::Open(home_.path(), options());
  EXPECT_EQ(DiskText(path_, 0), "old");
  EXPECT_THAT(env->Sync(), IsOk());
  for (PageNo page = 0; page < kPages; ++page) {
    EXPECT_EQ(DiskText(path_, page), "put");
  }
}

TEST_P(UnchangedFileTest, ClockSetBackKeepsUnwrittenPages) {
  ASSERT_NO_FATAL_FAILURE(LeaveClean(/*by_death=*/false));
  // The mtime says that the file was written tomorrow.
  SetTimeOfChange(path_, {.tv_sec = ::time(nullptr) + 86400, .tv_nsec = 0});
  ASSERT_NO_FATAL_FAILURE(LeaveDirty());
  auto both = OpenBoth(home_.path(), options());
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "put");
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_EQ(DiskText(path_, 0), "put");
}

// The name now belongs to another file.
class ReplacedFileTest : public UnchangedFileTest {
 protected:
  void Replace() {
    std::string bytes;
    while (bytes.size() < kPages * kPageBytes) bytes += PageWith("new");
    test::MakeFile(path_ + ".new", bytes);
    const struct stat old = InfoOf(path_);
    SetTimeOfChange(path_ + ".new", old.st_mtim);
    fs::rename(path_ + ".new", path_);
  }
};
INSTANTIATE_TEST_SUITE_P(
    Shared, ReplacedFileTest,
    ::testing::Combine(::testing::Values(Change{"None", nullptr}),
                       ::testing::Values(Backing::kPosixShm, Backing::kFile)));

TEST_P(ReplacedFileTest, NewFileHasOwnPages) {
  for (const bool by_death : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(LeaveClean(by_death));
    Replace();
    auto both = *OpenBoth(home_.path(), options());
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_EQ(GetText(*both.file, page), "new");
    }
    EXPECT_THAT(both.Close(), IsOk());
  }
}

TEST_P(ReplacedFileTest, OldPagesAreNotWrittenToIt) {
  os::ForbidHandles();
  ASSERT_NO_FATAL_FAILURE(LeaveDirty());
  Replace();
  auto both = *OpenBoth(home_.path(), options());
  for (PageNo page = 0; page < kPages; ++page) {
    EXPECT_EQ(GetText(*both.file, page), "new");
  }
  EXPECT_THAT(PutText(*both.file, 0, "newer"), IsOk());
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_THAT(both.env->Sync(), Fails(StatusCode::kFailedPrecondition, path_,
                                      "another file has that name"));
  EXPECT_EQ(both.env->Stats().frames_dirty, kPages);
  EXPECT_EQ(DiskText(path_, 0), "newer");
  for (PageNo page = 1; page < kPages; ++page) {
    EXPECT_EQ(DiskText(path_, page), "new");
  }
  os::Sys() = os::RealSyscalls();
}

}  // namespace
}  // namespace mpool
