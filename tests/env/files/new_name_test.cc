// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// new_name_test.cc - the name of a created file survives a power loss after
// Sync or the last Close: its directory was fsynced, by any process.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "os/syscalls.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::Fails;
using test::IsOk;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

std::map<ino_t, int> directory_syncs;
int directory_error;
int file_system_syncs;

int CountedFsync(int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    if (directory_error != 0) {
      errno = directory_error;
      return -1;
    }
    ++directory_syncs[info.st_ino];
  }
  return os::RealSyscalls().fsync(fd);
}

class NewNameTest : public ::testing::Test {
 protected:
  NewNameTest() {
    directory_syncs.clear();
    directory_error = 0;
    file_system_syncs = 0;
    os::Sys().fsync = CountedFsync;
    os::Sys().syncfs = [](int) {
      ++file_system_syncs;
      return 0;
    };
  }
  ~NewNameTest() override { os::Sys() = os::RealSyscalls(); }

  // Opens the environment. Closing it syncs nothing.
  std::unique_ptr<DbEnv> Open() const {
    EnvOptions options = SmallEnv();
    options.sync_on_last_close = false;
    return *DbEnv::Open(home_.path(), options);
  }
  static std::unique_ptr<MPoolFile> Make(DbEnv& env, const std::string& name) {
    return *env.OpenFile(name, {.create = true});
  }
  int SyncsOf(const std::string& directory) const {
    struct stat info = {};
    EXPECT_EQ(::stat(directory.c_str(), &info), 0);
    return directory_syncs[info.st_ino];
  }
  int SyncsOfHome() const { return SyncsOf(home_.path()); }

  const TempHome home_;
};

TEST_F(NewNameTest, FirstSyncFsyncsDirectoryOnce) {
  const auto env = Open();
  const auto file = Make(*env, "new.db");
  ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
  EXPECT_EQ(SyncsOfHome(), 0);
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 1);
  ASSERT_THAT(PutText(*file, 0, "again"), IsOk());
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 1);
}

TEST_F(NewNameTest, EmptyFileIsSyncedToo) {
  const auto env = Open();
  const auto file = Make(*env, "new.db");
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 1);
}

TEST_F(NewNameTest, FileThatExistedNeedsNoFsync) {
  test::MakeFile(home_.Below("old.db"), std::string(4096, 'x'));
  const auto env = Open();
  const auto file = Make(*env, "old.db");
  ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 0);
}

TEST_F(NewNameTest, LastCloseFsyncsEachDirectory) {
  const std::string below = home_.Below("below");
  fs::create_directory(below);
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  Make(*env, "new.db").reset();
  Make(*env, "below/new.db").reset();
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 1);
  EXPECT_EQ(SyncsOf(below), 1);
}

TEST_F(NewNameTest, RenamedFileIsSyncedWhereItIs) {
  const std::string below = home_.Below("below");
  fs::create_directory(below);
  const auto env = Open();
  const auto file = Make(*env, "new.db");
  ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
  fs::rename(home_.Below("new.db"), below + "/new.db");
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(SyncsOf(below), 1);
}

TEST_F(NewNameTest, RemovedFileNeedsNoFsync) {
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  auto open = Make(*env, "open.db");
  Make(*env, "closed.db").reset();
  fs::remove(home_.Below("open.db"));
  fs::remove(home_.Below("closed.db"));
  EXPECT_THAT(open->Sync(), IsOk());
  EXPECT_THAT(env->Sync(), IsOk());
  open.reset();
  EXPECT_THAT(env->Close(), IsOk());
}

TEST_F(NewNameTest, FailedFsyncIsRepeated) {
  const auto env = Open();
  const auto file = Make(*env, "new.db");
  ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
  directory_error = EIO;
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(file->Sync(), Fails(StatusCode::kDataLoss, "new.db", "name"));
  }
  directory_error = EINTR;
  EXPECT_THAT(file->Sync(), Fails(StatusCode::kUnavailable, "new.db"));
  directory_error = 0;
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 1);
}

TEST_F(NewNameTest, DirectoryWithoutFsyncSyncsFileSystem) {
  const auto env = Open();
  const auto file = Make(*env, "new.db");
  directory_error = EINVAL;
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(file_system_syncs, 1);
}

TEST_F(NewNameTest, AnotherProcessSyncsNameOfTheDead) {
  const auto env = Open();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto file = Make(*env, "new.db");
              EXPECT_THAT(PutText(*file, 0, "put"), IsOk());
              ::kill(::getpid(), SIGKILL);
              return "lives";
            }),
            test::kKilled);
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 1);
}

// The region is adopted with the word in the file's entry.
TEST_F(NewNameTest, NextOpenerSyncsName) {
  {
    const auto env = Open();
    Make(*env, "new.db").reset();
  }
  EXPECT_EQ(SyncsOfHome(), 0);
  EXPECT_THAT(Open()->Sync(), IsOk());
  EXPECT_EQ(SyncsOfHome(), 1);
}

#ifdef MPOOL_STEPS
// Kills the process that makes the file, or that syncs the name.
TEST_F(NewNameTest, DeathAtAnyStepLosesNoName) {
  int round = 0;
  for (const char* prefix : {"mpool.file.", "mpool.sync.name",
                             "mpool.fsync.mark", "mpool.fsync.end"}) {
    for (const std::string& step : test::StepNames(prefix)) {
      SCOPED_TRACE(step);
      const std::string name = std::to_string(round++) + ".db";
      const auto env = Open();
      const std::string end = test::InChild([&]() -> std::string {
        os::KillAtStep(step, 1);
        auto file = Make(*env, name);
        EXPECT_THAT(file->Sync(), IsOk());
        return "lives";
      });
      if (end == "lives") continue;
      EXPECT_EQ(end, test::kKilled);
      directory_syncs.clear();
      const auto file = Make(*env, name);
      // The fsync of a dead process counts as failed.
      if (!file->Sync().ok()) {
        EXPECT_THAT(file->Sync(), IsOk());
      }
      const bool was_synced = step == "mpool.sync.named" ||
                              step.find(".end") != step.npos ||
                              step.find(".close") != step.npos;
      if (!was_synced) {
        EXPECT_EQ(SyncsOfHome(), 1);
      }
    }
  }
}
#endif

}  // namespace
}  // namespace mpool
