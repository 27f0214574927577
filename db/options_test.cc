// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// options_test.cc - the default of each option, and its refused values.

#include "mpool/options.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/process.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::AllOf;
using test::Fails;
using test::IsOk;
using test::SmallEnv;
using test::TempHome;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(DefaultsTest, EnvironmentDefaultsMatchHeader) {
  const EnvOptions options;
  EXPECT_EQ(options.cache_bytes, 0u);
  EXPECT_EQ(options.on_mismatch, Mismatch::kRecreateIfClean);
  EXPECT_EQ(options.wait, absl::InfiniteDuration());
  EXPECT_EQ(options.max_cache_bytes, 0u);
  EXPECT_EQ(options.backing, Backing::kPosixShm);
  EXPECT_EQ(options.policy, Policy::kClock);
  EXPECT_TRUE(options.create);
  EXPECT_EQ(options.sysv_key, std::nullopt);
  EXPECT_EQ(options.mode, 0600);
  EXPECT_FALSE(options.prefault);
  EXPECT_FALSE(options.lock_memory);
  EXPECT_TRUE(options.huge_pages);
  EXPECT_TRUE(options.sync_on_last_close);
  EXPECT_TRUE(options.cleaner);
  EXPECT_EQ(options.log_flush, nullptr);
  EXPECT_EQ(options.on_event, nullptr);
}

TEST(DefaultsTest, FileDefaultsMatchHeader) {
  const FileOptions options;
  EXPECT_EQ(options.page_size, 4096u);
  EXPECT_FALSE(options.create);
  EXPECT_FALSE(options.read_only);
  EXPECT_EQ(options.mode, 0600);
  EXPECT_EQ(options.filter, 0);
  EXPECT_EQ(options.lsn_offset, -1);
  EXPECT_EQ(options.checksum_offset, -1);
  EXPECT_EQ(options.atomic_update, std::nullopt);
  EXPECT_FALSE(options.retain_until_synced);
  EXPECT_EQ(options.clear_bytes, 0u);
  EXPECT_EQ(options.priority, Priority::kDefault);
  EXPECT_EQ(options.max_bytes, 0u);
}

TEST(DefaultsTest, GetAndSyncDefaultsWaitForever) {
  const GetOptions get;
  EXPECT_EQ(get.latch, Latch::kShared);
  EXPECT_FALSE(get.create);
  EXPECT_FALSE(get.scan);
  EXPECT_EQ(get.wait, absl::InfiniteDuration());
  const SyncOptions sync;
  EXPECT_EQ(sync.up_to, Lsn{});
  EXPECT_EQ(sync.wait, absl::InfiniteDuration());
}

TEST(DefaultsTest, TheDefaultsOpen) {
  const TempHome home;
  auto env = DbEnv::Open(home.path());
  ASSERT_THAT(env, IsOk());
  const EnvStats stats = (*env)->Stats();
  EXPECT_EQ(stats.cache_bytes, uint64_t{32} << 20);
  EXPECT_EQ(stats.backing, Backing::kPosixShm);
  EXPECT_EQ(stats.policy, Policy::kClock);
}

class EnvOptionsTest : public ::testing::Test {
 protected:
  ~EnvOptionsTest() override { EXPECT_THAT(AllOf(home_.path()), IsEmpty()); }

  absl::Status Open(const std::function<void(EnvOptions&)>& change) {
    EnvOptions options = SmallEnv();
    change(options);
    return DbEnv::Open(home_.path(), options).status();
  }

  TempHome home_;
};

TEST_F(EnvOptionsTest, UnbuiltOptionIsNamed) {
  struct Case {
    const char* name;
    std::function<void(EnvOptions&)> change;
  };
  for (const auto& [name, change] : std::vector<Case>{
           {"the policy clock2q",
            [](auto& o) { o.policy = Policy::kClock2Q; }}}) {
    EXPECT_THAT(Open(change), Fails(StatusCode::kUnimplemented, name,
                                    "not built yet", "default"));
  }
}

TEST_F(EnvOptionsTest, UnnamedMemoryBesideNamedIsRefused) {
  {
    const auto first = DbEnv::Open(home_.path(), SmallEnv());
    ASSERT_THAT(first, IsOk());
    for (const Backing backing : {Backing::kHeap, Backing::kAnonymous}) {
      EXPECT_THAT(Open([&](auto& o) { o.backing = backing; }),
                  Fails(StatusCode::kFailedPrecondition, "kPosixShm",
                        "this process has it open"));
    }
  }
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
}

