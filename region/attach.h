// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// attach.h - creates or joins a region.
//
// Role:        decides by descriptor, locks and memory what an opener finds;
//              README.md has the table. The adopter repairs an idle region.
// Concurrency: one call, before any other thread uses the region.
// Invariants:  R1 creation, join and adoption hold the lock on byte 0 of
//              __db.register (the gate).
//              R3 the region's name is on disk before the region exists.
//              R4 magic is written last.
// Crash:       a dead creator leaves no locked byte and no magic, so the next
//              opener creates the region again.

#ifndef MPOOL_REGION_ATTACH_H_
#define MPOOL_REGION_ATTACH_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "mpool/types.h"
#include "os/lock_file.h"
#include "region/adopt.h"
#include "region/client.h"
#include "region/generation.h"
#include "region/home_files.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/options.h"

namespace mpool::region {

// The outcome of an attach. It is set as soon as the memory is mapped, so that
// the client can use it during the attach.
enum class Attached { kCreated, kJoined, kAdopted };

class Attacher {
 public:
  Attacher(Memory& memory, HomeFiles& files, Generation& generation,
           Members& members, Adopter& adopter, RegionClient& client,
           const RegionOptions& options, Attached* attached)
      : memory_(memory),
        files_(files),
        generation_(generation),
        members_(members),
        adopter_(adopter),
        client_(client),
        options_(options),
        attached_(attached) {}

  // See Region::Attach.
  absl::Status Attach(const os::ByteLock* gate);

 private:
  const os::File& home() const { return files_.home(); }
  RegionHeader& header() const { return *memory_.header(); }
  absl::Status AttachLocked();
  absl::Status AttachShared();
  absl::Status AttachUnnamed();
  absl::Status Create(const std::optional<FixedHeader>& old, Origin origin);
  absl::Status Join(const FixedHeader& descriptor, bool* unsound);
  absl::Status FormatRegion(const FixedHeader& fixed);
  bool AwaitNobody() const;
  void FillSizes(FixedHeader* fixed) const;
  absl::Status CheckPermissions() const;

  Memory& memory_;
  HomeFiles& files_;
  Generation& generation_;
  Members& members_;
  Adopter& adopter_;
  RegionClient& client_;
  const RegionOptions& options_;
  Attached* const attached_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_ATTACH_H_
