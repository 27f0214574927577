// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// copy_on_write_test.cc - region memory in a file, on file systems that write a
// changed block in place and on copy-on-write file systems.

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/syscalls.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Fails;
using test::IsOk;
using test::SmallEnv;
using test::TempHome;
using ::testing::IsEmpty;

constexpr uint64_t kImageBytes = uint64_t{320} << 20;
constexpr PageNo kPages = 200;

// Without root no loop device can be mounted. The macro checks that.
#define MPOOL_NEEDS_ROOT()                                               \
  if (::geteuid() != 0) {                                                \
    EXPECT_NE(::mount("none", "/", nullptr, MS_PRIVATE, nullptr), 0);    \
    return;                                                              \
  }

struct Kind {
  const char* name;
  const char* mkfs;
  bool in_place;
};

class CopyOnWriteTest : public ::testing::TestWithParam<Kind> {
 protected:
  // Mounts the image in the process's own mount namespace and returns the home.
  std::string MountHome() const {
    EXPECT_THAT(test::EnterOwnMounts(), IsOk());
    EXPECT_THAT(test::MakeImage(Image(), kImageBytes, GetParam().mkfs), IsOk());
    EXPECT_THAT(test::MountImage(Image(), disk_.path()), IsOk());
    EXPECT_EQ(::mkdir(disk_.Below("home").c_str(), 0700), 0);
    return disk_.Below("home");
  }
  std::string Image() const { return files_.Below("image"); }
  // Opens a page file elsewhere because the disk of the home may be full.
  auto OpenFile(DbEnv& env) const {
    return *env.OpenFile(files_.Below("pages.db"), {.create = true});
  }
  static auto Refused() {
    return Fails(StatusCode::kFailedPrecondition, "SIGBUS", "kPosixShm",
                 "reflink=0");
  }

  test::LoopDevices devices_;
  TempHome files_;
  TempHome disk_;
};
INSTANTIATE_TEST_SUITE_P(
    Of, CopyOnWriteTest,
    ::testing::Values(Kind{"Ext4", "ext4 -q -F", true},
                      Kind{"XfsWithoutReflink", "xfs -q -f -m reflink=0", true},
                      Kind{"XfsWithReflink", "xfs -q -f -m reflink=1", false},
                      Kind{"Btrfs", "btrfs -q -f", false}),
    [](const auto& test) { return std::string(test.param.name); });

// Allocates every free block.
void FillDisk(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  off_t at = 0;
  for (off_t step = off_t{64} << 20; step >= 512; step /= 2) {
    while (::fallocate(fd, 0, at, step) == 0) at += step;
    ASSERT_EQ(errno, ENOSPC);
  }
  ::fsync(fd);
  ::close(fd);
}

// Clones a file as cp --reflink does.
void Reflink(const std::string& from, const std::string& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int target = ::open(to.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  EXPECT_NE(::ioctl(target, FICLONE, source), 0);
  ::close(source);
  ::close(target);
}

TEST_P(CopyOnWriteTest, FullDiskKillsNoWriter) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const std::string home = MountHome();
              auto env = DbEnv::Open(home, SmallEnv(Backing::kFile));
              if (!GetParam().in_place) {
                EXPECT_THAT(env, Refused());
                EXPECT_THAT(test::FilesIn(home), IsEmpty());
                return "done";
              }
              if (!env.ok()) return env.status().ToString();
              auto file = OpenFile(**env);
              for (PageNo page = 0; page < kPages; ++page) {
                EXPECT_THAT(test::PutText(*file, page, "old"), IsOk());
              }
              // After the sync each block is written and is read-only in the
              // page tables.
              ::sync();
              Reflink(home + "/__db.002", home + "/copy");
              FillDisk(home + "/full");
              for (PageNo page = 0; page < kPages; ++page) {
                EXPECT_THAT(test::PutText(*file, page, "new"), IsOk());
              }
              ::sync();
              EXPECT_EQ(test::GetText(*file, kPages - 1), "new");
              EXPECT_THAT(file->Close(), IsOk());
              EXPECT_THAT((*env)->Close(), IsOk());
              return "done";
            }),
            "done");
}

