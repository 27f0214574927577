// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.


#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "os/backing/mapping.h"
#include "os/backing/segment.h"
#include "os/fork_marker.h"
#include "os/status.h"
#include "tests/support/all_backings.h"

namespace mpool::os {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSizeBytes = 64 * 1024;
constexpr uint64_t kReservedBytes = uint64_t{1} << 30;
constexpr MappingOptions kOptions = {.size_bytes = kSizeBytes,
                                     .reserved_bytes = kReservedBytes};

// Runs with every backing.
class MappingTest : public SyscallTest,
                    public ::testing::WithParamInterface<Backing> {
 protected:
  ~MappingTest() override {
    RemoveMapping(GetParam(), temp_.dir(), name_).IgnoreError();
  }

  absl::StatusOr<std::unique_ptr<Mapping>> Create(
      const MappingOptions& options = kOptions) const {
    return CreateMapping(GetParam(), temp_.dir(), name_, options);
  }
  absl::StatusOr<std::unique_ptr<Mapping>> Join(bool read_only = false) const {
    return JoinMapping(
        GetParam(), temp_.dir(), name_,
        {.reserved_bytes = kReservedBytes, .read_only = read_only});
  }
  absl::StatusOr<uint64_t> Size() const {
    return MappingSize(GetParam(), temp_.dir(), name_);
  }
  absl::Status Remove() const {
    return RemoveMapping(GetParam(), temp_.dir(), name_);
  }

  TempDir temp_;
  std::string name_ = TestSegment(GetParam(), temp_.dir());
};

// Runs with the backings that have a name known to other processes.
class SharedMappingTest : public MappingTest {};
// Runs with the named backings that are files.
class NamedFileTest : public SharedMappingTest {};

INSTANTIATE_TEST_SUITE_P(All, MappingTest, ::testing::ValuesIn(kAllBackings),
                         BackingText);
INSTANTIATE_TEST_SUITE_P(All, SharedMappingTest,
                         ::testing::ValuesIn(kSharedBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, NamedFileTest,
                         ::testing::Values(Backing::kPosixShm, Backing::kFile),
                         BackingText);

TEST_P(MappingTest, CreateGivesZeroedMemoryOfSize) {
  const auto mapping = Create();
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  EXPECT_EQ((*mapping)->reserved_bytes(), kReservedBytes);
  EXPECT_EQ(*(*mapping)->BackedBytes(), kSizeBytes);
  std::byte* base = (*mapping)->base();
  EXPECT_EQ(base[0], std::byte{0});
  EXPECT_EQ(base[kSizeBytes - 1], std::byte{0});
  std::memset(base, 7, kSizeBytes);
  EXPECT_EQ(base[kSizeBytes - 1], std::byte{7});
}

TEST_P(MappingTest, GrowKeepsAddressAndBytes) {
  const auto mapping = *Create();
  std::byte* base = mapping->base();
  std::memset(base, 7, kSizeBytes);
  ASSERT_TRUE(mapping->Grow(4 * kSizeBytes).ok());
  EXPECT_EQ(mapping->base(), base);
  EXPECT_EQ(*mapping->BackedBytes(), 4 * kSizeBytes);
  EXPECT_EQ(base[0], std::byte{7});
  EXPECT_EQ(base[kSizeBytes - 1], std::byte{7});
  EXPECT_EQ(base[kSizeBytes], std::byte{0});
  std::memset(base + kSizeBytes, 8, 3 * kSizeBytes);
  EXPECT_EQ(base[4 * kSizeBytes - 1], std::byte{8});
}

TEST_P(MappingTest, GrowToLessChangesNothing) {
  const auto mapping = *Create();
  std::memset(mapping->base(), 7, kSizeBytes);
  ASSERT_TRUE(mapping->Grow(kSizeBytes / 2).ok());
  EXPECT_EQ(*mapping->BackedBytes(), kSizeBytes);
  EXPECT_EQ(mapping->base()[kSizeBytes - 1], std::byte{7});
}

TEST_P(MappingTest, GrowBeyondTheAddressSpaceIsRefused) {
  const auto mapping = *Create();
  ASSERT_TRUE(mapping->Grow(kSizeBytes).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(mapping->Grow(kReservedBytes + 1)));
}

TEST_P(MappingTest, SizesThatDoNotFitAreRefused) {
  for (const MappingOptions& options :
       {MappingOptions{.size_bytes = 0, .reserved_bytes = 4096},
        MappingOptions{.size_bytes = 4096, .reserved_bytes = 0},
        MappingOptions{.size_bytes = 8192, .reserved_bytes = 4096}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Create(options).status()));
  }
  EXPECT_TRUE(absl::IsNotFound(Size().status()));
}

TEST_P(MappingTest, RemoveOfNothingIsOk) {
  EXPECT_TRUE(Remove().ok());
  const auto mapping = *Create();
  EXPECT_TRUE(Remove().ok());
  EXPECT_TRUE(Remove().ok());
  EXPECT_TRUE(absl::IsNotFound(Size().status()));
  mapping->base()[0] = std::byte{1};  // the memory stays until it is unmapped
}

TEST_P(MappingTest, MappingIsNotDumpedAndIsUnmapped) {
  static void* left_out;
  static void* unmapped;
  left_out = unmapped = nullptr;
  Sys().madvise = [](void* address, size_t size, int advice) {
    if (advice == MADV_DONTDUMP && size == kReservedBytes) left_out = address;
    return RealSyscalls().madvise(address, size, advice);
  };
  Sys().munmap = [](void* address, size_t size) {
    if (size == kReservedBytes) unmapped = address;
    return RealSyscalls().munmap(address, size);
  };
  Sys().shmdt = [](const void* address) {
    unmapped = const_cast<void*>(address);
    return RealSyscalls().shmdt(address);
  };
  auto mapping = *Create();
  const void* base = mapping->base();
  EXPECT_EQ(left_out, base);
  mapping->AdviseHugePages();
  mapping.reset();
  EXPECT_EQ(unmapped, base);
}

TEST_P(MappingTest, FullAddressSpaceIsErrorWithoutRest) {
  Sys().mmap = [](void*, size_t, int, int, int, off_t) {
    errno = ENOMEM;
    return MAP_FAILED;
  };
  Sys().shmat = [](int, const void*, int) {
    errno = ENOMEM;
    return MAP_FAILED;
  };
  const absl::Status status = Create().status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(Message(status), HasSubstr("1073741824 bytes of address space"));
  EXPECT_TRUE(absl::IsNotFound(Size().status()));
}

TEST_P(SharedMappingTest, TakenNameIsRefusedAndKept) {
  const auto first = *Create();
  first->base()[0] = std::byte{7};
  EXPECT_TRUE(absl::IsAlreadyExists(Create().status()));
  EXPECT_EQ(*(*Join())->BackedBytes(), kSizeBytes);
  EXPECT_EQ((*Join())->base()[0], std::byte{7});
}

TEST_P(SharedMappingTest, JoinSeesTheBytesAndTheirChanges) {
  const auto created = *Create();
  created->base()[1] = std::byte{7};
  const auto joined = Join();
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_NE((*joined)->base(), created->base());
  EXPECT_EQ((*joined)->base()[1], std::byte{7});
  (*joined)->base()[2] = std::byte{8};
  EXPECT_EQ(created->base()[2], std::byte{8});
  EXPECT_EQ(*(*joined)->BackedBytes(), kSizeBytes);
}

TEST_P(SharedMappingTest, AForkedChildJoins) {
  const auto created = *Create();
  created->base()[1] = std::byte{7};
  EXPECT_EQ(InChild([&]() -> std::string {
              const auto joined = Join();
              if (!joined.ok()) return joined.status().ToString();
              if ((*joined)->base()[1] != std::byte{7}) return "other bytes";
              (*joined)->base()[2] = std::byte{8};
              return "";
            }),
            "");
  EXPECT_EQ(created->base()[2], std::byte{8});
}

TEST_P(SharedMappingTest, JoinerSeesGrowthOfOther) {
  const auto created = *Create();
  const auto joined = *Join();
  ASSERT_TRUE(created->Grow(2 * kSizeBytes).ok());
  EXPECT_EQ(*joined->BackedBytes(), 2 * kSizeBytes);
  created->base()[2 * kSizeBytes - 1] = std::byte{9};
  EXPECT_EQ(joined->base()[2 * kSizeBytes - 1], std::byte{9});
}

TEST_P(SharedMappingTest, ReadOnlyJoinCannotWriteNorGrow) {
  const auto created = *Create();
  created->base()[0] = std::byte{7};
  const auto joined = *Join(true);
  EXPECT_EQ(joined->base()[0], std::byte{7});
  EXPECT_EQ(*joined->BackedBytes(), kSizeBytes);
  EXPECT_TRUE(absl::IsInvalidArgument(joined->Grow(2 * kSizeBytes)));
  EXPECT_EQ(InChild([&]() -> std::string {
              ::signal(SIGSEGV, SIG_DFL);
              joined->base()[0] = std::byte{8};
              return "written";
            }),
            absl::StrCat("signal ", SIGSEGV));
}

TEST_P(SharedMappingTest, MissingSegmentIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(Join().status()));
  EXPECT_TRUE(absl::IsNotFound(Size().status()));
}

