// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// policy.h - the replacement policy: the choice of victims.
//
// Role:        a policy keeps its state in the region: in the links and the
//              reference word of the headers, in the class header, and in
//              memory of its own if it needs more. It names victims and never
//              changes a state word.
// Concurrency: any thread may make any call at any time. Calls that change
//              queues take the queue latch of the page class.
// Crash:       the policy's state is derived. FrameTable::Rebuild makes the
//              queues again, Replacement::Rebuild the policy's own memory.

#ifndef MPOOL_MPOOL_EVICT_POLICY_H_
#define MPOOL_MPOOL_EVICT_POLICY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "mpool/memory/frame_table.h"
#include "mpool/page/thread_context.h"
#include "region/memory.h"
#include "region/repair_pass.h"

namespace mpool::internal {

// kScan: the access says nothing about the page's worth.
enum class Access { kNormal, kScan };

class Replacement {
 public:
  // One search for a victim.
  struct Search {
    PageClass page_class;
    uint64_t passed = 0;  // candidates returned so far
  };

  virtual ~Replacement() = default;

  // True if hits are reported through ThreadContext::hits. Otherwise a hit
  // stores only the reference word.
  virtual bool wants_hits() const = 0;
  virtual OrderQueue order_queue() const = 0;

  // Applies the thread's batch of hits. Called if the batch is full or a victim
  // is needed.
  virtual void ApplyHits(ThreadContext& self) = 0;
  // Notes that a frame became VALID.
  virtual void Inserted(ThreadContext& self, BufferHeader& header,
                        Access access) = 0;
  // Notes that a frame left the hash.
  virtual void Removed(ThreadContext& self, BufferHeader& header) = 0;

  // Returns the next candidate in the policy's order; nullptr after the last.
  virtual BufferHeader* NextVictim(ThreadContext& self, Search& search) = 0;
  // Appends to `out` frames that will be victims soon after `victim`, until
  // `out` has at most `most` frames.
  virtual void LookAhead(ThreadContext& self, const BufferHeader& victim,
                         size_t most, std::vector<BufferHeader*>* out) = 0;

  // The policy's own memory in the region. PoolHeader::policy is the offset of
  // its chunk, or 0. The defaults are for a policy without memory.
  //
  // Makes the memory in a new region. Returns the errors of the heap.
  virtual absl::Status Format(const region::Thread&) {
    return absl::OkStatus();
  }
  // Adds the chunk to `reached` and checks its contents. Returns DataLoss if it
  // is damaged. Only reads; another process may use the memory.
  virtual absl::Status Check(region::Reachable*) const {
    return absl::OkStatus();
  }
  // Makes the memory consistent with the headers, which are at rest.
  // REQUIRES: no other process is attached (not checkable: see Adoption::Run).
  virtual void Adopt() {}
  // Ends what dead threads left in the memory. Other processes use it.
  virtual void Rebuild(const region::RepairPass&) {}
};

std::unique_ptr<Replacement> MakeLru(region::Memory& memory,
                                     FrameTable& frames);
std::unique_ptr<Replacement> MakeClock(region::Memory& memory,
                                       FrameTable& frames);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_EVICT_POLICY_H_
