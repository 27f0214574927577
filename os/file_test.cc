// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "os/directory.h"
#include "os/filesystem_kind.h"
#include "os/status.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr File::OpenOptions kNewFile = {.create = true, .exclusive = true};

// The number of calls of a replaced entry. The next failures_left calls fail
// with the errno `failure`.
int calls;
int failures_left;
int failure;

bool Fails() {
  ++calls;
  if (failures_left == 0) return false;
  --failures_left;
  errno = failure;
  return true;
}

class FileTest : public SyscallTest {
 protected:
  FileTest() { FailNext(0, 0); }

  static void FailNext(int times, int error) {
    calls = 0;
    failures_left = times;
    failure = error;
  }

  File NewFile(const std::string& name = "f") const {
    return *File::OpenAt(temp_.dir(), name, kNewFile);
  }

  std::string Contents(const File& file) const {
    std::vector<std::byte> bytes(file.Info()->size_bytes);
    EXPECT_EQ(*file.ReadAt(0, bytes), bytes.size());
    return Text(bytes);
  }

  TempDir temp_;
};

TEST_F(FileTest, WrittenBytesAreReadBack) {
  const File file = NewFile();
  ASSERT_TRUE(file.WriteAt(3, Bytes("hello")).ok());
  EXPECT_EQ(Contents(file), std::string("\0\0\0hello", 8));
}

TEST_F(FileTest, ReadStopsAtEndOfFile) {
  const File file = NewFile();
  ASSERT_TRUE(file.WriteAt(0, Bytes("hello")).ok());
  std::vector<std::byte> bytes(10);
  EXPECT_EQ(*file.ReadAt(2, bytes), 3u);
  EXPECT_EQ(*file.ReadAt(100, bytes), 0u);
}

TEST_F(FileTest, ShortOrInterruptedReadContinues) {
  const File file = NewFile();
  ASSERT_TRUE(file.WriteAt(0, Bytes("0123456789")).ok());
  FailNext(2, EINTR);
  Sys().pread = [](int fd, void* data, size_t size, off_t offset) -> ssize_t {
    if (Fails()) return -1;
    return RealSyscalls().pread(fd, data, std::min<size_t>(size, 4), offset);
  };
  std::vector<std::byte> bytes(10);
  EXPECT_EQ(*file.ReadAt(0, bytes), 10u);
  EXPECT_EQ(Text(bytes), "0123456789");
  EXPECT_EQ(calls, 5);
}

TEST_F(FileTest, ShortOrInterruptedWriteContinues) {
  const File file = NewFile();
  FailNext(2, EINTR);
  Sys().pwrite = [](int fd, const void* data, size_t size,
                    off_t offset) -> ssize_t {
    if (Fails()) return -1;
    return RealSyscalls().pwrite(fd, data, std::min<size_t>(size, 4), offset);
  };
  ASSERT_TRUE(file.WriteAt(0, Bytes("0123456789")).ok());
  EXPECT_EQ(Contents(file), "0123456789");
  EXPECT_EQ(calls, 5);
}

TEST_F(FileTest, WriteWithoutProgressIsAFullDevice) {
  const File file = NewFile();
  Sys().pwrite = [](int, const void*, size_t, off_t) -> ssize_t { return 0; };
  Sys().pwritev = [](int, const iovec*, int, off_t) -> ssize_t { return 0; };
  EXPECT_TRUE(absl::IsResourceExhausted(file.WriteAt(0, Bytes("a"))));
  const ConstBytes part = Bytes("a");
  uint64_t made = 0;
  EXPECT_TRUE(absl::IsResourceExhausted(
      file.WriteAtGathered(0, std::span(&part, 1), &made)));
}

TEST_F(FileTest, ReadErrorNamesOperationAndPath) {
  const File file = NewFile();
  FailNext(1, EIO);
  Sys().pread = [](int, void*, size_t, off_t) -> ssize_t {
    return Fails() ? -1 : 0;
  };
  std::byte byte;
  const absl::Status status = file.ReadAt(0, std::span(&byte, 1)).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(Message(status), AllOf(HasSubstr("read"), HasSubstr("/f")));
}