TEST_F(EnvOptionsTest, UnknownPolicyIsAnInvalidArgument) {
  EXPECT_THAT(Open([](auto& o) { o.policy = static_cast<Policy>(99); }),
              Fails(StatusCode::kInvalidArgument, "EnvOptions::policy is 99",
                    "no such policy"));
}

TEST_F(EnvOptionsTest, UselessOrMissingKeyIsRefused) {
  for (const Backing backing : {Backing::kPosixShm, Backing::kSysVPrivate}) {
    EXPECT_THAT(Open([&](auto& o) {
                  o.backing = backing;
                  o.sysv_key = 5;
                }),
                Fails(StatusCode::kInvalidArgument, "EnvOptions::sysv_key",
                      "only Backing::kSysV"));
  }
  EXPECT_THAT(Open([](auto& o) {
                o.backing = Backing::kSysV;
                o.sysv_key = 0;
              }),
              Fails(StatusCode::kInvalidArgument, "EnvOptions::sysv_key is 0",
                    "IPC_PRIVATE", "Backing::kSysVPrivate"));
}

TEST_F(EnvOptionsTest, CacheBelowSixteenPagesIsRefused) {
  for (const uint64_t bytes : {512u, 8191u, 8192u - 512u}) {
    EXPECT_THAT(Open([&](auto& o) { o.cache_bytes = bytes; }),
                Fails(StatusCode::kInvalidArgument, "EnvOptions::cache_bytes",
                      std::to_string(bytes), "at least 8192"));
  }
}

TEST_F(EnvOptionsTest, CacheNotMultipleOf512IsRefused) {
  for (const uint64_t bytes : {8193u, 10000u, 1048577u, 1049087u}) {
    EXPECT_THAT(Open([&](auto& o) { o.cache_bytes = bytes; }),
                Fails(StatusCode::kInvalidArgument, "EnvOptions::cache_bytes",
                      std::to_string(bytes), "multiple of 512"));
  }
}

TEST_F(EnvOptionsTest, CacheLargerThanMemoryIsRefused) {
  const uint64_t memory = os::PhysicalMemoryBytes();
  ASSERT_GT(memory, 0u);
  for (const uint64_t bytes :
       {memory / 512 * 512 + 512, uint64_t{1} << 62, ~uint64_t{511}}) {
    EXPECT_THAT(Open([&](auto& o) { o.cache_bytes = bytes; }),
                Fails(StatusCode::kInvalidArgument, "EnvOptions::cache_bytes",
                      std::to_string(bytes), "this machine has", "less"));
  }
}

TEST_F(EnvOptionsTest, ModeWithoutOwnerIsRefusedInOctal) {
  for (const int mode : {0, 0400, 0200, 0066, 01600, -1}) {
    EXPECT_THAT(Open([&](auto& o) { o.mode = mode; }),
                Fails(StatusCode::kInvalidArgument, "EnvOptions::mode",
                      "owner read and write"));
  }
  EXPECT_THAT(Open([](auto& o) { o.mode = 0440; }),
              Fails(StatusCode::kInvalidArgument, "0440"));
}

TEST_F(EnvOptionsTest, ValuesOutsideAnEnumAreRefused) {
  EXPECT_THAT(Open([](auto& o) { o.backing = static_cast<Backing>(99); }),
              Fails(StatusCode::kInvalidArgument, "EnvOptions::backing", "99"));
  EXPECT_THAT(Open([](auto& o) { o.policy = static_cast<Policy>(99); }),
              Fails(StatusCode::kInvalidArgument, "EnvOptions::policy", "99"));
}

class FileOptionsTest : public ::testing::Test {
 protected:
  ~FileOptionsTest() override {
    EXPECT_THAT(env_->Close(), IsOk());
    EXPECT_THAT(test::FilesIn(home_.path()),
                ElementsAre("__db.001", "__db.register"));
  }
  absl::Status Open(const std::function<void(FileOptions&)>& change) {
    FileOptions options;
    options.create = true;
    change(options);
    return env_->OpenFile("file.db", options).status();
  }

  TempHome home_;
  std::unique_ptr<DbEnv> env_ = *DbEnv::Open(home_.path(), SmallEnv());
};

