// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/directory.h"
#include "os/low_fds.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// The directory in which glibc and musl keep POSIX shared memory.
constexpr char kShmDirectory[] = "/dev/shm";

int OpenFlags(const File::OpenOptions& options) {
  int flags = O_CLOEXEC;
  flags |= options.mode == File::Mode::kReadOnly ? O_RDONLY : O_RDWR;
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.no_follow) flags |= O_NOFOLLOW;
  if (options.regular) flags |= O_NONBLOCK | O_NOCTTY;
  return flags;
}

}  // namespace

absl::Status OpenError(int error, std::string_view path,
                       std::string_view what) {
  std::string_view advice;
  switch (error) {
    case EACCES:
    case EPERM:
      advice =
          "check owner and permissions of it and of its directory, and "
          "whether it is immutable (lsattr)";
      break;
    case EMFILE:
      advice = "raise the limit of open files of the process (ulimit -n)";
      break;
    case ENFILE:
      advice = "raise the limit of open files of the system (fs.file-max)";
      break;
    case EROFS:
      advice = "put it on a file system that is mounted writable";
      break;
    case ENOSPC:
    case EDQUOT:
      advice = "free space or inodes there, or raise the quota";
      break;
    case ELOOP:
      advice =
          "a symbolic link is not allowed here; name the file itself, or move "
          "the link away";
      break;
    case EISDIR:
    case ENXIO:
      advice = "it is not a regular file; name another, or move it away";
      break;
    case ENAMETOOLONG:
      advice = "use shorter names";
      break;
    default:
      break;
  }
  return ErrnoToStatus(error, what, path, advice);
}

