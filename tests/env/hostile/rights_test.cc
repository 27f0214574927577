// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// rights_test.cc - a process lacks a right, /dev/shm or /proc, or gives up its
// rights after Open. Each error names the missing thing and the remedy.

#include <sys/mount.h>

#include <filesystem>

#include "tests/support/all_backings.h"
#include "tests/support/hostile.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::PutText;
using ::testing::HasSubstr;

class RightsTest : public HostileTest {
 protected:
  // Gives the home to the user.
  void GiveHome(uid_t user, mode_t mode) const {
    ASSERT_EQ(::chown(home_.path().c_str(), user, user), 0);
    ASSERT_EQ(::chmod(home_.path().c_str(), mode), 0);
  }
  // Opens the home as a user, with mounts that `mount` prepares.
  std::string OpenWithMounts(const std::function<int()>& mount) const {
    return test::InChild([&]() -> std::string {
      if (!test::EnterOwnMounts().ok() || mount() != 0) return "cannot mount";
      return As(kAlice, {}, [&]() -> std::string {
        return DbEnv::Open(home_.path(), test::SmallEnv()).status().ToString();
      });
    });
  }
};

TEST_F(RightsTest, MissingShmDirectoryAdvisesMountOrFile) {
  MPOOL_NEEDS_USERS();
  GiveHome(kAlice, 0700);
  // The tests' homes are elsewhere, so an empty /dev hides /dev/shm alone.
  EXPECT_THAT(
      OpenWithMounts([] { return ::mount("none", "/dev", "tmpfs", 0, ""); }),
      ::testing::AllOf(HasSubstr("FAILED_PRECONDITION"),
                       HasSubstr("mount a tmpfs there"),
                       HasSubstr("Backing::kFile")));
}

TEST_F(RightsTest, ClosedShmDirectoryAdvisesModeOrFile) {
  MPOOL_NEEDS_USERS();
  GiveHome(kAlice, 0700);
  EXPECT_THAT(OpenWithMounts([] {
                return ::mount("none", "/dev/shm", "tmpfs", 0, "mode=755");
              }),
              ::testing::AllOf(HasSubstr("FAILED_PRECONDITION"),
                               HasSubstr("mode 1777"),
                               HasSubstr("Backing::kFile")));
}

TEST_F(RightsTest, MissingProcAdvisesMount) {
  MPOOL_NEEDS_USERS();
  GiveHome(kAlice, 0700);
  EXPECT_THAT(OpenWithMounts([] {
                return ::mount("none", "/proc", "tmpfs", 0, "mode=755");
              }),
              ::testing::AllOf(HasSubstr("FAILED_PRECONDITION"),
                               HasSubstr("mount /proc")));
}

// Root ran a program once in the home of a user.
TEST_F(RightsTest, FilesOfRootAreNamedWithTheRemedy) {
  MPOOL_NEEDS_USERS();
  GiveHome(kAlice, 0700);
  ASSERT_EQ(UseAs(Backing::kPosixShm), "OK");
  EXPECT_EQ(As(kAlice, {}, [&]() -> std::string {
              EXPECT_THAT(Open(Backing::kPosixShm),
                          Fails(StatusCode::kPermissionDenied,
                                "it belongs to root", "user 61001",
                                "mpool remove " + home_.path(), "chown 61001"));
              return "refused";
            }),
            "refused");
}

TEST_F(RightsTest, ReaderWithoutWriteRightIsRefused) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(::chmod(home_.path().c_str(), 0755), 0);
  EnvOptions options = test::SmallEnv();
  options.mode = 0644;
  auto both = *test::OpenBoth(home_.path(), options);
  ASSERT_THAT(PutText(*both.file, 0, "put"), IsOk());
  EXPECT_EQ(As(kAlice, {}, [&]() -> std::string {
              options.create = false;
              EXPECT_THAT(DbEnv::Open(home_.path(), options),
                          Fails(StatusCode::kPermissionDenied,
                                "also to read pages", "chmod 2770",
                                "EnvOptions::mode = 0660"));
              return "refused";
            }),
            "refused");
  EXPECT_THAT(both.Close(), IsOk());
}

