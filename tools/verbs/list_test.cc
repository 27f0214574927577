// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// Each scene runs with a /dev/shm, System V memory and processes of its own,
// because the verb acts on the whole machine.

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "nlohmann/json.hpp"
#include "region/descriptor.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"
#include "tools/report/names.h"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

namespace fs = std::filesystem;

using nlohmann::json;
using test::Channel;
using test::Child;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using ::testing::HasSubstr;
using ::testing::Not;

class ListVerbTest : public ::testing::TestWithParam<Backing> {
 protected:
  ListVerbTest() { fs::create_directory(home_); }

  // Runs a scene on a machine without segments.
  void InOwnMachine(const std::function<void()>& scene) const {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                EXPECT_THAT(test::EnterOwnShm(), IsOk());
                EXPECT_THAT(test::EnterOwnIpc(), IsOk());
                EXPECT_THAT(test::EnterOwnPids(), IsOk());
                return test::InChild([&]() -> std::string {
                  EXPECT_THAT(test::MountProc(), IsOk());
                  scene();
                  return "done";
                });
              }),
              "done");
  }
  // Makes a region with a page, and leaves it idle.
  void MakeRegion() const {
    auto both = *OpenBoth(home_, SmallEnv(GetParam()));
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    EXPECT_THAT(both.Close(), IsOk());
  }
  void MakeRegionWithDirtyPage() const {
    Child child([&](Channel&) -> std::string {
      auto both = *OpenBoth(home_, SmallEnv(GetParam()));
      EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
      ::kill(::getpid(), SIGKILL);
      return "lives";
    });
    EXPECT_EQ(child.End(), test::kKilled);
  }
  // Returns the only row.
  static json List(const std::vector<std::string>& options = {},
                   int code = 0) {
    std::vector<std::string> words = {"list", "--json"};
    words.insert(words.end(), options.begin(), options.end());
    const Ran ran = RunMpool(words);
    EXPECT_EQ(ran.code, code) << ran.err;
    const json rows = json::parse(ran.out);
    EXPECT_EQ(rows.size(), 1u) << ran.out;
    return rows.empty() ? json::object() : rows[0];
  }
  static bool IsEmpty() {
    return json::parse(RunMpool({"list", "--json"}).out).empty();
  }
  // Only root can ask a file system for a directory without a path.
  std::string IfProven() const { return is_root_ ? "yes" : "unknown"; }

  const TestDir dir_;
  const std::string home_ = dir_.File("home");
  const bool is_root_ = ::geteuid() == 0;
};
INSTANTIATE_TEST_SUITE_P(Memory, ListVerbTest,
                         ::testing::Values(Backing::kPosixShm, Backing::kSysV));

TEST_P(ListVerbTest, MachineWithoutSegmentsHasNoRow) {
  InOwnMachine([] { EXPECT_TRUE(IsEmpty()); });
}

TEST_P(ListVerbTest, UsedSegmentShowsHomeAndPages) {
  InOwnMachine([&] {
    auto both = *OpenBoth(home_, SmallEnv(GetParam()));
    EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
    const json row = List();
    EXPECT_EQ(row["home"], home_);
    EXPECT_EQ(row["backing"], FindName(kBackings, GetParam()));
    EXPECT_EQ(row["dirty_pages"], 1);
    EXPECT_EQ(row["orphan"], "no");
    EXPECT_GT(row["bytes_in_use"], 0);
    EXPECT_GT(row["bytes"], row["bytes_in_use"]);
    if (is_root_) {
      EXPECT_EQ(row["processes"], 1);
    }
    EXPECT_THAT(both.Close(), IsOk());
    EXPECT_EQ(List()["dirty_pages"], 0);
    EXPECT_EQ(List({"--remove-orphans"})["removed"], false);
    EXPECT_THAT(DbEnv::Remove(home_), IsOk());
    EXPECT_EQ(RunMpool({"list", "--json"}).out, "[]\n");
  });
}

TEST_P(ListVerbTest, OrphanIsFoundAndRemoved) {
  InOwnMachine([&] {
    MakeRegion();
    fs::remove_all(home_);
    const json row = List();
    EXPECT_EQ(row["home"], home_);
    EXPECT_EQ(row["orphan"], IfProven());
    EXPECT_EQ(List({"--remove-orphans"})["removed"], is_root_);
    EXPECT_EQ(IsEmpty(), is_root_);
  });
}