TEST_P(SharedMappingTest, NoFdStaysOpen) {
  const auto open_fds = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = open_fds();
  const auto created = *Create();
  const auto joined = *Join();
  ASSERT_TRUE(created->Grow(2 * kSizeBytes).ok());
  EXPECT_EQ(open_fds(), before);
}

TEST_P(NamedFileTest, GrowRefusesReplacedSegment) {
  const auto old = *Create();
  ASSERT_TRUE(Remove().ok());
  const auto fresh = *Create();
  EXPECT_TRUE(absl::IsFailedPrecondition(old->Grow(2 * kSizeBytes)));
  EXPECT_TRUE(absl::IsFailedPrecondition(old->BackedBytes().status()));
  EXPECT_EQ(*fresh->BackedBytes(), kSizeBytes);
  ASSERT_TRUE(Remove().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(old->Grow(2 * kSizeBytes)));
}

TEST_P(NamedFileTest, FilesystemWithoutReserveIsNamed) {
  Sys().fallocate = [](int, int, off_t, off_t) {
    errno = EOPNOTSUPP;
    return -1;
  };
  const absl::Status status = Create().status();
  EXPECT_EQ(StatusErrno(status), EOPNOTSUPP);
  EXPECT_THAT(Message(status), HasSubstr("cannot reserve blocks"));
  EXPECT_TRUE(absl::IsNotFound(Size().status()));
}

