// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// moved_home_test.cc - the file system of a home is mounted again, under
// another device number: pages that the dead left stay. A mounted copy of the
// file system neither shares nor adopts the region.

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/file.h"
#include "os/step.h"
#include "region/region.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using test::Channel;
using test::Child;
using test::DiskText;
using test::GetText;
using test::IsOk;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using ::testing::IsEmpty;

// Without root no loop device can be mounted. The macro checks that.
#define MPOOL_NEEDS_ROOT()                                               \
  if (::geteuid() != 0) {                                                \
    EXPECT_NE(::mount("none", "/", nullptr, MS_PRIVATE, nullptr), 0);    \
    return;                                                              \
  }

// The holder of the old device number while the home's file system has another.
enum class Old { kNothing, kAnother };

struct Scene {
  const char* name;
  const char* mkfs;
  uint64_t image_mib;
  Backing backing;
  Old old;
};

class MovedHomeTest : public ::testing::TestWithParam<Scene> {
 protected:
  std::string Image(std::string_view name) const {
    return files_.Below(name);
  }
  std::string Home() const { return disk_.Below("home"); }
  uint64_t DeviceOf(const std::string& path) const {
    return os::File::OpenDirectory(path)->Info()->identity.device;
  }

  // Mounts a file system with a home, in the process's own mount namespace.
  void MakeAndMount() {
    ASSERT_THAT(test::EnterOwnShm(), IsOk());
    ASSERT_THAT(test::EnterOwnIpc(), IsOk());
    ASSERT_THAT(test::MakeImage(Image("image"), GetParam().image_mib << 20,
                                GetParam().mkfs),
                IsOk());
    ASSERT_THAT(test::MountImage(Image("image"), disk_.path()), IsOk());
    ASSERT_EQ(::mkdir(Home().c_str(), 0700), 0);
  }
  // Runs a process that puts pages that are in no file, and kills it.
  void PutAndDie() {
    Child dead([&](Channel& parent) -> std::string {
      auto both = *test::OpenBoth(Home(), SmallEnv(GetParam().backing));
      EXPECT_THAT(PutText(*both.file, 0, "synced"), IsOk());
      EXPECT_THAT(both.file->Sync(), IsOk());
      for (PageNo page = 0; page < 8; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
      }
      parent.Say("put");
      return parent.Hear();
    });
    ASSERT_EQ(dead.Hear(), "put");
    ASSERT_EQ(dead.Kill(), test::kKilled);
  }
  // Mounts the image again. Another file system uses its loop device, and is
  // unmounted afterwards if the old number must stay unused.
  void MountAgain() {
    const uint64_t before = DeviceOf(disk_.path());
    ASSERT_THAT(test::Unmount(disk_.path()), IsOk());
    ::umount(other_.path().c_str());
    if (!fs::exists(Image("other"))) {
      ASSERT_THAT(test::MakeImage(Image("other"), uint64_t{8} << 20,
                                  "ext4 -q -F"),
                  IsOk());
    }
    const std::string loop = absl::StrCat("/dev/loop", before & 0xff);
    const bool is_loop = before >> 8 == 7;
    ASSERT_THAT(test::MountImage(Image("other"), other_.path(),
                                 is_loop ? "loop=" + loop : "loop"),
                IsOk());
    ASSERT_THAT(test::MountImage(Image("image"), disk_.path()), IsOk());
    // A file system without a device gets the lowest free number. Use up the
    // numbers, because other programs mount and unmount at the same time.
    for (int i = 0; i < 20 && DeviceOf(disk_.path()) == before; ++i) {
      ASSERT_THAT(test::Unmount(disk_.path()), IsOk());
      ASSERT_THAT(test::MountTmpfs(tmpfs_.path(), uint64_t{1} << 20), IsOk());
      ASSERT_THAT(test::MountImage(Image("image"), disk_.path()), IsOk());
    }
    ASSERT_NE(DeviceOf(disk_.path()), before);
    if (GetParam().old == Old::kNothing) {
      ASSERT_THAT(test::Unmount(other_.path()), IsOk());
    } else if (is_loop) {
      ASSERT_EQ(DeviceOf(other_.path()), before);
    }
  }
  void UnmountAll() {
    while (::umount(tmpfs_.path().c_str()) == 0) {
    }
    ::umount(other_.path().c_str());
    ::umount(copy_.path().c_str());
    EXPECT_THAT(test::Unmount(disk_.path()), IsOk());
  }
  EnvOptions Listening() {
    EnvOptions options = SmallEnv(GetParam().backing);
    options.on_event = [this](const Event& event) {
      if (event.kind == Event::Kind::kMadeAnew) lost_.push_back(event.message);
    };
    return options;
  }
  void ExpectPages(const std::string& home) {
    auto both = test::OpenBoth(home, Listening());
    ASSERT_THAT(both, IsOk());
    EXPECT_THAT(lost_, IsEmpty());
    for (PageNo page = 0; page < 8; ++page) {
      EXPECT_EQ(GetText(*both->file, page), "put");
    }
    EXPECT_THAT(both->Close(), IsOk());
    EXPECT_EQ(DiskText(home + "/pages.db", 7), "put");
  }

