// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/torture/worker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "os/step.h"
#include "tests/torture/hands.h"

namespace mpool::torture {
namespace {

// The last calls of a life, among which a late death happens.
constexpr uint64_t kLastOps = 6;
constexpr PageNo kPagesOfTwoExtents = 20;
// The number of own files of a seat.
constexpr uint64_t kOwnFiles = 6;

class Worker {
 public:
  Worker(const World& world, const Life& life, size_t seat)
      : world_(world), life_(life), number_(seat) {}

  void Run();

 private:
  Seat& seat() { return world_.board()->seats[number_]; }
  void Arm();
  void Open() {
    handles_ = Call([&] { return std::make_unique<Handles>(world_); });
  }
  void Close() {
    Call([&] {
      handles_->CloseAll(world_);
      world_.scene().Leave();
    });
  }
  void Work();
  // Does one piece of work. Returns false if the worker must leave.
  bool Do(Hands& hands);
  void LeaveAndJoin(Hands& hands);
  void OpenOwnFile(Hands& hands);
  // Works in as many threads as a worker may have, and in short threads.
  void WorkInThreads();
  [[noreturn]] void LookForDead();

  const World& world_;
  const Life& life_;
  const size_t number_;
  std::atomic<uint64_t> passages_{0};  // of the step at which it must stop
  std::unique_ptr<Handles> handles_;
};

void Worker::Arm() {
  if (life_.death == Death::kAtStep) {
    os::KillAtStep(life_.step, life_.passage);
  }
  if (life_.death == Death::kWithHeir) {
    os::CallAtStep(life_.step, [this] {
      if (passages_.fetch_add(1) + 1 != life_.passage) return;
      seat().is_standing.store(1);
      while (true) ::pause();
    });
  }
}

void Worker::Run() {
  TakeNote(seat().notes[0]);
  const bool is_heir = life_.role == Role::kRepairer;
  if (!is_heir) Arm();
  Open();
  if (is_heir) LookForDead();
  if (number_ != kElderSeat) seat().is_ready.store(1);
  if (life_.role == Role::kThreads) {
    WorkInThreads();
  } else {
    Work();
  }
  // The worker is not at rest until its end, so no check runs before.
  Close();
}

void Worker::Work() {
  Hands hands(world_, *handles_, life_.seed, number_, 0);
  if (number_ == kElderSeat) {
    // Each page size has an extent, and the size of A has two.
    for (const uint32_t file : {kC, kGrouped}) hands.Read(file, 0);
    for (PageNo page = 0; page < kPagesOfTwoExtents; ++page) {
      hands.Read(kA, page);
    }
    seat().is_ready.store(1);
  }
  for (uint64_t op = 0; op < life_.ops && hands.GoesOn(); ++op) {
    const bool is_late = op + kLastOps == life_.ops;
    if (is_late && life_.death == Death::kAtLastStep) {
      os::KillAtStep(life_.step, life_.passage);
    }
    if (life_.role == Role::kJoiner) {
      LeaveAndJoin(hands);
    } else if (life_.role == Role::kOpener) {
      OpenOwnFile(hands);
    } else {
      hands.Do(life_.role);
      // The others must not depend on the oldest process.
      if (number_ == kElderSeat) ::usleep(300);
    }
  }
}

void Worker::LeaveAndJoin(Hands& hands) {
  hands.Do(Role::kReader);
  hands.Do(Role::kWriter);
  Call([&] { handles_->CloseAll(world_); });
  Call([&] { handles_->OpenAll(world_); });
}

// Opens an own file with a random page size, so that the pool's data about it
// change. The previous owner may not be repaired yet, or its pages may still be
// dirty.
void Worker::OpenOwnFile(Hands& hands) {
  FileOptions options;
  options.create = true;
  options.page_size = hands.Any(2) == 0 ? 4096 : 512;
  const std::string name =
      absl::StrCat("own-", number_, "-", hands.Any(kOwnFiles));
  absl::StatusOr<std::unique_ptr<MPoolFile>> file =
      Call([&] { return handles_->env->OpenFile(name, options); });
  if (absl::IsInvalidArgument(file.status()) ||
      absl::IsFailedPrecondition(file.status())) {
    hands.Do(Role::kReader);
    return;
  }
  hands.Must(file.status(), "open a file of its own");
  if (options.page_size == 4096 && (*file)->page_count() < 4) {
    absl::StatusOr<WritePage> page = Call([&] { return (*file)->New(); });
    hands.Must(page.status(), "new page of its own");
    Call([&] { page->Put(); });
    hands.Must(pooltest::ExceptDeathInFsync(
                   Call([&] { return (*file)->Sync(); })),
               "sync its own");
  }
  hands.Must(Call([&] { return (*file)->Close(); }), "close its own");
}

void Worker::WorkInThreads() {
  std::vector<std::thread> threads;
  std::atomic<size_t> at_work{kSeatThreads - 1};
  for (size_t i = 1; i < kSeatThreads; ++i) {
    threads.emplace_back([this, i, &at_work] {
      Hands hands(world_, *handles_, life_.seed, number_, i);
      for (uint64_t op = 0; op < life_.ops && hands.GoesOn(); ++op) {
        hands.Do(hands.Any(3) == 0 ? Role::kScanner : Role::kThreads);
      }
      OwnNote().is_working.store(0);
      at_work.fetch_sub(1);
    });
  }
  Hands hands(world_, *handles_, life_.seed, number_, 0);
  if (life_.death == Death::kAtLastStep) {
    os::KillAtStep(life_.step, life_.passage + 20);
  }
  // Short threads, which use the note of this thread.
  for (uint64_t op = 0; op < life_.ops && hands.GoesOn(); ++op) {
    std::thread([&] {
      TakeNote(seat().notes[0]);
      hands.Do(Role::kThreads);
    }).join();
  }
  while (at_work.load() != 0) {
    hands.GoesOn();
    OwnNote().progress.fetch_add(1);
    ::usleep(200);
  }
  for (std::thread& thread : threads) thread.join();
}

// Repairs a worker that has stopped and is about to be killed.
void Worker::LookForDead() {
  if (life_.death == Death::kAtStep) {
    os::KillAtStep(life_.step, life_.passage);
  }
  seat().is_ready.store(1);
  while (true) Call([&] { return handles_->env->FailCheck(); }).IgnoreError();
}

}  // namespace

void Live(const World& world, const Life& life, size_t seat) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Worker(world, life, seat).Run();
  ::_exit(0);
}

}  // namespace mpool::torture