TEST_F(FileOptionsTest, UnbuiltOptionIsNamed) {
  struct Case {
    const char* name;
    std::function<void(FileOptions&)> change;
  };
  for (const auto& [name, change] : std::vector<Case>{
           {"FileOptions::filter", [](auto& o) { o.filter = 1; }},
           {"FileOptions::checksum_offset",
            [](auto& o) { o.checksum_offset = 8; }},
           {"FileOptions::retain_until_synced",
            [](auto& o) { o.retain_until_synced = true; }},
           {"FileOptions::clear_bytes", [](auto& o) { o.clear_bytes = 16; }},
           {"FileOptions::priority",
            [](auto& o) { o.priority = Priority::kHigh; }},
           {"FileOptions::max_bytes", [](auto& o) { o.max_bytes = 1 << 20; }},
       }) {
    EXPECT_THAT(Open(change), Fails(StatusCode::kUnimplemented, name,
                                    "not built yet", "default"));
  }
  EXPECT_THAT(env_->OpenFile(""),
              Fails(StatusCode::kUnimplemented, "temporary file"));
}

TEST_F(FileOptionsTest, PageSizeOutsideRangeIsRefused) {
  for (const uint32_t size : {1u, 256u, 511u, 513u, 4095u, 5000u, 12288u,
                              65537u, 131072u, 0x80000000u, 0xffffffffu}) {
    EXPECT_THAT(Open([&](auto& o) { o.page_size = size; }),
                Fails(StatusCode::kInvalidArgument, "open file", "file.db",
                      "FileOptions::page_size", std::to_string(size),
                      "power of two from 512 to 65536"));
  }
}

TEST_F(FileOptionsTest, PageTooLargeForCacheIsRefused) {
  ASSERT_THAT(env_->Close(), IsOk());
  ASSERT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EnvOptions small;
  small.cache_bytes = 16 * 4096;
  env_ = *DbEnv::Open(home_.path(), small);
  EXPECT_THAT(Open([](auto& o) { o.page_size = 8192; }),
              Fails(StatusCode::kInvalidArgument, "open file", "file.db",
                    "65536", "room for 8 pages of 8192", "needs 16",
                    "larger cache or smaller pages"));
  ::unlink(home_.Below("file.db").c_str());
}

TEST_F(FileOptionsTest, CreateAndReadOnlyExcludeEachOther) {
  EXPECT_THAT(
      Open([](auto& o) { o.read_only = true; }),
      Fails(StatusCode::kInvalidArgument, "file.db", "create", "read_only"));
}

TEST_F(FileOptionsTest, ModeBeyondPermissionBitsIsRefused) {
  for (const int mode : {-1, 010000, 0100600}) {
    EXPECT_THAT(
        Open([&](auto& o) { o.mode = mode; }),
        Fails(StatusCode::kInvalidArgument, "file.db", "FileOptions::mode"));
  }
}

TEST_F(FileOptionsTest, LongPathOrNulIsRefused) {
  for (const std::string& path :
       {std::string(5000, 'x'), std::string("a\0b", 3)}) {
    EXPECT_THAT(env_->OpenFile(path, {.create = true}),
                Fails(StatusCode::kInvalidArgument, "open file",
                      std::to_string(path.size())));
  }
  EXPECT_THAT(env_->OpenFile(std::string(300, 'x'), {.create = true}),
              Fails(StatusCode::kInvalidArgument, "open"));
}

TEST_F(FileOptionsTest, CallsThatAreNotBuiltNameThemselves) {
  const TempHome other;
  auto both = *test::OpenBoth(other.path());
  auto unbuilt = [](const char* name) {
    return Fails(StatusCode::kUnimplemented, name, "not built yet");
  };
  EXPECT_THAT(both.env->Trickle(10), unbuilt("DbEnv::Trickle"));
  EXPECT_THAT(both.env->Sync({.up_to = {1, 2}}), unbuilt("SyncOptions::up_to"));
  EXPECT_THAT(both.file->ReadOptimistic(0, [](auto) {}),
              unbuilt("MPoolFile::ReadOptimistic"));
  EXPECT_THAT(both.file->GetBatch({}), unbuilt("MPoolFile::GetBatch"));
  EXPECT_THAT(both.file->Prefetch(0, 1), unbuilt("MPoolFile::Prefetch"));
  EXPECT_THAT(both.file->Truncate(0), unbuilt("MPoolFile::Truncate"));
  EXPECT_EQ(both.env->OldestDirtyLsn(), Lsn{});
}

}  // namespace
}  // namespace mpool
