// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// filesystem_kind.h - the kind of the file system of a file.

#ifndef MPOOL_OS_FILESYSTEM_KIND_H_
#define MPOOL_OS_FILESYSTEM_KIND_H_

#include <sys/statfs.h>

#include <string>

#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

// Calls fstatfs. If a sandbox refuses it, returns only f_type, by the list of
// mounts in /proc.
absl::StatusOr<struct statfs> StatFs(const File& file);
// Returns the name of the kind, or its number ("type 0x..."), for errors.
std::string FilesystemKind(const File& file);
// Returns the kind of a file system on which a region cannot be shared: "NFS",
// "CIFS", "9p", "FUSE"; empty for all others.
absl::StatusOr<std::string> RemoteFilesystem(const File& file);
// Returns the name of a file system that generates the content of its files on
// each read ("proc", "sysfs", ...); empty for all others.
absl::StatusOr<std::string> PseudoFilesystem(const File& file);
// True if the file system has its files in memory only, like tmpfs.
bool IsInMemory(const File& file);
// True on overlayfs, where a change of a file from a lower layer gives the file
// another time of birth (copy-up), but not another inode number.
bool IsOnOverlay(const File& file);

}  // namespace mpool::os

#endif  // MPOOL_OS_FILESYSTEM_KIND_H_
