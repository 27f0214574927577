// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// region.h - a process's handle on the shared memory of an environment: create
// or join it, register threads, leave it.
//
// Role:        hides where the memory comes from, who else is attached and who
//              is dead. The layer above formats what is inside and repairs it.
// Concurrency: all calls are thread-safe but for Open and Leave.
// Invariants:  R1 creation, join, last close, removal and adoption hold the
//              lock on byte 0 of __db.register.
//              R2 a slot is live only while its byte is locked, or its process
//              is dead.
//              R3 the region's name is on disk before the region exists.
//              R4 magic is written last.
// Crash:       during creation: no holder and no magic, so the next one creates
//              again. Later: repair.h.

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

// A thread as the region knows it.
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
  uint64_t heap_limit = 0;      // up to which they may grow; 0: all there is
  uint64_t tail_bytes = 0;      // of memory beyond heap_limit, at creation
  uint64_t reserved_bytes = 0;  // of address space
  int mode = 0600;
  bool shared = true;  // false: memory of this process alone, no files
  // False: forked children alone share it; no files either.
  bool named = true;
  bool create = true;
  bool huge_pages = true;
  bool prefault = false;
  bool lock_memory = false;
  uint32_t signature = 0;
};

// What the layer above does to a region.
class Tenant {
 public:
  virtual ~Tenant() = default;
  // Builds the tables of a new region. Nobody else sees it yet.
  virtual absl::Status Format(const Thread& self) = 0;
  // Whether the tables that the root leads to are where and what they must be;
  // adds their chunks to `reached`. `alone`: nobody else is attached, so none
  // of them is in motion. Reads only.
  virtual absl::Status Check(bool alone, Reachable* reached) = 0;
  // Nobody else is attached: mends what can be mended and frees what the dead
  // held, see adopt.cc. Adds to `reached` the chunks that Check did not.
  virtual void Adopt(const Thread& self, Reachable* reached,
                     RepairReport* report) = 0;
  // In a forked child, before all else: leaves fds alone that the program
  // closed, and tells if it cannot do without one.
  virtual absl::Status ForgetLost() { return absl::OkStatus(); }
  // Rows of the death table that are above this layer; see repair.cc.
  virtual void RepairTenant(const Thread& self, uint32_t dead_process,
                            const std::function<bool(uint32_t)>& is_dead,
                            RepairReport* report) = 0;
};

class Region : public LifeWatch {
 public:
  // A region that is not attached yet. `home` has an absolute path; what is
  // below it is reached through this open of it, whatever has the path by then.
  static absl::StatusOr<std::unique_ptr<Region>> Prepare(
      os::File home, const RegionOptions& options);
  // A region that was mapped for looking only.
  Region(std::unique_ptr<os::Mapping> mapping, const FixedHeader& fixed);
  // Creates, joins or adopts. `tenant` must outlive the attachment.
  // Who joined has not repaired the dead yet: call RepairPredecessor and
  // RepairAll next.
  // `gate`, if given, is byte 0, held by the caller.
  absl::Status Attach(Tenant& tenant, const os::ByteLock* gate = nullptr);

  ~Region() override;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  std::byte* base() const { return base_; }
  RegionHeader* header() const { return header_; }
  uint64_t mapping_bytes() const { return mapping_->reserved_bytes(); }
  // Of it, what this process has in huge pages.
  uint64_t HugeBytes() const { return mapping_->HugeBytes(); }
  Shalloc& heap() { return heap_; }
  LifeWatch& watch() { return *this; }
  const os::File& home() const { return home_; }
  Attached attached() const { return attached_; }
  // Whether a forked child finds the region only by what it inherited.
  bool IsInheritedOnly() const {
    return options_.shared && !options_.named &&
           header_->magic.load(std::memory_order_acquire) == kMagic;
  }
  const FixedHeader& fixed() const { return fixed_; }
  // A number that no other region has, nor a copy of this one.
  uint64_t creation() const { return creation_; }
  // For an adopter: the device number of the home's file system, and the one
  // before if it was mounted again; see move.cc.
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
  // Whether [offset, offset + size) lies inside the region's memory, at a
  // place that its words can have.
  bool Contains(uint64_t offset, uint64_t size) const {
    const uint64_t end =
        std::min(header_->size_bytes.load(std::memory_order_acquire),
                 mapping_bytes());
    return size <= end && offset <= end - size && offset % 8 == 0;
  }
  // Backs the heap up to `size_bytes`. REQUIRES: the heap latch.
  absl::Status Grow(uint64_t size_bytes);
  // What is beyond the heap is the tenant's: it has memory there when it asks
  // for it, and until it gives it back. Both are safe to repeat.
  absl::Status Back(uint64_t offset, uint64_t bytes) {
    MPOOL_RETURN_IF_ERROR(mapping_->Back(offset, bytes));
    return PrepareMemory(offset, bytes);
  }
  absl::Status Release(uint64_t offset, uint64_t bytes) {
    return mapping_->Release(offset, bytes);
  }
  // What each process does for itself with memory that is there: page tables
  // and locks are its own.
  absl::Status PrepareMemory(uint64_t offset, uint64_t bytes) const;
  bool prepares_memory() const { return prefault_ || lock_memory_; }
  // Does that from now on, also for memory that is there; `rest` for the
  // tenant's. On failure as before. One call at a time.
  absl::Status PrepareMore(bool prefault, bool lock_memory,
                           const std::function<absl::Status()>& rest);