TEST_P(CopyOnWriteTest, OtherMemoryIsAccepted) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const std::string home = MountHome();
              for (const Backing backing : {Backing::kPosixShm, Backing::kSysV,
                                            Backing::kAnonymous}) {
                auto env = DbEnv::Open(home, SmallEnv(backing));
                if (!env.ok()) return env.status().ToString();
                EXPECT_THAT((*env)->Close(), IsOk());
                EXPECT_THAT(DbEnv::Remove(home), IsOk());
              }
              return "done";
            }),
            "done");
}

// On a system without a tmpfs on /dev/shm, /dev/shm is a directory.
TEST_P(CopyOnWriteTest, MemoryInDevShmIsChecked) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(test::EnterOwnMounts(), IsOk());
              EXPECT_THAT(
                  test::MakeImage(Image(), kImageBytes, GetParam().mkfs),
                  IsOk());
              EXPECT_THAT(test::MountImage(Image(), "/dev/shm"), IsOk());
              auto env = DbEnv::Open(disk_.path(), SmallEnv());
              EXPECT_EQ(env.ok(), GetParam().in_place) << env.status();
              if (!env.ok()) {
                EXPECT_THAT(env, Refused());
                return "done";
              }
              EXPECT_THAT((*env)->Close(), IsOk());
              EXPECT_THAT(DbEnv::Remove(disk_.path()), IsOk());
              return "done";
            }),
            "done");
}

TEST_P(CopyOnWriteTest, FilesystemBelowOverlayIsChecked) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const std::string up = MountHome();
              EXPECT_EQ(::mkdir(disk_.Below("work").c_str(), 0700), 0);
              TempHome low;
              TempHome all;
              EXPECT_THAT(test::MountOverlay(low.path(), up,
                                             disk_.Below("work"), all.path()),
                          IsOk());
              auto env = DbEnv::Open(all.path(), SmallEnv(Backing::kFile));
              EXPECT_EQ(env.ok(), GetParam().in_place) << env.status();
              if (env.ok()) {
                EXPECT_THAT((*env)->Close(), IsOk());
                EXPECT_THAT(DbEnv::Remove(all.path()), IsOk());
              } else {
                EXPECT_THAT(env, Refused());
              }
              return test::Unmount(all.path()).ToString();
            }),
            "OK");
}

// The file was made by a library without the check.
TEST_P(CopyOnWriteTest, JoinerChecksExistingFile) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const std::string home = MountHome();
              test::Child first([&](test::Channel& parent) -> std::string {
                os::Sys().fstatfs = [](int fd, struct statfs* out) {
                  const int result = os::RealSyscalls().fstatfs(fd, out);
                  out->f_type = EXT4_SUPER_MAGIC;
                  return result;
                };
                auto env = DbEnv::Open(home, SmallEnv(Backing::kFile));
                if (!env.ok()) return env.status().ToString();
                parent.Say("in");
                parent.Hear();
                return (*env)->Close().ToString();
              });
              EXPECT_EQ(first.Hear(), "in");
              for (const bool in_use : {true, false}) {
                const auto env = DbEnv::Open(home, SmallEnv(Backing::kFile));
                if (GetParam().in_place) {
                  EXPECT_THAT(env, IsOk());
                } else {
                  EXPECT_THAT(env, Refused());
                }
                EXPECT_THAT(DbEnv::Inspect(home), IsOk());
                if (!in_use) continue;
                first.Say("go");
                EXPECT_EQ(first.End(), "OK");
              }
              return DbEnv::Remove(home, true).ToString();
            }),
            "OK");
}

}  // namespace
}  // namespace mpool
