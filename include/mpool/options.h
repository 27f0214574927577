// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// options.h - the options of each call, and their defaults.
//
// A field marked "not built yet" must keep its default. With another value the
// call that receives the field returns Unimplemented with the field's name.

#ifndef MPOOL_OPTIONS_H_
#define MPOOL_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mpool/types.h"

namespace mpool {

// An event that a program may want to know at once.
struct Event {
  enum class Kind {
    kRepair,          // a dead process was repaired
    kPoisoned,        // a page was lost with its writer; reads return DataLoss
    kPanic,           // a page with a log was lost; every get is refused
    kWriteFailed,     // a page could not be written; it stays dirty
    kGuardsAtClose,   // a handle was destroyed while guards held pages
    kMadeAnew,        // the previous region and its unwritten changes are lost
    kPartialPage,     // a page file ends with a part of a page
    kLeaveFailed,     // a handle was destroyed, and its process could not leave
    kForgotten,       // the pages of a file were given up (DbEnv::Forget)
    kOptionsDiffer,   // the region keeps other options than Open asked for
  };
  Kind kind;
  std::string message;
};

// Options of DbEnv::Open. The first process to open a home decides cache_bytes,
// max_cache_bytes, backing, sysv_key, policy and mode. Joiners use the existing
// values, which DbEnv::Effective returns. A later Open asks for another value
// by a field that does not have its default; on_mismatch decides the outcome.
struct EnvOptions {
  // Page bytes of the cache, exact to the frame: a multiple of 512 that holds
  // 16 pages of the largest size in use. Tables come in addition (about 2.5 %
  // with pages of 4 KiB). The cache is divided into extents of a 32nd of it,
  // 64 KiB to 2 MiB. Each extent has one page size, and extents move to the
  // page size that needs them. Every size that has open files keeps one.
  // 0: the size of an existing region, and kDefaultCacheBytes for a new one.
  uint64_t cache_bytes = 0;
  static constexpr uint64_t kDefaultCacheBytes = uint64_t{32} << 20;
  // Largest size that DbEnv::Resize may set, in bytes. Costs 0.5 % of it for
  // the hash table, and address space. 0: four times cache_bytes, at most the
  // memory of the machine, and a hash table for cache_bytes only. Hits become
  // slower as such a cache grows.
  uint64_t max_cache_bytes = 0;
  Backing backing = Backing::kPosixShm;
  Policy policy = Policy::kClock;
  // The outcome of an Open that asks for another cache_bytes, max_cache_bytes,
  // backing, policy or mode than the region has. It asks by a value other than
  // the default of the field. cache_bytes may be the size at creation or the
  // present size, so that a Resize outlasts a restart.
  Mismatch on_mismatch = Mismatch::kRecreateIfClean;
  // Creates the region if the home has none. Without this option, Open returns
  // NotFound then.
  bool create = true;
  // The key of the memory, for kSysV: an agreed key (ftok, or
  // DbEnv::set_shm_key of Berkeley DB). Open returns AlreadyExists, with the
  // owner's name, if another environment or program uses the key. Unset: a key
  // that is derived from the home.
  std::optional<int> sysv_key = {};
  // Permission bits of the region's files, exact under any umask. Open refuses
  // memory that admits users beyond these bits. Group bits (0660) are for the
  // group of the home, if the home is writable by its group. Bits that make the
  // files writable by all users are refused.
  int mode = 0600;
  // Bound of the wait in Open for another process or thread that opens, closes,
  // adopts or removes the environment. A close writes back dirty pages, which
  // may take long. DeadlineExceeded names the process, its pid and its command.
  // Zero: no wait.
  absl::Duration wait = absl::InfiniteDuration();
  // Maps every page of the region at open, instead of at first use.
  bool prefault = false;
  // Keeps the region out of swap: mlock, by each process that requests it, or
  // SHM_LOCK. Open fails and names RLIMIT_MEMLOCK if that limit is too low.
  bool lock_memory = false;
  // Requests transparent huge pages. They make a hit in a cache of some size
  // about a quarter cheaper (hit.backing.huge of the benchmark). The kernel
  // decides. It gives none to shared memory while
  // /sys/kernel/mm/transparent_hugepage/shmem_enabled is "never", the usual
  // value; "advise" permits them. DbEnv::HugeBytes returns the result.
  bool huge_pages = true;
  // The last process to close writes back every dirty page. With this option it
  // also makes the files durable (fsync).
  bool sync_on_last_close = true;
  // The last process to close also removes the region and the environment's
  // files in the home, after every page is on disk. Page files stay. It makes
  // the files durable even without sync_on_last_close. Nothing is removed if a
  // page cannot be written or was lost with its writer, or in a panic.
  // The option of the process that closes last counts, as given to its first
  // Open of the home.
  bool remove_on_last_close = false;
  // Opens a panicked environment too. All handles of this process may then work
  // during the panic, to recover from a log; see DbEnv::ClearPanic.
  bool recover = false;
  // True if this process may become the environment's cleaner. No cleaner runs
  // yet: a thread that meets a dirty victim writes back a batch itself.
  bool cleaner = true;
  // Makes the owner's log durable up to a position. Any call that may write
  // calls it before pages of a file with an lsn_offset are written, with the
  // highest LSN among them. The calling thread holds no latch, but may hold
  // pages and has cancellation disabled.
  // The callback must not wait for a resource of a thread that may wait for a
  // page. It must not open or close another environment, fork, throw, or end
  // its thread. Its calls into the environment return FailedPrecondition. If it
  // fails, the pages stay dirty. A process without this callback does not write
  // such pages.
  std::function<absl::Status(Lsn)> log_flush = {};
  // Delivers events at the end of a call that opens, closes, syncs, resizes or
  // checks: the first 1,000 events since the last such call. The calling thread
  // holds no latch and has cancellation disabled. The callback must not call
  // into the environment, throw, or end its thread.
  std::function<void(const Event&)> on_event = {};
};

// The options in force in an environment.
struct EffectiveOptions {
  uint64_t cache_bytes = 0;      // now; DbEnv::Resize changes it
  uint64_t max_cache_bytes = 0;  // largest size that Resize may set
  Backing backing = Backing::kPosixShm;
  Policy policy = Policy::kClock;
  int mode = 0;  // permission bits of the region's files
};

// Options of DbEnv::OpenFile. Handles of one file, in all processes, must agree
// on page_size and lsn_offset.
struct FileOptions {
  // Bytes of a page: a power of two from 512 to 65536. 0: as the environment
  // knows the file; InvalidArgument if it does not know the file. If open
  // handles have another page size, the error has it as kPageSizePayload.
  uint32_t page_size = 4096;
  // Creates the file if it does not exist. The empty file stays if the open
  // then fails for another reason, because another process may already use it.
  bool create = false;
  bool read_only = false;  // GetForUpdate, New and Sync are refused
  int mode = 0600;         // permission bits of a created file, umask applied
  int filter = 0;                      // not built yet
  // Offset in each page of the log position of its last change: an Lsn, file
  // then offset, in the machine's byte order. WritePage::set_lsn stores it.
  // Needs EnvOptions::log_flush, unless the file is read-only. -1: none.
  // The owner of such a file recovers it from a log. A page with changes that
  // are not on disk panics the environment (DbEnv::ClearPanic) if its writer
  // dies. A page without such changes is read again. Pages of an UpdateGroup
  // are restored to their last put.
  int lsn_offset = -1;
  int checksum_offset = -1;            // not built yet
  // A page goes back to its last put if its writer dies, or if stack unwinding
  // interrupts the writer (WritePage). Unset: on, except for a file with an
  // lsn_offset. Costs a copy when a page that is not yet on disk is got for
  // update. Without this option such a page is lost with its writer: gets
  // return DataLoss until the page is written again with GetOptions::create.
  // Applies to this process's handle only.
  std::optional<bool> atomic_update = {};
  bool retain_until_synced = false;    // not built yet
  uint32_t clear_bytes = 0;            // not built yet; 0 = the whole page
  Priority priority = Priority::kDefault;  // others are not built yet
  uint64_t max_bytes = 0;                  // not built yet; 0 = no limit
  // Opens a file with a size that is not a multiple of the page size. The cause
  // is a write at its end that was cut short (full disk, power loss). Whole
  // pages are intact. Event::Kind::kPartialPage reports the rest, and the next
  // new page overwrites it. If the region knows the file's page size, the file
  // opens without this option.
  bool odd_size = false;
};

// Options of MPoolFile::Get and of the other gets.
struct GetOptions {
  // Only Get accepts kNone. Updates return InvalidArgument for it.
  Latch latch = Latch::kShared;
  // Creates a page past the end: zeroed, and the file grows to contain it.
  bool create = false;
  // This get is part of a scan and does not show that the page is useful. A
  // page that it loads is the next victim among pages of the same age.
  bool scan = false;
  // The caller of GetForUpdate replaces the whole page, so a page that is not
  // in memory is not read. It starts as zeros, as does a lost page (DataLoss).
  // A page in memory has its present bytes. If an update ends without a put
  // (death, unwinding, Discard), a page that was not read is read again. Other
  // gets and UpdateGroup ignore this option.
  bool overwrite = false;
  // Bound of every wait in the call: for a latch, for a frame, for another
  // thread's read. Zero: no wait.
  absl::Duration wait = absl::InfiniteDuration();
};

// Options of DbEnv::Sync.
struct SyncOptions {
  Lsn up_to = {};  // not built yet; none = everything
  // Bound of the wait for pages that other threads hold exclusively, and for
  // another process's fsync.
  absl::Duration wait = absl::InfiniteDuration();
};

}  // namespace mpool

#endif  // MPOOL_OPTIONS_H_
