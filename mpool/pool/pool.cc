// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/pool/pool.h"

#include <map>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "os/cancel.h"
#include "os/fork.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

__attribute__((tls_model("initial-exec"))) thread_local constinit LastContext
    last_context;

namespace {

// Attachments of this process by generation. Ending threads search them. A
// thread that outlives its attachment finds no pool here.
struct Live {
  std::mutex mutex;
  std::map<uint32_t, Pool*> pools;
};
Live& LivePools() {
  static Live* live = new Live;
  return *live;
}

void BeforeFork() {
  LivePools().mutex.lock();
  for (auto& [generation, pool] : LivePools().pools) {
    pool->region().process_mutex().lock();
    pool->files().mutex().lock();
  }
  OpenInodes::mutex().lock();
}
void AfterFork() {
  OpenInodes::mutex().unlock();
  for (auto& [generation, pool] : LivePools().pools) {
    // A forked child has no generation.
    if (pool->region().generation() == 0) pool->files().LeaveClaimsToParent();
    pool->files().mutex().unlock();
    pool->region().process_mutex().unlock();
  }
  LivePools().mutex.unlock();
}

// The contexts of one thread. The destructor releases their thread slots.
struct Contexts {
  std::map<uint32_t, std::unique_ptr<ThreadContext>> by_generation;

  ~Contexts();
};
thread_local Contexts contexts;

Contexts::~Contexts() {
  const os::CancelOff no_cancel;
  last_context = {.generation = region::Region::kNoGeneration,
                  .context = nullptr,
                  .ended = true};
  std::lock_guard<std::mutex> lock(LivePools().mutex);
  for (auto& [generation, context] : by_generation) {
    if (context == nullptr) continue;  // registration failed
    const auto live = LivePools().pools.find(generation);
    if (live == LivePools().pools.end()) continue;
    if (live->second->region().generation() != generation) continue;
    live->second->region().UnregisterThread(context->thread);
  }
}

constexpr uint32_t Mixed(uint32_t hash, uint64_t value) {
  for (int i = 0; i < 8; ++i) {
    hash = (hash ^ static_cast<uint32_t>(value >> (8 * i) & 0xff)) * 16777619u;
  }
  return hash;
}

}  // namespace

uint32_t Pool::Signature() {
  constexpr uint64_t kSizes[] = {
      sizeof(region::RegionHeader),
      offsetof(region::RegionHeader, magic),
      offsetof(region::RegionHeader, panic),
      offsetof(region::RegionHeader, thread_blocks),
      sizeof(region::ProcessSlot),
      sizeof(region::ThreadSlot),
      offsetof(region::ThreadSlot, entries),
      offsetof(region::ThreadSlot, counters),
      offsetof(region::ThreadSlot, images),
      sizeof(region::Image),
      sizeof(region::LedgerOverflow),
      sizeof(region::Chunk),
      sizeof(BufferHeader),
      offsetof(BufferHeader, place),
      offsetof(BufferHeader, io_owner),
      offsetof(BufferHeader, reference),
      sizeof(Bucket),
      offsetof(Bucket, slots),
      sizeof(PoolHeader),
      offsetof(PoolHeader, classes),
      sizeof(ClassHeader),
      sizeof(Extent),
      sizeof(FileEntry),
      offsetof(FileEntry, open_bits),
      offsetof(FileEntry, fsync_mark),
      offsetof(FileEntry, sticky),
      offsetof(FileEntry, cutter),
      offsetof(FileEntry, opens),
      static_cast<uint64_t>(State::kOwnerShift),
      static_cast<uint64_t>(Counter::kCount),
  };
  uint32_t hash = 2166136261u;
  for (const uint64_t size : kSizes) hash = Mixed(hash, size);
  return hash;
}

Pool::Pool(region::Region& region) : region_(region) {}

Pool::~Pool() { Unlist(); }

