// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/region.h"

#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/lost_fd.h"
#include "os/process.h"
#include "os/step.h"

namespace mpool::region {
namespace {

uint32_t NextGeneration() {
  static std::atomic<uint32_t> last{0};
  uint32_t next = 0;
  while (next == 0 || next >= Region::kNoGeneration) {
    next = last.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  return next;
}

void RaiseTo(std::atomic<uint32_t>* mark, uint32_t value) {
  uint32_t now = mark->load(std::memory_order_relaxed);
  while (now < value &&
         !mark->compare_exchange_weak(now, value, std::memory_order_seq_cst)) {
  }
  MPOOL_STEP("region.join.raised");
}

}  // namespace

// A slot's generation rises when the slot is freed, so that a stale word never
// matches.
bool ClaimWord(std::atomic<uint64_t>* word, uint32_t process) {
  uint64_t old = word->load(std::memory_order_relaxed);
  ThreadWord now = ThreadWord::Unpack(old);
  if (now.state != ThreadState::kFree) return false;
  now.state = ThreadState::kLive;
  now.process = process;
  // no step: the callers pass the steps.
  return word->compare_exchange_strong(old, now.Pack(),
                                       std::memory_order_seq_cst);
}

namespace {

void SetThreadState(ThreadSlot* slot, ThreadState state) {
  ThreadWord word =
      ThreadWord::Unpack(slot->word.load(std::memory_order_relaxed));
  word.state = state;
  if (state == ThreadState::kFree) {
    word.process = 0;
    ++word.generation;
  }
  // no step: the callers pass the steps.
  slot->word.store(word.Pack(), std::memory_order_release);
}

}  // namespace

Region::Region(os::File home, const RegionOptions& options)
    : home_(std::move(home)),
      options_(options),
      prefault_(options.prefault),
      lock_memory_(options.lock_memory),
      process_mutex_(std::make_unique<std::mutex>()) {}

Region::Region(std::unique_ptr<os::Mapping> mapping,
               const FixedHeader& fixed) {
  Use(std::move(mapping), fixed);
}

Region::~Region() {
  // A forked child that is not attached has neither the lock nor its page.
  if (generation() == 0) {
    life_.Forget();
    ForgetLost();
  }
}

absl::StatusOr<std::unique_ptr<Region>> Region::Prepare(
    os::File home, const RegionOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  std::unique_ptr<Region> region(new Region(std::move(home), options));
  region->home_identity_ = info.identity;
  MPOOL_RETURN_IF_ERROR(region->marker_.Map());
  return region;
}

absl::Status Region::Grow(uint64_t size_bytes) {
  if (size_bytes > fixed_.heap_limit) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "grow region of ", home_.path(), ": ", size_bytes,
        " bytes are more than the ", fixed_.heap_limit,
        " reserved at its creation; put pages, use fewer page sizes, or a "
        "larger cache"));
  }
  // Back from 0 because blocks below the old end may have been released.
  MPOOL_RETURN_IF_ERROR(Back(0, size_bytes));
  MPOOL_STEP("region.grow.backed");
  header_->size_bytes.store(size_bytes, std::memory_order_release);
  MPOOL_STEP("region.grow.published");
  return absl::OkStatus();
}

absl::Status Region::PrepareMemory(uint64_t offset, uint64_t bytes) const {
  if (prefault_.load()) {
    MPOOL_RETURN_IF_ERROR(mapping_->Populate(offset, bytes));
  }
  if (!lock_memory_.load()) return absl::OkStatus();
  return mapping_->LockMemory(offset, bytes);
}

// no step below: only this process reads these words.
absl::Status Region::PrepareMore(bool prefault, bool lock_memory,
                                 const std::function<absl::Status()>& rest) {
  const bool prefaulted = prefault_.exchange(prefault_.load() || prefault);
  const bool locked = lock_memory_.exchange(lock_memory_.load() || lock_memory);
  if (prefaulted >= prefault && locked >= lock_memory) return absl::OkStatus();
  absl::Status status = PrepareMemory(0, header_->size_bytes.load());
  if (status.ok()) status = rest();
  if (status.ok()) return status;
  prefault_.store(prefaulted);
  lock_memory_.store(locked);
  return status;
}

void Region::FillSizes(FixedHeader* fixed) const {
  fixed->reserved_bytes = options_.reserved_bytes;
  fixed->heap_limit = options_.heap_limit != 0 ? options_.heap_limit
                                               : options_.reserved_bytes;
  fixed->cache_bytes = options_.cache_bytes;
  fixed->max_cache_bytes = options_.max_cache_bytes;
}