bool WriteText(const char* path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

// Moves this process into a mount namespace of its own, so that its mounts are
// invisible to other processes. Returns an error text or "".
std::string EnterMountNamespace() {
  const std::string user = absl::StrCat("0 ", ::geteuid(), " 1");
  const std::string group = absl::StrCat("0 ", ::getegid(), " 1");
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return "unshare refused";
    if (!WriteText("/proc/self/setgroups", "deny") ||
        !WriteText("/proc/self/uid_map", user) ||
        !WriteText("/proc/self/gid_map", group)) {
      return "user map refused";
    }
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return "private mounts refused";
  }
  return "";
}

TEST_P(NamedFileTest, FullFilesystemIsErrorWithoutRest) {
  const std::string room =
      GetParam() == Backing::kFile ? temp_.path() : "/dev/shm";
  EXPECT_EQ(
      InChild([&]() -> std::string {
        if (std::string refused = EnterMountNamespace(); !refused.empty()) {
          return refused;
        }
        if (::mount("none", room.c_str(), "tmpfs", 0, "size=64k") != 0) {
          return "mount refused";
        }
        const File dir = *File::OpenDirectory(temp_.path());
        const absl::Status status =
            CreateMapping(
                GetParam(), dir, name_,
                {.size_bytes = 1 << 20, .reserved_bytes = kReservedBytes})
                .status();
        const bool empty = std::filesystem::is_empty(room);
        return absl::StrCat(absl::StatusCodeToString(status.code()), " ",
                            Message(status), empty ? "" : " and a rest");
      }),
      ([&] {
        const std::string path =
            GetParam() == Backing::kFile ? temp_.Below(name_) : room + name_;
        const std::string advice =
            GetParam() == Backing::kFile
                ? "free space on its file system, or ask for a smaller cache"
                : "free space there, make it larger (mount -o remount,size=; "
                  "in a container --shm-size), ask for a smaller cache, or "
                  "use Backing::kFile";
        return "RESOURCE_EXHAUSTED reserve memory: " + path +
               ": No space left on device (errno ENOSPC); region needs "
               "1048576 bytes in " +
               room + "; " + advice;
      }()));
}