absl::Status Pool::Format(const region::Thread& self) {
  MPOOL_RETURN_IF_ERROR(frames_.Format(self));
  return EnsureBuckets(self, 4096);
}

void Pool::MakePolicy() {
  policy_ = MakeReplacement(static_cast<Policy>(region_.fixed().policy),
                            region_, frames_);
}

absl::Status Pool::Start() {
  frames_.Attach();
  AttachHashTable();
  MakePolicy();
  if (policy_ == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join region of ", region_.home().path(), ": its policy ",
        region_.fixed().policy, " is not known to this library"));
  }
  if (region_.attached() != region::Attached::kCreated) {
    MPOOL_RETURN_IF_ERROR(PrepareMemory(region_.process_thread()));
  }
  wants_hits_ = policy_->wants_hits();
  panic_ = &region_.header()->panic;
  std::lock_guard<std::mutex> lock(LivePools().mutex);
  LivePools().pools[region_.generation()] = this;
  return absl::OkStatus();
}

void Pool::Stop() {
  // The descriptors that could learn of a lost write go.
  if (region_.generation() != 0 && files_.HasUnsynced()) {
    file_sync_.RedirtyUnsynced();
  }
  files_.CloseAll();
  Unlist();
}

// Removes the pool from the list that ending threads and forks use.
void Pool::Unlist() {
  std::lock_guard<std::mutex> lock(LivePools().mutex);
  std::erase_if(LivePools().pools,
                [this](const auto& live) { return live.second == this; });
}

absl::Status Pool::EnterChild() {
  return region_.EnterChild([this](uint32_t generation) {
    {
      std::lock_guard<std::mutex> lock(region_.process_mutex());
      late_.clear();  // late threads of the parent
      // Repair now, as at any join. Otherwise children that die one after
      // another would fill the region.
      RepairReport report;
      region_.RepairPredecessor(&report);
      region_.RepairAndWait(region_.process_thread());
    }
    MPOOL_RETURN_IF_ERROR(PrepareMemory(region_.process_thread()));
    // The parent may have closed the files, and the cache may have shrunk
    // since.
    auto check_room = [this](uint32_t classes) {
      return CheckSize(absl::StrCat("use ", region_.home().path(),
                                    " in a forked child"),
                       frames_.cache_bytes(), OpenClasses() | classes);
    };
    // This is the last step, so that a refused child leaves no file open.
    {
      std::lock_guard<std::mutex> lock(region_.process_mutex());
      ThreadContext self;
      self.thread = region_.process_thread();
      MPOOL_RETURN_IF_ERROR(files_.MarkOpenInChild(
          self.thread, check_room, [&](uint32_t index) {
            AttachHashTable();
            return DropFile(self, index);
          }));
    }
    std::lock_guard<std::mutex> lock(LivePools().mutex);
    std::erase_if(LivePools().pools,
                  [this](const auto& live) { return live.second == this; });
    LivePools().pools[generation] = this;
    return absl::OkStatus();
  });
}

void Pool::WatchForks() { os::AtFork(BeforeFork, AfterFork); }

absl::StatusOr<region::Thread> Pool::NewThread() {
  absl::StatusOr<region::Thread> thread = region_.RegisterThread();
  if (absl::IsResourceExhausted(thread.status())) {
    // Dead processes may hold the missing resource.
    {
      std::lock_guard<std::mutex> lock(region_.process_mutex());
      RepairReport report;
      region_.RepairAll(region_.process_thread(), &report);
    }
    thread = region_.RegisterThread();
  }
  MPOOL_RETURN_IF_ERROR(thread.status());
  MPOOL_RETURN_IF_ERROR(ledger_.FreeEntry(*thread).status());
  return thread;
}