void Region::BeginGeneration() {
  // no step: only this process reads the word.
  std::atomic_ref<uint32_t>(*marker_.word()).store(NextGeneration());
}

void Region::Use(std::unique_ptr<os::Mapping> mapping,
                 const FixedHeader& fixed) {
  mapping_ = std::move(mapping);
  fixed_ = fixed;
  // The device is included because a copy of the file system has the same
  // creation id in its memory file (kFile).
  creation_ = CreationOf(fixed) ^
              home_identity_.device * uint64_t{0x9e3779b97f4a7c15};
  base_ = mapping_->base();
  header_ = reinterpret_cast<RegionHeader*>(base_);
  if (options_.huge_pages) mapping_->AdviseHugePages();
}

ThreadSlot* Region::SlotOf(uint32_t id) const {
  if (id == 0 || id > kMaxThreads) return nullptr;
  if (id <= kMaxProcesses) return &header_->process_threads[id - 1];
  const uint32_t index = id - kMaxProcesses - 1;
  const uint64_t block =
      header_->thread_blocks[index / kThreadsPerBlock].load(
          std::memory_order_acquire);
  if (block == 0 || !Contains(block, sizeof(ThreadBlock))) return nullptr;
  return &At<ThreadBlock>(block)->slots[index % kThreadsPerBlock];
}

Thread Region::process_thread() const {
  return {process_, process_, &header_->process_threads[process_ - 1]};
}

void Region::WriteIdentity() {
  ProcessSlot& place = header_->processes[process_ - 1];
  const os::ProcessIdentity me = os::CurrentProcess();
  place.pid.store(static_cast<uint32_t>(me.pid), std::memory_order_relaxed);
  place.start_time.store(me.start_time, std::memory_order_relaxed);
  place.pid_namespace.store(me.pid_namespace, std::memory_order_relaxed);
  uint64_t command[2] = {};
  std::memcpy(command, me.command.data(), sizeof(command));
  place.command[0].store(command[0], std::memory_order_relaxed);
  place.command[1].store(command[1], std::memory_order_relaxed);
  place.clock.store(OwnClock(), std::memory_order_relaxed);
  place.attached_ns.store(os::CoarseNs(), std::memory_order_relaxed);
}

uint64_t Region::OwnClock() {
  const std::optional<int64_t> offset_ns = os::MonotonicOffsetNs();
  if (!offset_ns.has_value()) return 0;
  return static_cast<uint64_t>(*offset_ns) + (uint64_t{1} << 63);
}

std::optional<uint64_t> Region::NowOf(const ProcessSlot& slot, uint64_t own) {
  const uint64_t clock = slot.clock.load(std::memory_order_relaxed);
  if (clock == 0 || own == 0) return std::nullopt;
  return os::CoarseNs() + (clock - own);
}

std::optional<uint64_t> Region::NowOf(uint32_t thread_id) const {
  const uint32_t process = ProcessSlotOf(thread_id);
  if (process == 0 || process_ == 0) return std::nullopt;
  return NowOf(header_->processes[process - 1],
               header_->processes[process_ - 1].clock.load(
                   std::memory_order_relaxed));
}

void Region::MarkLive(uint32_t slot) {
  process_ = slot;
  WriteIdentity();
  ClaimWord(&header_->process_threads[slot - 1].word, slot);
}

