// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// durability_test.cc - an Ok of Sync, of the last Close and of Remove means
// that every written file was fsynced, also with few descriptors.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "region/limits.h"
#include "tests/env/files/durability.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"

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

// An event that happens to a file after it was written and closed.
struct Fate {
  const char* name;
  std::function<void(const std::string& path)> befall;
};

const std::vector<Fate> kFates = {
    {"Nothing", [](const std::string&) {}},
    {"Renamed", [](const std::string& path) { fs::rename(path, path + "2"); }},
    {"Linked",
     [](const std::string& path) {
       fs::create_hard_link(path, path + "2");
       fs::remove(path);
     }},
    {"Touched",
     [](const std::string& path) {
       const int fd = ::open(path.c_str(), O_WRONLY);
       EXPECT_EQ(::pwrite(fd, "y", 1, 4000), 1);
       ::close(fd);
     }},
    {"Replaced",
     [](const std::string& path) {
       test::MakeFile(path + "2", std::string(4096, 'n'));
       fs::rename(path + "2", path);
     }},
    {"Removed", [](const std::string& path) { fs::remove(path); }},
};

class FateTest : public DurabilityTest,
                 public ::testing::WithParamInterface<Fate> {};
INSTANTIATE_TEST_SUITE_P(All, FateTest, ::testing::ValuesIn(kFates),
                         [](const auto& test) {
                           return std::string(test.param.name);
                         });