// The directory above the home is not the home's, so its name is in the error.
TEST_F(RightsTest, ClosedDirectoryAboveTheHomeIsNamed) {
  MPOOL_NEEDS_USERS();
  const std::string above = home_.Below("above");
  fs::create_directories(above + "/home");
  ASSERT_EQ(::chmod(home_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(above.c_str(), 0700), 0);
  EXPECT_EQ(As(kAlice, {}, [&]() -> std::string {
              EXPECT_THAT(DbEnv::Open(above + "/home"),
                          Fails(StatusCode::kPermissionDenied,
                                "may not search directory " + above));
              return "refused";
            }),
            "refused");
  fs::remove_all(above);
}

class RightsGivenUpTest : public RightsTest,
                          public ::testing::WithParamInterface<Backing> {};
INSTANTIATE_TEST_SUITE_P(Backings, RightsGivenUpTest,
                         ::testing::ValuesIn(os::kForkedBackings),
                         os::BackingText);

// The home and its files stay root's.
TEST_P(RightsGivenUpTest, PagesStayAndErrorsNameTheRight) {
  MPOOL_NEEDS_USERS();
  EXPECT_EQ(
      test::InChild([&]() -> std::string {
        EnvOptions options = test::SmallEnv(GetParam());
        options.max_cache_bytes = 4 * options.cache_bytes;
        auto both = *test::OpenBoth(home_.path(), options);
        EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
        EXPECT_THAT(test::DropRights(), IsOk());
        for (PageNo page = 1; page < 600; ++page) {
          EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
        }
        EXPECT_THAT(both.file->Sync(), IsOk());
        EXPECT_THAT(both.env->FailCheck(), IsOk());
        const bool has_name =
            os::ReachOf(GetParam()) == os::Reach::kAnyProcess;
        const absl::Status resized =
            both.env->Resize(2 * options.cache_bytes);
        if (!os::FindBacking(GetParam())->has_key && has_name) {
          EXPECT_THAT(resized, Fails(StatusCode::kPermissionDenied,
                                     "given up its rights", "mpool resize"));
        } else {
          EXPECT_THAT(resized, IsOk());
        }
        const std::string got = test::InChild(
            [&] { return GetText(*both.file, 1); });
        if (!has_name) {
          EXPECT_EQ(got, "put");
          return both.Close().ToString();
        }
        EXPECT_THAT(got, HasSubstr("may not search the directory"));
        EXPECT_THAT(both.file->Close(), IsOk());
        EXPECT_THAT(both.env->Close(),
                    Fails(StatusCode::kPermissionDenied,
                          "may not search the directory (it belongs to root",
                          "before the process gives up its rights"));
        return "OK";
      }),
      "OK");
}

// The home is reached through its open directory. Memory with a path and the
// directories of page files are out of reach, and so is /proc.
TEST_P(RightsGivenUpTest, AnotherRootKeepsPagesAndErrorsNameIt) {
  MPOOL_NEEDS_USERS();
  const std::string root = home_.Below("root");
  fs::create_directory(root);
  EXPECT_EQ(
      test::InChild([&]() -> std::string {
        EnvOptions options = test::SmallEnv(GetParam());
        options.max_cache_bytes = 4 * options.cache_bytes;
        auto both = *test::OpenBoth(home_.path(), options);
        EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
        if (::chroot(root.c_str()) != 0 || ::chdir("/") != 0) return "no root";
        for (PageNo page = 1; page < 600; ++page) {
          EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
        }
        EXPECT_THAT(both.file->Sync(), IsOk());
        const absl::Status resized = both.env->Resize(2 * options.cache_bytes);
        if (resized.ok()) {
          EXPECT_EQ(os::FindBacking(GetParam())->directory, "");
          EXPECT_NE(GetParam(), Backing::kFile);
        } else {
          EXPECT_THAT(resized, Fails(StatusCode::kFailedPrecondition,
                                     "changed its root", "mpool resize"));
        }
        const std::string got =
            test::InChild([&] { return GetText(*both.file, 1); });
        if (os::ReachOf(GetParam()) == os::Reach::kAnyProcess) {
          EXPECT_THAT(got, HasSubstr("changed its root (chroot)"));
          return both.Close().ToString();
        }
        EXPECT_THAT(got, HasSubstr("mount /proc"));
        EXPECT_THAT(both.file->Close(), IsOk());
        EXPECT_THAT(both.env->Close(),
                    Fails(StatusCode::kFailedPrecondition, "mount /proc"));
        return "OK";
      }),
      "OK");
  fs::remove(root);
}

// A home that its owner closed to all, also to the owner.
TEST_P(RightsGivenUpTest, ClosedHomeIsNamedAndMayBeOpenedAgain) {
  MPOOL_NEEDS_USERS();
  if (os::ReachOf(GetParam()) != os::Reach::kAnyProcess) return;
  GiveHome(kAlice, 0700);
  EXPECT_EQ(As(kAlice, {}, [&]() -> std::string {
              auto both = *Open(GetParam());
              EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
              EXPECT_EQ(::chmod(home_.path().c_str(), 0), 0);
              EXPECT_EQ(GetText(*both.file, 0), "put");
              EXPECT_THAT(both.file->Sync(), IsOk());
              EXPECT_THAT(both.file->Close(), IsOk());
              EXPECT_THAT(both.env->Close(),
                          Fails(StatusCode::kPermissionDenied,
                                "may not search the directory", "user 61001",
                                "mode 0)"));
              EXPECT_EQ(::chmod(home_.path().c_str(), 0700), 0);
              return both.env->Close().ToString();
            }),
            "OK");
}

}  // namespace
}  // namespace mpool
