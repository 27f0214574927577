// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// replay.cc - starts the workers, watches them, and closes the environment
// last.
//
// With one process, the workers are threads of this process. With more, this
// process forks children before it opens any file. It then opens the
// environment too, so that it can read the statistics before the last close.

#include "tools/replay/replay.h"

#include <signal.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "os/backing/table.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/status.h"
#include "tools/replay/children.h"
#include "tools/report/names.h"

namespace mpool::tools {
namespace {

constexpr absl::Duration kWatchInterval = absl::Milliseconds(100);

volatile sig_atomic_t interrupted = 0;

void OnInterrupt(int) { interrupted = 1; }

class ReplayRun {
 public:
  ReplayRun(const ReplayPlan& plan, ReplayControl& control, Progress& progress)
      : plan_(plan), control_(control), progress_(progress) {}

  absl::StatusOr<ReplayResult> Execute() {
    const absl::Status started = Start();
    if (!started.ok()) {
      control_.SetPhase(ReplayControl::kStop);
      children_.ReapAll();
      return started;
    }
    const uint64_t start_ns = os::MonotonicNs();
    control_.SetPhase(ReplayControl::kGo);
    if (!forks()) {
      std::thread workers([&] {
        RunThreads(plan_, *file_, control_);
        control_.Announce(control_.finished);
      });
      Watch();
      workers.join();
    } else {
      Watch();
      children_.ReapAll();
    }
    progress_.Clear();
    // All workers may have died before they could record their end.
    const uint64_t end_ns = std::max(control_.end_ns.load(), start_ns);
    result_.seconds = static_cast<double>(end_ns - start_ns) / 1e9;
    CollectWorkers();
    CloseLast();
    CheckCounts();
    return result_;
  }

 private:
  bool forks() const { return plan_.options.processes > 1; }

  void Find(std::string what) { result_.findings.push_back(std::move(what)); }
  void FindIfBad(const absl::Status& status) {
    if (!status.ok()) Find(status.ToString());
  }

  // Starts the processes. Returns Ok after all have opened the environment.
  absl::Status Start() {
    if (forks()) {
      MPOOL_RETURN_IF_ERROR(children_.Fork(plan_.options.processes, [this] {
        RunProcess(plan_, control_);
        control_.Announce(control_.finished);
      }));
    }
    MPOOL_ASSIGN_OR_RETURN(env_, OpenReplayEnv(plan_));
    if (!forks()) {
      MPOOL_ASSIGN_OR_RETURN(file_, OpenReplayFile(plan_, *env_));
      return absl::OkStatus();
    }
    while (control_.opened.load() < plan_.options.processes) {
      const uint32_t seen = control_.changes.load();
      children_.Reap();
      if (control_.failed.load() != 0) {
        return absl::UnknownError(control_.Failure());
      }
      if (!children_.deaths().empty()) {
        return absl::UnknownError(
            absl::StrCat("replay: ", children_.deaths().front(),
                         " while it opened the environment"));
      }
      if (interrupted != 0) return absl::CancelledError("interrupted");
      if (control_.opened.load() < plan_.options.processes) {
        os::FutexWait(&control_.changes, seen, kWatchInterval);
      }
    }
    return absl::OkStatus();
  }

  // Waits until every process has finished, except the dead.
  void Watch() {
    const uint64_t total = plan_.trace->pages.size();
    const std::string label =
        absl::StrCat(plan_.trace->name, "  ",
                     os::Abs(FindName(kPolicies, plan_.policy).value()), "  ",
                     plan_.frames, " frames");
    const uint32_t processes = forks() ? plan_.options.processes : 1;
    while (true) {
      const uint32_t seen = control_.changes.load();
      if (interrupted != 0) control_.SetPhase(ReplayControl::kStop);
      children_.Reap();
      if (control_.finished.load() + children_.deaths().size() >= processes) {
        return;
      }
      progress_.Show(label, control_.cursor.load(), total);
      os::FutexWait(&control_.changes, seen, kWatchInterval);
    }
  }

  void CollectWorkers() {
    result_.gets = control_.gets.load();
    result_.writes = control_.writes.load();
    for (const std::string& death : children_.deaths()) Find(death);
    if (const std::string failure = control_.Failure(); !failure.empty()) {
      Find(failure);
    }
    if (interrupted != 0) Find("interrupted");
    is_whole_ = result_.findings.empty();
  }

