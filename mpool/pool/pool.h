// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// pool.h - the cache: owns the parts and implements one operation per file.
//
//   hit.h      get and put of a page that is in memory and free to read
//   get.cc     get of a page that is in memory; waits for its owner
//   put.cc     put of a page
//   undo.cc    put for update during the unwinding of the stack
//   load.cc    get of a page that is not in memory: frame, slot, read
//   victim.cc  source of free frames
//   balance.cc share of each page size in the memory
//   resize.cc  growing and shrinking the cache
//   sync.cc    write-back of all pages, fsync, last close
//   repair.cc  repair after dead processes
//   panic.cc   refusal of all gets until the owner has recovered
//   stats.cc   statistics
//   late.cc    calls of a thread without thread-local objects
//
// Concurrency: any thread may make any call at any time.

#ifndef MPOOL_MPOOL_POOL_POOL_H_
#define MPOOL_MPOOL_POOL_POOL_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/evict/policy.h"
#include "mpool/files/files.h"
#include "mpool/memory/frames.h"
#include "mpool/options.h"
#include "mpool/page.h"
#include "mpool/page/hash_table.h"
#include "mpool/page/images.h"
#include "mpool/page/ledger.h"
#include "mpool/page/page_latch.h"
#include "mpool/page/thread_context.h"
#include "mpool/stats.h"
#include "mpool/write/file_sync.h"
#include "mpool/write/write_back.h"
#include "region/region.h"

namespace mpool::internal {

// True if the process of the slot is alive.
using HolderProbe = std::function<bool(uint32_t process_slot)>;
// Returns the pins, latches and frames that threads hold. Takes no latch.
std::vector<Holding> HoldingsOf(const region::Region& region,
                                const FrameTable& frames,
                                const FileTable& files,
                                const HolderProbe& is_alive);

class Pool final : public region::RegionClient {
 public:
  // Returns a hash of the layout of every shared struct. Processes with
  // different signatures cannot share a region.
  static uint32_t Signature();

  // Registers fork handlers, so that no fork copies this process's latches or
  // tables in the middle of a change. Call once.
  static void WatchForks();

  // REQUIRES: `region` outlives the pool and is not attached yet.
  explicit Pool(region::Region& region);
  ~Pool() override;

  // Finds the pool's tables in the attached region. Lists the pool, so that
  // ending threads and forks find it. Returns FailedPrecondition if the library
  // does not know the region's policy.
  absl::Status Start();
  // Prepares the page memory for another handle of this process: `prefault`
  // fills the page tables, `lock_memory` locks the memory.
  absl::Status PrepareMore(bool prefault, bool lock_memory);
  // Closes all files and unlists the pool. Threads that end later do not use
  // it.
  void Stop();

  // region::RegionClient.
  absl::Status Format(const region::Thread& self) override;
  absl::Status Check(bool alone, region::Reachable* reached) override;
  void Adopt(const region::Thread& self, region::Reachable* reached,
             RepairReport* report) override;
  void RepairClient(const region::Thread& self, uint32_t dead_process,
                    const std::function<bool(uint32_t)>& is_dead,
                    RepairReport* report) override;
  absl::Status ForgetLost() override { return files_.ForgetLost(); }

  absl::StatusOr<OpenedFile> OpenFile(const FileTable::Request& request);
  // Closes one handle. Writes back the file's dirty pages first if it is the
  // last handle of all processes. On an error the file stays open.
  absl::Status CloseFile(const OpenedFile& file);

  // Get and PutShared are in hit.h.
  absl::StatusOr<ReadPage> Get(const OpenedFile& file, PageNo page,
                               const GetOptions& options);
  // `in_group`: always keeps a before-image, also if the file's options refuse
  // images. A poisoned page is then an error, also with `create`: it has no
  // before-image, so the caller must overwrite it outside the group.
  absl::StatusOr<WritePage> GetForUpdate(const OpenedFile& file, PageNo page,
                                         const GetOptions& options,
                                         bool in_group = false);
  absl::StatusOr<WritePage> New(const OpenedFile& file);
  void PutShared(const Pin& pin);
  void PutExclusive(const Pin& pin, bool changed);
  // Discards the change: puts the page back as it was at its get, or poisons it
  // if no copy of that is left; see undo.cc.
  void Undo(const Pin& pin);
  void SetLsn(const Pin& pin, Lsn lsn) const;

  // Writes back and fsyncs one file, or all.
  absl::Status Sync(std::optional<uint32_t> file, absl::Duration wait);
  // Syncs and closes kept descriptors of files that this process does not have
  // open, until at most `most` are left.
  absl::Status TrimKept(size_t most,
                        absl::Duration wait = absl::ZeroDuration());
  // Writes back all pages, and fsyncs if `durable`. The last leaver calls this.
  absl::Status WriteBackAll(bool durable);

