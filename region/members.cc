// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/members.h"

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/step.h"
#include "region/identity.h"

namespace mpool::region {
namespace {

void RaiseTo(std::atomic<uint32_t>* mark, uint32_t value) {
  uint32_t now = mark->load(std::memory_order_relaxed);
  while (now < value &&
         !mark->compare_exchange_weak(now, value, std::memory_order_seq_cst)) {
  }
  MPOOL_STEP("region.join.raised");
}

}  // namespace

Thread Members::process_thread() const {
  MPOOL_ASSERT(process_ >= 1 && process_ <= kMaxProcesses);
  return {process_, process_, &header().process_threads[process_ - 1],
          &watch_};
}

std::optional<uint64_t> Members::NowOf(uint32_t thread_id) const {
  const uint32_t process = ProcessSlotOf(thread_id);
  if (process == 0 || process_ == 0) return std::nullopt;
  return region::NowOf(header().processes[process - 1],
               header().processes[process_ - 1].clock.load(
                   std::memory_order_relaxed));
}

void Members::MarkLive(uint32_t slot) {
  MPOOL_ASSERT(slot >= 1 && slot <= kMaxProcesses);
  MPOOL_ASSERT(life_.held() == is_shared());
  process_ = slot;
  WriteIdentity(header().processes[slot - 1]);
  ClaimWord(&header().process_threads[slot - 1].word, slot);
}

// Claims a free slot. False if the slot is not free or another process claims
// it first.
absl::StatusOr<bool> Members::TryClaimFree(uint32_t slot) {
  MPOOL_ASSERT(slot >= 1 && slot <= kMaxProcesses);
  MPOOL_ASSERT(!life_.held());
  std::atomic<uint64_t>& place = header().processes[slot - 1].word;
  uint64_t old = place.load(std::memory_order_acquire);
  if (ProcessWord::Unpack(old).state != SlotState::kFree) return false;
  MPOOL_ASSIGN_OR_RETURN(os::ByteLock lock, home_files_.locks().TryLock(slot));
  if (!lock.held()) return false;
  MPOOL_STEP("region.join.locked");
  // Load again: only a slot that is free under its lock can be claimed.
  old = place.load(std::memory_order_acquire);
  const ProcessWord word = ProcessWord::Unpack(old);
  if (word.state != SlotState::kFree) return false;
  const ProcessWord mine{.generation = word.generation + 1,
                         .state = SlotState::kLive};
  CheckTransition(word, mine);
  // Raise the mark first, so that a repairer finds this slot if its joiner dies
  // right after the CAS.
  RaiseTo(&header().process_high_water, slot);
  if (!place.compare_exchange_strong(old, mine.Pack(),
                                     std::memory_order_seq_cst)) {
    return false;
  }
  MPOOL_STEP("region.join.live");
  life_ = std::move(lock);
  MarkLive(slot);
  MPOOL_STEP("region.join.marked");
  return true;
}

// Takes the slot of a dead process. This process must then repair what the dead
// process left. If this process dies first, the remains of both are repaired as
// the remains of one process. False if the slot is free, its process lives, or
// another living process repairs it.
absl::StatusOr<bool> Members::TrySucceed(uint32_t slot) {
  MPOOL_ASSERT(slot >= 1 && slot <= kMaxProcesses);
  MPOOL_ASSERT(!life_.held() && inherited_.none());
  std::atomic<uint64_t>& place = header().processes[slot - 1].word;
  uint64_t old = place.load(std::memory_order_acquire);
  const ProcessWord word = ProcessWord::Unpack(old);
  if (word.state == SlotState::kFree || IsClaimedByLiving(word)) return false;
  MPOOL_ASSIGN_OR_RETURN(os::ByteLock lock, home_files_.locks().TryLock(slot));
  if (!lock.held()) return false;
  MPOOL_STEP("region.succeed.locked");
  const ProcessWord mine{.generation = word.generation + 1,
                         .state = SlotState::kLive};
  CheckTransition(word, mine);
  if (!place.compare_exchange_strong(old, mine.Pack(),
                                     std::memory_order_seq_cst)) {
    return false;
  }
  MPOOL_STEP("region.succeed.live");
  life_ = std::move(lock);
  process_ = slot;
  // `inherited_` must contain the slot's own thread, so claim it first.
  ClaimWord(&header().process_threads[slot - 1].word, slot);
  inherited_ = ThreadsOf(slot);
  MPOOL_ASSERT(inherited_[slot]);
  return true;
}

absl::Status Members::ClaimProcessSlot(Succession succession) {
  MPOOL_ASSERT(process_ == 0 || generation_.value() == 0);
  if (!is_shared()) {
    const ProcessWord word{.generation = 1, .state = SlotState::kLive};
    CheckTransition(ProcessWord(), word);
    RaiseTo(&header().process_high_water, 1);
    // no step: only this process maps the region.
    header().processes[0].word.store(word.Pack(), std::memory_order_release);
    MarkLive(1);
    return absl::OkStatus();
  }
  for (uint32_t slot = 1; slot <= kMaxProcesses; ++slot) {
    MPOOL_ASSIGN_OR_RETURN(const bool claimed, TryClaimFree(slot));
    if (claimed) return absl::OkStatus();
  }
  // A repairer needs a slot, but dead processes may hold all slots.
  for (uint32_t slot = 1;
       succession == Succession::kAllowed && slot <= kMaxProcesses; ++slot) {
    MPOOL_ASSIGN_OR_RETURN(const bool succeeded, TrySucceed(slot));
    if (succeeded) return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "join region of ", home_files_.home().path(), ": all ", kMaxProcesses,
      " process slots are taken; close a process that uses it"));
}

