// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// region.h - a process's handle on the shared memory of an environment: creates
// or joins it, registers threads, leaves it.
//
// Role:        hides where the memory comes from, which processes are attached
//              and which are dead. The layer above formats the contents and
//              repairs them.
// Concurrency: all calls are thread-safe except Attach and Leave.
// Invariants:  R1 creation, join, last close, removal and adoption hold the
//              lock on byte 0 of __db.register (the gate).
//              R2 if a slot is live, its byte is locked or its process is dead.
//              R3 the region's name is on disk before the region exists.
//              R4 magic is written last.
// Crash:       a dead creator leaves no locked byte and no magic, so the next
//              opener creates the region again. Later deaths: repair.cc.

#ifndef MPOOL_REGION_REGION_H_
#define MPOOL_REGION_REGION_H_

#include <algorithm>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/stats.h"
#include "mpool/types.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "os/mapping.h"
#include "os/status.h"
#include "region/latch.h"
#include "region/layout.h"
#include "region/shalloc.h"

namespace mpool::region {

// A thread that is registered in the region.
struct Thread {
  uint32_t id = 0;       // 1..kMaxThreads; the owner bits of every latch
  uint32_t process = 0;  // its process slot
  ThreadSlot* slot = nullptr;
};

using DeadThreads = std::bitset<kMaxThreads + 1>;

enum class Attached { kCreated, kJoined, kAdopted };

struct RegionOptions {
  Backing backing{};
  std::optional<int> sysv_key{};
  Policy policy{};
  uint64_t cache_bytes = 0;
  uint64_t max_cache_bytes = 0;
  uint64_t size_bytes = 0;      // of header and heap, at creation
  uint64_t heap_limit = 0;      // largest size of both; 0: reserved_bytes
  uint64_t tail_bytes = 0;      // of memory beyond heap_limit, at creation
  uint64_t reserved_bytes = 0;  // of address space
  int mode = 0600;
  bool shared = true;  // false: memory of this process alone, no files
  // False: only this process and its forked children share it, without files.
  bool named = true;
  bool create = true;
  bool huge_pages = true;
  bool prefault = false;
  bool lock_memory = false;
  uint32_t signature = 0;
};

// The layer above the region: formats, checks, adopts and repairs its tables.
class RegionClient {
 public:
  virtual ~RegionClient() = default;
  // Builds the tables of a new region. No other process can see it yet.
  virtual absl::Status Format(const Thread& self) = 0;
  // Returns an error if a table that the root leads to has a wrong place or
  // wrong contents. Adds the chunks of the tables to `reached`. `alone`: no
  // other process is attached, so no table is being changed. Reads only.
  virtual absl::Status Check(bool alone, Reachable* reached) = 0;
  // Repairs the tables as far as possible and releases everything that the dead
  // held; see adopt.cc. Adds to `reached` the chunks that Check did not add.
  // Called only while no other process is attached.
  virtual void Adopt(const Thread& self, Reachable* reached,
                     RepairReport* report) = 0;
  // Forgets, without closing them, the fds that the program closed. Returns an
  // error if the layer needs one of them. EnterChild calls it first.
  virtual absl::Status ForgetLost() { return absl::OkStatus(); }
  // Repairs what `dead_process` left in this layer's tables; see repair.cc.
  // `is_dead` is true for each thread of a process that the caller repairs.
  virtual void RepairClient(const Thread& self, uint32_t dead_process,
                            const std::function<bool(uint32_t)>& is_dead,
                            RepairReport* report) = 0;
};

class Region : public LifeWatch {
 public:
  // Returns a region that is not attached yet. `home` has an absolute path. The
  // region opens the home's files through this open of the directory, even if
  // the path leads elsewhere later.
  static absl::StatusOr<std::unique_ptr<Region>> Prepare(
      os::File home, const RegionOptions& options);
  // A region that was mapped for inspection only.
  Region(std::unique_ptr<os::Mapping> mapping, const FixedHeader& fixed);
  // Creates, joins or adopts the region. `tenant` must outlive the attachment.
  // `gate`, if given, is the lock on byte 0, held by the caller. A join does
  // not repair dead processes: call RepairPredecessor and RepairAll afterwards.
  // NotFound if there is no region and options.create is false;
  // FailedPrecondition if the region is in use or made in a way that this
  // process cannot share; DataLoss if it is damaged; ResourceExhausted if all
  // process slots are taken.
  absl::Status Attach(RegionClient& tenant, const os::ByteLock* gate = nullptr);

