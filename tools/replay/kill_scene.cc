// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/kill_scene.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/status.h"
#include "tools/replay/children.h"
#include "tools/replay/page_content.h"
#include "tools/replay/replay.h"
#include "tools/replay/page_promises.h"

namespace mpool::tools {
namespace {

constexpr absl::Duration kWatchInterval = absl::Milliseconds(2);
// Number of references that a worker takes from the cursor at a time.
constexpr uint64_t kBlock = 16;

// The parts of a scene that all of its processes use.
struct Scene {
  const ReplayPlan& plan;
  ReplayControl& control;
  PagePromises& promises;
};

// One thread of a worker process.
class KillWorker {
 public:
  KillWorker(const Scene& scene, MPoolFile& file, uint32_t index)
      : scene_(scene), file_(file), index_(index) {}

  absl::Status Run() {
    const Trace& trace = *scene_.plan.trace;
    WorkerState& state = scene_.promises.worker(index_);
    uint64_t last_ns = os::MonotonicNs();
    while (scene_.control.phase.load() == ReplayControl::kGo) {
      const uint64_t first = scene_.control.cursor.fetch_add(kBlock);
      const uint64_t end = std::min(first + kBlock, trace.pages.size());
      if (first >= end) break;
      for (uint64_t index = first; index < end; ++index) {
        const PageNo page = trace.pages[index];
        MPOOL_RETURN_IF_ERROR(IsWrite(trace, scene_.plan.options, index)
                                  ? Write(page)
                                  : Read(page));
        const uint64_t now_ns = os::MonotonicNs();
        RaiseTo(state.stall_ns, now_ns - std::exchange(last_ns, now_ns));
      }
    }
    // The trace may end before the next update of a victim.
    if (state.doom.load() != Doom::kInUpdate) return absl::OkStatus();
    return Write(trace.pages.back());
  }

 private:
  absl::Status Read(PageNo page) {
    MPOOL_ASSIGN_OR_RETURN(ReadPage guard, file_.Get(page));
    Check(page, guard.data());
    return absl::OkStatus();
  }

  absl::Status Write(PageNo page) {
    WorkerState& state = scene_.promises.worker(index_);
    MPOOL_ASSIGN_OR_RETURN(WritePage guard, file_.GetForUpdate(page));
    state.updates.fetch_add(1);
    const std::optional<uint32_t> version = Check(page, guard.data());
    if (!version.has_value()) return absl::DataLossError("a page is wrong");
    scene_.promises.Begin(page, *version + 1, index_);
    if (state.doom.load() == Doom::kInUpdate) {
      const std::span<std::byte> half =
          guard.data().subspan(guard.data().size() / 2);
      std::fill(half.begin(), half.end(), std::byte{0xdd});
      kill(getpid(), SIGKILL);
    }
    FillPage({scene_.plan.file->file_hash(), page, *version + 1},
             guard.data());
    guard.Put();
    scene_.promises.Complete(page, *version + 1);
    state.updates.fetch_sub(1);
    scene_.control.writes.fetch_add(1);
    return absl::OkStatus();
  }

  std::optional<uint32_t> Check(PageNo page,
                                std::span<const std::byte> bytes) {
    std::string why;
    const std::optional<uint32_t> version =
        scene_.promises.VersionOf(page, bytes, &why);
    if (version.has_value() &&
        scene_.promises.LostUpdates(page, *version) == 0) {
      return version;
    }
    scene_.control.ReportWrongPage(
        scene_.plan.file->shape().name, page,
        version.has_value() ? "in the pool it lacks a completed put"
                            : "in the pool " + why);
    return std::nullopt;
  }