// Claims a free slot. False if the slot is not free or another process claims
// it first.
absl::StatusOr<bool> Region::TryClaimFree(uint32_t slot) {
  std::atomic<uint64_t>& place = header_->processes[slot - 1].word;
  uint64_t old = place.load(std::memory_order_acquire);
  if (ProcessWord::Unpack(old).state != SlotState::kFree) return false;
  MPOOL_ASSIGN_OR_RETURN(os::ByteLock lock, lock_file_->TryLock(slot));
  if (!lock.held()) return false;
  MPOOL_STEP("region.join.locked");
  // Load again: only a slot that is free under its lock can be claimed.
  old = place.load(std::memory_order_acquire);
  ProcessWord word = ProcessWord::Unpack(old);
  if (word.state != SlotState::kFree) return false;
  word = {.generation = word.generation + 1, .state = SlotState::kLive};
  // Raise the mark first, so that a repairer finds this slot if its joiner dies
  // right after the CAS.
  RaiseTo(&header_->process_high_water, slot);
  if (!place.compare_exchange_strong(old, word.Pack(),
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
absl::StatusOr<bool> Region::TrySucceed(uint32_t slot) {
  std::atomic<uint64_t>& place = header_->processes[slot - 1].word;
  uint64_t old = place.load(std::memory_order_acquire);
  ProcessWord word = ProcessWord::Unpack(old);
  if (word.state == SlotState::kFree || IsClaimedByLiving(word)) return false;
  MPOOL_ASSIGN_OR_RETURN(os::ByteLock lock, lock_file_->TryLock(slot));
  if (!lock.held()) return false;
  MPOOL_STEP("region.succeed.locked");
  word = {.generation = word.generation + 1, .state = SlotState::kLive};
  if (!place.compare_exchange_strong(old, word.Pack(),
                                     std::memory_order_seq_cst)) {
    return false;
  }
  MPOOL_STEP("region.succeed.live");
  life_ = std::move(lock);
  process_ = slot;
  // `inherited_` must contain the slot's own thread, so claim it first.
  ClaimWord(&header_->process_threads[slot - 1].word, slot);
  inherited_ = ThreadsOf(slot);
  return true;
}

absl::Status Region::ClaimProcessSlot(bool may_succeed) {
  if (!options_.shared) {
    ProcessWord word{.generation = 1, .state = SlotState::kLive};
    RaiseTo(&header_->process_high_water, 1);
    // no step: only this process maps the region.
    header_->processes[0].word.store(word.Pack(), std::memory_order_release);
    MarkLive(1);
    return absl::OkStatus();
  }
  for (uint32_t slot = 1; slot <= kMaxProcesses; ++slot) {
    MPOOL_ASSIGN_OR_RETURN(const bool claimed, TryClaimFree(slot));
    if (claimed) return absl::OkStatus();
  }
  // A repairer needs a slot, but dead processes may hold all slots.
  for (uint32_t slot = 1; may_succeed && slot <= kMaxProcesses; ++slot) {
    MPOOL_ASSIGN_OR_RETURN(const bool succeeded, TrySucceed(slot));
    if (succeeded) return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "join region of ", home_.path(), ": all ", kMaxProcesses,
      " process slots are taken; close a process that uses it"));
}

bool Region::HasEntered() const {
  const std::atomic_ref<uint32_t> marker(*marker_.word());
  uint32_t seen = marker.load();
  for (; seen == kEntering; seen = marker.load()) {
    os::Sleep(absl::Milliseconds(1));
  }
  return seen != 0;
}

absl::Status Region::EnterChild(
    const std::function<absl::Status(uint32_t)>& ready) {
  std::atomic_ref<uint32_t> marker(*marker_.word());
  uint32_t expected = 0;
  // no step: only this process reads the word.
  if (!marker.compare_exchange_strong(expected, kEntering)) {
    if (HasEntered()) return absl::OkStatus();
    return absl::UnavailableError("another thread could not enter; try again");
  }
  const absl::StatusOr<uint32_t> generation = JoinAsChild(ready);
  marker.store(generation.value_or(0));  // no step: as above
  return generation.status();
}

void Region::ForgetLost() {
  os::ForgetIfLost(home_, home_identity_);
  if (lock_file_.has_value()) lock_file_->ForgetLost();
}

absl::StatusOr<uint32_t> Region::JoinAsChild(
    const std::function<absl::Status(uint32_t)>& ready) {
  ForgetLost();
  const absl::Status complete = tenant_->ForgetLost();
  if (!options_.shared) {
    return absl::FailedPreconditionError(absl::StrCat(
        "use ", home_.path(),
        " in a forked child: its memory belongs to the parent alone; open it "
        "again in the child, or use a shared backing"));
  }
  // A thread of the parent may hold the mutex. The child constructs it again in
  // place, so that a leak checker finds no lost mutex.
  new (process_mutex_.get()) std::mutex;
  life_.Forget();
  // The parent repairs its predecessor, not the child.
  inherited_.reset();
  if (options_.named) {
    MPOOL_ASSIGN_OR_RETURN(os::File again,
                           os::ReopenDirectory(home_, home_identity_));
    if (again.is_open()) {
      home_.Forget();
      home_ = std::move(again);
    }
  }
  // Open the existing register only. A child must not recreate it in a removed
  // home.
  auto lock_gate = [&]() -> absl::StatusOr<os::ByteLock> {
    if (!options_.named) return lock_file_->Lock(0);
    MPOOL_ASSIGN_OR_RETURN(
        const os::LockFile there,
        os::LockFile::Open(home_, kRegisterName, /*create=*/false, 0600));
    return there.Lock(0);
  };
  absl::StatusOr<os::ByteLock> gate = lock_gate();
  if (!absl::IsNotFound(gate.status())) MPOOL_RETURN_IF_ERROR(gate.status());
  MPOOL_RETURN_IF_ERROR(CheckStillThere());
  MPOOL_RETURN_IF_ERROR(gate.status());
  MPOOL_RETURN_IF_ERROR(complete);
  MPOOL_RETURN_IF_ERROR(PrepareMemory(0, header_->size_bytes.load()));
  MPOOL_RETURN_IF_ERROR(ClaimProcessSlot(/*may_succeed=*/true));
  os::RegisterGlobalBarrier();
  const uint32_t generation = NextGeneration();
  const absl::Status status = ready(generation);
  if (status.ok()) return generation;
  Leave(*std::move(gate), /*closes=*/false);
  return status;
}

// Returns FailedPrecondition if the region was removed or replaced. This can
// happen if the parent left before its child entered.
absl::Status Region::CheckStillThere() const {
  if (!options_.named) {
    if (header_->magic.load(std::memory_order_acquire) == kMagic) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "use ", home_.path(), " in a forked child: all others have closed it, "
        "and its memory went with them; open it again in the child"));
  }
  MPOOL_ASSIGN_OR_RETURN(const std::optional<FixedHeader> descriptor,
                         ReadDescriptor(home_));
  if (descriptor.has_value() &&
      std::memcmp(descriptor->creation_id, fixed().creation_id,
                  sizeof(descriptor->creation_id)) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "use ", home_.path(), " in a forked child: the region was removed after "
      "the parent left; open it again in the child"));
}

