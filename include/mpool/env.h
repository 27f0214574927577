// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// env.h - an environment: a directory whose page cache every process that
// opens it shares.
//
// Caveats, in the order in which people meet them:
// - The home must be a local directory that all its users see as the same
//   one; /dev/shm must be shared too (or use Backing::kFile), for
//   kSysV the IPC namespace.
// - One environment caches a file at a time: a file that a process has open in
//   another one is refused, unless all of them only read it. The lock for this
//   is on the file's directory: two hard links in two directories are not
//   recognised, nor is a directory that the process may not read.
// - A program that changes a page file which no process has open is seen by the
//   times of the file. Clean pages are dropped if the times prove nothing: the
//   file was closed within 20 ms of a change (2 s where times are whole
//   seconds), and the kernel is older than 6.13.
// - A process that is stopped (SIGSTOP, a debugger) while it holds a page
//   keeps holding it. A process that dies does not. One that is stopped inside
//   a call may make others wait beyond their deadlines, inside Open or Close
//   every Open: stop processes outside of calls.
// - A process writes pages of files that others changed, and a limit on file
//   sizes (RLIMIT_FSIZE) holds for them too. What is larger is an error, and
//   never SIGXFSZ.
// - After fork, the child may use the environment: it registers itself at its
//   first call. Guards that it inherited do nothing. Backing::kHeap cannot be
//   used in a child.
// - Backing::kAnonymous, kDevZero and kSysVPrivate have no name: other
//   processes are refused the home as long as one that could come in is there.
//   They keep fds open: a program that closes every fd it does not know cannot
//   use them. If all processes die, pages that no Sync had written are lost.
//   They and kHeap are refused in a home that has a region with a name, whose
//   pages they would not see: remove that first.
// - Backing::kFile is refused on a file system that may write a changed block
//   to a new place (btrfs, XFS with reflink, ZFS): on a full disk the kernel
//   would end the process. So is kPosixShm if /dev/shm is a directory there.
// - A process that cannot open the lock file of its home any more (the home was
//   removed, rights were given up, another root without /proc) cannot leave:
//   Close returns the error and closes nothing. A destructor writes the dirty
//   pages, reports Event::kLeaveFailed, and leaves the process attached until
//   it ends or opens an environment when it can leave. One free fd is never
//   needed to leave.
// - Handles may be globals. Every call works in an atexit handler, and in a
//   destructor that runs after those of the thread's thread_local objects.
// - A home whose file system is mounted again under another device number keeps
//   its pages, and those of page files on the same file system, if the kernel
//   tells that it is not a copy of one that is still mounted: it needs a UUID,
//   a time of birth, and ustat(2), which x86 has, except on btrfs. Otherwise
//   the region is made anew (Event::kMadeAnew).
// - A process that writes wild bytes into the region is not defended against.
// - No call throws. If operator new fails in a call, or a callback throws, the
//   process ends (std::terminate), and other processes repair what it held.
//   std::set_terminate must not keep such a process alive.
// - A thread may be cancelled (pthread_cancel) at any time, also in a call. A
//   call that waits or makes system calls holds cancellation off, so the thread
//   ends at its first cancellation point after the call; a get of a page that
//   is in memory and free has no such point. Guards that the unwinding of the
//   stack destroys give their pages back; see WritePage. A thread must not be
//   in a call with PTHREAD_CANCEL_ASYNCHRONOUS.
//
// Thread safety: every call may be made by any thread at any time, except
// Close and the destructor, which must be the last.

#ifndef MPOOL_ENV_H_
#define MPOOL_ENV_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/export.h"
#include "mpool/file.h"
#include "mpool/options.h"
#include "mpool/stats.h"
#include "mpool/types.h"

namespace mpool {

class MPOOL_EXPORT DbEnv {
 public:
  // Opens the environment in directory `home`, which must exist. Creates its
  // region, joins the one that other processes use, or takes over, warm, the
  // one that they left. Repairs what dead processes left behind.
  // Opening a home twice in one process gives two handles on one attachment.
  static absl::StatusOr<std::unique_ptr<DbEnv>> Open(
      std::string_view home, const EnvOptions& options = {}) noexcept;

  // Removes the region of `home`, after writing back its dirty pages. Fails
  // if a process has it open, or if a page cannot be written; `force` discards
  // such pages, but never removes a region that is in use. A home without a
  // region is Ok.
  static absl::Status Remove(std::string_view home,
                             bool force = false) noexcept;

