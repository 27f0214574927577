// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hostile.h - a home, and a directory next to it that must stay as it is.

#ifndef MPOOL_TESTS_SUPPORT_HOSTILE_H_
#define MPOOL_TESTS_SUPPORT_HOSTILE_H_

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "region/region.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {

inline constexpr uid_t kAlice = 61001;
inline constexpr uid_t kBob = 61002;
inline constexpr gid_t kTeam = 61100;

// A hang is the worst outcome, so a signal ends every case after a time.
class HostileTest : public os::SyscallTest {
 protected:
  static constexpr unsigned kMostSeconds = 60;

  HostileTest() {
    ::alarm(kMostSeconds);
    test::MakeFile(victim(), "precious");
    outside_before_ = Outside();
  }
  // Checks that nothing outside the home was changed, and that the home can be
  // removed and used.
  ~HostileTest() override {
    os::Sys() = os::RealSyscalls();
    EXPECT_EQ(Outside(), outside_before_);
    EXPECT_THAT(DbEnv::Remove(home_.path(), true), test::IsOk());
    EXPECT_EQ(UseAs(Backing::kPosixShm), "OK");
    EXPECT_THAT(DbEnv::Remove(home_.path()), test::IsOk());
    ::alarm(0);
  }

  static bool IsRoot() { return ::geteuid() == 0; }
  std::string victim() const { return outside_.Below("victim"); }

  // Returns names, bytes, modes and links of all files outside the home.
  std::vector<std::string> Outside() const {
    std::vector<std::string> all;
    for (const std::string& name : test::FilesIn(outside_.path())) {
      struct stat info = {};
      EXPECT_EQ(::lstat(outside_.Below(name).c_str(), &info), 0);
      all.push_back(absl::StrCat(
          name, " ", info.st_mode, " ", info.st_uid, " ", info.st_nlink, " ",
          S_ISREG(info.st_mode) ? test::BytesOf(outside_.Below(name)) : ""));
    }
    return all;
  }

  absl::StatusOr<test::Opened> Open(Backing backing) const {
    return test::OpenBoth(home_.path(), test::SmallEnv(backing));
  }
  // Runs a process that puts a page and closes. Returns its outcome.
  std::string UseAs(Backing backing) const {
    return test::InChild([&]() -> std::string {
      auto both = Open(backing);
      if (!both.ok()) return both.status().ToString();
      EXPECT_THAT(test::PutText(*both->file, 0, "put"), test::IsOk());
      return both->Close().ToString();
    });
  }
  // Returns the path of the region's memory; "" if there is none.
  std::string SegmentPath() const {
    const auto descriptor =
        region::ReadDescriptor(*os::File::OpenDirectory(home_.path()));
    if (!descriptor.ok() || !descriptor->has_value()) return "";
    const std::string name = (*descriptor)->segment;
    return name.front() == '/' ? "/dev/shm" + name : home_.Below(name);
  }

  // Runs `body` in a process of that user. Only root can.
  static std::string As(uid_t user, std::vector<gid_t> groups,
                        const std::function<std::string()>& body) {
    return test::InChild([&]() -> std::string {
      if (::setgroups(groups.size(), groups.data()) != 0 ||
          ::setresgid(user, user, user) != 0 ||
          ::setresuid(user, user, user) != 0) {
        return "cannot become another user";
      }
      return body();
    });
  }

  test::TempHome home_;
  test::TempHome outside_;

 private:
  std::vector<std::string> outside_before_;
};

// Without root no process can become another user. The macro checks that.
#define MPOOL_NEEDS_USERS()                                          \
  if (!IsRoot()) {                                                   \
    EXPECT_EQ(As(kAlice, {}, [] { return std::string("became"); }),  \
              "cannot become another user");                         \
    return;                                                          \
  }

}  // namespace mpool

#endif  // MPOOL_TESTS_SUPPORT_HOSTILE_H_
