// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// program_locks_test.cc - the program's own locks on its page files: mpool
// neither drops nor disturbs them. They do not disable the guard against two
// environments.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/claims.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::Child;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

struct flock WholeFile(short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

// The kinds of lock that a program may have on a whole file.
struct Kind {
  const char* name;
  int (*take)(int fd);
};
const Kind kKinds[] = {
    {"Record",
     [](int fd) {
       struct flock lock = WholeFile(F_WRLCK);
       return ::fcntl(fd, F_SETLK, &lock);
     }},
    {"Lockf", [](int fd) { return ::lockf(fd, F_TLOCK, 0); }},
    {"Description",
     [](int fd) {
       struct flock lock = WholeFile(F_WRLCK);
       return ::fcntl(fd, F_OFD_SETLK, &lock);
     }},
    {"Flock", [](int fd) { return ::flock(fd, LOCK_EX | LOCK_NB); }},
};

// Returns true if another process finds a lock of this kind.
bool IsLocked(const std::string& path, const Kind& kind) {
  return test::InChild([&]() -> std::string {
           const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
           return kind.take(fd) == 0 ? "free" : "locked";
         }) == "locked";
}

class ProgramLocksTest : public ::testing::TestWithParam<Kind> {
 protected:
  ProgramLocksTest() : path_(home_.Below("x.db")) {
    auto both = *OpenBoth(home_.path(), SmallEnv(), "x.db");
    for (PageNo page = 0; page < 60; ++page) {
      EXPECT_THAT(PutText(*both.file, page, "old"), IsOk());
    }
    EXPECT_THAT(both.Close(), IsOk());
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~ProgramLocksTest() override { ::close(fd_); }

  void Take() { ASSERT_EQ(GetParam().take(fd_), 0) << strerror(errno); }
  void ExpectLocked(const char* after) {
    EXPECT_TRUE(IsLocked(path_, GetParam())) << after;
  }
  // Runs a process that dies with dirty pages of the file.
  static void LeaveDirty(const std::string& home, const std::string& name) {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto both = *OpenBoth(home, SmallEnv(), name);
                for (PageNo page = 0; page < 40; ++page) {
                  EXPECT_THAT(PutText(*both.file, page, "dirty"), IsOk());
                }
                ::raise(SIGKILL);
                return "";
              }),
              test::kKilled);
  }
  // Causes so many misses that every other page is evicted.
  static void Evict(MPoolFile& other) {
    for (PageNo page = 0; page < 600; ++page) {
      EXPECT_THAT(PutText(other, page, "other"), IsOk());
    }
  }

  TempHome home_;
  const std::string path_;
  int fd_ = -1;
};
INSTANTIATE_TEST_SUITE_P(All, ProgramLocksTest, ::testing::ValuesIn(kKinds),
                         [](const auto& test) {
                           return std::string(test.param.name);
                         });

TEST_P(ProgramLocksTest, StayUntilTheLastHandleIsClosed) {
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  auto other = *env->OpenFile("other.db", {.create = true});
  auto file = *env->OpenFile(path_);
  Take();
  auto second = *env->OpenFile(path_);
  ExpectLocked("second handle");
  EXPECT_THAT(env->OpenFile(path_, {.page_size = 8192}),
              Fails(StatusCode::kInvalidArgument));
  ExpectLocked("refused handle");
  ASSERT_THAT(PutText(*file, 0, "new"), IsOk());
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_THAT(second->Close(), IsOk());
  ExpectLocked("close of the second handle");
  ASSERT_THAT(PutText(*file, 0, "newer"), IsOk());
  Evict(*other);
  EXPECT_THAT(env->Sync(), IsOk());
  ExpectLocked("eviction and Sync");
  auto reader = *env->OpenFile(path_, {.read_only = true});
  EXPECT_THAT(reader->Close(), IsOk());
  ExpectLocked("reading handle");
}

TEST_P(ProgramLocksTest, StayThroughAReadingHandle) {
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  auto other = *env->OpenFile("other.db", {.create = true});
  auto file = *env->OpenFile(path_, {.read_only = true});
  Take();
  LeaveDirty(home_.path(), "x.db");
  Evict(*other);
  ExpectLocked("eviction of pages that a dead process put");
  auto writer = env->OpenFile(path_);
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT((*writer)->Close(), IsOk());
  ExpectLocked("a writing handle beside it");
  // Read the disk last, because this closes a descriptor of the file.
  EXPECT_EQ(test::DiskText(path_, 39), "dirty");
}

