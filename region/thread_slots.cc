// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/thread_slots.h"

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/quote.h"
#include "region/identity.h"

namespace mpool::region {

ThreadSlot* ThreadSlots::SlotOf(uint32_t id) const {
  if (id == 0 || id > kMaxThreads) return nullptr;
  if (id <= kMaxProcesses) return &header().process_threads[id - 1];
  const uint32_t index = id - kMaxProcesses - 1;
  MPOOL_ASSERT(index / kThreadsPerBlock < kThreadBlocks);
  const uint64_t block =
      header().thread_blocks[index / kThreadsPerBlock].load(
          std::memory_order_acquire);
  if (block == 0 || !memory_.Contains(block, sizeof(ThreadBlock)))
    return nullptr;
  return &memory_.At<ThreadBlock>(block)->slots[index % kThreadsPerBlock];
}

DeadThreads ThreadSlots::ThreadsOf(uint32_t process) const {
  MPOOL_ASSERT(process >= 1 && process <= kMaxProcesses);
  DeadThreads threads;
  ForEachThread([&](uint32_t id, ThreadSlot&, ThreadWord word) {
    if (word.process == process) threads.set(id);
  });
  return threads;
}

uint32_t ThreadSlots::ProcessSlotOf(uint32_t thread_id) const {
  const ThreadSlot* slot = SlotOf(thread_id);
  if (slot == nullptr) return 0;
  const uint32_t process =
      ThreadWord::Unpack(slot->word.load(std::memory_order_acquire)).process;
  return process > kMaxProcesses ? 0 : process;
}

uint32_t ThreadSlots::PidOf(uint32_t thread_id) const {
  const uint32_t process = ProcessSlotOf(thread_id);
  return process == 0 ? 0
                      : header().processes[process - 1].pid.load(
                            std::memory_order_relaxed);
}

std::string ThreadSlots::Describe(uint32_t thread_id) const {
  const uint32_t process = ProcessSlotOf(thread_id);
  if (process == 0) return "a thread that left";
  return absl::StrCat("process ", PidOf(thread_id), " (",
                      os::Quoted(CommandOf(header().processes[process - 1])),
                      "), thread ", thread_id);
}

}  // namespace mpool::region
