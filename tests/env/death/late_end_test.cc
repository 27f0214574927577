// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// late_end_test.cc - calls of threads after the destruction of their
// thread-local objects: handles that are globals, atexit handlers, thread_local
// objects that outlive the library's own, and a library that is unloaded at the
// end.

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "region/limits.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::DiskText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using ::testing::IsEmpty;

constexpr unsigned kMostSeconds = 60;
constexpr int kFailed = 4;

// Acts when it is destroyed.
struct Late {
  std::function<void()> act;
  ~Late() {
    if (act == nullptr) return;
    act();
    if (::testing::Test::HasFailure()) ::_exit(kFailed);
  }
};

// A moment at which the calling thread no longer has thread-local objects.
enum class When { kStatic, kAtExit, kThreadLocal, kThreadKey };
constexpr auto kAllMoments = {When::kStatic, When::kAtExit, When::kThreadLocal,
                              When::kThreadKey};

void ActOfKey(void* late) { delete static_cast<Late*>(late); }

// Calls `act` late in a thread that called `call` before, so that the library's
// thread-local objects exist and are destroyed first.
void ActAtThreadEnd(When when, const std::function<void()>& call,
                    const std::function<void()>& act) {
  std::thread([&] {
    if (when == When::kThreadLocal) {
      static thread_local Late late;
      late.act = act;
    } else {
      static const pthread_key_t key = [] {
        pthread_key_t made;
        EXPECT_EQ(::pthread_key_create(&made, ActOfKey), 0);
        return made;
      }();
      ASSERT_EQ(::pthread_setspecific(key, new Late{act}), 0);
    }
    call();
  }).join();
}

// Ends the process. REQUIRES: the process has called the library.
[[noreturn]] void ExitAndAct(When when, const std::function<void()>& act) {
  if (when == When::kStatic) {
    static Late late;
    late.act = act;
  } else {
    static Late* const late = new Late{act};
    std::atexit([] { delete late; });
  }
  ::exit(::testing::Test::HasFailure() ? kFailed : 0);
}

class LateEndTest : public ::testing::TestWithParam<Backing> {
 protected:
  ~LateEndTest() override {
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  }
  EnvOptions Options() {
    EnvOptions options = SmallEnv(GetParam());
    options.on_event = [this](const Event& event) {
      events_.push_back(event.message);
    };
    return options;
  }
  // Returns the outcome of a child that opens both, calls `early`, and calls
  // `act` at the moment `when`. The outcome is empty if the child ended well.
  using Act = std::function<void(test::Opened&)>;
  std::string EndOfChild(When when, const Act& early, const Act& act) {
    return test::InChild([&]() -> std::string {
      ::alarm(kMostSeconds);
      static test::Opened& both = *new test::Opened;
      both = *OpenBoth(home_.path(), Options());
      early(both);
      events_.clear();  // of threads that stayed attached before
      const auto late = [act] { act(both); };
      if (when == When::kStatic || when == When::kAtExit) {
        ExitAndAct(when, late);
      }
      ActAtThreadEnd(when, [] { EXPECT_EQ(GetText(*both.file, 0), "put"); },
                     late);
      return "";
    });
  }
  std::string OnDisk(PageNo page) const {
    return DiskText(home_.Below("pages.db"), page);
  }

  TempHome home_;
  std::vector<std::string> events_;
};
INSTANTIATE_TEST_SUITE_P(All, LateEndTest,
                         ::testing::ValuesIn(os::kAllBackings),
                         os::BackingText);

void PutOne(test::Opened& both) {
  EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
}

TEST_P(LateEndTest, DestructorsOfHandlesWriteThePages) {
  for (const When when : kAllMoments) {
    for (const bool file_first : {true, false}) {
      SCOPED_TRACE(absl::StrCat(static_cast<int>(when), file_first));
      EXPECT_EQ(EndOfChild(when, PutOne,
                           [&](test::Opened& both) {
                             if (file_first) both.file.reset();
                             both.env.reset();
                             both.file.reset();
                             EXPECT_EQ(events_.empty(), file_first);
                           }),
                "");
      EXPECT_EQ(OnDisk(0), "put");
      // Remove the file too, because Sync fails for a written file without a
      // name.
      EXPECT_THAT(DbEnv::Remove(home_.path(), /*force=*/true), IsOk());
      std::filesystem::remove(home_.Below("pages.db"));
    }
  }
}

