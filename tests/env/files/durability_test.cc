// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// durability_test.cc - an Ok of Sync, of the last Close and of Remove means
// that every written file was fsynced. A failed fsync is reported.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/clock.h"
#include "region/limits.h"
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

// The writes of each inode, and the number of them that a successful fsync
// covers.
struct Written {
  uint64_t writes = 0;
  uint64_t synced = 0;
};
std::map<ino_t, Written> written;
// False in tests in which fsync of thousands of files takes too long.
bool fsync_is_real = true;
// The errors of the next calls of fsync.
std::vector<int> fsync_errors;

Written* Of(int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return nullptr;
  return &written[info.st_ino];
}

int CountedFsync(int fd) {
  if (!fsync_errors.empty()) {
    errno = fsync_errors.front();
    fsync_errors.erase(fsync_errors.begin());
    if (errno != 0) return -1;
  }
  Written* file = Of(fd);
  const uint64_t writes = file == nullptr ? 0 : file->writes;
  const int result = fsync_is_real ? os::RealSyscalls().fsync(fd) : 0;
  if (result == 0 && file != nullptr) file->synced = writes;
  return result;
}

ssize_t CountedWrite(int fd, const iovec* parts, int count, off_t offset) {
  const ssize_t done = os::RealSyscalls().pwritev(fd, parts, count, offset);
  if (Written* file = Of(fd); file != nullptr && done > 0) ++file->writes;
  return done;
}

uint64_t Unsynced() {
  uint64_t count = 0;
  for (const auto& [inode, file] : written) {
    count += file.writes != file.synced ? 1 : 0;
  }
  return count;
}

int OpenDescriptors() {
  int count = 0;
  for (const auto& fd : fs::directory_iterator("/proc/self/fd")) {
    count += fd.path().empty() ? 0 : 1;
  }
  return count;
}

class DurabilityTest : public os::SyscallTest {
 protected:
  DurabilityTest() {
    written.clear();
    fsync_errors.clear();
    fsync_is_real = true;
    os::Sys().fsync = CountedFsync;
    os::Sys().pwritev = CountedWrite;
  }
  ~DurabilityTest() override { os::Sys() = os::RealSyscalls(); }

  std::unique_ptr<DbEnv> Open() {
    EnvOptions options = SmallEnv();
    options.on_event = [this](const Event& event) { events_.push_back(event); };
    return *DbEnv::Open(home_.path(), options);
  }
  static void PutAndClose(DbEnv& env, const std::string& name,
                          uint32_t page_size = 4096) {
    FileOptions options;
    options.create = true;
    options.page_size = page_size;
    auto file = *env.OpenFile(name, options);
    ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
    ASSERT_THAT(file->Close(), IsOk());
  }
  // Puts a page of each of 100 files and keeps them open until told to end.
  std::string PutManyFiles(Channel& parent) {
    auto mine = Open();
    std::vector<std::unique_ptr<MPoolFile>> files;
    for (int i = 0; i < 100; ++i) {
      files.push_back(
          *mine->OpenFile(absl::StrCat("f", i), {.create = true}));
      EXPECT_THAT(PutText(*files.back(), 0, "put"), IsOk());
    }
    parent.Say("put");
    return parent.Hear();
  }
  auto FsyncFailed() { return Fails(StatusCode::kDataLoss, "sync file"); }

  TempHome home_;
  std::vector<Event> events_;
};

// An event that happens to a file after it was written and closed.
struct Fate {
  const char* name;
  std::function<void(const std::string& path)> befall;
};

const std::vector<Fate> kFates = {
    {"Nothing", [](const std::string&) {}},
    {"Renamed", [](const std::string& path) { fs::rename(path, path + "2"); }},
    {"Linked",
     [](const std::string& path) {
       fs::create_hard_link(path, path + "2");
       fs::remove(path);
     }},
    {"Touched",
     [](const std::string& path) {
       const int fd = ::open(path.c_str(), O_WRONLY);
       EXPECT_EQ(::pwrite(fd, "y", 1, 4000), 1);
       ::close(fd);
     }},
    {"Replaced",
     [](const std::string& path) {
       test::MakeFile(path + "2", std::string(4096, 'n'));
       fs::rename(path + "2", path);
     }},
    {"Removed", [](const std::string& path) { fs::remove(path); }},
};

