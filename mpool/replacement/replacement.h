// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// replacement.h - which page gives its frame to another.
//
// Role:        a policy keeps its state in the region, in the links and the
//              reference word of the headers and in the class header; it names
//              victims and never changes a state word.
// Concurrency: every call may be made by any thread; those that change queues
//              take the queue latch of the page class.
// Crash:       all of it is derived: FrameTable::Rebuild makes it again.

#ifndef MPOOL_MPOOL_REPLACEMENT_REPLACEMENT_H_
#define MPOOL_MPOOL_REPLACEMENT_REPLACEMENT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "mpool/frames.h"
#include "mpool/thread_context.h"
#include "mpool/types.h"
#include "region/region.h"

namespace mpool::internal {

class Replacement {
 public:
  // One search for a victim.
  struct Search {
    uint32_t page_class = 0;
    uint64_t passed = 0;  // candidates that could not be taken
  };

  virtual ~Replacement() = default;

  // Whether hits are reported through ThreadContext::hits; otherwise the
  // reference word is all that a hit touches.
  virtual bool wants_hits() const = 0;
  // Whether VALID frames stand in the class's order queue.
  virtual bool is_ordered() const = 0;

  // The thread's batch of hits is full, or a victim is wanted.
  virtual void ApplyHits(ThreadContext& self) = 0;
  // A frame became VALID. `scan`: it says nothing about the page's worth.
  virtual void Inserted(ThreadContext& self, BufferHeader& header,
                        bool scan) = 0;
  // A frame left the hash.
  virtual void Removed(ThreadContext& self, BufferHeader& header) = 0;

  // The next candidate, in the policy's order; nullptr when all were passed.
  virtual BufferHeader* NextVictim(ThreadContext& self, Search& search) = 0;
  // Frames that will be victims soon after `victim`, at most `most`.
  virtual void LookAhead(ThreadContext& self, const BufferHeader& victim,
                         size_t most, std::vector<BufferHeader*>* out) = 0;
};

std::unique_ptr<Replacement> MakeLru(region::Region& region,
                                     FrameTable& frames);
std::unique_ptr<Replacement> MakeClock(region::Region& region,
                                       FrameTable& frames);
// nullptr for a policy that is not built.
std::unique_ptr<Replacement> MakeReplacement(Policy policy,
                                             region::Region& region,
                                             FrameTable& frames);

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_REPLACEMENT_REPLACEMENT_H_