TEST_P(LateEndTest, SyncAndCloseAreOk) {
  for (const When when : kAllMoments) {
    SCOPED_TRACE(static_cast<int>(when));
    EXPECT_EQ(EndOfChild(when, PutOne,
                         [&](test::Opened& both) {
                           EXPECT_THAT(both.file->Sync(), IsOk());
                           EXPECT_EQ(OnDisk(0), "put");
                           EXPECT_THAT(both.env->Sync(), IsOk());
                           EXPECT_THAT(both.file->Close(), IsOk());
                           EXPECT_THAT(both.env->Close(), IsOk());
                           EXPECT_THAT(events_, IsEmpty());
                         }),
              "");
  }
}

TEST_P(LateEndTest, GuardsAreGivenBack) {
  for (const When when : kAllMoments) {
    SCOPED_TRACE(static_cast<int>(when));
    auto writer = std::make_shared<WritePage>();
    auto reader = std::make_shared<ReadPage>();
    EXPECT_EQ(EndOfChild(when,
                         [&](test::Opened& both) {
                           PutOne(both);
                           *writer = *both.file->New();
                           *reader = *both.file->Get(0);
                         },
                         [=, this](test::Opened& both) {
                           test::Fill(writer->data(), "written");
                           writer->Put();
                           reader->Put();
                           EXPECT_THAT(both.Close(), IsOk());
                           EXPECT_THAT(events_, IsEmpty());
                         }),
              "");
    EXPECT_EQ(OnDisk(1), "written");
    std::filesystem::remove(home_.Below("pages.db"));
  }
}

// Every other call that a program can make on an environment.
TEST_P(LateEndTest, EveryOtherCallIsOk) {
  for (const When when : kAllMoments) {
    SCOPED_TRACE(static_cast<int>(when));
    EXPECT_EQ(
        EndOfChild(
            when, PutOne,
            [&](test::Opened& both) {
              EXPECT_THAT(PutText(*both.file, 1, "update"), IsOk());
              EXPECT_EQ(GetText(*both.file, 1), "update");
              EXPECT_THAT(both.file->New(), IsOk());
              EXPECT_THAT(both.file->Last(), IsOk());
              auto other =
                  both.env->OpenFile("other.db", {.create = true});
              ASSERT_THAT(other, IsOk());
              EXPECT_THAT(PutText(**other, 0, "other"), IsOk());
              {
                UpdateGroup group(*both.env);
                auto one = group.Add(*both.file, 0);
                auto two = group.Add(**other, 0);
                ASSERT_THAT(one, IsOk());
                ASSERT_THAT(two, IsOk());
                test::Fill((*one)->data(), "grouped");
                test::Fill((*two)->data(), "grouped");
                EXPECT_THAT(group.Commit(), IsOk());
                EXPECT_THAT(group.Add(*both.file, 0), IsOk());
              }
              EXPECT_EQ(GetText(*both.file, 0), "grouped");
              EXPECT_THAT((*other)->Close(), IsOk());
              EXPECT_THAT(both.env->Resize(test::kSmallCache / 2), IsOk());
              EXPECT_THAT(both.env->FailCheck(), IsOk());
              EXPECT_THAT(both.env->ClearPanic(), IsOk());
              EXPECT_EQ(both.env->Stats().processes, 1u);
              EXPECT_THAT(both.Close(), IsOk());
              auto again = OpenBoth(home_.path(), Options());
              ASSERT_THAT(again, IsOk());
              EXPECT_EQ(GetText(*again->file, 0), "grouped");
              EXPECT_THAT(again->Close(), IsOk());
            }),
        "");
    EXPECT_EQ(DiskText(home_.Below("other.db"), 0), "grouped");
    std::filesystem::remove(home_.Below("pages.db"));
    std::filesystem::remove(home_.Below("other.db"));
  }
}

