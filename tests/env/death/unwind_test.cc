// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unwind_test.cc - guards that are destroyed by stack unwinding, after an
// exception or at the end of a thread. The page is restored as it was acquired.

#include <pthread.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/logged.h"
#include "tests/support/pages.h"
#include "tests/support/policies.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"
#include "tests/support/test_thread.h"

namespace mpool {
namespace {

using absl::StatusCode;
using os::TestThread;
using test::Channel;
using test::Child;
using test::Fails;
using test::Fill;
using test::GetText;
using test::IsOk;
using test::kCreate;
using test::PutText;
using test::TempHome;
using test::TextOn;
using ::testing::Contains;
using ::testing::IsEmpty;

struct Failure : std::runtime_error {
  Failure() : std::runtime_error("in the middle of a change") {}
};

void ChangeHalf(const WritePage& page) {
  std::memset(page.data().data(), 0x5a, page.data().size() / 2);
}

void ThrowIn(MPoolFile& file, PageNo number, const GetOptions& options = {}) {
  try {
    const WritePage page = *file.GetForUpdate(number, options);
    ChangeHalf(page);
    throw Failure();
  } catch (const Failure&) {
  }
}

// A destructor that assigns an empty guard to one that is half changed.
struct Emptied {
  WritePage page;
  ~Emptied() { page = WritePage(); }
};

class UnwindTest : public ::testing::TestWithParam<Policy> {
 protected:
  EnvOptions Options() {
    EnvOptions options = test::SmallEnv();
    options.policy = GetParam();
    options.on_event = [this](const Event& event) {
      events_.push_back(event.kind);
    };
    return options;
  }
  MPoolFile& file() { return *both_.file; }
  // Returns the text of a page as another process reads it.
  std::string ReadByOther(PageNo page) {
    other_.Say(absl::StrCat(page));
    return other_.Hear();
  }
  void PutClean(PageNo page, const std::string& text) {
    ASSERT_THAT(PutText(file(), page, text), IsOk());
    ASSERT_THAT(both_.env->Sync(), IsOk());
  }
  // Checks that all processes read the text and can continue.
  void ExpectText(PageNo page, const std::string& text) {
    EXPECT_EQ(ReadByOther(page), text);
    EXPECT_EQ(GetText(file(), page), text);
    ASSERT_THAT(PutText(file(), page, "after it"), IsOk());
    EXPECT_EQ(ReadByOther(page), "after it");
    EXPECT_THAT(both_.env->Sync(), IsOk());
  }

