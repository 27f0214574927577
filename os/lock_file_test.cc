// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/lock_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <thread>

#include "os/directory.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

using ::testing::HasSubstr;

constexpr char kName[] = "register";

// Set by the replaced lock call before a thread waits for a lock.
std::atomic<uint32_t> waiting;

int AnnounceWait(int fd, int command, struct flock* lock) {
  if (command == F_OFD_SETLKW) {
    waiting.store(1);
    FutexWakeAll(&waiting);
  }
  return RealSyscalls().fcntl_lock(fd, command, lock);
}

void AwaitWaiter() {
  while (waiting.load() == 0) {
    FutexWait(&waiting, 0, absl::InfiniteDuration());
  }
}

class LockFileTest : public SyscallTest {
 protected:
  LockFileTest() : file_(*LockFile::Open(temp_.dir(), kName, true, 0600)) {
    waiting.store(0);
  }

  // Returns the state of the byte as another process sees it.
  std::string SeenByOthers(uint64_t byte) const {
    return InChild([&]() -> std::string {
      const auto lock = file_.TryLock(byte);
      if (!lock.ok()) return lock.status().ToString();
      return lock->held() ? "free" : "held";
    });
  }

  TempDir temp_;
  LockFile file_;
};

TEST_F(LockFileTest, LockExcludesAnotherProcess) {
  EXPECT_EQ(SeenByOthers(3), "free");
  ByteLock lock = *file_.Lock(3);
  EXPECT_TRUE(lock.held());
  EXPECT_EQ(SeenByOthers(3), "held");
  EXPECT_EQ(SeenByOthers(2), "free");
  EXPECT_EQ(SeenByOthers(4), "free");
  lock.Drop();
  EXPECT_FALSE(lock.held());
  EXPECT_EQ(SeenByOthers(3), "free");
}

TEST_F(LockFileTest, LockExcludesTheSameProcess) {
  ByteLock lock = *file_.Lock(3);
  EXPECT_FALSE(file_.TryLock(3)->held());
  EXPECT_TRUE(file_.TryLock(4)->held());
  const LockFile again = *LockFile::Open(temp_.dir(), kName, false, 0600);
  EXPECT_FALSE(again.TryLock(3)->held());
  lock.Drop();
  EXPECT_TRUE(again.TryLock(3)->held());
}

TEST_F(LockFileTest, LockWaitsUntilTheHolderDrops) {
  ByteLock first = *file_.Lock(0);
  Sys().fcntl_lock = AnnounceWait;
  std::atomic<bool> granted{false};
  std::thread second([&] {
    const auto lock = file_.Lock(0);
    granted.store(lock.ok() && lock->held());
  });
  AwaitWaiter();
  EXPECT_FALSE(granted.load());
  first.Drop();
  second.join();
  EXPECT_TRUE(granted.load());
}

TEST_F(LockFileTest, ProbeSeesTheOwnLock) {
  EXPECT_EQ(*file_.FindHeld(0, 100), std::nullopt);
  const ByteLock lock = *file_.Lock(7);
  EXPECT_EQ(*file_.FindHeld(0, 100), 7u);
  EXPECT_EQ(*file_.FindHeld(7, 1), 7u);
  EXPECT_EQ(*file_.FindHeld(0, 7), std::nullopt);
  EXPECT_EQ(*file_.FindHeld(8, 100), std::nullopt);
}

TEST_F(LockFileTest, ProbeFindsFirstHeldByte) {
  const ByteLock middle = *file_.Lock(50);
  const ByteLock last = *file_.Lock(90);
  const ByteLock first = *file_.Lock(10);
  EXPECT_EQ(*file_.FindHeld(0, 100), 10u);
  EXPECT_EQ(*file_.FindHeld(11, 100), 50u);
  EXPECT_EQ(*file_.FindHeld(51, 40), 90u);
  EXPECT_EQ(*file_.FindHeld(51, 39), std::nullopt);
}

TEST_F(LockFileTest, ProbeOfNoBytesFindsNothing) {
  const ByteLock lock = *file_.Lock(7);
  EXPECT_EQ(*file_.FindHeld(7, 0), std::nullopt);
}

