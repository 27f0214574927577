// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/pool.h"

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

// Attachments of this process, by generation, for threads that end. A thread
// that outlives the attachment finds nothing here.
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
}
void AfterFork() {
  for (auto& [generation, pool] : LivePools().pools) {
    // A forked child has no generation.
    if (pool->region().generation() == 0) pool->files().LeaveClaimsToParent();
    pool->files().mutex().unlock();
    pool->region().process_mutex().unlock();
  }
  LivePools().mutex.unlock();
}

// The contexts of one thread. When it ends, its slots are given back.
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
    if (context == nullptr) continue;  // could not register
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
  AttachBuckets();
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
  files_.CloseAll();
  Unlist();
}

// Threads that end and forks do not find it any more.
void Pool::Unlist() {
  std::lock_guard<std::mutex> lock(LivePools().mutex);
  std::erase_if(LivePools().pools,
                [this](const auto& live) { return live.second == this; });
}

absl::Status Pool::EnterChild() {
  return region_.EnterChild([this](uint32_t generation) {
    {
      std::lock_guard<std::mutex> lock(region_.process_mutex());
      late_.clear();  // the parent's
      // As at any join: children that die one after another would fill it.
      RepairReport report;
      region_.RepairPredecessor(&report);
      region_.RepairAndWait(region_.process_thread());
    }
    MPOOL_RETURN_IF_ERROR(PrepareMemory(region_.process_thread()));
    // The parent may have closed them, and the cache be smaller since.
    auto check_room = [this](uint32_t classes) {
      return CheckSize(absl::StrCat("use ", region_.home().path(),
                                    " in a forked child"),
                       frames_.cache_bytes(), OpenClasses() | classes);
    };
    // Last: a child that is refused leaves no file open.
    {
      std::lock_guard<std::mutex> lock(region_.process_mutex());
      ThreadContext self;
      self.thread = region_.process_thread();
      MPOOL_RETURN_IF_ERROR(files_.MarkOpenInChild(
          self.thread, check_room, [&](uint32_t index) {
            FindBuckets();
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
    // The dead may hold what is missing.
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
    // What this thread kept for environments that are closed.
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

// The table is made for the largest cache and pages of 4 KiB; before the first
// file is known it can still be replaced by one that fits smaller pages. Under
// the files latch, but at creation.
absl::Status Pool::EnsureBuckets(const region::Thread& self,
                                 uint32_t page_bytes) {
  PoolHeader& pool = frames_.pool();
  const uint32_t need =
      HashTable::BucketsFor(region_.fixed().max_cache_bytes / page_bytes);
  const uint64_t old = pool.buckets.load(std::memory_order_relaxed);
  if (pool.files_used.load() != 0) return absl::OkStatus();
  // One who died while it replaced the table left the count of that before.
  const auto there =
      static_cast<uint32_t>(region_.heap().SizeOf(old) / sizeof(Bucket));
  // quiet: a table that is used in part is whole, and this one is empty.
  if (there != pool.bucket_count.load()) pool.bucket_count.store(there);
  if (there >= need) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(
      region_.heap()
          .AllocateLinked(self, need * sizeof(Bucket), kLineBytes,
                          &pool.buckets, /*prepare=*/nullptr, old)
          .status());
  // quiet: a table that is used in part is whole.
  pool.bucket_count.store(need, std::memory_order_release);
  return absl::OkStatus();
}

void Pool::AttachBuckets() {
  PoolHeader& pool = frames_.pool();
  const uint32_t count = pool.bucket_count.load(std::memory_order_acquire);
  hash_.Attach(pool.buckets.load(std::memory_order_acquire), count);
}

// For who may have no file open. False if no file was ever known: then nothing
// is in the table, and it may still be replaced.
bool Pool::FindBuckets() {
  if (frames_.pool().files_used.load(std::memory_order_acquire) == 0) {
    return false;
  }
  AttachBuckets();
  return true;
}

// Whether a slot leads to the frame by the key that it has.
bool Pool::IsNamed(const region::Thread& self, const BufferHeader& header) {
  if (!FindBuckets()) return false;
  const uint64_t hash = HashTable::Hash(header.key.load());
  region::LatchGuard guard(hash_.bucket(hash).latch, self.id, region_.watch(),
                           region::LockRank::kBucket);
  return hash_.Names(hash, frames_.IndexOf(header));
}

absl::StatusOr<OpenedFile> Pool::OpenFile(FileTable::Request request) {
  MPOOL_ASSIGN_OR_RETURN(const Caller self, Self());
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
      FindBuckets();
      return DropFile(*self, index);
    });
  };
  // A file that only the dead have open is not open: others may have changed
  // it since.
  region_.RepairAndWait(self->thread);
  file_sync_.TrimKept(self->thread, FileTable::kMostKept).IgnoreError();
  absl::StatusOr<OpenedFile> opened = try_open();
  if (os::IsOutOfDescriptors(opened.status())) {
    file_sync_.TrimKept(self->thread, 0).IgnoreError();
    opened = try_open();
  }
  if (absl::IsResourceExhausted(opened.status())) {
    SyncClosed(*self);
    opened = try_open();
  }
  if (!opened.ok()) {
    // Somebody may have died meanwhile who holds what is missing.
    region_.RepairAndWait(self->thread);
    opened = try_open();
  }
  // Now that a file is known the table stays; before, another process may have
  // replaced it.
  region::LatchGuard guard(latch, self->thread.id, region_.watch(),
                           region::LockRank::kFiles);
  AttachBuckets();
  return opened;
}

absl::Status Pool::TrimKept(size_t most) {
  MPOOL_ASSIGN_OR_RETURN(const Caller self, Self());
  return file_sync_.TrimKept(self->thread, most);
}

// A removed file keeps its disk space as long as a descriptor is kept.
void Pool::TrimKeptNowAndThen(ThreadContext& self) {
  constexpr uint32_t kEvery = 256;
  if (++self.frames_taken % kEvery != 0 || files_.kept_count() == 0) return;
  file_sync_.TrimKept(self.thread, FileTable::kMostKept).IgnoreError();
}

// Entries of closed files can be used again once they are synced.
void Pool::SyncClosed(ThreadContext& self) {
  files_.ForEach([&](uint32_t index, FileEntry& entry, FileWord word) {
    if (word.state != FileState::kClosed || IsCovered(entry)) return;
    file_sync_.SyncUntold(self.thread, index).IgnoreError();
  });
}

absl::Status Pool::CloseFile(const OpenedFile& file) {
  MPOOL_ASSIGN_OR_RETURN(const Caller self, Self());
  uint64_t written = 0;
  while (true) {
    // What the dead had open is closed.
    region_.RepairAndWait(self->thread);
    written = files_.Close(self->thread, file, written);
    if (written == FileTable::kClosed) {
      // An error there is in the file's entry, for the next Sync.
      file_sync_.TrimKept(self->thread, FileTable::kMostKept).IgnoreError();
      return absl::OkStatus();
    }
    std::set<uint64_t> unwritten;
    const absl::Status status =
        WriteOut(*self, file.index, os::Deadline(absl::InfiniteDuration()),
                 &unwritten);
    // Who only reads does not answer for what others changed.
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
          files_.TellPage(key),
          entry.mode() == Mode::kExclusive ? " (for update)" : ""));
    });
  });
  return guards;
}

}  // namespace mpool::internal
