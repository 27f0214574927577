// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// lock_file.cc - byte locks that live exactly as long as a process's memory.

#include "os/lock_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/directory.h"
#include "os/filesystem_kind.h"
#include "os/lost_fd.h"
#include "os/process.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

// The kernel rounds it up to a page.
constexpr size_t kPageBytes = 1;

constexpr char kNoLocksAdvice[] =
    "open file description locks are needed; they need Linux 3.15 or newer "
    "and a local file system";

// The bytes that name the holder of byte 0; no file is that large.
constexpr uint64_t kHolderPids = uint64_t{1} << 40;
constexpr uint64_t kHolderNamespaces = uint64_t{1} << 41;
constexpr uint64_t kHolderRange = uint64_t{1} << 32;

struct flock WriteLock(uint64_t first, uint64_t count) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(first);
  lock.l_len = static_cast<off_t>(count);
  return lock;
}

// Acquires the lock. `command` is F_OFD_SETLKW, or F_OFD_SETLK, which does
// not wait. Returns false if another description holds the lock.
absl::StatusOr<bool> TakeLock(const File& file, uint64_t byte, int command) {
  struct flock lock = WriteLock(byte, 1);
  if (RetryEintr([&] { return Sys().fcntl_lock(file.fd(), command, &lock); }) ==
      0) {
    return true;
  }
  if (errno == EAGAIN || errno == EACCES) return false;
  return ErrnoToStatus(errno, absl::StrCat("lock byte ", byte), file.path(),
                       kNoLocksAdvice);
}

// Names this process as the holder of byte 0. Ignores errors: the names are for
// people only.
void NameHolder(const File& file) {
  const uint64_t pid = static_cast<uint32_t>(Sys().getpid());
  const uint64_t pid_namespace = OwnPidNamespace();
  struct flock names[2] = {
      WriteLock(kHolderNamespaces + pid_namespace % kHolderRange, 1),
      WriteLock(kHolderPids + pid, 1)};
  for (struct flock& name : names) {
    Sys().fcntl_lock(file.fd(), F_OFD_SETLK, &name);
  }
}

// Returns the lowest locked byte of the range. The kernel reports any of the
// conflicting locks, so the bytes before the reported one are probed again.
absl::StatusOr<std::optional<uint64_t>> Probe(const File& file, uint64_t first,
                                              uint64_t count) {
  std::optional<uint64_t> lowest;
  while (count > 0) {
    struct flock lock = WriteLock(first, count);
    if (RetryEintr([&] {
          return Sys().fcntl_lock(file.fd(), F_OFD_GETLK, &lock);
        }) != 0) {
      return ErrnoToStatus(
          errno, absl::StrCat("look for a lock on byte ", first, " or after"),
          file.path(), kNoLocksAdvice);
    }
    if (lock.l_type == F_UNLCK) break;
    lowest = std::max(first, static_cast<uint64_t>(lock.l_start));
    count = *lowest - first;
  }
  return lowest;
}

}  // namespace

// A lock whose description has an fd, or a page that fork copies: one in the
// making, or one on overlayfs. A forked child closes the fds of all of them.
class HalfMadeLock {
 public:
  HalfMadeLock() = default;
  HalfMadeLock(const HalfMadeLock&) = delete;
  HalfMadeLock& operator=(const HalfMadeLock&) = delete;
  ~HalfMadeLock() {
    std::lock_guard lock(mutex);
    Close();
  }

  static int WatchForks() {
    static const int handlers = pthread_atfork(BeforeFork, InParent, InChild);
    return handlers;
  }

  // Calls `open_file` and keeps its file. No fork happens in between.
  template <typename OpenFile>
  absl::Status Open(OpenFile open_file) {
    const int handlers = WatchForks();
    if (handlers != 0) return ErrnoToStatus(handlers, "watch forks", "");
    std::lock_guard lock(mutex);
    MPOOL_ASSIGN_OR_RETURN(file_, open_file());
    next_ = first;
    first = this;
    return absl::OkStatus();
  }