  test::LoopDevices devices_;
  TempHome files_;
  TempHome disk_;
  TempHome other_;
  TempHome tmpfs_;
  TempHome copy_;
  std::vector<std::string> lost_;
};

std::vector<Scene> Scenes() {
  return {
      {"PosixShm", "ext4 -q -F", 32, Backing::kPosixShm, Old::kNothing},
      {"File", "ext4 -q -F", 32, Backing::kFile, Old::kNothing},
      {"SysV", "ext4 -q -F", 32, Backing::kSysV, Old::kNothing},
      {"PosixShmReused", "ext4 -q -F", 32, Backing::kPosixShm, Old::kAnother},
      {"FileReused", "ext4 -q -F", 32, Backing::kFile, Old::kAnother},
      {"SysVReused", "ext4 -q -F", 32, Backing::kSysV, Old::kAnother},
      {"Xfs", "xfs -q -f", 320, Backing::kPosixShm, Old::kNothing},
      {"XfsReused", "xfs -q -f", 320, Backing::kSysV, Old::kAnother},
  };
}
std::string NameOf(const ::testing::TestParamInfo<Scene>& test) {
  return test.param.name;
}
INSTANTIATE_TEST_SUITE_P(Of, MovedHomeTest, ::testing::ValuesIn(Scenes()),
                         NameOf);

TEST_P(MovedHomeTest, PagesOfTheDeadStay) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeAndMount();
              PutAndDie();
              MountAgain();
              EXPECT_THAT(DbEnv::Inspect(Home()), IsOk());
              ExpectPages(Home());
              // Again, with a user attached.
              PutAndDie();
              MountAgain();
              Child user([&](Channel& parent) -> std::string {
                auto both = *test::OpenBoth(Home(), Listening());
                parent.Say("in");
                parent.Hear();
                return both.Close().ToString();
              });
              EXPECT_EQ(user.Hear(), "in");
              ExpectPages(Home());
              user.Say("go");
              EXPECT_EQ(user.End(), "OK");
              EXPECT_THAT(DbEnv::Remove(Home()), IsOk());
              EXPECT_THAT(test::FilesIn("/dev/shm"), IsEmpty());
              EXPECT_THAT(os::Ipcs(), IsEmpty());
              UnmountAll();
              return "done";
            }),
            "done");
}

TEST_P(MovedHomeTest, RemoveFindsTheMemory) {
  MPOOL_NEEDS_ROOT();
  for (const bool force : {false, true}) {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                MakeAndMount();
                PutAndDie();
                MountAgain();
                EXPECT_THAT(DbEnv::Remove(Home(), force), IsOk());
                EXPECT_EQ(DiskText(Home() + "/pages.db", 0),
                          force ? "synced" : "put");
                EXPECT_THAT(test::FilesIn(Home()),
                            ::testing::ElementsAre("pages.db"));
                EXPECT_THAT(test::FilesIn("/dev/shm"), IsEmpty());
                EXPECT_THAT(os::Ipcs(), IsEmpty());
                UnmountAll();
                return "done";
              }),
              "done");
    fs::remove(Image("image"));
    fs::remove(Image("other"));
  }
}

