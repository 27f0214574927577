// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// members.h - the processes and threads of a region: their slots, their proof
// of life, their ledgers and images.
//
// Role:        claims and frees slots, probes who lives, walks what threads
//              hold. Repairs nothing.
// Concurrency: all calls are thread-safe except ClaimProcessSlot, BecomeChild
//              and the calls of a leaver.
// Invariants:  R2 if a slot is live, its byte is locked or its process is dead.
//              The claim locks the byte first; the leaver unlocks it last.
// Lock rank:   RegisterThread takes the block latch (kExtents), FreeImages the
//              heap latch (kHeap). process_mutex() is held around both.

#ifndef MPOOL_REGION_MEMBERS_H_
#define MPOOL_REGION_MEMBERS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/assert.h"
#include "os/lock_file.h"
#include "os/mutex.h"
#include "os/status.h"
#include "region/generation.h"
#include "region/home_files.h"
#include "region/memory.h"
#include "region/thread.h"
#include "region/thread_slots.h"

namespace mpool::region {

// If a joiner that finds no free slot may take the slot of a dead process.
enum class Succession { kRefused, kAllowed };

class Members : public ThreadSlots {
 public:
  // `watch` repairs the dead owners of latches for which threads wait.
  Members(Memory& memory, HomeFiles& home_files, const Generation& generation,
          LifeWatch& watch)
      : ThreadSlots(memory),
        memory_(memory),
        home_files_(home_files),
        generation_(generation),
        watch_(watch),
        process_mutex_(std::make_unique<os::Mutex>()) {}
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  // The slot of this process; 0 before ClaimProcessSlot.
  uint32_t process() const { return process_; }
  // False for memory of this process alone.
  bool is_shared() const { return home_files_.has_register(); }
  // Returns the thread slot of the process itself. Its user must hold
  // process_mutex().
  Thread process_thread() const;
  os::Mutex& process_mutex() { return *process_mutex_; }

  // Returns a slot for the calling thread. ResourceExhausted if all are taken.
  absl::StatusOr<Thread> RegisterThread() MPOOL_EXCLUDES(process_mutex());
  // Frees the slot of a thread that ends. If guards of the thread still hold
  // pages, the slot is freed later, and the call returns the slot's word.
  std::optional<uint64_t> UnregisterThread(const Thread& thread)
      MPOOL_EXCLUDES(process_mutex());
  // Makes a thread's leaving slot live again. False if the slot was freed, so
  // that its word is no longer `word`. REQUIRES: process_mutex(). Not checkable
  // at run time: a mutex does not name its owner. clang checks it.
  bool ResumeThread(const Thread& thread, uint64_t word)
      MPOOL_REQUIRES(process_mutex());

  bool IsLedgerEmpty(const Thread& thread) const;
  // Frees the images of a slot except the last `kept`.
  // REQUIRES: no thread has a page of the slot for update. Not checkable: the
  // layer above knows the pages.
  void FreeImages(const Thread& self, ThreadSlot& slot, uint32_t kept);
  // Makes the images of a dead thread's slot void.
  void ClearImages(ThreadSlot& slot);
  // Returns region::NowOf for the process of a thread id; nullopt also if the
  // caller is not attached.
  std::optional<uint64_t> NowOf(uint32_t thread_id) const;

  // Like ThreadSlots::Describe, and says if the process is dead.
  std::string Describe(uint32_t thread_id) const;

  // True unless the slot's byte is certainly free.
  bool IsLocked(uint32_t process) const;
  // True if a living process is repairing the slot with this word.
  bool IsClaimedByLiving(const ProcessWord& word) const;
  // True if no other process is attached.
  absl::StatusOr<bool> IsAlone() const;

  // Claims a slot for this process. ResourceExhausted if all are taken.
  // REQUIRES: the gate. Not checkable: the caller's object holds it.
  absl::Status ClaimProcessSlot(Succession succession);
  // Threads of the dead predecessor in this process's slot. Empty after their
  // repair.
  const DeadThreads& inherited() const { return inherited_; }
  void ClearInherited() { inherited_.reset(); }

  // Frees the thread slots of this process, for a leaver.
  void FreeThreads();
  // Unlocks the byte of this process's slot, last.
  void DropLife() { life_.Drop(); }
  // Forgets the lock, in a forked child, which does not have it.
  void ForgetLife() { life_.Forget(); }
  // Forgets what belongs to the parent, in a forked child.
  void BecomeChild();

 private:
  absl::StatusOr<bool> TryClaimFree(uint32_t slot);
  absl::StatusOr<bool> TrySucceed(uint32_t slot);
  void MarkLive(uint32_t slot);
  absl::StatusOr<uint32_t> ClaimThreadSlot() MPOOL_REQUIRES(process_mutex());
  void ReapLeaving() MPOOL_REQUIRES(process_mutex());

  Memory& memory_;
  HomeFiles& home_files_;
  const Generation& generation_;
  LifeWatch& watch_;
  os::ByteLock life_;
  uint32_t process_ = 0;
  DeadThreads inherited_;
  // A forked child constructs it again in place because a thread of the parent
  // may have held it.
  std::unique_ptr<os::Mutex> process_mutex_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_MEMBERS_H_