class FateTest : public DurabilityTest,
                 public ::testing::WithParamInterface<Fate> {};
INSTANTIATE_TEST_SUITE_P(All, FateTest, ::testing::ValuesIn(kFates),
                         [](const auto& test) {
                           return std::string(test.param.name);
                         });

TEST_P(FateTest, SyncFsyncsAWrittenFile) {
  auto env = Open();
  PutAndClose(*env, "a.db");
  GetParam().befall(home_.Below("a.db"));
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_P(FateTest, LastCloseFsyncsAWrittenFile) {
  auto env = Open();
  PutAndClose(*env, "a.db");
  GetParam().befall(home_.Below("a.db"));
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_P(FateTest, ALeaverFsyncsItsOwnWrites) {
  Child other([&](Channel& parent) -> std::string {
    parent.Hear();
    auto mine = Open();
    PutAndClose(*mine, "a.db");
    GetParam().befall(home_.Below("a.db"));
    EXPECT_THAT(mine->Close(), IsOk());
    EXPECT_EQ(Unsynced(), 0u);
    return "left";
  });
  auto env = Open();
  other.Say("go");
  EXPECT_EQ(other.End(), "left");
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_THAT(env->Close(), IsOk());
}

// The writer's descriptor was closed by its death.
TEST_P(FateTest, DeadWritersFileIsFsyncedOrNamed) {
  auto env = Open();
  Child other([&](Channel&) -> std::string {
    auto mine = Open();
    PutAndClose(*mine, "a.db");
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  GetParam().befall(home_.Below("a.db"));
  const bool is_there = GetParam().name == std::string("Nothing");
  for (int i = 0; i < 2; ++i) {
    const absl::Status synced = env->Sync();
    EXPECT_EQ(synced.ok(), is_there) << synced;
    if (!is_there) {
      EXPECT_THAT(std::string(synced.message()),
                  ::testing::HasSubstr(home_.Below("a.db")));
    }
  }
  EXPECT_EQ(env->Close().ok(), is_there);
  env = nullptr;
  const absl::Status removed = DbEnv::Remove(home_.path());
  EXPECT_EQ(removed.ok(), is_there) << removed;
  EXPECT_THAT(DbEnv::Remove(home_.path(), /*force=*/true), IsOk());
}

TEST_F(DurabilityTest, MoreFilesThanEntriesAreAllFsynced) {
  auto env = Open();
  fsync_is_real = false;
  for (uint32_t i = 0; i < kMaxFiles + 1; ++i) {
    PutAndClose(*env, absl::StrCat("f", i), 512);
  }
  EXPECT_EQ(written.size(), kMaxFiles + 1);
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_F(DurabilityTest, SyncClosesKeptDescriptors) {
  auto env = Open();
  const int before = OpenDescriptors();
  for (int i = 0; i < 200; ++i) PutAndClose(*env, absl::StrCat("f", i));
  EXPECT_LE(OpenDescriptors(), before + 34);
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_LE(OpenDescriptors(), before + 1);
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_F(DurabilityTest, DescriptorsOfOthersFilesAreFew) {
  auto env = Open();
  auto own = *env->OpenFile("own.db", {.create = true});
  Child other([&](Channel& parent) { return PutManyFiles(parent); });
  ASSERT_EQ(other.Hear(), "put");
  const int before = OpenDescriptors();
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_THAT(PutText(*own, page, "own"), IsOk());
  }
  EXPECT_LE(OpenDescriptors(), before + 34);
  EXPECT_EQ(DiskText(home_.Below("f99"), 0), "put");
  // A removed file does not keep its disk space for long.
  for (int i = 0; i < 100; ++i) fs::remove(home_.Below(absl::StrCat("f", i)));
  other.Say("end");
  EXPECT_EQ(other.End(), "end");
  EXPECT_THAT(own->Close(), IsOk());
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_LE(OpenDescriptors(), before);
}

TEST_F(DurabilityTest, LaterMissClosesRemovedFiles) {
  auto env = Open();
  auto own = *env->OpenFile("own.db", {.create = true});
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_THAT(PutText(*own, page, "own"), IsOk());
  }
  const int before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) PutAndClose(*env, absl::StrCat("f", i));
  EXPECT_GT(OpenDescriptors(), before);
  for (int i = 0; i < 20; ++i) fs::remove(home_.Below(absl::StrCat("f", i)));
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_EQ(GetText(*own, page), "own");
  }
  EXPECT_LE(OpenDescriptors(), before);
}

TEST_F(DurabilityTest, KeptDescriptorsStayBelowLimit) {
  auto env = Open();
  for (int i = 0; i < 30; ++i) PutAndClose(*env, absl::StrCat("f", i));
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit few = old;
  few.rlim_cur = static_cast<rlim_t>(OpenDescriptors());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  auto file = env->OpenFile("more.db", {.create = true});
  EXPECT_THAT(file, IsOk());
  if (file.ok()) {
    EXPECT_THAT(PutText(**file, 0, "more"), IsOk());
    EXPECT_THAT((*file)->Sync(), IsOk());
    EXPECT_THAT((*file)->Close(), IsOk());
  }
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(Unsynced(), 0u);
}

// Entries that only the dead have open are used for other files.
TEST_F(DurabilityTest, DeadWritersEntriesAreReused) {
  auto env = Open();
  Child other([&](Channel&) -> std::string {
    fsync_is_real = false;
    auto mine = Open();
    std::vector<std::unique_ptr<MPoolFile>> files;
    FileOptions options;
    options.create = true;
    options.page_size = 512;
    for (uint32_t i = 0; i < kMaxFiles; ++i) {
      files.push_back(*mine->OpenFile(absl::StrCat("f", i), options));
      EXPECT_THAT(PutText(*files.back(), 0, "put"), IsOk());
      if (i % 200 == 0) files.pop_back();
    }
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  EXPECT_THAT(env->FailCheck(), IsOk());
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_THAT(env->OpenFile("one_more.db", {.create = true}), IsOk());
}

TEST_F(DurabilityTest, SyncOfManyFilesNeedsFewDescriptors) {
  auto env = Open();
  Child other([&](Channel& parent) { return PutManyFiles(parent); });
  ASSERT_EQ(other.Hear(), "put");
  static int most;
  most = 0;
  os::Sys().pwritev = [](int fd, const iovec* parts, int count, off_t offset) {
    most = std::max(most, OpenDescriptors());
    return CountedWrite(fd, parts, count, offset);
  };
  const int before = OpenDescriptors();
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_LE(most, before + 36);
  other.Say("end");
  EXPECT_EQ(other.End(), "end");
}

// A refused open leaves no descriptor behind, though none may be closed.
TEST_F(DurabilityTest, RefusedOpensKeepFewDescriptors) {
  const TempHome elsewhere;
  auto env = Open();
  auto file = *env->OpenFile("a.db", {.create = true});
  auto second = *DbEnv::Open(elsewhere.path(), SmallEnv());
  const int before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(second->OpenFile(home_.Below("a.db")).ok());
    EXPECT_FALSE(
        second->OpenFile(home_.Below("a.db"), {.read_only = true}).ok());
  }
  EXPECT_LE(OpenDescriptors(), before + 3);
}

// The kept descriptors of one environment leave room for another's.
TEST_F(DurabilityTest, KeptDescriptorsMakeRoomForAllCalls) {
  const TempHome elsewhere;
  auto env = Open();
  auto second = *DbEnv::Open(elsewhere.path(), SmallEnv());
  Child other([&](Channel&) -> std::string {
    auto mine = Open();
    PutAndClose(*mine, "theirs.db");
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  const auto with_few = [&](const std::function<void()>& call) {
    for (int i = 0; i < 20; ++i) PutAndClose(*env, absl::StrCat("f", i));
    rlimit old = {};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    rlimit few = old;
    few.rlim_cur = static_cast<rlim_t>(OpenDescriptors());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    call();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  };
  with_few([&] {
    EXPECT_THAT(second->OpenFile("x.db", {.create = true}), IsOk());
  });
  with_few([&] { EXPECT_THAT(DbEnv::Inspect(elsewhere.path()), IsOk()); });
  with_few([&] { EXPECT_THAT(DbEnv::Holders(elsewhere.path()), IsOk()); });
  with_few([&] { EXPECT_THAT(env->Sync(), IsOk()); });
  EXPECT_EQ(DiskText(home_.Below("theirs.db"), 0), "put");
}

class FsyncTest : public DurabilityTest {
 protected:
  // Runs a process that puts `pages` pages and dies in the fsync of these
  // pages.
  void DieInFsync(PageNo pages) {
    Child other([&](Channel&) -> std::string {
      auto both = *OpenBoth(home_.path());
      for (PageNo page = 0; page < pages; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
      }
      os::Sys().fsync = [](int) -> int {
        ::raise(SIGKILL);
        return -1;
      };
      both.file->Sync().IgnoreError();
      return "";
    });
    EXPECT_EQ(other.End(), test::kKilled);
  }
};

TEST_F(FsyncTest, InterruptedFsyncIsRepeated) {
  auto both = *OpenBoth(home_.path());
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  fsync_errors = {EINTR, EINTR};
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
  // Sync does not retry forever, and the interruption leaves no error behind.
  ASSERT_THAT(PutText(*both.file, 0, "again"), IsOk());
  fsync_errors.assign(100, EINTR);
  EXPECT_THAT(both.file->Sync(),
              Fails(StatusCode::kUnavailable, "pages.db", "call Sync again"));
  fsync_errors.clear();
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 0), "again");
}

TEST_F(FsyncTest, RewritingSyncClearsFailure) {
  for (const int error : {EIO, ENOSPC, EDQUOT}) {
    auto both = *OpenBoth(home_.path());
    for (PageNo page = 0; page < 5; ++page) {
      ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
    }
    fsync_errors = {error};
    EXPECT_THAT(both.file->Sync(), FsyncFailed());
    EXPECT_EQ(both.env->Stats().frames_dirty, 5u);
    const uint64_t before = both.env->Stats().pages_written;
    EXPECT_THAT(both.file->Sync(), IsOk());
    EXPECT_EQ(both.env->Stats().pages_written, before + 5);
    EXPECT_THAT(both.Close(), IsOk());
  }
}

TEST_F(FsyncTest, FailureStaysIfPageWasEvicted) {
  auto both = *OpenBoth(home_.path());
  for (PageNo page = 0; page < 400; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
  }
  fsync_errors = {EIO};
  EXPECT_THAT(both.file->Sync(), FsyncFailed());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(both.file->Sync(),
                Fails(StatusCode::kDataLoss, "earlier fsync failed",
                      "had left the pool", "check the file"));
  }
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto own = *OpenBoth(home_.path());
              return std::string(own.file->Sync().message());
            }).find("sync file"),
            0u);
}