  const File& file() const { return file_; }
  bool is_open() const { return file_.is_open(); }
  // Returns the errors of stat. Close then spares an fd that the program
  // closed and that belongs to another file now.
  absl::Status Keep() {
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file_.Info());
    identity_ = info.identity;
    return absl::OkStatus();
  }

  // Moves the description from the fd to a page. No fork happens in between.
  absl::StatusOr<void*> ToPage() {
    std::lock_guard lock(mutex);
    void* page =
        Sys().mmap(nullptr, kPageBytes, PROT_NONE, MAP_SHARED, file_.fd(), 0);
    if (page == MAP_FAILED) {
      return ErrnoToStatus(errno, "map a page of the lock file", file_.path(),
                           errno == ENOMEM ? kRaiseAddressSpace : "");
    }
    if (Sys().madvise(page, kPageBytes, MADV_DONTFORK) != 0) {
      const int error = errno;
      Sys().munmap(page, kPageBytes);
      return ErrnoToStatus(error, "keep a lock from forked children",
                           file_.path(), IsRefusal(error) ? kAllowCall : "");
    }
    Close();
    return page;
  }

 private:
  static void BeforeFork() { mutex.lock(); }
  static void InParent() { mutex.unlock(); }
  static void InChild() {
    while (first != nullptr) first->Close();
    mutex.unlock();
  }

  void Close() {
    if (!file_.is_open()) return;
    if (!identity_.has_value() || !ForgetIfLost(file_, *identity_)) {
      file_.Close();
    }
    HalfMadeLock** link = &first;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
  }

  // Guards the list of all HalfMadeLocks with an open file, and every open and
  // close of such a file. No thread waits for a byte lock under it.
  static constinit std::mutex mutex;
  static constinit HalfMadeLock* first;

  File file_;
  std::optional<FileIdentity> identity_;  // of a lock that stays so
  HalfMadeLock* next_ = nullptr;
};

constinit std::mutex HalfMadeLock::mutex;
constinit HalfMadeLock* HalfMadeLock::first = nullptr;

ByteLock::ByteLock() = default;

ByteLock::ByteLock(void* page) : page_(page) {}

ByteLock::ByteLock(std::unique_ptr<HalfMadeLock> open)
    : open_(std::move(open)) {}

ByteLock::ByteLock(ByteLock&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)),
      open_(std::move(other.open_)) {}

ByteLock& ByteLock::operator=(ByteLock&& other) noexcept {
  if (this != &other) {
    Drop();
    page_ = std::exchange(other.page_, nullptr);
    open_ = std::move(other.open_);
  }
  return *this;
}

ByteLock::~ByteLock() { Drop(); }

void ByteLock::Drop() {
  if (page_ != nullptr) {
    Sys().munmap(std::exchange(page_, nullptr), kPageBytes);
  }
  open_.reset();
}

void ByteLock::Forget() {
  page_ = nullptr;
  if (open_ == nullptr) return;
  // The handler of a fork closed the fd. Without one (_Fork) a thread of the
  // parent may hold the mutex, so the fd stays open.
  if (open_->is_open()) {
    static_cast<void>(open_.release());
  } else {
    open_.reset();
  }
}

LockFile::LockFile(const File* dir, FileIdentity dir_identity,
                   std::string_view name, bool create, int permissions)
    : dir_(dir),
      dir_identity_(dir_identity),
      name_(name),
      create_(create),
      permissions_(permissions) {}

// Ignores an error, because the first lock reports it.
void LockFile::WatchForks() { static_cast<void>(HalfMadeLock::WatchForks()); }

absl::StatusOr<LockFile> LockFile::Open(const File& dir, std::string_view name,
                                        bool create, int permissions,
                                        std::function<bool()> unused) {
  LockFile file(&dir, {}, name, create, permissions);
  file.unused_ = std::move(unused);
  file.made_ = create && absl::IsNotFound(InfoAt(dir, name).status());
  MPOOL_ASSIGN_OR_RETURN(file.probe_, file.OpenBelow(dir));
  // Read after the open, because the open may give a directory on an overlay
  // another identity.
  const absl::StatusOr<FileInfo> info = dir.Info();
  if (!info.ok()) {
    file.Unmake();
    return info.status();
  }
  file.dir_identity_ = info->identity;
  // Without this identity a forked child only keeps one fd that it does not
  // need.
  const absl::StatusOr<FileInfo> probe = file.probe_.Info();
  if (probe.ok()) file.probe_identity_ = probe->identity;
  return file;
}

// Reuses the fd of probe_, because the process may have no free fd.
void LockFile::Unmake() {
  if (!made_ || !unused_) return;
  HalfMadeLock gate;
  if (!gate.Open([&]() -> absl::StatusOr<File> { return std::move(probe_); })
           .ok()) {
    return;
  }
  if (!TakeLock(gate.file(), 0, F_OFD_SETLK).value_or(false) ||
      !HasName(*dir_, gate.file()).value_or(false)) {
    return;
  }
  const absl::StatusOr<Found> others =
      Probe(gate.file(), 1, std::numeric_limits<int64_t>::max() - 1);
  if (!others.ok() || others->has_value() || !unused_()) return;
  UnlinkAt(*dir_, name_).IgnoreError();
}

