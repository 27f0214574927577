// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hostile_home_test.cc - homes that are links, that other users may write to,
// that are replaced between two calls, or that have odd names.

#include <sys/resource.h>

#include "os/quote.h"
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
using ::testing::IsEmpty;

class HostileHomeTest : public HostileTest {};

// The user gave the link, so it is followed once.
TEST_F(HostileHomeTest, LinkToHomeIsFollowedOnce) {
  const test::TempHome links;
  const std::string link = links.Below("link");
  fs::create_directory_symlink(home_.path(), link);
  auto both = *test::OpenBoth(link, test::SmallEnv(Backing::kFile));
  fs::remove(link);
  fs::create_directory_symlink(outside_.path(), link);
  EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
  auto second = both.env->OpenFile("second.db", {.create = true});
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(PutText(**second, 0, "second"), IsOk());
  EXPECT_THAT((*second)->Close(), IsOk());
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("second.db"), 0), "second");
}

TEST_F(HostileHomeTest, WorldWritableHomeNeedsStickyBit) {
  ASSERT_EQ(UseAs(Backing::kFile), "OK");
  ASSERT_EQ(::chmod(home_.path().c_str(), 0777), 0);
  const auto before = test::FilesIn(home_.path());
  const auto refused = Fails(StatusCode::kFailedPrecondition, home_.path(),
                             "everybody may write", "0777", "chmod +t");
  for (const Backing backing :
       {Backing::kPosixShm, Backing::kFile, Backing::kSysV}) {
    EXPECT_THAT(Open(backing), refused);
  }
  EXPECT_THAT(DbEnv::Inspect(home_.path()), refused);
  EXPECT_THAT(DbEnv::Remove(home_.path(), true), refused);
  EXPECT_EQ(test::FilesIn(home_.path()), before);
  ASSERT_EQ(::chmod(home_.path().c_str(), 01777), 0);
  auto both = Open(Backing::kFile);
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "put");
}

// No file of the memory is in the home.
TEST_F(HostileHomeTest, HeapAcceptsWorldWritableHome) {
  ASSERT_EQ(::chmod(home_.path().c_str(), 0777), 0);
  EXPECT_EQ(UseAs(Backing::kHeap), "OK");
  ASSERT_EQ(::chmod(home_.path().c_str(), 0700), 0);
}

TEST_F(HostileHomeTest, WorldWritableModeIsRefused) {
  EnvOptions options = test::SmallEnv();
  for (const int mode : {0666, 0662, 0777}) {
    options.mode = mode;
    EXPECT_THAT(DbEnv::Open(home_.path(), options),
                Fails(StatusCode::kInvalidArgument, "EnvOptions::mode",
                      "0660"));
  }
  EXPECT_THAT(test::AllOf(home_.path()), IsEmpty());
}

// The next openat below the home finds the outside directory under its name.
struct Swap {
  std::string home;
  std::string outside;
  bool by_link = false;
  bool done = false;
};
Swap swap;
int SwapThenOpen(int dir, const char* path, int flags, mode_t mode) {
  if (!swap.done && path[0] != '/' && path[0] != '.') {
    swap.done = true;
    fs::rename(swap.home, swap.home + ".away");
    if (swap.by_link) {
      fs::create_directory_symlink(swap.outside, swap.home);
    } else {
      fs::rename(swap.outside, swap.home);
    }
  }
  return os::RealSyscalls().openat(dir, path, flags, mode);
}

class ReplacedHomeTest : public HostileTest,
                         public ::testing::WithParamInterface<bool> {
 protected:
  void SwapAtNextOpen() {
    swap = {home_.path(), outside_.path(), GetParam(), false};
    os::Sys().openat = SwapThenOpen;
  }
  // Checks that the other directory is untouched, and moves the home back.
  void SwapBack() {
    os::Sys() = os::RealSyscalls();
    ASSERT_TRUE(swap.done);
    if (swap.by_link) {
      fs::remove(swap.home);
    } else {
      fs::rename(swap.home, swap.outside);
    }
    fs::rename(swap.home + ".away", swap.home);
  }
};
INSTANTIATE_TEST_SUITE_P(By, ReplacedHomeTest, ::testing::Bool(),
                         [](const auto& test) {
                           return test.param ? "ALink" : "ADirectory";
                         });

