// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// kill_scene.h - replays a trace by several processes, kills some of them in
// the middle of the work, and checks that no put is lost.
//
// Role:       a record outside the pool keeps the promise of each page: the
//             version of its last completed put, and the last update begun.
// Invariants: 1. A held page has the version of the last update begun. If the
//             writer of that update was killed, it may have the one before.
//             2. No page has a version below that of its last completed put.

#ifndef MPOOL_TOOLS_REPLAY_KILL_SCENE_H_
#define MPOOL_TOOLS_REPLAY_KILL_SCENE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mpool/types.h"
#include "tools/replay/page_file.h"
#include "tools/replay/progress.h"
#include "tools/replay/replay_worker.h"
#include "tools/trace/trace.h"

namespace mpool::tools {

struct KillRequest {
  Policy policy = Policy::kClock;
  uint64_t frames = 0;
  uint32_t kills = 0;  // in addition to the processes of the options
};

struct KillResult {
  uint64_t processes_killed = 0;
  uint64_t killed_in_update = 0;  // of these: while they held a page for update
  uint64_t pages_checked = 0;     // in the pool, and on disk after the close
  uint64_t wrong_pages = 0;
  uint64_t lost_updates = 0;
  double longest_stall_ms = 0;  // of a survivor, after the first kill
  double seconds = 0;
  uint64_t writes = 0;  // completed puts
  uint64_t hits = 0;    // this and the next three: counted by the pool
  uint64_t misses = 0;
  uint64_t pages_read = 0;
  uint64_t pages_written = 0;
  std::vector<std::string> findings;  // empty if there is no error
};

// The write share of a scene is at least this.
inline constexpr double kLeastKillWritePercent = 20;

// Runs the scene in a new environment in `home` and removes the environment.
// Every second victim, from the first, is killed while it holds a page that it
// has changed in half; the others are killed anywhere. Returns an error if the
// scene could not start; a later failure is a finding.
// REQUIRES: no other thread runs in this process, because it forks.
absl::StatusOr<KillResult> RunKillScene(const Trace& trace,
                                        const ReplayHome& home,
                                        const ReplayOptions& options,
                                        const KillRequest& request,
                                        Progress& progress);

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_KILL_SCENE_H_
