// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair_kill_test.cc - a process dies while its threads are inside many calls.
// Its repairer dies at each step of the repair, and a third process finishes.

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/step_names.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::TempHome;

constexpr PageNo kFrames = 16;

EnvOptions TinyEnv() {
  EnvOptions options;
  options.cache_bytes = kFrames * 4096;
  return options;
}

// Runs `body` in a thread that stops for good at the step. Waits until the
// thread has reached the step.
void StopThreadAt(const std::string& step, std::function<void()> body) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool reached = false;
  };
  auto* gate = new Gate;  // lives as long as the thread
  os::CallAtStep(step, [gate] {
    {
      std::lock_guard<std::mutex> lock(gate->mutex);
      gate->reached = true;
      gate->changed.notify_all();
    }
    while (true) ::pause();
  });
  std::thread(std::move(body)).detach();
  std::unique_lock<std::mutex> lock(gate->mutex);
  gate->changed.wait(lock, [gate] { return gate->reached; });
  os::CallAtStep(step, nullptr);
}

class RepairKillTest : public ::testing::TestWithParam<std::string> {
 protected:
  static EnvOptions Env() {
    EnvOptions options = TinyEnv();
    options.backing = test::SharedBackingFor(GetParam());
    return options;
  }
  // Runs a victim that dies with pages 0 and 5 held for update, both dirty, the
  // second with an image. Page 1 is held for update and is clean. Page 2 is
  // pinned, and a thread waits for it. Other threads write back page 3, evict a
  // page, and fsync another file.
  void Victim() {
    Child victim([&](Channel& parent) -> std::string {
      auto both = *OpenBoth(home_.path(), Env());
      for (PageNo page = 0; page < kFrames + 4; ++page) {
        EXPECT_THAT(PutText(*both.file, page, "good"), IsOk());
      }
      EXPECT_THAT(both.file->Sync(), IsOk());
      EXPECT_THAT(PutText(*both.file, 0, "dirty"), IsOk());
      auto plain = *both.env->OpenFile("pages.db", {.atomic_update = false});
      auto dirty = *plain->GetForUpdate(0);
      EXPECT_THAT(PutText(*both.file, 5, "good"), IsOk());
      auto kept = *both.file->GetForUpdate(5);
      kept.data()[0] = std::byte{'X'};
      auto clean = *both.file->GetForUpdate(1);
      auto pin = *both.file->Get(2);
      EXPECT_THAT(PutText(*both.file, 3, "good"), IsOk());
      clean.data()[0] = std::byte{'X'};
      StopThreadAt("mpool.write.writing",
                   [&] { static_cast<void>(both.env->Sync()); });
      StopThreadAt("mpool.evict.taken", [&] {
        for (PageNo page = 4; page < kFrames + 4; ++page) {
          static_cast<void>(both.file->Get(page));
        }
      });
      StopThreadAt("mpool.latch.pending",
                   [&] { static_cast<void>(both.file->GetForUpdate(2)); });
      auto other = *both.env->OpenFile("other.db", {.create = true});
      EXPECT_THAT(PutText(*other, 0, "other"), IsOk());
      StopThreadAt("mpool.sync.fsync",
                   [&] { static_cast<void>(other->Sync()); });
      parent.Say("in the middle");
      return parent.Hear();
    });
    ASSERT_EQ(victim.Hear(), "in the middle");
    ASSERT_EQ(victim.Kill(), test::kKilled);
  }
  // Runs a repairer that is killed at the step.
  std::string Repairer() {
    return test::InChild([&] {
      os::KillAtStep(GetParam(), 1);
      return "survived: " +
             DbEnv::Open(home_.path(), Env()).status().ToString();
    });
  }
  void ExpectWhole(test::Opened& both) {
    EXPECT_EQ(both.env->Stats().processes, 1u);
    EXPECT_EQ(both.env->Stats().threads, 1u);
    EXPECT_EQ(both.env->Stats().frames_poisoned, 1u);
    EXPECT_THAT(both.file->Get(0),
                Fails(StatusCode::kDataLoss, "page 0", "died while"));
    EXPECT_THAT(both.file->Sync(), Fails(StatusCode::kDataLoss, "page 0"));
    // This reports the error of the other file's fsync, too.
    EXPECT_THAT(both.env->Sync(), Fails(StatusCode::kDataLoss, "page 0"));
    // Every frame can be used, so the dead hold none.
    std::vector<ReadPage> all;
    for (PageNo page = 1; page < kFrames; ++page) {
      auto got = both.file->Get(page);
      ASSERT_THAT(got, IsOk()) << "page " << page;
      EXPECT_EQ(test::TextOn(got->data()), "good") << "page " << page;
      all.push_back(*std::move(got));
    }
    all.clear();
    for (PageNo page = 0; page < kFrames + 4; ++page) {
      EXPECT_THAT(PutText(*both.file, page, "mended"), IsOk());
    }
    EXPECT_EQ(both.env->Stats().frames_poisoned, 0u);
    EXPECT_THAT(both.Close(), IsOk());
    for (PageNo page = 0; page < kFrames + 4; ++page) {
      EXPECT_EQ(test::DiskText(home_.Below("pages.db"), page), "mended");
    }
  }

  TempHome home_;
};

