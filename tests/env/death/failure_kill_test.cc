// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// failure_kill_test.cc - a process dies at each step of handling a failed write
// or fsync, or of reusing a closed file's entry. The other processes lose no
// page, and report no page as durable that may not be.

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "region/limits.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::TempHome;

constexpr PageNo kPages = 5;
int failures = 0;  // of the next calls
uint64_t writes = 0;  // pages

// The process after the death.
enum class After { kSurvivor, kAdopter };

class FailureKillTest
    : public ::testing::TestWithParam<std::tuple<std::string, After>> {
 protected:
  FailureKillTest() { failures = 0; }
  ~FailureKillTest() override { os::Sys() = os::RealSyscalls(); }
  static const std::string& step() { return std::get<0>(GetParam()); }

  // Runs a process that dies at the step during two Syncs. The first Sync
  // fails.
  void Die() {
    ASSERT_EQ(test::InChild([&]() -> std::string {
                auto both = *OpenBoth(home_.path());
                for (PageNo page = 0; page < kPages; ++page) {
                  EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
                }
                failures = 1;
                os::KillAtStep(step(), 1);
                both.file->Sync().IgnoreError();
                return both.file->Sync().ToString();
              }),
              test::kKilled);
  }
  // Checks that an error is reported at most once and then all pages are on
  // disk.
  void ExpectDurable(MPoolFile& file, uint64_t at_least) {
    writes = 0;
    os::Sys().pwritev = [](int fd, const iovec* parts, int count,
                           off_t offset) -> ssize_t {
      for (int i = 0; i < count; ++i) writes += parts[i].iov_len / 4096;
      return os::RealSyscalls().pwritev(fd, parts, count, offset);
    };
    const absl::Status first = file.Sync();
    if (!first.ok()) {
      EXPECT_THAT(first, Fails(StatusCode::kDataLoss, "sync file",
                               home_.Below("pages.db")));
      EXPECT_THAT(file.Sync(), IsOk());
    }
    os::Sys() = os::RealSyscalls();
    EXPECT_GE(writes, at_least);
    for (PageNo page = 0; page < kPages; ++page) {
      EXPECT_EQ(GetText(file, page), "put");
      EXPECT_EQ(DiskText(home_.Below("pages.db"), page), "put");
    }
  }
  void DieAndExpectDurable(uint64_t at_least) {
    if (std::get<1>(GetParam()) == After::kAdopter) {
      ASSERT_NO_FATAL_FAILURE(Die());
      auto both = *OpenBoth(home_.path());
      ExpectDurable(*both.file, at_least);
    } else {
      auto both = *OpenBoth(home_.path());
      ASSERT_NO_FATAL_FAILURE(Die());
      ExpectDurable(*both.file, at_least);
    }
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  }

  TempHome home_;
};

auto AtSteps(std::string_view prefix) {
  return ::testing::Combine(
      ::testing::ValuesIn(test::StepNames(prefix)),
      ::testing::Values(After::kSurvivor, After::kAdopter));
}
std::string NameOf(
    const ::testing::TestParamInfo<std::tuple<std::string, After>>& test) {
  const auto& [step, after] = test.param;
  return absl::StrCat(
      test::StepTestName({step, test.index}),
      after == After::kSurvivor ? "ForSurvivors" : "ForAnAdopter");
}

using FsyncFailureKillTest = FailureKillTest;
INSTANTIATE_TEST_SUITE_P(Step, FsyncFailureKillTest, AtSteps("mpool.fsync."),
                         NameOf);

TEST_P(FsyncFailureKillTest, PagesAreRewrittenBeforeSyncSucceeds) {
  os::Sys().fsync = [](int fd) {
    if (failures == 0) return os::RealSyscalls().fsync(fd);
    --failures;
    errno = EIO;
    return -1;
  };
  // Nothing was fsynced yet, or everything was rewritten and fsynced.
  const bool is_sound = step() == "mpool.fsync.mark" ||
                        step() == "mpool.fsync.covered" ||
                        step() == "mpool.fsync.cleared";
  DieAndExpectDurable(is_sound ? 0 : kPages);
}

