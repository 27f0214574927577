// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// exhaustion_test.cc - a kernel resource runs out at each moment of a program,
// on each backing. The call returns a clear error and leaves nothing behind, or
// does not need the resource. Everything works again once the resource is back.
// full_region_test.cc exhausts the resources inside the region; room_test.cc
// also tests pages that a full disk refuses.

#include <malloc.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/footprint.h"
#include "tests/support/moments.h"
#include "tests/support/mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::IsOk;
using test::Moment;
using test::World;
using ::testing::HasSubstr;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kAmple = 128 * kMiB;
// A call that takes longer hangs.
constexpr unsigned kPatienceSeconds = 60;

enum class Resource {
  kDescriptors,
  kAddressSpace,
  kFileSize,
  kLockedMemory,
  kShmBytes,   // free bytes of /dev/shm
  kHomeBytes,  // free bytes of the home's file system
  kShmMni,     // System V segments
  kShmMax,     // bytes of one segment
  kShmAll,     // pages of all segments
};

struct Scarcity {
  Resource resource;
  const char* name;
  std::vector<Backing> backings;
  // The moments in `fails` must fail with the least amount. No moment may fail
  // with the last amount, or if it does not need the resource.
  std::vector<uint64_t> amounts;
  std::set<std::string> fails;
  std::vector<std::string> words;  // the resource and its remedy
};

std::vector<uint64_t> UpTo(uint64_t first, uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t n = first; n <= last; ++n) all.push_back(n);
  return all;
}

const std::vector<uint64_t> kFileSizes = {0,         512,  4 * kKiB,
                                          64 * kKiB, kMiB, 1024 * kMiB};

