// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// region.h - a process's handle on the shared memory of an environment: owns
// the parts, creates or joins the region, leaves it.
//
// Role:        composes the parts. memory() turns offsets into addresses,
//              members() knows processes and threads, repairer() repairs the
//              dead, home_files() has the home, generation() tells a forked
//              child from its parent. The layer above formats the contents and
//              repairs them.
// Concurrency: all calls are thread-safe except Attach and Leave.
// Crash:       see attach.h, child.h, leave.h, repair.h, adopt.h, remove.h.

#ifndef MPOOL_REGION_REGION_H_
#define MPOOL_REGION_REGION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "os/backing/mapping.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "region/attach.h"
#include "region/client.h"
#include "region/descriptor.h"
#include "region/generation.h"
#include "region/home_files.h"
#include "region/identity.h"
#include "region/inspect.h"
#include "region/leave.h"
#include "region/members.h"
#include "region/memory.h"
#include "region/move.h"
#include "region/options.h"
#include "region/remove.h"
#include "region/repair.h"
#include "region/thread.h"
#include "region/unnamed.h"

namespace mpool::region {

class Region {
 public:
  // Returns a region that is not attached yet. `home` has an absolute path. The
  // region opens the home's files through this open of the directory, even if
  // the path leads elsewhere later.
  static absl::StatusOr<std::unique_ptr<Region>> Prepare(
      os::File home, const RegionOptions& options);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Creates, joins or adopts the region. `client` must outlive the attachment.
  // `gate`, if given, is the lock on byte 0, held by the caller. A join does
  // not repair dead processes: call RepairPredecessor and RepairAll afterwards.
  // NotFound if there is no region and options.create is false;
  // FailedPrecondition if the region is in use or made in a way that this
  // process cannot share; DataLoss if it is damaged; ResourceExhausted if all
  // process slots are taken.
  absl::Status Attach(RegionClient& client, const os::ByteLock* gate = nullptr);
  // Attaches a forked child as a process of its own. `ready` gets the child's
  // generation and completes its setup before another of its threads may use
  // the region. If `ready` fails, the child is detached again. Unavailable if
  // another thread of the child failed; FailedPrecondition if the region is
  // gone; DeadlineExceeded if another process holds the gate for `wait`.
  // REQUIRES: Attach succeeded in the parent.
  absl::Status EnterChild(const std::function<absl::Status(uint32_t)>& ready,
                          absl::Duration wait = absl::InfiniteDuration());
  // Locks byte 0 and returns the lock. Sets *is_last to true if no other
  // process is attached. The last leaver writes back between BeginLeave and
  // Leave. Fails if byte 0 cannot be locked. DeadlineExceeded, naming the
  // process that holds it, if another one holds it for `wait`.
  absl::StatusOr<os::ByteLock> BeginLeave(
      bool* is_last, absl::Duration wait = absl::InfiniteDuration());
  // Frees the slots, then drops the gate. The last leaver ends a region
  // without a name. REQUIRES: no thread of the process uses the region,
  // now or later. Not checkable: threads do not announce that they use it.
  void Leave(os::ByteLock gate);
  // Frees the slots, removes the region, then drops the gate. Ok if a process
  // before this one is not repaired yet: the region then stays. After an error
  // the process has left, and the next opener or remover finds the rest.
  // REQUIRES: as Leave; every page is on disk; the process is the last one and
  // the region has a name.
  absl::Status LeaveAndRemove(os::ByteLock gate);

  Memory& memory() { return memory_; }
  const Memory& memory() const { return memory_; }
  Members& members() { return members_; }
  const Members& members() const { return members_; }
  Repairer& repairer() { return repairer_; }
  const HomeFiles& home_files() const { return home_files_; }
  const Generation& generation() const { return generation_; }

  Attached attached() const { return attached_; }
  // True if the region exists and a forked child can reach it only by
  // inheritance.
  bool IsInheritedOnly() const;

 private:
  Region(os::File home, const os::FileIdentity& identity,
         const RegionOptions& options);
  Leaver MakeLeaver();

  const RegionOptions options_{};
  HomeFiles home_files_;
  Generation generation_;
  Memory memory_;
  Repairer repairer_;
  Members members_;
  RegionClient* client_ = nullptr;
  Attached attached_ = Attached::kCreated;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_REGION_H_