bool Members::IsLocked(uint32_t process) const {
  MPOOL_ASSERT(process >= 1 && process <= kMaxProcesses);
  // A failed probe proves nothing. Neither does a probe of a replaced register,
  // which does not show this process's own lock.
  const auto held = home_files_.locks().FindHeld(process, 1);
  if (!held.ok() || held->has_value()) return true;
  if (!life_.held() || generation_.value() == 0) return false;
  const auto own = home_files_.locks().FindHeld(process_, 1);
  return !own.ok() || !own->has_value();
}

// True if a living process is repairing the slot.
bool Members::IsClaimedByLiving(const ProcessWord& word) const {
  const uint32_t repairer = word.repairer;
  if (word.state != SlotState::kRepairing || repairer == 0 ||
      repairer > kMaxProcesses) {
    return false;
  }
  const ProcessWord other = ProcessWord::Unpack(
      header().processes[repairer - 1].word.load(std::memory_order_acquire));
  return other.generation == word.repairer_generation &&
         other.state == SlotState::kLive && IsLocked(repairer);
}

void Members::ReapLeaving() {
  MPOOL_ASSERT(process_ >= 1 && process_ <= kMaxProcesses);
  ForEachThread([&](uint32_t id, ThreadSlot& slot, ThreadWord word) {
    if (id <= kMaxProcesses || word.process != process_ ||
        word.state != ThreadState::kLeaving) {
      return;
    }
    if (!IsLedgerEmpty({id, process_, &slot, &watch_})) return;
    FreeImages(process_thread(), slot, 0);
    SetThreadState(&slot.word, ThreadState::kFree);
  });
}

absl::StatusOr<uint32_t> Members::ClaimThreadSlot() {
  const std::string what =
      absl::StrCat("register a thread in ", home_files_.home().path(), ": ");
  for (uint32_t id = kMaxProcesses + 1; id <= kMaxThreads; ++id) {
    ThreadSlot* slot = SlotOf(id);
    if (slot == nullptr) {
      const uint32_t block =
          (id - kMaxProcesses - 1) / kThreadsPerBlock;
      const Thread self = process_thread();
      LatchGuard guard(self, header().block_latch);
      if (header().thread_blocks[block].load() == 0) {
        const absl::Status made =
            memory_.heap().AllocateLinked(self, sizeof(ThreadBlock), 4096,
                                 &header().thread_blocks[block])
                .status();
        if (!made.ok()) {
          return absl::Status(made.code(), absl::StrCat(what, made.message()));
        }
      }
      slot = SlotOf(id);
    }
    if (slot == nullptr) break;
    RaiseTo(&header().thread_high_water, id);
    MPOOL_STEP("region.thread.claim");
    if (ClaimWord(&slot->word, process_)) {
      MPOOL_STEP("region.thread.claimed");
      return id;
    }
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(what, "all ", kMaxThreads - kMaxProcesses,
                   " thread slots are taken; end threads that use it"));
}

absl::StatusOr<Thread> Members::RegisterThread() {
  os::MutexLock lock(process_mutex());
  ReapLeaving();
  MPOOL_ASSIGN_OR_RETURN(const uint32_t id, ClaimThreadSlot());
  return Thread{id, process_, SlotOf(id), &watch_};
}

