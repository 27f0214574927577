// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// scratch.h - the temporary directory of a run: homes and page files. Whoever
// makes it removes it at the end, with the shared memory that the homes name,
// however the run ended.

#ifndef MPOOL_BENCH_SCRATCH_H_
#define MPOOL_BENCH_SCRATCH_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::bench {

class Scratch {
 public:
  // A new directory below $TMPDIR, or /tmp.
  static absl::StatusOr<Scratch> Create();

  const std::string& path() const { return path_; }
  // A new empty directory for an environment; any number with the same name.
  absl::StatusOr<std::string> NewHome(std::string_view name) const;
  // Gives a home back before the end: its memory is wanted by the next.
  absl::Status RemoveHome(const std::string& home) const;

  // All of it. REQUIRES: the processes that used it are gone.
  absl::Status Remove() const;

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_SCRATCH_H_
