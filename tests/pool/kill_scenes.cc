// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/pool/kill_scenes.h"

#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "os/futex.h"
#include "os/step.h"

namespace mpool::pooltest {
namespace {

// Words of the survivor's board.
enum : size_t { kReady, kStop, kVerified, kLeave };

constexpr unsigned kPatienceSeconds = 60;

}  // namespace

void WithoutFsync() {
  os::Sys().fsync = [](int) { return 0; };
}

Survivor::Survivor(const Scene& scene, Until until, uint64_t seed,
                   bool fail_check)
    : child_(std::make_unique<os::Child>(
          [&] { Run(scene, until, seed, fail_check); })) {
  AwaitOrDeath(board_, kReady, child_->pid());
}

void Survivor::Run(const Scene& scene, Until until, uint64_t seed,
                   bool fail_check) {
  Watchdog(kPatienceSeconds);
  Worker worker(scene, seed, 1);
  worker.Open();
  for (int i = 0; i < 20; ++i) worker.DoLittle();
  board_.Set(kReady);
  if (until == Until::kIdle) board_.Await(kStop);
  while (board_.word(kStop).load() == 0) worker.DoLittle();
  if (fail_check) Must(worker.env().FailCheck(), "fail check");
  const std::string wrong = worker.VerifyAll();
  wrong.copy(board_.text(), os::Shared::kTextBytes - 1);
  board_.Set(kVerified);
  board_.Await(kLeave);
  worker.Close();
  scene.Leave();
}

std::string Survivor::Verify() {
  board_.Set(kStop);
  if (!AwaitOrDeath(board_, kVerified, child_->pid())) {
    return "it died\n";
  }
  return board_.text();
}

std::string Survivor::Leave() {
  board_.Set(kLeave);
  const int status = child_->Wait();
  return status == 0 ? "" : absl::StrCat("the survivor's end: ", status, "\n");
}

std::string GoOn(const Scene& scene, std::unique_ptr<Survivor> survivor,
                 uint64_t seed) {
  std::string wrong = survivor->Verify();
  if (!wrong.empty()) return absl::StrCat("survivor: ", wrong);
  Worker joiner(scene, seed, 2);
  joiner.Open();
  // A process that was attached before has not repaired the dead by an Open.
  if (scene.IsAttached()) Must(joiner.env().FailCheck(), "fail check");
  wrong = joiner.VerifyAll();
  if (wrong.empty()) wrong = joiner.HoldEveryFrame();
  {
    Insides insides(scene.home());
    wrong += AtRest(insides.pool());
    const uint32_t live = LiveProcesses(insides.region());
    if (live != 2) absl::StrAppend(&wrong, live, " processes, not 2\n");
  }
  if (!wrong.empty()) return absl::StrCat("joiner: ", wrong);
  wrong = survivor->Leave();
  joiner.Close();
  scene.Leave();
  return wrong + scene.CheckFiles();
}

namespace {

// The step at which this thread stops forever.
thread_local std::string_view stands_at;

}  // namespace

ManyRows::ManyRows(const Scene& scene, Kind kind)
    : child_(std::make_unique<os::Child>([&] { Run(scene, kind); })) {
  AwaitOrDeath(board_, 0, child_->pid());
}

std::string ManyRows::Kill() {
  const int status = child_->Kill();
  if (board_.word(0).load() == 1 && WIFSIGNALED(status) &&
      WTERMSIG(status) == SIGKILL) {
    return "";
  }
  return absl::StrCat("it ended by itself, wait status ", status);
}

void ManyRows::Run(const Scene& scene, Kind kind) {
  Watchdog(kPatienceSeconds);
  Worker worker(scene, 7, 3);
  worker.Open();
  std::atomic<int> standing{0};
  auto stand = [&](std::string step, std::function<void()> call) {
    const int before = standing.load();
    os::CallAtStep(step, [&standing, step] {
      if (stands_at != step) return;
      ++standing;
      while (true) ::pause();
    });
    std::thread([step, call] {
      stands_at = step;
      call();
      Must(absl::InternalError("was not passed"), step);
    }).detach();
    while (standing.load() == before) ::usleep(100);
  };
  const bool evicting = kind == Kind::kEvicting;
  if (evicting) {
    for (const uint32_t file : {kC, kA, kB}) worker.Scan(file);
  }
  worker.Update(kA, 2);
  Must(worker.file(kB).Sync(), "sync");
  WritePage dirty = Must(worker.file(kA).GetForUpdate(2), "dirty");
  scene.held(4).store(Scene::HeldWord(kA, 2));
  WritePage clean = Must(worker.file(kB).GetForUpdate(3), "clean");
  worker.Update(kB, 4);
  WritePage kept = Must(worker.file(kB).GetForUpdate(4), "kept");
  for (WritePage* page : {&dirty, &clean, &kept}) {
    Fill(page->data(), kC, 3, 999);
  }
  std::vector<ReadPage> pins;
  for (PageNo page = 6; page < 10; ++page) {
    pins.push_back(Must(worker.file(kB).Get(page), "pin"));
  }
  worker.Update(kB, 5);
  worker.ReadOne(kA, 1);
  MPoolFile& a = worker.file(kA);
  MPoolFile& b = worker.file(kB);
  stand("mpool.latch.pending", [&] { a.GetForUpdate(1).IgnoreError(); });
  stand("mpool.write.writing", [&] { b.Sync().IgnoreError(); });
  // Scans past the pages that stopped threads hold.
  auto scan = [&] {
    for (PageNo page = 63; page > 10; --page) {
      a.Get(page, {.wait = absl::ZeroDuration()}).IgnoreError();
    }
  };
  stand("mpool.load.read", scan);
  if (evicting) {
    stand("mpool.evict.taken", scan);
  } else {
    stand("mpool.extent.used", [&] { worker.Scan(kC); });
  }
  auto synced = Must(worker.env().OpenFile("synced", {.create = true}), "open");
  Must(synced->GetForUpdate(0, {.create = true}).status(), "put");
  stand("mpool.sync.fsync", [&] { synced->Sync().IgnoreError(); });
  stand("mpool.file.claimed", [&] {
    worker.env()
        .OpenFile("claimed", {.page_size = 4096, .create = true})
        .IgnoreError();
  });
  // Last, because it holds a latch, which an eviction of another thread here
  // may need.
  if (evicting) stand("mpool.load.bucket", scan);
  board_.Set(0);
  while (true) ::pause();
}

}  // namespace mpool::pooltest
