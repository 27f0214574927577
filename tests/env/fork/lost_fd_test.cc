// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lost_fd_test.cc - a forked child closes every fd that it does not know, and
// opens others at their numbers.

#include <fcntl.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/all_backings.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using ::testing::HasSubstr;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;

constexpr int kNumbers = 40;

void LoseFds() {
  ::closefrom(3);
  while (::open("/dev/null", O_RDWR) < kNumbers) {
  }
}
// Checks that the child's own fds are all open.
std::string AfterAll() {
  for (int fd = 3; fd <= kNumbers; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) return absl::StrCat(fd, " was closed");
  }
  return "left alone";
}

class LostFdTest : public ::testing::TestWithParam<Backing> {
 protected:
  LostFdTest() {
    auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
    env_ = std::move(both.env);
    first_ = std::move(both.file);
    second_ = *env_->OpenFile("second.db", {.create = true});
    reader_ = *env_->OpenFile("pages.db", {.read_only = true});
    EXPECT_THAT(PutText(*first_, 0, "put"), IsOk());
    EXPECT_THAT(PutText(*second_, 0, "put"), IsOk());
  }
  void DropAll() {
    first_ = nullptr;
    second_ = nullptr;
    reader_ = nullptr;
    env_ = nullptr;
  }

  const test::TempHome home_;
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> first_;
  std::unique_ptr<MPoolFile> second_;
  std::unique_ptr<MPoolFile> reader_;  // of the first file
};
INSTANTIATE_TEST_SUITE_P(All, LostFdTest,
                         ::testing::ValuesIn(os::kAllBackings),
                         os::BackingText);

TEST_P(LostFdTest, ErrorNamesFileBehindFd) {
  EXPECT_EQ(os::InChild([&]() -> std::string {
              LoseFds();
              const std::string told =
                  GetParam() == Backing::kHeap ? "forked child" : "closed the";
              for (MPoolFile* file : {first_.get(), second_.get(),
                                      reader_.get(), first_.get()}) {
                EXPECT_THAT(GetText(*file, 0), HasSubstr(told));
              }
              DropAll();
              return AfterAll();
            }),
            "left alone");
}

TEST_P(LostFdTest, ChildMayDropInheritedHandles) {
  EXPECT_EQ(os::InChild([&] {
              LoseFds();
              DropAll();
              return AfterAll();
            }),
            "left alone");
}

TEST_P(LostFdTest, ChildMayCloseInheritedHandles) {
  EXPECT_EQ(os::InChild([&]() -> std::string {
              LoseFds();
              for (MPoolFile* file :
                   {first_.get(), second_.get(), reader_.get()}) {
                EXPECT_THAT(file->Close(), IsOk());
              }
              EXPECT_THAT(env_->Close(), IsOk());
              DropAll();
              return AfterAll();
            }),
            "left alone");
}

class NamedLostFdTest : public LostFdTest {};
INSTANTIATE_TEST_SUITE_P(Shared, NamedLostFdTest,
                         ::testing::ValuesIn(os::kSharedBackings),
                         os::BackingText);

TEST_P(NamedLostFdTest, AChildWithoutOpenFilesComesIn) {
  EXPECT_THAT(first_->Close(), IsOk());
  EXPECT_THAT(second_->Close(), IsOk());
  EXPECT_THAT(reader_->Close(), IsOk());
  EXPECT_EQ(os::InChild([&]() -> std::string {
              LoseFds();
              auto file = *env_->OpenFile("pages.db");
              EXPECT_EQ(GetText(*file, 0), "put");
              EXPECT_THAT(file->Close(), IsOk());
              EXPECT_THAT(env_->Close(), IsOk());
              return AfterAll();
            }),
            "left alone");
  EXPECT_EQ(os::InChild([&] {
              ::closefrom(3);
              auto file = *env_->OpenFile("pages.db");
              return GetText(*file, 0);
            }),
            "put");
}

// The fd numbers of the files are still the parent's. The fd of the home is
// lost.
TEST_P(NamedLostFdTest, UnattachedChildDoesNotDisturbOthers) {
  const std::string moved = home_.path() + ".moved";
  EXPECT_EQ(os::InChild([&]() -> std::string {
              LoseFds();
              ::rename(home_.path().c_str(), moved.c_str());
              EXPECT_THAT(GetText(*first_, 0), ::testing::Not("put"));
              ::rename(moved.c_str(), home_.path().c_str());
              DropAll();
              return AfterAll();
            }),
            "left alone");
}

}  // namespace
}  // namespace mpool
