// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// home_in_image_test.cc - a home in a container image. The image is an overlay,
// and its directories change their identity when the first file is created in
// them.

#include <sys/stat.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/file.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::Channel;
using test::Child;
using test::GetText;
using test::IsOk;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

// The file systems of the layers, which determine the identities that an
// overlay reports for its directories.
enum class Layers { kOnOne, kOnTwo };

using Param = std::tuple<Backing, Layers>;
std::string NameOf(const ::testing::TestParamInfo<Param>& test) {
  return os::BackingText({std::get<0>(test.param), 0}) +
         (std::get<1>(test.param) == Layers::kOnOne ? "One" : "Two");
}

class HomeInImageTest
    : public ::testing::TestWithParam<Param> {
 protected:
  static Backing backing() { return std::get<0>(GetParam()); }
  static bool on_two() { return std::get<1>(GetParam()) == Layers::kOnTwo; }

  // Mounts an image with an empty home for this process and its children.
  // Returns the home.
  std::string MountHome() const {
    EXPECT_THAT(test::EnterOwnShm(), IsOk());
    EXPECT_THAT(test::EnterOwnIpc(), IsOk());
    const std::string top = top_.path();
    EXPECT_THAT(test::MountTmpfs(top, uint64_t{64} << 20), IsOk());
    for (const char* name : {"/low", "/up", "/work", "/all"}) {
      EXPECT_EQ(::mkdir((top + name).c_str(), 0700), 0);
    }
    std::string low = top + "/low";
    if (on_two()) {
      EXPECT_THAT(test::MountTmpfs(low, uint64_t{64} << 20), IsOk());
    }
    EXPECT_EQ(::mkdir((low + "/home").c_str(), 0700), 0);
    EXPECT_THAT(test::MountOverlay(low, top + "/up", top + "/work",
                                   top + "/all"),
                IsOk());
    return top + "/all/home";
  }
  absl::StatusOr<std::unique_ptr<DbEnv>> Open(const std::string& home) const {
    return DbEnv::Open(home, SmallEnv(backing()));
  }

  TempHome top_;
};
INSTANTIATE_TEST_SUITE_P(
    All, HomeInImageTest,
    ::testing::Combine(::testing::ValuesIn(os::kAllBackings),
                       ::testing::Values(Layers::kOnOne, Layers::kOnTwo)),
    NameOf);

TEST_P(HomeInImageTest, TheFirstOpenAndItsFilesWork) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const std::string home = MountHome();
              auto env = Open(home);
              if (!env.ok()) return env.status().ToString();
              for (const char* name : {"one", "two", "three"}) {
                auto file = (*env)->OpenFile(name, {.create = true});
                if (!file.ok()) return file.status().ToString();
                EXPECT_THAT(PutText(**file, 0, name), IsOk());
                EXPECT_THAT((*file)->Sync(), IsOk());
                EXPECT_EQ(test::DiskText(home + "/" + name, 0), name);
              }
              EXPECT_THAT((*env)->Close(), IsOk());
              auto again = Open(home);
              if (!again.ok()) return again.status().ToString();
              EXPECT_EQ((*again)->Stats().origin, Origin::kNew);
              EXPECT_THAT((*again)->Close(), IsOk());
              return DbEnv::Remove(home).ToString();
            }),
            "OK");
}

TEST_P(HomeInImageTest, DirectoryGetsFinalIdentityAtOnce) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const std::string home = MountHome();
              auto env = Open(home);
              if (!env.ok()) return env.status().ToString();
              const auto before = os::File::OpenDirectory(home)->Info();
              test::MakeFile(home + "/a", "");
              const auto after = os::File::OpenDirectory(home)->Info();
              EXPECT_TRUE(before->identity == after->identity);
              return (*env)->Close().ToString();
            }),
            "OK");
}

// The first and the second process of a container.
using NamedHomeInImageTest = HomeInImageTest;
INSTANTIATE_TEST_SUITE_P(
    Shared, NamedHomeInImageTest,
    ::testing::Combine(::testing::ValuesIn(os::kSharedBackings),
                       ::testing::Values(Layers::kOnOne, Layers::kOnTwo)),
    NameOf);

TEST_P(NamedHomeInImageTest, ProcessesShareThePages) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              const std::string home = MountHome();
              Child first([&](Channel& parent) -> std::string {
                auto both = *test::OpenBoth(home, SmallEnv(backing()));
                EXPECT_THAT(PutText(*both.file, 0, "first"), IsOk());
                parent.Say("put");
                parent.Hear();
                EXPECT_EQ(GetText(*both.file, 0), "second");
                return both.Close().ToString();
              });
              EXPECT_EQ(first.Hear(), "put");
              auto both = test::OpenBoth(home, SmallEnv(backing()));
              if (!both.ok()) return both.status().ToString();
              EXPECT_EQ(GetText(*both->file, 0), "first");
              // The life lock of the first process lasts on an overlay too.
              EXPECT_EQ(both->env->Stats().adoptions, 0u);
              EXPECT_EQ(both->env->Stats().repairs, 0u);
              EXPECT_THAT(PutText(*both->file, 0, "second"), IsOk());
              first.Say("go");
              EXPECT_EQ(first.End(), "OK");
              return both->Close().ToString();
            }),
            "OK");
}

}  // namespace
}  // namespace mpool