std::vector<Scarcity> Scarcities() {
  using enum Backing;
  const std::vector<uint64_t> bytes = {0,         4 * kKiB, 64 * kKiB,
                                       kMiB,      8 * kMiB, kAmple};
  return {
      {Resource::kFileSize, "FileSize", {kPosixShm, kFile}, kFileSizes,
       {"Resize", "Create", "HoldForUpdate", "PutMany", "Sync", "CloseFile",
        "Remove"},
       {"errno EFBIG", "RLIMIT_FSIZE", "ulimit -f"}},
      {Resource::kFileSize, "FileSize", {kSysV}, kFileSizes,
       {"Create", "PutMany", "Sync", "CloseFile", "Remove"},
       {"errno EFBIG", "RLIMIT_FSIZE", "ulimit -f"}},
      {Resource::kFileSize, "FileSize", {kAnonymous, kDevZero, kHeap},
       kFileSizes,
       {"PutMany", "Sync", "CloseFile"},
       {"errno EFBIG", "RLIMIT_FSIZE", "ulimit -f"}},
      {Resource::kLockedMemory, "LockedMemory", {kPosixShm, kFile},
       {0, 64 * kKiB, kMiB, 1024 * kMiB},
       {"Resize", "Create", "Join", "Adopt", "HoldForUpdate", "ForkedChild"},
       {"RLIMIT_MEMLOCK", "ulimit -l"}},
      {Resource::kShmBytes, "ShmBytes", {kPosixShm}, bytes,
       {"Resize", "Create", "HoldForUpdate"},
       {"errno ENOSPC", "/dev/shm", "--shm-size"}},
      {Resource::kShmBytes, "ShmBytes", {kFile}, bytes, {}, {}},
      {Resource::kHomeBytes, "HomeBytes", {kFile}, bytes,
       {"Resize", "Create", "HoldForUpdate", "PutMany", "Sync", "CloseFile",
        "Remove"},
       {"errno ENOSPC", "free space"}},
      {Resource::kHomeBytes, "HomeBytes", {kPosixShm, kSysV}, bytes,
       {"Create", "PutMany", "Sync", "CloseFile", "Remove"},
       {"errno ENOSPC", "free space"}},
      {Resource::kHomeBytes, "HomeBytes", {kAnonymous, kHeap}, bytes,
       {"PutMany", "Sync", "CloseFile"}, {"errno ENOSPC", "free space"}},
      {Resource::kShmMni, "ShmMni", {kSysV}, {0, 1, 2}, {"Create"},
       {"create segment", "kernel.shmmax, shmall or shmmni", "kPosixShm"}},
      {Resource::kShmMax, "ShmMax", {kSysV},
       {64 * kKiB, kMiB, 1024 * kMiB}, {"Create"},
       {"create segment", "kernel.shmmax, shmall or shmmni", "kPosixShm"}},
      {Resource::kShmAll, "ShmAll", {kSysV}, {0, 16, 256, 1024 * 1024},
       {"Create"},
       {"create segment", "kernel.shmmax, shmall or shmmni", "kPosixShm"}},
#ifndef __SANITIZE_ADDRESS__
      // The sanitizers need descriptors and memory of their own.
      {Resource::kDescriptors, "Descriptors", {kPosixShm}, UpTo(3, 20),
       {"Resize", "Create", "Join", "Adopt", "OpenFile", "HoldForUpdate",
        "ForkedChild", "Inspect", "Holders", "CloseEnv", "Remove"},
       {"errno EMFILE", "ulimit -n"}},
      {Resource::kDescriptors, "Descriptors", {kSysV}, UpTo(3, 20),
       {"Create", "Join", "Adopt", "OpenFile", "ForkedChild", "Inspect",
        "Holders", "CloseEnv", "Remove"},
       {"errno EMFILE", "ulimit -n"}},
      {Resource::kDescriptors, "Descriptors", {kAnonymous}, UpTo(3, 20),
       {"Create", "OpenFile", "ForkedChild", "CloseEnv"},
       {"errno EMFILE", "ulimit -n"}},
      {Resource::kDescriptors, "Descriptors", {kHeap}, UpTo(3, 20),
       {"Create", "OpenFile"}, {"errno EMFILE", "ulimit -n"}},
      {Resource::kAddressSpace, "AddressSpace", {kPosixShm, kFile, kSysV},
       {0, 64 * kKiB, kMiB, 16 * kMiB, 1024 * kMiB},
       {"Create", "Join", "Adopt", "ForkedChild", "Inspect", "Holders",
        "CloseEnv", "Remove"},
       {"errno ENOMEM", "ulimit -v"}},
      {Resource::kAddressSpace, "AddressSpace", {kAnonymous, kDevZero},
       {0, 64 * kKiB, kMiB, 16 * kMiB, 1024 * kMiB},
       {"Create", "ForkedChild", "CloseEnv"}, {"ulimit -v"}},
      {Resource::kAddressSpace, "AddressSpace", {kHeap},
       {0, 64 * kKiB, kMiB, 16 * kMiB, 1024 * kMiB},
       {"Create"}, {"errno ENOMEM", "ulimit -v"}},
#endif
  };
}

struct Case {
  Scarcity scarcity;
  Moment moment;
  Backing backing;

  friend void PrintTo(const Case& one, std::ostream* out) {
    *out << one.scarcity.name << " at " << one.moment.name;
  }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Scarcity& scarcity : Scarcities()) {
    for (const Backing backing : scarcity.backings) {
      const os::Reach reach = os::ReachOf(backing);
      for (const Moment& moment : test::Moments()) {
        if (moment.needs_name && reach != os::Reach::kAnyProcess) continue;
        if (moment.in_fork && reach == os::Reach::kOneProcess) continue;
        cases.push_back({scarcity, moment, backing});
      }
    }
  }
  return cases;
}

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return absl::StrCat(
      info.param.scarcity.name, info.param.moment.name,
      os::BackingText({info.param.backing, info.index}));
}