TEST_F(FsyncTest, PagesEvictedBeforeGoodFsyncAreSafe) {
  auto both = *OpenBoth(home_.path());
  for (PageNo page = 0; page < 400; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
  }
  EXPECT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(PutText(*both.file, 0, "new"), IsOk());
  fsync_errors = {EIO};
  EXPECT_THAT(both.file->Sync(), FsyncFailed());
  EXPECT_THAT(both.file->Sync(), IsOk());
}

// A call that does something else fsyncs the descriptor of a closed file.
TEST_F(FsyncTest, UnreturnedErrorIsReportedByNextSync) {
  auto env = Open();
  PutAndClose(*env, "first.db");
  fsync_errors = {EIO};
  for (int i = 0; i < 40; ++i) PutAndClose(*env, absl::StrCat("f", i));
  EXPECT_TRUE(fsync_errors.empty());
  EXPECT_THAT(env->Sync(), Fails(StatusCode::kDataLoss, "first.db"));
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_F(FsyncTest, DeathInFsyncIsFailureForSurvivors) {
  auto both = *OpenBoth(home_.path());
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
  EXPECT_EQ(DiskText(home_.Below("pages.db"), 4), "put");
}

TEST_F(FsyncTest, DeathInFsyncIsFailureForAdopter) {
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  auto both = *OpenBoth(home_.path());
  EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(both.Close(), IsOk());
  // The last Close and Remove report the error, too.
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "pages.db"));
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  ASSERT_NO_FATAL_FAILURE(DieInFsync(5));
  auto env = *DbEnv::Open(home_.path());
  EXPECT_THAT(env->Close(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_THAT(env->Close(), IsOk());
}

TEST_F(FsyncTest, DeathInLargeFsyncStaysKnown) {
  auto both = *OpenBoth(home_.path());
  ASSERT_NO_FATAL_FAILURE(DieInFsync(400));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(both.file->Sync(),
                Fails(StatusCode::kDataLoss, "had left the pool"));
  }
}