absl::StatusOr<Pool::Caller> Pool::RegisterSelf() {
  if (region_.generation() == 0) MPOOL_RETURN_IF_ERROR(EnterChild());
  const uint32_t generation = region_.generation();
  if (last_context.callback_of == generation) {
    return absl::FailedPreconditionError(absl::StrCat(
        "use ", region_.home().path(), ": this thread is in its "
        "EnvOptions::log_flush; call once that has returned"));
  }
  if (last_context.ended) return BeginLate();
  {
    // Drop the contexts of environments that are closed.
    std::lock_guard<std::mutex> lock(LivePools().mutex);
    std::erase_if(contexts.by_generation, [](const auto& entry) {
      return !LivePools().pools.contains(entry.first);
    });
  }
  std::unique_ptr<ThreadContext>& context = contexts.by_generation[generation];
  if (context == nullptr) {
    MPOOL_ASSIGN_OR_RETURN(const region::Thread thread, NewThread());
    context = std::make_unique<ThreadContext>();
    context->thread = thread;
    context->generation = generation;
  }
  last_context.generation = generation;
  last_context.context = context.get();
  return Caller(context.get());
}

// The table fits the largest cache with pages of 4 KiB. Before the first file
// is known, a larger table for smaller pages can replace it.
// REQUIRES: the files latch, except at creation.
absl::Status Pool::EnsureBuckets(const region::Thread& self,
                                 uint32_t page_bytes) {
  PoolHeader& pool = frames_.pool();
  const uint32_t need =
      HashTable::BucketsFor(region_.fixed().max_cache_bytes / page_bytes);
  const uint64_t old = pool.buckets.load(std::memory_order_relaxed);
  if (pool.files_used.load() != 0) return absl::OkStatus();
  // A thread that died while it replaced the table left the count of the old
  // one.
  const auto there =
      static_cast<uint32_t>(region_.heap().SizeOf(old) / sizeof(Bucket));
  // no step: a smaller count is valid too, and this table is empty.
  if (there != pool.bucket_count.load()) pool.bucket_count.store(there);
  if (there >= need) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(
      region_.heap()
          .AllocateLinked(self, need * sizeof(Bucket), kLineBytes,
                          &pool.buckets, /*prepare=*/nullptr, old)
          .status());
  // no step: a smaller count is valid too.
  pool.bucket_count.store(need, std::memory_order_release);
  return absl::OkStatus();
}

void Pool::AttachHashTable() {
  PoolHeader& pool = frames_.pool();
  const uint32_t count = pool.bucket_count.load(std::memory_order_acquire);
  hash_.Attach(pool.buckets.load(std::memory_order_acquire), count);
}

// Attaches to the table; needed where this process may have no file open.
// Returns false if no file was ever known: the table is then empty and may
// still be replaced.
bool Pool::RefreshHashTable() {
  if (frames_.pool().files_used.load(std::memory_order_acquire) == 0) {
    return false;
  }
  AttachHashTable();
  return true;
}

// True if a slot of the bucket of the frame's key names the frame.
bool Pool::IsInHashTable(const region::Thread& self,
                         const BufferHeader& header) {
  if (!RefreshHashTable()) return false;
  const uint64_t hash = HashTable::Hash(header.key.load());
  region::LatchGuard guard(hash_.bucket(hash).latch, self.id, region_.watch(),
                           region::LockRank::kBucket);
  return hash_.Names(hash, frames_.IndexOf(header));
}

