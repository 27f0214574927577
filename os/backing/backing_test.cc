// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// backing_test.cc - the kernel's mappings of each backing, and the properties
// of single backings.

#include <sys/resource.h>
#include <sys/shm.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "os/backing/mapping.h"
#include "os/backing/segment.h"
#include "os/status.h"
#include "tests/support/all_backings.h"

namespace mpool::os {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kSizeBytes = 64 * 1024;
constexpr uint64_t kReservedBytes = uint64_t{64} << 20;
constexpr MappingOptions kOptions = {.size_bytes = kSizeBytes,
                                     .reserved_bytes = kReservedBytes};

class BackingTest : public SyscallTest,
                    public ::testing::WithParamInterface<Backing> {
 protected:
  ~BackingTest() override {
    Sys() = RealSyscalls();
    RemoveMapping(GetParam(), temp_.dir(), name_).IgnoreError();
  }
  MappingOr Create(const MappingOptions& options = kOptions) const {
    return CreateMapping(GetParam(), temp_.dir(), name_, options);
  }
  static bool IsSysV() {
    return GetParam() == Backing::kSysV || GetParam() == Backing::kSysVPrivate;
  }

  TempDir temp_;
  std::string name_ = TestSegment(GetParam(), temp_.dir());
};
class SharedBackingTest : public BackingTest {};
class UnnamedBackingTest : public BackingTest {};

INSTANTIATE_TEST_SUITE_P(All, BackingTest, ::testing::ValuesIn(kAllBackings),
                         BackingText);
INSTANTIATE_TEST_SUITE_P(All, SharedBackingTest,
                         ::testing::ValuesIn(kSharedBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, UnnamedBackingTest,
                         ::testing::ValuesIn(kUnnamedBackings), BackingText);

TEST_P(BackingTest, KernelMappingMatchesBackingName) {
  const auto mapping = *Create();
  const std::string line = MapsLine(mapping->base());
  const bool is_shared = ReachOf(GetParam()) != Reach::kOneProcess;
  EXPECT_THAT(line, HasSubstr(is_shared ? "rw-s" : "rw-p"));
  const std::map<Backing, std::string> files = {
      {Backing::kPosixShm, "/dev/shm/mpool-test-"},
      {Backing::kFile, "-segment"},
      {Backing::kSysV, "/SYSV" + name_.substr(2, 8)},
      {Backing::kAnonymous, "/dev/zero"},
      {Backing::kDevZero, "/dev/zero"},
      {Backing::kSysVPrivate, "/SYSV00000000 (deleted)"}};
  if (const auto file = files.find(GetParam()); file != files.end()) {
    EXPECT_THAT(line, HasSubstr(file->second));
  } else if (!is_shared) {
    EXPECT_THAT(line, Not(HasSubstr("/")));
  }
}

TEST_P(BackingTest, PopulateKeepsBytesAndLoadsPages) {
  const auto mapping = *Create();
  mapping->base()[5] = std::byte{7};
  EXPECT_TRUE(mapping->Populate(0, kSizeBytes).ok());
  EXPECT_EQ(mapping->base()[5], std::byte{7});
  unsigned char there[kSizeBytes / 4096] = {};
  ASSERT_EQ(::mincore(mapping->base(), kSizeBytes, there), 0);
  for (const unsigned char page : there) EXPECT_EQ(page & 1, 1);
}

TEST_P(BackingTest, KernelWithoutPopulateGetsPagesTouched) {
  Sys().madvise = [](void* address, size_t size, int advice) {
    constexpr int kPopulateWrite = 23;
    if (advice != kPopulateWrite) {
      return RealSyscalls().madvise(address, size, advice);
    }
    errno = EINVAL;
    return -1;
  };
  const auto mapping = *Create();
  EXPECT_TRUE(mapping->Populate(0, kSizeBytes).ok());
  unsigned char there[kSizeBytes / 4096] = {};
  ASSERT_EQ(::mincore(mapping->base(), kSizeBytes, there), 0);
  for (const unsigned char page : there) EXPECT_EQ(page & 1, 1);
}

TEST_P(BackingTest, NoMemoryIsErrorWithSize) {
  const auto mapping = *Create();
  Sys().madvise = [](void*, size_t, int) {
    errno = EFAULT;
    return -1;
  };
  const absl::Status status = mapping->Populate(0, kSizeBytes);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(Message(status), HasSubstr("65536 bytes; free memory"));
}

TEST_P(BackingTest, LockedMemoryIsLockedInTheKernel) {
  const auto mapping = *Create();
  ASSERT_TRUE(mapping->Populate(0, kSizeBytes).ok());
  ASSERT_TRUE(mapping->LockMemory(0, kSizeBytes).ok());
  if (IsSysV()) {
    EXPECT_NE(MappedSegment().permissions & SHM_LOCKED, 0u);
  } else {
    std::ifstream status("/proc/self/status");
    std::string text{std::istreambuf_iterator<char>(status), {}};
    EXPECT_THAT(text, ::testing::ContainsRegex("VmLck:\\s+64 kB"));
  }
  EXPECT_TRUE(mapping->LockMemory(0, kSizeBytes).ok());
}

TEST_P(BackingTest, ForbiddenLockNamesLimit) {
  const auto mapping = *Create();
  Sys().mlock = [](const void*, size_t) {
    errno = ENOMEM;
    return -1;
  };
  Sys().shmctl = [](int id, int command, shmid_ds* state) {
    if (command != SHM_LOCK) return RealSyscalls().shmctl(id, command, state);
    errno = ENOMEM;
    return -1;
  };
  Sys().getrlimit = [](int, rlimit* out) {
    out->rlim_cur = 12345;
    return 0;
  };
  const absl::Status status = mapping->LockMemory(0, kSizeBytes);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("RLIMIT_MEMLOCK"), HasSubstr("12345"),
                    HasSubstr("ulimit -l")));
}