  // For memory without a name: FailedPrecondition if the home has a region that
  // has one.
  absl::Status CheckNoOther() const;

  // A number that no other attachment of this process has, nor has a forked
  // child: 0 in a child until EnterChild has returned.
  uint32_t generation() const {
    const uint32_t word = std::atomic_ref<uint32_t>(*marker_.word())
                              .load(std::memory_order_acquire);
    return word == kEntering ? 0 : word;
  }
  // Whether the process is in; waits for a thread that is coming in.
  bool HasEntered() const;
  // Whether it is a forked child of which no thread is in or coming in.
  bool IsOutside() const {
    return std::atomic_ref<uint32_t>(*marker_.word()).load() == 0;
  }
  // Where it stands, for who compares it with one that he was given: 0 and the
  // two values below are no generation's.
  uint32_t* generation_word() const { return marker_.word(); }
  static constexpr uint32_t kEntering = ~uint32_t{0};
  static constexpr uint32_t kNoGeneration = kEntering - 1;
  // In a forked child: attaches the child as a process of its own. `ready` gets
  // its generation and ends what the child must do before another of its
  // threads may go on; if it fails, the child is out again.
  absl::Status EnterChild(
      const std::function<absl::Status(uint32_t)>& ready);

  // The slot that belongs to the process itself. Its holder must hold
  // process_mutex().
  Thread process_thread() const;
  std::mutex& process_mutex() { return *process_mutex_; }

  // A slot for the calling thread. ResourceExhausted when all are taken.
  absl::StatusOr<Thread> RegisterThread();
  // The thread ends. With guards still out its slot is freed later; then
  // returns the slot's word.
  std::optional<uint64_t> UnregisterThread(const Thread& thread);
  // The thread goes on in its slot. False if the slot has another word by now:
  // it was freed. REQUIRES: process_mutex().
  bool ResumeThread(const Thread& thread, uint64_t word);

  // The slot of a thread id, or nullptr if there is none.
  ThreadSlot* SlotOf(uint32_t id) const;
  // Every slot that was ever in use, with its word. Sees each thread that was
  // registered before the call.
  template <class F>
  void ForEachThread(F&& visit) const;

  // Every slot that was ever in use, whoever has it now.
  template <class F>
  void ForEachSlot(F&& visit) const;
  bool IsLedgerEmpty(const Thread& thread) const;
  // Gives back the images of a slot but for the last `kept`.
  // REQUIRES: nobody has a page of the slot for update.
  void FreeImages(const Thread& self, ThreadSlot& slot, uint32_t kept);
  // Every ledger entry of a slot that may be in use.
  template <class Slot, class F>
  void ForEachEntry(Slot& slot, F&& visit) const;

  // Every image of a slot.
  template <class F>
  void ForEachImage(const ThreadSlot& slot, F&& visit) const;

  // LifeWatch.
  bool Suspect(uint32_t suspect, uint32_t self) override;
  // Repairs the dead process whose slot this one took, if it did.
  // REQUIRES: the tenant can repair, and no thread has registered.
  void RepairPredecessor(RepairReport* report);
  // Looks at every process and repairs the dead.
  void RepairAll(const Thread& self, RepairReport* report);
  // So that what the dead had is free after it: also lets those finish who
  // repair somebody now, for a second at most.
  void RepairAndWait(const Thread& self);
  // Called with each repair that this process finished.
  void set_on_repair(std::function<void(const RepairReport&)> callback) {
    on_repair_ = std::move(callback);
  }
  // Tells it of pages that were lost without a death.
  void TellRepair(const RepairReport& report) const {
    if (on_repair_ != nullptr) on_repair_(report);
  }

  // Which clock the calling process has, as a ProcessSlot keeps it: what it is
  // ahead of the machine's, plus 2^63; 0 if that is unknown.
  static uint64_t OwnClock();
  // os::CoarseNs() by the clock of the slot's process, as the caller sees it,
  // whose clock is `own`; nullopt if one of the clocks is unknown.
  static std::optional<uint64_t> NowOf(const ProcessSlot& slot, uint64_t own);
  // The same of the process behind a thread id, for an attached process.
  std::optional<uint64_t> NowOf(uint32_t thread_id) const;

  // The process slot behind a thread id, or 0.
  uint32_t ProcessSlotOf(uint32_t thread_id) const;
  static std::string CommandOf(const ProcessSlot& slot);
  // The pid behind a thread id, or 0.
  uint32_t PidOf(uint32_t thread_id) const;
  // The process behind a thread id: "process 12 (name), thread 3".
  std::string Describe(uint32_t thread_id) const;

