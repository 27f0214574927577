// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// pool.h - the cache of one process: owns the parts, and starts and stops them.
//
// The parts are the types of the folders page, memory, files, write, evict,
// recover, resize and get. README.md shows how they call each other. Get, put
// and New are calls of getter(). Pool looks up the calling thread for the calls
// that are not on a hot path.
//
// Concurrency: any thread may make any call at any time, except Start and Stop.

#ifndef MPOOL_MPOOL_POOL_POOL_H_
#define MPOOL_MPOOL_POOL_POOL_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mpool/evict/active_policy.h"
#include "mpool/evict/evictor.h"
#include "mpool/evict/forgetter.h"
#include "mpool/evict/victim_finder.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/get/frame_supply.h"
#include "mpool/get/getter.h"
#include "mpool/get/loader.h"
#include "mpool/get/putter.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/page/images.h"
#include "mpool/page/ledger.h"
#include "mpool/page/page_latch.h"
#include "mpool/page/thread_registry.h"
#include "mpool/recover/adoption.h"
#include "mpool/recover/frame_repair.h"
#include "mpool/recover/panic.h"
#include "mpool/pool/file_opener.h"
#include "mpool/recover/pool_recovery.h"
#include "mpool/resize/balancer.h"
#include "mpool/resize/extent_drain.h"
#include "mpool/resize/resizer.h"
#include "mpool/resize/room_check.h"
#include "mpool/stats.h"
#include "mpool/write/file_sync.h"
#include "mpool/write/syncer.h"
#include "mpool/write/write_back.h"
#include "region/region.h"

namespace mpool::internal {

class Pool {
 public:
  enum class Durability { kWritten, kSynced };
  enum class DirtyPages { kWrite, kLeave };

  // REQUIRES: `region` is not attached yet, and outlives the pool (not
  // checkable: the end of the region is later).
  explicit Pool(region::Region& region, WriteCallbacks callbacks = {},
                Forgetter::Report on_forgotten = nullptr);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Finds the pool's tables in the attached region. Lists the pool, so that
  // ending threads and forks find it. Returns FailedPrecondition if the library
  // does not know the region's policy.
  absl::Status Start();
  // Closes all files and unlists the pool. Threads that end later do not use
  // it.
  void Stop();
  // Attaches a forked child, as its first call does. Returns Ok if the process
  // is attached. Errors: those of Region::EnterChild.
  absl::Status EnterChild(absl::Duration wait = absl::InfiniteDuration());
  // Prepares the page memory for another handle of this process: `prefault`
  // fills the page tables, `lock_memory` locks the memory.
  absl::Status PrepareMore(bool prefault, bool lock_memory);

  absl::StatusOr<OpenedFile> OpenFile(const OpenRequest& request);
  // Closes one handle. Writes back the file's dirty pages first if it is the
  // last handle of all processes. On an error the file stays open.
  // kLeave closes the handle in any case and leaves dirty pages to others.
  absl::Status CloseFile(const OpenedFile& file,
                         DirtyPages dirty = DirtyPages::kWrite);

  // Writes back one file, or all, and fsyncs for kSynced. Files without a name
  // and without an opener are given up and do not make it fail.
  absl::Status Sync(std::optional<uint32_t> file, absl::Duration wait,
                    Durability durability = Durability::kSynced);
  // Gives up the pages of a file; see Forgetter::Discard.
  absl::StatusOr<Forgotten> Discard(uint32_t index, const os::File* file);
  // Syncs and closes kept descriptors of files that this process does not have
  // open, until at most `most` are left.
  absl::Status TrimKept(size_t most,
                        absl::Duration wait = absl::ZeroDuration());

  // Repairs dead processes, continues an unfinished resize, gives up the pages
  // of files without a name, and closes kept descriptors.
  absl::StatusOr<RepairReport> FailCheck();
  absl::Status Resize(uint64_t bytes);
  // Ends the panic that this process recovered from; see Panic::Clear.
  absl::Status ClearPanic();
  EnvStats Stats() const;

  region::Region& region() { return region_; }
  region::RegionClient& client() { return recovery_; }
  FrameTable& frames() { return frames_; }
  FileTable& files() { return files_; }
  FileHandles& handles() { return handles_; }
  Panic& panic() { return panic_; }
  Getter& getter() { return getter_; }

 private:
  friend class PoolTester;

  region::Region& region_;
  FrameTable frames_{region_.memory()};
  PageIndex index_{region_.memory(), frames_};
  Ledger ledger_{region_.memory(), region_.members()};
  PageLatch latch_{region_.memory(), region_.members(), region_.repairer(),
                   ledger_};
  Images images_{region_.memory(), region_.members()};
  ThreadRegistry threads_;
  FileTable files_{region_.memory(), region_.home_files(), region_.repairer(),
                   frames_};
  FileHandles handles_{region_.memory(), region_.home_files(),
                       region_.generation(), files_};
  FileOpener opener_{files_, handles_};
  FileSync file_sync_{region_.members(), region_.repairer(), frames_, files_,
                      handles_};
  WriteBack write_back_;
  Syncer syncer_{frames_, files_, latch_, file_sync_, write_back_};
  ActivePolicy policy_{region_.memory(), frames_};
  Evictor evictor_{frames_, index_, ledger_, latch_, files_, policy_};
  Forgetter forgetter_;
  VictimFinder victims_{frames_, write_back_, policy_, evictor_, forgetter_};
  Panic panic_{region_.home_files(), region_.memory(), frames_, files_};
  FrameRepair repair_{
      region_.memory(), region_.members(), frames_, index_, ledger_,
      latch_,           images_,           files_,  panic_};
  Adoption adoption_{region_.memory(), region_.members(), frames_, index_,
                     files_,           file_sync_,        policy_, panic_,
                     repair_};
  PoolRecovery recovery_{frames_,    index_,  files_,  handles_,
                         file_sync_, policy_, repair_, adoption_};
  RoomCheck room_{frames_, files_};
  ExtentDrain drain_{frames_, index_, write_back_, evictor_};
  Balancer balancer_{region_.members(), frames_, room_, drain_};
  Resizer resizer_{region_.memory(),
                   region_.members(),
                   region_.repairer(),
                   region_.home_files(),
                   frames_,
                   room_,
                   drain_,
                   balancer_};
  FrameSupply supply_{region_.members(), region_.repairer(), frames_,  syncer_,
                      victims_,          resizer_,           balancer_};
  Loader loader_{region_.memory(), frames_, index_,  ledger_,
                 latch_,  files_,  policy_, supply_};
  Putter putter_{region_.generation(),
                 region_.members(),
                 region_.repairer(),
                 frames_,
                 latch_,
                 images_,
                 files_,
                 repair_};
  Getter getter_{putter_, index_, latch_, threads_, frames_, ledger_,
                 images_, files_, panic_, policy_,  supply_, loader_};
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_POOL_POOL_H_
