// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// sandbox_test.cc - a sandbox refuses a system call with EPERM or ENOSYS. The
// library does without the call, or returns an error. It never aborts.

#include <errno.h>
#include <string.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/status.h"
#include "os/syscalls.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using os::Syscalls;
using test::GetText;
using test::IsOk;
using test::PutText;

int refusal = 0;

// A call that the sandbox refuses.
template <auto kEntry>
struct Refused;
template <class R, class... Args, R (*Syscalls::*kEntry)(Args...)>
struct Refused<kEntry> {
  static R Call(Args...) {
    errno = refusal;
    return R(-1);
  }
};
template <auto... kEntries>
void Refuse() {
  ((os::Sys().*kEntries = Refused<kEntries>::Call), ...);
}

struct Call {
  const char* name;
  void (*refuse)();
};

// The library has another way for each of these.
constexpr Call kReplaced[] = {
    {"statx", Refuse<&Syscalls::statx>},
    {"membarrier", Refuse<&Syscalls::membarrier>},
    {"memfd_create", Refuse<&Syscalls::memfd_create>},
    {"getrandom", Refuse<&Syscalls::getrandom>},
    {"fchmod", Refuse<&Syscalls::fchmod>},
    {"fchown", Refuse<&Syscalls::fchown>},
    {"fstatfs", Refuse<&Syscalls::fstatfs>},
    {"getrlimit", Refuse<&Syscalls::getrlimit>},
    {"lseek", Refuse<&Syscalls::lseek>},
    {"mincore", Refuse<&Syscalls::mincore>},
    {"renameat", Refuse<&Syscalls::renameat>},
    {"ustat", Refuse<&Syscalls::ustat>},
    {"ioctl", Refuse<&Syscalls::ioctl>},
    {"fadvise", Refuse<&Syscalls::fadvise>}};
// The library cannot work without these.
constexpr Call kNeeded[] = {
    {"madvise", Refuse<&Syscalls::madvise>},
    {"fallocate", Refuse<&Syscalls::fallocate>},
    {"fcntl_lock", Refuse<&Syscalls::fcntl_lock>},
    {"unlinkat", Refuse<&Syscalls::unlinkat>}};

class SandboxTest
    : public ::testing::TestWithParam<std::tuple<int, Backing>> {
 protected:
  // Opens, puts a page, syncs, and closes, in a process of its own.
  std::string Use(const Call& call) const {
    return test::InChild([&]() -> std::string {
      const auto [error, backing] = GetParam();
      refusal = error;
      call.refuse();
      auto both = test::OpenBoth(home_.path(), test::SmallEnv(backing));
      if (!both.ok()) return both.status().ToString();
      for (PageNo page = 0; page < 20; ++page) {
        EXPECT_THAT(PutText(*both->file, page, "put"), IsOk());
      }
      EXPECT_EQ(GetText(*both->file, 7), "put");
      EXPECT_THAT(both->file->Sync(), IsOk());
      return both->Close().ToString();
    });
  }

  test::TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(
    All, SandboxTest,
    ::testing::Combine(::testing::Values(EPERM, ENOSYS),
                       ::testing::ValuesIn(os::kAllBackings)),
    [](const auto& one) {
      return absl::StrCat(
          strerrorname_np(std::get<0>(one.param)),
          os::Abs(os::FindBacking(std::get<1>(one.param))
                      ->enumerator.substr(1)));
    });

TEST_P(SandboxTest, ReplaceableCallIsReplaced) {
  for (const Call& call : kReplaced) {
    EXPECT_EQ(Use(call), "OK") << call.name;
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk()) << call.name;
  }
}

TEST_P(SandboxTest, NeededCallIsAnError) {
  for (const Call& call : kNeeded) {
    // Backings that do not need the call work.
    EXPECT_THAT(Use(call),
                ::testing::AnyOf("OK", ::testing::HasSubstr("(errno EPERM)"),
                                 ::testing::HasSubstr("(errno ENOSYS)")))
        << call.name;
    EXPECT_THAT(DbEnv::Remove(home_.path(), true), IsOk()) << call.name;
  }
}

// Processes with and without statx know different times of birth of the same
// home and file.
TEST(SandboxSharingTest, ProcessesWithAndWithoutStatxShareTheCache) {
  const test::TempHome home;
  auto both = *test::OpenBoth(home.path());
  ASSERT_THAT(PutText(*both.file, 0, "outside"), IsOk());
  EXPECT_EQ(test::InChild([&]() -> std::string {
              refusal = EPERM;
              Refuse<&Syscalls::statx>();
              auto here = test::OpenBoth(home.path());
              if (!here.ok()) return here.status().ToString();
              EXPECT_EQ(GetText(*here->file, 0), "outside");
              EXPECT_THAT(PutText(*here->file, 1, "inside"), IsOk());
              return here->Close().ToString();
            }),
            "OK");
  EXPECT_EQ(GetText(*both.file, 1), "inside");
  EXPECT_THAT(both.Close(), IsOk());
}

// A home that a process without statx created is sound for the others.
TEST(SandboxSharingTest, RegionOfAProcessWithoutStatxIsAdopted) {
  const test::TempHome home;
  ASSERT_EQ(test::InChild([&]() -> std::string {
              refusal = ENOSYS;
              Refuse<&Syscalls::statx>();
              auto here = *test::OpenBoth(home.path());
              EXPECT_THAT(PutText(*here.file, 0, "inside"), IsOk());
              return here.Close().ToString();
            }),
            "OK");
  auto both = *test::OpenBoth(home.path());
  EXPECT_EQ(GetText(*both.file, 0), "inside");
  EXPECT_EQ(both.env->Stats().adoptions, 1u);
  EXPECT_THAT(both.Close(), IsOk());
}

}  // namespace
}  // namespace mpool