  // Leaving, in two steps, so that the last one can write back in between.
  // Begin takes byte 0; is_last tells whether no other process is attached.
  absl::StatusOr<os::ByteLock> BeginLeave(bool* is_last);
  // Frees the slots; the gate goes last. With `closes`, the last one ends a
  // region without a name. REQUIRES: no thread of the process is inside, nor
  // comes.
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
  // Of them, what may be asked for later.
  std::atomic<bool> prefault_ = false;
  std::atomic<bool> lock_memory_ = false;
  std::optional<os::LockFile> lock_file_;
  std::unique_ptr<os::Mapping> mapping_;
  std::byte* base_ = nullptr;
  RegionHeader* header_ = nullptr;
  FixedHeader fixed_;  // a sound copy
  Shalloc heap_{*this};
  Attached attached_ = Attached::kCreated;
  Tenant* tenant_ = nullptr;
  os::ByteLock life_;
  uint32_t process_ = 0;
  uint64_t creation_ = 0;
  std::optional<uint64_t> moved_from_;
  // Threads of the dead process whose slot this one took, until they are
  // repaired.
  DeadThreads inherited_;
  os::ForkMarker marker_;
  // Behind a pointer: a forked child leaves a held one behind and takes a new.
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

// Whatever the marks of the highest slot in use say.
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

// A thread slot, free until now, becomes that of a process.
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

// Holds byte 0 of a home that nobody is attached to, so that it can be removed.
class RegionRemover {
 public:
  // FailedPrecondition, naming a slot, if a process is attached.
  static absl::StatusOr<RegionRemover> Begin(os::File home);
  // What the home's descriptor says; nullopt if there is none that is sound.
  const std::optional<FixedHeader>& descriptor() const { return descriptor_; }
  const os::ByteLock& gate() const { return gate_; }
  // Segment, descriptor and lock file go.
  absl::Status Finish();

 private:
  // Behind a pointer, for the lock file keeps a pointer to it.
  std::unique_ptr<os::File> home_;
  os::ByteLock gate_;
  std::optional<FixedHeader> descriptor_;
};

// Reads a home's descriptor and maps its region read-only, for looking only.
// Takes no lock and no slot.
struct Inspection {
  std::unique_ptr<os::Mapping> mapping;
  FixedHeader fixed;
};
absl::StatusOr<Inspection> InspectRegion(const os::File& dir,
                                         uint32_t signature);

// FailedPrecondition if the register was made later than the region, and the
// memory is in use: the first one, with the locks of those inside, was removed.
// REQUIRES: nobody holds a lock of the register that is there.
absl::Status CheckRegister(const os::File& home,
                           const FixedHeader& descriptor);
// The descriptor of a home; nullopt if the file is absent or not sound.
absl::StatusOr<std::optional<FixedHeader>> ReadDescriptor(const os::File& home);
// FailedPrecondition naming both sides, if `fixed` was made by another version
// or layout of the library.
absl::Status CheckLayout(const FixedHeader& fixed, uint32_t signature,
                         std::string_view home);
// Seals the copy, and tells whether a copy is whole.
void Seal(FixedHeader* fixed);
bool IsSealed(const FixedHeader& fixed);
// What tells one creation of a region from another, in the names of its memory.
uint64_t CreationOf(const FixedHeader& fixed);
inline constexpr std::string_view kOfAnotherCreation =
    "its memory belongs to another creation";
// Why the descriptor is not one that was made in this directory; empty if it
// is.
absl::StatusOr<std::string_view> WhyNotOf(const os::File& home,
                                          const FixedHeader& descriptor);
// Whether the descriptor was made in this directory when its file system was
// mounted under another device number. FailedPrecondition if its memory is in
// use. REQUIRES: the gate, or a look only.
absl::StatusOr<bool> HasMoved(const os::File& home,
                              const FixedHeader& descriptor);
// Brings descriptor and memory to the device number that the home has now, if
// it has moved. Whoever adopts the region ends that by EndMove.
// REQUIRES: the gate, and nobody is attached.
absl::Status FollowHome(const os::File& home, FixedHeader* descriptor);
absl::Status EndMove(const os::File& home, const FixedHeader& descriptor);
// Replaces the descriptor of a home.
absl::Status WriteDescriptor(const os::File& home, const FixedHeader& fixed);
// The copy of a region's header that is whole; nullptr if none is.
const FixedHeader* SoundCopy(const RegionHeader& header);

// The error of who comes to a home that is in use without a name.
absl::Status InUseUnnamed(std::string_view verb, const os::File& home);

// Names below the home.
inline constexpr char kRegisterName[] = "__db.register";
inline constexpr char kDescriptorName[] = "__db.001";

}  // namespace mpool::region

#endif  // MPOOL_REGION_REGION_H_
