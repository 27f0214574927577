// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// child.h - attaches a forked child as a process of its own.
//
// Concurrency: the first thread of the child that calls Enter attaches the
//              child; the other threads wait for it.
// Crash:       as a joiner.

#ifndef MPOOL_REGION_CHILD_H_
#define MPOOL_REGION_CHILD_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "region/client.h"
#include "region/generation.h"
#include "region/home_files.h"
#include "region/leave.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/options.h"

namespace mpool::region {

class ChildEntry {
 public:
  ChildEntry(Memory& memory, HomeFiles& files, Generation& generation,
             Members& members, Leaver& leaver, RegionClient& client,
             const RegionOptions& options)
      : memory_(memory),
        files_(files),
        generation_(generation),
        members_(members),
        leaver_(leaver),
        client_(client),
        options_(options) {}

  // See Region::EnterChild.
  absl::Status Enter(const std::function<absl::Status(uint32_t)>& ready,
                     absl::Duration wait);

 private:
  RegionHeader& header() const { return *memory_.header(); }
  absl::StatusOr<os::ByteLock> LockGate(absl::Duration wait) const;
  absl::StatusOr<uint32_t> JoinAsChild(
      const std::function<absl::Status(uint32_t)>& ready, absl::Duration wait);
  absl::Status CheckStillThere() const;

  Memory& memory_;
  HomeFiles& files_;
  Generation& generation_;
  Members& members_;
  Leaver& leaver_;
  RegionClient& client_;
  const RegionOptions& options_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_CHILD_H_