  ~Region() override;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  std::byte* base() const { return base_; }
  RegionHeader* header() const { return header_; }
  uint64_t mapping_bytes() const { return mapping_->reserved_bytes(); }
  // Returns the bytes of the mapping that this process has in huge pages.
  uint64_t HugeBytes() const { return mapping_->HugeBytes(); }
  Shalloc& heap() { return heap_; }
  LifeWatch& watch() { return *this; }
  const os::File& home() const { return home_; }
  Attached attached() const { return attached_; }
  // True if the region exists and a forked child can reach it only by
  // inheritance.
  bool IsInheritedOnly() const {
    return options_.shared && !options_.named &&
           header_->magic.load(std::memory_order_acquire) == kMagic;
  }
  const FixedHeader& fixed() const { return fixed_; }
  // A number that distinguishes this region from every other region, also from
  // a copy of it.
  uint64_t creation() const { return creation_; }
  // For an adopter: the device number of the home's file system, and the
  // previous number if the file system was mounted again; see move.cc.
  uint64_t home_device() const { return home_identity_.device; }
  std::optional<uint64_t> moved_from() const { return moved_from_; }
  uint32_t process() const { return process_; }

  template <class T>
  T* At(uint64_t offset) const {
    return reinterpret_cast<T*>(base_ + offset);
  }
  uint64_t OffsetOf(const void* place) const {
    return static_cast<uint64_t>(static_cast<const std::byte*>(place) - base_);
  }
  // True if [offset, offset + size) lies inside the region's memory and
  // `offset` is a multiple of 8.
  bool Contains(uint64_t offset, uint64_t size) const {
    const uint64_t end =
        std::min(header_->size_bytes.load(std::memory_order_acquire),
                 mapping_bytes());
    return size <= end && offset <= end - size && offset % 8 == 0;
  }
  // Backs the heap up to `size_bytes`. ResourceExhausted beyond the heap limit.
  // REQUIRES: the heap latch.
  absl::Status Grow(uint64_t size_bytes);
  // Back and Release add and return memory beyond the heap, which belongs to
  // the tenant. Both calls can be repeated.
  absl::Status Back(uint64_t offset, uint64_t bytes) {
    MPOOL_RETURN_IF_ERROR(mapping_->Back(offset, bytes));
    return PrepareMemory(offset, bytes);
  }
  absl::Status Release(uint64_t offset, uint64_t bytes) {
    return mapping_->Release(offset, bytes);
  }
  // Prefaults and locks backed memory if the options say so. Each process does
  // this itself because page tables and memory locks are per process.
  absl::Status PrepareMemory(uint64_t offset, uint64_t bytes) const;
  bool prepares_memory() const { return prefault_ || lock_memory_; }
  // Turns on prefault or lock_memory, also for memory that is backed already.
  // `rest` prepares the tenant's memory. On failure the options stay as they
  // were. One call at a time.
  absl::Status PrepareMore(bool prefault, bool lock_memory,
                           const std::function<absl::Status()>& rest);

  // Returns FailedPrecondition if the home has a region with a name. Used
  // before memory without a name is made.
  absl::Status CheckNoOther() const;

