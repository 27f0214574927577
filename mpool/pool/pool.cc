// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/pool/pool.h"

#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "mpool/observe/stats.h"
#include "mpool/pool/forks.h"
#include "os/assert.h"
#include "os/status.h"

namespace mpool::internal {

Pool::Pool(region::Region& region, WriteCallbacks callbacks,
           Forgetter::Report on_forgotten)
    : region_(region),
      threads_(region.members(), region.repairer(), region.home_files(),
               region.generation(), ledger_, [this] { return EnterChild(); }),
      write_back_(frames_, files_, handles_, files_.page_io(), file_sync_,
                  ledger_, latch_, std::move(callbacks)),
      forgetter_(files_, evictor_, std::move(on_forgotten)) {
  MPOOL_ASSERT(region.memory().header() == nullptr);
}

Pool::~Pool() { ForgetForksOf(*this); }

absl::Status Pool::Start() {
  MPOOL_ASSERT(region_.memory().header() != nullptr);
  frames_.Attach();
  index_.Attach();
  if (!policy_.Make()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join region of ", region_.home_files().home().path(), ": its policy ",
        region_.memory().fixed().policy, " is not known to this library"));
  }
  if (region_.attached() != region::Attached::kCreated) {
    MPOOL_RETURN_IF_ERROR(
        resizer_.PrepareMemory(region_.members().process_thread()));
  }
  MPOOL_ASSERT(frames_.IsAttached() && policy_.is_made());
  panic_.Attach();
  getter_.Start(index_);
  WatchForksOf(*this);
  threads_.List(region_.generation().value());
  return absl::OkStatus();
}

void Pool::Stop() {
  // The descriptors that could learn of a lost write go.
  if (region_.generation().value() != 0 && handles_.HasUnsynced()) {
    file_sync_.RedirtyUnsynced();
  }
  handles_.CloseAll();
  threads_.Unlist();
  ForgetForksOf(*this);
}

absl::Status Pool::EnterChild(absl::Duration wait) {
  const auto ready = [this](uint32_t generation) -> absl::Status {
    MPOOL_ASSERT(generation != 0);
    {
      os::MutexLock lock(region_.members().process_mutex());
      threads_.ForgetLate();
      // Repair now, as at any join. Otherwise children that die one after
      // another would fill the region.
      RepairReport report;
      region_.repairer().RepairPredecessor(&report);
      region_.repairer().RepairAndWait(region_.members().process_thread());
    }
    MPOOL_RETURN_IF_ERROR(
        resizer_.PrepareMemory(region_.members().process_thread()));
    // The parent may have closed the files, and the cache may have shrunk
    // since.
    auto check_room = [this](uint32_t classes) {
      return room_.Check(
          absl::StrCat("use ", region_.home_files().home().path(),
                       " in a forked child"),
          frames_.extents().cache_bytes(), room_.OpenClasses() | classes);
    };
    // This is the last step, so that a refused child leaves no file open.
    {
      os::MutexLock lock(region_.members().process_mutex());
      ThreadContext self;
      self.thread = region_.members().process_thread();
      MPOOL_RETURN_IF_ERROR(opener_.MarkOpenInChild(
          self.thread, check_room,
          [&](uint32_t index) { return evictor_.DropFile(self, index); }));
    }
    threads_.List(generation);
    return absl::OkStatus();
  };
  return region_.EnterChild(ready, wait);
}

absl::StatusOr<OpenedFile> Pool::OpenFile(const OpenRequest& wanted) {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  MPOOL_RETURN_IF_ERROR(panic_.Check());
  OpenRequest request = wanted;
  MPOOL_RETURN_IF_ERROR(opener_.FindPageSize(self->thread, &request));
  auto& latch = frames_.pool().files_latch;
  auto make_room = [&] {
    latch.AssertHeld(self->thread);
    MPOOL_RETURN_IF_ERROR(
        room_.Check(absl::StrCat("open file ", request.path),
                    frames_.extents().cache_bytes(),
                    room_.OpenClasses() |
                        PageClass::OfSize(request.page_bytes).bit()));
    return index_.Ensure(self->thread, request.page_bytes);
  };
  auto try_open = [&] {
    return opener_.Open(self->thread, request, make_room, [&](uint32_t index) {
      return evictor_.DropFile(*self, index);
    });
  };
  // Close the files of dead processes first: a file that only they have open
  // counts as closed, because others may have changed it since.
  region_.repairer().RepairAndWait(self->thread);
  file_sync_.TrimKept(self->thread, FileHandles::kMostKept).IgnoreError();
  absl::StatusOr<OpenedFile> opened = try_open();
  if (os::IsOutOfDescriptors(opened.status())) {
    file_sync_.TrimKept(self->thread, 0).IgnoreError();
    opened = try_open();
  }
  if (absl::IsResourceExhausted(opened.status()) ||
      absl::IsUnavailable(opened.status())) {
    syncer_.SyncClosed(*self);
    opened = try_open();
  }
  if (!opened.ok()) {
    // A process that died during the open may hold the missing resource.
    region_.repairer().RepairAndWait(self->thread);
    opened = try_open();
  }
  // Once a file is known the table stays. Before, another process may have
  // replaced it.
  region::LatchGuard guard(self->thread, latch);
  index_.Attach();
  getter_.Attach(index_);
  return opened;
}