  TempHome home_;
  std::vector<Event::Kind> events_;
  Child other_{[this](Channel& parent) -> std::string {
    std::optional<test::Opened> both;
    while (true) {
      const std::string heard = parent.Hear();
      PageNo page = 0;
      if (!absl::SimpleAtoi(heard, &page)) break;
      if (!both.has_value()) both = *test::OpenBoth(home_.path());
      parent.Say(GetText(*both->file, page));
    }
    return "ended";
  }};
  test::Opened both_ = *test::OpenBoth(home_.path(), Options());
};
INSTANTIATE_TEST_SUITE_P(Policy, UnwindTest,
                         test::EveryPolicy(), test::PolicyParam);

TEST_P(UnwindTest, AnAssignedGuardRestoresItsPage) {
  PutClean(0, "clean");
  try {
    Emptied emptied{*file().GetForUpdate(0)};
    ChangeHalf(emptied.page);
    throw Failure();
  } catch (const Failure&) {
  }
  ExpectText(0, "clean");
}

TEST_P(UnwindTest, DirtyPageGetsItsLastPut) {
  ASSERT_THAT(PutText(file(), 0, "put"), IsOk());
  ThrowIn(file(), 0);
  EXPECT_EQ(both_.env->Stats().frames_dirty, 1u);
  ExpectText(0, "put");
  EXPECT_THAT(events_, IsEmpty());
}

TEST_P(UnwindTest, CleanPageMatchesItsFile) {
  PutClean(0, "on disk");
  const uint64_t free = both_.env->Stats().frames_free;
  ThrowIn(file(), 0);
  EXPECT_EQ(both_.env->Stats().frames_dirty, 0u);
  EXPECT_EQ(both_.env->Stats().frames_free, free + 1);
  ExpectText(0, "on disk");
}

TEST_P(UnwindTest, PageReadForUpdateMatchesItsFile) {
  PutClean(0, "on disk");
  for (PageNo page = 1; page < 400; ++page) {
    ASSERT_THAT(PutText(file(), page, "another"), IsOk());
  }
  ThrowIn(file(), 0);
  ExpectText(0, "on disk");
}

TEST_P(UnwindTest, ANewPageReadsAsCleared) {
  try {
    const WritePage page = *file().New();
    ChangeHalf(page);
    throw Failure();
  } catch (const Failure&) {
  }
  EXPECT_EQ(file().page_count(), 1u);
  ExpectText(0, "");
  ThrowIn(file(), 5, kCreate);
  ExpectText(5, "");
}

TEST_P(UnwindTest, ManyGiveAllBackThatTheyUsed) {
  PutClean(0, "on disk");
  ASSERT_THAT(PutText(file(), 1, "put"), IsOk());
  {
    // A thread that holds no page releases its before-images.
    ASSERT_THAT(PutText(file(), 2, "put"), IsOk());
    const ReadPage other = *file().Get(2);
    // More before-images than a thread may have.
    for (int round = 0; round < 1100; ++round) {
      ThrowIn(file(), 0);
      ThrowIn(file(), 1);
    }
  }
  EXPECT_EQ(GetText(file(), 1), "put");
  // All frames of the cache can be held at once.
  std::vector<WritePage> held;
  for (PageNo page = 0; page < test::kSmallCache / 4096; ++page) {
    absl::StatusOr<WritePage> got = file().GetForUpdate(page, kCreate);
    ASSERT_THAT(got, IsOk());
    held.push_back(*std::move(got));
  }
}

TEST_P(UnwindTest, APinnedPageStaysWhereItIs) {
  PutClean(0, "on disk");
  ReadPage pinned;
  std::thread([&] { pinned = *file().Get(0, {.latch = Latch::kNone}); }).join();
  ThrowIn(file(), 0);
  // The pinner sees the change, and must handle it itself.
  EXPECT_EQ(pinned.data()[0], std::byte{0x5a});
  ExpectText(0, "on disk");
  EXPECT_EQ(pinned.data()[0], std::byte{0x5a});
  pinned.Put();
  ExpectText(0, "after it");
}

TEST_P(UnwindTest, AWaitingProcessGetsThePage) {
  ASSERT_THAT(PutText(file(), 0, "put"), IsOk());
  EXPECT_EQ(ReadByOther(0), "put");
  try {
    const WritePage page = *file().GetForUpdate(0);
    ChangeHalf(page);
    other_.Say("0");
    throw Failure();
  } catch (const Failure&) {
  }
  EXPECT_EQ(other_.Hear(), "put");
}

TEST_P(UnwindTest, APageWithoutImageIsLost) {
  const auto file = *both_.env->OpenFile("pages.db", {.atomic_update = false});
  ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
  ThrowIn(*file, 0);
  EXPECT_THAT(file->Get(0), Fails(StatusCode::kDataLoss, "page 0",
                                  absl::StrCat("process ", ::getpid()),
                                  "an exception unwound"));
  EXPECT_THAT(both_.env->Sync(),
              Fails(StatusCode::kDataLoss, "page 0", "an exception unwound"));
  EXPECT_THAT(events_, Contains(Event::Kind::kPoisoned));
  // The page stays lost if a re-creation is not finished either.
  ThrowIn(*file, 0, kCreate);
  EXPECT_THAT(file->Get(0), Fails(StatusCode::kDataLoss, "page 0"));
  {
    const WritePage page = *file->GetForUpdate(0, kCreate);
    Fill(page.data(), "made");
  }
  ExpectText(0, "made");
}

TEST_P(UnwindTest, CleanPageNeedsNoImage) {
  const auto file = *both_.env->OpenFile("pages.db", {.atomic_update = false});
  PutClean(0, "on disk");
  ThrowIn(*file, 0);
  ExpectText(0, "on disk");
}

TEST_P(UnwindTest, AGroupIsRolledBack) {
  PutClean(0, "on disk");
  ASSERT_THAT(PutText(file(), 1, "put"), IsOk());
  try {
    UpdateGroup group(*both_.env);
    for (PageNo page = 0; page < 2; ++page) {
      ChangeHalf(**group.Add(file(), page));
    }
    ChangeHalf(**group.AddNew(file()));
    throw Failure();
  } catch (const Failure&) {
  }
  ExpectText(0, "on disk");
  ExpectText(1, "put");
  ExpectText(2, "");
}

TEST_P(UnwindTest, AnExceptionCaughtInsideChangesNothing) {
  {
    const WritePage page = *file().GetForUpdate(0, kCreate);
    try {
      throw Failure();
    } catch (const Failure&) {
    }
    Fill(page.data(), "put");
  }
  ExpectText(0, "put");
}

TEST_P(UnwindTest, AGuardOfTheHandlerPuts) {
  try {
    throw Failure();
  } catch (const Failure&) {
    const WritePage page = *file().GetForUpdate(0, kCreate);
    Fill(page.data(), "handled");
  }
  ExpectText(0, "handled");
}

TEST_P(UnwindTest, AGuardGotDuringTheUnwindingPuts) {
  struct Cleaner {
    ~Cleaner() {
      const WritePage page = *file->GetForUpdate(0, kCreate);
      Fill(page.data(), "cleaned");
    }
    MPoolFile* file;
  };
  try {
    const Cleaner cleaner{&file()};
    throw Failure();
  } catch (const Failure&) {
  }
  ExpectText(0, "cleaned");
}

TEST_P(UnwindTest, PutAndDiscardCountAsEver) {
  PutClean(1, "on disk");
  try {
    WritePage page = *file().GetForUpdate(0, kCreate);
    Fill(page.data(), "put");
    page.Put();
    WritePage same = *file().GetForUpdate(1);
    same.Discard();
    throw Failure();
  } catch (const Failure&) {
  }
  ExpectText(0, "put");
  ExpectText(1, "on disk");
}

TEST_P(UnwindTest, AGuardThatOutlivesTheUnwindingPuts) {
  WritePage kept;
  try {
    WritePage page = *file().GetForUpdate(0, kCreate);
    Fill(page.data(), "put");
    kept = std::move(page);
    throw Failure();
  } catch (const Failure&) {
  }
  kept = {};
  ExpectText(0, "put");
}

TEST_P(UnwindTest, MovedGuardRestoresPage) {
  ASSERT_THAT(PutText(file(), 0, "first"), IsOk());
  ASSERT_THAT(PutText(file(), 1, "second"), IsOk());
  try {
    std::vector<WritePage> pages;
    for (PageNo page = 0; page < 2; ++page) {
      absl::StatusOr<WritePage> got = file().GetForUpdate(page);
      ChangeHalf(*got);
      pages.push_back(*std::move(got));
    }
    const std::optional<WritePage> last(std::move(pages.back()));
    throw Failure();
  } catch (const Failure&) {
  }
  ExpectText(0, "first");
  ExpectText(1, "second");
}

TEST_P(UnwindTest, GuardOfEndedThreadRestoresPage) {
  ASSERT_THAT(PutText(file(), 0, "put"), IsOk());
  PutClean(1, "on disk");
  std::vector<WritePage> pages;
  std::thread([&] {
    for (PageNo page = 0; page < 2; ++page) {
      pages.push_back(*file().GetForUpdate(page));
      ChangeHalf(pages.back());
    }
  }).join();
  // The thread that destroys the guards has no slot of its own.
  std::thread([&] {
    try {
      const std::vector<WritePage> mine = std::move(pages);
      throw Failure();
    } catch (const Failure&) {
    }
  }).join();
  ExpectText(0, "put");
  ExpectText(1, "on disk");
}

TEST_P(UnwindTest, AForkedChildLeavesTheParentsPage) {
  ASSERT_THAT(PutText(file(), 0, "put"), IsOk());
  {
    WritePage page = *file().GetForUpdate(0);
    ChangeHalf(page);
    EXPECT_EQ(test::InChild([&]() -> std::string {
                try {
                  const WritePage mine = std::move(page);
                  throw Failure();
                } catch (const Failure&) {
                }
                return "caught";
              }),
              "caught");
    Fill(page.data(), "parent");
  }
  ExpectText(0, "parent");
}

TEST_P(UnwindTest, CancelledThreadRestoresPage) {
  ASSERT_THAT(PutText(file(), 0, "put"), IsOk());
  PutClean(1, "on disk");
  std::promise<void> changed;
  TestThread thread([&] {
    const WritePage dirty = *file().GetForUpdate(0);
    const WritePage clean = *file().GetForUpdate(1);
    ChangeHalf(dirty);
    ChangeHalf(clean);
    changed.set_value();
    while (true) ::pause();
  });
  changed.get_future().wait();
  thread.Cancel();
  EXPECT_FALSE(thread.Join());
  ExpectText(0, "put");
  ExpectText(1, "on disk");
}

TEST_P(UnwindTest, ExitingThreadRestoresPage) {
  ASSERT_THAT(PutText(file(), 0, "put"), IsOk());
  EXPECT_TRUE(os::IsCutShort([&] {
    const WritePage page = *file().GetForUpdate(0);
    ChangeHalf(page);
    pthread_exit(nullptr);
  }));
  ExpectText(0, "put");
}

TEST_P(UnwindTest, ACancelledGroupIsRolledBack) {
  ASSERT_THAT(PutText(file(), 0, "first"), IsOk());
  PutClean(1, "on disk");
  EXPECT_TRUE(os::IsCutShort([&] {
    UpdateGroup group(*both_.env);
    ChangeHalf(**group.Add(file(), 0));
    ChangeHalf(**group.Add(file(), 1));
    pthread_cancel(pthread_self());
    pthread_testcancel();
  }));
  ExpectText(0, "first");
  ExpectText(1, "on disk");
}

TEST_P(UnwindTest, AThreadThatReturnsPutsItsPage) {
  EXPECT_FALSE(os::IsCutShort([&] {
    const WritePage page = *file().GetForUpdate(0, kCreate);
    Fill(page.data(), "put");
  }));
  ExpectText(0, "put");
}

TEST_P(UnwindTest, GuardAcquiredDuringThreadEndPuts) {
  struct Cleaner {
    ~Cleaner() {
      const WritePage page = *file->GetForUpdate(0, kCreate);
      Fill(page.data(), "cleaned");
    }
    MPoolFile* file;
  };
  EXPECT_TRUE(os::IsCutShort([&] {
    const Cleaner cleaner{&file()};
    pthread_exit(nullptr);
  }));
  ExpectText(0, "cleaned");
}

// A page of a file with a log, with changes that are not on disk.
TEST(UnwindLoggedTest, OnlyTheLogCanMendIt) {
  TempHome home;
  test::Log log;
  test::Opened both = test::OpenLogged(home.path(), test::WithLog(log));
  test::PutLetter(*both.file, 1, 'b', {1, 20});
  ThrowIn(*both.file, 1);
  EXPECT_THAT(both.file->Get(1),
              Fails(StatusCode::kDataLoss, "panic",
                    "page 1 of " + home.Below("logged.db"), "ClearPanic",
                    absl::StrCat("process ", ::getpid()), "an exception"));
  EnvOptions recover = test::WithLog(log);
  recover.recover = true;
  const auto again = *DbEnv::Open(home.path(), recover);
  test::PutLetter(*both.file, 1, 'c', {1, 30});
  EXPECT_THAT(again->ClearPanic(), IsOk());
  EXPECT_EQ(test::GetLetter(*both.file, 1), 'c');
}

}  // namespace
}  // namespace mpool
