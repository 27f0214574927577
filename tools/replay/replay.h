// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// replay.h - replays a trace through a real pool, by threads of processes, and
// verifies the pages.

#ifndef MPOOL_TOOLS_REPLAY_REPLAY_H_
#define MPOOL_TOOLS_REPLAY_REPLAY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mpool/types.h"
#include "tools/replay/page_file.h"
#include "tools/replay/progress.h"
#include "tools/replay/replay_control.h"
#include "tools/replay/replay_worker.h"
#include "tools/trace/trace.h"

namespace mpool::tools {

struct ReplayResult {
  uint64_t gets = 0;    // counted by the workers
  uint64_t writes = 0;  // of the gets
  // Counted by the pool.
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t pages_read = 0;
  uint64_t pages_written = 0;  // includes the write-back at the last close
  uint64_t wrong_pages = 0;    // found by verification
  double seconds = 0;          // from the start to the last reference
  std::vector<std::string> findings;  // empty if there is no error
};

// One trace and its page file, for any number of replays. The file keeps its
// page versions between runs.
class TraceReplay {
 public:
  // Creates the page file. `trace` and `home` must outlive the result.
  static absl::StatusOr<std::unique_ptr<TraceReplay>> Make(
      const Trace& trace, const ReplayHome& home, const ReplayOptions& options);

  // Runs one replay in a new environment, and removes the environment. Returns
  // an error if the run could not start; a later failure is a finding.
  // REQUIRES: no other thread runs in this process, because it forks (not
  // checkable: no portable count of threads).
  absl::StatusOr<ReplayResult> Run(Policy policy, uint64_t frames,
                                   Progress& progress);

 private:
  TraceReplay(const Trace& trace, const ReplayHome& home,
              const ReplayOptions& options, std::unique_ptr<PageFile> file,
              SharedArray<VersionCounter> versions);

  absl::Status CheckFile(ReplayControl& control);
  absl::Status StartOver();

  const Trace& trace_;
  const ReplayHome& home_;
  const ReplayOptions options_;
  std::unique_ptr<PageFile> file_;
  SharedArray<VersionCounter> versions_;
};

// Makes SIGINT and SIGTERM end a replay as a finding, after it has removed all
// of its files.
void StopReplaysOnInterrupt();
// True after such a signal.
bool IsReplayInterrupted();

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_REPLAY_H_