  // Returns a number that no other attachment of this process and no forked
  // child has. Returns 0 in a child until EnterChild has returned.
  uint32_t generation() const {
    const uint32_t word = std::atomic_ref<uint32_t>(*marker_.word())
                              .load(std::memory_order_acquire);
    return word == kEntering ? 0 : word;
  }
  // True if the process is attached. Waits for a thread that is in EnterChild.
  bool HasEntered() const;
  // True in a forked child that is not attached and has no thread in
  // EnterChild.
  bool IsOutside() const {
    return std::atomic_ref<uint32_t>(*marker_.word()).load() == 0;
  }
  // Returns the address of the word behind generation(), so that a caller can
  // compare it with a stored generation. 0 and the two constants below are
  // never a generation.
  uint32_t* generation_word() const { return marker_.word(); }
  static constexpr uint32_t kEntering = ~uint32_t{0};
  static constexpr uint32_t kNoGeneration = kEntering - 1;
  // Attaches a forked child as a process of its own. `ready` gets the child's
  // generation and completes its setup before another of its threads may use
  // the region. If `ready` fails, the child is detached again. Unavailable if
  // another thread of the child failed; FailedPrecondition if the region is
  // gone.
  absl::Status EnterChild(
      const std::function<absl::Status(uint32_t)>& ready);

  // Returns the thread slot of the process itself. Its user must hold
  // process_mutex().
  Thread process_thread() const;
  std::mutex& process_mutex() { return *process_mutex_; }

  // Returns a slot for the calling thread. ResourceExhausted if all are taken.
  absl::StatusOr<Thread> RegisterThread();
  // Frees the slot of a thread that ends. If guards of the thread still hold
  // pages, the slot is freed later, and the call returns the slot's word.
  std::optional<uint64_t> UnregisterThread(const Thread& thread);
  // Makes a thread's leaving slot live again. False if the slot was freed, so
  // that its word is no longer `word`. REQUIRES: process_mutex().
  bool ResumeThread(const Thread& thread, uint64_t word);

  // Returns the slot of a thread id, or nullptr if there is none.
  ThreadSlot* SlotOf(uint32_t id) const;
  // Visits every slot that is not free, with its id and word. Sees each thread
  // that was registered before the call.
  template <class F>
  void ForEachThread(F&& visit) const;

  // Visits every slot that was ever in use, also if it is free now.
  template <class F>
  void ForEachSlot(F&& visit) const;
  bool IsLedgerEmpty(const Thread& thread) const;
  // Frees the images of a slot except the last `kept`.
  // REQUIRES: no thread has a page of the slot for update.
  void FreeImages(const Thread& self, ThreadSlot& slot, uint32_t kept);
  // Visits every ledger entry of a slot that may be in use.
  template <class Slot, class F>
  void ForEachEntry(Slot& slot, F&& visit) const;

  // Visits every image of a slot.
  template <class F>
  void ForEachImage(const ThreadSlot& slot, F&& visit) const;

  // LifeWatch.
  bool RepairIfDead(uint32_t suspect, uint32_t self) override;
  // Repairs the dead predecessor in this process's slot, if there is one.
  // REQUIRES: the tenant can repair, and no thread has registered.
  void RepairPredecessor(RepairReport* report);
  // Probes every process and repairs the dead.
  void RepairAll(const Thread& self, RepairReport* report);
  // Repairs the dead and waits up to `patience` for repairs by other processes,
  // so that everything that the dead held is released afterwards. Returns false
  // if such a repair is still under way.
  bool RepairAndWait(const Thread& self,
                     absl::Duration patience = absl::Seconds(1));
  // Sets the callback for each repair that this process finished.
  void set_on_repair(std::function<void(const RepairReport&)> callback) {
    on_repair_ = std::move(callback);
  }
  // Passes pages that were lost without a death to that callback.
  void ReportRepair(const RepairReport& report) const {
    if (on_repair_ != nullptr) on_repair_(report);
  }

