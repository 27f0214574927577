// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// options.h - what can be chosen at each call, and what holds if nothing is.
//
// A field that says "not built yet" makes the call that receives another value
// than the default return Unimplemented with the field's name.

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

// Something that the user of an environment may want to know at once.
struct Event {
  enum class Kind {
    kRepair,          // a dead process was repaired
    kPoisoned,        // a page was lost with its writer; reads answer DataLoss
    kPanic,           // the same of a page that has a log; every get is refused
    kWriteFailed,     // a page could not be written; it stays dirty
    kGuardsAtClose,   // a handle was destroyed while guards were out
    kMadeAnew,        // the region before was lost, with what was not on disk
    kPartialPage,     // a page file ends with a part of a page
    kLeaveFailed,     // a handle was destroyed, and its process could not leave
  };
  Kind kind;
  std::string message;
};

// How an environment is opened. The first process to open a home decides
// cache_bytes, backing, sysv_key, policy and mode; those who join take what is
// there.
struct EnvOptions {
  // Page bytes of the cache, exact to the frame: a multiple of 512, and room
  // for 16 pages of the largest size in use. Tables come on top (about 2.5 % at
  // pages of 4 KiB). It is cut into extents of a 32nd of it, 64 KiB to 2 MiB,
  // each for one page size, which go to the size that needs them; every size
  // that has open files keeps one.
  uint64_t cache_bytes = uint64_t{32} << 20;
  // Size up to which DbEnv::Resize may grow; 0 = cache_bytes. Costs 0.5 % of it
  // for the hash table, and address space. Only who makes the region chooses.
  uint64_t max_cache_bytes = 0;
  Backing backing = Backing::kPosixShm;
  Policy policy = Policy::kClock;
  // Create the region if the home has none. Without it such an open is
  // NotFound.
  bool create = true;
  // The key of the memory, for kSysV: one that was agreed on (ftok, or
  // DbEnv::set_shm_key of Berkeley DB). The open is AlreadyExists, naming who
  // has it, if another environment or program took the key. Unset: one that
  // follows from the home.
  std::optional<int> sysv_key = {};
  // Permission bits of the region's files, applied whatever the umask. Memory
  // that lets others in whom they do not is refused. Bits for a group (0660)
  // are for that of the home, if the home lets its group write; bits that let
  // everybody write are refused.
  int mode = 0600;
  // Map every page of the region at open, and not when it is first touched.
  bool prefault = false;
  // Keep the region out of swap: mlock, by each process that asks for it, or
  // SHM_LOCK. The open fails, naming RLIMIT_MEMLOCK, where that is too low.
  bool lock_memory = false;
  // Ask for transparent huge pages: with them a hit in a cache of some size
  // costs about a quarter less (hit.backing.huge of the benchmark). The kernel
  // decides. To shared memory it gives none as long as
  // /sys/kernel/mm/transparent_hugepage/shmem_enabled says "never", its usual
  // value; "advise" lets it. What it gave is DbEnv::HugeBytes.
  bool huge_pages = true;
  // The last process to close writes back every dirty page; with this it also
  // makes the files durable (fsync).
  bool sync_on_last_close = true;
  // Opens a panicked environment too, and lets this process, with all its
  // handles, go on in it to recover from its log; see DbEnv::ClearPanic.
  bool recover = false;
  // Whether this process may become the environment's cleaner. No cleaner
  // runs yet: a thread that meets a dirty victim writes back a batch itself.
  bool cleaner = true;
  // Makes the owner's log durable up to a position. Called before pages of a
  // file with an lsn_offset are written, with the highest LSN among them, from
  // any call that may write. It holds no latch, but maybe pages: it must not
  // wait for what another thread holds while that one waits for a page, and
  // calls into the environment from it are FailedPrecondition. It must not open
  // or close another environment, nor fork, nor throw, nor end its thread; the
  // thread has cancellation off while it runs. If it fails the pages stay
  // dirty. A process without it does not write such pages.
  std::function<absl::Status(Lsn)> log_flush = {};
  // Called with no latch held, before a call that opens, closes, syncs, resizes
  // or checks returns; of the first 1,000 events since the last such call. It
  // must not call into the environment, nor throw, nor end its thread; the
  // thread has cancellation off while it runs.
  std::function<void(const Event&)> on_event = {};
};

// How a page file is opened. Handles of one file, in all processes, must agree
// on page_size and lsn_offset.
struct FileOptions {
  // Bytes of a page: a power of two from 512 to 65536.
  uint32_t page_size = 4096;
  // Make the file if it is not there. It stays, empty, if the open then fails
  // for another reason: somebody else may have found it already.
  bool create = false;
  bool read_only = false;  // GetForUpdate, New and Sync are refused
  int mode = 0600;         // permission bits of a created file, umask applied
  int filter = 0;                      // not built yet
  // Where each page has the log position of its last change: an Lsn, file then
  // offset, in the machine's byte order; WritePage::set_lsn stores it. Needs
  // EnvOptions::log_flush, unless the file is only read. Its owner has a log
  // and recovers by it: a page that dies with its writer while it has changes
  // that are not on disk panics the environment (DbEnv::ClearPanic); one that
  // had none is read again, and those of an UpdateGroup are set back. -1: none.
  int lsn_offset = -1;
  int checksum_offset = -1;            // not built yet
  // A page whose writer dies, or is cut short by an exception (WritePage), goes
  // back to its last put; unset = yes, but for a file with an lsn_offset. Costs
  // a copy when a page that is not yet on disk is got for update. Without it
  // such a page is lost with its writer: gets answer DataLoss until it is
  // written anew with GetOptions::create. For this process's handle alone.
  std::optional<bool> atomic_update = {};
  bool retain_until_synced = false;    // not built yet
  uint32_t clear_bytes = 0;            // not built yet; 0 = the whole page
  Priority priority = Priority::kDefault;  // others are not built yet
  uint64_t max_bytes = 0;                  // not built yet; 0 = no limit
  // Opens a file whose size is no multiple of the page size, because a write at
  // its end was cut short (a full disk, a lost power supply). Its whole pages
  // are as they were; the rest is reported by Event::Kind::kPartialPage, and
  // the next new page takes its place. A file whose page size the region knows
  // opens without it.
  bool odd_size = false;
};

// How a page is got.
struct GetOptions {
  Latch latch = Latch::kShared;
  // A page past the end is made: zeroed, and the file grows to hold it.
  bool create = false;
  // This get is part of a scan and says nothing about the page's worth: a
  // page that it brings in is the next victim of its age.
  bool scan = false;
  // Bound of every wait inside the call: for a latch, a frame, another
  // thread's read. Zero = try.
  absl::Duration wait = absl::InfiniteDuration();
};

// What a Sync covers.
struct SyncOptions {
  SyncOptions() = default;
  SyncOptions(Lsn lsn) : up_to(lsn) {}  // NOLINT: Sync(lsn) is the old call
  Lsn up_to;  // not built yet; none = everything
  // Bound of the wait for pages that others hold exclusively.
  absl::Duration wait = absl::InfiniteDuration();
};

}  // namespace mpool

#endif  // MPOOL_OPTIONS_H_