  // The statistics of `home` without joining it: takes no latch and no slot,
  // works on a full or damaged environment, and changes nothing.
  static absl::StatusOr<EnvStats> Inspect(std::string_view home) noexcept;

  // Who holds which pages, latches and slots of `home`, and which of them are
  // dead. Without joining it, as Inspect.
  static absl::StatusOr<std::vector<Holding>> Holders(
      std::string_view home) noexcept;

  DbEnv(const DbEnv&) = delete;
  DbEnv& operator=(const DbEnv&) = delete;
  // Closes the environment and drops the status. With guards still out, or if
  // the process cannot leave, it reports through on_event and leaves the memory
  // mapped.
  ~DbEnv();

  // Opens a page file; a relative path starts at the home. The file's size
  // must be a multiple of the page size, unless FileOptions::odd_size is set or
  // the region knows the file with this page size.
  absl::StatusOr<std::unique_ptr<MPoolFile>> OpenFile(
      std::string_view path, const FileOptions& options = {}) noexcept;

  // Writes every dirty page of every file and makes the files durable, also
  // those that are closed. Waits for pages that others hold exclusively, and
  // for an fsync that another process makes, up to options.wait; then it names
  // page or file, and holder. Errors are as of MPoolFile::Sync; a file that was
  // written and cannot be fsynced any more is an error that names it.
  absl::Status Sync(const SyncOptions& options = {}) noexcept;

  // Files have no LSN yet: always "none".
  Lsn OldestDirtyLsn() const noexcept;

  // Not built yet.
  absl::StatusOr<int> Trickle(int percent) noexcept;

  // Makes the cache larger or smaller, up to EnvOptions::max_cache_bytes, for
  // all processes and while they work. `cache_bytes` is as in EnvOptions; room
  // for 16 pages of the largest page size that is open must be left, and an
  // extent for each size. No page moves: those that are in the way are written
  // back if they are dirty, and read again when they are got.
  // Memory goes back to the system, but for headers (1.6 % of the largest size
  // so far). A larger cache whose memory cannot be had is an error, and the
  // size is as before. Unavailable if pages in the way are held, or cannot be
  // written, for half a second: the new size holds all the same, nothing new is
  // put there, and the rest of the memory is given back by a later miss, open,
  // FailCheck or Resize of any process, as it is after a resizer died. A grown
  // part is locked (EnvOptions::lock_memory) by the process that resizes and by
  // those that open later.
  absl::Status Resize(uint64_t cache_bytes) noexcept;

  // Looks for dead processes and repairs what they left. Joins and waiters do
  // so without being asked; this is for a program that wants to know.
  absl::StatusOr<RepairReport> FailCheck() noexcept;

  // Ends a panic: gets are granted again, to every process. A panic begins
  // when a process dies while it changes a page of a file with an lsn_offset
  // that has changes which are not on disk: from then on each get of each
  // process, and each open, answers DataLoss with kPanicPayload. To recover,
  // the owner opens the environment with EnvOptions::recover, redoes from its
  // log (a lost page by GetForUpdate with GetOptions::create) and calls this.
  // FailedPrecondition, naming it, while such a page is still lost: more may
  // have died. Without a panic it does nothing.
  // Each page that is lost in this way, also during a panic, is the next panic.
  // It stops the processes that came to recover from the one before too: their
  // gets and ClearPanic answer DataLoss until they open the environment with
  // EnvOptions::recover once more.
  absl::Status ClearPanic() noexcept;

  // Costs a walk over the heap, under its latch, and over threads and frames.
  EnvStats Stats() const noexcept;

  // Bytes of the region that this process has in huge pages (huge_pages of
  // EnvOptions); 0 if the kernel does not tell. For a look now and then: it
  // reads /proc/self/smaps, which takes milliseconds and holds up threads that
  // map memory.
  uint64_t HugeBytes() const noexcept;

  // Leaves the environment. The last process writes back every dirty page.
  // Each process makes the files durable that it wrote and has closed since
  // (EnvOptions::sync_on_last_close).
  // FailedPrecondition, and nothing is closed, while guards or files of this
  // process are open; it lists them. Nor is anything closed if a page cannot be
  // written or the lock file cannot be opened: the environment is usable as
  // before.
  absl::Status Close() noexcept;

 private:
  friend class UpdateGroup;
  explicit DbEnv(std::shared_ptr<internal::Environment> env);

  std::shared_ptr<internal::Environment> env_;
};

}  // namespace mpool

#endif  // MPOOL_ENV_H_
