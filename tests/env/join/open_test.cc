// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// open_test.cc - homes: bad ones, one home opened twice, two homes, and a home
// inspected without joining.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/mounts.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::AllOf;
using test::Child;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class OpenTest : public ::testing::Test {
 protected:
  TempHome home_;
};

TEST_F(OpenTest, MissingHomeIsNotFoundWithRemedy) {
  const std::string missing = home_.Below("missing");
  EXPECT_THAT(DbEnv::Open(missing),
              Fails(StatusCode::kNotFound, "open environment", missing,
                    "no such directory", "make it"));
  EXPECT_THAT(DbEnv::Remove(missing),
              Fails(StatusCode::kNotFound, "remove environment", missing));
  EXPECT_THAT(DbEnv::Inspect(missing),
              Fails(StatusCode::kNotFound, "inspect environment", missing));
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

TEST_F(OpenTest, HomeThatIsFileIsInvalid) {
  const std::string file = home_.Below("file");
  test::MakeFile(file, "text");
  EXPECT_THAT(DbEnv::Open(file),
              Fails(StatusCode::kInvalidArgument, "open environment", file,
                    "not a directory", "name the directory"));
  EXPECT_THAT(DbEnv::Remove(file),
              Fails(StatusCode::kInvalidArgument, file, "not a directory"));
  EXPECT_THAT(DbEnv::Inspect(file),
              Fails(StatusCode::kInvalidArgument, file, "not a directory"));
  EXPECT_EQ(test::BytesOf(file), "text");
}

TEST_F(OpenTest, EmptyHomeOrNulIsInvalid) {
  EXPECT_THAT(DbEnv::Open(""),
              Fails(StatusCode::kInvalidArgument, "open environment", "empty"));
  // The path before the NUL exists.
  const std::string nul = home_.path() + std::string("\0x", 2);
  EXPECT_THAT(DbEnv::Open(nul),
              Fails(StatusCode::kInvalidArgument, "open environment", "NUL"));
  EXPECT_THAT(DbEnv::Remove(nul), Fails(StatusCode::kInvalidArgument, "NUL"));
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

TEST_F(OpenTest, UnwritableHomeIsPermissionDenied) {
  ASSERT_EQ(::chmod(home_.path().c_str(), 0555), 0);
  const std::string outcome = test::InChild([&]() -> std::string {
    EXPECT_THAT(test::DropRights(), IsOk());
    EXPECT_THAT(DbEnv::Open(home_.path()),
                Fails(StatusCode::kPermissionDenied, home_.path(),
                      "Permission denied", "check owner and permissions"));
    return "done";
  });
  EXPECT_EQ(outcome, "done");
  ASSERT_EQ(::chmod(home_.path().c_str(), 0700), 0);
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
}

TEST_F(OpenTest, UnsearchableHomeIsPermissionDenied) {
  ASSERT_EQ(::chmod(home_.path().c_str(), 0), 0);
  const std::string outcome = test::InChild([&]() -> std::string {
    EXPECT_THAT(test::DropRights(), IsOk());
    EXPECT_THAT(DbEnv::Open(home_.path()),
                Fails(StatusCode::kPermissionDenied, home_.path(),
                      "check owner and permissions"));
    return "done";
  });
  EXPECT_EQ(outcome, "done");
  ASSERT_EQ(::chmod(home_.path().c_str(), 0700), 0);
}

TEST_F(OpenTest, EmptyHomeWithoutCreateIsNotFound) {
  EnvOptions options = SmallEnv();
  options.create = false;
  EXPECT_THAT(DbEnv::Open(home_.path(), options),
              Fails(StatusCode::kNotFound, home_.path(), "there is none",
                    "EnvOptions::create"));
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
  auto other = *DbEnv::Open(home_.path(), SmallEnv());
  EXPECT_THAT(DbEnv::Open(home_.path(), options), IsOk());
}

TEST_F(OpenTest, SameHomeTwiceIsOneAttachment) {
  auto first = *OpenBoth(home_.path());
  const std::string link = home_.Below("link");
  fs::create_directory_symlink(home_.path(), link);
  fs::create_directory(home_.Below("sub"));
  const fs::path old = fs::current_path();
  fs::current_path(home_.path());
  std::vector<std::unique_ptr<DbEnv>> handles;
  for (const std::string& name :
       {home_.path(), home_.path() + "/", home_.Below("sub/.."), link,
        std::string(".")}) {
    auto opened = DbEnv::Open(name, SmallEnv());
    ASSERT_THAT(opened, IsOk()) << name;
    handles.push_back(*std::move(opened));
    EXPECT_EQ(handles.back()->Stats().processes, 1u) << name;
  }
  fs::current_path(old);
  // All handles share one cache: a page held through one is held for the
  // others.
  ASSERT_THAT(PutText(*first.file, 0, "held"), IsOk());
  auto held = *first.file->GetForUpdate(0);
  auto again = *handles[0]->OpenFile("pages.db");
  EXPECT_THAT(again->Get(0), Fails(StatusCode::kFailedPrecondition,
                                   "this thread holds it for update"));
  held.Put();
  EXPECT_THAT(again->Close(), IsOk());
  EXPECT_THAT(first.Close(), IsOk());
  for (auto& handle : handles) {
    EXPECT_EQ(handle->Stats().processes, 1u);
    EXPECT_THAT(handle->Close(), IsOk());
  }
  EXPECT_EQ((*DbEnv::Inspect(home_.path())).processes, 0u);
}

TEST_F(OpenTest, TwoHomesInOneThreadAreSeparate) {
  const TempHome other;
  auto a = *OpenBoth(home_.path());
  auto b = *OpenBoth(other.path());
  for (PageNo page = 0; page < 20; ++page) {
    ASSERT_THAT(PutText(*a.file, page, "a"), IsOk());
    ASSERT_THAT(PutText(*b.file, page, "b"), IsOk());
  }
  {
    const auto from_a = *a.file->Get(3);
    const auto from_b = *b.file->GetForUpdate(3);
    EXPECT_EQ(test::TextOn(from_a.data()), "a");
    EXPECT_EQ(test::TextOn(from_b.data()), "b");
    EXPECT_THAT(b.env->Close(), Fails(StatusCode::kFailedPrecondition));
  }
  EXPECT_THAT(b.Close(), IsOk());
  EXPECT_EQ(GetText(*a.file, 3), "a");
  EXPECT_EQ(a.env->Stats().threads, 1u);
  EXPECT_EQ(a.env->Stats().frames_dirty, 20u);
  EXPECT_EQ(test::DiskText(other.Below("pages.db"), 19), "b");
}

TEST_F(OpenTest, JoinerUsesCreatorsOptions) {
  auto first = *DbEnv::Open(home_.path(), SmallEnv(Backing::kFile));
  Child other([&](test::Channel&) -> std::string {
    EnvOptions wish;
    wish.cache_bytes = 4 << 20;
    wish.policy = Policy::kLru;
    auto second = DbEnv::Open(home_.path(), wish);
    EXPECT_THAT(second, IsOk());
    const EnvStats stats = (*second)->Stats();
    EXPECT_EQ(stats.cache_bytes, test::kSmallCache);
    EXPECT_EQ(stats.policy, Policy::kClock);
    EXPECT_EQ(stats.backing, Backing::kFile);
    EXPECT_EQ(stats.processes, 2u);
    return (*second)->Close().ToString();
  });
  EXPECT_EQ(other.End(), "OK");
}

TEST_F(OpenTest, ClosedHandleRefusesEveryCall) {
  auto both = *OpenBoth(home_.path());
  ASSERT_THAT(both.file->Close(), IsOk());
  for (const absl::Status& status :
       {both.file->Get(0).status(), both.file->GetForUpdate(0).status(),
        both.file->New().status(), both.file->Last().status(),
        both.file->Sync()}) {
    EXPECT_THAT(status, Fails(StatusCode::kFailedPrecondition, "closed"));
  }
  EXPECT_EQ(both.file->page_count(), 0u);
  EXPECT_EQ(both.file->Stats().page_size, 0u);
  EXPECT_THAT(both.file->Close(), IsOk());
  ASSERT_THAT(both.env->Close(), IsOk());
  for (const absl::Status& status :
       {both.env->OpenFile("pages.db").status(), both.env->Sync(),
        both.env->FailCheck().status()}) {
    EXPECT_THAT(status,
                Fails(StatusCode::kFailedPrecondition, "closed", "open it"));
  }
  EXPECT_EQ(both.env->Stats().processes, 0u);
  EXPECT_THAT(both.env->Close(), IsOk());
}

TEST_F(OpenTest, InspectOfEmptyHomeIsNotFound) {
  EXPECT_THAT(
      DbEnv::Inspect(home_.path()),
      Fails(StatusCode::kNotFound, "inspect", home_.path(), "no environment"));
  EXPECT_THAT(AllOf(home_.path()), IsEmpty());
  auto heap = *DbEnv::Open(home_.path(), SmallEnv(Backing::kHeap));
  EXPECT_THAT(DbEnv::Inspect(home_.path()), Fails(StatusCode::kNotFound));
}

TEST_F(OpenTest, InspectChangesNothing) {
  auto both = *OpenBoth(home_.path());
  ASSERT_THAT(PutText(*both.file, 2, "x"), IsOk());
  const EnvStats inside = both.env->Stats();
  const EnvStats seen = *DbEnv::Inspect(home_.path());
  EXPECT_EQ(seen.frames_dirty, inside.frames_dirty);
  EXPECT_EQ(seen.processes, 1u);
  EXPECT_EQ(seen.threads, 1u);
  EXPECT_EQ(seen.files, 1u);
  EXPECT_EQ(seen.cache_bytes, test::kSmallCache);
  EXPECT_EQ(both.env->Stats().hits, inside.hits);
}

TEST_F(OpenTest, HeapLeavesOnlyPageFiles) {
  auto both = *OpenBoth(home_.path(), SmallEnv(Backing::kHeap));
  ASSERT_THAT(PutText(*both.file, 0, "on heap"), IsOk());
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "on heap");
}

struct Remote {
  uint32_t type;
  const char* name;
};
uint32_t home_type;

// Every file seems to be on a file system of that type.
class RemoteHomeTest : public os::SyscallTest,
                       public ::testing::WithParamInterface<Remote> {
 protected:
  RemoteHomeTest() {
    home_type = GetParam().type;
    os::Sys().fstatfs = [](int fd, struct statfs* out) {
      const int result = os::RealSyscalls().fstatfs(fd, out);
      out->f_type = static_cast<decltype(out->f_type)>(home_type);
      return result;
    };
  }

  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(
    Types, RemoteHomeTest,
    ::testing::Values(Remote{0x6969, "NFS"}, Remote{0x517b, "CIFS"},
                      Remote{0xff534d42, "CIFS"}, Remote{0xfe534d42, "CIFS"},
                      Remote{0x01021997, "9p"}, Remote{0x65735546, "FUSE"}),
    [](const auto& test) {
      return absl::StrCat(test.param.name, absl::Hex(test.param.type));
    });

TEST_P(RemoteHomeTest, SharedRegionIsRefused) {
  for (const Backing backing : {Backing::kPosixShm, Backing::kFile}) {
    EXPECT_THAT(DbEnv::Open(home_.path(), SmallEnv(backing)),
                Fails(StatusCode::kFailedPrecondition, "open environment",
                      home_.path(), GetParam().name, "use a local directory"));
    EXPECT_THAT(AllOf(home_.path()), IsEmpty());
  }
}

TEST_P(RemoteHomeTest, HeapEnvironmentWorks) {
  auto both = OpenBoth(home_.path(), SmallEnv(Backing::kHeap));
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(PutText(*both->file, 0, "alone"), IsOk());
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 0), "alone");
  EXPECT_THAT(AllOf(home_.path()), ElementsAre("pages.db"));
}