namespace {

absl::Status WriteError(int error, std::string_view path) {
  std::string_view advice;
  if (error == ENOSPC || error == EDQUOT) {
    advice = "free space there, or raise the quota";
  }
  return ErrnoToStatus(error, "write", path, advice);
}

// Returns ResourceExhausted if `end` is beyond RLIMIT_FSIZE. There the kernel
// would send SIGXFSZ, which kills a program that does not handle it. Programs
// that only read are affected too, because a get may write back a page that
// another process changed.
absl::Status CheckSizeLimit(std::string_view what, const std::string& path,
                            uint64_t end) {
  rlimit limit = {};
  if (Sys().getrlimit(RLIMIT_FSIZE, &limit) != 0 || end <= limit.rlim_cur) {
    return absl::OkStatus();
  }
  return ErrnoToStatus(
      EFBIG, what, path,
      absl::StrCat("the file needs ", end,
                   " bytes, and RLIMIT_FSIZE lets this process write files of ",
                   static_cast<uint64_t>(limit.rlim_cur),
                   "; raise it (ulimit -f, LimitFSIZE= of a service)"));
}

absl::Status GiveToGroup(const File& file, uint32_t group) {
  constexpr uid_t kSameUser = static_cast<uid_t>(-1);
  if (RetryEintr([&] {
        return Sys().fchown(file.fd(), kSameUser, group);
      }) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  // A directory with the set-group-ID bit gives its group to new files.
  const absl::StatusOr<FileInfo> info = file.Info();
  if (IsRefusal(error) && info.ok() && info->group == group) {
    return absl::OkStatus();
  }
  return ErrnoToStatus(error, absl::StrCat("give to group ", group),
                       file.path(),
                       "its directory is shared by that group: be a member "
                       "of it, or choose a mode without rights for a group");
}

absl::Status CheckOpened(const File& file, const File::OpenOptions& options) {
  if (options.regular) {
    MPOOL_ASSIGN_OR_RETURN(const FileInfo info, file.Info());
    if (!info.is_regular) return NotRegular(file.path(), info.mode);
  }
  if (!options.exact_permissions || !options.create || !options.exclusive) {
    return absl::OkStatus();
  }
  if (options.group.has_value()) {
    MPOOL_RETURN_IF_ERROR(GiveToGroup(file, *options.group));
  }
  const mode_t mode = static_cast<mode_t>(options.permissions);
  if (RetryEintr([&] { return Sys().fchmod(file.fd(), mode); }) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  // Without a umask in the way, the open has set the permissions.
  const absl::StatusOr<FileInfo> info = file.Info();
  if (IsRefusal(error) && info.ok() && (info->mode & 07777) == mode) {
    return absl::OkStatus();
  }
  return ErrnoToStatus(error, "set permissions", file.path(),
                       IsRefusal(error) ? kAllowCall : "");
}

absl::Status ReserveError(int error, const File& file, uint64_t size_bytes) {
  std::string advice;
  if (error == ENOSPC || error == EDQUOT) {
    advice = absl::StrCat(size_bytes,
                          " bytes are needed; free space there, or raise the "
                          "quota");
  } else if (IsRefusal(error)) {
    advice = kAllowCall;
  } else if (error == EOPNOTSUPP) {
    advice = "its file system cannot reserve blocks; use one that can, like "
             "ext4, XFS or tmpfs";
  }
  return ErrnoToStatus(error, "reserve blocks", file.path(), advice);
}

// Fills `calls` with the bytes of `parts`, without the first `done` bytes of
// the first part. Returns the number of entries.
int GatherCalls(std::span<const ConstBytes> parts, size_t done,
                std::array<iovec, IOV_MAX>& calls) {
  size_t count = 0;
  for (const ConstBytes& part : parts) {
    if (count == calls.size()) break;
    const ConstBytes rest = part.subspan(done);
    done = 0;
    if (rest.empty()) continue;
    calls[count].iov_base = const_cast<std::byte*>(rest.data());
    calls[count].iov_len = rest.size();
    ++count;
  }
  return static_cast<int>(count);
}

// Advances `parts` and `done` (bytes of the first part that are written) by
// `written` bytes.
void Advance(size_t written, std::span<const ConstBytes>& parts, size_t& done) {
  done += written;
  while (!parts.empty() && done >= parts.front().size()) {
    done -= parts.front().size();
    parts = parts.subspan(1);
  }
}

}  // namespace

absl::StatusOr<File> File::Open(std::string_view path,
                                const OpenOptions& options,
                                std::string_view shown) {
  const std::string name(path);
  const LowFds taken;
  const int fd = RetryEintr([&] {
    return Sys().open(name.c_str(), OpenFlags(options),
                      static_cast<mode_t>(options.permissions));
  });
  const int error = errno;
  std::string told(shown.empty() ? path : shown);
  if (fd < 0) return OpenError(error, told);
  MPOOL_ASSIGN_OR_RETURN(File file, Own(fd, std::move(told)));
  MPOOL_RETURN_IF_ERROR(CheckOpened(file, options));
  return file;
}

absl::StatusOr<File> File::OpenDirectory(std::string_view path) {
  std::string name(path);
  const LowFds taken;
  const int fd = RetryEintr([&] {
    return Sys().open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  });
  if (fd < 0) return OpenError(errno, name);
  return Own(fd, std::move(name));
}

absl::StatusOr<File> File::OpenDirectory(const File& dir) {
  const LowFds taken;
  const int fd = RetryEintr([&] {
    return Sys().openat(dir.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  });
  if (fd < 0) return OpenError(errno, dir.path());
  return Own(fd, dir.path());
}

namespace {

// Opens a file without a name where a file system has such files, in place of
// memfd_create. Returns -1 and an errno if there is none.
int OpenNameless() {
  for (const char* directory : {kShmDirectory, "/tmp", "/var/tmp"}) {
    const int fd = RetryEintr([&] {
      return Sys().open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    });
    if (fd >= 0) return fd;
  }
  return -1;
}

}  // namespace

absl::StatusOr<File> File::Unnamed() {
  constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL, Linux 6.3 or newer
  const LowFds taken;
  int fd = Sys().memfd_create("mpool", MFD_CLOEXEC | kNoExecSeal);
  if (fd < 0 && errno == EINVAL) fd = Sys().memfd_create("mpool", MFD_CLOEXEC);
  constexpr char kWhat[] = "make a file without a name";
  if (fd < 0 && IsRefusal(errno)) fd = OpenNameless();
  if (fd < 0) return OpenError(errno, "", kWhat);
  MPOOL_ASSIGN_OR_RETURN(File file, Own(fd, "", kWhat));
  file.path_ = absl::StrCat("/proc/self/fd/", file.fd());
  return file;
}

absl::StatusOr<File> File::OpenAt(const File& dir, std::string_view name,
                                  const OpenOptions& options) {
  const std::string below(name);
  std::string path = absl::StrCat(dir.path(), "/", below);
  const LowFds taken;
  const int fd = RetryEintr([&] {
    return Sys().openat(dir.fd(), below.c_str(), OpenFlags(options),
                        static_cast<mode_t>(options.permissions));
  });
  if (fd < 0) return OpenError(errno, path);
  MPOOL_ASSIGN_OR_RETURN(File file, Own(fd, std::move(path)));
  const absl::Status fits = CheckOpened(file, options);
  if (fits.ok()) return file;
  if (options.exclusive) UnlinkAt(dir, name).IgnoreError();
  return fits;
}

absl::StatusOr<File> File::OpenShm(std::string_view name,
                                   const OpenOptions& options) {
  const std::string object(name);
  std::string path = absl::StrCat(kShmDirectory, object);
  const LowFds taken;
  const int fd = RetryEintr([&] {
    return Sys().shm_open(object.c_str(), OpenFlags(options),
                          static_cast<mode_t>(options.permissions));
  });
  if (fd < 0) return OpenError(errno, path);
  MPOOL_ASSIGN_OR_RETURN(File file, Own(fd, std::move(path)));
  const absl::Status fits = CheckOpened(file, options);
  if (fits.ok()) return file;
  if (options.exclusive) UnlinkShm(name).IgnoreError();
  return fits;
}

absl::Status File::UnlinkShm(std::string_view name) {
  const std::string object(name);
  if (RetryEintr([&] { return Sys().shm_unlink(object.c_str()); }) == 0 ||
      errno == ENOENT) {
    return absl::OkStatus();
  }
  return RemoveError(errno, absl::StrCat(kShmDirectory, object));
}

File::File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

absl::StatusOr<File> File::Own(int fd, std::string path,
                               std::string_view what) {
  if (fd >= kFirstOwnFd) return File(fd, std::move(path));
  const int higher = Sys().fcntl_dup(fd, kFirstOwnFd);
  const int error = errno;
  Sys().close(fd);
  if (higher < 0) return OpenError(error, path, what);
  return File(higher, std::move(path));
}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() { Close(); }

absl::StatusOr<FileInfo> File::Info() const {
  return ReadInfo(fd_, "", AT_EMPTY_PATH, path_);
}

uint64_t File::Generation() const {
  int generation = 0;
  // A generation may be 0. Bit 32 marks it as known.
  if (Sys().ioctl(fd_, FS_IOC_GETVERSION, &generation) != 0) return 0;
  return uint64_t{1} << 32 | static_cast<uint32_t>(generation);
}

// lseek refuses an offset beyond the largest file. The offset that it leaves
// does no harm, because File reads and writes at explicit offsets.
bool File::CanHold(uint64_t size) const {
  return size < uint64_t{1} << 63 &&
         (Sys().lseek(fd_, static_cast<off_t>(size), SEEK_SET) >= 0 ||
          IsRefusal(errno));
}

absl::StatusOr<size_t> File::ReadAt(uint64_t offset,
                                    std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = RetryEintr([&] {
      return Sys().pread(fd_, out.data() + done, out.size() - done,
                         static_cast<off_t>(offset + done));
    });
    if (got < 0) return ErrnoToStatus(errno, "read", path_);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

absl::Status File::WriteAt(uint64_t offset, ConstBytes data) const {
  MPOOL_RETURN_IF_ERROR(CheckSizeLimit("write", path_, offset + data.size()));
  while (!data.empty()) {
    const ssize_t put = RetryEintr([&] {
      return Sys().pwrite(fd_, data.data(), data.size(),
                          static_cast<off_t>(offset));
    });
    if (put < 0) return WriteError(errno, path_);
    // Only a full device returns neither an error nor progress.
    if (put == 0) return WriteError(ENOSPC, path_);
    offset += static_cast<uint64_t>(put);
    data = data.subspan(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status File::WriteAtGathered(uint64_t offset,
                                   std::span<const ConstBytes> parts,
                                   uint64_t* calls) const {
  std::array<iovec, IOV_MAX> gathered;
  uint64_t end = offset;
  for (const ConstBytes& part : parts) end += part.size();
  MPOOL_RETURN_IF_ERROR(CheckSizeLimit("write", path_, end));
  size_t done = 0;
  Advance(0, parts, done);
  while (!parts.empty()) {
    const int count = GatherCalls(parts, done, gathered);
    const ssize_t put = RetryEintr([&] {
      ++*calls;
      return Sys().pwritev(fd_, gathered.data(), count,
                           static_cast<off_t>(offset));
    });
    if (put < 0) return WriteError(errno, path_);
    if (put == 0) return WriteError(ENOSPC, path_);
    offset += static_cast<uint64_t>(put);
    Advance(static_cast<size_t>(put), parts, done);
  }
  return absl::OkStatus();
}

absl::Status File::Sync() const {
  if (Sys().fsync(fd_) == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, "fsync", path_,
                       "what was written since the last fsync may be lost");
}

absl::StatusOr<std::string> File::CurrentPath() const {
  const std::string link = absl::StrCat("/proc/self/fd/", fd_);
  std::array<char, PATH_MAX> path;
  if (Sys().realpath(link.c_str(), path.data()) != nullptr) {
    return std::string(path.data());
  }
  return ErrnoToStatus(errno, "find the present path of", path_);
}

void File::DropCache(uint64_t offset, uint64_t size_bytes) const {
  // The kernel drops a folio only if the whole of it is in the range.
  constexpr uint64_t kLargestFolio = uint64_t{2} << 20;
  const uint64_t begin = offset / kLargestFolio * kLargestFolio;
  const uint64_t end =
      (offset + size_bytes + kLargestFolio - 1) / kLargestFolio * kLargestFolio;
  Sys().fadvise(fd_, static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                POSIX_FADV_DONTNEED);
}

absl::Status File::Resize(uint64_t size_bytes) const {
  const std::string what = absl::StrCat("resize to ", size_bytes);
  MPOOL_ASSIGN_OR_RETURN(const FileInfo info, Info());
  if (size_bytes > info.size_bytes) {
    MPOOL_RETURN_IF_ERROR(CheckSizeLimit(what, path_, size_bytes));
  }
  if (RetryEintr([&] {
        return Sys().ftruncate(fd_, static_cast<off_t>(size_bytes));
      }) != 0) {
    return ErrnoToStatus(errno, what, path_);
  }
  return absl::OkStatus();
}

absl::Status File::Reserve(uint64_t offset, uint64_t size_bytes) const {
  MPOOL_RETURN_IF_ERROR(
      CheckSizeLimit("reserve blocks", path_, offset + size_bytes));
  // tmpfs aborts a call and frees all its blocks when a signal arrives. A
  // program with an interval timer would never complete a large call. So an
  // interrupted call is repeated with half the size.
  constexpr uint64_t kSmallestSlice = 64 * 1024;
  uint64_t slice = size_bytes;
  for (uint64_t left = size_bytes; left > 0;) {
    slice = std::min(slice, left);
    if (Sys().fallocate(fd_, 0, static_cast<off_t>(offset),
                        static_cast<off_t>(slice)) == 0) {
      offset += slice;
      left -= slice;
    } else if (errno == EINTR) {
      slice = std::max(slice / 2, kSmallestSlice);
    } else {
      return ReserveError(errno, *this, size_bytes);
    }
  }
  return absl::OkStatus();
}

bool File::IsWritable() const {
  const int flags = Sys().fcntl_get(fd_, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

void File::Close() {
  // Never repeated, because the fd is gone even if close returns EINTR.
  if (fd_ >= 0) Sys().close(std::exchange(fd_, -1));
}

}  // namespace mpool::os