TEST_P(ReplacedHomeTest, FilesStayInOpenedDirectory) {
  for (const Backing backing : {Backing::kPosixShm, Backing::kFile}) {
    SwapAtNextOpen();
    auto env = DbEnv::Open(home_.path(), test::SmallEnv(backing));
    ASSERT_THAT(env, IsOk());
    EXPECT_THAT((*env)->OpenFile("pages.db", {.create = true}),
                Fails(StatusCode::kFailedPrecondition, home_.path(),
                      "another directory has its name"));
    SwapBack();
    EXPECT_THAT((*env)->OpenFile("pages.db", {.create = true}), IsOk());
    EXPECT_THAT((*env)->Close(), IsOk());
    EXPECT_THAT(test::FilesIn(home_.path()),
                ::testing::Contains(std::string("__db.001")));
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  }
}

TEST_P(ReplacedHomeTest, AtRemoveRemovesTheOldOne) {
  ASSERT_EQ(UseAs(Backing::kFile), "OK");
  ASSERT_EQ(test::InChild([&] {
              auto env = *DbEnv::Open(outside_.path(),
                                      test::SmallEnv(Backing::kFile));
              return env->Close().ToString();
            }),
            "OK");
  const auto before = test::FilesIn(outside_.path());
  SwapAtNextOpen();
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  SwapBack();
  EXPECT_EQ(test::FilesIn(outside_.path()), before);
  EXPECT_THAT(test::AllOf(home_.path()), ::testing::ElementsAre("pages.db"));
  EXPECT_THAT(DbEnv::Remove(outside_.path()), IsOk());
}

TEST_P(ReplacedHomeTest, AtInspectShowsTheOldOne) {
  ASSERT_EQ(UseAs(Backing::kFile), "OK");
  const uint64_t size = DbEnv::Inspect(home_.path())->cache_bytes;
  SwapAtNextOpen();
  const auto seen = DbEnv::Inspect(home_.path());
  SwapBack();
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(seen->cache_bytes, size);
}

TEST_P(ReplacedHomeTest, ReplacedHomeRefusesRelativeFiles) {
  auto both = *Open(Backing::kFile);
  EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
  SwapAtNextOpen();
  // The swap happens between the check of the name and the open below it.
  auto file = both.env->OpenFile("second.db", {.create = true});
  ASSERT_TRUE(swap.done);
  EXPECT_THAT(both.env->OpenFile("third.db", {.create = true}),
              Fails(StatusCode::kFailedPrecondition, home_.path(),
                    "another directory has its name"));
  SwapBack();
  EXPECT_TRUE(fs::exists(home_.Below("second.db")));
  EXPECT_FALSE(fs::exists(home_.Below("third.db")));
  if (file.ok()) {
    EXPECT_THAT((*file)->Close(), IsOk());
  }
  EXPECT_THAT(both.env->OpenFile("third.db", {.create = true}), IsOk());
}

TEST_F(HostileHomeTest, UnwritableHomeIsRefusedByName) {
  const auto env = DbEnv::Open("/proc");
  ASSERT_FALSE(env.ok());
  EXPECT_THAT(std::string(env.status().message()),
              ::testing::HasSubstr("/proc/__db.register"));
}

TEST_F(HostileHomeTest, DanglingLinkMakesNoPageFile) {
  auto both = *Open(Backing::kFile);
  const std::string target = outside_.Below("none");
  fs::create_symlink(target, home_.Below("link.db"));
  EXPECT_THAT(both.env->OpenFile("link.db", {.create = true}),
              Fails(StatusCode::kInvalidArgument, "link.db", "symbolic link"));
  EXPECT_FALSE(fs::exists(target));
  fs::remove(home_.Below("link.db"));
  EXPECT_THAT(both.env->OpenFile("link.db", {.create = true}), IsOk());
}

TEST_F(HostileHomeTest, PlantedFifoOrLinkIsNotAwaited) {
  static std::string planted;
  static bool is_fifo;
  auto both = *Open(Backing::kFile);
  for (const bool fifo : {true, false}) {
    is_fifo = fifo;
    planted = home_.Below("planted.db");
    static std::string target;
    target = victim();
    os::Sys().openat = [](int dir, const char* path, int flags, mode_t mode) {
      if (std::string(path) == "planted.db" && !planted.empty()) {
        const std::string name = std::exchange(planted, "");
        EXPECT_EQ(is_fifo ? ::mkfifo(name.c_str(), 0600)
                          : ::symlink(target.c_str(), name.c_str()),
                  0);
      }
      return os::RealSyscalls().openat(dir, path, flags, mode);
    };
    FileOptions options;
    options.read_only = true;
    EXPECT_THAT(both.env->OpenFile("planted.db", options),
                Fails(StatusCode::kInvalidArgument, "planted.db"));
    EXPECT_EQ(planted, "");
    fs::remove(home_.Below("planted.db"));
  }
}

