// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// scratch.h - the temporary directory of a run: homes and page files. Its
// creator removes it at the end, with the shared memory of the homes, also
// after a crash of the run.

#ifndef MPOOL_BENCH_SCRATCH_H_
#define MPOOL_BENCH_SCRATCH_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::bench {

class Scratch {
 public:
  // Creates a new directory below $TMPDIR, or /tmp.
  static absl::StatusOr<Scratch> Create();

  const std::string& path() const { return path_; }
  // Creates a new empty directory for an environment. Several may have the same
  // `name`.
  absl::StatusOr<std::string> NewHome(std::string_view name) const;
  // Removes a home before the end, because the next home needs its memory.
  absl::Status RemoveHome(const std::string& home) const;

  // Removes everything.
  // REQUIRES: the processes that used it have ended.
  absl::Status Remove() const;

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_SCRATCH_H_