TEST_F(LockFileTest, FailedTryLeavesTheOtherLockAlone) {
  const ByteLock lock = *file_.Lock(7);
  EXPECT_FALSE(file_.TryLock(7)->held());
  EXPECT_EQ(SeenByOthers(7), "held");
}

TEST_F(LockFileTest, NoFdStaysOpen) {
  const auto open_fds = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = open_fds();
  const ByteLock lock = *file_.Lock(7);
  EXPECT_FALSE(file_.TryLock(7)->held());
  EXPECT_EQ(open_fds(), before);
}

TEST_F(LockFileTest, MovingKeepsTheLock) {
  ByteLock lock = *file_.Lock(7);
  ByteLock moved = std::move(lock);
  EXPECT_FALSE(lock.held());  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(moved.held());
  moved = *file_.Lock(8);
  EXPECT_EQ(*file_.FindHeld(0, 100), 8u);
}

TEST_F(LockFileTest, LockSurvivesClosingEveryFd) {
  Shared shared;
  Child holder([&] {
    const auto lock = file_.Lock(7);
    if (!lock.ok() || ::close_range(3, ~0u, 0) != 0) ::_exit(1);
    // The holder can still probe. Its fd of the directory is closed, and the
    // fd's number may belong to another directory.
    const auto alone = file_.FindHeld(0, 100);
    const int other = ::open("/", O_RDONLY | O_DIRECTORY);
    const bool same_number =
        ::dup2(other, temp_.dir().fd()) == temp_.dir().fd();
    const auto reused = file_.FindHeld(0, 100);
    const bool sees = alone.ok() && *alone == 7u && reused.ok() &&
                      *reused == 7u && same_number;
    shared.Set(0, sees ? 1 : 2);
    shared.Await(1);
  });
  shared.Await(0);
  EXPECT_EQ(shared.word(0).load(), 1u);
  EXPECT_EQ(*file_.FindHeld(0, 100), 7u);
  shared.Set(1);
  EXPECT_EQ(holder.Wait(), 0);
  EXPECT_EQ(*file_.FindHeld(0, 100), std::nullopt);
}