// Returns `count` parts of different sizes, some of them empty.
std::vector<std::string> Pieces(size_t count) {
  std::vector<std::string> pieces(count);
  for (size_t i = 0; i < count; ++i) {
    pieces[i] = std::string(i % 5, static_cast<char>('a' + i % 26));
  }
  return pieces;
}

TEST_F(FileTest, GatheredWriteNeedsFewestCalls) {
  const std::string word = "xyz";
  const std::vector<ConstBytes> parts(2 * IOV_MAX + 1, Bytes(word));
  const File file = NewFile();
  uint64_t made = 10;
  ASSERT_TRUE(
      file.WriteAtGathered(0, std::span(parts).first(IOV_MAX), &made).ok());
  EXPECT_EQ(made, 11u);
  ASSERT_TRUE(file.WriteAtGathered(0, parts, &made).ok());
  EXPECT_EQ(made, 14u);
  const std::string written = Contents(file);
  ASSERT_EQ(written.size(), parts.size() * word.size());
  for (size_t at = 0; at < written.size(); at += word.size()) {
    ASSERT_EQ(written.substr(at, word.size()), word) << at;
  }
}

TEST_F(FileTest, ShortGatheredWriteContinuesInsidePart) {
  const std::vector<std::string> pieces = Pieces(3000);
  std::string all;
  std::vector<ConstBytes> parts;
  for (const std::string& piece : pieces) {
    parts.push_back(Bytes(piece));
    all += piece;
  }
  const File file = NewFile();
  FailNext(1, EINTR);
  Sys().pwritev = [](int fd, const iovec* list, int count,
                     off_t offset) -> ssize_t {
    if (Fails()) return -1;
    std::vector<iovec> some(list, list + std::min(count, 700));
    some.back().iov_len = (some.back().iov_len + 1) / 2;
    return RealSyscalls().pwritev(fd, some.data(),
                                  static_cast<int>(some.size()), offset);
  };
  uint64_t made = 0;
  ASSERT_TRUE(file.WriteAtGathered(7, parts, &made).ok());
  EXPECT_EQ(Contents(file), std::string(7, '\0') + all);
  EXPECT_EQ(made, static_cast<uint64_t>(calls));
}

TEST_F(FileTest, GatheredWriteOfNothingMakesNoCall) {
  const File file = NewFile();
  uint64_t made = 0;
  EXPECT_TRUE(file.WriteAtGathered(0, {}, &made).ok());
  const std::vector<ConstBytes> empty(3);
  EXPECT_TRUE(file.WriteAtGathered(0, empty, &made).ok());
  EXPECT_EQ(made, 0u);
}

TEST_F(FileTest, FsyncIsNeverRetried) {
  const File file = NewFile();
  Sys().fsync = [](int) { return Fails() ? -1 : 0; };
  FailNext(1, EINTR);
  EXPECT_TRUE(absl::IsUnavailable(file.Sync()));
  EXPECT_EQ(calls, 1);
  FailNext(1, EIO);
  EXPECT_TRUE(absl::IsDataLoss(file.Sync()));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(file.Sync().ok());
}