// In each test a process stays attached until the repairer has died, so that
// the repairer does not adopt the region.
INSTANTIATE_TEST_SUITE_P(Region, RepairKillTest,
                         ::testing::ValuesIn(test::StepNames("region.repair.")),
                         test::StepTestName);
INSTANTIATE_TEST_SUITE_P(Pool, RepairKillTest,
                         ::testing::ValuesIn(test::StepNames("mpool.repair.")),
                         test::StepTestName);

TEST_P(RepairKillTest, NextAdopterFinishesRepair) {
  Child bystander([&](Channel& parent) -> std::string {
    auto env = *DbEnv::Open(home_.path(), Env());
    parent.Say("in");
    return parent.Hear();
  });
  ASSERT_EQ(bystander.Hear(), "in");
  Victim();
  ASSERT_EQ(Repairer(), test::kKilled);
  ASSERT_EQ(bystander.Kill(), test::kKilled);
  auto both = *OpenBoth(home_.path(), Env());
  ExpectWhole(both);
}

TEST_P(RepairKillTest, SurvivorFinishesRepair) {
  Child third([&](Channel& parent) -> std::string {
    auto both = *OpenBoth(home_.path(), Env());
    parent.Say("in");
    parent.Hear();
    const auto report = both.env->FailCheck();
    EXPECT_THAT(report, IsOk());
    EXPECT_GE(report->processes.size(), 1u);
    ExpectWhole(both);
    return "done";
  });
  ASSERT_EQ(third.Hear(), "in");
  Victim();
  ASSERT_EQ(Repairer(), test::kKilled);
  third.Say("go");
  EXPECT_EQ(third.End(), "done");
}

// Both repairs reach a latch of one dead process before a latch of the other.
TEST(TwoDeadTest, NestedRepairReleasesLatchesOfBoth) {
  TempHome home;
  EnvOptions options;
  options.cache_bytes = uint64_t{256} << 10;
  const Child::Body third = [&](Channel& parent) -> std::string {
    auto env = *DbEnv::Open(home.path(), options);
    parent.Say("in");
    parent.Hear();
    ::alarm(20);  // a repair that waits for itself would never end
    EXPECT_THAT(env->FailCheck(), IsOk());
    EXPECT_EQ(env->Stats().processes, 1u);
    return "done";
  };
  auto victim = [&](const std::string& name, uint32_t page_size) {
    return [&home, &options, name, page_size](Channel& parent) -> std::string {
      auto both = *OpenBoth(home.path(), options, name, page_size);
      EXPECT_THAT(PutText(*both.file, 0, "put"), IsOk());
      StopThreadAt("mpool.queue.pop", [&] {
        static_cast<void>(PutText(*both.file, 1, "never put"));
      });
      parent.Say("in the latch");
      return parent.Hear();
    };
  };
  Child survivor(third);
  ASSERT_EQ(survivor.Hear(), "in");
  // The order of the processes is the order of their slots.
  Child first(victim("large.db", 4096));
  ASSERT_EQ(first.Hear(), "in the latch");
  Child second(victim("small.db", 512));
  ASSERT_EQ(second.Hear(), "in the latch");
  ASSERT_EQ(first.Kill(), test::kKilled);
  ASSERT_EQ(second.Kill(), test::kKilled);
  survivor.Say("repair");
  EXPECT_EQ(survivor.End(), "done");
}

using AdoptKillTest = RepairKillTest;
INSTANTIATE_TEST_SUITE_P(Region, AdoptKillTest,
                         ::testing::ValuesIn(test::StepNames("region.adopt.")),
                         test::StepTestName);
INSTANTIATE_TEST_SUITE_P(Pool, AdoptKillTest,
                         ::testing::ValuesIn(test::StepNames("mpool.adopt.")),
                         test::StepTestName);

TEST_P(AdoptKillTest, TheNextAdoptsFromTheStart) {
  Victim();
  ASSERT_EQ(Repairer(), test::kKilled);
  auto both = *OpenBoth(home_.path(), Env());
  ExpectWhole(both);
}

TEST_P(AdoptKillTest, RemoverCountsUnwrittenPages) {
  Victim();
  ASSERT_EQ(Repairer(), test::kKilled);
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "not all on disk",
                    "page 0"));
  EXPECT_THAT(DbEnv::Remove(home_.path(), true), IsOk());
}

TEST(NewPageTest, PageFilledByAnotherKeepsItsPut) {
  const TempHome home;
  Child maker([&](Channel& parent) -> std::string {
    auto both = *OpenBoth(home.path(), TinyEnv());
    os::CallAtStep("mpool.new.numbered", [&] {
      os::ClearSteps();
      std::thread([&] {
        EXPECT_THAT(PutText(*both.file, 0, "of another"), IsOk());
      }).join();
    });
    const WritePage page = *both.file->New();
    page.data()[17] = std::byte{'X'};
    parent.Say("in the middle");
    return parent.Hear();
  });
  ASSERT_EQ(maker.Hear(), "in the middle");
  ASSERT_EQ(maker.Kill(), test::kKilled);
  auto both = *OpenBoth(home.path(), TinyEnv());
  EXPECT_EQ(GetText(*both.file, 0), "of another");
}

}  // namespace
}  // namespace mpool
