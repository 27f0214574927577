// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// guard_test.cc - edge cases of guards and threads: closing with guards held, a
// put in another thread, and the slots that are used afterwards.

#include <array>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "region/limits.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using test::TextOn;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GuardTest : public ::testing::Test {
 protected:
  GuardTest() {
    EnvOptions options = SmallEnv();
    options.on_event = [this](const Event& event) { events_.push_back(event); };
    both_ = *OpenBoth(home_.path(), options);
    for (PageNo page = 0; page < 50; ++page) {
      EXPECT_THAT(PutText(*both_.file, page, std::to_string(page)), IsOk());
    }
  }

  TempHome home_;
  std::vector<Event> events_;
  test::Opened both_;
};

TEST_F(GuardTest, CloseWithGuardsOutListsThem) {
  auto reader = *both_.file->Get(3);
  auto writer = *both_.file->GetForUpdate(12);
  const std::string path = home_.Below("pages.db");
  EXPECT_THAT(both_.file->Close(),
              Fails(StatusCode::kFailedPrecondition, "close file " + path,
                    "page 3 of " + path, "page 12 of " + path + " (for update)",
                    "put them first"));
  EXPECT_THAT(both_.env->Close(),
              Fails(StatusCode::kFailedPrecondition,
                    "close environment " + home_.path(), "page 3 of " + path,
                    "page 12 of " + path + " (for update)", "put them first"));
  EXPECT_EQ(TextOn(reader.data()), "3");
  test::Fill(writer.data(), "still ours");
  writer.Put();
  EXPECT_THAT(both_.file->Close(),
              Fails(StatusCode::kFailedPrecondition, "page 3 of"));
  reader.Put();
  EXPECT_THAT(both_.env->Close(),
              Fails(StatusCode::kFailedPrecondition, "1 file handles are open",
                    "close them first"));
  EXPECT_EQ(GetText(*both_.file, 12), "still ours");
  EXPECT_THAT(both_.Close(), IsOk());
  EXPECT_EQ(test::DiskText(path, 12), "still ours");
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(GuardTest, ManyGuardsAreCounted) {
  std::vector<ReadPage> guards;
  for (PageNo page = 0; page < 25; ++page) {
    guards.push_back(*both_.file->Get(page));
  }
  EXPECT_THAT(both_.env->Close(), Fails(StatusCode::kFailedPrecondition,
                                        "page 0 of", "and 15 more"));
}

TEST_F(GuardTest, GuardOfAnotherThreadIsListed) {
  ReadPage moved;
  std::thread([&] { moved = *both_.file->Get(5); }).join();
  EXPECT_THAT(both_.file->Close(),
              Fails(StatusCode::kFailedPrecondition, "page 5 of"));
  moved.Put();
  EXPECT_THAT(both_.Close(), IsOk());
}

TEST_F(GuardTest, DestroyedEnvironmentKeepsGuardReadable) {
  auto guard = *both_.file->Get(9);
  both_.file.reset();
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, Event::Kind::kGuardsAtClose);
  EXPECT_THAT(events_[0].message, HasSubstr("page 9 of"));
  both_.env.reset();
  ASSERT_THAT(events_, SizeIs(2));
  EXPECT_EQ(events_[1].kind, Event::Kind::kGuardsAtClose);
  EXPECT_THAT(events_[1].message, HasSubstr(home_.path()));
  EXPECT_EQ(TextOn(guard.data()), "9");
  EXPECT_EQ(guard.number(), 9u);
  guard.Put();
  // The process stays attached for its life. Other processes lose nothing.
  EXPECT_EQ((*DbEnv::Inspect(home_.path())).processes, 1u);
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "in use"));
  auto again = *OpenBoth(home_.path());
  EXPECT_EQ(GetText(*again.file, 9), "9");
}

TEST_F(GuardTest, AFileHandleOutlivesItsEnvironmentsHandle) {
  both_.env.reset();
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_THAT(events_[0].message, HasSubstr("1 file handles are open"));
  EXPECT_EQ(GetText(*both_.file, 4), "4");
  EXPECT_THAT(PutText(*both_.file, 4, "new"), IsOk());
  EXPECT_THAT(both_.file->Close(), IsOk());
  EXPECT_EQ(test::DiskText(home_.Below("pages.db"), 4), "new");
}