TEST_P(ProgramLocksTest, StayWhenAnotherFilesNameLeadsHere) {
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  auto other = *env->OpenFile("other.db", {.create = true});
  auto file = *env->OpenFile(path_);
  Take();
  LeaveDirty(home_.path(), "gone.db");
  fs::remove(home_.Below("gone.db"));
  fs::create_hard_link(path_, home_.Below("gone.db"));
  os::ForbidHandles();
  for (PageNo page = 0; page < 300; ++page) {
    PutText(*other, page, "other").IgnoreError();
  }
  EXPECT_FALSE(env->Sync().ok());
  os::Sys() = os::RealSyscalls();
  ExpectLocked("write-back of a file whose name this one has");
  EXPECT_EQ(test::DiskText(path_, 0), "old");
}

TEST_P(ProgramLocksTest, StayWhenAnotherEnvironmentUsesTheFile) {
  const TempHome elsewhere;
  LeaveDirty(elsewhere.path(), path_);
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  auto file = *env->OpenFile(path_, {.read_only = true});
  Take();
  EXPECT_FALSE(DbEnv::Remove(elsewhere.path()).ok());
  ExpectLocked("refused Remove of an environment with pages of the file");
  EXPECT_THAT(DbEnv::Remove(elsewhere.path(), /*force=*/true), IsOk());
  auto there = *DbEnv::Open(elsewhere.path(), SmallEnv());
  EXPECT_FALSE(there->OpenFile(path_).ok());
  ExpectLocked("refused handle of another environment");
  {
    auto reader = *there->OpenFile(path_, {.read_only = true});
    EXPECT_EQ(GetText(*reader, 0), "old");
  }
  ExpectLocked("closed handle of another environment");
  there = nullptr;
  ExpectLocked("closed environment");
}

TEST_P(ProgramLocksTest, AreGrantedWhileAFileIsOpen) {
  auto both = *OpenBoth(home_.path(), SmallEnv(), "x.db");
  Take();
  ASSERT_THAT(PutText(*both.file, 0, "new"), IsOk());
  EXPECT_THAT(both.Close(), IsOk());
}

TEST_P(ProgramLocksTest, DoNotSwitchOffTheGuard) {
  Take();
  auto both = *OpenBoth(home_.path(), SmallEnv(), "x.db");
  const TempHome elsewhere;
  auto env = *DbEnv::Open(elsewhere.path(), SmallEnv());
  EXPECT_THAT(env->OpenFile(path_), Fails(StatusCode::kFailedPrecondition,
                                          "another environment"));
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto own = *DbEnv::Open(elsewhere.path(), SmallEnv());
              return own->OpenFile(path_).status().ok() ? "open" : "refused";
            }),
            "refused");
  EXPECT_THAT(both.file->Close(), IsOk());
  EXPECT_THAT(env->OpenFile(path_), IsOk());
}

// A process that writes back another's pages claims the file only during the
// write.
TEST(ClaimTest, ClosedFileOpensInAnotherEnvironment) {
  const TempHome home;
  const TempHome elsewhere;
  auto env = *DbEnv::Open(home.path(), SmallEnv());
  auto other = *env->OpenFile("other.db", {.create = true});
  Child writer([&](test::Channel& parent) -> std::string {
    auto mine = *OpenBoth(home.path(), SmallEnv(), "x.db");
    EXPECT_THAT(PutText(*mine.file, 0, "put"), IsOk());
    parent.Say("put");
    parent.Hear();
    return mine.Close().ToString();
  });
  ASSERT_EQ(writer.Hear(), "put");
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_THAT(PutText(*other, page, "other"), IsOk());
  }
  EXPECT_EQ(test::DiskText(home.Below("x.db"), 0), "put");
  writer.Say("close");
  EXPECT_EQ(writer.End(), "OK");
  auto there = *DbEnv::Open(elsewhere.path(), SmallEnv());
  EXPECT_THAT(there->OpenFile(home.Below("x.db")), IsOk());
}