uint64_t NumberIn(const std::string& path) {
  uint64_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

void WriteNumber(const std::string& path, uint64_t number) {
  std::ofstream file(path);
  file << number << std::flush;
  EXPECT_TRUE(file.good()) << path;
}

// Mounts a file system with one page in use, because size 0 means no limit.
void MountSmall(const std::string& directory) {
  ASSERT_THAT(test::MountTmpfs(directory, kAmple), IsOk());
  test::MakeFile(directory + "/used", std::string(4 * kKiB, 'x'));
}

// Leaves `bytes` of it free. Less than a page counts as none.
void Leave(const std::string& directory, uint64_t bytes) {
  struct statvfs state = {};
  ASSERT_EQ(::statvfs(directory.c_str(), &state), 0);
  const uint64_t used = (state.f_blocks - state.f_bfree) * state.f_frsize;
  const std::string options = absl::StrCat("size=", used + bytes);
  ASSERT_EQ(::mount("none", directory.c_str(), nullptr, MS_REMOUNT,
                    options.c_str()),
            0)
      << options;
}

void Limit(__rlimit_resource resource, rlim_t soft) {
  rlimit limit = {};
  ASSERT_EQ(::getrlimit(resource, &limit), 0);
  limit.rlim_cur = std::min(soft, limit.rlim_max);
  ASSERT_EQ(::setrlimit(resource, &limit), 0);
}

// Lets threads and stacks work without new memory, so that memory is scarce for
// the library only.
void HaveMemoryOfOnesOwn() {
  constexpr size_t kHeapBytes = 16 << 20;
  constexpr size_t kStackBytes = 256 << 10;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, kHeapBytes);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kHeapBytes);
  std::free(std::malloc(kHeapBytes - 4096));
  volatile char stack[kStackBytes];
  for (size_t at = 0; at < kStackBytes; at += 4096) stack[at] = 0;
  if (stack[0] != 0) std::abort();
}

class ExhaustionTest : public ::testing::TestWithParam<Case> {
 protected:
  // Sets up the namespaces and whatever else must precede the environment.
  void Enter() {
    ASSERT_THAT(test::EnterOwnMounts(), IsOk());
    ASSERT_THAT(test::EnterOwnIpc(), IsOk());
    MountSmall("/dev/shm");
    MountSmall(home_.path());
    HaveMemoryOfOnesOwn();
    if (Is(Resource::kLockedMemory)) {
      // A process that may not raise the limit keeps the present limit.
      const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
      ::setrlimit(RLIMIT_MEMLOCK, &all);
      Limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
      ASSERT_THAT(test::DropRights(), IsOk());
    }
  }
  bool Is(Resource resource) const {
    return GetParam().scarcity.resource == resource;
  }
  bool IsOfThisProcessAlone() const {
    return Is(Resource::kDescriptors) || Is(Resource::kAddressSpace) ||
           Is(Resource::kFileSize) || Is(Resource::kLockedMemory);
  }

  void Take(uint64_t amount) const {
    switch (GetParam().scarcity.resource) {
      case Resource::kDescriptors:
        return Limit(RLIMIT_NOFILE, amount);
      case Resource::kAddressSpace:
        return Limit(RLIMIT_AS, NumberIn("/proc/self/statm") * 4096 + amount);
      case Resource::kFileSize:
        return Limit(RLIMIT_FSIZE, amount);
      case Resource::kLockedMemory:
        return Limit(RLIMIT_MEMLOCK, amount);
      case Resource::kShmBytes:
        return Leave("/dev/shm", amount);
      case Resource::kHomeBytes:
        return Leave(home_.path(), amount);
      case Resource::kShmMni:
        return WriteNumber("/proc/sys/kernel/shmmni",
                           os::Ipcs().size() + amount);
      case Resource::kShmMax:
        return WriteNumber("/proc/sys/kernel/shmmax", amount);
      case Resource::kShmAll: {
        uint64_t pages = amount;
        for (const os::IpcsLine& one : os::Ipcs()) {
          pages += (one.size + 4095) / 4096;
        }
        return WriteNumber("/proc/sys/kernel/shmall", pages);
      }
    }
  }
  void GiveBack() const {
    switch (GetParam().scarcity.resource) {
      case Resource::kDescriptors:
        return Limit(RLIMIT_NOFILE, RLIM_INFINITY);
      case Resource::kAddressSpace:
        return Limit(RLIMIT_AS, RLIM_INFINITY);
      case Resource::kFileSize:
        return Limit(RLIMIT_FSIZE, RLIM_INFINITY);
      case Resource::kLockedMemory:
        return Limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
      case Resource::kShmBytes:
        return Leave("/dev/shm", kAmple);
      case Resource::kHomeBytes:
        return Leave(home_.path(), kAmple);
      case Resource::kShmMni:
        return WriteNumber("/proc/sys/kernel/shmmni", 4096);
      case Resource::kShmMax:
        return WriteNumber("/proc/sys/kernel/shmmax", uint64_t{1} << 40);
      case Resource::kShmAll:
        return WriteNumber("/proc/sys/kernel/shmall", uint64_t{1} << 30);
    }
  }