TEST_P(BackingTest, SmallRegionHasNoHugePage) {
  const auto mapping = *Create(
      {.size_bytes = kSizeBytes, .reserved_bytes = uint64_t{1} << 20});
  mapping->AdviseHugePages();
  std::memset(mapping->base(), 1, kSizeBytes);
  EXPECT_EQ(mapping->HugeBytes(), 0u);
}

TEST_P(SharedBackingTest, CreateAndGrowReserveBlocks) {
  const auto allocated = [&]() -> uint64_t {
    if (GetParam() == Backing::kSysV) return IpcsOf(name_).resident;
    const auto file =
        File::Open(SegmentFile(GetParam(), temp_.path(), name_), {});
    return file->Info()->allocated_bytes;
  };
  const auto mapping = *Create();
  EXPECT_GE(allocated(), kSizeBytes);
  EXPECT_LT(allocated(), 2 * kSizeBytes);
  ASSERT_TRUE(mapping->Grow(4 * kSizeBytes).ok());
  EXPECT_GE(allocated(), 4 * kSizeBytes);
  EXPECT_LT(allocated(), 5 * kSizeBytes);
}

TEST_P(SharedBackingTest, PermissionsAreExactWhateverTheUmask) {
  for (const mode_t mask : {0077u, 0000u}) {
    const ScopedUmask umask(mask);
    MappingOptions options = kOptions;
    options.permissions = 0660;
    const auto mapping = *Create(options);
    const auto joined = *JoinMapping(GetParam(), temp_.dir(), name_, kOptions);
    EXPECT_EQ(joined->permissions(), 0660u);
    if (GetParam() == Backing::kSysV) {
      EXPECT_EQ(IpcsOf(name_).permissions & 0777, 0660u);
    } else {
      const auto file =
          File::Open(SegmentFile(GetParam(), temp_.path(), name_), {});
      EXPECT_EQ(file->Info()->mode & 07777, 0660u);
    }
    ASSERT_TRUE(RemoveMapping(GetParam(), temp_.dir(), name_).ok());
  }
}

TEST_P(UnnamedBackingTest, AForkedChildSharesIt) {
  const auto mapping = *Create();
  EXPECT_EQ(InChild([&] {
              mapping->base()[0] = std::byte{7};
              return mapping->Grow(2 * kSizeBytes).ToString();
            }),
            "OK");
  EXPECT_EQ(mapping->base()[0], std::byte{7});
}

TEST_P(UnnamedBackingTest, UnnamedMemoryRefusesJoin) {
  const auto mapping = *Create();
  const absl::Status status =
      JoinMapping(GetParam(), temp_.dir(), name_, kOptions).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("one process and its forked children"),
                    HasSubstr("kPosixShm, kFile or kSysV")));
  EXPECT_TRUE(std::filesystem::is_empty(temp_.path()));
}

TEST(HeapTest, JoinIsRefusedNamingOtherBackings) {
  const absl::Status status =
      JoinMapping(Backing::kHeap, File(), "", kOptions).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("Backing::kHeap"), HasSubstr("kPosixShm")));
}

TEST(HeapTest, ChangesOfAChildStayItsOwn) {
  const auto mapping = *CreateMapping(Backing::kHeap, File(), "", kOptions);
  EXPECT_EQ(InChild([&] {
              mapping->base()[0] = std::byte{7};
              return std::string();
            }),
            "");
  EXPECT_EQ(mapping->base()[0], std::byte{0});
}

