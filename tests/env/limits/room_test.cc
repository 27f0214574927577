// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// room_test.cc - file systems that are too small for the region or for the page
// files. Each test runs in a child with its own mount namespace.

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::AllOf;
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

class RoomTest : public ::testing::Test {
 protected:
  // Runs `body` with `directory` mounted as a file system of that size. Its
  // shared memory disappears with it.
  void With(const std::string& directory, uint64_t size_bytes,
            const std::function<void()>& body) {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                absl::Status mounted = test::EnterOwnMounts();
                if (mounted.ok()) {
                  mounted = test::MountTmpfs("/dev/shm", 256 * kMiB);
                }
                if (mounted.ok()) {
                  mounted = test::MountTmpfs(directory, size_bytes);
                }
                if (!mounted.ok()) return mounted.ToString();
                body();
                return "done";
              }),
              "done");
  }

  TempHome home_;
};

TEST_F(RoomTest, TooLargeRegionFileLeavesNothing) {
  for (const uint64_t size : {4 * kKiB, 64 * kKiB, kMiB, 8 * kMiB}) {
    With(home_.path(), size, [&] {
      EnvOptions options;
      options.cache_bytes = 8 * kMiB;
      options.backing = Backing::kFile;
      EXPECT_THAT(
          DbEnv::Open(home_.path(), options),
          Fails(StatusCode::kResourceExhausted, "region needs", home_.path(),
                "No space left", "free space", "smaller cache"));
      EXPECT_THAT(AllOf(home_.path()), IsEmpty());
    });
  }
}

TEST_F(RoomTest, TooLargeDescriptorLeavesNothing) {
  With(home_.path(), 8 * kKiB, [&] {
    test::MakeFile(home_.Below("filler"), std::string(8 * kKiB, 'x'));
    EXPECT_THAT(DbEnv::Open(home_.path(), SmallEnv()),
                Fails(StatusCode::kResourceExhausted, home_.path(),
                      "No space left", "free space"));
    EXPECT_THAT(AllOf(home_.path()), ElementsAre("filler"));
    fs::remove(home_.Below("filler"));
    EXPECT_THAT(DbEnv::Open(home_.path(), SmallEnv()), IsOk());
  });
}

TEST_F(RoomTest, TooSmallSharedMemoryLeavesNothing) {
  With("/dev/shm", kMiB, [&] {
    EXPECT_THAT(DbEnv::Open(home_.path()),
                Fails(StatusCode::kResourceExhausted, "region needs",
                      "in /dev/shm", "No space left", "--shm-size",
                      "smaller cache", "Backing::kFile"));
    EXPECT_THAT(AllOf(home_.path()), IsEmpty());
    EXPECT_THAT(test::FilesIn("/dev/shm"), IsEmpty());
    EXPECT_THAT(DbEnv::Open(home_.path(), SmallEnv(Backing::kFile)), IsOk());
  });
}

TEST_F(RoomTest, SmallSharedMemoryHoldsDefaultCache) {
  for (const uint32_t page_size : {512u, 4096u, 65536u}) {
    const TempHome home;
    With("/dev/shm", 64 * kMiB, [&] {
      auto both = *OpenBoth(home.path(), {}, "pages.db", page_size);
      const PageNo pages = 32 * kMiB / page_size;
      for (PageNo page = 0; page < pages + pages / 8; ++page) {
        ASSERT_THAT(PutText(*both.file, page, std::to_string(page)), IsOk());
      }
      const EnvStats stats = both.env->Stats();
      EXPECT_EQ(stats.frames, pages);
      EXPECT_EQ(stats.frames_free, 0u);
      for (PageNo page = 0; page < pages; page += 97) {
        EXPECT_EQ(GetText(*both.file, page), std::to_string(page));
      }
      EXPECT_THAT(both.Close(), IsOk());
    });
  }
}

TEST_F(RoomTest, MissingHeaderMemoryReducesFrames) {
  // The size fits pages of 4 KiB, but not the tables of pages of 512 bytes.
  With("/dev/shm", 10 * kMiB, [&] {
    EnvOptions options;
    options.cache_bytes = 9 * kMiB;
    auto env = *DbEnv::Open(home_.path(), options);
    FileOptions small;
    small.create = true;
    small.page_size = 512;
    absl::Status status;
    auto tiny = env->OpenFile("tiny.db", small);
    status = tiny.status();
    for (PageNo page = 0; status.ok() && page < 18 * kKiB; ++page) {
      status = PutText(**tiny, page, "t");
    }
    EXPECT_THAT(status, IsOk());
    EXPECT_LT(env->Stats().frames, 18 * kKiB);
    EXPECT_GT(env->Stats().evictions, 0u);
    auto file = *env->OpenFile("pages.db", {.create = true});
    for (PageNo page = 0; page < 16; ++page) {
      EXPECT_THAT(PutText(*file, page, "p"), IsOk());
    }
    EXPECT_THAT(file->Close(), IsOk());
    if (tiny.ok()) {
      EXPECT_THAT((*tiny)->Close(), IsOk());
    }
    EXPECT_THAT(env->Close(), IsOk());
  });
}

class FullDiskTest : public RoomTest {
 protected:
  static constexpr PageNo kPages = 60;

  FullDiskTest() : path_(home_.Below("pages.db")), fill_(home_.Below("fill")) {}

