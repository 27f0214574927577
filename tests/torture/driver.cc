// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/torture/driver.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "os/clock.h"
#include "tests/torture/worker.h"

namespace mpool::torture {
namespace {

constexpr uint64_t kNapUs = 500;
// The oversleep of a usual nap.
constexpr uint64_t kUsualOversleepUs = 1000;
constexpr uint64_t kLongestStandUs = 1000 * 1000;
constexpr uint64_t kPatienceUs = 20 * 1000 * 1000;
// A stopped worker is killed after this time even without a repairer. A
// repairer is killed after this time even if it did not reach its step.
constexpr uint64_t kHeirTimeUs = 150 * 1000;

uint64_t NowUs() { return os::MonotonicNs() / 1000; }

bool IsHeir(size_t index) {
  return index >= kFirstRepairer && index < kLookerSeat;
}

// Returns one line for each holding of a process.
std::string HoldersOf(const std::string& home) {
  std::string text;
  const auto holders = DbEnv::Holders(home);
  if (!holders.ok()) return text;
  for (const Holding& one : *holders) {
    absl::StrAppend(&text, "  process ", one.pid, one.dead ? " (dead)" : "",
                    ", thread ", one.thread, ": ", one.what, "\n");
  }
  return text;
}

// Returns the number of descriptors of the process for each file.
std::map<std::string, uint64_t> FdsOf(pid_t pid) {
  std::map<std::string, uint64_t> fds;
  std::error_code error;
  const std::string directory = absl::StrCat("/proc/", pid, "/fd");
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    ++fds[std::filesystem::read_symlink(entry.path(), error).string()];
  }
  return fds;
}

}  // namespace

void RunApart(Board& board, const std::function<void()>& body) {
  os::Child child(body);
  const int status = child.Wait();
  if (status == 0) return;
  board->findings.Report(
      absl::StrCat("who looked ended with wait status ", status, "\n"));
}

Driver::~Driver() {
  for (Post& post : posts_) {
    if (post.pid <= 0) continue;
    ::kill(post.pid, SIGKILL);
    ::waitpid(post.pid, nullptr, 0);
  }
}

uint32_t Driver::Alive() const {
  return static_cast<uint32_t>(
      std::count_if(std::begin(posts_), std::end(posts_),
                    [](const Post& post) { return post.pid > 0; }));
}

void Driver::Nap() {
  const uint64_t before = NowUs();
  ::usleep(kNapUs);
  const uint64_t took = NowUs() - before;
  if (took <= kNapUs + kUsualOversleepUs) return;
  stolen_us_ += took - kNapUs;
  tally_.Overslept(took - kNapUs);
}

bool Driver::Tick() {
  Nap();
  for (size_t i = 0; i < kLookerSeat; ++i) {
    if (posts_[i].pid > 0) Reap(i);
  }
  for (size_t i = 0; i < kLookerSeat; ++i) {
    if (posts_[i].pid > 0) Judge(i);
  }
  Watch();
  if (is_filling_) FillSeats();
  return !Found();
}

void Driver::Spawn(size_t index, const Life& life) {
  Post& post = posts_[index];
  Clear(seat(index));
  // A process that starts is not at rest.
  seat(index).notes[0].is_working.store(1);
  const uint64_t nth = post.nth;
  post = Post();
  post.nth = nth + 1;
  post.life = life;
  post.begun_us = NowUs();
  if (life.death == Death::kByTimer && !life.from_ready && !IsHeir(index)) {
    post.due_us = post.begun_us + life.timer_us;
  }
  post.pid = ::fork();
  if (post.pid < 0) std::abort();
  if (post.pid == 0) Live(world_, life, index);
}

// A repairer starts when its worker has stopped at the step.
void Driver::FillSeats() {
  for (size_t i = 0; i < kFirstRepairer; ++i) {
    if (posts_[i].pid > 0) continue;
    // The previous worker's heir must be gone first, because JudgeHeir would
    // kill the new worker in its place.
    if (i != kElderSeat && posts_[kFirstRepairer + i - 1].pid > 0) continue;
    Spawn(i, plan_.LifeOf(i, posts_[i].nth));
  }
}