absl::StatusOr<OpenedFile> Pool::OpenFile(const FileTable::Request& request) {
  MPOOL_ASSIGN_OR_RETURN(const Caller self, Self());
  MPOOL_RETURN_IF_ERROR(CheckPanic());
  region::Latch& latch = frames_.pool().files_latch;
  auto make_room = [&] {
    MPOOL_RETURN_IF_ERROR(
        CheckSize(absl::StrCat("open file ", request.path),
                  frames_.cache_bytes(),
                  OpenClasses() | 1u << ClassOf(request.page_bytes)));
    return EnsureBuckets(self->thread, request.page_bytes);
  };
  auto try_open = [&] {
    return files_.Open(self->thread, request, make_room, [&](uint32_t index) {
      AttachHashTable();
      return DropFile(*self, index);
    });
  };
  // Close the files of dead processes first: a file that only they have open
  // counts as closed, because others may have changed it since.
  region_.RepairAndWait(self->thread);
  file_sync_.TrimKept(self->thread, FileTable::kMostKept).IgnoreError();
  absl::StatusOr<OpenedFile> opened = try_open();
  if (os::IsOutOfDescriptors(opened.status())) {
    file_sync_.TrimKept(self->thread, 0).IgnoreError();
    opened = try_open();
  }
  if (absl::IsResourceExhausted(opened.status()) ||
      absl::IsUnavailable(opened.status())) {
    SyncClosed(*self);
    opened = try_open();
  }
  if (!opened.ok()) {
    // A process that died during the open may hold the missing resource.
    region_.RepairAndWait(self->thread);
    opened = try_open();
  }
  // Once a file is known the table stays. Before, another process may have
  // replaced it.
  region::LatchGuard guard(latch, self->thread.id, region_.watch(),
                           region::LockRank::kFiles);
  AttachHashTable();
  return opened;
}

absl::Status Pool::TrimKept(size_t most, absl::Duration wait) {
  MPOOL_ASSIGN_OR_RETURN(const Caller self, Self());
  return file_sync_.TrimKept(self->thread, most, wait);
}

// Trims the kept descriptors at every 256th frame, because a removed file keeps
// its disk space as long as a descriptor is open.
void Pool::TrimKeptNowAndThen(ThreadContext& self) {
  constexpr uint32_t kEvery = 256;
  if (++self.frames_taken % kEvery != 0 || files_.kept_count() == 0) return;
  file_sync_.TrimKept(self.thread, FileTable::kMostKept).IgnoreError();
}

// Syncs the closed files, so that their entries can be used again.
void Pool::SyncClosed(ThreadContext& self) {
  files_.ForEach([&](uint32_t index, FileEntry& entry, FileWord) {
    if (FileTable::IsOpenAnywhere(entry) || IsCovered(entry)) return;
    file_sync_.SyncUntold(self.thread, index).IgnoreError();
  });
}

absl::Status Pool::CloseFile(const OpenedFile& file) {
  MPOOL_ASSIGN_OR_RETURN(const Caller self, Self());
  uint64_t written = 0;
  while (true) {
    // Close the files of dead processes first.
    region_.RepairAndWait(self->thread);
    written = files_.Close(self->thread, file, written);
    if (written == FileTable::kClosed) {
      // On an error the file's entry keeps it for the next Sync.
      file_sync_.TrimKept(self->thread, FileTable::kMostKept).IgnoreError();
      return absl::OkStatus();
    }
    std::set<uint64_t> unwritten;
    const absl::Status status =
        WriteOut(*self, file.index, os::Deadline(absl::InfiniteDuration()),
                 &unwritten);
    // A read-only handle does not report errors of other handles' changes.
    if (!status.ok() && !file.read_only) return status;
    if (!status.ok()) written = FileTable::kAnyway;
  }
}

std::vector<std::string> Pool::Guards(std::optional<uint32_t> file) const {
  std::vector<std::string> guards;
  region_.ForEachThread([&](uint32_t, region::ThreadSlot& slot,
                            region::ThreadWord word) {
    if (word.process != region_.process()) return;
    region_.ForEachEntry(slot, [&](EntryWord& place) {
      const Entry entry{place.load(std::memory_order_acquire)};
      if (entry.word == 0) return;
      const uint64_t key =
          frames_.header(entry.frame()).key.load(std::memory_order_relaxed);
      const uint32_t index = PageKey::FileIndex(key);
      if (file.has_value() && *file != index) return;
      guards.push_back(absl::StrCat(
          files_.DescribePage(key),
          entry.mode() == Mode::kExclusive ? " (for update)" : ""));
    });
  });
  return guards;
}

}  // namespace mpool::internal