using WriteFailureKillTest = FailureKillTest;
INSTANTIATE_TEST_SUITE_P(Step, WriteFailureKillTest, AtSteps("mpool.cut."),
                         NameOf);

TEST_P(WriteFailureKillTest, HalfWrittenPageDelaysNoWriter) {
  os::Sys().pwritev = [](int fd, const iovec* parts, int count,
                         off_t offset) -> ssize_t {
    if (failures == 0) {
      return os::RealSyscalls().pwritev(fd, parts, count, offset);
    }
    if (failures++ != 1) {
      errno = ENOSPC;
      return -1;
    }
    iovec part = parts[0];
    part.iov_len = 1000;
    return os::RealSyscalls().pwritev(fd, &part, 1, offset);
  };
  DieAndExpectDurable(kPages);
}

// The tail of a file is cut off by a process that dies.
class TailKillTest : public ::testing::TestWithParam<std::string> {
 protected:
  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(Step, TailKillTest,
                         ::testing::ValuesIn(test::StepNames("mpool.tail.")),
                         test::StepTestName);

TEST_P(TailKillTest, OthersMakeThePage) {
  test::MakeFile(home_.Below("x.db"), std::string(4196, 'a'));
  auto env = *DbEnv::Open(home_.path(), test::SmallEnv());
  auto file = *env->OpenFile("x.db", {.odd_size = true});
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto mine = *DbEnv::Open(home_.path(), test::SmallEnv());
              auto same = *mine->OpenFile("x.db", {.odd_size = true});
              os::KillAtStep(GetParam(), 1);
              return same->New().status().ToString();
            }),
            test::kKilled);
  PageNo made = 0;
  {
    auto page = file->New();
    ASSERT_THAT(page, IsOk());
    made = page->number();
    test::Fill(page->data(), "made");
  }
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(GetText(*file, 0), std::string(4096, 'a'));
  EXPECT_THAT(file->Close(), IsOk());
  file = *env->OpenFile("x.db");
  EXPECT_EQ(GetText(*file, made), "made");
  EXPECT_EQ(DiskText(home_.Below("x.db"), made), "made");
}

class EntryKillTest : public os::SyscallTest {
 protected:
  TempHome home_;
};

// All entries are in use, so each further file reuses the entry of a closed
// file.
TEST_F(EntryKillTest, ClaimedEntryIsReusedAfterDeath) {
  os::Sys().fsync = [](int) { return 0; };
  auto env = *DbEnv::Open(home_.path(), test::SmallEnv());
  const auto put = [&](DbEnv& by, int number) -> absl::Status {
    FileOptions options;
    options.create = true;
    options.page_size = 512;
    auto file = by.OpenFile(absl::StrCat("f", number), options);
    return file.ok() ? PutText(**file, 0, absl::StrCat(number))
                     : file.status();
  };
  int count = 0;
  while (count < static_cast<int>(kMaxFiles)) {
    ASSERT_THAT(put(*env, count++), IsOk());
  }
  for (const char* step :
       {"mpool.file.mark", "mpool.file.marked", "mpool.file.claim",
        "mpool.file.claimed"}) {
    SCOPED_TRACE(step);
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto mine = *DbEnv::Open(home_.path(), test::SmallEnv());
                os::KillAtStep(step, 1);
                return put(*mine, count).ToString();
              }),
              test::kKilled);
    ++count;
    ASSERT_THAT(put(*env, count++), IsOk());
    EXPECT_THAT(env->Sync(), IsOk());
  }
  for (int number = 0; number < static_cast<int>(kMaxFiles); number += 512) {
    const std::string name = absl::StrCat("f", number);
    EXPECT_EQ(DiskText(home_.Below(name), 0, 512), absl::StrCat(number));
  }
}

}  // namespace
}  // namespace mpool