  absl::StatusOr<RepairReport> FailCheck();
  absl::Status Resize(uint64_t bytes);

  // Returns the panic error if every get of this process is refused, else Ok.
  absl::Status CheckPanic() const;
  // Returns the panic error of processes that are not recovering, else Ok.
  absl::Status PanicOfAll() const;
  // Lets this process keep working during the current panic, for recovery.
  void AllowPanicked();
  absl::Status ClearPanic();

  EnvStats Stats() const;
  // Returns the statistics of a region that is mapped for reading only.
  static EnvStats StatsOf(const region::Region& region,
                          const FrameTable& frames, const FileTable& files,
                          const region::HeapStats& heap);

  // Returns the guards that threads of this process hold, each as "page N of
  // FILE"; for one file, or for all.
  std::vector<std::string> Guards(std::optional<uint32_t> file) const;

  region::Region& region() { return region_; }
  FileTable& files() { return files_; }
  FrameTable& frames() { return frames_; }
  WriteBack& write_back() { return write_back_; }

 private:
  friend class Group;
  friend class PoolTester;

  // A get that left the hit path.
  struct Request {
    const OpenedFile* file = nullptr;
    PageNo page = 0;
    uint64_t key = 0;
    uint64_t hash = 0;
    Mode mode = Mode::kShared;
    bool create = false;
    bool scan = false;
    bool fresh = false;  // New has just reserved this page number
    bool keep_image = false;
    bool in_group = false;
    mutable BufferHeader* frame = nullptr;  // given to the first load
    os::Deadline deadline{absl::InfiniteDuration()};
  };

  // The calling thread's context for the duration of a call.
  class Caller {
   public:
    // `late`: the pool if the thread slot serves this call only, else nullptr.
    explicit Caller(ThreadContext* context, Pool* late = nullptr)
        : context_(context), late_(late) {}
    Caller(Caller&& other) noexcept
        : context_(other.context_),
          late_(std::exchange(other.late_, nullptr)) {}
    Caller& operator=(Caller&&) = delete;
    ~Caller() {
      if (late_ != nullptr) [[unlikely]] late_->EndLate(*context_);
    }
    ThreadContext& operator*() const { return *context_; }
    ThreadContext* operator->() const { return context_; }

   private:
    ThreadContext* context_;
    Pool* late_;
  };

  // Returns the calling thread's context. Registers the thread at its first
  // call.
  absl::StatusOr<Caller> Self() {
    if (IsCached()) return Caller(last_context.context);
    return RegisterSelf();
  }
  // Returns region_.generation(), with one load less.
  uint32_t generation() const {
    return std::atomic_ref<uint32_t>(*generation_)
        .load(std::memory_order_relaxed);
  }
  // True if last_context is the calling thread's context in this attachment.
  bool IsCached() const { return last_context.generation == generation(); }
  absl::StatusOr<Caller> RegisterSelf();
  absl::StatusOr<region::Thread> NewThread();
  void Unlist();
  absl::Status EnterChild();

  // late.cc
  struct LateThread {
    ThreadContext context;
    bool in_call = true;
    uint64_t word = 0;  // the slot's word between calls
  };
  absl::StatusOr<Caller> BeginLate();
  void EndLate(ThreadContext& context);

  Pin MakePin(const ThreadContext& self, BufferHeader& header,
              EntryWord* entry) const;
  bool NoteHit(ThreadContext& self, BufferHeader& header);
  Request MakeRequest(const OpenedFile& file, PageNo page, Mode mode,
                      const GetOptions& options) const;

  static Mode ModeOf(const GetOptions& options) {
    static_assert(static_cast<uint64_t>(Latch::kShared) + 1 ==
                  static_cast<uint64_t>(Mode::kShared));
    static_assert(static_cast<uint64_t>(Latch::kNone) + 1 ==
                  static_cast<uint64_t>(Mode::kPin));
    return static_cast<Mode>(static_cast<uint64_t>(options.latch) + 1);
  }

  // hit.h
  absl::StatusOr<ReadPage> TryHit(ThreadContext& self, const OpenedFile& file,
                                  uint64_t key, const GetOptions& options,
                                  FrameIndex frame);

