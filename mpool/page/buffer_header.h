// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// buffer_header.h - the descriptor of one frame, and its state word.
//
// Role:        the authoritative record of a frame. Hash slots, queues and
//              counters are derived from it.
// Concurrency: every change of `state` is a CAS that keeps the bits that
//              other threads may have set since the load.
// Crash:       the CAS that makes the word owned also stores the owner. So
//              FrameRepair knows the interrupted operation from the word.
//
// State word, from bit 0:
//   phase 3 | X | XP | DIRTY | WRITING | UNSYNCED | HINT | WAITERS | 2 spare
//   | owner 12 | 8 spare | version 32
// Phase:
//   FREE      no page; available
//   LOADING   the owner fills the frame; other threads wait
//   VALID     holds the page of `key`
//   EVICTING  the owner checks for holders, or removes the page from the hash
//   ORPHAN    not in the hash; not free because a ledger may name the frame
//   POISONED  the page was lost with its writer; reads return DataLoss
//   RETIRED   without memory: the extent has no such frame
// The owner is valid in LOADING and EVICTING and with X or XP. io_owner names
// the thread that writes the page back.
//
// Transitions (T) and their threads. All others are bugs; CheckTransition
// reports most of them.
//   T1  FREE -> LOADING+owner          TryTake; this CAS is the allocation
//   T2  LOADING -> VALID|HINT          loader, page shared
//   T3  LOADING -> VALID|X+owner       loader, page exclusive
//   T4  LOADING -> FREE                loader gives up; repair
//   T5  VALID -> VALID|XP+owner, HINT off          writer
//   T6  VALID|XP -> VALID|X, HINT = others seen    writer, HINT still off
//   T7  VALID|XP -> VALID|HINT                     writer gives up; repair
//   T8  VALID|X -> VALID, version+1, DIRTY         writer puts
//   T9  VALID|X -> VALID                           writer discards
//   T10 VALID -> VALID|HINT                        first reader after a writer
//   T11 VALID clean -> EVICTING+owner              evictor
//   T12 EVICTING -> VALID                          evictor undoes; repair
//   T13 EVICTING -> FREE, version+1                evictor; repair
//   T14 VALID|DIRTY -> VALID|WRITING               flusher, in the shared latch
//   T15 WRITING -> off, UNSYNCED or DIRTY          flusher; repair: DIRTY
//   T16 VALID|X -> POISONED, VALID|X -> LOADING+repairer   repair
//   T17 LOADING -> ORPHAN -> FREE                  repair; the victim search
//   T18 POISONED -> VALID|X+owner, DIRTY           overwritten with create
//   T19 LOADING -> RETIRED, version+1  resizer, or thread that gives an extent
//                                      to another page size
//   T20 RETIRED -> FREE                thread that cuts the extent; repair
//   T21 VALID or POISONED -> LOADING+owner, page flags off, and back to VALID
//                                      thread that discards a page
//   any -> WAITERS                                 sleeper on the word

#ifndef MPOOL_MPOOL_PAGE_BUFFER_HEADER_H_
#define MPOOL_MPOOL_PAGE_BUFFER_HEADER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "mpool/page/frame_index.h"
#include "mpool/page/page_class.h"
#include "mpool/page/page_key.h"
#include "os/assert.h"
#include "region/limits.h"

namespace mpool::internal {

enum class Phase : uint64_t {
  kFree = 0,
  kLoading = 1,
  kValid = 2,
  kEvicting = 3,
  kOrphan = 4,
  kPoisoned = 5,
  kRetired = 6,
};

// One value of the state word.
struct State {
  static constexpr uint64_t kPhaseMask = 0x7;
  static constexpr uint64_t kX = 1u << 3;
  static constexpr uint64_t kXPending = 1u << 4;
  static constexpr uint64_t kDirty = 1u << 5;
  static constexpr uint64_t kWriting = 1u << 6;
  static constexpr uint64_t kUnsynced = 1u << 7;
  static constexpr uint64_t kHint = 1u << 8;
  static constexpr uint64_t kWaiters = 1u << 9;
  static constexpr int kOwnerShift = 12;
  static constexpr uint64_t kOwnerMask = uint64_t{0xfff} << kOwnerShift;
  static constexpr uint64_t kVersionOne = uint64_t{1} << 32;

  uint64_t bits = 0;

  Phase phase() const { return static_cast<Phase>(bits & kPhaseMask); }
  bool has(uint64_t flag) const { return (bits & flag) != 0; }
  uint32_t owner() const {
    return static_cast<uint32_t>((bits & kOwnerMask) >> kOwnerShift);
  }
  uint32_t version() const { return static_cast<uint32_t>(bits >> 32); }
  bool is_owned() const {
    return phase() == Phase::kLoading || phase() == Phase::kEvicting ||
           has(kX | kXPending);
  }
  // True if a thread can enter the page now.
  bool is_open() const {
    return (bits & (kPhaseMask | kX | kXPending)) ==
           static_cast<uint64_t>(Phase::kValid);
  }