absl::StatusOr<LockFile> LockFile::Unnamed() {
  MPOOL_ASSIGN_OR_RETURN(File unnamed, File::Unnamed());
  auto kept = std::make_shared<File>(std::move(unnamed));
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, kept->Info());
  LockFile file(kept.get(), info.identity, "", false, 0);
  file.unnamed_ = std::move(kept);
  MPOOL_ASSIGN_OR_RETURN(file.probe_,
                         file.OpenUnnamed(File::Mode::kReadOnly));
  file.probe_identity_ = info.identity;
  return file;
}

absl::StatusOr<File> LockFile::OpenUnnamed(File::Mode mode) const {
  absl::StatusOr<File> again = File::Open(unnamed_->path(), {.mode = mode});
  if (again.ok() || absl::IsResourceExhausted(again.status())) return again;
  return absl::FailedPreconditionError(absl::StrCat(
      "prove that forked processes live: ", again.status().message(),
      "; mount /proc, or use a Backing with a name"));
}

// Checks the directory's identity, because in another directory every lock
// would look free.
absl::StatusOr<File> LockFile::ReopenDirectory() const {
  if (unnamed_ == nullptr) return os::ReopenDirectory(*dir_, dir_identity_);
  MPOOL_ASSIGN_OR_RETURN(const bool lost, IsLost(*dir_, dir_identity_));
  if (!lost) return File();
  return absl::FailedPreconditionError(
      "prove that forked processes live: the program closed the fd of their "
      "lock file, which has no name; close only fds that are its own, or use a "
      "Backing with a name");
}

void LockFile::ForgetLost() {
  ForgetIfLost(probe_, probe_identity_);
  if (unnamed_ != nullptr) ForgetIfLost(*unnamed_, dir_identity_);
}

absl::StatusOr<File> LockFile::OpenBelow(const File& dir) const {
  if (unnamed_ != nullptr) return OpenUnnamed(File::Mode::kReadWrite);
  while (true) {
    absl::StatusOr<File> file = OpenOwn(dir, name_, File::Mode::kReadWrite);
    if (!absl::IsNotFound(file.status()) || !create_) return file;
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, dir.Info());
    file = File::OpenAt(dir, name_, NewOwn(info, permissions_));
    if (!absl::IsAlreadyExists(file.status())) return file;
  }
}

absl::StatusOr<bool> LockFile::HasName(const File& dir,
                                       const File& file) const {
  MPOOL_ASSIGN_OR_RETURN(const FileInfo opened, file.Info());
  if (unnamed_ != nullptr) return opened.identity == dir_identity_;
  const absl::StatusOr<FileInfo> named = InfoAt(dir, name_);
  if (absl::IsNotFound(named.status())) return false;
  if (!named.ok()) return named.status();
  return named->identity == opened.identity;
}

absl::StatusOr<std::optional<ByteLock>> LockFile::Attempt(
    uint64_t byte, IfHeld if_held) const {
  MPOOL_ASSIGN_OR_RETURN(const File reopened, ReopenDirectory());
  const File& dir = reopened.is_open() ? reopened : *dir_;
  auto half_made = std::make_unique<HalfMadeLock>();
  MPOOL_RETURN_IF_ERROR(half_made->Open([&] { return OpenBelow(dir); }));
  MPOOL_ASSIGN_OR_RETURN(
      const bool taken,
      TakeLock(half_made->file(), byte,
               if_held == IfHeld::kWait ? F_OFD_SETLKW : F_OFD_SETLK));
  MPOOL_ASSIGN_OR_RETURN(const bool has_name, HasName(dir, half_made->file()));
  if (!has_name) return std::optional<ByteLock>();
  if (!taken) return std::optional<ByteLock>(ByteLock());
  if (byte == 0) NameHolder(half_made->file());
  if (IsOnOverlay(half_made->file())) {
    MPOOL_RETURN_IF_ERROR(half_made->Keep());
    return std::optional<ByteLock>(ByteLock(std::move(half_made)));
  }
  MPOOL_ASSIGN_OR_RETURN(void* page, half_made->ToPage());
  return std::optional<ByteLock>(ByteLock(page));
}

// The kernel has no wait for a lock with an end. A finite wait therefore tries
// again and again, at most 20 ms apart.
absl::StatusOr<ByteLock> LockFile::Acquire(uint64_t byte,
                                           const Deadline& deadline) const {
  constexpr absl::Duration kLongestNap = absl::Milliseconds(20);
  absl::Duration nap = absl::Milliseconds(1);
  const IfHeld if_held =
      deadline.is_infinite() ? IfHeld::kWait : IfHeld::kGiveUp;
  while (true) {
    MPOOL_ASSIGN_OR_RETURN(std::optional<ByteLock> lock,
                           Attempt(byte, if_held));
    if (!lock.has_value()) continue;
    if (lock->held() || deadline.passed()) return *std::move(lock);
    Sleep(deadline.Left(nap));
    nap = std::min(2 * nap, kLongestNap);
  }
}

