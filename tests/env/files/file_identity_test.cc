// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file_identity_test.cc - pages of one file never appear in another file: with
// a coarse clock, without birth times, with reused inode numbers, on a file
// system that is mounted again, and in container images.

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/stamp.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
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

// A file system as statx and ioctl show it.
struct FileSystem {
  const char* name = "";
  uint32_t grain_ns = 1;  // of times
  bool has_birth = true;
  bool has_generation = true;
  bool reuses_inodes = false;  // each new regular file has number 7
  uint32_t device = 0;         // added to the real number
};
FileSystem shown;

int ShownStatx(int dir, const char* path, int flags, unsigned mask,
               struct statx* out) {
  const int result = os::RealSyscalls().statx(dir, path, flags, mask, out);
  if (result != 0 || !S_ISREG(out->stx_mode)) return result;
  // Show the environment's own files unchanged.
  if (out->stx_mode & 0044) return result;
  for (auto* time : {&out->stx_mtime, &out->stx_ctime}) {
    time->tv_nsec -= time->tv_nsec % shown.grain_ns;
  }
  if (!shown.has_birth) out->stx_mask &= ~static_cast<unsigned>(STATX_BTIME);
  if (shown.reuses_inodes && out->stx_size % 4096 == 0 &&
      out->stx_size <= 2 * 4096) {
    out->stx_ino = 7;
  }
  out->stx_dev_minor += shown.device;
  return result;
}

int ShownIoctl(int fd, unsigned long request, void* argument) {
  if (request == FS_IOC_GETVERSION && !shown.has_generation) {
    errno = ENOTTY;
    return -1;
  }
  return os::RealSyscalls().ioctl(fd, request, argument);
}

class FileIdentityTest : public os::SyscallTest {
 protected:
  FileIdentityTest() : path_(home_.Below("t.db")) { Show({}); }
  ~FileIdentityTest() override { os::Sys() = os::RealSyscalls(); }

  static void Show(const FileSystem& system) {
    shown = system;
    os::Sys().statx = ShownStatx;
    os::Sys().ioctl = ShownIoctl;
  }
  // Writes the file as another program does.
  void WriteFile(char value) const {
    const int fd = ::open(path_.c_str(), O_CREAT | O_RDWR, 0600);
    const std::string bytes(8192, value);
    EXPECT_EQ(::pwrite(fd, bytes.data(), bytes.size(), 0), 8192);
    ::close(fd);
  }
  void Remake(char value) const {
    fs::remove(path_);
    WriteFile(value);
  }
  char Shown(DbEnv& env) const {
    auto file = env.OpenFile(path_);
    EXPECT_THAT(file, IsOk());
    return static_cast<char>((*file)->Get(0)->data()[0]);
  }
  // Runs a process that puts "dirty" on page 0 and dies.
  void LeaveDirty() const {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto both = *OpenBoth(home_.path(), SmallEnv(), "t.db");
                EXPECT_THAT(PutText(*both.file, 0, "dirty"), IsOk());
                ::raise(SIGKILL);
                return "";
              }),
              test::kKilled);
  }

  TempHome home_;
  const std::string path_;
};

class CoarseTest : public FileIdentityTest,
                   public ::testing::WithParamInterface<FileSystem> {};
