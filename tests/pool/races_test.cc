// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// races_test.cc - races of two threads, or of two deaths, forced step by step.

#include <sys/wait.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "os/step.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/backings.h"

namespace mpool::pooltest {
namespace {

using ::testing::HasSubstr;

class RacesTest : public os::SyscallTest {
 protected:
  RacesTest() { WithoutFsync(); }
  ~RacesTest() override { os::ClearSteps(); }

  // Runs `body` in a process that is killed at the step's `hit`-th passage.
  pid_t KillAt(const std::string& step, uint64_t hit,
               const std::function<void()>& body) {
    os::Child victim([&] {
      Watchdog(60);
      os::KillAtStep(step, hit);
      body();
    });
    const pid_t pid = victim.pid();
    const int status = victim.Wait();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << step << " was not passed: " << status;
    return pid;
  }
};

// The order of the relevant calls, by name.
std::string* calls = nullptr;

TEST_F(RacesTest, FsyncCoversOnlyEarlierWrites) {
  const Scene scene(Policy::kClock, test::SharedBackingFor(test::TestName()));
  Worker worker(scene, Seed(), 0);
  worker.Open();
  std::string log;
  calls = &log;
  os::Sys().fsync = [](int) {
    *calls += "f";
    return 0;
  };
  os::Sys().pwritev = [](int fd, const iovec* parts, int count, off_t offset) {
    *calls += "w";
    return os::RealSyscalls().pwritev(fd, parts, count, offset);
  };
  os::Sys().pwrite = [](int fd, const void* data, size_t size, off_t offset) {
    *calls += "w";
    return os::RealSyscalls().pwrite(fd, data, size, offset);
  };
  // This thread is about to make its own write durable. Another thread has
  // announced a write and not made it.
  static thread_local bool waits = false;
  os::Shared board;
  std::thread other;
  os::CallAtStep("mpool.write.announced", [&] {
    if (!waits) return;
    board.Set(0);
    board.Await(1);
  });
  bool started = false;
  os::CallAtStep("mpool.write.disowned", [&] {
    if (started) return;
    started = true;
    other = std::thread([&] {
      worker.Update(kA, 9);
      waits = true;
      EXPECT_TRUE(worker.file(kA).Sync().ok());
    });
    board.Await(0);
  });
  worker.Update(kA, 8);
  EXPECT_TRUE(worker.file(kA).Sync().ok());
  board.Set(1);
  other.join();
  EXPECT_EQ(log, "wfwf");
  os::ClearSteps();
  os::Sys() = os::RealSyscalls();
  worker.Close();
}

TEST_F(RacesTest, SyncWritesOwnReadPageBesideWriter) {
  const Scene scene(Policy::kClock, test::SharedBackingFor(test::TestName()));
  Worker worker(scene, Seed(), 0);
  worker.Open();
  worker.Update(kA, 3);
  std::optional<ReadPage> mine = Must(worker.file(kA).Get(3), "read");
  os::Shared board;
  os::CallAtStep("mpool.latch.pending", [&] { board.Set(0); });
  std::thread writer([&] { worker.Update(kA, 3); });
  board.Await(0);
  SyncOptions patience;
  patience.wait = absl::Seconds(20);
  const absl::Status synced = worker.env().Sync(patience);
  EXPECT_TRUE(synced.ok()) << synced;
  EXPECT_EQ(Read(mine->data(), kA, 3).value_or(0), 2u);
  mine.reset();
  writer.join();
  os::ClearSteps();
  worker.Close();
  EXPECT_EQ(scene.CheckFiles(), "");
}

TEST_F(RacesTest, DeadRepairersClaimedEntryIsFreed) {
  const Scene scene(Policy::kClock, test::SharedBackingFor(test::TestName()));
  auto survivor = std::make_unique<Survivor>(scene, Survivor::Until::kIdle,
                                             Seed(), false);
  KillAt("mpool.file.claimed", 1, [&] {
    Worker worker(scene, Seed(), 0);
    worker.Open();
    worker.env()
        .OpenFile("x", {.page_size = 4096, .create = true})
        .IgnoreError();
  });
  // Dies with the files latch, before the claim.
  KillAt("mpool.repair.file", 1, [&] { Worker(scene, Seed(), 0).Open(); });
  Worker joiner(scene, Seed(), 2);
  joiner.Open();
  {
    Insides insides(scene.home());
    internal::Pool& pool = insides.pool();
    for (uint32_t i = 0; i < pool.frames().pool().files_used.load(); ++i) {
      const auto word =
          internal::FileWord::Unpack(pool.files().At(i)->word.load());
      EXPECT_NE(word.state, internal::FileState::kClaimed) << "entry " << i;
    }
  }
  joiner.Close();
  EXPECT_EQ(GoOn(scene, std::move(survivor), Seed()), "");
}

// A thread that cuts an extent for small pages needs the heap. The dead owner
// of the heap had the file table as well.
TEST_F(RacesTest, WaiterUnderExtentsLatchRepairsFilesOwner) {
  const Scene scene(Policy::kClock, test::SharedBackingFor(test::TestName()));
  os::Shared board;
  os::Child cutter([&] {
    Watchdog(60);
    Worker worker(scene, Seed(), 1);
    worker.Open();
    board.Set(0);
    board.Await(1);
    worker.Scan(kC);
    worker.Close();
  });
  board.Await(0);
  KillAt("region.heap.take", 3, [&] {
    Worker worker(scene, Seed(), 0);
    worker.Open();
    worker.ReadOne(kA, 0);
    for (int i = 0; i < 9; ++i) {
      worker.env()
          .OpenFile(absl::StrCat("x", i), {.page_size = 4096, .create = true})
          .IgnoreError();
    }
  });
  board.Set(1);
  EXPECT_EQ(cutter.Wait(), 0);
  EXPECT_EQ(scene.CheckFiles(), "");
}

TEST_F(RacesTest, ThreadWithoutSlotEndsCleanly) {
  const Scene scene(Policy::kClock, test::SharedBackingFor(test::TestName()));
  Worker worker(scene, Seed(), 0);
  worker.Open();
  Insides insides(scene.home());
  std::vector<region::Thread> all;
  while (true) {
    const absl::StatusOr<region::Thread> one =
        insides.region().members().RegisterThread();
    if (!one.ok()) break;
    all.push_back(*one);
  }
  EXPECT_GT(all.size(), 3000u);
  std::thread([&] {
    const absl::Status status = worker.file(kA).Get(0).status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_THAT(os::Message(status), HasSubstr("thread slots"));
  }).join();
  for (const region::Thread& one : all)
    insides.region().members().UnregisterThread(one);
  worker.ReadOne(kA, 0);
}

}  // namespace
}  // namespace mpool::pooltest