// The kernel decides if it gives huge pages. HugeBytes must agree with the
// kernel.
TEST(HugePagesTest, AreToldWhereTheKernelGaveThem) {
  constexpr uint64_t kHuge = uint64_t{8} << 20;
  const auto mapping =
      *CreateMapping(Backing::kHeap, File(), "",
                     {.size_bytes = kHuge, .reserved_bytes = kHuge});
  mapping->AdviseHugePages();
  ASSERT_TRUE(mapping->Populate(0, kHuge).ok());
  const uint64_t huge = mapping->HugeBytes();
  EXPECT_EQ(huge % (uint64_t{2} << 20), 0u);
  EXPECT_LE(huge, kHuge);
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  const std::string mode{std::istreambuf_iterator<char>(file), {}};
  if (mode.empty() || mode.find("[never]") != std::string::npos) {
    EXPECT_EQ(huge, 0u);
  } else {
    EXPECT_GT(huge, 0u);
  }
}

class SysVTest : public SyscallTest {
 protected:
  ~SysVTest() override {
    Sys() = RealSyscalls();
    EXPECT_TRUE(RemoveStrayMappings(temp_.dir()).ok());
    if (foreign_ >= 0) ::shmctl(foreign_, IPC_RMID, nullptr);
  }
  key_t Key() const {
    return static_cast<key_t>(std::stoul(name_, nullptr, 16));
  }
  absl::Status Remove() const {
    return RemoveMapping(Backing::kSysV, temp_.dir(), name_);
  }
  // Gives the segment an agreed key (EnvOptions::sysv_key).
  void AgreeOnAKey() {
    name_ = MappingName(Backing::kSysV, temp_.dir().Info()->identity, 7,
                        0x5a000000 | ::getpid());
  }
  // Kills a creator right after it made its segment.
  void DieCreating(Backing backing) const {
    EXPECT_EQ(InChild([&]() -> std::string {
                Sys().shmat = [](int, const void*, int) -> void* {
                  ::raise(SIGKILL);
                  return nullptr;
                };
                return CreateMapping(backing, temp_.dir(), name_, kOptions)
                    .status()
                    .ToString();
              }),
              absl::StrCat("signal ", SIGKILL));
  }

  TempDir temp_;
  std::string name_ = TestSegment(Backing::kSysV, temp_.dir());
  int foreign_ = -1;
};

TEST_F(SysVTest, SegmentKeepsNamedKeyUntilRemoved) {
  auto mapping = *CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions);
  const IpcsLine line = IpcsOf(name_);
  EXPECT_EQ(line.key, static_cast<uint32_t>(Key()));
  EXPECT_GT(line.attached, 0u);
  EXPECT_EQ(line.size / 4096 * 4096, kReservedBytes);
  EXPECT_TRUE(HasStrayMappings(temp_.dir()));
  mapping.reset();
  EXPECT_EQ(IpcsOf(name_).attached, 0u);
  ASSERT_TRUE(Remove().ok());
  EXPECT_EQ(IpcsOf(name_).key, 0u);
  EXPECT_FALSE(HasStrayMappings(temp_.dir()));
}

TEST_F(SysVTest, RemovedMappedSegmentIsNoStray) {
  const auto mapping =
      *CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions);
  ASSERT_TRUE(Remove().ok());
  EXPECT_NE(MappedSegment().permissions & SHM_DEST, 0u);
  EXPECT_FALSE(HasStrayMappings(temp_.dir()));
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 0u);
}

TEST_F(SysVTest, ForeignSegmentOfKeyIsLeftAlone) {
  for (const size_t size : {size_t{4096}, size_t{kReservedBytes + 1000}}) {
    foreign_ = ::shmget(Key(), size, IPC_CREAT | IPC_EXCL | 0600);
    ASSERT_GE(foreign_, 0);
    EXPECT_TRUE(absl::IsAlreadyExists(
        CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions).status()));
    EXPECT_TRUE(absl::IsNotFound(
        JoinMapping(Backing::kSysV, temp_.dir(), name_, kOptions).status()));
    EXPECT_TRUE(absl::IsNotFound(
        MappingSize(Backing::kSysV, temp_.dir(), name_).status()));
    EXPECT_TRUE(Remove().ok());
    EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 0u);
    EXPECT_EQ(IpcsOf(name_).id, foreign_);
    ASSERT_EQ(::shmctl(foreign_, IPC_RMID, nullptr), 0);
    foreign_ = -1;
  }
}

TEST_F(SysVTest, DeadCreatorLeavesFindableSegment) {
  DieCreating(Backing::kSysV);
  EXPECT_NE(IpcsOf(name_).key, 0u);
  EXPECT_TRUE(HasStrayMappings(temp_.dir()));
  EXPECT_TRUE(absl::IsNotFound(
      MappingSize(Backing::kSysV, temp_.dir(), name_).status()));
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 1u);
  EXPECT_EQ(IpcsOf(name_).key, 0u);
}