// A file is cached by one environment only, by whatever name it is opened.
// Several environments may read a file that none of them changes.
TEST_F(OpenTest, FileOpenInAnotherHomeIsRefused) {
  const TempHome other;
  auto first = *OpenBoth(home_.path());
  const std::string path = home_.Below("pages.db");
  ASSERT_THAT(PutText(*first.file, 0, "first"), IsOk());
  ASSERT_THAT(first.file->Sync(), IsOk());
  for (const Backing backing : {Backing::kPosixShm, Backing::kHeap}) {
    auto env = *DbEnv::Open(other.path(), SmallEnv(backing));
    for (const bool read_only : {false, true}) {
      FileOptions options;
      options.read_only = read_only;
      EXPECT_THAT(env->OpenFile(path, options),
                  Fails(StatusCode::kFailedPrecondition, "open file", path,
                        "another environment"));
    }
    env = nullptr;
    ASSERT_THAT(DbEnv::Remove(other.path()), IsOk());
  }
  ASSERT_THAT(first.file->Close(), IsOk());
  auto env = *DbEnv::Open(other.path());
  FileOptions reading;
  reading.read_only = true;
  auto there = *env->OpenFile(path, reading);
  auto here = first.env->OpenFile(path, reading);
  ASSERT_THAT(here, IsOk());
  EXPECT_EQ(GetText(**here, 0), "first");
  EXPECT_EQ(GetText(*there, 0), "first");
  EXPECT_THAT(env->OpenFile(path), Fails(StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace mpool