  // Returns the calling process's clock as a ProcessSlot keeps it: the
  // nanoseconds by which it is ahead of the machine's clock, plus 2^63. Returns
  // 0 if they are unknown.
  static uint64_t OwnClock();
  // Returns os::CoarseNs() on the clock of the slot's process. `own` is the
  // caller's OwnClock(). nullopt if one of the clocks is unknown.
  static std::optional<uint64_t> NowOf(const ProcessSlot& slot, uint64_t own);
  // Returns the same for the process of a thread id; nullopt also if the caller
  // is not attached.
  std::optional<uint64_t> NowOf(uint32_t thread_id) const;

  // Returns the process slot of a thread id, or 0.
  uint32_t ProcessSlotOf(uint32_t thread_id) const;
  static std::string CommandOf(const ProcessSlot& slot);
  // Returns the pid of a thread id's process, or 0.
  uint32_t PidOf(uint32_t thread_id) const;
  // Returns a thread id in words: "process 12 (name), thread 3".
  std::string Describe(uint32_t thread_id) const;

  // Locks byte 0 and returns the lock. Sets *is_last to true if no other
  // process is attached. The last leaver writes back between BeginLeave and
  // Leave. Fails if byte 0 cannot be locked.
  absl::StatusOr<os::ByteLock> BeginLeave(bool* is_last);
  // Frees the slots, then drops the gate. With `closes`, the last leaver ends a
  // region without a name. REQUIRES: no thread of the process uses the region,
  // now or later.
  void Leave(os::ByteLock gate, bool closes = true);

 private:
  Region(os::File home, const RegionOptions& options);

  template <class F>
  void ForEachSlotWithId(F&& visit) const;
  absl::Status AttachLocked();
  absl::Status AttachShared();
  absl::Status AttachUnnamed();
  absl::Status ClaimHome() const;
  absl::Status Create(const std::optional<FixedHeader>& old, Origin origin);
  absl::Status Join(const FixedHeader& descriptor, bool* unsound);
  absl::Status FormatRegion(const FixedHeader& fixed);
  bool AwaitNobody() const;
  absl::StatusOr<uint32_t> JoinAsChild(
      const std::function<absl::Status(uint32_t)>& ready);
  absl::Status CheckStillThere() const;
  void ForgetLost();
  absl::StatusOr<bool> IsAlone() const;
  void FillSizes(FixedHeader* fixed) const;
  absl::Status CheckPermissions() const;
  absl::Status ClaimProcessSlot(bool may_succeed);
  absl::StatusOr<bool> TryClaimFree(uint32_t slot);
  absl::StatusOr<bool> TrySucceed(uint32_t slot);
  void Use(std::unique_ptr<os::Mapping> mapping, const FixedHeader& fixed);
  void BeginGeneration();
  void MarkLive(uint32_t slot);
  void WriteIdentity();
  absl::StatusOr<uint32_t> ClaimThreadSlot();
  void ReapLeaving();

  // adopt.cc
  absl::Status CannotAdopt(absl::string_view why) const;
  absl::Status CheckTables(bool alone, Reachable* reached);
  void AdoptIdle(Reachable* reached);
  void CutThreads(Reachable* reached, RepairReport* report);
  void ClearAllLedgers(RepairReport* report);
  void NoteTheDead(RepairReport* report) const;
  void FreeAllSlots();
  template <class F>
  void ForEachSlotThere(F&& visit) const;

  // repair.cc
  bool IsLocked(uint32_t process) const;
  bool IsClaimedByLiving(const ProcessWord& word) const;
  bool ClaimRepair(uint32_t process);
  DeadThreads ThreadsOf(uint32_t process) const;
  void ClearLedgers(const DeadThreads& dead, RepairReport* report);
  void FreeThread(const Thread& self, uint32_t id);
  void ClearImages(ThreadSlot& slot);
  void RepairRows(const Thread& self, uint32_t process,
                  const DeadThreads& dead, RepairReport* report);
  void RepairProcess(const Thread& self, uint32_t process,
                     RepairReport* report);