// If another file reused the entry, the error of the first file would be lost.
TEST_F(FsyncTest, EntryWithErrorIsNotReused) {
  auto env = Open();
  PutAndClose(*env, "first.db");
  fsync_errors = {EIO};
  fsync_is_real = false;
  for (uint32_t i = 0; i < kMaxFiles; ++i) {
    PutAndClose(*env, absl::StrCat("f", i), 512);
  }
  EXPECT_THAT(env->Sync(), Fails(StatusCode::kDataLoss, "first.db"));
}

// A new page size gives the entry a new generation, and no error is lost.
TEST_F(FsyncTest, OpenWithOtherPageSizeKeepsError) {
  auto env = Open();
  PutAndClose(*env, "a.db");
  auto half = env->OpenFile("a.db", {.page_size = 2048});
  ASSERT_THAT(half, IsOk());
  EXPECT_EQ(Unsynced(), 0u);
  ASSERT_THAT(PutText(**half, 0, "half"), IsOk());
  ASSERT_THAT((*half)->Close(), IsOk());
  fsync_errors = {EIO};
  EXPECT_THAT(env->OpenFile("a.db"), Fails(StatusCode::kUnavailable, "a.db",
                                           "could not be synced"));
  EXPECT_TRUE(fsync_errors.empty());
  EXPECT_THAT(env->Sync(), Fails(StatusCode::kDataLoss, "a.db"));
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_THAT(env->OpenFile("a.db"), IsOk());
}

