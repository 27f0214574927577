// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// replay_worker.h - the work of one process, and one thread, of a replay.

#ifndef MPOOL_TOOLS_REPLAY_REPLAY_WORKER_H_
#define MPOOL_TOOLS_REPLAY_REPLAY_WORKER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/mpool.h"
#include "tools/replay/page_file.h"
#include "tools/replay/replay_control.h"
#include "tools/trace/trace.h"

namespace mpool::tools {

struct ReplayOptions {
  uint32_t processes = 1;
  uint32_t threads = 1;  // of each process
  uint32_t page_size = 4096;
  double write_percent = 0;
  uint64_t seed = 1;
  bool verify = false;
  Backing backing = Backing::kPosixShm;
};

// One run, the same in all of its processes. Its pointers must outlive it.
struct ReplayPlan {
  const Trace* trace;
  const PageFile* file;
  VersionCounter* versions;  // writes of each page since version 0
  std::string home;
  Policy policy;
  uint64_t frames;
  ReplayOptions options;
};

// Open the environment and the page file of a run.
absl::StatusOr<std::unique_ptr<DbEnv>> OpenReplayEnv(const ReplayPlan& plan);
absl::StatusOr<std::unique_ptr<MPoolFile>> OpenReplayFile(
    const ReplayPlan& plan, DbEnv& env);

// True if the reference dirties its page: the trace marks it as a write, or the
// share of writes in the options selects it.
bool IsWrite(const Trace& trace, const ReplayOptions& options, uint64_t index);

// Runs the plan's threads of this process until no reference is left or the
// control stops them. Reports failures to the control.
void RunThreads(const ReplayPlan& plan, MPoolFile& file,
                ReplayControl& control);

// Runs a whole process: open, wait for the start, run, close. Reports failures
// to the control.
void RunProcess(const ReplayPlan& plan, ReplayControl& control);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_REPLAY_WORKER_H_