// The new directory may have the inode number of the old one.
TEST_P(ListVerbTest, DirectoryThatTookPathIsNoHome) {
  InOwnMachine([&] {
    MakeRegion();
    fs::remove_all(home_);
    fs::create_directory(home_);
    EXPECT_EQ(List()["orphan"], IfProven());
  });
}

TEST_P(ListVerbTest, RenamedHomeIsFound) {
  InOwnMachine([&] {
    MakeRegion();
    const std::string now = dir_.File("renamed");
    fs::rename(home_, now);
    const json row = List({"--remove-orphans"});
    EXPECT_EQ(row["removed"], false);
    if (is_root_) {
      EXPECT_EQ(row["orphan"], "no");
      EXPECT_EQ(row["home"], now);
    }
    EXPECT_THAT(OpenBoth(now, SmallEnv(GetParam())), IsOk());
  });
}

TEST_P(ListVerbTest, DirtyOrphanNeedsForce) {
  InOwnMachine([&] {
    MakeRegionWithDirtyPage();
    fs::remove_all(home_);
    if (!is_root_) return;
    const Ran refused = RunMpool({"list", "--remove-orphans"});
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, HasSubstr("1 pages that are not on disk"));
    EXPECT_EQ(List()["dirty_pages"], 1);
    EXPECT_EQ(List({"--remove-orphans", "--force"})["removed"], true);
    EXPECT_TRUE(IsEmpty());
  });
}

TEST_P(ListVerbTest, OrphanInUseStays) {
  InOwnMachine([&] {
    Child user([&](Channel& parent) -> std::string {
      const auto both = *OpenBoth(home_, SmallEnv(GetParam()));
      parent.Say("open");
      parent.Hear();
      return "used";
    });
    EXPECT_EQ(user.Hear(), "open");
    fs::remove_all(home_);
    const json row = List({"--remove-orphans", "--force"});
    EXPECT_EQ(row["orphan"], is_root_ ? "no" : "unknown");
    EXPECT_EQ(row["removed"], false);
    user.Kill();
    EXPECT_EQ(List()["orphan"], IfProven());
  });
}

TEST_P(ListVerbTest, HomeWithoutDescriptorHasOrphan) {
  InOwnMachine([&] {
    MakeRegion();
    fs::remove(home_ + "/__db.001");
    const json row = List();
    EXPECT_EQ(row["home"], home_);
    EXPECT_EQ(row["orphan"], IfProven());
    EXPECT_THAT(DbEnv::Remove(home_), IsOk());
    EXPECT_TRUE(IsEmpty());
  });
}

// Another user neither removes the memory nor believes that it is free.
TEST_P(ListVerbTest, OtherUserProvesNothing) {
  InOwnMachine([&] {
    MakeRegion();
    fs::remove_all(home_);
    EXPECT_EQ(test::InChild([&]() -> std::string {
                EXPECT_THAT(test::DropRights(), IsOk());
                const Ran ran = RunMpool({"list", "--remove-orphans"});
                EXPECT_EQ(ran.code, 0) << ran.err;
                EXPECT_THAT(ran.out, Not(HasSubstr("yes")));
                return "listed";
              }),
              "listed");
    EXPECT_FALSE(IsEmpty());
  });
}

// The handle of the home may be at another place of such a header.
TEST_P(ListVerbTest, OtherLayoutProvesNothing) {
  if (GetParam() != Backing::kPosixShm) return;  // its memory is no file
  InOwnMachine([&] {
    EXPECT_THAT(OpenBoth(home_)->Close(), IsOk());
    const std::string segment =
        "/dev/shm/" + List()["segment"].get<std::string>();
    const std::string bytes =
        test::BytesOf(segment, 0, sizeof(region::FixedHeader));
    region::FixedHeader fixed;
    bytes.copy(reinterpret_cast<char*>(&fixed), sizeof(fixed));
    ++fixed.signature;
    region::Seal(&fixed);
    const std::string_view sealed(reinterpret_cast<const char*>(&fixed),
                                  sizeof(fixed));
    test::Overwrite(segment, 0, sealed);
    test::Overwrite(segment, sizeof(fixed), sealed);
    fs::remove_all(home_);
    const json row = List({"--remove-orphans", "--force"});
    EXPECT_EQ(row["orphan"], "unknown");
    EXPECT_EQ(row["removed"], false);
    EXPECT_TRUE(fs::exists(segment));
  });
}

TEST(ListVerbUsageTest, ForceAloneIsRefused) {
  EXPECT_EQ(RunMpool({"list", "--force"}).code, 2);
}

}  // namespace
}  // namespace mpool::tools