INSTANTIATE_TEST_SUITE_P(
    All, CoarseTest,
    ::testing::Values(
        FileSystem{"Tick4ms", 4'000'000}, FileSystem{"Tick10ms", 10'000'000},
        FileSystem{"Seconds", 1'000'000'000},
        FileSystem{"SecondsWithoutBirth", 1'000'000'000, false},
        FileSystem{"WithoutProof", 1'000'000'000, false, false}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(CoarseTest, ChangeRightAfterCloseIsRead) {
  Show(GetParam());
  WriteFile('a');
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  for (int i = 0; i < 20; ++i) {
    {
      auto file = *env->OpenFile(path_);
      ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
      ASSERT_THAT(file->Close(), IsOk());
    }
    WriteFile(static_cast<char>('b' + i));
    ASSERT_EQ(Shown(*env), 'b' + i);
    WriteFile(static_cast<char>('B' + i));
    ASSERT_EQ(Shown(*env), 'B' + i);
  }
}

TEST_F(FileIdentityTest, OldEnoughTimesKeepPages) {
  Show({.grain_ns = 4'000'000});
  WriteFile('a');
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  // Wait until the clock is past the file's times.
  const os::File file = *os::File::Open(path_, {});
  while (!os::IsSettled(*file.Info(), /*fine=*/false)) {
  }
  Shown(*env);
  const uint64_t read = env->Stats().pages_read;
  EXPECT_EQ(Shown(*env), 'a');
  EXPECT_EQ(env->Stats().pages_read, read);
}

TEST_F(FileIdentityTest, ReusedInodeNumberIsAnotherFile) {
  for (const bool has_birth : {true, false}) {
    Show({.grain_ns = 1'000'000'000,
          .has_birth = has_birth,
          .has_generation = true,
          .reuses_inodes = true});
    auto env = *DbEnv::Open(home_.path(), SmallEnv());
    for (int i = 0; i < 5; ++i) {
      Remake('a');
      ASSERT_EQ(Shown(*env), 'a');
      Remake('b');
      ASSERT_EQ(Shown(*env), 'b');
      LeaveDirty();
      Remake('c');
      env->Sync().IgnoreError();
      ASSERT_EQ(test::BytesOf(path_)[0], 'c');
      ASSERT_EQ(Shown(*env), 'c');
    }
    env->Close().IgnoreError();
    env = nullptr;
    ASSERT_THAT(DbEnv::Remove(home_.path(), true), IsOk());
  }
}

// Without birth time and generation the clean pages are not trusted.
TEST_F(FileIdentityTest, UnprovenPagesGoWithLastClose) {
  Show({.has_birth = false, .has_generation = false, .reuses_inodes = true});
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  Remake('a');
  ASSERT_EQ(Shown(*env), 'a');
  struct stat before = {};
  ASSERT_EQ(::stat(path_.c_str(), &before), 0);
  Remake('b');
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  EXPECT_EQ(Shown(*env), 'b');
}

TEST_F(FileIdentityTest, RemountedFileSystemKeepsPages) {
  WriteFile('a');
  LeaveDirty();
  // The same disk now has another device number.
  Show({.device = 5});
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(DiskText(path_, 0), "dirty");
  Show({.device = 6});
  auto file = *env->OpenFile(path_);
  const uint64_t read = env->Stats().pages_read;
  EXPECT_EQ(GetText(*file, 0), "dirty");
  EXPECT_EQ(env->Stats().pages_read, read);
}

// On an overlay, an open for writing copies a file of the image.
class OverlayTest : public ::testing::Test {
 protected:
  static void MountOverlay(const std::string& base) {
    ASSERT_THAT(test::EnterOwnMounts(), IsOk());
    ASSERT_THAT(test::MountTmpfs(base, 32 << 20), IsOk());
    for (const char* name : {"/low", "/up", "/work", "/all"}) {
      fs::create_directory(base + name);
    }
    test::MakeFile(base + "/low/f.db", std::string(8192, 'i'));
    const std::string how = absl::StrCat("lowerdir=", base, "/low,upperdir=",
                                         base, "/up,workdir=", base, "/work");
    ASSERT_EQ(::mount("overlay", (base + "/all").c_str(), "overlay", 0,
                      how.c_str()),
              0)
        << strerror(errno);
  }
};

TEST_F(OverlayTest, ReaderOfLowerFileSeesWritersPages) {
  const TempHome home;
  const TempHome base;
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MountOverlay(base.path());
              const std::string path = base.Below("all/f.db");
              auto env = *DbEnv::Open(home.path(), SmallEnv());
              auto reader = *env->OpenFile(path, {.read_only = true});
              EXPECT_EQ((*reader->Get(1)).data()[0], std::byte{'i'});
              auto writer = *env->OpenFile(path);
              EXPECT_THAT(PutText(*writer, 0, "put"), IsOk());
              EXPECT_EQ(GetText(*reader, 0), "put");
              EXPECT_THAT(writer->Sync(), IsOk());
              EXPECT_THAT(writer->Close(), IsOk());
              EXPECT_THAT(reader->Close(), IsOk());
              auto again = *env->OpenFile(path, {.read_only = true});
              EXPECT_EQ(GetText(*again, 0), "put");
              again = nullptr;
              return env->Close().ToString();
            }),
            "OK");
}

// Another program's chmod copies the file, too.
TEST_F(OverlayTest, CopiedUpFileIsOneFile) {
  const TempHome home;
  const TempHome base;
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MountOverlay(base.path());
              const std::string path = base.Below("all/f.db");
              auto env = *DbEnv::Open(home.path(), SmallEnv());
              auto reader = *env->OpenFile(path, {.read_only = true});
              EXPECT_EQ((*reader->Get(1)).data()[0], std::byte{'i'});
              EXPECT_EQ(::chmod(path.c_str(), 0640), 0);
              auto writer = *env->OpenFile(path);
              EXPECT_THAT(PutText(*writer, 0, "put"), IsOk());
              EXPECT_THAT(PutText(*writer, 1, "put"), IsOk());
              EXPECT_EQ(GetText(*reader, 0), "put");
              EXPECT_THAT(writer->Sync(), IsOk());
              auto other = *env->OpenFile("other.db", {.create = true});
              for (PageNo page = 0; page < 600; ++page) {
                EXPECT_THAT(PutText(*other, page, "other"), IsOk());
              }
              EXPECT_EQ(GetText(*reader, 1), "put");
              EXPECT_THAT(other->Close(), IsOk());
              EXPECT_THAT(writer->Close(), IsOk());
              EXPECT_THAT(reader->Close(), IsOk());
              return env->Close().ToString();
            }),
            "OK");
}

}  // namespace
}  // namespace mpool