TEST_P(NamedFileTest, FullFilesystemAtGrowKeepsMemory) {
  const std::string room =
      GetParam() == Backing::kFile ? temp_.path() : "/dev/shm";
  EXPECT_EQ(InChild([&]() -> std::string {
              if (std::string refused = EnterMountNamespace();
                  !refused.empty()) {
                return refused;
              }
              if (::mount("none", room.c_str(), "tmpfs", 0, "size=64k") != 0) {
                return "mount refused";
              }
              const File dir = *File::OpenDirectory(temp_.path());
              const auto mapping = CreateMapping(
                  GetParam(), dir, name_,
                  {.size_bytes = 16384, .reserved_bytes = kReservedBytes});
              if (!mapping.ok()) return mapping.status().ToString();
              std::memset((*mapping)->base(), 7, 16384);
              const absl::Status status = (*mapping)->Grow(1 << 20);
              if (!absl::IsResourceExhausted(status)) return status.ToString();
              if ((*mapping)->base()[16383] != std::byte{7}) return "lost";
              const absl::Status fits = (*mapping)->Grow(32768);
              if (!fits.ok()) return fits.ToString();
              (*mapping)->base()[32767] = std::byte{8};
              return "";
            }),
            "");
}

class FileMappingTest : public ::testing::Test {
 protected:
  TempDir temp_;
};

TEST_F(FileMappingTest, SymbolicLinksAndDirectoriesAreRefused) {
  std::filesystem::create_symlink("/dev/zero", temp_.Below("link"));
  std::filesystem::create_directory(temp_.Below("dir"));
  for (const char* name : {"link", "dir"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        JoinMapping(Backing::kFile, temp_.dir(), name,
                    {.reserved_bytes = 4096, .read_only = true})
            .status()))
        << name;
  }
  EXPECT_TRUE(absl::IsAlreadyExists(
      CreateMapping(Backing::kFile, temp_.dir(), "link", kOptions).status()));
}

TEST_F(FileMappingTest, GrowsAfterTheDirectoryIsClosed) {
  auto dir = File::OpenDirectory(temp_.path());
  const auto mapping = *CreateMapping(Backing::kFile, *dir, "r", kOptions);
  dir->Close();
  EXPECT_TRUE(mapping->Grow(2 * kSizeBytes).ok());
}

class ForkMarkerTest : public SyscallTest {};

TEST_F(ForkMarkerTest, ChildReadsZeroAndParentKeepsMark) {
  ForkMarker marker;
  ASSERT_TRUE(marker.Map().ok());
  *marker.word() = 77;
  EXPECT_EQ(InChild([&] { return absl::StrCat(*marker.word()); }), "0");
  EXPECT_EQ(*marker.word(), 77u);
}

TEST_F(ForkMarkerTest, MarkedChildsChildrenReadZero) {
  ForkMarker marker;
  ASSERT_TRUE(marker.Map().ok());
  *marker.word() = 77;
  EXPECT_EQ(InChild([&] {
              *marker.word() = 78;
              return InChild([&] { return absl::StrCat(*marker.word()); });
            }),
            "0");
}

TEST_F(ForkMarkerTest, KernelWithoutWipeOnForkIsReported) {
  Sys().mmap = [](void*, size_t, int, int, int, off_t) {
    errno = ENOMEM;
    return MAP_FAILED;
  };
  ForkMarker marker;
  const absl::Status status = marker.Map();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(Message(status), HasSubstr("ulimit -v"));
  EXPECT_EQ(*marker.word(), 0u);
}

TEST_F(ForkMarkerTest, SaysWhichKernelItNeeds) {
  Sys().madvise = [](void*, size_t, int) {
    errno = EINVAL;
    return -1;
  };
  ForkMarker marker;
  EXPECT_THAT(Message(marker.Map()), HasSubstr("Linux 4.14"));
}

}  // namespace
}  // namespace mpool::os