absl::StatusOr<ByteLock> LockFile::Lock(uint64_t byte,
                                        const Deadline& deadline) const {
  return Acquire(byte, deadline);
}

absl::StatusOr<ByteLock> LockFile::LockWithin(uint64_t byte,
                                              const Deadline& deadline) {
  absl::StatusOr<ByteLock> lock = Lock(byte, deadline);
  if (!absl::IsResourceExhausted(lock.status()) || !probe_.is_open()) {
    return lock;
  }
  // A lock needs an fd only until it has its page.
  probe_.Close();
  lock = Lock(byte, deadline);
  absl::StatusOr<File> probe = OpenBelow(*dir_);
  if (!probe.ok()) return lock;
  probe_ = *std::move(probe);
  const absl::StatusOr<FileInfo> info = probe_.Info();
  if (info.ok()) probe_identity_ = info->identity;
  return lock;
}

absl::StatusOr<ByteLock> LockFile::TryLock(uint64_t byte) const {
  return Acquire(byte, Deadline(absl::ZeroDuration()));
}

absl::StatusOr<std::optional<LockFile::Found>> LockFile::Look(
    const File& dir, const File& file, uint64_t first, uint64_t count) const {
  MPOOL_ASSIGN_OR_RETURN(const Found held, Probe(file, first, count));
  // Checked after the probe, because the program may close the fd before the
  // probe.
  MPOOL_ASSIGN_OR_RETURN(const bool has_name, HasName(dir, file));
  if (!has_name) return std::optional<Found>();
  return std::optional<Found>(held);
}

absl::StatusOr<std::optional<uint64_t>> LockFile::FindHeld(
    uint64_t first, uint64_t count) const {
  while (true) {
    MPOOL_ASSIGN_OR_RETURN(const File reopened, ReopenDirectory());
    const File& dir = reopened.is_open() ? reopened : *dir_;
    const absl::StatusOr<bool> is_ours = HasName(dir, probe_);
    if (is_ours.ok() && *is_ours) {
      const auto found = Look(dir, probe_, first, count);
      if (found.ok() && found->has_value()) return **found;
    }
    constexpr auto kMode = File::Mode::kReadOnly;
    MPOOL_ASSIGN_OR_RETURN(
        const File file, unnamed_ != nullptr ? OpenUnnamed(kMode)
                                             : OpenOwn(dir, name_, kMode));
    MPOOL_ASSIGN_OR_RETURN(const auto found, Look(dir, file, first, count));
    if (found.has_value()) return *found;
  }
}

absl::StatusOr<std::optional<LockHolder>> LockFile::FindHolder() const {
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> pid,
                         FindHeld(kHolderPids, kHolderRange));
  if (!pid.has_value()) return std::optional<LockHolder>();
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> pid_namespace,
                         FindHeld(kHolderNamespaces, kHolderRange));
  return LockHolder{
      .pid = static_cast<int32_t>(*pid - kHolderPids),
      .pid_namespace = pid_namespace.value_or(kHolderNamespaces) -
                       kHolderNamespaces};
}

// Ignores an error: without OFD locks the use of the lock file failed before.
void MarkMapped(const File& file) {
  struct flock own = WriteLock(0, 1);
  own.l_type = F_RDLCK;
  Sys().fcntl_lock(file.fd(), F_OFD_SETLK, &own);
}

absl::StatusOr<bool> IsMapped(const File& file) {
  MPOOL_ASSIGN_OR_RETURN(const auto held, Probe(file, 0, 1));
  return held.has_value();
}

absl::StatusOr<bool> ClaimDirectory(const File& dir) {
  // A read lock, because a directory cannot be opened for writing. Two claims
  // at the same time may both be refused.
  struct flock own = WriteLock(0, 1);
  own.l_type = F_RDLCK;
  if (RetryEintr([&] {
        return Sys().fcntl_lock(dir.fd(), F_OFD_SETLK, &own);
      }) != 0) {
    return ErrnoToStatus(errno, "lock directory", dir.path(), kNoLocksAdvice);
  }
  MPOOL_ASSIGN_OR_RETURN(const bool taken, IsDirectoryClaimed(dir));
  if (taken) UnclaimDirectory(dir);
  return !taken;
}

void UnclaimDirectory(const File& dir) {
  struct flock own = WriteLock(0, 1);
  own.l_type = F_UNLCK;
  Sys().fcntl_lock(dir.fd(), F_OFD_SETLK, &own);
}

absl::StatusOr<bool> IsDirectoryClaimed(const File& dir) {
  return IsMapped(dir);
}

}  // namespace mpool::os