bool Members::IsLedgerEmpty(const Thread& thread) const {
  MPOOL_ASSERT(thread.slot != nullptr);
  bool empty = true;
  ForEachEntry(*thread.slot, [&](std::atomic<uint64_t>& entry) {
    if (entry.load(std::memory_order_acquire) != 0) empty = false;
  });
  return empty;
}

std::optional<uint64_t> Members::UnregisterThread(const Thread& thread) {
  MPOOL_ASSERT(thread.id > kMaxProcesses && thread.id <= kMaxThreads);
  MPOOL_ASSERT(thread.slot == SlotOf(thread.id));
  os::MutexLock lock(process_mutex());
  MPOOL_STEP("region.thread.leave");
  const bool empty = IsLedgerEmpty(thread);
  if (empty) FreeImages(thread, *thread.slot, 0);
  SetThreadState(&thread.slot->word,
                 empty ? ThreadState::kFree : ThreadState::kLeaving);
  MPOOL_STEP("region.thread.left");
  if (empty) return std::nullopt;
  return thread.slot->word.load(std::memory_order_relaxed);
}

bool Members::ResumeThread(const Thread& thread, uint64_t word) {
  MPOOL_ASSERT(thread.slot != nullptr);
  if (thread.slot->word.load(std::memory_order_relaxed) != word) return false;
  MPOOL_STEP("region.thread.resume");
  SetThreadState(&thread.slot->word, ThreadState::kLive);
  MPOOL_STEP("region.thread.resumed");
  return true;
}

void Members::FreeImages(const Thread& self, ThreadSlot& slot, uint32_t kept) {
  MPOOL_ASSERT(self.slot != nullptr);
  MPOOL_ASSERT(kept <= kMaxImagesPerThread);
  uint32_t count = 0;
  ForEachImage(slot, [&](Image&) { ++count; });
  for (; count > kept; --count) {
    const uint64_t first = slot.images.load(std::memory_order_relaxed);
    memory_.heap().FreeLinked(self, &slot.images,
                              memory_.At<Image>(first)->next.load());
  }
  if (kept != 0) return;
  // no step: repair does not read the state of a group without pages.
  slot.images.store(0, std::memory_order_relaxed);
  slot.group.store(0, std::memory_order_relaxed);
}

std::string Members::Describe(uint32_t thread_id) const {
  std::string text = ThreadSlots::Describe(thread_id);
  const uint32_t process = ProcessSlotOf(thread_id);
  if (process != 0 && is_shared() && !IsLocked(process)) {
    absl::StrAppend(&text, " and is dead");
  }
  return text;
}

// Runs last, because repair needs the images until no page of the dead is half
// changed.
void Members::ClearImages(ThreadSlot& slot) {
  ForEachImage(slot, [](Image& image) {
    image.word.store(0, std::memory_order_release);
  });
  slot.group.store(0, std::memory_order_release);
  MPOOL_STEP("region.repair.images");
}

absl::StatusOr<bool> Members::IsAlone() const {
  MPOOL_ASSERT(process_ >= 1 && process_ <= kMaxProcesses);
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> lower,
                         home_files_.locks().FindHeld(1, process_ - 1));
  MPOOL_ASSIGN_OR_RETURN(
      const std::optional<uint64_t> higher,
      home_files_.locks().FindHeld(process_ + 1, kMaxProcesses - process_));
  return !lower.has_value() && !higher.has_value();
}

void Members::FreeThreads() {
  MPOOL_ASSERT(process_ >= 1 && process_ <= kMaxProcesses);
  ForEachThread([&](uint32_t, ThreadSlot& slot, ThreadWord word) {
    if (word.process == process_) FreeImages(process_thread(), slot, 0);
  });
  ForEachThread([&](uint32_t, ThreadSlot& slot, ThreadWord word) {
    if (word.process == process_) {
      SetThreadState(&slot.word, ThreadState::kFree);
    }
  });
}

void Members::BecomeChild() {
  MPOOL_ASSERT(generation_.value() == 0);
  // A thread of the parent may hold the mutex. The child constructs it again in
  // place, so that a leak checker finds no lost mutex.
  new (process_mutex_.get()) os::Mutex;
  life_.Forget();
  // The parent repairs its predecessor, not the child.
  inherited_.reset();
}

}  // namespace mpool::region