absl::Status Pool::CloseFile(const OpenedFile& file, DirtyPages dirty) {
  if (dirty == DirtyPages::kLeave) {
    os::MutexLock lock(region_.members().process_mutex());
    opener_.Close(region_.members().process_thread(), file,
                  FileOpener::kAnyway);
    return absl::OkStatus();
  }
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  MPOOL_ASSERT(file.entry != nullptr && file.index < kMaxFiles);
  uint64_t written = 0;
  while (true) {
    // Close the files of dead processes first.
    region_.repairer().RepairAndWait(self->thread);
    written = opener_.Close(self->thread, file, written);
    if (written == FileOpener::kClosed) {
      // On an error the file's entry keeps it for the next Sync.
      file_sync_.TrimKept(self->thread, FileHandles::kMostKept).IgnoreError();
      return absl::OkStatus();
    }
    std::set<PageKey> unwritten;
    const absl::Status status = syncer_.WriteOut(
        *self, file.index, os::Deadline(absl::InfiniteDuration()), &unwritten);
    // A read-only handle does not report errors of other handles' changes.
    if (!status.ok() && !file.read_only) return status;
    if (!status.ok()) written = FileOpener::kAnyway;
  }
}

absl::Status Pool::Sync(std::optional<uint32_t> file, absl::Duration wait,
                        Durability durability) {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  MPOOL_ASSERT(!file.has_value() || *file < kMaxFiles);
  const bool synced = durability == Durability::kSynced;
  MPOOL_ASSERT(synced || !file.has_value());
  auto sync = [&] {
    return synced ? syncer_.Sync(*self, file, wait) : syncer_.WriteAll(*self);
  };
  const absl::Status status = sync();
  if (status.ok() || file.has_value()) return status;
  // A file without a name may be the reason. Its open bits may be of dead
  // processes.
  region_.repairer().RepairAndWait(self->thread);
  return forgetter_.Sweep(*self) == 0 ? status : sync();
}

absl::StatusOr<Forgotten> Pool::Discard(uint32_t index, const os::File* file) {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  MPOOL_ASSERT(index < kMaxFiles);
  // The bits of dead processes say that they have the file open.
  region_.repairer().RepairAndWait(self->thread);
  return forgetter_.Discard(*self, index, file);
}

absl::Status Pool::TrimKept(size_t most, absl::Duration wait) {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  return file_sync_.TrimKept(self->thread, most, wait);
}

absl::StatusOr<RepairReport> Pool::FailCheck() {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  RepairReport report;
  region_.repairer().RepairAll(self->thread, &report);
  resizer_.Help(*self);
  forgetter_.Sweep(*self);
  file_sync_.TrimKept(self->thread, FileHandles::kMostKept).IgnoreError();
  return report;
}

absl::Status Pool::Resize(uint64_t bytes) {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  MPOOL_RETURN_IF_ERROR(panic_.Check());
  return resizer_.Resize(*self, bytes);
}

absl::Status Pool::PrepareMore(bool prefault, bool lock_memory) {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  return resizer_.PrepareMore(self->thread, prefault, lock_memory);
}

absl::Status Pool::ClearPanic() {
  // A forked child enters first.
  MPOOL_RETURN_IF_ERROR(threads_.Self().status());
  return panic_.Clear();
}

EnvStats Pool::Stats() const {
  MPOOL_ASSERT(frames_.IsAttached());
  region::HeapStats heap;
  if (threads_.generation() == 0) {  // a forked child that is not attached
    heap = region_.memory().heap().Survey();
  } else {
    os::MutexLock lock(region_.members().process_mutex());
    heap = region_.memory().heap().Stats(region_.members().process_thread());
  }
  return StatsOf(region_.memory(), region_.members(), frames_, files_, heap);
}

}  // namespace mpool::internal