  const Scene& scene_;
  MPoolFile& file_;
  const uint32_t index_;
};

// The work of a process: open, wait for the start, run, close.
absl::Status RunWorker(const Scene& scene, uint32_t index) {
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<DbEnv> env,
                         OpenReplayEnv(scene.plan));
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<MPoolFile> file,
                         OpenReplayFile(scene.plan, *env));
  WorkerState& state = scene.promises.worker(index);
  state.pid.store(getpid());
  scene.control.Announce(scene.control.opened);
  if (scene.control.WaitForPhase() == ReplayControl::kGo) {
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < scene.plan.options.threads; ++i) {
      threads.emplace_back([&] {
        const absl::Status status = KillWorker(scene, *file, index).Run();
        if (!status.ok()) scene.control.ReportFailure(status);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  state.pid.store(0);
  MPOOL_RETURN_IF_ERROR(file->Close());
  return env->Close();
}

// The process that starts the workers, kills the victims, and checks the pages.
// The first workers are the victims.
class KillParent {
 public:
  KillParent(const Scene& scene, uint32_t kills, Progress& progress)
      : scene_(scene),
        kills_(kills),
        worker_count_(kills + scene.plan.options.processes),
        progress_(progress) {}

  absl::StatusOr<KillResult> Run() {
    const absl::Status started = Start();
    if (!started.ok()) {
      scene_.control.SetPhase(ReplayControl::kStop);
      children_.ReapAll();
      return started;
    }
    const uint64_t start_ns = os::MonotonicNs();
    scene_.control.SetPhase(ReplayControl::kGo);
    Watch();
    children_.ReapAll();
    progress_.Clear();
    result_.seconds = static_cast<double>(os::MonotonicNs() - start_ns) / 1e9;
    CountWorkers();
    FindIfBad(CheckPool());
    FindIfBad(env_->Close());
    FindIfBad(DbEnv::Remove(scene_.plan.home));
    FindIfBad(CheckDisk());
    result_.wrong_pages = scene_.control.wrong_pages.load();
    if (result_.wrong_pages > 0) {
      Find(absl::StrCat(result_.wrong_pages, " wrong pages"));
    }
    if (result_.lost_updates > 0) {
      Find(absl::StrCat(result_.lost_updates, " lost updates"));
    }
    return result_;
  }

 private:
  void Find(std::string what) { result_.findings.push_back(std::move(what)); }
  void FindIfBad(const absl::Status& status) {
    if (!status.ok()) Find(status.ToString());
  }

  // Starts the workers. Returns Ok after all have opened the environment.
  absl::Status Start() {
    for (uint32_t i = 0; i < worker_count_; ++i) {
      MPOOL_RETURN_IF_ERROR(children_.Fork(1, [this, i] {
        const absl::Status status = RunWorker(scene_, i);
        if (!status.ok()) scene_.control.ReportFailure(status);
        scene_.control.Announce(scene_.control.finished);
      }));
    }
    MPOOL_ASSIGN_OR_RETURN(env_, OpenReplayEnv(scene_.plan));
    while (scene_.control.opened.load() < worker_count_) {
      const uint32_t seen = scene_.control.changes.load();
      children_.Reap();
      if (scene_.control.failed.load() != 0) {
        return absl::UnknownError(scene_.control.Failure());
      }
      if (!children_.deaths().empty()) {
        return absl::UnknownError(children_.deaths().front());
      }
      os::FutexWait(&scene_.control.changes, seen, kWatchInterval);
    }
    return absl::OkStatus();
  }

  // Waits until every worker has finished or is dead. Kills the victims at
  // equal distances over the trace.
  void Watch() {
    const uint64_t total = scene_.plan.trace->pages.size();
    uint32_t next = 0;
    while (true) {
      const uint32_t seen = scene_.control.changes.load();
      children_.Reap();
      if (scene_.control.finished.load() + children_.deaths().size() >=
          worker_count_) {
        return;
      }
      if (IsReplayInterrupted()) scene_.control.SetPhase(ReplayControl::kStop);
      const uint64_t cursor = scene_.control.cursor.load();
      progress_.Show(scene_.plan.trace->name + "  with kills", cursor, total);
      while (next < kills_ && cursor >= total * (next + 1) / (kills_ + 2)) {
        Kill(next++);
      }
      os::FutexWait(&scene_.control.changes, seen, kWatchInterval);
    }
  }

  void Kill(uint32_t index) {
    if (index == 0) {
      for (uint32_t i = kills_; i < worker_count_; ++i) {
        scene_.promises.worker(i).stall_ns.store(0);
      }
    }
    WorkerState& victim = scene_.promises.worker(index);
    const pid_t pid = victim.pid.load();
    if (pid == 0) return;
    const bool in_update = index % 2 == 0;
    victim.doom.store(in_update ? Doom::kInUpdate : Doom::kAnywhere);
    // Only this thread reaps, so the number is not another process's yet.
    if (!in_update) kill(pid, SIGKILL);
    victims_.push_back(
        absl::StrCat("process ", pid, " was killed by signal 9"));
  }

  void CountWorkers() {
    for (const std::string& death : children_.deaths()) {
      const bool wanted = std::any_of(
          victims_.begin(), victims_.end(), [&](const std::string& victim) {
            return absl::StartsWith(death, os::Abs(victim));
          });
      if (!wanted) Find(death);
      if (wanted) ++result_.processes_killed;
    }
    for (uint32_t i = 0; i < kills_; ++i) {
      if (scene_.promises.worker(i).updates.load() != 0) {
        ++result_.killed_in_update;
      }
    }
    for (uint32_t i = kills_; i < worker_count_; ++i) {
      result_.longest_stall_ms = std::max(
          result_.longest_stall_ms,
          static_cast<double>(scene_.promises.worker(i).stall_ns.load()) / 1e6);
    }
    if (result_.processes_killed != kills_) {
      Find(absl::StrCat("only ", result_.processes_killed, " of ", kills_,
                        " processes were killed; give a longer trace"));
    }
    if (IsReplayInterrupted()) Find("interrupted");
    if (const std::string failure = scene_.control.Failure();
        !failure.empty()) {
      Find(failure);
    }
    result_.writes = scene_.control.writes.load();
    const EnvStats stats = env_->Stats();
    result_.hits = stats.hits;
    result_.misses = stats.misses;
    result_.pages_read = stats.pages_read;
    result_.pages_written = stats.pages_written;
  }

  // Compares every page in the pool with its promise, and keeps its version.
  absl::Status CheckPool() {
    MPOOL_RETURN_IF_ERROR(env_->FailCheck().status());
    MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<MPoolFile> file,
                           OpenReplayFile(scene_.plan, *env_));
    versions_.resize(scene_.plan.trace->page_count);
    for (PageNo page = 0; page < versions_.size(); ++page) {
      MPOOL_ASSIGN_OR_RETURN(ReadPage guard, file->Get(page));
      std::string why;
      const std::optional<uint32_t> version =
          scene_.promises.VersionOf(page, guard.data(), &why);
      if (!version.has_value()) {
        scene_.control.ReportWrongPage(scene_.plan.file->shape().name, page,
                                       "after the kills " + why);
      } else {
        versions_[page] = *version;
        result_.lost_updates += scene_.promises.LostUpdates(page, *version);
      }
      ++result_.pages_checked;
    }
    return file->Close();
  }

  // Compares every page on disk with the page that was in the pool.
  absl::Status CheckDisk() {
    if (versions_.empty()) return absl::OkStatus();
    return scene_.plan.file->CheckAll(
        [this](uint64_t page) { return versions_[page]; },
        [this](uint64_t page, const std::string& why) {
          scene_.control.ReportWrongPage(scene_.plan.file->shape().name, page,
                                         "on disk " + why);
        });
  }

  const Scene& scene_;
  const uint32_t kills_;
  const uint32_t worker_count_;
  Progress& progress_;
  Children children_;
  std::unique_ptr<DbEnv> env_;
  std::vector<std::string> victims_;  // the beginnings of their deaths
  std::vector<uint32_t> versions_;    // of each page in the pool at the end
  KillResult result_;
};

}  // namespace

absl::StatusOr<KillResult> RunKillScene(const Trace& trace,
                                        const ReplayHome& home,
                                        const ReplayOptions& options,
                                        const KillRequest& request,
                                        Progress& progress) {
  MPOOL_ASSIGN_OR_RETURN(
      const std::unique_ptr<PageFile> file,
      PageFile::Make(home.path(), {.name = trace.name + "-kill.db",
                                   .page_count = trace.page_count,
                                   .page_size = options.page_size,
                                   .self_describing = true}));
  MPOOL_ASSIGN_OR_RETURN(SharedArray<ReplayControl> control,
                         SharedArray<ReplayControl>::Make(1));
  MPOOL_ASSIGN_OR_RETURN(
      PagePromises promises,
      PagePromises::Make(file->file_hash(), trace.page_count,
                         options.processes + request.kills));
  ReplayPlan plan = {.trace = &trace,
                     .file = file.get(),
                     .versions = nullptr,
                     .home = home.path(),
                     .policy = request.policy,
                     .frames = request.frames,
                     .options = options};
  plan.options.write_percent =
      std::max(options.write_percent, kLeastKillWritePercent);
  const Scene scene = {plan, control[0], promises};
  absl::StatusOr<KillResult> result =
      KillParent(scene, request.kills, progress).Run();
  if (!result.ok() || !result->findings.empty()) {
    DbEnv::Remove(home.path(), /*force=*/true).IgnoreError();
  }
  return result;
}

}  // namespace mpool::tools