#ifdef MPOOL_STEPS
TEST_P(MovedHomeTest, DeathWhileFollowingMoveIsRepaired) {
  MPOOL_NEEDS_ROOT();
  std::vector<std::string> steps = test::StepNames("region.move.");
  for (const char* step : {"region.create.describe", "region.create.described",
                           "mpool.adopt.file", "region.adopt.done"}) {
    steps.emplace_back(step);
  }
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeAndMount();
              for (const std::string& step : steps) {
                SCOPED_TRACE(step);
                PutAndDie();
                MountAgain();
                const auto die = [&] {
                  EXPECT_EQ(test::InChild([&] {
                              os::KillAtStep(step, 1);
                              return DbEnv::Open(Home(), Listening())
                                  .status()
                                  .ToString();
                            }),
                            test::kKilled);
                };
                die();
                ExpectPages(Home());
                if (step.starts_with("region.move.")) {
                  PutAndDie();
                  MountAgain();
                  die();
                  MountAgain();
                  ExpectPages(Home());
                }
                UnmountAll();
                EXPECT_THAT(test::MountImage(Image("image"), disk_.path()),
                            IsOk());
              }
              UnmountAll();
              return "done";
            }),
            "done");
}
#endif

// A copy of the whole file system: same UUID, inodes and birth times.
class CopiedFileSystemTest : public MovedHomeTest {
 protected:
  void MountCopy() {
    ::sync();
    ASSERT_TRUE(fs::copy_file(Image("image"), Image("copy")));
    ASSERT_THAT(test::MountImage(Image("copy"), copy_.path(),
                                 absl::StrCat("loop", Options())),
                IsOk());
  }
  static std::string Options() {
    return std::string_view(GetParam().mkfs).starts_with("xfs") ? ",nouuid"
                                                                 : "";
  }
  std::string CopyOfHome() const { return copy_.Below("home"); }
  // The copy has a region of its own, without the pages of the first.
  void ExpectAnother() {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto both = *test::OpenBoth(CopyOfHome(), Listening());
                EXPECT_EQ(both.env->Stats().processes, 1u);
                EXPECT_EQ(both.env->Stats().origin, Origin::kLost);
                EXPECT_EQ(lost_.size(), 1u);
                EXPECT_EQ(GetText(*both.file, 0), "synced");
                EXPECT_THAT(PutText(*both.file, 0, "copy"), IsOk());
                return both.Close().ToString();
              }),
              "OK");
  }
};
INSTANTIATE_TEST_SUITE_P(
    Of, CopiedFileSystemTest,
    ::testing::Values(
        Scene{"PosixShm", "ext4 -q -F", 32, Backing::kPosixShm, Old::kAnother},
        Scene{"File", "ext4 -q -F", 32, Backing::kFile, Old::kAnother},
        Scene{"SysV", "ext4 -q -F", 32, Backing::kSysV, Old::kAnother},
        Scene{"Xfs", "xfs -q -f", 320, Backing::kPosixShm, Old::kAnother}),
    NameOf);

TEST_P(CopiedFileSystemTest, CopyBesideIdleHomeTakesNothing) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeAndMount();
              PutAndDie();
              MountCopy();
              ExpectAnother();
              ExpectPages(Home());
              EXPECT_EQ(DiskText(CopyOfHome() + "/pages.db", 0), "copy");
              EXPECT_THAT(DbEnv::Remove(CopyOfHome()), IsOk());
              EXPECT_THAT(DbEnv::Remove(Home()), IsOk());
              EXPECT_THAT(test::FilesIn("/dev/shm"), IsEmpty());
              EXPECT_THAT(os::Ipcs(), IsEmpty());
              UnmountAll();
              return "done";
            }),
            "done");
}

TEST_P(CopiedFileSystemTest, RemovingACopyLeavesTheFirstAlone) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeAndMount();
              PutAndDie();
              MountCopy();
              EXPECT_THAT(DbEnv::Remove(CopyOfHome(), true), IsOk());
              ExpectPages(Home());
              EXPECT_THAT(DbEnv::Remove(Home()), IsOk());
              UnmountAll();
              return "done";
            }),
            "done");
}

TEST_P(CopiedFileSystemTest, CopyBesideUsedHomeTakesNothing) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeAndMount();
              PutAndDie();
              Child user([&](Channel& parent) -> std::string {
                auto both = *test::OpenBoth(Home(), Listening());
                EXPECT_EQ(GetText(*both.file, 0), "put");
                parent.Say("in");
                parent.Hear();
                EXPECT_EQ(GetText(*both.file, 0), "put");
                EXPECT_EQ(both.env->Stats().processes, 1u);
                return both.Close().ToString();
              });
              EXPECT_EQ(user.Hear(), "in");
              MountCopy();
              ExpectAnother();
              user.Say("go");
              EXPECT_EQ(user.End(), "OK");
              ExpectPages(Home());
              EXPECT_THAT(DbEnv::Remove(CopyOfHome()), IsOk());
              EXPECT_THAT(DbEnv::Remove(Home()), IsOk());
              UnmountAll();
              return "done";
            }),
            "done");
}