  os::File home_;
  os::FileIdentity home_identity_;
  const RegionOptions options_{};
  // The options that PrepareMore can turn on later.
  std::atomic<bool> prefault_ = false;
  std::atomic<bool> lock_memory_ = false;
  std::optional<os::LockFile> lock_file_;
  std::unique_ptr<os::Mapping> mapping_;
  std::byte* base_ = nullptr;
  RegionHeader* header_ = nullptr;
  FixedHeader fixed_;  // a sound copy
  Shalloc heap_{*this};
  Attached attached_ = Attached::kCreated;
  RegionClient* tenant_ = nullptr;
  os::ByteLock life_;
  uint32_t process_ = 0;
  uint64_t creation_ = 0;
  std::optional<uint64_t> moved_from_;
  // Threads of the dead predecessor in this process's slot. Empty after their
  // repair.
  DeadThreads inherited_;
  os::ForkMarker marker_;
  // A forked child constructs it again in place because a thread of the parent
  // may have held it.
  std::unique_ptr<std::mutex> process_mutex_;
  std::function<void(const RepairReport&)> on_repair_;
};

template <class F>
void Region::ForEachSlot(F&& visit) const {
  ForEachSlotWithId([&](uint32_t, ThreadSlot& slot) { visit(slot); });
}

template <class F>
void Region::ForEachSlotWithId(F&& visit) const {
  const uint32_t processes = std::min(
      header_->process_high_water.load(std::memory_order_seq_cst),
      kMaxProcesses);
  for (uint32_t id = 1; id <= processes; ++id) {
    visit(id, header_->process_threads[id - 1]);
  }
  const uint32_t threads = std::min(
      header_->thread_high_water.load(std::memory_order_seq_cst), kMaxThreads);
  for (uint32_t id = kMaxProcesses + 1; id <= threads; ++id) {
    if (ThreadSlot* slot = SlotOf(id)) visit(id, *slot);
  }
}

// Does not use the high-water marks, because they may be damaged.
template <class F>
void Region::ForEachSlotThere(F&& visit) const {
  for (uint32_t id = 1; id <= kMaxThreads; ++id) {
    if (ThreadSlot* slot = SlotOf(id)) visit(id, *slot);
  }
}

template <class F>
void Region::ForEachThread(F&& visit) const {
  ForEachSlotWithId([&](uint32_t id, ThreadSlot& slot) {
    const ThreadWord word =
        ThreadWord::Unpack(slot.word.load(std::memory_order_seq_cst));
    if (word.state != ThreadState::kFree) visit(id, slot, word);
  });
}

template <class Slot, class F>
void Region::ForEachEntry(Slot& slot, F&& visit) const {
  const uint32_t used =
      std::min(slot.used.load(std::memory_order_seq_cst), kLedgerEntries);
  for (uint32_t i = 0; i < used; ++i) visit(slot.entries[i]);
  uint64_t at = slot.overflow.load(std::memory_order_seq_cst);
  for (uint32_t i = 0; i < kMaxOverflows && at != 0; ++i) {
    if (!Contains(at, sizeof(LedgerOverflow))) return;
    LedgerOverflow* block = At<LedgerOverflow>(at);
    for (std::atomic<uint64_t>& entry : block->entries) visit(entry);
    at = block->next.load(std::memory_order_seq_cst);
  }
}

// Makes a free thread slot a live slot of `process`. False if it is not free.
bool ClaimWord(std::atomic<uint64_t>* word, uint32_t process);

template <class F>
void Region::ForEachImage(const ThreadSlot& slot, F&& visit) const {
  uint64_t at = slot.images.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < kMaxImagesPerThread && at != 0; ++i) {
    if (!Contains(at, sizeof(Image))) return;
    Image* image = At<Image>(at);
    if (!Contains(at, sizeof(Image) + image->room.load())) return;
    visit(*image);
    at = image->next.load(std::memory_order_acquire);
  }
}

