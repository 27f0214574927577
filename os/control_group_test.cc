// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/control_group.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

namespace fs = std::filesystem;
using test::Fails;
using test::IsOk;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// A root folder with the files of proc and cgroup.
class ControlGroupTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::string full = root_.Below(path);
    fs::create_directories(fs::path(full).parent_path());
    std::ofstream(full) << text;
  }
  // Writes the files of a group of version 2.
  void WriteTwo(const std::string& group, const std::string& limit,
                uint64_t used, uint64_t files = 0) {
    const std::string dir = "sys/fs/cgroup" + group;
    Write(dir + "/memory.max", limit + "\n");
    Write(dir + "/memory.current", std::to_string(used) + "\n");
    Write(dir + "/memory.stat", "anon 1\ninactive_file " +
                                    std::to_string(files / 2) +
                                    "\nactive_file " +
                                    std::to_string(files - files / 2) + "\n");
  }
  // Writes the files of a group of version 1.
  void WriteOne(const std::string& group, uint64_t limit, uint64_t used,
                uint64_t files = 0) {
    const std::string dir = "sys/fs/cgroup/memory" + group;
    Write(dir + "/memory.limit_in_bytes", std::to_string(limit) + "\n");
    Write(dir + "/memory.usage_in_bytes", std::to_string(used) + "\n");
    Write(dir + "/memory.stat", "active_file 7\ntotal_active_file " +
                                    std::to_string(files) + "\n");
  }
  uint64_t Left() const {
    const auto group = TightestGroup(root_.path());
    EXPECT_TRUE(group.has_value());
    return group.has_value() ? group->left_bytes : 0;
  }

  TempDir root_;
};

TEST_F(ControlGroupTest, ErrorNamesFileLimitAndUse) {
  Write("proc/self/cgroup", "0::/a/b\n");
  WriteTwo("/a/b", std::to_string(64 * kMiB), 10 * kMiB);
  EXPECT_THAT(CheckGroupMemory(54 * kMiB, root_.path()), IsOk());
  EXPECT_THAT(CheckGroupMemory(54 * kMiB + 1, root_.path()),
              Fails(absl::StatusCode::kResourceExhausted,
                    "/sys/fs/cgroup/a/b/memory.max is 67108864",
                    "10485760 are in use", "56623105 bytes are needed"));
}

TEST_F(ControlGroupTest, TightestAncestorCounts) {
  Write("proc/self/cgroup", "0::/a/b/c\n");
  WriteTwo("/a", std::to_string(100 * kMiB), 90 * kMiB);
  WriteTwo("/a/b", "max", 10 * kMiB);
  WriteTwo("/a/b/c", std::to_string(64 * kMiB), 10 * kMiB);
  EXPECT_EQ(Left(), 10 * kMiB);
  EXPECT_TRUE(TightestGroup(root_.path())
                  ->limit_file.ends_with("/sys/fs/cgroup/a/memory.max"));
}

TEST_F(ControlGroupTest, VersionOneCounts) {
  Write("proc/self/cgroup", "3:cpu,memory:/a\n1:name=systemd:/\n0::/\n");
  WriteOne("", uint64_t{9223372036854771712u}, 500 * kMiB);
  WriteOne("/a", 64 * kMiB, 60 * kMiB, 20 * kMiB);
  EXPECT_EQ(Left(), 24 * kMiB);
}

TEST_F(ControlGroupTest, CacheOfFilesCountsAsFree) {
  Write("proc/self/cgroup", "0::/a\n");
  WriteTwo("/a", std::to_string(64 * kMiB), 64 * kMiB, 30 * kMiB);
  EXPECT_EQ(Left(), 30 * kMiB);
}

TEST_F(ControlGroupTest, SwapCountsWithinItsLimit) {
  Write("proc/self/cgroup", "0::/a\n");
  Write("proc/meminfo", "MemTotal: 1 kB\nSwapFree:  8192 kB\n");
  WriteTwo("/a", std::to_string(64 * kMiB), 64 * kMiB);
  EXPECT_EQ(Left(), 8 * kMiB);
  Write("sys/fs/cgroup/a/memory.swap.max", std::to_string(5 * kMiB));
  Write("sys/fs/cgroup/a/memory.swap.current", std::to_string(2 * kMiB));
  EXPECT_EQ(Left(), 3 * kMiB);
}

TEST_F(ControlGroupTest, VersionOneLimitsMemoryAndSwapTogether) {
  Write("proc/self/cgroup", "3:memory:/a\n");
  Write("proc/meminfo", "SwapFree:  8192 kB\n");
  WriteOne("/a", 64 * kMiB, 60 * kMiB);
  Write("sys/fs/cgroup/memory/a/memory.memsw.limit_in_bytes",
        std::to_string(64 * kMiB));
  Write("sys/fs/cgroup/memory/a/memory.memsw.usage_in_bytes",
        std::to_string(60 * kMiB));
  EXPECT_EQ(Left(), 4 * kMiB);
}

// A container without a namespace of its own sees the path of its host.
TEST_F(ControlGroupTest, UnknownPathUsesTheMount) {
  for (const char* path : {"0::/docker/0123\n", "0::/../../x\n"}) {
    Write("proc/self/cgroup", path);
    WriteTwo("", std::to_string(64 * kMiB), 60 * kMiB);
    EXPECT_EQ(Left(), 4 * kMiB);
  }
}

TEST_F(ControlGroupTest, NoLimitAllowsAll) {
  EXPECT_THAT(CheckGroupMemory(uint64_t{1} << 50, root_.path()), IsOk());
  Write("proc/self/cgroup", "0::/a\nnonsense\n");
  EXPECT_THAT(CheckGroupMemory(uint64_t{1} << 50, root_.path()), IsOk());
  WriteTwo("/a", "max", 10);
  EXPECT_THAT(CheckGroupMemory(uint64_t{1} << 50, root_.path()), IsOk());
  WriteTwo("/a", "nonsense", 10);
  EXPECT_FALSE(TightestGroup(root_.path()).has_value());
}

}  // namespace
}  // namespace mpool::os
