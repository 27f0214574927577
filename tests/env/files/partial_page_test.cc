// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// partial_page_test.cc - a write that stops in the middle of a page makes no
// file unusable.

#include <signal.h>

#include <cerrno>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::TempHome;
using test::Channel;
using test::Child;
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;

constexpr uint32_t kPage = 65536;
bool stopped = false;
bool dies = false;

class PartialPageTest : public os::SyscallTest {
 protected:
  PartialPageTest() : path_(home_.Below("pages.db")) { stopped = dies = false; }
  ~PartialPageTest() override { os::Sys() = os::RealSyscalls(); }

  EnvOptions Options() {
    EnvOptions options = SmallEnv();
    options.cache_bytes = 4 << 20;
    options.on_event = [this](const Event& event) { events_.push_back(event); };
    return options;
  }
  absl::StatusOr<test::Opened> Open() {
    return OpenBoth(home_.path(), Options(), "pages.db", kPage);
  }
  // Lets only 4 KiB more fit on the disk.
  static void FillDisk() {
    os::Sys().pwritev = [](int fd, const iovec* parts, int,
                           off_t offset) -> ssize_t {
      if (stopped) {
        errno = ENOSPC;
        return -1;
      }
      stopped = true;
      iovec part = parts[0];
      part.iov_len = 4096;
      const ssize_t done = os::RealSyscalls().pwritev(fd, &part, 1, offset);
      if (dies) ::raise(SIGKILL);
      return done;
    };
  }
  // Runs a process that makes page 0 durable and is stopped, or dies, in the
  // write of page 1.
  std::string WriteHalf() {
    return test::InChild([&]() -> std::string {
      auto both = *Open();
      EXPECT_THAT(PutText(*both.file, 0, "whole"), IsOk());
      EXPECT_THAT(both.file->Sync(), IsOk());
      EXPECT_THAT(PutText(*both.file, 1, "half"), IsOk());
      FillDisk();
      EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kResourceExhausted,
                                           "write", path_, "No space left"));
      os::Sys() = os::RealSyscalls();
      ::raise(SIGKILL);
      return "";
    });
  }

  test::TempHome home_;
  const std::string path_;
  std::vector<Event> events_;
};

TEST_F(PartialPageTest, FullDiskLeavesWholePages) {
  EXPECT_EQ(WriteHalf(), test::kKilled);
  EXPECT_EQ(fs::file_size(path_), kPage);
  // This is the state after a power loss.
  ASSERT_THAT(DbEnv::Remove(home_.path(), /*force=*/true), IsOk());
  auto both = Open();
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(both->file->page_count(), 1u);
  EXPECT_EQ(GetText(*both->file, 0), "whole");
}

TEST_F(PartialPageTest, FreedSpaceLetsWriteFinish) {
  auto both = *Open();
  EXPECT_EQ(WriteHalf(), test::kKilled);
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(GetText(*both.file, 1), "half");
  EXPECT_EQ(DiskText(path_, 1, kPage), "half");
}

// Another process may be writing a later page.
TEST_F(PartialPageTest, ForeignPagesAreNotCutOff) {
  auto both = *Open();
  for (PageNo page = 0; page < 3; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
  }
  ASSERT_THAT(both.file->Sync(), IsOk());
  ASSERT_THAT(PutText(*both.file, 1, "new"), IsOk());
  FillDisk();
  EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kResourceExhausted));
  os::Sys() = os::RealSyscalls();
  EXPECT_EQ(fs::file_size(path_), 3 * kPage);
  EXPECT_EQ(DiskText(path_, 2, kPage), "put");
  EXPECT_THAT(both.file->Sync(), IsOk());
  EXPECT_EQ(DiskText(path_, 1, kPage), "new");
}

TEST_F(PartialPageTest, AdopterRepairsDeathDuringWrite) {
  dies = true;
  EXPECT_EQ(WriteHalf(), test::kKilled);
  EXPECT_EQ(fs::file_size(path_), kPage + 4096);
  auto both = Open();
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 1), "half");
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_EQ(DiskText(path_, 1, kPage), "half");
}