void Region::ReapLeaving() {
  ForEachThread([&](uint32_t id, ThreadSlot& slot, ThreadWord word) {
    if (id <= kMaxProcesses || word.process != process_ ||
        word.state != ThreadState::kLeaving) {
      return;
    }
    if (!IsLedgerEmpty({id, process_, &slot})) return;
    FreeImages(process_thread(), slot, 0);
    SetThreadState(&slot, ThreadState::kFree);
  });
}

absl::StatusOr<uint32_t> Region::ClaimThreadSlot() {
  const std::string what =
      absl::StrCat("register a thread in ", home_.path(), ": ");
  for (uint32_t id = kMaxProcesses + 1; id <= kMaxThreads; ++id) {
    ThreadSlot* slot = SlotOf(id);
    if (slot == nullptr) {
      const uint32_t block =
          (id - kMaxProcesses - 1) / kThreadsPerBlock;
      const Thread self = process_thread();
      LatchGuard guard(header_->block_latch, self.id, *this,
                       LockRank::kExtents);
      if (header_->thread_blocks[block].load() == 0) {
        const absl::Status made =
            heap_.AllocateLinked(self, sizeof(ThreadBlock), 4096,
                                 &header_->thread_blocks[block])
                .status();
        if (!made.ok()) {
          return absl::Status(made.code(), absl::StrCat(what, made.message()));
        }
      }
      slot = SlotOf(id);
    }
    if (slot == nullptr) break;
    RaiseTo(&header_->thread_high_water, id);
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

absl::StatusOr<Thread> Region::RegisterThread() {
  std::lock_guard<std::mutex> lock(*process_mutex_);
  ReapLeaving();
  MPOOL_ASSIGN_OR_RETURN(const uint32_t id, ClaimThreadSlot());
  return Thread{id, process_, SlotOf(id)};
}

bool Region::IsLedgerEmpty(const Thread& thread) const {
  bool empty = true;
  ForEachEntry(*thread.slot, [&](std::atomic<uint64_t>& entry) {
    if (entry.load(std::memory_order_acquire) != 0) empty = false;
  });
  return empty;
}

std::optional<uint64_t> Region::UnregisterThread(const Thread& thread) {
  std::lock_guard<std::mutex> lock(*process_mutex_);
  MPOOL_STEP("region.thread.leave");
  const bool empty = IsLedgerEmpty(thread);
  if (empty) FreeImages(thread, *thread.slot, 0);
  SetThreadState(thread.slot,
                 empty ? ThreadState::kFree : ThreadState::kLeaving);
  MPOOL_STEP("region.thread.left");
  if (empty) return std::nullopt;
  return thread.slot->word.load(std::memory_order_relaxed);
}

bool Region::ResumeThread(const Thread& thread, uint64_t word) {
  if (thread.slot->word.load(std::memory_order_relaxed) != word) return false;
  MPOOL_STEP("region.thread.resume");
  SetThreadState(thread.slot, ThreadState::kLive);
  MPOOL_STEP("region.thread.resumed");
  return true;
}

void Region::FreeImages(const Thread& self, ThreadSlot& slot, uint32_t kept) {
  uint32_t count = 0;
  ForEachImage(slot, [&](Image&) { ++count; });
  for (; count > kept; --count) {
    const uint64_t first = slot.images.load(std::memory_order_relaxed);
    heap_.FreeLinked(self, &slot.images, At<Image>(first)->next.load());
  }
  if (kept != 0) return;
  // no step: repair does not read the state of a group without pages.
  slot.images.store(0, std::memory_order_relaxed);
  slot.group.store(0, std::memory_order_relaxed);
}

uint32_t Region::ProcessSlotOf(uint32_t thread_id) const {
  const ThreadSlot* slot = SlotOf(thread_id);
  if (slot == nullptr) return 0;
  const uint32_t process =
      ThreadWord::Unpack(slot->word.load(std::memory_order_acquire)).process;
  return process > kMaxProcesses ? 0 : process;
}

std::string Region::CommandOf(const ProcessSlot& slot) {
  char command[17] = {};
  const uint64_t words[2] = {slot.command[0].load(std::memory_order_relaxed),
                             slot.command[1].load(std::memory_order_relaxed)};
  std::memcpy(command, words, sizeof(words));
  return command;
}

uint32_t Region::PidOf(uint32_t thread_id) const {
  const uint32_t process = ProcessSlotOf(thread_id);
  return process == 0 ? 0
                      : header_->processes[process - 1].pid.load(
                            std::memory_order_relaxed);
}

std::string Region::Describe(uint32_t thread_id) const {
  const uint32_t process = ProcessSlotOf(thread_id);
  if (process == 0) return "a thread that left";
  std::string text = absl::StrCat(
      "process ", PidOf(thread_id), " (",
      CommandOf(header_->processes[process - 1]), "), thread ", thread_id);
  if (options_.shared && !IsLocked(process)) {
    absl::StrAppend(&text, " and is dead");
  }
  return text;
}

absl::StatusOr<bool> Region::IsAlone() const {
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> lower,
                         lock_file_->FindHeld(1, process_ - 1));
  MPOOL_ASSIGN_OR_RETURN(
      const std::optional<uint64_t> higher,
      lock_file_->FindHeld(process_ + 1, kMaxProcesses - process_));
  return !lower.has_value() && !higher.has_value();
}

absl::StatusOr<os::ByteLock> Region::BeginLeave(bool* is_last) {
  *is_last = true;
  if (!options_.shared) return os::ByteLock();
  MPOOL_ASSIGN_OR_RETURN(os::ByteLock gate, lock_file_->LockWithin(0));
  MPOOL_ASSIGN_OR_RETURN(*is_last, IsAlone());
  return gate;
}

void Region::Leave(os::ByteLock gate, bool closes) {
  if (inherited_.any()) {
    // The predecessor is not repaired yet. The slot stays live without a lock,
    // so that the next process finds it dead.
    inherited_.reset();
    life_.Drop();
    return;
  }
  ForEachThread([&](uint32_t, ThreadSlot& slot, ThreadWord word) {
    if (word.process == process_) FreeImages(process_thread(), slot, 0);
  });
  ForEachThread([&](uint32_t, ThreadSlot& slot, ThreadWord word) {
    if (word.process == process_) SetThreadState(&slot, ThreadState::kFree);
  });
  MPOOL_STEP("region.leave.threads");
  std::atomic<uint64_t>& place = header_->processes[process_ - 1].word;
  ProcessWord word = ProcessWord::Unpack(place.load());
  place.store(ProcessWord{.generation = word.generation}.Pack(),
              std::memory_order_release);
  MPOOL_STEP("region.leave.freed");
  const bool unnamed = options_.shared && !options_.named;
  if (closes && unnamed && IsAlone().value_or(false)) {
    // A child that enters later must not find the cached pages, because other
    // processes may change the page files from now on.
    header_->magic.store(0);  // no step: no process enters after this
    os::UnclaimDirectory(home_);
  }
  life_.Drop();
  MPOOL_STEP("region.leave.unlocked");
  gate.Drop();
}

}  // namespace mpool::region