// The kernel may forget the write of a process that is gone.
TEST_F(FsyncTest, DeadWritersPagesAreRewritten) {
  for (const bool survives : {true, false}) {
    SCOPED_TRACE(survives);
    std::unique_ptr<DbEnv> env;
    if (survives) env = Open();
    Child other([&](Channel&) -> std::string {
      auto both = *OpenBoth(home_.path());
      for (PageNo page = 0; page < 5; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
      }
      EXPECT_THAT(both.file->Close(), IsOk());
      EXPECT_EQ(both.env->Stats().frames_dirty, 0u);
      ::raise(SIGKILL);
      return "";
    });
    EXPECT_EQ(other.End(), test::kKilled);
    if (!survives) env = Open();
    EXPECT_THAT(env->FailCheck(), IsOk());
    EXPECT_EQ(env->Stats().frames_dirty, 5u);
    const uint64_t before = env->Stats().pages_written;
    EXPECT_THAT(env->Sync(), IsOk());
    EXPECT_EQ(env->Stats().pages_written, before + 5);
    EXPECT_EQ(Unsynced(), 0u);
    EXPECT_THAT(env->Close(), IsOk());
    // The mark of the suspect is off: the kernel's cache is not dropped.
    os::Sys().fadvise = [](int, off_t, off_t, int) {
      ADD_FAILURE() << "fadvise";
      return 0;
    };
    auto both = *OpenBoth(home_.path());
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.file->Sync(), IsOk());
    os::Sys().fadvise = os::RealSyscalls().fadvise;
  }
}