// A write of another page sees the half of a page that is cut off after it.
TEST_F(PartialPageTest, CutAfterWriteIsNoForeignChange) {
  {
    auto both = *Open();
    for (PageNo page = 0; page < 3; ++page) {
      ASSERT_THAT(PutText(*both.file, page, "whole"), IsOk());
    }
    ASSERT_THAT(both.Close(), IsOk());
  }
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto both = *Open();
              EXPECT_THAT(PutText(*both.file, 3, "half"), IsOk());
              dies = true;
              FillDisk();
              both.file->Sync().IgnoreError();
              return "";
            }),
            test::kKilled);
  EXPECT_EQ(fs::file_size(path_), 3 * kPage + 4096);
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto both = *Open();
              EXPECT_THAT(PutText(*both.file, 0, "new"), IsOk());
              os::Sys().pwritev = [](int fd, const iovec* parts, int count,
                                     off_t offset) -> ssize_t {
                if (offset == 0) {
                  return os::RealSyscalls().pwritev(fd, parts, count, offset);
                }
                errno = ENOSPC;
                return -1;
              };
              EXPECT_FALSE(both.file->Sync().ok());
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  EXPECT_EQ(fs::file_size(path_), 3 * kPage);
  auto both = Open();
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 3), "half");
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_EQ(DiskText(path_, 0, kPage), "new");
  EXPECT_EQ(DiskText(path_, 3, kPage), "half");
}

// The tail of a file is no page, also when a page takes its place that was
// never written.
TEST_F(PartialPageTest, TailIsNeverReadAsPage) {
  const std::vector<std::function<void(MPoolFile&)>> makers = {
      [](MPoolFile& file) { (*file.New()).Discard(); },
      [](MPoolFile& file) {
        (*file.GetForUpdate(5, {.create = true})).Discard();
      },
      [](MPoolFile& file) {
        const WritePage page = *file.New();
        ::raise(SIGKILL);
      },
  };
  for (const auto& make : makers) {
    const TempHome home;
    test::MakeFile(home.Below("x.db"), std::string(4196, 'a'));
    auto env = *DbEnv::Open(home.path(), SmallEnv());
    auto file = *env->OpenFile("x.db", {.odd_size = true});
    Child other([&](test::Channel& parent) -> std::string {
      auto mine = *DbEnv::Open(home.path(), SmallEnv());
      auto same = *mine->OpenFile("x.db", {.odd_size = true});
      auto evictor = *mine->OpenFile("other.db", {.create = true});
      make(*same);
      for (PageNo page = 0; page < 600; ++page) {
        EXPECT_THAT(PutText(*evictor, page, "other"), IsOk());
      }
      parent.Say("made");
      return parent.Hear();
    });
    other.Hear();
    EXPECT_THAT(env->FailCheck(), IsOk());
    EXPECT_EQ(GetText(*file, 0), std::string(4096, 'a'));
    EXPECT_EQ(GetText(*file, 1), "");
    const PageNo made = (*file->New()).number();
    EXPECT_EQ(file->page_count(), made + 1);
    ASSERT_THAT(PutText(*file, made, "made"), IsOk());
    EXPECT_THAT(env->Sync(), IsOk());
    auto evictor = *env->OpenFile("other.db", {.create = true});
    for (PageNo page = 0; page < 600; ++page) {
      EXPECT_THAT(PutText(*evictor, page, "other"), IsOk());
    }
    EXPECT_EQ(GetText(*file, 1), "");
    EXPECT_EQ(DiskText(home.Below("x.db"), 1), "");
    other.Kill();
  }
}

TEST_F(PartialPageTest, KnownPageSizeOpensFile) {
  {
    auto both = *Open();
    ASSERT_THAT(PutText(*both.file, 0, "whole"), IsOk());
    ASSERT_THAT(both.Close(), IsOk());
  }
  fs::resize_file(path_, kPage + 100);
  auto both = Open();
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "whole");
  EXPECT_EQ(both->file->page_count(), 1u);
  ASSERT_FALSE(events_.empty());
  EXPECT_EQ(events_.back().kind, Event::Kind::kPartialPage);
}

TEST_F(PartialPageTest, OddSizedFileOpensOnRequest) {
  test::MakeFile(path_, std::string(3 * 4096 + 10, 'a'));
  auto env = *DbEnv::Open(home_.path(), Options());
  EXPECT_THAT(env->OpenFile("pages.db"),
              Fails(StatusCode::kInvalidArgument, path_, "12298",
                    "another size", "cut short", "FileOptions::odd_size"));
  EXPECT_TRUE(events_.empty());
  auto file = env->OpenFile("pages.db", {.odd_size = true});
  ASSERT_THAT(file, IsOk());
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].kind, Event::Kind::kPartialPage);
  EXPECT_THAT(events_[0].message,
              ::testing::AllOf(::testing::HasSubstr(path_),
                               ::testing::HasSubstr("10 bytes")));
  EXPECT_EQ((*file)->page_count(), 3u);
  EXPECT_EQ(GetText(**file, 2), std::string(4096, 'a'));
  EXPECT_THAT((*file)->Get(3), Fails(StatusCode::kNotFound));
  EXPECT_EQ((*(*file)->New()).number(), 3u);
  EXPECT_THAT((*file)->Sync(), IsOk());
  EXPECT_EQ(fs::file_size(path_), 4 * 4096u);
}

}  // namespace
}  // namespace mpool