// The copy was mounted alone and has the pages. The first must not share them.
TEST_P(CopiedFileSystemTest, OriginalDoesNotShareCopysMemory) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeAndMount();
              PutAndDie();
              const uint64_t before = DeviceOf(disk_.path());
              ::sync();
              EXPECT_TRUE(fs::copy_file(Image("image"), Image("copy")));
              EXPECT_THAT(test::Unmount(disk_.path()), IsOk());
              const std::string loop =
                  absl::StrCat("/dev/loop", before & 0xff);
              // Use another device number than the first had.
              EXPECT_THAT(test::MakeImage(Image("other"), uint64_t{8} << 20,
                                          "ext4 -q -F"),
                          IsOk());
              EXPECT_THAT(test::MountImage(Image("other"), other_.path(),
                                           "loop=" + loop),
                          IsOk());
              EXPECT_THAT(test::MountImage(Image("copy"), copy_.path()),
                          IsOk());
              ExpectPages(CopyOfHome());
              EXPECT_THAT(test::Unmount(other_.path()), IsOk());
              EXPECT_THAT(test::MountImage(Image("image"), disk_.path(),
                                           "loop=" + loop + Options()),
                          IsOk());
              EXPECT_EQ(DeviceOf(disk_.path()), before);
              auto copy = *test::OpenBoth(CopyOfHome(), Listening());
              EXPECT_EQ(test::InChild([&]() -> std::string {
                          auto both = *test::OpenBoth(Home(), Listening());
                          EXPECT_EQ(both.env->Stats().processes, 1u);
                          return both.Close().ToString();
                        }),
                        "OK");
              EXPECT_THAT(DbEnv::Remove(Home()), IsOk());
              EXPECT_EQ(GetText(*copy.file, 0), "put");
              EXPECT_THAT(copy.Close(), IsOk());
              ExpectPages(CopyOfHome());
              EXPECT_THAT(DbEnv::Remove(CopyOfHome()), IsOk());
              UnmountAll();
              return "done";
            }),
            "done");
}

// Subvolumes of btrfs have device numbers that no mount list shows.
class SubvolumeTest : public MovedHomeTest {
 protected:
  void MakeSubvolume() {
    MakeAndMount();
    ASSERT_EQ(::rmdir(Home().c_str()), 0);
    ASSERT_EQ(std::system(absl::StrCat("btrfs -q subvolume create ", Home(),
                                       " >/dev/null")
                              .c_str()),
              0);
  }
};
INSTANTIATE_TEST_SUITE_P(
    Of, SubvolumeTest,
    ::testing::Values(
        Scene{"PosixShm", "btrfs -q -f", 128, Backing::kPosixShm,
              Old::kAnother},
        Scene{"SysV", "btrfs -q -f", 128, Backing::kSysV, Old::kNothing}),
    NameOf);

TEST_P(SubvolumeTest, PagesOfTheDeadStay) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeSubvolume();
              PutAndDie();
              MountAgain();
              ExpectPages(Home());
              EXPECT_THAT(DbEnv::Remove(Home()), IsOk());
              UnmountAll();
              return "done";
            }),
            "done");
}

TEST_P(SubvolumeTest, ASnapshotTakesNothing) {
  MPOOL_NEEDS_ROOT();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              MakeSubvolume();
              PutAndDie();
              const std::string snapshot = disk_.Below("snapshot");
              EXPECT_EQ(std::system(absl::StrCat("btrfs -q subvolume snapshot ",
                                                 Home(), " ", snapshot,
                                                 " >/dev/null")
                                        .c_str()),
                        0);
              EXPECT_EQ(test::InChild([&]() -> std::string {
                          auto both = *test::OpenBoth(snapshot, Listening());
                          EXPECT_EQ(GetText(*both.file, 0), "synced");
                          return both.Close().ToString();
                        }),
                        "OK");
              EXPECT_THAT(DbEnv::Remove(snapshot), IsOk());
              ExpectPages(Home());
              EXPECT_THAT(DbEnv::Remove(Home()), IsOk());
              UnmountAll();
              return "done";
            }),
            "done");
}

}  // namespace
}  // namespace mpool