TEST_F(GuardTest, FortyGuardsArePutInAnyOrder) {
  constexpr size_t kGuards = 40;
  static_assert(kGuards > kLedgerEntries);
  for (const size_t stride : {1u, 7u, 39u, 23u}) {
    std::array<ReadPage, kGuards> guards;
    for (size_t i = 0; i < kGuards; ++i) guards[i] = *both_.file->Get(i);
    EXPECT_THAT(both_.env->Close(),
                Fails(StatusCode::kFailedPrecondition, "and 30 more"));
    for (size_t i = 0; i < kGuards; ++i) {
      ReadPage& guard = guards[i * stride % kGuards];
      EXPECT_EQ(TextOn(guard.data()), std::to_string(guard.number()));
      guard.Put();
    }
  }
  // Each page is free for a writer.
  for (PageNo page = 0; page < kGuards; ++page) {
    GetOptions options;
    options.wait = absl::ZeroDuration();
    std::thread([&] {
      EXPECT_THAT(both_.file->GetForUpdate(page, options), IsOk());
    }).join();
  }
  EXPECT_THAT(both_.Close(), IsOk());
}

TEST_F(GuardTest, FortyGuardsForUpdateAreAllWritten) {
  std::vector<WritePage> guards;
  for (PageNo page = 0; page < 40; ++page) {
    guards.push_back(*both_.file->GetForUpdate(page));
    test::Fill(guards.back().data(), "w" + std::to_string(page));
  }
  guards.clear();
  EXPECT_THAT(both_.file->Sync(), IsOk());
  for (PageNo page = 0; page < 40; ++page) {
    EXPECT_EQ(test::DiskText(home_.Below("pages.db"), page),
              "w" + std::to_string(page));
  }
}

TEST_F(GuardTest, GuardOutlivesItsThread) {
  for (int round = 0; round < 3; ++round) {
    WritePage writer;
    ReadPage reader;
    std::thread([&] {
      writer = *both_.file->GetForUpdate(1);
      reader = *both_.file->Get(2);
    }).join();
    std::thread([&, moved = std::move(writer)]() mutable {
      test::Fill(moved.data(), "moved" + std::to_string(round));
      moved.Put();
      reader.Put();
    }).join();
    EXPECT_EQ(GetText(*both_.file, 1), "moved" + std::to_string(round));
    EXPECT_THAT(PutText(*both_.file, 2, "2"), IsOk());
  }
  // The next threads reuse the slots of threads that left guards behind.
  std::thread([&] {
    EXPECT_EQ(GetText(*both_.file, 3), "3");
    EXPECT_LE(both_.env->Stats().threads, 2u);
  }).join();
  EXPECT_EQ(both_.env->Stats().threads, 1u);
  EXPECT_THAT(both_.Close(), IsOk());
}

TEST_F(GuardTest, FiveThousandThreadsLeakNoSlot) {
  for (int i = 0; i < 5000; ++i) {
    std::thread([&] {
      EXPECT_EQ(GetText(*both_.file, static_cast<PageNo>(i % 50)),
                std::to_string(i % 50));
    }).join();
  }
  EXPECT_EQ(both_.env->Stats().threads, 1u);
  EXPECT_EQ(both_.env->Stats().processes, 1u);
}

TEST_F(GuardTest, ThreadEndingAfterCloseTouchesNothing) {
  std::atomic<int> stage = 0;
  auto await = [&](int wanted) {
    while (stage < wanted) std::this_thread::yield();
  };
  std::thread thread([&] {
    EXPECT_EQ(GetText(*both_.file, 0), "0");
    stage = 1;
    await(2);
  });
  await(1);
  EXPECT_EQ(both_.env->Stats().threads, 2u);
  ASSERT_THAT(both_.Close(), IsOk());
  both_ = {};
  auto again = *OpenBoth(home_.path());
  const EnvStats before = again.env->Stats();
  stage = 2;
  thread.join();
  EXPECT_EQ(again.env->Stats().threads, before.threads);
  EXPECT_EQ(GetText(*again.file, 0), "0");
}

TEST_F(GuardTest, ThreadOutlivesEnvironment) {
  ASSERT_THAT(both_.Close(), IsOk());
  for (int i = 0; i < 20; ++i) {
    auto next = *OpenBoth(home_.path());
    EXPECT_EQ(GetText(*next.file, 7), "7");
    EXPECT_EQ(next.env->Stats().threads, 1u);
    EXPECT_THAT(next.Close(), IsOk());
  }
}

TEST_F(GuardTest, EmptyGuardsDoNothing) {
  ReadPage reader;
  WritePage writer;
  reader.Put();
  writer.Put();
  writer.Discard();
  EXPECT_FALSE(reader);
  EXPECT_FALSE(writer);
  reader = *both_.file->Get(1);
  ReadPage moved = std::move(reader);
  EXPECT_TRUE(moved);
  reader.Put();
  moved = ReadPage();
  EXPECT_THAT(PutText(*both_.file, 1, "free"), IsOk());
}

}  // namespace
}  // namespace mpool