// The claim stays with a process that loses the right to read the directory.
TEST(ClaimTest, UnreadableDirectoryKeepsClaims) {
  if (::geteuid() != 0) return;  // needs a second user
  const TempHome home;
  const TempHome elsewhere;
  const TempHome files;
  test::MakeFile(files.Below("x.db"), std::string(4096, 'i'));
  ASSERT_EQ(::chmod(files.path().c_str(), 0777), 0);
  for (const std::string& path :
       {home.path(), elsewhere.path(), files.Below("x.db")}) {
    ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  }
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_EQ(::setresuid(65534, 65534, 0), 0);
              auto env = *DbEnv::Open(home.path(), SmallEnv());
              auto reader =
                  *env->OpenFile(files.Below("x.db"), {.read_only = true});
              EXPECT_EQ(::seteuid(0), 0);
              EXPECT_EQ(::chmod(files.path().c_str(), 0733), 0);
              EXPECT_EQ(::seteuid(65534), 0);
              auto writer = *env->OpenFile(files.Below("x.db"));
              EXPECT_EQ(::seteuid(0), 0);
              EXPECT_EQ(::chmod(files.path().c_str(), 0777), 0);
              EXPECT_EQ(::seteuid(65534), 0);
              auto there = *DbEnv::Open(elsewhere.path(), SmallEnv());
              return there->OpenFile(files.Below("x.db")).ok() ? "open"
                                                               : "refused";
            }),
            "refused");
  EXPECT_THAT(DbEnv::Remove(home.path(), true), IsOk());
  EXPECT_THAT(DbEnv::Remove(elsewhere.path(), true), IsOk());
}

// A child claims a file by the name that the file has now.
TEST(ClaimTest, ForkedChildUsesRenamedFile) {
  const TempHome home;
  const TempHome elsewhere;
  fs::create_directory(home.Below("one"));
  fs::create_directory(home.Below("two"));
  auto both = *OpenBoth(home.path(), SmallEnv(), "one/x.db");
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  for (const char* fate : {"renamed", "removed"}) {
    SCOPED_TRACE(fate);
    if (*fate == 'r' && fs::exists(home.Below("one"))) {
      fs::rename(home.Below("one/x.db"), home.Below("two/x.db"));
      fs::remove(home.Below("one"));
    } else {
      fs::remove(home.Below("two/x.db"));
    }
    const bool has_name = fs::exists(home.Below("two/x.db"));
    Child child([&](test::Channel& parent) -> std::string {
      EXPECT_EQ(GetText(*both.file, 0), "put");
      parent.Say("in");
      return parent.Hear();
    });
    EXPECT_EQ(child.Hear(), "in");
    if (has_name) {
      EXPECT_EQ(test::InChild([&]() -> std::string {
                  auto env = *DbEnv::Open(elsewhere.path(), SmallEnv());
                  return env->OpenFile(home.Below("two/x.db")).ok()
                             ? "open"
                             : "refused";
                }),
                "refused");
    }
    child.Say("end");
    EXPECT_EQ(child.End(), "end");
  }
}

// The idle children of a dead process do not keep its claims.
TEST(ClaimTest, AForkedChildKeepsNoClaim) {
  const TempHome home;
  const TempHome elsewhere;
  Child parent([&](test::Channel& channel) -> std::string {
    auto both = *OpenBoth(home.path(), SmallEnv(), "x.db");
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.file->Sync(), IsOk());
    const pid_t idle = ::fork();
    if (idle == 0) {
      // Closes the child's copy, because the test waits for the end of this
      // channel.
      for (int fd = 3; fd < 100; ++fd) {
        struct stat info = {};
        if (::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode)) ::close(fd);
      }
      ::pause();
      ::_exit(0);
    }
    channel.Say(std::to_string(idle));
    return channel.Hear();
  });
  const pid_t idle = std::stoi(parent.Hear());
  EXPECT_EQ(parent.Kill(), test::kKilled);
  auto env = *DbEnv::Open(elsewhere.path(), SmallEnv());
  EXPECT_THAT(env->OpenFile(home.Below("x.db")), IsOk());
  EXPECT_EQ(::kill(idle, SIGKILL), 0);
  ASSERT_THAT(DbEnv::Remove(home.path()), IsOk());
}

TEST(StandardStreamsTest, LibraryDescriptorsStartAtThree) {
  const TempHome home;
  for (const Backing backing :
       {Backing::kPosixShm, Backing::kFile, Backing::kSysV, Backing::kAnonymous,
        Backing::kDevZero, Backing::kHeap, Backing::kSysVPrivate}) {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                int kept[3];
                for (int fd = 0; fd < 3; ++fd) {
                  kept[fd] = ::fcntl(fd, F_DUPFD, 100);
                  ::close(fd);
                }
                std::string result = "none";
                {
                  auto both = *OpenBoth(home.path(), SmallEnv(backing));
                  EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
                  EXPECT_THAT(both.file->Sync(), IsOk());
                  auto third = both.env->OpenFile(home.Below("pages.db"));
                  for (int fd = 0; fd < 3; ++fd) {
                    if (::fcntl(fd, F_GETFD) >= 0) result = "one";
                  }
                }
                for (int fd = 0; fd < 3; ++fd) ::dup2(kept[fd], fd);
                return result;
              }),
              "none");
    ASSERT_THAT(DbEnv::Remove(home.path()), IsOk());
  }
}

}  // namespace
}  // namespace mpool
