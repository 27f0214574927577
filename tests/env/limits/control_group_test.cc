// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// control_group_test.cc - a control group allows less memory than a cache
// needs. The kernel would kill the process, and the library returns an error.

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/syscalls.h"
#include "tests/support/all_backings.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using test::Fails;
using test::IsOk;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Shows this process a group of a limit that the test chooses.
class GroupLimitTest : public os::SyscallTest,
                       public ::testing::WithParamInterface<Backing> {
 protected:
  GroupLimitTest() {
    root = root_.path();
    Write("/proc/self/cgroup", "0::/box\n");
    SetLimit(1024 * kMiB);
    os::Sys().open = [](const char* path, int flags, mode_t mode) {
      const std::string_view name(path);
      if (name != "/proc/self/cgroup" && !name.starts_with("/sys/fs/cgroup")) {
        return os::RealSyscalls().open(path, flags, mode);
      }
      const std::string shown = absl::StrCat(root, path);
      return os::RealSyscalls().open(shown.c_str(), flags, mode);
    };
  }

  void Write(const std::string& path, const std::string& text) const {
    const std::string full = root + path;
    fs::create_directories(fs::path(full).parent_path());
    std::ofstream(full) << text;
  }
  void SetLimit(uint64_t bytes, uint64_t used = 0) const {
    Write("/sys/fs/cgroup/box/memory.max", absl::StrCat(bytes));
    Write("/sys/fs/cgroup/box/memory.current", absl::StrCat(used));
  }
  absl::StatusOr<std::unique_ptr<DbEnv>> Open(uint64_t cache_bytes,
                                              bool prefault = false) const {
    return DbEnv::Open(home_.path(), {.cache_bytes = cache_bytes,
                                      .max_cache_bytes = 16 * kMiB,
                                      .backing = GetParam(),
                                      .prefault = prefault});
  }

  static inline std::string root;
  test::TempHome root_;
  test::TempHome home_;
};
// The file of kFile is on a disk, which holds its pages if memory is short.
INSTANTIATE_TEST_SUITE_P(Memory, GroupLimitTest,
                         ::testing::Values(Backing::kPosixShm, Backing::kSysV,
                                           Backing::kAnonymous,
                                           Backing::kDevZero, Backing::kHeap,
                                           Backing::kSysVPrivate),
                         os::BackingText);

TEST_P(GroupLimitTest, CreateBeyondTheLimitIsResourceExhausted) {
  SetLimit(8 * kMiB, 5 * kMiB);
  EXPECT_THAT(Open(4 * kMiB),
              Fails(StatusCode::kResourceExhausted,
                    "/sys/fs/cgroup/box/memory.max is 8388608",
                    "5242880 are in use", "raise the limit"));
  EXPECT_TRUE(test::AllOf(home_.path()).empty());
  SetLimit(16 * kMiB, 5 * kMiB);
  auto env = Open(4 * kMiB);
  ASSERT_THAT(env, IsOk());
  EXPECT_THAT((*env)->Close(), IsOk());
}

TEST_P(GroupLimitTest, ResizeBeyondTheLimitKeepsTheSize) {
  auto env = Open(4 * kMiB);
  ASSERT_THAT(env, IsOk());
  SetLimit(8 * kMiB, 5 * kMiB);
  const uint64_t before = (*env)->Stats().cache_bytes;
  EXPECT_THAT((*env)->Resize(12 * kMiB),
              Fails(StatusCode::kResourceExhausted, "resize",
                    "memory.max is 8388608", "its size is as before"));
  EXPECT_EQ((*env)->Stats().cache_bytes, before);
  SetLimit(32 * kMiB, 5 * kMiB);
  EXPECT_THAT((*env)->Resize(12 * kMiB), IsOk());
  EXPECT_THAT((*env)->Close(), IsOk());
}

// The memory counts for the creator's group already.
TEST_P(GroupLimitTest, PrefaultOfPresentMemoryNeedsNoRoom) {
  if (os::ReachOf(GetParam()) == os::Reach::kOneProcess) {
    SetLimit(8 * kMiB, 5 * kMiB);
    EXPECT_THAT(Open(4 * kMiB, /*prefault=*/true),
                Fails(StatusCode::kResourceExhausted, "memory.max"));
    return;
  }
  auto env = Open(4 * kMiB);
  ASSERT_THAT(env, IsOk());
  SetLimit(8 * kMiB, 8 * kMiB);
  auto again = Open(4 * kMiB, /*prefault=*/true);
  EXPECT_THAT(again, IsOk());
  EXPECT_THAT((*again)->Close(), IsOk());
  EXPECT_THAT((*env)->Close(), IsOk());
}

}  // namespace
}  // namespace mpool