  // get.cc: the calls that leave the hit path. `published`: an entry to
  // withdraw first, or nullptr.
  [[gnu::noinline]] absl::StatusOr<ReadPage> GetFromBucket(
      const OpenedFile& file, PageNo page, const GetOptions& options) noexcept;
  [[gnu::noinline]] absl::StatusOr<ReadPage> GetSlow(
      const OpenedFile& file, PageNo page, const GetOptions& options,
      EntryWord* published) noexcept;
  [[gnu::noinline]] ReadPage FlushHits(ThreadContext& self,
                                       BufferHeader& header,
                                       EntryWord* entry) noexcept;
  absl::StatusOr<Pin> GetUntilGranted(ThreadContext& self,
                                      const Request& request);
  absl::StatusOr<std::optional<Pin>> TryResident(ThreadContext& self,
                                                 const Request& request,
                                                 BufferHeader& header);
  absl::StatusOr<std::optional<Pin>> EnterShared(ThreadContext& self,
                                                 const Request& request,
                                                 BufferHeader& header,
                                                 bool reentrant);
  absl::StatusOr<std::optional<Pin>> EnterExclusive(ThreadContext& self,
                                                    const Request& request,
                                                    BufferHeader& header);
  void KeepImage(region::Image& image, const BufferHeader& header);
  absl::StatusOr<std::optional<Pin>> Overwrite(ThreadContext& self,
                                               const Request& request,
                                               BufferHeader& header);
  absl::Status WaitForOwner(ThreadContext& self, const Request& request,
                            BufferHeader& header);
  absl::Status Poisoned(const Request& request,
                        const BufferHeader& header) const;

  // load.cc: nullopt if another thread loads the page.
  absl::StatusOr<std::optional<Pin>> Load(ThreadContext& self,
                                          const Request& request);
  absl::StatusOr<bool> PublishSlot(ThreadContext& self, const Request& request,
                                   BufferHeader& header);
  absl::Status Fill(ThreadContext& self, const Request& request,
                    BufferHeader& header, bool exists);
  void Unload(ThreadContext& self, const Request& request,
              BufferHeader& header);

  // victim.cc
  enum class Evicted { kFreed, kDirty, kBusy };
  absl::StatusOr<BufferHeader*> TakeFrame(ThreadContext& self,
                                          uint32_t page_class,
                                          const os::Deadline& deadline);
  absl::StatusOr<BufferHeader*> TakeVictim(ThreadContext& self,
                                           uint32_t page_class);
  Evicted TryEvict(ThreadContext& self, BufferHeader& header);
  bool TryFreeOrphan(ThreadContext& self, BufferHeader& header);
  absl::Status WriteVictims(ThreadContext& self, BufferHeader& victim);
  absl::Status AllHeld(uint32_t page_class) const;
  absl::Status DropFile(ThreadContext& self, uint32_t index);

  std::string DescribeHolders() const;

  // balance.cc
  bool Balance(ThreadContext& self, uint32_t page_class, bool none);
  std::vector<uint32_t> FindDonors(uint32_t page_class, uint32_t open,
                                   bool at_once) const;
  bool GiveUpExtent(ThreadContext& self, uint32_t donor, uint32_t receiver,
                    uint64_t leaves, bool any, std::set<uint64_t>* unwritable);
  bool TryGiveUp(ThreadContext& self, uint32_t extent, uint32_t donor,
                 uint64_t leaves, std::set<uint64_t>* unwritable);
  void AddFilesOfDirty(uint32_t extent, const CutWord& now,
                       std::set<uint64_t>* files) const;
  FrameSet HeldFrames() const;
  std::optional<uint64_t> WarmthOf(uint32_t extent, uint32_t donor,
                                   const FrameSet& held,
                                   const std::set<uint64_t>& unwritable) const;

  // resize.cc
  uint32_t OpenClasses() const;
  absl::Status CheckSize(std::string_view what, uint64_t bytes,
                         uint32_t classes) const;
  absl::Status CheckResize(uint64_t bytes) const;
  std::string DescribeResize(uint64_t bytes) const;
  bool TryClaimResize(const region::Thread& self);
  absl::Status ClaimResize(const region::Thread& self);
  void EndResize();
  absl::Status Shrink(const ThreadContext& self, uint64_t bytes);
  absl::Status TryShrink(const ThreadContext& self, uint64_t bytes);
  absl::Status Grow(ThreadContext& self, uint64_t bytes);
  absl::Status WriteExtent(ThreadContext& self, uint32_t extent,
                           const CutWord& now, uint64_t keep);
  bool Drain(ThreadContext& self, uint32_t extent, const CutWord& now,
             uint64_t keep, absl::Status* failure);
  void CancelDrain(const ThreadContext& self, uint32_t extent);
  static bool IsTakenBy(const ThreadContext& self, const BufferHeader& header);
  void FindMore(ThreadContext& self, uint32_t page_class);
  uint64_t RetireBeyond(ThreadContext& self, bool* progress,
                        absl::Status* failure);
  absl::Status FinishShrink(ThreadContext& self, bool wait);
  absl::Status NotSettled(uint64_t frames, const absl::Status& failure) const;
  void HelpResize(ThreadContext& self);
  void HelpResizeNowAndThen(ThreadContext& self);
  absl::Status PrepareMemory(const region::Thread& self);

