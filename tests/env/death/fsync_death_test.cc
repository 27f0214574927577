// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// fsync_death_test.cc - a disk that really fails: an ext4 on a loop device,
// with its image on a full tmpfs. A process is killed inside the failed fsync.
// No page that it put is lost without an error. MPOOL_ROUNDS lengthens the
// test.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/campaign.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using test::Channel;
using test::Child;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

constexpr PageNo kPages = 5;

// Returns the text of a page on the device, not in the kernel's cache.
std::string DeviceText(const std::string& path, PageNo page) {
  alignas(4096) static char bytes[4096];
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECT);
  const ssize_t got =
      ::pread(fd, bytes, sizeof(bytes), static_cast<off_t>(page * 4096));
  ::close(fd);
  if (got != sizeof(bytes)) return "(short)";
  return test::TextOn(std::as_bytes(std::span(bytes)));
}

class FailingDisk {
 public:
  // Mounts the disk below `base`, in the process's own mount namespace.
  explicit FailingDisk(std::string base) : base_(std::move(base)) {
    EXPECT_THAT(test::EnterOwnMounts(), IsOk());
    fs::create_directory(base_ + "/back");
    fs::create_directory(disk());
    EXPECT_THAT(test::MountTmpfs(base_ + "/back", 24 << 20), IsOk());
    const std::string image = base_ + "/back/image";
    EXPECT_EQ(std::system(
                  absl::StrCat("truncate -s 64M ", image, " && mkfs.ext4 -q -F "
                               "-b 4096 -O ^has_journal ", image,
                               " && mount -o loop,errors=continue ", image, " ",
                               disk())
                      .c_str()),
              0);
  }
  ~FailingDisk() {
    EXPECT_EQ(std::system(("umount " + disk()).c_str()), 0);
    EXPECT_EQ(std::system(("umount " + base_ + "/back").c_str()), 0);
  }
  std::string disk() const { return base_ + "/disk"; }
  // Fills the tmpfs. A block that the image does not have yet cannot be written
  // after this call.
  void Fill() const {
    std::ofstream fill(base_ + "/back/fill", std::ios::binary);
    const std::string block(4096, 'f');
    while (fill.write(block.data(), 4096).flush()) {
    }
  }
  void Mend() const { fs::remove(base_ + "/back/fill"); }

 private:
  const std::string base_;
};

class FsyncDeathTest : public os::SyscallTest {
 protected:
  // Runs a process that puts all pages of the file and dies in its fsync once
  // the fsync has failed. Returns "synced" if the fsync did not fail.
  std::string PutAndDie(const FailingDisk& disk, const std::string& path,
                        const std::string& text) const {
    return test::InChild([&]() -> std::string {
      auto both = *OpenBoth(home_.path(), SmallEnv(), path);
      for (PageNo page = 0; page < kPages; ++page) {
        EXPECT_THAT(PutText(*both.file, page, text), IsOk());
      }
      disk.Fill();
      os::Sys().fsync = [](int fd) {
        const int result = os::RealSyscalls().fsync(fd);
        if (result != 0) ::raise(SIGKILL);
        return result;
      };
      EXPECT_THAT(both.file->Sync(), IsOk());
      os::Sys() = os::RealSyscalls();
      return "synced";
    });
  }
  // Syncs until Ok, and returns the number of errors before.
  static int SyncToOk(DbEnv& env) {
    for (int errors = 0; errors < 5; ++errors) {
      if (env.Sync().ok()) return errors;
    }
    ADD_FAILURE() << "no Sync is Ok: " << env.Sync();
    return 5;
  }

  TempHome home_;
  TempHome base_;
};

TEST_F(FsyncDeathTest, NoPageIsLostInSilence) {
  EXPECT_EQ(
      test::InChild([&]() -> std::string {
        const FailingDisk disk(base_.path());
        uint64_t deaths = 0;
        const uint64_t rounds = test::Rounds(20);
        for (uint64_t round = 0; round < rounds; ++round) {
          SCOPED_TRACE(absl::StrCat("round ", round));
          const std::string path = absl::StrCat(disk.disk(), "/f", round);
          const std::string text = absl::StrCat("round ", round);
          test::Opened there;
          if (round % 2 != 0) there = *OpenBoth(home_.path(), SmallEnv(), path);
          const std::string end = PutAndDie(disk, path, text);
          disk.Mend();
          if (round % 2 == 0) there = *OpenBoth(home_.path(), SmallEnv(), path);
          const int errors = SyncToOk(*there.env);
          if (end == test::kKilled) {
            ++deaths;
            EXPECT_GE(errors, 1) << "Sync did not tell of the failed fsync";
          } else {
            EXPECT_EQ(end, "synced");
          }
          for (PageNo page = 0; page < kPages; ++page) {
            EXPECT_EQ(DeviceText(path, page), text) << "page " << page;
          }
          EXPECT_THAT(there.Close(), IsOk());
        }
        // If the disk rarely failed, the test proved nothing.
        EXPECT_GT(deaths, rounds / 2);
        return "done";
      }),
      "done");
}

}  // namespace
}  // namespace mpool
