// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// thread_slots.h - reads the slots of a region's threads: their ledgers, images
// and processes.
//
// Concurrency: any thread calls anything at any time. A process that inspects
//              the region without being attached reads it too.

#ifndef MPOOL_REGION_THREAD_SLOTS_H_
#define MPOOL_REGION_THREAD_SLOTS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>

#include "region/memory.h"
#include "region/thread.h"

namespace mpool::region {

class ThreadSlots {
 public:
  explicit ThreadSlots(const Memory& memory) : memory_(memory) {}

  // Returns the slot of a thread id, or nullptr if there is none.
  ThreadSlot* SlotOf(uint32_t id) const;
  // Visits every slot that is not free, with its id and word. Sees each thread
  // that was registered before the call.
  template <class F>
  void ForEachThread(F&& visit) const;
  // Visits every slot that was ever in use, also if it is free now.
  template <class F>
  void ForEachSlot(F&& visit) const;
  // Visits every slot that exists, with its id, whatever the marks say.
  template <class F>
  void ForEachSlotThere(F&& visit) const;
  // Visits every ledger entry of a slot that may be in use.
  template <class Slot, class F>
  void ForEachEntry(Slot& slot, F&& visit) const;
  // Visits every image of a slot.
  template <class F>
  void ForEachImage(const ThreadSlot& slot, F&& visit) const;
  // Returns the threads of a process slot.
  DeadThreads ThreadsOf(uint32_t process) const;

  // Returns the process slot of a thread id, or 0.
  uint32_t ProcessSlotOf(uint32_t thread_id) const;
  // Returns the pid of a thread id's process, or 0.
  uint32_t PidOf(uint32_t thread_id) const;
  // Returns a thread id in words: "process 12 (name), thread 3".
  std::string Describe(uint32_t thread_id) const;

 protected:
  RegionHeader& header() const { return *memory_.header(); }

 private:
  template <class F>
  void ForEachSlotWithId(F&& visit) const;

  const Memory& memory_;
};

template <class F>
void ThreadSlots::ForEachSlot(F&& visit) const {
  ForEachSlotWithId([&](uint32_t, ThreadSlot& slot) { visit(slot); });
}

template <class F>
void ThreadSlots::ForEachSlotWithId(F&& visit) const {
  const uint32_t processes = std::min(
      header().process_high_water.load(std::memory_order_seq_cst),
      kMaxProcesses);
  for (uint32_t id = 1; id <= processes; ++id) {
    visit(id, header().process_threads[id - 1]);
  }
  const uint32_t threads = std::min(
      header().thread_high_water.load(std::memory_order_seq_cst), kMaxThreads);
  for (uint32_t id = kMaxProcesses + 1; id <= threads; ++id) {
    if (ThreadSlot* slot = SlotOf(id)) visit(id, *slot);
  }
}

// Does not use the high-water marks, because they may be damaged.
template <class F>
void ThreadSlots::ForEachSlotThere(F&& visit) const {
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (ThreadSlot* slot = SlotOf(id)) visit(id, *slot);
  }
}

template <class F>
void ThreadSlots::ForEachThread(F&& visit) const {
  ForEachSlotWithId([&](uint32_t id, ThreadSlot& slot) {
    const ThreadWord word =
        ThreadWord::Unpack(slot.word.load(std::memory_order_seq_cst));
    if (word.state != ThreadState::kFree) visit(id, slot, word);
  });
}

template <class Slot, class F>
void ThreadSlots::ForEachEntry(Slot& slot, F&& visit) const {
  const uint32_t used =
      std::min(slot.used.load(std::memory_order_seq_cst), kLedgerEntries);
  for (uint32_t i = 0; i < used; ++i) visit(slot.entries[i]);
  uint64_t at = slot.overflow.load(std::memory_order_seq_cst);
  for (uint32_t i = 0; i < kMaxOverflows && at != 0; ++i) {
    if (!memory_.Contains(at, sizeof(LedgerOverflow))) return;
    LedgerOverflow* block = memory_.At<LedgerOverflow>(at);
    for (std::atomic<uint64_t>& entry : block->entries) visit(entry);
    at = block->next.load(std::memory_order_seq_cst);
  }
}

template <class F>
void ThreadSlots::ForEachImage(const ThreadSlot& slot, F&& visit) const {
  uint64_t at = slot.images.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < kMaxImagesPerThread && at != 0; ++i) {
    if (!memory_.Contains(at, sizeof(Image))) return;
    Image* image = memory_.At<Image>(at);
    if (!memory_.Contains(at, sizeof(Image) + image->room.load())) return;
    visit(*image);
    at = image->next.load(std::memory_order_acquire);
  }
}

}  // namespace mpool::region

#endif  // MPOOL_REGION_THREAD_SLOTS_H_