  void ExpectClear(const absl::Status& status) const {
    // If pages cannot be written, Remove returns FailedPrecondition with the
    // reason.
    const bool removes = std::string_view(GetParam().moment.name) == "Remove";
    EXPECT_TRUE(absl::IsResourceExhausted(status) ||
                (removes && absl::IsFailedPrecondition(status)))
        << status;
    for (const std::string& word : GetParam().scarcity.words) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(word));
    }
  }

  // Returns the footprint, without the empty page file that a failed open
  // leaves.
  std::vector<std::string> Footprint() const {
    std::vector<std::string> lines = test::FootprintOf(home_.path());
    const std::string path = home_.Below("pages.db");
    const bool is_made = std::string_view(GetParam().moment.name) == "OpenFile";
    if (is_made && std::erase(lines, "file " + path) != 0) {
      EXPECT_EQ(test::BytesOf(path), "");
    }
    return lines;
  }

  void Act(World& world, uint64_t amount) const {
    const auto& [scarcity, moment, backing] = GetParam();
    ::alarm(kPatienceSeconds);
    const std::vector<std::string> before = Footprint();
    Take(amount);
    const absl::Status status = moment.act(world);
    if (world.has_neighbour() && IsOfThisProcessAlone()) {
      EXPECT_EQ(world.AskNeighbour(), "");
    }
    GiveBack();
    if (!status.ok()) {
      ExpectClear(status);
      const std::vector<std::string> after = Footprint();
      // Descriptors that a Close synced before the error stay closed.
      EXPECT_TRUE(std::string_view(moment.name) == "CloseEnv"
                      ? std::ranges::includes(before, after)
                      : before == after)
          << absl::StrJoin(after, "\n");
      EXPECT_THAT(moment.act(world), IsOk());
    }
    if (!scarcity.fails.contains(moment.name) ||
        amount == scarcity.amounts.back()) {
      EXPECT_THAT(status, IsOk());
    } else if (amount == scarcity.amounts.front()) {
      EXPECT_FALSE(status.ok());
    }
    world.ExpectWholeAndClose();
  }

  std::string Run(uint64_t amount) {
    Enter();
    World world(home_.path(), GetParam().backing);
    world.options().lock_memory = Is(Resource::kLockedMemory);
    GetParam().moment.prepare(world);
    if (HasFatalFailure()) return "not prepared";
    if (!GetParam().moment.in_fork) {
      Act(world, amount);
      return "done";
    }
    return test::InChild([&] {
      world.ForgetThread();
      Act(world, amount);
      return "done";
    });
  }

  test::TempHome home_;
};

INSTANTIATE_TEST_SUITE_P(Of, ExhaustionTest, ::testing::ValuesIn(Cases()),
                         CaseName);

TEST_P(ExhaustionTest, ErrorIsClearAndPasses) {
  for (const uint64_t amount : GetParam().scarcity.amounts) {
    EXPECT_EQ(test::InChild([&] { return Run(amount); }), "done")
        << "with " << amount;
  }
}

}  // namespace
}  // namespace mpool