// The Sync has looked for dirty pages already.
TEST_F(FsyncTest, WriterDeathDuringSyncIsNoticed) {
  auto env = Open();
  static Child* writer;
  Child other([&](Channel& parent) -> std::string {
    auto both = *OpenBoth(home_.path());
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.file->Close(), IsOk());
    parent.Say("put");
    return parent.Hear();
  });
  writer = &other;
  ASSERT_EQ(other.Hear(), "put");
  const uint64_t before = env->Stats().pages_written;
  os::Sys().open = [](const char* path, int flags, mode_t mode) {
    if (writer != nullptr) std::exchange(writer, nullptr)->Kill();
    return os::RealSyscalls().open(path, flags, mode);
  };
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(writer, nullptr);
  EXPECT_EQ(env->Stats().pages_written, before + 1);
  EXPECT_EQ(Unsynced(), 0u);
}

// An fsync of another process began before the writes of this one.
TEST_F(FsyncTest, ALeaverWaitsForAnotherFsync) {
  auto env = Open();
  auto held = *env->OpenFile("a.db", {.create = true});
  Child other([&](Channel& parent) -> std::string {
    static Channel* const channel = &parent;
    auto mine = *OpenBoth(home_.path(), SmallEnv(), "a.db");
    EXPECT_THAT(PutText(*mine.file, 0, "theirs"), IsOk());
    os::Sys().fsync = [](int fd) -> int {
      channel->Say("in");
      channel->Hear();
      return os::RealSyscalls().fsync(fd);
    };
    parent.Say(mine.file->Sync().ToString());
    return parent.Hear();
  });
  ASSERT_EQ(other.Hear(), "in");
  ASSERT_THAT(PutText(*held, 1, "mine"), IsOk());
  EXPECT_THAT(held->Close(), IsOk());
  auto evictor = *env->OpenFile("other.db", {.create = true});
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_THAT(PutText(*evictor, page, "other"), IsOk());
  }
  ASSERT_THAT(evictor->Close(), IsOk());
  ASSERT_NE(Unsynced(), 0u);
  std::thread later([&] {
    os::Sleep(absl::Milliseconds(50));
    other.Say("go");
  });
  EXPECT_THAT(env->Close(), IsOk());
  later.join();
  EXPECT_EQ(Unsynced(), 0u);
  EXPECT_EQ(other.Hear(), "OK");
  other.Say("end");
  EXPECT_EQ(other.End(), "end");
}

// A Sync of another process waits for the running fsync and returns its
// outcome.
TEST_F(FsyncTest, SecondFsyncLearnsOfFirstsFailure) {
  auto both = *OpenBoth(home_.path());
  Child other([&](Channel& parent) -> std::string {
    static Channel* const channel = &parent;
    auto mine = *OpenBoth(home_.path());
    EXPECT_THAT(PutText(*mine.file, 0, "put"), IsOk());
    os::Sys().fsync = [](int) -> int {
      channel->Say("in");
      channel->Hear();
      ::raise(SIGKILL);
      return -1;
    };
    return mine.file->Sync().ToString();
  });
  ASSERT_EQ(other.Hear(), "in");
  SyncOptions try_it;
  try_it.wait = absl::ZeroDuration();
  EXPECT_THAT(both.env->Sync(try_it),
              Fails(StatusCode::kDeadlineExceeded, "pages.db",
                    absl::StrCat("process ", other.pid())));
  other.Say("die");
  EXPECT_THAT(both.env->Sync(), Fails(StatusCode::kDataLoss, "pages.db"));
  EXPECT_EQ(other.End(), test::kKilled);
  EXPECT_THAT(both.env->Sync(), IsOk());
}

}  // namespace
}  // namespace mpool
