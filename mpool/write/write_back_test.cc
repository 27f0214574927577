// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/get/hit.h"
#include "mpool/write/write_back.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/test_pool.h"

namespace mpool::internal {
namespace {

using ::testing::ElementsAre;

// Each write call as "bytes@offset".
std::vector<std::string>* writes = nullptr;

class WriteBackTest : public os::SyscallTest {
 protected:
  WriteBackTest() {
    writes = &writes_;
    os::Sys().pwrite = [](int fd, const void* data, size_t size,
                          off_t offset) {
      writes->push_back(absl::StrCat(size, "@", offset));
      return os::RealSyscalls().pwrite(fd, data, size, offset);
    };
    os::Sys().pwritev = [](int fd, const iovec* parts, int count,
                           off_t offset) {
      size_t size = 0;
      for (int i = 0; i < count; ++i) size += parts[i].iov_len;
      writes->push_back(absl::StrCat(size, "@", offset));
      return os::RealSyscalls().pwritev(fd, parts, count, offset);
    };
  }
  void Dirty(const OpenedFile& file, PageNo page) {
    pool_.pool().getter().GetForUpdate(file, page, {})->data()[0] =
        std::byte{1};
  }

  std::vector<std::string> writes_;
  TestPool pool_{uint64_t{4} << 20};
};

TEST_F(WriteBackTest, SixtyFourNeighboursNeedOneCall) {
  const OpenedFile file = pool_.Open("f", 4096, 100);
  for (PageNo i = 0; i < 64; ++i) Dirty(file, 10 + (i * 37) % 64);
  ASSERT_TRUE(pool_.pool().Sync(file.index, absl::InfiniteDuration()).ok());
  EXPECT_THAT(writes_, ElementsAre(absl::StrCat(64 * 4096, "@", 10 * 4096)));
  const EnvStats stats = pool_.pool().Stats();
  EXPECT_EQ(stats.pages_written, 64u);
  EXPECT_EQ(stats.writes, 1u);
}

TEST_F(WriteBackTest, GapOrFileBeginsCallInOrder) {
  const OpenedFile f = pool_.Open("f", 512, 100);
  const OpenedFile g = pool_.Open("g", 512, 100);
  for (const PageNo page : {9u, 4u, 5u, 8u, 3u}) Dirty(f, page);
  for (const PageNo page : {6u, 7u}) Dirty(g, page);
  ASSERT_TRUE(pool_.pool().Sync(std::nullopt, absl::InfiniteDuration()).ok());
  EXPECT_THAT(writes_, ElementsAre("1536@1536", "1024@4096", "1024@3072"));
}

TEST_F(WriteBackTest, CallIsLimitedToStagingBuffer) {
  const OpenedFile file = pool_.Open("f", 65536, 40);
  for (PageNo page = 0; page < 20; ++page) Dirty(file, page);
  ASSERT_TRUE(pool_.pool().Sync(file.index, absl::InfiniteDuration()).ok());
  EXPECT_THAT(writes_, ElementsAre(absl::StrCat(kStagingBytes, "@0"),
                                   absl::StrCat(4 * 65536, "@",
                                                kStagingBytes)));
}

TEST_F(WriteBackTest, CleanPageIsNotWritten) {
  const OpenedFile file = pool_.Open("f", 4096, 100);
  ASSERT_TRUE(pool_.pool().getter().Get(file, 1, {}).ok());
  pool_.pool().getter().GetForUpdate(file, 2, {})->Discard();
  ASSERT_TRUE(pool_.pool().Sync(file.index, absl::InfiniteDuration()).ok());
  EXPECT_THAT(writes_, ElementsAre());
  Dirty(file, 1);
  ASSERT_TRUE(pool_.pool().Sync(file.index, absl::InfiniteDuration()).ok());
  ASSERT_TRUE(pool_.pool().Sync(file.index, absl::InfiniteDuration()).ok());
  EXPECT_THAT(writes_, ElementsAre("4096@4096"));
}

TEST_F(WriteBackTest, UnwrittenPageIsWrittenByNextSync) {
  const OpenedFile file = pool_.Open("f", 4096, 100);
  Dirty(file, 3);
  static bool is_full;
  is_full = true;
  const auto fails = [] {
    if (is_full) errno = ENOSPC;
    return is_full;
  };
  static const auto check = fails;
  os::Sys().pwrite = [](int fd, const void* data, size_t size, off_t offset) {
    if (check()) return ssize_t{-1};
    return os::RealSyscalls().pwrite(fd, data, size, offset);
  };
  os::Sys().pwritev = [](int fd, const iovec* parts, int count, off_t offset) {
    if (check()) return ssize_t{-1};
    return os::RealSyscalls().pwritev(fd, parts, count, offset);
  };
  EXPECT_FALSE(pool_.pool().Sync(file.index, absl::InfiniteDuration()).ok());
  EXPECT_EQ(pool_.pool().Stats().frames_dirty, 1u);
  is_full = false;
  EXPECT_TRUE(pool_.pool().Sync(file.index, absl::InfiniteDuration()).ok());
  EXPECT_EQ(pool_.pool().Stats().frames_dirty, 0u);
}

}  // namespace
}  // namespace mpool::internal