TEST_F(SysVTest, AgreedKeyIsKernelKey) {
  AgreeOnAKey();
  const auto mapping =
      *CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions);
  const IpcsLine line = MappedSegment();
  EXPECT_EQ(line.key, 0x5a000000u | static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(IpcsOf(name_).id, line.id);
  EXPECT_TRUE(HasStrayMappings(temp_.dir()));
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 1u);
}

TEST_F(SysVTest, AgreedKeyOfAnotherProgramIsRefused) {
  AgreeOnAKey();
  foreign_ = ::shmget(Key(), 4096, IPC_CREAT | IPC_EXCL | 0600);
  ASSERT_GE(foreign_, 0);
  const absl::Status status =
      CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status));
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr(absl::StrCat("segment ", foreign_, ", which ")),
                    HasSubstr(absl::StrCat("process ", ::getpid())),
                    HasSubstr("choose another EnvOptions::sysv_key")));
  EXPECT_TRUE(Remove().ok());
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 0u);
  EXPECT_EQ(IpcsOf(name_).id, foreign_);
}

TEST_F(SysVTest, AgreedKeyOfAnotherHomeIsRefused) {
  AgreeOnAKey();
  const TempDir other;
  const std::string theirs = MappingName(
      Backing::kSysV, other.dir().Info()->identity, 7, Key());
  const auto mapping =
      *CreateMapping(Backing::kSysV, other.dir(), theirs, kOptions);
  const absl::Status status =
      CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status));
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("the environment of another home"),
                    HasSubstr(theirs)));
  EXPECT_TRUE(Remove().ok());
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 0u);
  EXPECT_EQ(*RemoveStrayMappings(other.dir()), 1u);
}

TEST_F(SysVTest, DeadCreatorsAgreedKeyIsFound) {
  AgreeOnAKey();
  DieCreating(Backing::kSysV);
  EXPECT_NE(IpcsOf(name_).key, 0u);
  EXPECT_TRUE(Remove().ok());
  EXPECT_EQ(IpcsOf(name_).key, 0u);
}

TEST_F(SysVTest, PrivateMemoryGoesWithLastProcess) {
  auto mapping = *CreateMapping(Backing::kSysVPrivate, temp_.dir(), "",
                                kOptions);
  const IpcsLine line = MappedSegment();
  ASSERT_GE(line.id, 0);
  EXPECT_EQ(line.key, 0u);
  EXPECT_NE(line.permissions & SHM_DEST, 0u);
  EXPECT_GT(line.attached, 0u);
  EXPECT_EQ(*mapping->BackedBytes(), kSizeBytes);
  EXPECT_FALSE(HasStrayMappings(temp_.dir()));
  Child child([] { ::pause(); });
  mapping.reset();
  const auto is_there = [&] {
    const auto all = Ipcs();
    return std::any_of(all.begin(), all.end(),
                       [&](const IpcsLine& one) { return one.id == line.id; });
  };
  EXPECT_TRUE(is_there());
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 0u);
  child.Kill();
  EXPECT_FALSE(is_there());
}

TEST_F(SysVTest, CreatorDeadBeforeMarkLeavesFindableSegment) {
  DieCreating(Backing::kSysVPrivate);
  EXPECT_TRUE(HasStrayMappings(temp_.dir()));
  const TempDir other;
  EXPECT_FALSE(HasStrayMappings(other.dir()));
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 1u);
  EXPECT_FALSE(HasStrayMappings(temp_.dir()));
}

TEST_F(SysVTest, StraysOfOtherHomesAreLeftAlone) {
  const TempDir other;
  const std::string theirs = TestSegment(Backing::kSysV, other.dir());
  ASSERT_TRUE(
      CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions).ok());
  ASSERT_TRUE(
      CreateMapping(Backing::kSysV, other.dir(), theirs, kOptions).ok());
  EXPECT_EQ(*RemoveStrayMappings(temp_.dir()), 1u);
  EXPECT_EQ(IpcsOf(name_).key, 0u);
  EXPECT_NE(IpcsOf(theirs).key, 0u);
  EXPECT_EQ(*RemoveStrayMappings(other.dir()), 1u);
}

TEST_F(SysVTest, RefusedSegmentNamesKernelLimits) {
  Sys().shmget = [](key_t, size_t, int) {
    errno = ENOSPC;
    return -1;
  };
  const absl::Status status =
      CreateMapping(Backing::kSysV, temp_.dir(), name_, kOptions).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("kernel.shmmax"), HasSubstr("shmmni")));
}

}  // namespace
}  // namespace mpool::os
