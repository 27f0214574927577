// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// file.h - files and directories, through the system-call table.
//
// Every call retries EINTR, and reads and writes go on after a short count.
// Errors name the operation and the path.

#ifndef MPOOL_OS_FILE_H_
#define MPOOL_OS_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::os {

// Tells one file from another, also after its inode number was used again.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t birth_ns = 0;    // 0 where the file system keeps none
  uint64_t generation = 0;  // see File::Generation; 0 where it is not known

  // A generation that one side does not know agrees with each.
  bool operator==(const FileIdentity& other) const {
    return device == other.device && IsSameInode(other);
  }
  // The same on a file system that may have been mounted again since.
  bool IsSameInode(const FileIdentity& other) const {
    return inode == other.inode && birth_ns == other.birth_ns &&
           (generation == 0 || other.generation == 0 ||
            generation == other.generation);
  }
  // True if a later file with this inode number would be told apart.
  bool HasProof() const { return birth_ns != 0 || generation != 0; }
};

struct FileInfo {
  FileIdentity identity;
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;  // st_blocks * 512
  uint64_t mtime_ns = 0;
  uint64_t ctime_ns = 0;
  uint32_t mode = 0;  // with the file type bits
  uint32_t links = 0;
  uint32_t user = 0;
  uint32_t group = 0;
  bool is_regular = false;
  bool is_directory = false;
  bool is_link = false;  // never of an open file
};

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
    // Refuse what is not a regular file, without waiting for it.
    bool regular = false;
    int permissions = 0600;  // for a created file
    // fchmod a file that this call created, whatever the umask. Only with
    // `exclusive`.
    bool exact_permissions = false;
    // With exact_permissions: the group that it shall belong to.
    std::optional<uint32_t> group = std::nullopt;
  };

  // An absolute path. `shown` replaces it in path() and in errors.
  static absl::StatusOr<File> Open(std::string_view path,
                                   const OpenOptions& options,
                                   std::string_view shown = {});
  // A directory, for OpenAt and the like.
  static absl::StatusOr<File> OpenDirectory(std::string_view path);
  // One more open of the same directory, whatever is called so by now.
  static absl::StatusOr<File> OpenDirectory(const File& dir);
  // `name` below the open directory `dir`; the result's path() is
  // dir.path() + "/" + name.
  static absl::StatusOr<File> OpenAt(const File& dir, std::string_view name,
                                     const OpenOptions& options);
  // A POSIX shared memory object; name starts with a slash.
  static absl::StatusOr<File> OpenShm(std::string_view name,
                                      const OpenOptions& options);
  static absl::Status UnlinkShm(std::string_view name);
  // A file in memory that has no name in any directory.
  static absl::StatusOr<File> Unnamed();

  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  // Whether the file system has files of so many bytes.
  bool CanHold(uint64_t size) const;

  const std::string& path() const { return path_; }

  absl::StatusOr<FileInfo> Info() const;
  // A number that the file system changes when it uses an inode number again
  // (FS_IOC_GETVERSION); 0 if it tells none. Info() leaves it out.
  uint64_t Generation() const;

  // Reads until `out` is full or the file ends; returns the bytes read.
  absl::StatusOr<size_t> ReadAt(uint64_t offset,
                                std::span<std::byte> out) const;
  // Writes all of `data`.
  absl::Status WriteAt(uint64_t offset, ConstBytes data) const;
  // Writes all parts one after the other from `offset` on; one call where the
  // kernel takes them all (at most IOV_MAX parts a call). Adds the number of
  // calls made to *calls.
  absl::Status WriteAtGathered(uint64_t offset,
                               std::span<const ConstBytes> parts,
                               uint64_t* calls) const;
  // fsync. Never repeated, because a second fsync may hide an error that the
  // first one met. Unavailable (errno EINTR) if a signal ended it.
  absl::Status Sync() const;
  // Drops the file's clean pages from the kernel's cache, as far as it can.
  void DropCache() const;
  absl::Status Resize(uint64_t size_bytes) const;
  // Reserves blocks, so that a full disk is an error now and not SIGBUS later.
  absl::Status Reserve(uint64_t offset, uint64_t size_bytes) const;
  // Kinds of file system on which a region cannot be shared: "NFS", "CIFS",
  // "9p", "FUSE"; empty for all others.
  absl::StatusOr<std::string> RemoteFilesystem() const;
  // The name of a file system whose files are made up as they are read
  // ("proc", "sysfs", ...); empty for all others.
  absl::StatusOr<std::string> PseudoFilesystem() const;
  void Close();
  // The program closed our fd: the number is nobody's, or another file's.
  void Forget() { fd_ = -1; }

 private:
  friend class Node;
  File(int fd, std::string path);
  // `fd` is open. An error leaves nothing open.
  static absl::StatusOr<File> Own(int fd, std::string path,
                                  std::string_view what = "open");

  int fd_ = -1;
  std::string path_;
};

// The error of an open that failed, with advice.
absl::Status OpenError(int error, std::string_view path,
                       std::string_view what = "open");
// The state of `name` below `dir`, or of an absolute `name`, without opening it
// and without following a link; NotFound if absent.
absl::StatusOr<FileInfo> InfoAt(const File& dir, std::string_view name);
// Removes a file below `dir`; Ok if it is not there.
absl::Status UnlinkAt(const File& dir, std::string_view name);
// Replaces `to` by `from`, both below `dir`.
absl::Status RenameAt(const File& dir, std::string_view from,
                      std::string_view to);
// What an error calls `name` below `dir`, or an absolute name.
std::string PathBelow(const File& dir, std::string_view name);
// The path with links resolved, for a path that exists.
absl::StatusOr<std::string> AbsolutePath(std::string_view path);

}  // namespace mpool::os

#endif  // MPOOL_OS_FILE_H_
