// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// slot_words.h - the state words of process slots and thread slots.

#ifndef MPOOL_REGION_SLOT_WORDS_H_
#define MPOOL_REGION_SLOT_WORDS_H_

#include <atomic>
#include <cstdint>

namespace mpool::region {

// State of a process slot. Legal transitions:
//   P1 free -> live              Members::TryClaimFree, under the byte's lock;
//                                generation + 1
//   P2 live -> free              Leaver::Leave, before it drops the lock
//   P3 live -> repairing         Repairer::ClaimRepair, if the byte is free
//   P4 repairing -> repairing    Repairer::ClaimRepair, if the repairer died
//   P5 repairing -> free         Repairer::RepairProcess, last
//   P6 live, repairing -> live   Members::TrySucceed, under the byte's lock;
//                                generation + 1
//   P7 any -> free               Adopter::FreeAllSlots; not checked, because
//                                the word may be damaged
enum class SlotState : uint32_t { kFree = 0, kLive = 1, kRepairing = 2 };

// generation 24 | generation of the repairer 24 | repairer's slot 12 | state 4
struct ProcessWord {
  uint32_t generation = 0;
  uint32_t repairer = 0;
  uint32_t repairer_generation = 0;
  SlotState state = SlotState::kFree;

  static ProcessWord Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 40),
            static_cast<uint32_t>(word >> 4) & 0xfff,
            static_cast<uint32_t>(word >> 16) & 0xffffff,
            static_cast<SlotState>(word & 0xf)};
  }
  uint64_t Pack() const {
    return uint64_t{generation & 0xffffff} << 40 |
           uint64_t{repairer_generation & 0xffffff} << 16 |
           uint64_t{repairer & 0xfff} << 4 | static_cast<uint64_t>(state);
  }
};

// State of a thread slot. Leaving: the thread has ended, but its guards still
// hold pages. Any thread of the process frees the slot once its ledger is
// empty. Legal transitions:
//   T1 free -> live              ClaimWord
//   T2 live -> leaving           Members::UnregisterThread
//   T3 leaving -> live           Members::ResumeThread
//   T4 live, leaving -> free     Members::UnregisterThread, ReapLeaving and
//                                FreeThreads, Repairer::FreeThread;
//                                generation + 1
//   T5 any -> free               Adopter::FreeAllSlots; not checked, as P7
enum class ThreadState : uint32_t { kFree = 0, kLive = 1, kLeaving = 2 };

// generation 32 | process slot 16 | state 8
struct ThreadWord {
  uint32_t generation = 0;
  uint32_t process = 0;
  ThreadState state = ThreadState::kFree;

  static ThreadWord Unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32),
            static_cast<uint32_t>(word >> 8) & 0xffff,
            static_cast<ThreadState>(word & 0xff)};
  }
  uint64_t Pack() const {
    return uint64_t{generation} << 32 | uint64_t{process & 0xffff} << 8 |
           static_cast<uint64_t>(state);
  }
};

// Makes a free thread slot a live slot of `process`. False if it is not free.
bool ClaimWord(std::atomic<uint64_t>* word, uint32_t process);
// Stores the state of a thread slot. The generation rises when the slot turns
// free, so that a stale word never matches.
void SetThreadState(std::atomic<uint64_t>* word, ThreadState state);

#ifdef NDEBUG
inline void CheckTransition(const ProcessWord&, const ProcessWord&) {}
inline void CheckTransition(const ThreadWord&, const ThreadWord&) {}
#else
// Aborts unless the transition is in the tables above.
void CheckTransition(const ProcessWord& from, const ProcessWord& to);
void CheckTransition(const ThreadWord& from, const ThreadWord& to);
#endif

}  // namespace mpool::region

#endif  // MPOOL_REGION_SLOT_WORDS_H_