TEST_P(FateTest, SyncFsyncsAWrittenFile) {
  auto env = Open();
  PutAndClose(*env, "a.db");
  GetParam().befall(home_.Below("a.db"));
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_P(FateTest, LastCloseFsyncsAWrittenFile) {
  auto env = Open();
  PutAndClose(*env, "a.db");
  GetParam().befall(home_.Below("a.db"));
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_P(FateTest, ALeaverFsyncsItsOwnWrites) {
  Child other([&](Channel& parent) -> std::string {
    parent.Hear();
    auto mine = Open();
    PutAndClose(*mine, "a.db");
    GetParam().befall(home_.Below("a.db"));
    EXPECT_THAT(mine->Close(), IsOk());
    EXPECT_EQ(Unsynced(), 0u);
    return "left";
  });
  auto env = Open();
  other.Say("go");
  EXPECT_EQ(other.End(), "left");
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_THAT(env->Close(), IsOk());
}

// The writer's descriptor was closed by its death.
TEST_P(FateTest, DeadWritersFileIsFsyncedOrNamed) {
  auto env = Open();
  Child other([&](Channel&) -> std::string {
    auto mine = Open();
    PutAndClose(*mine, "a.db");
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  GetParam().befall(home_.Below("a.db"));
  // A file without a name is forgotten. A file that has another name, or other
  // contents, is named.
  const std::string fate = GetParam().name;
  const bool is_there =
      fate != "Renamed" && fate != "Linked" && fate != "Touched";
  for (int i = 0; i < 2; ++i) {
    const absl::Status synced = env->Sync();
    EXPECT_EQ(synced.ok(), is_there) << synced;
    if (!is_there) {
      EXPECT_THAT(std::string(synced.message()),
                  ::testing::HasSubstr(home_.Below("a.db")));
    }
  }
  EXPECT_EQ(env->Close().ok(), is_there);
  env = nullptr;
  const absl::Status removed = DbEnv::Remove(home_.path());
  EXPECT_EQ(removed.ok(), is_there) << removed;
  EXPECT_THAT(DbEnv::Remove(home_.path(), /*force=*/true), IsOk());
}

TEST_F(DurabilityTest, MoreFilesThanEntriesAreAllFsynced) {
  auto env = Open();
  fsync_is_real = false;
  for (uint32_t i = 0; i < kMaxFiles + 1; ++i) {
    PutAndClose(*env, absl::StrCat("f", i), 512);
  }
  EXPECT_EQ(written.size(), kMaxFiles + 1);
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_F(DurabilityTest, SyncClosesKeptDescriptors) {
  auto env = Open();
  const int before = OpenDescriptors();
  for (int i = 0; i < 200; ++i) PutAndClose(*env, absl::StrCat("f", i));
  EXPECT_LE(OpenDescriptors(), before + 34);
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_LE(OpenDescriptors(), before + 1);
  EXPECT_EQ(Unsynced(), 0u);
}

TEST_F(DurabilityTest, DescriptorsOfOthersFilesAreFew) {
  auto env = Open();
  auto own = *env->OpenFile("own.db", {.create = true});
  Child other([&](Channel& parent) { return PutManyFiles(parent); });
  ASSERT_EQ(other.Hear(), "put");
  const int before = OpenDescriptors();
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_THAT(PutText(*own, page, "own"), IsOk());
  }
  EXPECT_LE(OpenDescriptors(), before + 34);
  EXPECT_EQ(DiskText(home_.Below("f99"), 0), "put");
  // A removed file does not keep its disk space for long.
  for (int i = 0; i < 100; ++i) fs::remove(home_.Below(absl::StrCat("f", i)));
  other.Say("end");
  EXPECT_EQ(other.End(), "end");
  EXPECT_THAT(own->Close(), IsOk());
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_LE(OpenDescriptors(), before);
}

TEST_F(DurabilityTest, LaterMissClosesRemovedFiles) {
  auto env = Open();
  auto own = *env->OpenFile("own.db", {.create = true});
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_THAT(PutText(*own, page, "own"), IsOk());
  }
  const int before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) PutAndClose(*env, absl::StrCat("f", i));
  EXPECT_GT(OpenDescriptors(), before);
  for (int i = 0; i < 20; ++i) fs::remove(home_.Below(absl::StrCat("f", i)));
  for (PageNo page = 0; page < 600; ++page) {
    ASSERT_EQ(GetText(*own, page), "own");
  }
  EXPECT_LE(OpenDescriptors(), before);
}

TEST_F(DurabilityTest, KeptDescriptorsStayBelowLimit) {
  auto env = Open();
  for (int i = 0; i < 30; ++i) PutAndClose(*env, absl::StrCat("f", i));
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit few = old;
  few.rlim_cur = static_cast<rlim_t>(OpenDescriptors());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  auto file = env->OpenFile("more.db", {.create = true});
  EXPECT_THAT(file, IsOk());
  if (file.ok()) {
    EXPECT_THAT(PutText(**file, 0, "more"), IsOk());
    EXPECT_THAT((*file)->Sync(), IsOk());
    EXPECT_THAT((*file)->Close(), IsOk());
  }
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(Unsynced(), 0u);
}

// Entries that only the dead have open are used for other files.
TEST_F(DurabilityTest, DeadWritersEntriesAreReused) {
  auto env = Open();
  Child other([&](Channel&) -> std::string {
    fsync_is_real = false;
    auto mine = Open();
    std::vector<std::unique_ptr<MPoolFile>> files;
    FileOptions options;
    options.create = true;
    options.page_size = 512;
    for (uint32_t i = 0; i < kMaxFiles; ++i) {
      files.push_back(*mine->OpenFile(absl::StrCat("f", i), options));
      EXPECT_THAT(PutText(*files.back(), 0, "put"), IsOk());
      if (i % 200 == 0) files.pop_back();
    }
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  EXPECT_THAT(env->FailCheck(), IsOk());
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_THAT(env->OpenFile("one_more.db", {.create = true}), IsOk());
}

TEST_F(DurabilityTest, SyncOfManyFilesNeedsFewDescriptors) {
  auto env = Open();
  Child other([&](Channel& parent) { return PutManyFiles(parent); });
  ASSERT_EQ(other.Hear(), "put");
  static int most;
  most = 0;
  os::Sys().pwritev = [](int fd, const iovec* parts, int count, off_t offset) {
    most = std::max(most, OpenDescriptors());
    return CountedWrite(fd, parts, count, offset);
  };
  const int before = OpenDescriptors();
  EXPECT_THAT(env->Sync(), IsOk());
  EXPECT_LE(most, before + 36);
  other.Say("end");
  EXPECT_EQ(other.End(), "end");
}

// A refused open leaves no descriptor behind, though none may be closed.
TEST_F(DurabilityTest, RefusedOpensKeepFewDescriptors) {
  const TempHome elsewhere;
  auto env = Open();
  auto file = *env->OpenFile("a.db", {.create = true});
  auto second = *DbEnv::Open(elsewhere.path(), SmallEnv());
  const int before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(second->OpenFile(home_.Below("a.db")).ok());
    EXPECT_FALSE(
        second->OpenFile(home_.Below("a.db"), {.read_only = true}).ok());
  }
  EXPECT_LE(OpenDescriptors(), before + 3);
}

// The kept descriptors of one environment leave room for another's.
TEST_F(DurabilityTest, KeptDescriptorsMakeRoomForAllCalls) {
  const TempHome elsewhere;
  auto env = Open();
  auto second = *DbEnv::Open(elsewhere.path(), SmallEnv());
  Child other([&](Channel&) -> std::string {
    auto mine = Open();
    PutAndClose(*mine, "theirs.db");
    ::raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(other.End(), test::kKilled);
  const auto with_few = [&](const std::function<void()>& call) {
    for (int i = 0; i < 20; ++i) PutAndClose(*env, absl::StrCat("f", i));
    rlimit old = {};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    rlimit few = old;
    few.rlim_cur = static_cast<rlim_t>(OpenDescriptors());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    call();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  };
  with_few([&] {
    EXPECT_THAT(second->OpenFile("x.db", {.create = true}), IsOk());
  });
  with_few([&] { EXPECT_THAT(DbEnv::Inspect(elsewhere.path()), IsOk()); });
  with_few([&] { EXPECT_THAT(DbEnv::Holders(elsewhere.path()), IsOk()); });
  with_few([&] { EXPECT_THAT(env->Sync(), IsOk()); });
  EXPECT_EQ(DiskText(home_.Below("theirs.db"), 0), "put");
}

}  // namespace
}  // namespace mpool