  // Runs `body` with a file full of pages that do not fit on the disk.
  void WithFullDisk(const std::function<void(test::Opened&)>& body) {
    With(home_.path(), kMiB, [&] {
      EnvOptions options = SmallEnv();
      options.on_event = [&](const Event& event) { events_.push_back(event); };
      auto both = *OpenBoth(home_.path(), options);
      ASSERT_THAT(PutText(*both.file, 0, "first"), IsOk());
      ASSERT_THAT(both.file->Sync(), IsOk());
      FillDisk();
      for (PageNo page = 0; page < kPages; ++page) {
        ASSERT_THAT(PutText(*both.file, page, std::to_string(page)), IsOk());
      }
      body(both);
    });
  }
  void FillDisk() {
    test::MakeFile(fill_, "");
    const fs::space_info space = fs::space(home_.path());
    test::Overwrite(fill_, 0, std::string(space.available, 'x'));
  }
  void FreeDisk() { fs::remove(fill_); }
  void ExpectReadable(test::Opened& both) {
    for (PageNo page = 0; page < kPages; ++page) {
      ASSERT_EQ(GetText(*both.file, page), std::to_string(page));
    }
  }
  void ExpectOnDisk() {
    for (PageNo page = 0; page < kPages; ++page) {
      ASSERT_EQ(DiskText(path_, page), std::to_string(page));
    }
  }
  auto NoSpace() {
    return Fails(StatusCode::kResourceExhausted, "write", path_,
                 "No space left", "free space");
  }

  const std::string path_;
  const std::string fill_;
  std::vector<Event> events_;
};

TEST_F(FullDiskTest, FailedSyncKeepsPagesDirty) {
  WithFullDisk([&](test::Opened& both) {
    EXPECT_THAT(both.file->Sync(), NoSpace());
    EXPECT_THAT(both.env->Sync(), NoSpace());
    EXPECT_GE(both.env->Stats().frames_dirty, kPages - 1);
    ASSERT_FALSE(events_.empty());
    EXPECT_EQ(events_[0].kind, Event::Kind::kWriteFailed);
    ExpectReadable(both);
    FreeDisk();
    EXPECT_THAT(both.file->Sync(), IsOk());
    EXPECT_EQ(both.env->Stats().frames_dirty, 0u);
    ExpectOnDisk();
    EXPECT_THAT(both.Close(), IsOk());
  });
}

TEST_F(FullDiskTest, FailedCloseKeepsFileOpen) {
  WithFullDisk([&](test::Opened& both) {
    EXPECT_THAT(both.file->Close(), NoSpace());
    EXPECT_FALSE(events_.empty());
    ExpectReadable(both);
    EXPECT_THAT(both.file->Close(), NoSpace());
    FreeDisk();
    EXPECT_THAT(both.Close(), IsOk());
    ExpectOnDisk();
  });
}

TEST_F(FullDiskTest, FailedCloseKeepsEnvironmentUsable) {
  WithFullDisk([&](test::Opened& both) {
    // The destructor cannot return an error: the handle is destroyed and the
    // pages stay.
    both.file.reset();
    ASSERT_FALSE(events_.empty());
    EXPECT_EQ(events_.back().kind, Event::Kind::kWriteFailed);
    EXPECT_THAT(both.env->Close(), NoSpace());
    EXPECT_THAT(both.env->Close(), NoSpace());
    both.file = *both.env->OpenFile("pages.db");
    ExpectReadable(both);
    FreeDisk();
    EXPECT_THAT(both.Close(), IsOk());
    ExpectOnDisk();
  });
}

TEST_F(FullDiskTest, DestroyedEnvironmentKeepsPages) {
  WithFullDisk([&](test::Opened& both) {
    both = {};
    ASSERT_FALSE(events_.empty());
    EXPECT_EQ(events_.back().kind, Event::Kind::kWriteFailed);
    EXPECT_EQ((*DbEnv::Inspect(home_.path())).processes, 0u);
    EXPECT_THAT(DbEnv::Remove(home_.path()),
                Fails(StatusCode::kFailedPrecondition, "No space left", path_,
                      "force"));
    auto next = *OpenBoth(home_.path());
    ExpectReadable(next);
    FreeDisk();
    EXPECT_THAT(next.Close(), IsOk());
    ExpectOnDisk();
  });
}

TEST_F(FullDiskTest, CacheOfUnwritablePagesLosesNone) {
  WithFullDisk([&](test::Opened& both) {
    PageNo page = kPages;
    absl::Status status;
    while (status.ok() && page < 1000) {
      status = PutText(*both.file, page, std::to_string(page));
      if (status.ok()) ++page;
    }
    EXPECT_THAT(status, NoSpace());
    EXPECT_EQ(page, test::kSmallCache / 4096);
    ExpectReadable(both);
    EXPECT_EQ(GetText(*both.file, page - 1), std::to_string(page - 1));
    // Cache and disk have the same size. Without the filler not all pages fit.
    FreeDisk();
    EXPECT_THAT(PutText(*both.file, 3, "3"), IsOk());
    EXPECT_THAT(PutText(*both.file, page, "one more"), IsOk());
    EXPECT_EQ(GetText(*both.file, page), "one more");
  });
}

}  // namespace
}  // namespace mpool
