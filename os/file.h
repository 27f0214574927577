// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file.h - open files, through the system-call table. directory.h has the
// functions on names, file_info.h the state of a file.
//
// Calls that a signal interrupts are repeated, except fsync and close. Reads
// and writes continue after a short count. Errors name the operation and the
// path.

#ifndef MPOOL_OS_FILE_H_
#define MPOOL_OS_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file_info.h"

namespace mpool::os {

// One piece of a gathered write.
using ConstBytes = std::span<const std::byte>;

// An open file; closes itself. Move-only. All files are opened O_CLOEXEC.
class File {
 public:
  enum class Mode { kReadOnly, kReadWrite };
  struct OpenOptions {
    Mode mode = Mode::kReadWrite;
    bool create = false;     // O_CREAT
    bool exclusive = false;  // O_EXCL
    bool no_follow = false;  // O_NOFOLLOW
    // Refuse a file that is not regular, without waiting for it.
    bool regular = false;
    int permissions = 0600;  // for a created file
    // fchmod the created file, so that the umask does not apply. Ignored
    // without `create` and `exclusive`.
    bool exact_permissions = false;
    // The group of the created file. Ignored without exact_permissions.
    std::optional<uint32_t> group = std::nullopt;
  };

  // Opens the file at an absolute path. `shown` replaces the path in path() and
  // in errors.
  static absl::StatusOr<File> Open(std::string_view path,
                                   const OpenOptions& options,
                                   std::string_view shown = {});
  // Opens a directory, for OpenAt and similar calls.
  static absl::StatusOr<File> OpenDirectory(std::string_view path);
  // Opens the directory `dir` once more, also if its name now leads to another.
  static absl::StatusOr<File> OpenDirectory(const File& dir);
  // Opens `name` below the open directory `dir`. path() of the result is
  // dir.path() + "/" + name.
  static absl::StatusOr<File> OpenAt(const File& dir, std::string_view name,
                                     const OpenOptions& options);
  // Opens a POSIX shared memory object; `name` starts with a slash.
  static absl::StatusOr<File> OpenShm(std::string_view name,
                                      const OpenOptions& options);
  static absl::Status UnlinkShm(std::string_view name);
  // Creates a file in memory that has no name in any directory.
  static absl::StatusOr<File> Unnamed();

  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  // True if the file system supports files of `size` bytes.
  bool CanHold(uint64_t size) const;

  const std::string& path() const { return path_; }

  absl::StatusOr<FileInfo> Info() const;
  // Returns a number that the file system changes when it reuses an inode
  // number (FS_IOC_GETVERSION); 0 if the file system has none. Info() does not
  // set it.
  uint64_t Generation() const;

  // Reads until `out` is full or the file ends. Returns the number of bytes
  // read.
  absl::StatusOr<size_t> ReadAt(uint64_t offset,
                                std::span<std::byte> out) const;
  // Writes all of `data`.
  absl::Status WriteAt(uint64_t offset, ConstBytes data) const;
  // Writes all parts one after another from `offset` on, at most IOV_MAX parts
  // a call. Adds the number of calls to *calls.
  absl::Status WriteAtGathered(uint64_t offset,
                               std::span<const ConstBytes> parts,
                               uint64_t* calls) const;
  // Calls fsync once. It is never repeated, because a second fsync may hide an
  // error that the first returned. Returns Unavailable (errno EINTR) if a
  // signal interrupted it.
  absl::Status Sync() const;
  // Returns the path by which the file can be opened now, after renames.
  absl::StatusOr<std::string> CurrentPath() const;
  // Drops clean pages of the range, and of up to 2 MiB around it, from the
  // kernel's cache, as far as possible.
  void DropCache(uint64_t offset, uint64_t size_bytes) const;
  absl::Status Resize(uint64_t size_bytes) const;
  // Reserves blocks, so that a full disk is an error now and not SIGBUS later.
  absl::Status Reserve(uint64_t offset, uint64_t size_bytes) const;
  // True if the descriptor was opened for writing.
  bool IsWritable() const;
  void Close();
  // Forgets the fd without closing it. For an fd that the program closed: its
  // number is free, or belongs to another file.
  void Forget() { fd_ = -1; }

 private:
  friend class Node;
  File(int fd, std::string path);
  // Takes ownership of the open `fd`. Closes `fd` on an error.
  static absl::StatusOr<File> Own(int fd, std::string path,
                                  std::string_view what = "open");

  int fd_ = -1;
  std::string path_;
};

// Returns the error of a failed open, with advice.
absl::Status OpenError(int error, std::string_view path,
                       std::string_view what = "open");

}  // namespace mpool::os

#endif  // MPOOL_OS_FILE_H_
