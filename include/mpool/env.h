// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// env.h - an environment: a directory with a page cache that all processes
// share that open the directory.
//
// Caveats, the most common first:
// - The home must be a local directory, and the same directory for all users
//   of the environment. All of them must also share /dev/shm, or use
//   Backing::kFile. kSysV needs a shared IPC namespace.
// - One environment caches a file at a time. OpenFile refuses a file that a
//   process has open in another environment, unless all processes only read
//   the file. The lock for this is on the directory through which the file
//   was opened. OpenFile cannot detect a file that has another name in another
//   directory (a hard link, a bind mount, a rename while it is open). Nor can
//   it detect a file in a directory that the process cannot read.
// - A page file may be changed by another program while no process has the
//   file open and the pool has no dirty page of it. OpenFile detects the change
//   by the times of the file. The pool drops clean pages if the times prove
//   nothing. This needs a kernel older than 6.13, and a close of the file
//   within 20 ms of a change (2 s where times are whole seconds).
// - A process that is stopped (SIGSTOP, a debugger) keeps the pages that it
//   holds; a process that dies loses them. A process that is stopped inside a
//   call may delay other processes beyond their deadlines. Inside Open or
//   Close it delays every Open and Close of its home; EnvOptions::wait bounds
//   Open. Stop processes outside of calls.
// - An Open, a Close and a fork do not wait for an Open or Close of another
//   home. A child that is forked during an Open or Close of another thread has
//   no handle of that home, and may open it again. Until the child ends or
//   execs, it keeps the mapping and up to three descriptors of that home.
// - A process also writes pages that other processes changed, so its limit on
//   file sizes (RLIMIT_FSIZE) applies to those pages too. A write beyond the
//   limit returns an error and never raises SIGXFSZ.
// - A forked child may use the environment: its first call registers the child.
//   Inherited guards do nothing in the child. Backing::kHeap cannot be used in
//   a child.
// - Backing::kAnonymous, kDevZero and kSysVPrivate have no name. Other
//   processes cannot open the home while a process that could use such memory
//   lives. These backings keep fds open, so a program that closes all fds it
//   does not know cannot use them. If all processes die, pages that no Sync
//   wrote are lost. These backings and kHeap would not see the pages of a
//   region with a name. They are refused in its home: remove that region
//   first.
// - On an overlay (the file system of a container image) the library keeps an
//   fd open that proves the life of its process. A program that closes it may
//   be repaired as if it were dead. Such a program needs a home elsewhere.
// - The memory of kPosixShm and kSysV is outside the home. `rm -rf HOME` leaves
//   it until the next boot. `mpool list --remove-orphans`, run by root, finds
//   and removes such memory. DbEnv::Remove, `mpool remove` or
//   EnvOptions::remove_on_last_close remove it before the home goes.
// - Backing::kFile is refused on a file system that may write a changed block
//   to a new place (btrfs, XFS with reflink, ZFS). There the kernel would kill
//   the process when the disk is full. kPosixShm is refused too if
//   /dev/shm is a directory on such a file system.
// - Each process needs the right to read and to write the files of the home and
//   its memory, also to read pages. A process without it is refused
//   (PermissionDenied): there is no join for reading only. Users share an
//   environment through a group (a home of mode 2770) and EnvOptions::mode
//   0660. If root made files in the home of another user, root must remove them
//   ('mpool remove') or chown them.
// - A process may give up its rights (setuid) or change its root (chroot) after
//   Open. Gets, New and Sync of open files work as before. Resize, OpenFile,
//   Close, and the first call of a forked child open files again. They fail if
//   a right or a path is missing, and the error names it. Backings without a
//   name need /proc and no rights, except in OpenFile. kSysV needs no right in
//   Resize.
// - A sandbox (seccomp) may refuse statx, getrandom, membarrier, memfd_create,
//   fstatfs, renameat, fchmod and fchown with EPERM or ENOSYS. The library does
//   without them. Without statx it identifies files only by inode number and
//   generation. If the file system reports no generation, OpenFile drops the
//   clean pages of a file that no process has open. Open returns an error if
//   another call that it needs is refused.
// - Open, prefault and Resize ask the control groups of the process (memory.max
//   or memory.limit_in_bytes, also of the groups above) before they reserve
//   memory. ResourceExhausted then names the file, the limit and the use. The
//   memory of Backing::kFile on a disk is not counted. Later growth of other
//   programs in the group may still make the kernel kill a process.
// - A process may become unable to open the lock file of its home. Reasons are
//   a removed home, rights that the process gave up, or another root without
//   /proc. The process cannot leave then. Close returns the error and closes
//   nothing. A destructor writes the dirty pages and reports
//   Event::kLeaveFailed. The process stays attached until it ends, or until it
//   opens an environment while it can leave. Leaving never needs a free fd.
// - Handles may be globals. Every call works in an atexit handler, and in a
//   destructor that runs after the thread's thread_local objects are destroyed.
// - A file system may be mounted again under another device number. A home
//   and page files there keep their pages if the kernel shows that it is no
//   copy of a mounted one. This needs a UUID, a time of birth, and ustat(2),
//   which x86 has; btrfs does not support it. Otherwise the region is created
//   again (Event::kMadeAnew).
// - There is no defence against a process that writes wild bytes into the
//   region.
// - No call throws. If operator new fails in a call, or a callback throws, the
//   process ends (std::terminate), and other processes repair its state.
//   std::set_terminate must not keep such a process alive.
// - A thread may be cancelled (pthread_cancel) at any time, also in a call. A
//   call that waits or makes system calls disables cancellation, so the thread
//   ends at its first cancellation point after the call. A get of a page that
//   is in memory and not latched has no such point. Guards that stack unwinding
//   destroys release their pages; see WritePage. A thread must not use
//   PTHREAD_CANCEL_ASYNCHRONOUS while it is in a call.
//
// Thread safety: any thread may make any call at any time, except Close and
// the destructor, which must be the last calls.

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
  // Opens the environment in directory `home`, which must exist. Creates the
  // region, joins a region that other processes use, or adopts an idle region
  // with its pages. Repairs dead processes. A second Open of the same home in
  // one process returns a second handle on the same attachment.
  // Returns errors of the operating system, and:
  // - InvalidArgument: an option, or `home` is no directory
  // - Unimplemented: an option that is not built yet (options.h)
  // - NotFound: no directory, or no region without EnvOptions::create
  // - AlreadyExists: sysv_key
  // - PermissionDenied: a right to read or write home, files or memory lacks
  // - FailedPrecondition: another layout, or home or memory is not usable, as
  //   without /dev/shm (use Backing::kFile) or /proc; or Mismatch::kFail
  // - ResourceExhausted: no free slot, or no memory
  // - DeadlineExceeded: EnvOptions::wait has passed
  // - DataLoss: damaged tables, or a panic
  static absl::StatusOr<std::unique_ptr<DbEnv>> Open(
      std::string_view home, const EnvOptions& options = {}) noexcept;

  // Writes back the dirty pages of the region of `home` and removes the region.
  // Returns an error if a process has the region open, or if a page cannot be
  // written. `force` discards such pages, but never removes a region in use.
  // Returns Ok if the home has no region.
  static absl::Status Remove(std::string_view home,
                             bool force = false) noexcept;

  // Returns the statistics of `home` without a join. Acquires no latch and no
  // slot, works on a full environment, and changes nothing. Errors:
  // - NotFound: no region
  // - FailedPrecondition: its memory has no name
  // - Unavailable: the region is being created or removed
  // - DataLoss: its header or tables are damaged
  static absl::StatusOr<EnvStats> Inspect(std::string_view home) noexcept;

  // Returns the holders of the gate, pages, latches and slots of `home`, and
  // marks the dead ones. Does not join; errors as Inspect. While the region is
  // created or removed it returns the holder of the gate alone.
  static absl::StatusOr<std::vector<Holding>> Holders(
      std::string_view home) noexcept;

  // Returns the page files that `home` knows, and their pages in the pool. Does
  // not join; errors as Inspect.
  static absl::StatusOr<std::vector<FileUse>> Files(
      std::string_view home) noexcept;

  // Returns the pages of `home` that were lost with their writers. Does not
  // join; errors as Inspect.
  static absl::StatusOr<std::vector<LostPage>> LostPages(
      std::string_view home) noexcept;

  DbEnv(const DbEnv&) = delete;
  DbEnv& operator=(const DbEnv&) = delete;
  // Closes the environment and drops the status. If guards or files are open,
  // or the process cannot leave, reports through on_event and leaves the memory
  // mapped.
  ~DbEnv();

  // Opens a page file. A relative path starts at the home. The file's size must
  // be a multiple of the page size, unless FileOptions::odd_size is set or the
  // region knows the file with this page size.
  // Returns NotFound, errors of the file system, and:
  // - InvalidArgument: options, size, a name of the environment, or another
  //   page_size or lsn_offset than that of open handles
  // - FailedPrecondition: the file is open in another environment, or changed
  //   while it has unwritten pages, or lsn_offset lacks log_flush
  // - Unimplemented: an option that is not built yet (options.h)
  // - ResourceExhausted: too many files
  // - DataLoss: a panic
  absl::StatusOr<std::unique_ptr<MPoolFile>> OpenFile(
      std::string_view path, const FileOptions& options = {}) noexcept;

  // Writes every dirty page of every file, closed files included, and makes the
  // files durable. Waits up to options.wait for pages that other threads hold
  // exclusively and for an fsync of another process. DeadlineExceeded then
  // names the page or file and its holder. Errors: as MPoolFile::Sync, and an
  // error that names a file that was written and cannot be fsynced any more.
  absl::Status Sync(const SyncOptions& options = {}) noexcept;

  // Gives up all pages of a file that no process has open, also dirty and lost
  // pages, and its errors of fsync. A relative path starts at the home. Use it
  // for a file that cannot be written any more. A closed file that provably has
  // no name left is forgotten without a call, at a miss, Sync, Close or
  // FailCheck. The proof takes the right CAP_DAC_READ_SEARCH, because another
  // program may have renamed the file. Both report Event::kForgotten.
  // NotFound if the environment does not know the file; FailedPrecondition if a
  // process has it open; Unavailable during its fsync.
  absl::Status Forget(std::string_view path) noexcept;

  // Returns "none" always, because files have no LSN yet.
  Lsn OldestDirtyLsn() const noexcept;

  // Not built yet.
  absl::StatusOr<int> Trickle(int percent) noexcept;

  // Resizes the cache, up to EnvOptions::max_cache_bytes, for all processes and
  // while they work. `cache_bytes` is as in EnvOptions. The new size must hold
  // 16 pages of the largest open page size, and one extent for each page size.
  // No page moves: pages in the way are evicted, after a write-back if they are
  // dirty. Returns the memory to the system, except headers (1.6 % of the
  // largest size so far). Returns an error and keeps the old size if memory for
  // a larger cache is not available.
  // Unavailable if pages in the way stay held, or cannot be written, for half a
  // second. The new size is in effect nevertheless and no new page uses the
  // rest. A later miss, open, FailCheck or Resize of any process returns the
  // rest of the memory, also after the death of a resizer. The resizer and
  // later openers lock the added memory (EnvOptions::lock_memory).
  absl::Status Resize(uint64_t cache_bytes) noexcept;

  // Finds and repairs dead processes. Joiners and waiters do so anyway; this
  // call is for a program that needs the report.
  absl::StatusOr<RepairReport> FailCheck() noexcept;

  // Ends a panic, so that all processes can get pages again. A panic begins if
  // a writer dies, or its stack is unwound (WritePage), and its page cannot be
  // restored. Such a page has changes that are not on disk, no before-image,
  // and a file with an lsn_offset. During the panic each get and each open, in
  // every process, returns DataLoss with kPanicPayload.
  // To recover, the owner of the log opens the environment with
  // EnvOptions::recover, redoes the changes from its log and calls ClearPanic.
  // It gets a lost page by GetForUpdate with GetOptions::create.
  // FailedPrecondition, with the page's name, while such a page is still lost,
  // because more processes may have died. Does nothing without a panic.
  // Each page lost in this way starts a new panic, also during a panic. The new
  // panic stops the recovering processes too: their gets and ClearPanic return
  // DataLoss until they open the environment with EnvOptions::recover again.
  absl::Status ClearPanic() noexcept;

  // Returns the options in force, which may differ from those of Open
  // (EnvOptions::on_mismatch). Returns zeros after Close.
  EffectiveOptions Effective() const noexcept;

  // Returns the statistics. Walks over the heap, under the heap latch, and over
  // threads and frames.
  EnvStats Stats() const noexcept;

  // Returns the bytes of the region that this process has in huge pages
  // (EnvOptions::huge_pages), or 0 if the kernel does not report them. Call it
  // rarely: it reads /proc/self/smaps, which takes milliseconds and delays
  // threads that map memory.
  uint64_t HugeBytes() const noexcept;

  // Leaves the environment. The last process writes back every dirty page. Each
  // process makes durable the files that it wrote and has closed since
  // (EnvOptions::sync_on_last_close). The last process may then remove the
  // region (EnvOptions::remove_on_last_close). If only this removal fails,
  // Close returns its error, and the environment is closed nevertheless.
  // FailedPrecondition, with a list, while guards or files of this process are
  // open. Returns an error also if a page cannot be written or the lock file
  // cannot be opened. After each of these errors nothing is closed and the
  // environment is usable.
  absl::Status Close() noexcept;

 private:
  friend class UpdateGroup;
  explicit DbEnv(std::shared_ptr<internal::Environment> env);

  std::shared_ptr<internal::Environment> env_;
};

}  // namespace mpool

#endif  // MPOOL_ENV_H_