void Driver::Condemn(size_t index, Kill::By by) {
  Post& post = posts_[index];
  if (post.is_condemned) return;
  post.is_condemned = true;
  post.by = by;
  ::kill(post.pid, SIGKILL);
}

void Driver::Judge(size_t index) {
  if (IsHeir(index)) return JudgeHeir(index);
  Post& post = posts_[index];
  const uint64_t now = NowUs();
  if (post.life.death == Death::kByTimer && post.due_us == 0 &&
      seat(index).is_ready.load() != 0) {
    post.due_us = now + post.life.timer_us;
  }
  if (seat(index).is_standing.load() != 0 && post.due_us == 0) {
    post.due_us = now + kHeirTimeUs;
    if (is_filling_) {
      Spawn(kFirstRepairer + index - 1, plan_.HeirOf(index, post.nth - 1));
    } else {
      post.due_us = now;
    }
  }
  if (post.due_us == 0 || now < post.due_us) return;
  // While the others rest, no worker is killed, so that the checked state is
  // stable.
  if (is_filling_ || seat(index).is_standing.load() != 0) {
    Condemn(index, post.life.death == Death::kWithHeir ? Kill::By::kHeir
                                                       : Kill::By::kTimer);
  }
}

void Driver::JudgeHeir(size_t index) {
  Post& post = posts_[index];
  const size_t dead = index - kFirstRepairer + 1;
  const uint64_t now = NowUs();
  if (post.due_us == 0 &&
      (seat(index).is_ready.load() != 0 || now > post.begun_us + kHeirTimeUs)) {
    if (posts_[dead].pid > 0) Condemn(dead, Kill::By::kHeir);
    const bool by_timer = post.life.death == Death::kByTimer;
    post.due_us = now + (by_timer ? post.life.timer_us : kHeirTimeUs);
  }
  if (!is_filling_) post.due_us = now;
  if (post.due_us != 0 && now >= post.due_us) {
    Condemn(index, Kill::By::kHeir);
  }
}

void Driver::Reap(size_t index) {
  Post& post = posts_[index];
  int status = 0;
  if (::waitpid(post.pid, &status, WNOHANG) != post.pid) return;
  post.pid = -1;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
    NoteKill(index);
  } else if (status != 0) {
    world_.board()->findings.Report(absl::StrCat(
        "the worker of seat ", index, " ended with wait status ", status,
        ", role ", static_cast<int>(post.life.role), "\n"));
  }
  for (size_t i = 0; i < kSeatThreads; ++i) {
    world_.scene().Mourn(index * kSeatThreads + i);
  }
  Clear(seat(index));
}

// The kill counts for the thread that passed the planned step, or for one
// inside the library.
void Driver::NoteKill(size_t index) {
  const Post& post = posts_[index];
  Kill kill;
  kill.by = post.is_condemned ? post.by : Kill::By::kStep;
  const bool at_step =
      !post.is_condemned || seat(index).is_standing.load() != 0;
  if (IsHeir(index)) kill.by = Kill::By::kHeir;
  const Note* note = nullptr;
  for (const Note& one : seat(index).notes) {
    const char* step = one.step.load();
    const bool fits = at_step ? step != nullptr && step == post.life.step
                              : one.is_inside.load() != 0;
    if (fits) note = &one;
  }
  kill.is_inside = at_step || note != nullptr;
  if (note != nullptr) {
    const char* step = note->step.load();
    kill.step = step == nullptr ? "" : step;
    kill.ranks = note->ranks.load();
  } else if (at_step) {
    kill.step = post.life.step;
  }
  tally_.Add(kill);
}

void Driver::Watch() {
  for (size_t i = 0; i < kLookerSeat; ++i) {
    const bool stands_by_order =
        posts_[i].is_condemned || seat(i).is_standing.load() != 0;
    for (size_t thread = 0; thread < kSeatThreads; ++thread) {
      if (posts_[i].pid > 0 && !stands_by_order) WatchThread(i, thread);
    }
  }
}