TEST_F(HostileHomeTest, NameLongerThan255BytesIsRefused) {
  const std::string longest = home_.Below(std::string(255, 'n'));
  fs::create_directory(longest);
  for (const Backing backing : {Backing::kPosixShm, Backing::kFile}) {
    auto both = *test::OpenBoth(longest, test::SmallEnv(backing),
                                std::string(255, 'p'));
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.env->OpenFile(std::string(256, 'p'), {.create = true}),
                Fails(StatusCode::kInvalidArgument, "pppp", "shorter names"));
    EXPECT_THAT(both.Close(), IsOk());
    EXPECT_THAT(DbEnv::Remove(longest), IsOk());
  }
  EXPECT_THAT(DbEnv::Open(home_.Below(std::string(256, 'n'))),
              Fails(StatusCode::kInvalidArgument, "nnnn", "ENAMETOOLONG"));
}

TEST_F(HostileHomeTest, PathLongerThanPathMaxIsRefused) {
  std::string deep = home_.path();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              // Made from within, because no system call accepts such a long
              // path.
              EXPECT_EQ(::chdir(home_.path().c_str()), 0);
              const std::string name(250, 'd');
              for (int i = 0; i < 20; ++i) {
                EXPECT_EQ(::mkdir(name.c_str(), 0700), 0);
                EXPECT_EQ(::chdir(name.c_str()), 0);
              }
              EXPECT_THAT(DbEnv::Open("."),
                          Fails(StatusCode::kInvalidArgument,
                                "ENAMETOOLONG"));
              EXPECT_THAT(test::FilesIn("."), IsEmpty());
              return "done";
            }),
            "done");
  for (int i = 0; i < 20; ++i) deep += "/" + std::string(250, 'd');
  EXPECT_THAT(DbEnv::Open(deep),
              Fails(StatusCode::kInvalidArgument, "dddd", "ENAMETOOLONG",
                    "use shorter names"));
  fs::remove_all(home_.Below(std::string(250, 'd')));
}

TEST_F(HostileHomeTest, NewlinesAndNonUtf8NamesWork) {
  const std::string odd = "a\nb\xff\xfe\x1b[31m c\\\"$(x)";
  const std::string home = home_.Below(odd);
  fs::create_directory(home);
  for (const Backing backing :
       {Backing::kPosixShm, Backing::kFile, Backing::kSysV}) {
    const EnvOptions options = test::SmallEnv(backing);
    ASSERT_EQ(test::InChild([&] {
                auto both = *test::OpenBoth(home, options, odd);
                EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
                return both.Close().ToString();
              }),
              "OK");
    auto both = *test::OpenBoth(home, options, odd);
    EXPECT_EQ(GetText(*both.file, 0), "put");
    EXPECT_THAT(both.env->OpenFile(odd + "none"),
                Fails(StatusCode::kNotFound, os::Quoted(odd + "none")));
    EXPECT_THAT(DbEnv::Inspect(home), IsOk());
    EXPECT_THAT(DbEnv::Holders(home), IsOk());
    EXPECT_THAT(both.Close(), IsOk());
    EXPECT_THAT(DbEnv::Remove(home), IsOk());
    EXPECT_THAT(test::AllOf(home), ::testing::ElementsAre(odd));
  }
}

class UmaskTest : public HostileTest,
                  public ::testing::WithParamInterface<mode_t> {};
INSTANTIATE_TEST_SUITE_P(Umask, UmaskTest, ::testing::Values(0, 0777));

TEST_P(UmaskTest, UmaskChangesNoMode) {
  for (const Backing backing :
       {Backing::kPosixShm, Backing::kFile, Backing::kSysV}) {
    {
      const os::ScopedUmask umask(GetParam());
      auto env = DbEnv::Open(home_.path(), test::SmallEnv(backing));
      ASSERT_THAT(env, IsOk());
      for (const std::string& name : {home_.Below("__db.001"),
                                      home_.Below("__db.register"),
                                      SegmentPath()}) {
        struct stat info = {};
        if (backing == Backing::kSysV && name == SegmentPath()) continue;
        ASSERT_EQ(::stat(name.c_str(), &info), 0) << name;
        EXPECT_EQ(info.st_mode & 07777, 0600u) << name;
      }
      EXPECT_THAT((*env)->Close(), IsOk());
    }
    EXPECT_EQ(UseAs(backing), "OK");
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  }
}

}  // namespace
}  // namespace mpool