// Holds byte 0 of a home without attached processes, so that the region can be
// removed.
class RegionRemover {
 public:
  // Locks byte 0. FailedPrecondition, naming a slot, if a process is attached.
  static absl::StatusOr<RegionRemover> Begin(os::File home);
  // The home's descriptor; nullopt if there is no sound one.
  const std::optional<FixedHeader>& descriptor() const { return descriptor_; }
  const os::ByteLock& gate() const { return gate_; }
  // Removes segment, descriptor and lock file in this order.
  absl::Status Finish();

 private:
  // Behind a pointer because the lock file keeps a pointer to it.
  std::unique_ptr<os::File> home_;
  os::ByteLock gate_;
  std::optional<FixedHeader> descriptor_;
};

// A home's descriptor and its region, mapped read-only.
struct Inspection {
  std::unique_ptr<os::Mapping> mapping;
  FixedHeader fixed;
};
// Inspects a home without a lock and without a slot. NotFound if there is no
// environment; Unavailable if its region is being made or removed; DataLoss if
// the region cannot be used; FailedPrecondition as CheckLayout.
absl::StatusOr<Inspection> InspectRegion(const os::File& dir,
                                         uint32_t signature);

// Returns FailedPrecondition if the register is newer than the region and the
// memory is in use. In that case the first register, with the locks of the
// attached processes, was removed.
// REQUIRES: no process holds a lock of the register that exists now.
absl::Status CheckRegister(const os::File& home,
                           const FixedHeader& descriptor);
// Returns the descriptor of a home; nullopt if the file is absent or not sound.
absl::StatusOr<std::optional<FixedHeader>> ReadDescriptor(const os::File& home);
// Returns FailedPrecondition, naming both sides, if `fixed` was made by another
// version or layout of the library.
absl::Status CheckLayout(const FixedHeader& fixed, uint32_t signature,
                         std::string_view home);
// Stores the CRC of the copy.
void Seal(FixedHeader* fixed);
// True if the copy is whole.
bool IsSealed(const FixedHeader& fixed);
// Returns the number that names of memory contain to distinguish the creations
// of a region.
uint64_t CreationOf(const FixedHeader& fixed);
inline constexpr std::string_view kOfAnotherCreation =
    "its memory belongs to another creation";
// Returns why the descriptor does not belong to this directory; empty if it
// does.
absl::StatusOr<std::string_view> CheckDescriptor(const os::File& home,
                                          const FixedHeader& descriptor);
// True if the descriptor was made in this directory while its file system was
// mounted under another device number. FailedPrecondition if its memory is in
// use. REQUIRES: the gate, unless the caller only inspects.
absl::StatusOr<bool> HasMoved(const os::File& home,
                              const FixedHeader& descriptor);
// If the home has moved, writes its present device number to the descriptor and
// renames the memory accordingly. The adopter completes the move by EndMove.
// REQUIRES: the gate, and no process is attached.
absl::Status FollowHome(const os::File& home, FixedHeader* descriptor);
absl::Status EndMove(const os::File& home, const FixedHeader& descriptor);
// Replaces the descriptor of a home.
absl::Status WriteDescriptor(const os::File& home, const FixedHeader& fixed);
// Returns the copy of a region's header that is whole; nullptr if none is.
const FixedHeader* SoundCopy(const RegionHeader& header);

// Returns the error for opening or removing a home that processes use with
// memory without a name. `verb` names the attempt.
absl::Status InUseUnnamed(std::string_view verb, const os::File& home);

// Names below the home.
inline constexpr char kRegisterName[] = "__db.register";
inline constexpr char kDescriptorName[] = "__db.001";

}  // namespace mpool::region

#endif  // MPOOL_REGION_REGION_H_