void Driver::WatchThread(size_t index, size_t thread) {
  const Note& note = seat(index).notes[thread];
  Stand& stand = posts_[index].stands[thread];
  const uint64_t progress = note.progress.load();
  const uint64_t now = NowUs();
  if (note.is_working.load() == 0 || stand.since_us == 0 ||
      progress != stand.progress) {
    stand = {progress, now, stolen_us_};
    return;
  }
  const uint64_t stood = now - stand.since_us;
  const uint64_t stolen = stolen_us_ - stand.stolen_before_us;
  tally_.Stood(stood, stolen);
  if (stood < kLongestStandUs + stolen) return;
  const char* step = note.step.load();
  world_.board()->findings.Report(absl::StrCat(
      "thread ", thread, " of seat ", index, ", process ", posts_[index].pid,
      ", role ", static_cast<int>(posts_[index].life.role), ", stands for ",
      stood / 1000, " ms, ", note.is_inside.load() != 0 ? "inside" : "outside",
      " the library, after step ", step == nullptr ? "none" : step, "\n",
      HoldersOf(world_.scene().home())));
}

bool Driver::Await(const std::function<bool()>& done, std::string_view what) {
  const uint64_t end = NowUs() + kPatienceUs;
  while (!done()) {
    if (!Tick()) return false;
    if (NowUs() < end) continue;
    world_.board()->findings.Report(
        absl::StrCat("did not come: ", std::string(what), "\n"));
    return false;
  }
  return true;
}

bool Driver::Torture(uint64_t kills) {
  world_.board()->pause.store(0);
  if (posts_[kElderSeat].pid <= 0) {
    Spawn(kElderSeat, plan_.LifeOf(kElderSeat, posts_[kElderSeat].nth));
    const auto is_ready = [&] { return seat(kElderSeat).is_ready.load() != 0; };
    if (!Await(is_ready, "the elder")) return false;
  }
  const uint64_t target = tally_.kills() + kills;
  is_filling_ = true;
  bool goes_on = true;
  while (goes_on && tally_.kills() < target) goes_on = Tick();
  is_filling_ = false;
  return goes_on;
}

bool Driver::AllRest() {
  for (size_t i = 0; i < kLookerSeat; ++i) {
    for (const Note& note : seat(i).notes) {
      if (posts_[i].pid > 0 && note.is_working.load() != 0) return false;
    }
  }
  return true;
}

bool Driver::LookWhileAllRest() {
  world_.board()->pause.store(1);
  if (!Await([this] { return AllRest(); }, "rest")) return false;
  CountFds();
  const uint32_t alive = Alive();
  RunApart(world_.board(), [&] { LookAtRest(world_, plan_.seed(), alive); });
  return !Found();
}

// The limit is the number of descriptors of each file at the process's first
// rest. A file that the process opened later to write back for others may have
// one.
void Driver::CountFds() {
  for (Post& post : posts_) {
    if (post.pid <= 0) continue;
    const std::map<std::string, uint64_t> now = FdsOf(post.pid);
    if (post.fds.empty()) post.fds = now;
    for (const auto& [path, count] : now) {
      const uint64_t before = std::max<uint64_t>(1, post.fds[path]);
      if (count <= before) continue;
      world_.board()->findings.fds.fetch_add(count - before);
      world_.board()->findings.Report(
          absl::StrCat("process ", post.pid, " has ", count, " descriptors of ",
                       path, ", before it had ", before, "\n"));
    }
  }
}

bool Driver::KillAll() {
  for (size_t i = 0; i < kLookerSeat; ++i) {
    if (posts_[i].pid > 0) Condemn(i, Kill::By::kAll);
  }
  if (!Await([this] { return Alive() == 0; }, "the death of all")) return false;
  RunApart(world_.board(), [&] { LookAtRest(world_, plan_.seed(), 0); });
  return !Found();
}

bool Driver::End() {
  world_.board()->leave.store(1);
  if (!Await([this] { return Alive() == 0; }, "the end of all")) return false;
  RunApart(world_.board(), [&] { LookAtRest(world_, plan_.seed(), 0); });
  world_.scene().Leave();
  RunApart(world_.board(), [&] { LookAtTheEnd(world_); });
  world_.board()->leave.store(0);
  world_.board()->pause.store(0);
  return !Found();
}

}  // namespace mpool::torture