  State With(uint64_t flags) const { return {bits | flags}; }
  State Without(uint64_t flags) const { return {bits & ~flags}; }
  State WithPhase(Phase phase) const {
    return {(bits & ~kPhaseMask) | static_cast<uint64_t>(phase)};
  }
  State WithOwner(uint32_t owner) const {
    MPOOL_ASSERT(owner <= kOwnerMask >> kOwnerShift);
    return {(bits & ~kOwnerMask) | uint64_t{owner} << kOwnerShift};
  }
  State NextVersion() const { return {bits + kVersionOne}; }
  // Returns FREE with the same version, without flags and owner.
  State Bare() const { return {bits & ~(kVersionOne - 1)}; }
};

// The queue that a frame is linked into; guarded by the queue's latch.
enum class Queue : uint32_t { kNone = 0, kReplacement = 1, kFree = 2 };

// The accesses to a state word, on any platform.
template <class Word>
[[gnu::always_inline]] inline State LoadState(const Word& word) {
  return {word.load(std::memory_order_seq_cst)};
}
template <class Word>
[[gnu::always_inline]] inline bool ChangeState(Word& word, State* expected,
                                               State desired) {
  // no step: its callers pass steps.
  return word.compare_exchange_strong(expected->bits, desired.bits,
                                      std::memory_order_seq_cst);
}

// SHARED
struct alignas(kLineBytes) BufferHeader {
  std::atomic<uint64_t> state;
  std::atomic<uint64_t> key;  // PageKey
  // Region offset of the frame's bytes 56 | 4 spare | left its class 1 | page
  // class 3.
  std::atomic<uint64_t> place;
  std::atomic<uint64_t> rec_lsn;
  std::atomic<uint32_t> next;  // queue links: a FrameIndex
  std::atomic<uint32_t> prev;
  std::atomic<uint32_t> queue;
  std::atomic<uint32_t> poisoned_by;  // pid of the dead writer
  std::atomic<uint32_t> io_owner;     // thread that writes the page back, or 0
  std::atomic<uint32_t> position;     // in the ring of its page class
  std::atomic<uint32_t> reference;    // the policy's only word for hits
  uint32_t pad;

  State Load() const { return LoadState(state); }
  // Changes the state by CAS. On failure stores the current state to
  // `*expected`. Checks the transition in debug builds.
  bool Change(State* expected, State desired);
  PageKey LoadKey(std::memory_order order = std::memory_order_seq_cst) const {
    return PageKey(key.load(order));
  }
  PageClass page_class() const {
    return PageClass(
        static_cast<uint32_t>(place.load(std::memory_order_relaxed) & 0x7));
  }
  uint64_t data_offset() const {
    return place.load(std::memory_order_relaxed) >> 8;
  }
  // True if the frame belongs to the class. Exact under the class's queue
  // latch, and for the frame's owner. If a thread loads the phase under that
  // latch before this call, a true result means that the phase was of a frame
  // of the class. The place is stored before the phase that follows it
  // (release, pairs with acquire here).
  bool IsOfClass(PageClass page_class) const {
    return (place.load(std::memory_order_acquire) & 0xf) ==
           page_class.index();
  }
  // REQUIRES: the queue latch (not checkable: it is in the class header); the
  // caller owns the frame.
  void LeaveClass() {
    MPOOL_ASSERT(Load().phase() == Phase::kLoading);
    // no step: its callers pass steps.
    place.fetch_or(0x8, std::memory_order_release);
  }
};

static_assert(sizeof(BufferHeader) == 64);
static_assert(offsetof(BufferHeader, state) == 0);
static_assert(offsetof(BufferHeader, key) == 8);
static_assert(offsetof(BufferHeader, place) == 16);
static_assert(offsetof(BufferHeader, io_owner) == 48);
static_assert(offsetof(BufferHeader, reference) == 56);
static_assert(std::is_standard_layout_v<BufferHeader>);

inline bool IsIn(const BufferHeader& header, Queue queue) {
  return header.queue.load(std::memory_order_acquire) ==
         static_cast<uint32_t>(queue);
}

// AssertOwned checks the owner, AssertPhase the phase; both abort in debug
// builds. A word that a living thread owns keeps owner and phase
// until that thread changes them. Repair changes only words of dead owners.
inline void AssertOwned(const BufferHeader& header, uint32_t thread_id) {
  MPOOL_ASSERT(header.Load().is_owned() && header.Load().owner() == thread_id);
}
inline void AssertPhase(const BufferHeader& header, Phase phase) {
  MPOOL_ASSERT(header.Load().phase() == phase);
}

// Aborts if `to` must not follow `from`; see the transitions above.
void CheckTransition(State from, State to);

// Turns a LOADING frame into FREE, or into RETIRED with the next version. Wakes
// the waiters, because a thread may still wait for the page that the frame held
// before.
// REQUIRES: the caller owns the frame (not checkable: the caller's id is not
// known here).
void LeaveLoading(BufferHeader& header, Phase to);

inline bool BufferHeader::Change(State* expected, State desired) {
#ifndef NDEBUG
  CheckTransition(*expected, desired);
#endif
  return ChangeState(state, expected, desired);
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_BUFFER_HEADER_H_
