// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// named_page_test.cc - an error of a wait or of a shortage names the page and
// the file of the call.

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Fails;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

constexpr PageNo kPage = 7;

class NamedPageTest : public ::testing::Test {
 protected:
  NamedPageTest() {
    EnvOptions options = SmallEnv();
    options.cache_bytes = 64 << 10;  // 16 frames
    both_ = *OpenBoth(home_.path(), options);
    for (PageNo page = 0; page < 40; ++page) {
      EXPECT_THAT(PutText(*both_.file, page, "x"), IsOk());
    }
  }
  std::string Name(PageNo page) const {
    return absl::StrCat("page ", page, " of ", home_.Below("pages.db"));
  }
  static absl::Status InThread(const std::function<absl::Status()>& call) {
    absl::Status status;
    std::thread([&] { status = call(); }).join();
    return status;
  }

  const TempHome home_;
  test::Opened both_;
  GetOptions brief_ = {.wait = absl::Milliseconds(10)};
};

TEST_F(NamedPageTest, LatchWaitsNamePageAndFile) {
  auto held = both_.file->GetForUpdate(kPage);
  ASSERT_THAT(held, IsOk());
  MPoolFile& file = *both_.file;
  EXPECT_THAT(InThread([&] { return file.Get(kPage, brief_).status(); }),
              Fails(StatusCode::kDeadlineExceeded, "get " + Name(kPage),
                    "held by process"));
  EXPECT_THAT(
      InThread([&] { return file.GetForUpdate(kPage, brief_).status(); }),
      Fails(StatusCode::kDeadlineExceeded, Name(kPage), "for update"));
  EXPECT_THAT(InThread([&] {
                UpdateGroup group(*both_.env);
                return group.Add(file, kPage, brief_).status();
              }),
              Fails(StatusCode::kDeadlineExceeded, Name(kPage)));
}

TEST_F(NamedPageTest, WaitForReadersNamesPageAndFile) {
  auto held = both_.file->Get(kPage);
  ASSERT_THAT(held, IsOk());
  EXPECT_THAT(InThread([&] {
                return both_.file->GetForUpdate(kPage, brief_).status();
              }),
              Fails(StatusCode::kDeadlineExceeded, Name(kPage)));
}

TEST_F(NamedPageTest, SyncNamesPageAndFile) {
  ASSERT_THAT(PutText(*both_.file, kPage, "dirty"), IsOk());
  auto held = both_.file->GetForUpdate(kPage);
  ASSERT_THAT(held, IsOk());
  SyncOptions options;
  options.wait = absl::Milliseconds(10);
  EXPECT_THAT(InThread([&] { return both_.env->Sync(options); }),
              Fails(StatusCode::kDeadlineExceeded, "sync " + Name(kPage),
                    "held by process"));
}

TEST_F(NamedPageTest, ShortageOfFramesNamesPageAndFile) {
  std::vector<ReadPage> held;
  PageNo page = 0;
  absl::Status status;
  while (status.ok()) {
    auto next = both_.file->Get(page, brief_);
    status = next.status();
    if (!status.ok()) break;
    held.push_back(*std::move(next));
    ++page;
  }
  EXPECT_THAT(status, Fails(StatusCode::kResourceExhausted,
                            "get " + Name(page), "find a frame"));
  EXPECT_THAT(both_.file->GetForUpdate(page, brief_),
              Fails(StatusCode::kResourceExhausted, Name(page)));
  EXPECT_THAT(both_.file->New(),
              Fails(StatusCode::kResourceExhausted, "make a page of",
                    home_.Below("pages.db")));
}

}  // namespace
}  // namespace mpool
