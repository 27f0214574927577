// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// no_memory_test.cc - operator new fails in each call of the library, at the
// first allocation, the second, and so on. The process ends because no
// exception leaves a call. The other processes can get each page.

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <stdexcept>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/logged.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace {

// Allocations until one fails; 0: none does.
uint64_t allocations_left = 0;
bool failed = false;

}  // namespace

void* operator new(size_t size) {
  if (allocations_left != 0 && --allocations_left == 0) {
    failed = true;
    throw std::bad_alloc();
  }
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace mpool {
namespace {

using test::Channel;
using test::Child;
using test::GetText;
using test::InChild;
using test::IsOk;
using test::PutText;
using test::TempHome;

constexpr PageNo kPages = 40;
constexpr char kTerminated[] = "signal 6";
// A call that takes longer hangs.
constexpr unsigned kPatienceSeconds = 60;
constexpr GetOptions kPatient{.create = true, .wait = absl::Seconds(20)};

// The objects that a call uses. The test's own part of a call must not
// allocate.
struct Scene {
  std::string home;
  EnvOptions options;
  FileOptions file_options{.create = true};
  test::Opened both;
  std::vector<WritePage> held;
  std::optional<UpdateGroup> group;
};

void Nothing(Scene&) {}
void OpenOnly(Scene& scene) {
  scene.both.env = *DbEnv::Open(scene.home, scene.options);
}
void OpenAll(Scene& scene) {
  OpenOnly(scene);
  scene.both.file = *scene.both.env->OpenFile("pages.db", scene.file_options);
}
void OpenAndPut(Scene& scene) {
  OpenAll(scene);
  for (PageNo page = 0; page < kPages; ++page) {
    EXPECT_THAT(PutText(*scene.both.file, page, "put"), IsOk());
  }
}
void OpenGroup(Scene& scene) {
  OpenAndPut(scene);
  scene.group.emplace(*scene.both.env);
  for (PageNo page = 0; page < 5; ++page) {
    EXPECT_THAT(scene.group->Add(*scene.both.file, page), IsOk());
  }
}
void BesideDeath(Scene& scene) {
  OpenAndPut(scene);
  EXPECT_EQ(InChild([&]() -> std::string {
              const auto page = scene.both.file->GetForUpdate(3);
              ::kill(::getpid(), SIGKILL);
              return "lives";
            }),
            test::kKilled);
}
void HoldOne(Scene& scene) {
  OpenAndPut(scene);
  scene.held.push_back(*scene.both.file->GetForUpdate(3));
}
void CloseFileFirst(Scene& scene) {
  OpenAndPut(scene);
  EXPECT_THAT(scene.both.file->Close(), IsOk());
  scene.both.file.reset();
}

struct Throw {};

struct Call {
  const char* name;
  bool alone;  // no other process is attached
  void (*prepare)(Scene& scene);
  void (*act)(Scene& scene);
};

constexpr Call kCalls[] = {
    {"Create", true, Nothing,
     [](Scene& s) { (void)DbEnv::Open(s.home, s.options); }},
    {"Join", false, Nothing,
     [](Scene& s) { (void)DbEnv::Open(s.home, s.options); }},
    {"OpenFile", false, OpenOnly,
     [](Scene& s) { (void)s.both.env->OpenFile("pages.db", s.file_options); }},
    {"Load", false, OpenAll,
     [](Scene& s) {
       for (PageNo page = 1000; page < 1300; ++page) {
         (void)s.both.file->Get(page, kPatient);
       }
     }},
    {"Hold", false, OpenAndPut,
     [](Scene& s) {
       std::optional<WritePage> held[kPages];
       for (PageNo page = 0; page < kPages; ++page) {
         held[page].emplace(*s.both.file->GetForUpdate(page));
       }
     }},
    {"New", false, OpenAll, [](Scene& s) { (void)s.both.file->New(); }},
    {"Absent", false, OpenAll,
     [](Scene& s) { (void)s.both.file->Get(kMaxPageNo); }},
    {"Twice", false, HoldOne, [](Scene& s) { (void)s.both.file->Get(3); }},
    {"Repair", false, BesideDeath,
     [](Scene& s) { (void)s.both.file->Get(3); }},
    {"Group", false, OpenAndPut,
     [](Scene& s) {
       UpdateGroup group(*s.both.env);
       for (PageNo page = 0; page < 5; ++page) {
         (void)group.Add(*s.both.file, page);
       }
       (void)group.AddNew(*s.both.file);
     }},
    {"Commit", false, OpenGroup, [](Scene& s) { (void)s.group->Commit(); }},
    {"Unwind", false, HoldOne,
     [](Scene& s) {
       try {
         const WritePage page = std::move(s.held.back());
         throw Throw();
       } catch (const Throw&) {
       }
     }},
    {"Sync", false, OpenAndPut, [](Scene& s) { (void)s.both.env->Sync(); }},
    {"SyncFile", false, OpenAndPut,
     [](Scene& s) { (void)s.both.file->Sync(); }},
    {"Resize", false, OpenAndPut,
     [](Scene& s) { (void)s.both.env->Resize(test::kSmallCache * 2); }},
    {"FailCheck", false, BesideDeath,
     [](Scene& s) { (void)s.both.env->FailCheck(); }},
    {"Stats", false, OpenAndPut,
     [](Scene& s) {
       (void)s.both.env->Stats();
       (void)s.both.env->HugeBytes();
       (void)s.both.env->ClearPanic();
     }},
    {"Inspect", false, Nothing, [](Scene& s) { (void)DbEnv::Inspect(s.home); }},
    {"Holders", false, Nothing, [](Scene& s) { (void)DbEnv::Holders(s.home); }},
    {"Remove", true, Nothing, [](Scene& s) { (void)DbEnv::Remove(s.home); }},
    {"CloseFile", false, OpenAndPut,
     [](Scene& s) { (void)s.both.file->Close(); }},
    {"CloseEnv", false, CloseFileFirst,
     [](Scene& s) { (void)s.both.env->Close(); }},
    {"Destroy", false, OpenAndPut,
     [](Scene& s) {
       s.both.file.reset();
       s.both.env.reset();
     }},
};

EnvOptions Options() {
  EnvOptions options = test::SmallEnv();
  options.max_cache_bytes = 2 * options.cache_bytes;
  return options;
}

// Returns the first page that cannot be got for update, or "whole" if none.
std::string Look(MPoolFile& file) {
  ::alarm(kPatienceSeconds);
  for (PageNo page = 0; page < kPages; ++page) {
    const absl::StatusOr<WritePage> got = file.GetForUpdate(page, kPatient);
    if (!got.ok()) return got.status().ToString();
    if (test::TextOn(got->data()) != "put") {
      return absl::StrCat("page ", page, ": ", test::TextOn(got->data()));
    }
  }
  ::alarm(0);
  return "whole";
}

class NoMemoryTest : public ::testing::TestWithParam<Call> {
 protected:
  // Starts a process that puts pages and stays.
  std::unique_ptr<Child> Survivor() {
    auto survivor = std::make_unique<Child>([&](Channel& parent) {
      auto both = *test::OpenBoth(home_.path(), Options());
      for (PageNo page = 0; page < kPages; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "put"), IsOk());
      }
      parent.Say("ready");
      while (parent.Hear() == "look") parent.Say(Look(*both.file));
      return "ended";
    });
    EXPECT_EQ(survivor->Hear(), "ready");
    return survivor;
  }
  // Checks the pages in a process that joins later.
  std::string LookByJoiner() {
    return InChild([&]() -> std::string {
      ::alarm(kPatienceSeconds);
      auto both = test::OpenBoth(home_.path(), Options());
      return both.ok() ? Look(*both->file) : both.status().ToString();
    });
  }
  std::string Act(uint64_t nth) {
    return InChild([&]() -> std::string {
      const rlimit none{0, 0};
      ::setrlimit(RLIMIT_CORE, &none);
      Scene scene;
      scene.home = home_.path();
      scene.options = Options();
      GetParam().prepare(scene);
      ::alarm(kPatienceSeconds);
      allocations_left = nth;
      try {
        GetParam().act(scene);
      } catch (...) {
        allocations_left = 0;
        return "an exception left the call";
      }
      allocations_left = 0;
      return failed ? "survived" : "no more";
    });
  }

  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(In, NoMemoryTest, ::testing::ValuesIn(kCalls),
                         [](const auto& one) { return one.param.name; });

TEST_P(NoMemoryTest, EndsTheProcessAndNotTheOthers) {
  std::unique_ptr<Child> survivor;
  if (!GetParam().alone) survivor = Survivor();
  constexpr uint64_t kMost = 100000;
  std::string outcome = kTerminated;
  // Skips more and more allocations, because a call that allocates very often
  // repeats the same work.
  for (uint64_t nth = 1; outcome != "no more" && nth < kMost;
       nth += 1 + nth / 32) {
    if (GetParam().alone) {
      ASSERT_THAT(DbEnv::Remove(home_.path(), /*force=*/true), IsOk());
      Survivor()->Kill();
    }
    outcome = Act(nth);
    ASSERT_THAT(outcome, ::testing::AnyOf(kTerminated, "no more"))
        << "at allocation " << nth;
    if (survivor != nullptr) {
      survivor->Say("look");
      ASSERT_EQ(survivor->Hear(), "whole") << "at allocation " << nth;
    }
    if (survivor == nullptr || nth % 5 == 1) {
      ASSERT_EQ(LookByJoiner(), "whole") << "at allocation " << nth;
    }
  }
  EXPECT_EQ(outcome, "no more");
}

// A callback must not throw. If it does, no page stays with its process.
class ThrowingCallbackTest : public ::testing::Test {
 protected:
  void ExpectEnd(const std::function<void(test::Opened&)>& body,
                 const EnvOptions& options) {
    EXPECT_EQ(InChild([&]() -> std::string {
                const rlimit none{0, 0};
                ::setrlimit(RLIMIT_CORE, &none);
                test::Opened both = test::OpenLogged(home_.path(), options);
                test::PutLetter(*both.file, 0, 'a', {1, 30});
                try {
                  body(both);
                } catch (...) {
                  return "an exception left the call";
                }
                return "lives";
              }),
              kTerminated);
    log_.answer = absl::OkStatus();
    test::Opened both = test::OpenLogged(home_.path(), test::WithLog(log_));
    EXPECT_EQ(test::GetLetter(*both.file, 0), 'a');
    test::PutLetter(*both.file, 0, 'b', {1, 40});
    EXPECT_THAT(both.env->Sync(), IsOk());
  }

  TempHome home_;
  test::Log log_;
};

TEST_F(ThrowingCallbackTest, LogCallbackEndsProcess) {
  EnvOptions options = test::WithLog(log_);
  options.log_flush = [](Lsn) -> absl::Status {
    throw std::runtime_error("the log is broken");
  };
  ExpectEnd([](test::Opened& both) { (void)both.file->Sync(); }, options);
}

TEST_F(ThrowingCallbackTest, EventCallbackEndsProcess) {
  EnvOptions options = test::WithLog(log_);
  log_.answer = absl::UnavailableError("the log's disk is full");
  options.on_event = [](const Event&) {
    throw std::runtime_error("nobody listens");
  };
  ExpectEnd([](test::Opened& both) { (void)both.file->Sync(); }, options);
}

}  // namespace
}  // namespace mpool