  // sync.cc
  void SyncClosed(ThreadContext& self);
  void TrimKeptNowAndThen(ThreadContext& self);
  absl::Status SyncOnce(ThreadContext& self, std::optional<uint32_t> file,
                        const os::Deadline& deadline);
  absl::Status WriteOut(ThreadContext& self, std::optional<uint32_t> file,
                        const os::Deadline& deadline,
                        std::set<uint64_t>* unwritten);
  absl::Status WriteOutOne(ThreadContext& self, BufferHeader& header,
                           uint64_t key, const os::Deadline& deadline);
  absl::Status LostPage(const BufferHeader& header, uint64_t key) const;

  // panic.cc
  void SetPanic(uint64_t key, RepairReport* report);
  void KeepPanic(uint64_t key, RepairReport* report);
  std::optional<uint64_t> LostLoggedPage() const;
  [[gnu::noinline]] absl::Status Panicked(uint64_t word) const;

  // adopt.cc
  void SettleFrame(BufferHeader& header, RepairReport* report);
  void DiscardFrame(const region::Thread& self, BufferHeader& header,
                 region::Reachable* reached, RepairReport* report);

  // repair.cc
  void RepairFrame(const region::Thread& self, BufferHeader& header,
                   const std::function<bool(uint32_t)>& is_dead, uint32_t pid,
                   RepairReport* report);
  void RepairWriting(BufferHeader& header, uint32_t writer,
                     RepairReport* report);
  void RepairPending(BufferHeader& header);
  // Returns true if it dropped the page. `own`: the ledger entry of a live
  // owner, which is withdrawn if the page is dropped.
  bool RepairExclusive(const region::Thread& self, BufferHeader& header,
                       State seen, uint32_t pid, RepairReport* report,
                       EntryWord* own = nullptr);
  void RepairEvicting(const region::Thread& self, BufferHeader& header);
  Fate FateOf(const BufferHeader& header, State seen) const;
  void Drop(const region::Thread& self, BufferHeader& header,
            EntryWord* own = nullptr);
  void Poison(BufferHeader& header, uint32_t pid, RepairReport* report);

  absl::Status EnsureBuckets(const region::Thread& self, uint32_t page_bytes);
  void AttachHashTable();
  bool RefreshHashTable();
  bool IsInHashTable(const region::Thread& self, const BufferHeader& header);
  void MakePolicy();

  static inline constinit const std::atomic<uint64_t> kNoPanic{0};

  region::Region& region_;
  FrameTable frames_{region_};
  HashTable hash_{region_};
  Ledger ledger_{region_};
  PageLatch latch_{region_, ledger_};
  Images images_{region_};
  FileTable files_{region_, frames_};
  FileSync file_sync_{region_, frames_, files_};
  WriteBack write_back_{frames_, files_, file_sync_, ledger_, latch_};
  std::unique_ptr<Replacement> policy_;
  bool wants_hits_ = false;
  const std::atomic<uint64_t>* panic_ = &kNoPanic;  // the region's word
  // Number of the panic that this process recovers from.
  std::atomic<uint64_t> recovered_{0};
  // Keyed by LastContext::late_id. Guarded by the region's process_mutex().
  std::map<uint64_t, std::unique_ptr<LateThread>> late_;
  uint32_t* const generation_ = region_.generation_word();
};

// Notes a hit for the policy. Returns true if the thread's batch of hits is
// full and must be applied now.
inline bool Pool::NoteHit(ThreadContext& self, BufferHeader& header) {
  if (header.reference.load(std::memory_order_relaxed) == 0) {
    header.reference.store(1, std::memory_order_relaxed);
  }
  if (!wants_hits_) return false;
  self.hits[self.hit_count++] = frames_.IndexOf(header);
  return self.hit_count == self.hits.size();
}

inline Pin Pool::MakePin(const ThreadContext& self, BufferHeader& header,
                         EntryWord* entry) const {
  const uint64_t place = header.place.load(std::memory_order_relaxed);
  Pin pin;
  pin.pool = const_cast<Pool*>(this);
  pin.entry = entry;
  pin.header = &header;
  pin.data = hash_.base() + (place >> 8);
  pin.size = ClassBytes(static_cast<uint32_t>(place & 0x7));
  pin.generation = self.generation;
  return pin;
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_POOL_POOL_H_
