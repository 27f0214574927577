// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// slot_words.h - the state words of process slots and thread slots.

#ifndef MPOOL_REGION_SLOT_WORDS_H_
#define MPOOL_REGION_SLOT_WORDS_H_

#include <atomic>
#include <cstdint>

namespace mpool::region {

// State of a process slot. Transitions:
//   free -> live            joiner, which holds the slot's byte lock
//   live -> free            leaver, before it drops the lock
//   live -> repairing       repairer that found the byte of a live slot free
//   repairing -> repairing  another repairer, if the first repairer died
//   repairing -> free       repairer, last
//   live, repairing -> live joiner that finds no free slot and takes the slot
//                           of a dead process, with the slot's byte lock
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
// empty.
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
void SetThreadState(std::atomic<uint64_t>* word, ThreadState state,
                    std::memory_order order = std::memory_order_release);

}  // namespace mpool::region

#endif  // MPOOL_REGION_SLOT_WORDS_H_