TEST_P(LateEndTest, EndingThreadKnowsItsLatePages) {
  for (const When when : kAllMoments) {
    SCOPED_TRACE(static_cast<int>(when));
    EXPECT_EQ(EndOfChild(when, PutOne,
                         [](test::Opened& both) {
                           auto reader = both.file->Get(0);
                           ASSERT_THAT(reader, IsOk());
                           EXPECT_THAT(both.file->Get(0), IsOk());
                           EXPECT_THAT(
                               both.file->GetForUpdate(0),
                               Fails(StatusCode::kFailedPrecondition, "holds"));
                           reader->Put();
                           auto writer = both.file->GetForUpdate(0);
                           ASSERT_THAT(writer, IsOk());
                           EXPECT_THAT(
                               both.file->Get(0),
                               Fails(StatusCode::kFailedPrecondition, "holds"));
                           EXPECT_THAT(
                               both.env->Close(),
                               Fails(StatusCode::kFailedPrecondition,
                                     "page 0"));
                           writer->Put();
                           EXPECT_THAT(both.Close(), IsOk());
                         }),
              "");
  }
}

// More threads than there are slots. Each gets pages late, and some keep a page
// until they end.
TEST(LateThreadTest, ThreadsThatCallLateLeaveNoSlots) {
  TempHome home;
  auto both = *OpenBoth(home.path(), SmallEnv(Backing::kHeap));
  for (PageNo page = 0; page < 8; ++page) {
    ASSERT_THAT(PutText(*both.file, page, "put"), IsOk());
  }
  constexpr uint32_t kThreads = kMaxThreads + 100;
  std::vector<ReadPage> kept;
  for (uint32_t i = 0; i < kThreads; ++i) {
    ActAtThreadEnd(
        i % 2 == 0 ? When::kThreadLocal : When::kThreadKey,
        [&] { EXPECT_EQ(GetText(*both.file, 0), "put"); },
        [&] {
          EXPECT_THAT(PutText(*both.file, i % 8, "put"), IsOk());
          auto page = both.file->Get(i % 8);
          ASSERT_THAT(page, IsOk());
          kept.push_back(*std::move(page));
        });
    if (kept.size() == 4) kept.clear();
  }
  EXPECT_LE(both.env->Stats().threads, 1u + 4u);
  kept.clear();
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
}

// In the child of a process that is about to end.
class LateForkTest : public LateEndTest {};
INSTANTIATE_TEST_SUITE_P(Forked, LateForkTest,
                         ::testing::ValuesIn(os::kForkedBackings),
                         os::BackingText);

TEST_P(LateForkTest, AForkedChildUsesTheEnvironmentLate) {
  for (const When when : {When::kStatic, When::kThreadKey}) {
    SCOPED_TRACE(static_cast<int>(when));
    EXPECT_EQ(EndOfChild(when, PutOne,
                         [](test::Opened& both) {
                           auto held = both.file->Get(0);
                           ASSERT_THAT(held, IsOk());
                           EXPECT_EQ(test::InChild([&] {
                                       EXPECT_THAT(PutText(*both.file, 1, "c"),
                                                   IsOk());
                                       return both.Close().ToString();
                                     }),
                                     "OK");
                           held->Put();
                           EXPECT_EQ(GetText(*both.file, 1), "c");
                           EXPECT_THAT(both.Close(), IsOk());
                         }),
              "");
  }
}

// The moment at which the program unloads the library that has the handles.
enum class Unload { kAtOnce, kAtExit, kNever };

TEST_P(LateEndTest, UnloadedLibraryWritesItsPages) {
  for (const Unload unload : {Unload::kAtOnce, Unload::kAtExit,
                              Unload::kNever}) {
    SCOPED_TRACE(static_cast<int>(unload));
    EXPECT_EQ(
        test::InChild([&]() -> std::string {
          ::alarm(kMostSeconds);
          static void* const library = ::dlopen(MPOOL_PLUGIN, RTLD_NOW);
          if (library == nullptr) return ::dlerror();
          const auto open = reinterpret_cast<bool (*)(const char*, int)>(
              ::dlsym(library, "mpool_plugin_open"));
          EXPECT_TRUE(open(home_.path().c_str(),
                           static_cast<int>(GetParam())));
          if (unload == Unload::kAtOnce) ::dlclose(library);
          if (unload == Unload::kAtExit) {
            std::atexit([] { ::dlclose(library); });
          }
          ::exit(::testing::Test::HasFailure() ? kFailed : 0);
        }),
        "");
    EXPECT_EQ(test::BytesOf(home_.Below("plugin.db"), 0, 6), "plugin");
    std::filesystem::remove(home_.Below("plugin.db"));
  }
}

}  // namespace
}  // namespace mpool