TEST_F(LockFileTest, AnotherDirectoryUnderTheNameIsRefused) {
  std::filesystem::create_directory(temp_.Below("d"));
  File dir = *File::OpenDirectory(temp_.Below("d"));
  const LockFile file = *LockFile::Open(dir, kName, true, 0600);
  dir.Close();
  std::filesystem::rename(temp_.Below("d"), temp_.Below("e"));
  std::filesystem::create_directory(temp_.Below("d"));
  EXPECT_TRUE(absl::IsFailedPrecondition(file.FindHeld(0, 1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(file.TryLock(0).status()));
  EXPECT_FALSE(std::filesystem::exists(temp_.Below("d/register")));
}

TEST_F(LockFileTest, KillFreesLockDespiteForkedChild) {
  Shared shared;
  Child holder([&] {
    const auto lock = file_.Lock(7);
    if (!lock.ok()) ::_exit(1);
    const pid_t survivor = ::fork();
    if (survivor == 0) {
      shared.Set(0);
      shared.Await(1);
      shared.Set(2);
      ::_exit(0);
    }
    shared.Await(1);
  });
  shared.Await(0);
  EXPECT_EQ(*file_.FindHeld(0, 100), 7u);
  EXPECT_TRUE(WIFSIGNALED(holder.Kill()));
  EXPECT_EQ(*file_.FindHeld(0, 100), std::nullopt);
  EXPECT_TRUE(file_.TryLock(7)->held());
  EXPECT_EQ(shared.word(2).load(), 0u);
  shared.Set(1);
  shared.Await(2);
}

TEST_F(LockFileTest, ForkedChildKeepsNoUnfinishedLock) {
  ByteLock first = *file_.Lock(0);
  Sys().fcntl_lock = AnnounceWait;
  std::thread second([&] { EXPECT_TRUE(file_.Lock(0)->held()); });
  AwaitWaiter();
  Shared shared;
  Child child([&] {
    shared.Set(1);
    shared.Await(0);
  });
  shared.Await(1);
  first.Drop();
  second.join();  // it acquired the lock and dropped it
  EXPECT_EQ(*file_.FindHeld(0, 1), std::nullopt);
  shared.Set(0);
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(LockFileTest, ForkedChildTakesOwnLocks) {
  ByteLock mine = *file_.Lock(1);
  EXPECT_EQ(InChild([&]() -> std::string {
              mine.Forget();
              if (mine.held()) return "not forgotten";
              if (file_.TryLock(1)->held()) return "took the parent's";
              if (!file_.TryLock(2)->held()) return "refused";
              return "";
            }),
            "");
  EXPECT_EQ(*file_.FindHeld(0, 10), 1u);
}

TEST_F(LockFileTest, ForgetMakesNoCall) {
  static int unmaps;
  unmaps = 0;
  ByteLock lock = *file_.Lock(1);
  EXPECT_EQ(InChild([&] {
              Sys().munmap = [](void*, size_t) { return ++unmaps; };
              lock.Forget();
              lock.Drop();
              return absl::StrCat(unmaps);
            }),
            "0");
}

TEST_F(LockFileTest, UnmakeRemovesUnusedFile) {
  const auto is_there = [&] { return InfoAt(temp_.dir(), kName).ok(); };
  const auto yes = [] { return true; };
  LockFile::Open(temp_.dir(), kName, true, 0600, yes)->Unmake();
  EXPECT_TRUE(is_there()) << "made by another";
  ASSERT_TRUE(UnlinkAt(temp_.dir(), kName).ok());
  {
    LockFile maker = *LockFile::Open(temp_.dir(), kName, true, 0600, yes);
    const ByteLock lock = *maker.Lock(5);
    maker.Unmake();
    EXPECT_TRUE(is_there()) << "locked";
  }
  for (const bool unused : {false, true}) {
    ASSERT_TRUE(UnlinkAt(temp_.dir(), kName).ok());
    LockFile maker = *LockFile::Open(temp_.dir(), kName, true, 0600, [&] {
      Sys() = RealSyscalls();
      EXPECT_EQ(InChild([&] {
                  const auto lock =
                      LockFile::Open(temp_.dir(), kName, false, 0600)
                          ->TryLock(0);
                  return lock->held() ? "free" : "held";
                }),
                "held");
      return unused;
    });
    // `unused` is called while no other process can join, and Unmake needs no
    // fd.
    Sys().openat = [](int, const char*, int, mode_t) {
      errno = EMFILE;
      return -1;
    };
    maker.Unmake();
    EXPECT_EQ(is_there(), !unused);
  }
}

TEST_F(LockFileTest, FailedOpenRemovesItsFile) {
  ASSERT_TRUE(UnlinkAt(temp_.dir(), kName).ok());
  static int directory;
  directory = temp_.dir().fd();
  Sys().statx = [](int dir, const char* path, int flags, unsigned mask,
                   struct statx* out) {
    if (dir == directory && *path == '\0') {
      errno = ENOMEM;
      return -1;
    }
    return RealSyscalls().statx(dir, path, flags, mask, out);
  };
  const auto failed =
      LockFile::Open(temp_.dir(), kName, true, 0600, [] { return true; });
  Sys() = RealSyscalls();
  EXPECT_THAT(failed.status().message(), HasSubstr("ENOMEM"));
  EXPECT_THAT(InfoAt(temp_.dir(), kName).status().code(),
              absl::StatusCode::kNotFound);
}

TEST_F(LockFileTest, ExecEndsTheLock) {
  int to_child[2];
  int from_child[2];
  ASSERT_EQ(::pipe2(to_child, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(from_child, O_CLOEXEC), 0);
  Shared shared;
  Child holder([&] {
    const auto lock = file_.Lock(7);
    if (!lock.ok()) ::_exit(1);
    shared.Set(0);
    shared.Await(1);
    ::dup2(to_child[0], STDIN_FILENO);
    ::dup2(from_child[1], STDOUT_FILENO);
    ::execl("/bin/cat", "cat", nullptr);
    ::_exit(1);
  });
  shared.Await(0);
  EXPECT_EQ(*file_.FindHeld(0, 100), 7u);
  shared.Set(1);
  // Only the program started by exec answers.
  char answer = 0;
  ASSERT_EQ(::write(to_child[1], "x", 1), 1);
  ASSERT_EQ(::read(from_child[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'x');
  EXPECT_EQ(*file_.FindHeld(0, 100), std::nullopt);
  for (const int fd :
       {to_child[0], to_child[1], from_child[0], from_child[1]}) {
    ::close(fd);
  }
}

TEST_F(LockFileTest, LockOfAReplacedFileStartsOver) {
  ByteLock old = *file_.Lock(0);
  Sys().fcntl_lock = AnnounceWait;
  Shared shared;
  std::thread waiter([&] {
    const auto lock = file_.Lock(0);
    shared.Set(0, lock.ok() && lock->held() ? 1 : 2);
    shared.Await(1);
  });
  AwaitWaiter();
  const File fresh =
      *File::OpenAt(temp_.dir(), "new", {.create = true, .exclusive = true});
  ASSERT_TRUE(RenameAt(temp_.dir(), "new", kName).ok());
  EXPECT_EQ(*file_.FindHeld(0, 1), std::nullopt);  // of the new file
  old.Drop();
  shared.Await(0);
  EXPECT_EQ(shared.word(0).load(), 1u);
  EXPECT_EQ(*file_.FindHeld(0, 1), 0u);
  shared.Set(1);
  waiter.join();
}

TEST_F(LockFileTest, LockMakesARemovedFileAgain) {
  ASSERT_TRUE(UnlinkAt(temp_.dir(), kName).ok());
  EXPECT_TRUE(absl::IsNotFound(file_.FindHeld(0, 1).status()));
  const ByteLock lock = *file_.Lock(0);
  EXPECT_EQ(*file_.FindHeld(0, 1), 0u);
}

TEST_F(LockFileTest, RemovedFileWithoutCreateIsNotFound) {
  const LockFile file = *LockFile::Open(temp_.dir(), kName, false, 0600);
  ASSERT_TRUE(UnlinkAt(temp_.dir(), kName).ok());
  EXPECT_TRUE(absl::IsNotFound(file.Lock(0).status()));
  EXPECT_TRUE(absl::IsNotFound(
      LockFile::Open(temp_.dir(), kName, false, 0600).status()));
  EXPECT_FALSE(std::filesystem::exists(temp_.Below(kName)));
}

TEST_F(LockFileTest, CreatedFileHasExactPermissions) {
  for (const mode_t mask : {0077u, 0000u}) {
    const ScopedUmask umask(mask);
    const std::string name = absl::StrCat("exact", mask);
    ASSERT_TRUE(LockFile::Open(temp_.dir(), name, true, 0660).ok());
    EXPECT_EQ(InfoAt(temp_.dir(), name)->mode & 07777, 0660u);
  }
}

TEST_F(LockFileTest, ReadersOfTheFileMayProbe) {
  const ByteLock lock = *file_.Lock(7);
  static int write_opens;
  write_opens = 0;
  Sys().openat = [](int dir, const char* path, int flags, mode_t mode) {
    if ((flags & O_ACCMODE) != O_RDONLY) ++write_opens;
    return RealSyscalls().openat(dir, path, flags, mode);
  };
  EXPECT_EQ(*file_.FindHeld(0, 100), 7u);
  EXPECT_EQ(write_opens, 0);
}

TEST_F(LockFileTest, KernelWithoutLocksGivesClearError) {
  Sys().fcntl_lock = [](int, int, struct flock*) {
    errno = EINVAL;
    return -1;
  };
  for (const absl::Status& status :
       {file_.Lock(0).status(), file_.TryLock(0).status(),
        file_.FindHeld(0, 1).status()}) {
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(Message(status), HasSubstr("Linux 3.15"));
  }
}

TEST_F(LockFileTest, LockInheritedByChildIsRefused) {
  Sys().madvise = [](void*, size_t, int) {
    errno = EINVAL;
    return -1;
  };
  EXPECT_TRUE(absl::IsInvalidArgument(file_.Lock(0).status()));
  EXPECT_EQ(*file_.FindHeld(0, 1), std::nullopt);
}

TEST_F(LockFileTest, WaitIsRepeatedAfterASignal) {
  static int interruptions;
  interruptions = 2;
  Sys().fcntl_lock = [](int fd, int command, struct flock* lock) {
    if (interruptions > 0) {
      --interruptions;
      errno = EINTR;
      return -1;
    }
    return RealSyscalls().fcntl_lock(fd, command, lock);
  };
  EXPECT_TRUE(file_.Lock(0)->held());
  EXPECT_EQ(interruptions, 0);
}

}  // namespace
}  // namespace mpool::os