  void CloseLast() {
    const bool survives_close =
        os::ReachOf(plan_.options.backing) == os::Reach::kAnyProcess;
    if (!survives_close) FindIfBad(file_->Sync());
    EnvStats stats = env_->Stats();
    if (file_ != nullptr) FindIfBad(file_->Close());
    file_.reset();
    FindIfBad(env_->Close());
    env_.reset();
    if (survives_close) {
      absl::StatusOr<EnvStats> final_stats = DbEnv::Inspect(plan_.home);
      FindIfBad(final_stats.status());
      if (final_stats.ok()) stats = *final_stats;
    }
    result_.hits = stats.hits;
    result_.misses = stats.misses;
    result_.pages_read = stats.pages_read;
    result_.pages_written = stats.pages_written;
    cache_bytes_ = stats.cache_bytes;
  }

  void CheckCounts() {
    const uint64_t asked_bytes = plan_.frames * plan_.options.page_size;
    if (cache_bytes_ != asked_bytes) {
      Find(absl::StrCat("the pool has ", cache_bytes_,
                        " bytes of pages instead of ", asked_bytes));
    }
    // A worker that stopped in the middle has not counted all of its gets.
    if (!is_whole_) return;
    if (result_.gets != plan_.trace->pages.size()) {
      Find(absl::StrCat("the workers made ", result_.gets, " gets for ",
                        plan_.trace->pages.size(), " references"));
    }
    if (result_.hits + result_.misses != result_.gets) {
      Find(absl::StrCat("the pool counted ", result_.hits, " hits and ",
                        result_.misses, " misses for ", result_.gets, " gets"));
    }
  }

  const ReplayPlan& plan_;
  ReplayControl& control_;
  Progress& progress_;
  Children children_;
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> file_;
  ReplayResult result_;
  uint64_t cache_bytes_ = 0;
  bool is_whole_ = false;
};

}  // namespace

TraceReplay::TraceReplay(const Trace& trace, const ReplayHome& home,
                         const ReplayOptions& options,
                         std::unique_ptr<PageFile> file,
                         SharedArray<VersionCounter> versions)
    : trace_(trace),
      home_(home),
      options_(options),
      file_(std::move(file)),
      versions_(std::move(versions)) {}

absl::StatusOr<std::unique_ptr<TraceReplay>> TraceReplay::Make(
    const Trace& trace, const ReplayHome& home, const ReplayOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<PageFile> file,
      PageFile::Make(home.path(), {.name = trace.name + ".db",
                                   .page_count = trace.page_count,
                                   .page_size = options.page_size,
                                   .self_describing = options.verify}));
  MPOOL_ASSIGN_OR_RETURN(SharedArray<VersionCounter> versions,
                         SharedArray<VersionCounter>::Make(trace.page_count));
  return std::unique_ptr<TraceReplay>(new TraceReplay(
      trace, home, options, std::move(file), std::move(versions)));
}

absl::StatusOr<ReplayResult> TraceReplay::Run(Policy policy, uint64_t frames,
                                              Progress& progress) {
  MPOOL_ASSIGN_OR_RETURN(SharedArray<ReplayControl> control,
                         SharedArray<ReplayControl>::Make(1));
  const ReplayPlan plan = {.trace = &trace_,
                           .file = file_.get(),
                           .versions = versions_.data(),
                           .home = home_.path(),
                           .policy = policy,
                           .frames = frames,
                           .options = options_};
  absl::StatusOr<ReplayResult> result =
      ReplayRun(plan, control[0], progress).Execute();
  const absl::Status removed = DbEnv::Remove(home_.path());
  if (!removed.ok()) {
    DbEnv::Remove(home_.path(), /*force=*/true).IgnoreError();
  }
  if (!result.ok()) return result;
  if (!removed.ok()) result->findings.push_back(removed.ToString());
  if (options_.verify) {
    const absl::Status checked = CheckFile(control[0]);
    if (!checked.ok()) result->findings.push_back(checked.ToString());
  }
  result->wrong_pages = control[0].wrong_pages.load();
  if (result->wrong_pages > 0) {
    result->findings.push_back(
        absl::StrCat(result->wrong_pages, " wrong pages"));
    MPOOL_RETURN_IF_ERROR(StartOver());
  }
  return result;
}

absl::Status TraceReplay::CheckFile(ReplayControl& control) {
  return file_->CheckAll(
      [this](uint64_t page) { return versions_[page].load(); },
      [&](uint64_t page, const std::string& why) {
        control.ReportWrongPage(file_->shape().name, page, "on disk " + why);
      });
}

absl::Status TraceReplay::StartOver() {
  for (uint64_t page = 0; page < versions_.size(); ++page) {
    versions_[page].store(0);
  }
  return file_->Rewrite();
}

bool IsReplayInterrupted() { return interrupted != 0; }

void StopReplaysOnInterrupt() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);
}

}  // namespace mpool::tools