TEST_F(FileTest, FailedOpenStatesReasonAndRemedy) {
  const absl::Status missing = File::Open(temp_.Below("no"), {}).status();
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_THAT(Message(missing), HasSubstr(temp_.Below("no")));
  FailNext(1, EMFILE);
  Sys().openat = [](int, const char*, int, mode_t) { return Fails() ? -1 : 0; };
  const absl::Status full = File::OpenAt(temp_.dir(), "x", {}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_THAT(Message(full), HasSubstr("ulimit -n"));
}

TEST_F(FileTest, OpenIsRepeatedAfterASignal) {
  FailNext(2, EINTR);
  Sys().open = [](const char* path, int flags, mode_t mode) {
    return Fails() ? -1 : RealSyscalls().open(path, flags, mode);
  };
  EXPECT_TRUE(File::Open(temp_.Below("f"), kNewFile).ok());
  EXPECT_EQ(calls, 3);
}

TEST_F(FileTest, ExclusiveCreateRefusesExistingFile) {
  const File file = NewFile();
  EXPECT_TRUE(
      absl::IsAlreadyExists(File::OpenAt(temp_.dir(), "f", kNewFile).status()));
  EXPECT_EQ(file.path(), temp_.Below("f"));
}

TEST_F(FileTest, NoFollowRefusesASymbolicLink) {
  const File file = NewFile();
  std::filesystem::create_symlink("f", temp_.Below("link"));
  EXPECT_TRUE(File::OpenAt(temp_.dir(), "link", {}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      File::OpenAt(temp_.dir(), "link", {.no_follow = true}).status()));
}

TEST_F(FileTest, OpenDirectoryRefusesAFile) {
  const File file = NewFile();
  EXPECT_TRUE(
      absl::IsInvalidArgument(File::OpenDirectory(file.path()).status()));
}

TEST_F(FileTest, FilesAreClosedOnExec) {
  const File file = NewFile();
  EXPECT_EQ(::fcntl(file.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(temp_.dir().fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

class UmaskTest : public FileTest,
                  public ::testing::WithParamInterface<mode_t> {};

TEST_P(UmaskTest, ExactPermissionsDoNotDependOnIt) {
  const ScopedUmask umask(GetParam());
  File::OpenOptions options = kNewFile;
  options.exact_permissions = true;
  options.permissions = 0660;
  const File by_path = *File::Open(temp_.Below("a"), options);
  EXPECT_EQ(by_path.Info()->mode & 07777, 0660u);
  const File below = *File::OpenAt(temp_.dir(), "b", options);
  EXPECT_EQ(below.Info()->mode & 07777, 0660u);
  const std::string name = absl::StrCat("/", kOwnPrefix, "segment");
  const File shm = *File::OpenShm(name, options);
  EXPECT_EQ(shm.Info()->mode & 07777, 0660u);
  EXPECT_TRUE(File::UnlinkShm(name).ok());
}

INSTANTIATE_TEST_SUITE_P(All, UmaskTest, ::testing::Values(0077, 0000));

TEST_F(FileTest, ShmObjectsAreNamedAndRemoved) {
  const std::string name = absl::StrCat("/", kOwnPrefix, "segment");
  const File shm = *File::OpenShm(name, kNewFile);
  EXPECT_TRUE(absl::IsAlreadyExists(File::OpenShm(name, kNewFile).status()));
  EXPECT_EQ(File::OpenShm(name, {})->Info()->identity, shm.Info()->identity);
  EXPECT_TRUE(File::UnlinkShm(name).ok());
  EXPECT_TRUE(File::UnlinkShm(name).ok());
  const absl::Status gone = File::OpenShm(name, {}).status();
  EXPECT_TRUE(absl::IsNotFound(gone));
  EXPECT_THAT(Message(gone), HasSubstr("/dev/shm" + name));
}

TEST_F(FileTest, InfoTellsOneFileFromAnother) {
  const File one = NewFile("one");
  const File two = NewFile("two");
  ASSERT_TRUE(one.WriteAt(0, Bytes("12345")).ok());
  const FileInfo info = *one.Info();
  EXPECT_EQ(info.size_bytes, 5u);
  EXPECT_EQ(info.links, 1u);
  EXPECT_TRUE(info.is_regular);
  EXPECT_FALSE(info.is_directory);
  EXPECT_GT(info.mtime_ns, 0u);
  EXPECT_GT(info.ctime_ns, 0u);
  EXPECT_EQ(InfoAt(temp_.dir(), "one")->identity, info.identity);
  EXPECT_NE(InfoAt(temp_.dir(), "two")->identity, info.identity);
  EXPECT_TRUE(temp_.dir().Info()->is_directory);
}

TEST_F(FileTest, IdentityHasDeviceNumberOfStat) {
  struct stat raw = {};
  const File file = NewFile();
  ASSERT_EQ(::fstat(file.fd(), &raw), 0);
  EXPECT_EQ(file.Info()->identity.device, raw.st_dev);
  EXPECT_EQ(file.Info()->identity.inode, raw.st_ino);
}

TEST_F(FileTest, NamesBelowDirectoryAreMovedAndRemoved) {
  const FileIdentity identity = NewFile("from").Info()->identity;
  NewFile("to");
  ASSERT_TRUE(RenameAt(temp_.dir(), "from", "to").ok());
  EXPECT_EQ(InfoAt(temp_.dir(), "to")->identity, identity);
  EXPECT_TRUE(absl::IsNotFound(InfoAt(temp_.dir(), "from").status()));
  EXPECT_TRUE(absl::IsNotFound(RenameAt(temp_.dir(), "from", "to")));
  EXPECT_TRUE(UnlinkAt(temp_.dir(), "to").ok());
  EXPECT_TRUE(UnlinkAt(temp_.dir(), "to").ok());
  EXPECT_TRUE(absl::IsNotFound(InfoAt(temp_.dir(), "to").status()));
}

TEST_F(FileTest, ResizeCutsAndExtends) {
  const File file = NewFile();
  ASSERT_TRUE(file.WriteAt(0, Bytes("12345")).ok());
  ASSERT_TRUE(file.Resize(3).ok());
  ASSERT_TRUE(file.Resize(4).ok());
  EXPECT_EQ(Contents(file), std::string("123\0", 4));
}

// Without the check the kernel would kill the child with SIGXFSZ.
TEST_F(FileTest, FileBeyondLimitIsErrorWithoutSignal) {
  const File file = NewFile();
  ASSERT_TRUE(file.Resize(9000).ok());
  EXPECT_EQ(InChild([&]() -> std::string {
              const rlimit limit = {4096, 4096};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              const ConstBytes parts[] = {Bytes("123"), Bytes("456")};
              uint64_t written = 0;
              for (const absl::Status& status :
                   {file.WriteAt(4094, Bytes("123")),
                    file.WriteAtGathered(4091, parts, &written),
                    file.Resize(9001), file.Reserve(0, 4097)}) {
                EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
                EXPECT_THAT(Message(status),
                            AllOf(HasSubstr(file.path()),
                                  HasSubstr("RLIMIT_FSIZE"),
                                  HasSubstr(" of 4096; "),
                                  HasSubstr("ulimit -f")));
              }
              EXPECT_EQ(written, 0u);
              EXPECT_TRUE(file.WriteAt(4093, Bytes("123")).ok());
              EXPECT_TRUE(file.WriteAtGathered(4090, parts, &written).ok());
              EXPECT_TRUE(file.Resize(8000).ok());
              return ::testing::Test::HasFailure() ? "failed" : "";
            }),
            "");
}

TEST_F(FileTest, ReserveAllocatesBlocksAndKeepsBytes) {
  const File file = NewFile();
  ASSERT_TRUE(file.WriteAt(0, Bytes("12345")).ok());
  ASSERT_TRUE(file.Reserve(0, 1 << 20).ok());
  EXPECT_GE(file.Info()->allocated_bytes, uint64_t{1} << 20);
  EXPECT_EQ(file.Info()->size_bytes, uint64_t{1} << 20);
  EXPECT_EQ(Contents(file).substr(0, 6), std::string("12345\0", 6));
  EXPECT_TRUE(file.Reserve(0, 0).ok());
}

// Simulates tmpfs under an interval timer: only small calls succeed.
uint64_t reserved_to;

TEST_F(FileTest, InterruptedReserveGoesOnInSmallerPieces) {
  const File file = NewFile();
  reserved_to = 0;
  Sys().fallocate = [](int, int, off_t offset, off_t size) {
    EXPECT_EQ(static_cast<uint64_t>(offset), reserved_to);
    if (size > 300'000) {
      errno = EINTR;
      return -1;
    }
    reserved_to += static_cast<uint64_t>(size);
    return 0;
  };
  ASSERT_TRUE(file.Reserve(0, 10'000'001).ok());
  EXPECT_EQ(reserved_to, 10'000'001u);
}

TEST_F(FileTest, FullDiskAtReserveStatesSize) {
  const File file = NewFile();
  FailNext(1, ENOSPC);
  Sys().fallocate = [](int, int, off_t, off_t) { return Fails() ? -1 : 0; };
  const absl::Status status = file.Reserve(0, 123456);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(Message(status), HasSubstr("123456 bytes"));
}

int32_t filesystem_type;

int FakeFstatfs(int, struct statfs* out) {
  out->f_type = filesystem_type;
  return 0;
}

TEST_F(FileTest, FilesystemThatCannotReserveIsNamed) {
  const File file = NewFile();
  Sys().fallocate = [](int, int, off_t, off_t) {
    errno = EOPNOTSUPP;
    return -1;
  };
  EXPECT_THAT(Message(file.Reserve(0, 1)),
              HasSubstr("its file system cannot reserve"));
}

TEST_F(FileTest, OnlyRemoteFilesystemsAreNamed) {
  Sys().fstatfs = FakeFstatfs;
  const auto remote = [&](uint32_t type) {
    filesystem_type = static_cast<int32_t>(type);
    return *RemoteFilesystem(temp_.dir());
  };
  EXPECT_EQ(remote(NFS_SUPER_MAGIC), "NFS");
  EXPECT_EQ(remote(CIFS_SUPER_MAGIC), "CIFS");
  EXPECT_EQ(remote(SMB2_SUPER_MAGIC), "CIFS");
  EXPECT_EQ(remote(V9FS_MAGIC), "9p");
  EXPECT_EQ(remote(FUSE_SUPER_MAGIC), "FUSE");
  EXPECT_EQ(remote(EXT4_SUPER_MAGIC), "");
  EXPECT_EQ(remote(TMPFS_MAGIC), "");
  EXPECT_EQ(remote(0x1234abcd), "");
}

TEST_F(FileTest, AbsolutePathResolvesLinks) {
  std::filesystem::create_directory(temp_.Below("real"));
  std::filesystem::create_symlink("real", temp_.Below("link"));
  EXPECT_EQ(*AbsolutePath(temp_.Below("link/../link/.")),
            std::filesystem::canonical(temp_.Below("real")).string());
  EXPECT_TRUE(absl::IsNotFound(AbsolutePath(temp_.Below("no")).status()));
}

TEST_F(FileTest, MovedFileIsClosedOnce) {
  Sys().close = [](int fd) {
    ++calls;
    return RealSyscalls().close(fd);
  };
  {
    File file = NewFile("a");
    const int fd = file.fd();
    File moved = std::move(file);
    EXPECT_EQ(moved.fd(), fd);
    EXPECT_FALSE(file.is_open());  // NOLINT(bugprone-use-after-move)
    moved = NewFile("b");
    EXPECT_EQ(calls, 1);
    moved.Close();
    EXPECT_EQ(calls, 2);
  }
  EXPECT_EQ(calls, 2);
}

// The prints of a program that closed its standard streams go nowhere, even
// while the library opens a file.
TEST_F(FileTest, NoOpenUsesADescriptorBelowThree) {
  static int lowest;
  EXPECT_EQ(InChild([&]() -> std::string {
              lowest = 100;
              for (int fd = 0; fd < 3; ++fd) ::close(fd);
              Sys().open = [](const char* path, int flags, mode_t mode) {
                const int fd = RealSyscalls().open(path, flags, mode);
                if ((flags & O_PATH) == 0) lowest = std::min(lowest, fd);
                return fd;
              };
              Sys().openat = [](int dir, const char* path, int flags,
                                mode_t mode) {
                const int fd = RealSyscalls().openat(dir, path, flags, mode);
                lowest = std::min(lowest, fd);
                return fd;
              };
              {
                const auto dir = File::OpenDirectory(temp_.dir().path());
                const auto file = File::OpenAt(*dir, "x", {.create = true});
                const auto again = File::Open(file->path(), {});
                if (!again.ok()) return "not open";
              }
              for (int fd = 0; fd < 3; ++fd) {
                if (::fcntl(fd, F_GETFD) >= 0) return "taken";
              }
              return lowest >= 3 ? "high" : "low";
            }),
            "high");
}

}  // namespace
}  // namespace mpool::os
